"""The output of `cgshimctl leaks`: JSON, text, a plot, a page."""
