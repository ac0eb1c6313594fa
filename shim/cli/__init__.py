"""cgshimctl, the human's tool. May import anything; never imported by the hot path."""
