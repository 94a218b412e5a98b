"""Frames to rows and back: counters as JSON, histograms in the base64 of their V2 encoding."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seatrial._engine import Histogram
from seatrial.generator.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PART_HISTOGRAMS = ("latency", "service_time", "lateness")
# The name under which the connect times are kept: they belong to no phase.
CONNECT = "connect"
# Those of the TLS handshakes, kept only where there were any.
TLS_HANDSHAKE = "tls_handshake"


def split_frame(frame: Frame) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    """Return the counters as JSON and each histogram as (phase, kind, base64 V2), "" being one without samples."""
    document = asdict(frame)
    histograms = [("", CONNECT, document.pop(CONNECT))]
    if handshakes := document.pop(TLS_HANDSHAKE):
        histograms.append(("", TLS_HANDSHAKE, handshakes))
    for part in document["parts"]:
        histograms += [(part["phase"], kind, part.pop(kind)) for kind in PART_HISTOGRAMS]
    return json.dumps(document, separators=(",", ":")), tuple(histograms)


def join_frame(counters: str, histograms: Iterable[tuple[str, str, str]]) -> Frame:
    """Undo :func:`split_frame`."""
    by_key = {(phase, kind): encoded for phase, kind, encoded in histograms}
    document: dict[str, Any] = json.loads(counters)
    document[CONNECT] = by_key["", CONNECT]
    document[TLS_HANDSHAKE] = by_key.get(("", TLS_HANDSHAKE), "")
    for part in document["parts"]:
        part.update({kind: by_key[part["phase"], kind] for kind in PART_HISTOGRAMS})
    return Frame.from_json(document)


def log_histograms(frame: Frame) -> Iterator[tuple[str, str, str]]:
    """Yield (phase, kind, base64 V2) of the distributions that are kept as ``.hlog`` too."""
    for part in frame.parts:
        yield part.phase, "latency", part.latency
        yield part.phase, "service_time", part.service_time


def sample_json(values: Mapping[str, float]) -> str:
    """Return a sample's counters as compact JSON: whole numbers without a fraction, others to the microsecond."""
    short = {name: int(value) if value == int(value) else round(value, 6) for name, value in values.items()}
    return json.dumps(short, separators=(",", ":"))


def looked_at(data: bytes) -> str:
    """Return a histogram in base64; raises ``ValueError`` where it is none: it would break whatever merges it."""
    encoded = base64.b64encode(data).decode("ascii")
    Histogram.decode(encoded)
    return encoded
