"""Who runs on this host: runtimes' state, engines' records, cgroups; read from files, no daemon is asked."""
