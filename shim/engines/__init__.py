"""One module an engine: where its configuration lies, what an entry for cgshim looks like, how it is taken back."""
