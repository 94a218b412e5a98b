"""Unrelated streams of random numbers from one seed."""

from __future__ import annotations

import hashlib

SEED_BITS = 63
"""What fits a signed 64-bit integer, in which a record and a JSON reader may keep it."""


def derive(seed: int, *names: str | int) -> int:
    """Return the seed of the stream that ``names`` identify, from 0 to 2**63 - 1.

    Neighbouring seeds and numbers give unrelated ones (BLAKE2b), so whoever takes the streams ``base + 0``,
    ``base + 1`` and so on, as workers do, does not run into another's. The same arguments always give the same.
    """
    # repr distinguishes "1" from 1, and quotes every text so that no two lists of names read alike.
    digest = hashlib.blake2b(repr((seed, *names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - SEED_BITS)
