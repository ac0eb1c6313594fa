"""Which limits of a container hold: each party's value for every limit, and a verdict.

`levels` and `subjects` read the kernel's files; everything else is pure.
"""
