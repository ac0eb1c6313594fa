"""The output of `cgshimctl watch`: a board of containers as columns, drawn by rich or as plain text, or JSON lines."""
