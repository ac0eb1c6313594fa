"""cgshim: an OCI runtime wrapper that fits cgroup limits to the host."""

__version__ = "0.2.0"
