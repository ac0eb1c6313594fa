"""OCI hooks, for engines that keep their own runtime."""
