"""From a resources object and a host to a plan: rules applied, settings and policy, the report."""
