"""One intercepted call, start to end: entry is the table of contents."""
