"""The OCI document: text, spans, edits, checks."""
