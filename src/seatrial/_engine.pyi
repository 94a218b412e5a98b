"""The native half of Seatrial: moves bytes, knows nothing of plans."""

from typing import final

def issue_certificate(names: list[str], valid_for_s: int = 2_592_000) -> tuple[str, str, str]:
    """Return the PEM of an authority, of a certificate that it issues for names and IP addresses, and of its key.

    The certificate is good for servers and clients for so long (default 30 days); less than 0 has run out already.
    """

@final
class Histogram:
    """A histogram of durations in microseconds: 3 significant digits, 1 us to 1 h, nothing dropped."""

    def __init__(self) -> None: ...
    @staticmethod
    def decode(encoded: str) -> Histogram:
        """Read a base64 V2 encoding; raise ``ValueError`` where it is not one."""
    def encode(self) -> str:
        """Return the base64 V2 encoding, deflated."""
    def record(self, value_us: int, count: int = 1) -> None:
        """Record a value ``count`` times."""
    def add(self, other: Histogram) -> None:
        """Add every sample of ``other``; exact."""
    def add_encoded(self, encoded: str) -> None:
        """Decode and add; raise ``ValueError`` where it is not an encoding."""
    def quantile_us(self, quantile: float) -> int:
        """Return the smallest value that at least this fraction (0 to 1) of the samples do not exceed."""
    def buckets(self) -> list[tuple[int, int]]:
        """Return every occupied bucket as (highest value in us, samples), ascending."""
    @property
    def count(self) -> int: ...
    @property
    def min_us(self) -> int: ...
    @property
    def max_us(self) -> int: ...
    @property
    def mean_us(self) -> float: ...
    @property
    def stdev_us(self) -> float: ...
