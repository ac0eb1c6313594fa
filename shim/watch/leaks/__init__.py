"""Whether the memory of a container grows without end: statistics, verdicts, and what happened at the beginning."""
