"""What happens to the memory of the containers of this host: samples, events, alerts, recordings, leaks."""
