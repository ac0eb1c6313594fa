"""A run that asks of the tests whether they would notice: by name, `python -m tests.mutation`."""
