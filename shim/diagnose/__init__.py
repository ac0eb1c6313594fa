"""Explains failures: catalogue, facts, rendering."""
