"""Which limits of a container hold: every party's word about each limit, and a verdict.

`levels` and `subjects` read the kernel's files; all else is pure: values in, values out.
"""
