"""The OCI document: text, spans, edits and checks."""
