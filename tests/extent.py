"""How much is looked at, as `tests/run.sh` says in CGSHIM_TESTS.

"sample": what a newcomer waits for; of large tables a part, and no test that is marked as long. "all": also what takes
hours. Anything else, as without the variable: what CI runs.
"""

from __future__ import annotations

import os

SAMPLE = os.environ.get("CGSHIM_TESTS") == "sample"
ALL = os.environ.get("CGSHIM_TESTS") == "all"
