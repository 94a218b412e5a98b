"""Options that no load can be made of: refused before anything starts, with the flag and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import PlanError
from seatrial.generator.options import LoadOptions
from seatrial.generator.spec import LoadSpec
from seatrial.plan import limits


def load(**options: Any) -> LoadSpec:
    return LoadOptions("http://127.0.0.1:9/", **({"rate": 10} | options)).spec()


def refusal(**options: Any) -> str:
    with pytest.raises(PlanError) as caught:
        load(**options)
    return f"{caught.value} / {caught.value.cause} / {caught.value.next_step}"


@pytest.mark.parametrize(
    ("options", "flag", "allowed"),
    [
        ({"requests_per_connection": "5000M"}, "--requests-per-connection", "at most 4,294,967,295"),
        ({"requests_per_connection": 2**32}, "--requests-per-connection", "at most 4,294,967,295"),
        ({"hold": 10, "hold_traffic": "slow-read:1s:4294967296"}, "--hold-traffic", "at most 4,294,967,295"),
        (
            {"hold": 10, "hold_traffic": f"slow-read:1s:{'9' * 400}"},
            "--hold-traffic",
            "at most 4,294,967,295",
        ),
        ({"hold": 2000, "hold_traffic": "request:1us"}, "--hold-traffic", "at least 1 ms"),
        ({"hold": "1M", "hold_traffic": "request:1ms"}, "--hold-traffic", "at most 10,000,000"),
        ({"hold": 10, "hold_traffic": "request:9999999h"}, "--hold-traffic", "at most 86,400"),
        ({"lifetime": "9999999h"}, "--lifetime", "at most 86,400"),
        ({"lifetime": "0.1ns"}, "--lifetime", "at least 1 us"),
        ({"interval": "9999999h"}, "--interval", "at most 86,400"),
        ({"timeout": "0.1ns"}, "--timeout", "at least 1 us"),
        ({"warmup": "0.1ns"}, "--warmup", "at least 1 us"),
        ({"duration": "0.1ns"}, "--duration", "at least 1 us"),
        ({"rate": "1k@0.1ns,1k@1s"}, "--rate", "at least 1 us"),
    ],
    ids=str,
)
def test_what_the_engine_cannot_count_is_refused_with_its_limit(
    options: dict[str, Any], flag: str, allowed: str
) -> None:
    words = refusal(**options)
    assert flag in words
    assert allowed in words


def test_what_is_just_possible_is_taken() -> None:
    spec = load(requests_per_connection=2**32 - 1, hold="10k", hold_traffic="slow-read:1ms:4294967295")
    assert spec.requests_per_connection == 2**32 - 1
    assert (spec.hold.every_s, spec.hold.bytes) == (0.001, 2**32 - 1)
    assert load(lifetime="24h", timeout="1us", duration="24h").lifetime_s == 86_400


def test_a_grid_finer_than_the_kernel_wakes_is_refused() -> None:
    for resolution in ("500ns", "9us", 1e-6):
        words = refusal(resolution=resolution)
        assert "--resolution" in words
        assert "at least 10 us" in words
    assert load(resolution="10us").resolution_s == 10e-6
    assert load(resolution="fine").resolution_s == 0
    assert load(resolution="auto").resolution_s is None


@pytest.mark.parametrize(
    "method", ["", "GET\r\nX: y", "GET\n", "GET /admin", "G\u00c9T", "G(T", "GET\0"], ids=repr
)
def test_a_method_that_is_no_token_is_refused(method: str) -> None:
    assert "--method" in refusal(method=method)


def test_a_method_may_be_any_token() -> None:
    assert load(method="m-search").requests[0].method == "M-SEARCH"


@pytest.mark.parametrize("field", ["Content-Length: 5", "content-length: 3", "Transfer-Encoding: chunked"])
def test_a_second_word_on_the_length_of_a_body_is_refused(field: str) -> None:
    words = refusal(method="POST", body="abc", header=field)
    assert field.partition(":")[0] in words
    assert "leave" in words
    # Without a body there is no first one.
    assert load(method="POST", header=field).requests[0].headers == (tuple(field.split(": ")),)


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "body.png"
    for content in ("one\r\ntwo\n\u00e9".encode(), b"\x89PNG\r\n\x00"):
        file.write_bytes(content)
        assert load(body=f"@{file}").requests[0].body == content
        assert load(body=content).requests[0].body == content


def test_what_a_shell_gives_that_is_no_text_is_sent_as_it_came() -> None:
    assert load(body="caf\udce9").requests[0].body == b"caf\xe9"


def test_a_body_has_a_limit_wherever_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BODY_BYTES", 1000)
    file = tmp_path / "body"
    file.write_bytes(b"x" * 1000)
    assert len(load(body=f"@{file}").requests[0].body) == 1000
    file.write_bytes(b"x" * 1001)
    for body in (f"@{file}", "@/dev/zero", "x" * 1001, "\u00e9" * 501, "1001 B", 1001, b"x" * 1001):
        assert "1,000" in refusal(body=body)
