"""What `cgshimctl audit` shows: one shape, and its renderings."""
