"""Which day it is, for tests that take turns: `ANGARIUM_TEST_DAY=n` repeats a day.

The first process of a run says it to the others, so that it is one day for all of them, also at midnight.
"""

import os
from datetime import UTC, datetime

TODAY = int(os.environ.setdefault("ANGARIUM_TEST_DAY", str(datetime.now(UTC).toordinal())))
