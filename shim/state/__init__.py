"""What cgshim keeps on disk: small files, past failures, notices of hooks."""
