"""Options that no load can be made of: refused before anything starts, with the flag and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seatrial import limits
from seatrial.errors import PlanError
from seatrial.workload.spec import LoadSpec
from seatrial.workload.words.options import LoadOptions
from seatrial.workload.words.urls import read_url


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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"closed": True, "rate": None, "arrival": "poisson"}, "--arrival poisson is of a schedule"),
        ({"hold_traffic": "request"}, "--hold-traffic is of held connections, and none are asked for"),
        ({"alpn": "h2"}, "--alpn is for https:// URLs"),
        ({"header": ["Host: a", "host: b"]}, "--header Host is given twice"),
        ({"header": "Host: a", "host": "b"}, "--header Host and --host contradict each other"),
        ({"header": {"HOST": "a"}, "host": "b"}, "--header Host and --host contradict each other"),
        ({"path": "/a#b"}, "has a fragment, which is never sent"),
    ],
)
def test_what_would_change_nothing_is_refused(options: dict[str, Any], words: str) -> None:
    assert words in refusal(**options)


def test_an_empty_host_is_refused_and_not_taken_for_none() -> None:
    assert "'' is not a host" in refusal(header="Host:")


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


def of(url: str, **options: Any) -> LoadSpec:
    return LoadOptions(url, **({"rate": 10} | options)).spec()


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://127.0.0.1:0/", "port from 1 to 65535"),
        ("http://127.0.0.1:65536/", "port from 1 to 65535"),
        ("http://127.0.0.1/a b", "write %20 for it"),
        ("http://127.0.0.1/a\nb", "write %0A for it"),
        ("http://127.0.0.1/caf\u00e9", "write %C3%A9 for it"),
        ("http://127.0.0.1/?q=\u00e9", "write %C3%A9 for it"),
        ("http://127.0.0.1/caf\udce9", "write %E9 for it"),
    ],
    ids=ascii,
)
def test_a_url_that_cannot_be_asked_for_is_blamed_itself(url: str, what: str) -> None:
    with pytest.raises(PlanError) as caught:
        of(url)
    words = f"{caught.value} / {caught.value.next_step}"
    assert what in words
    assert "127.0.0.1" in words
    assert "--" not in words


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://127.0.0.1", "/"),
        ("http://127.0.0.1?", "/?"),
        ("http://127.0.0.1/a?", "/a?"),
        ("http://127.0.0.1/a?b=c?d", "/a?b=c?d"),
        ("http://127.0.0.1/a?b#c?d", "/a?b"),
        ("127.0.0.1:9/a#b", "/a"),
        ("http://127.0.0.1//a/../b", "//a/../b"),
        ("http://u@127.0.0.1/a@b", "/a@b"),
    ],
)
def test_a_path_is_asked_for_as_it_was_written(url: str, path: str) -> None:
    assert of(url).requests[0].path == path


@pytest.mark.parametrize("port", ["99999", "65536", "0", "x", "-1", "1_0", "\u0663"], ids=ascii)
@pytest.mark.parametrize("host", ["m\u00fcnchen.example", "127.0.0.1", "[::1]"], ids=ascii)
def test_a_port_that_is_none_is_refused_whatever_the_host(host: str, port: str) -> None:
    for options in (
        {"url": f"http://{host}:{port}/"},
        {"url": "http://127.0.0.1/", "target": f"{host}:{port}"},
    ):
        with pytest.raises(PlanError) as caught:
            of(**options)
        assert "port from 1 to 65535" in f"{caught.value.next_step}", options


def test_a_name_in_letters_of_any_language_is_looked_up_as_the_network_writes_it() -> None:
    for port, authority in (("", ""), (":", ""), (":8080", ":8080")):
        url = read_url(f"http://m\u00fcnchen.example{port}/")
        assert (url.host, url.authority) == ("xn--mnchen-3ya.example", f"xn--mnchen-3ya.example{authority}")


def test_a_user_and_a_password_are_sent_and_not_shown() -> None:
    spec = of("http://me:p%40ss@127.0.0.1:9/a")
    # As `curl -v` has it.
    assert spec.requests[0].headers == (("Authorization", "Basic bWU6cEBzcw=="),)
    assert spec.requests[0].host == "127.0.0.1:9"
    assert spec.url == "http://127.0.0.1:9/a"
    given = of("http://me:p@127.0.0.1:9/", header="authorization: Bearer x").requests[0].headers
    assert given == (("authorization", "Bearer x"),)
    assert read_url("http://m\udce9:\u00e9@127.0.0.1/").credentials == b"m\xe9:\xc3\xa9"
    with pytest.raises(PlanError) as caught:
        of("ftp://me:secret@127.0.0.1/")
    assert "secret" not in str(caught.value)


def test_results_show_the_name_that_was_asked_for() -> None:
    assert of("http://localhost:9/a").url == "http://localhost:9/a"
    assert of("http://route.example.com:1/", target="127.0.0.1:9").url == "http://route.example.com:1/"
    assert of("LOCALHOST").url == "http://LOCALHOST/"


@pytest.mark.parametrize(
    "target", ["127.0.0.1:0", "user@127.0.0.1:9", "127.0.0.1:99999", "a b", "127.0.0.1:x"]
)
def test_a_target_that_is_none_is_refused(target: str) -> None:
    assert "--target" in refusal(target=target)


def test_a_bare_number_is_seconds_wherever_a_time_is() -> None:
    assert load(duration="1.5").measure_s == 1.5
    assert load(timeout="0.25").timeout_s == 0.25
    assert load(resolution="0.001").resolution_s == 0.001
    assert load(hold=1, hold_traffic="request:2.5").hold.every_s == 2.5
    assert load(rate="100@1.5,200@2").measure_s == 3.5


@pytest.mark.parametrize("codes", ["99999", "0", "100", "200,1e2", "ok", "200;204", 99, [200, 1000]])
def test_a_status_that_no_answer_has_is_refused(codes: Any) -> None:
    words = refusal(expect_status=codes)
    assert "--expect-status" in words
    assert "200 to 999" in words


@pytest.mark.parametrize("flag", ["host", "path"])
def test_a_file_without_a_line_is_refused(tmp_path: Path, flag: str) -> None:
    file = tmp_path / "lines"
    for content in (b"", b"\n# nothing\n"):
        file.write_bytes(content)
        assert f"--{flag} @{file}: the file has no line with a {flag}" in refusal(**{flag: f"@{file}"})
    file.write_bytes(b"caf\xe9\n")
    assert f"--{flag} @{file}: the file is not UTF-8" in refusal(**{flag: f"@{file}"})
    assert f"--{flag} @/nowhere: No such file" in refusal(**{flag: "@/nowhere"})


@pytest.mark.parametrize("value", ["caf\udce9", "a\0b", "a\x1bb"])
def test_a_header_field_that_is_no_text_is_refused(value: str) -> None:
    assert "--header" in refusal(header=f"X: {value}")
    assert "--expect-header" in refusal(expect_header=f"X: {value}")
    assert load(header="X: caf\u00e9\tb").requests[0].headers == (("X", "caf\u00e9\tb"),)


def test_addresses_of_another_kind_are_refused_before_the_load() -> None:
    assert "IPv4" in refusal(source="::1")


@pytest.mark.parametrize("name", ["", "a b", "-a", "a..b", "*.example.com", "1.2.3", "caf\u00e9", "x" * 64])
def test_a_name_that_no_certificate_is_for_is_refused(name: str) -> None:
    with pytest.raises(PlanError, match="--sni"):
        of("https://127.0.0.1:9/", sni=name)
