"""Whether a Traefik has taken a file is judged by what it leads where, not by how many routes it has."""

from __future__ import annotations

from typing import Any

from seatrial.systems.traefik import _given


def document(
    name: str = "a", service: str = "one", url: str = "http://10.0.0.1:80", at: str = ""
) -> dict[str, Any]:
    return {
        "routers": {f"{name}{at}": {"rule": "Host(`a`)", "service": service}},
        "services": {f"{service}{at}": {"loadBalancer": {"servers": [{"url": url}]}}},
    }


def test_what_it_says_that_it_has_is_held_against_the_file() -> None:
    wanted = _given(document())
    said = document(at="@file")
    # What is its own is not of the file.
    said["routers"]["ping@internal"] = {"service": "ping@internal"}
    assert _given(said) == wanted
    others: list[dict[str, Any]] = [
        document(name="b", at="@file"),
        document(service="two", at="@file"),
        document(url="http://10.0.0.2:80", at="@file"),
        {"routers": {}, "services": {}},
    ]
    assert all(_given(other) != wanted for other in others)
