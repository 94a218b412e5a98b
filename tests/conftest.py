"""Makes `tests.support` importable from every test, however pytest is started."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

# A suite that nohup or a script's background starts would hand on to the programs under test that these are ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, str(Path(__file__).parents[1]))
