"""Makes `tests.support` importable from every test, however pytest is started."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

# A suite that nohup or a script's background starts would hand on to the programs under test that these are ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, str(Path(__file__).parents[1]))

# Tests that run at a time are no measurements that disturb each other: each process of pytest has locks of its own.
os.environ["SEATRIAL_LOCK_DIR"] = tempfile.mkdtemp(prefix="seatrial-test-locks-")
atexit.register(shutil.rmtree, os.environ["SEATRIAL_LOCK_DIR"], ignore_errors=True)
