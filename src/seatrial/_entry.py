"""Where ``seatrial`` begins: a signal that comes while it is still being loaded ends it in silence.

Nothing has been started by then, so there is nothing to put back, and a traceback of half an import helps nobody.
Hardly anything is imported here, so that as little as possible comes before.
"""

import os
import signal

INTERRUPTED = 130
"""``ExitCode.INTERRUPTED``, whose module would take its time."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Load the command line and run it."""
    for number in SIGNALS:
        signal.signal(number, _leave)
    from seatrial.cli.main import main

    main(loaded=_loaded)


def _loaded() -> None:
    """Let Ctrl-C raise again: a command is at work, and may have something to put back."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(*_: object) -> None:
    os._exit(INTERRUPTED)
