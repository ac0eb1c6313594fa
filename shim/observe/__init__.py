"""What memory does to a container: pressure, kills, events, exits of tasks."""
