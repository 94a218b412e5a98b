"""Every stream of random numbers has a seed that is related to no other."""

from __future__ import annotations

import itertools

from seatrial.seeds import derive

TRIALS = range(1, 101)
SEEDS = range(20)
PROCESSES = 64
"""More than any trial has of workers or of origin processes; each adds its number to its base."""


def test_trials_and_roles_never_share_a_stream() -> None:
    bases = [
        derive(derive(seed, "trial", number), role)
        for seed, number, role in itertools.product(SEEDS, TRIALS, ("arrivals", "origin"))
    ]
    streams = {base + process for base in bases for process in range(PROCESSES)}
    assert len(streams) == len(bases) * PROCESSES


def test_a_seed_is_the_same_each_time_and_fits_63_bits() -> None:
    assert derive(1, "trial", 1) == 3247167679076709693
    seeds = [derive(seed, "origin") for seed in range(1000)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62


def test_names_are_distinguished_however_they_are_cut() -> None:
    assert (
        len({derive(1, "a", "b"), derive(1, "ab"), derive(1, "a", 1), derive(1, "a", "1"), derive(11)}) == 5
    )
