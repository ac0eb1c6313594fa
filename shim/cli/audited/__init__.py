"""The output of `cgshimctl audit`: one shape, and its renderings."""
