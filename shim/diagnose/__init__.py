"""Failures explained: catalogue, facts, report."""
