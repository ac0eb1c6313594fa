"""One watcher for all containers of a host: samples, events, alerts."""
