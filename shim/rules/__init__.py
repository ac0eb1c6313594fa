"""One module a controller, one rule a function; `shim.planning.plan` holds the ordered table."""
