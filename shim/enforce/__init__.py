"""After the runtime: limits that cgshim sets itself, and limits read back from the kernel."""
