"""Facts about the host, each with its evidence."""
