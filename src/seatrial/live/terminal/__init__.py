"""A run on stderr: one screen in a terminal, plain lines elsewhere."""

from seatrial.live.terminal.view import TerminalView

__all__ = ["TerminalView"]
