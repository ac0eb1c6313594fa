"""One module a controller, one rule a function; `shim.plan` holds the ordered table."""
