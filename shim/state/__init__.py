"""cgshim's own files on disk: small files, past failures, notices of hooks."""
