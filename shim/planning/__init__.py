"""From a resources object and a host to a plan: rules, settings and policy, the report."""
