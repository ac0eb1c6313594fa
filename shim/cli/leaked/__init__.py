"""How `cgshimctl leaks` shows what it found: JSON, text, a plot, a page."""
