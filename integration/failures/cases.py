"""Every row that is provoked on this host, once for each runtime that it is written for."""

from __future__ import annotations

from integration.failures.provocations import DEVICES, LAYOUT, LIMITS, TREE
from integration.failures.provocations_checkpoint import CRIU, NEWER_KERNEL
from integration.failures.provocations_mounts import FOREIGN, MOUNTS, USERS
from integration.failures.provocations_privileges import PRIVILEGES
from integration.failures.provocations_start import NOT_OURS, START

ROWS = [*LAYOUT, *TREE, *LIMITS, *DEVICES, *PRIVILEGES, *MOUNTS, *USERS, *START, *CRIU, *NEWER_KERNEL]
CASES = [(row, runtime) for row in ROWS for runtime in sorted(row.expect)]
FOREIGN_CASES = [(row, runtime) for row in (*FOREIGN, *NOT_OURS) for runtime in sorted(row.expect)]
