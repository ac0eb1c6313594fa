"""One module an engine: where its configuration is, what an entry for cgshim looks like, how it is removed."""
