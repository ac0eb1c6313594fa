"""OCI hooks: the same translation and verification for engines that keep their own runtime."""
