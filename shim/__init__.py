"""cgshim: an OCI runtime wrapper that makes cgroup limits fit the host at hand."""

__version__ = "0.1.0"
