"""The containers of this host: runtimes' state, engines' records, cgroups; read from files, without asking a daemon."""
