"""A fault in words is the document that a control API takes, whichever program it is for."""

from __future__ import annotations

import pytest

from seatrial.faults.fault import document_of, read_fault, read_words
from seatrial.gate.fault import GateFault


@pytest.mark.parametrize(
    "words",
    [
        "status status=429 share=50% retry_after=1s for=2min",
        "status status=500 share=20% after=true verb=patch",
        "latency p50=20ms p99=200ms resource=endpointslices",
        "timeout time=2s count=3 namespace=team after=false",
    ],
)
def test_words_and_their_document_are_one_fault(words: str) -> None:
    assert read_words(GateFault, words) == read_fault(GateFault, document_of(words))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("", "is no fault"),
        ("boom", "`boom` is no fault"),
        ("reset share", "has no value"),
        ("reset after=perhaps", "after"),
    ],
)
def test_what_is_no_fault_is_refused_in_words(words: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_words(GateFault, words)
