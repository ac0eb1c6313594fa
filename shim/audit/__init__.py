"""Which limits of a container hold: every party's word about each limit, and a verdict. Pure: values in, values out."""
