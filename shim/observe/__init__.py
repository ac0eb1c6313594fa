"""Memory of a container: pressure, kills, events, exits of tasks."""
