"""cgshimctl, the tool for people. May import anything; never imported by the hot path."""
