"""Who is on this host: what runtimes and engines record about containers."""
