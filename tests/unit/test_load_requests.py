"""Requests from lists, templates and files; rates that change."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.workload.profile import Stretch, mean_rate_per_s, parse_profile
from seatrial.workload.requests import Request, expand, many


def test_templates_stand_for_ranges_and_lists() -> None:
    assert expand("plain") == ("plain",)
    assert expand("route-{0..2}.example") == ("route-0.example", "route-1.example", "route-2.example")
    assert expand("{a,b}{1..2}") == ("a1", "a2", "b1", "b2")
    assert expand("n{08..11}") == ("n08", "n09", "n10", "n11")
    assert len(expand("route-{0..2999}.example.com")) == 3000


@pytest.mark.parametrize("template", ["{3..1}", "{0..99999999}", "{0..999}{0..999}"])
def test_templates_that_make_no_sense_are_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"backwards|texts"):
        expand(template)


def test_hosts_and_paths_multiply() -> None:
    requests = many(Request(host="base", path="/base"), "a,b{1..2}", "/x,/y")
    assert [(one.host, one.path) for one in requests] == [
        ("a", "/x"), ("a", "/y"), ("b1", "/x"), ("b1", "/y"), ("b2", "/x"), ("b2", "/y"),
    ]  # fmt: skip


def test_a_file_has_paths_and_weights(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("# comment\n\nshop.example/cart 3\nimg-{1..2}.example\n")
    requests = many(Request(path="/"), f"@{file}", None)
    assert [(one.host, one.path, one.weight) for one in requests] == [
        ("shop.example", "/cart", 3.0), ("img-1.example", "/", 1.0), ("img-2.example", "/", 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["a b c", "host -1", "host x", "ho\tst nan"])
def test_a_line_that_makes_no_sense_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "hosts"
    file.write_text(f"fine\n{line}\n")
    with pytest.raises(ValueError, match="line 2"):
        many(Request(), f"@{file}", None)


def test_a_profile_is_read_and_averaged() -> None:
    profile = parse_profile("1k@10s, 1k..5k@20s")
    assert profile == (Stretch(10, 1000, 1000), Stretch(20, 1000, 5000))
    assert mean_rate_per_s(profile, 30) == pytest.approx((10_000 + 60_000) / 30)
    assert mean_rate_per_s(profile, 40) == pytest.approx((70_000 + 50_000) / 40)
    assert mean_rate_per_s(profile, 20) == pytest.approx((10_000 + 10_000 + 10_000) / 20)


@pytest.mark.parametrize("text", ["", "1k", "1k@", "0@1s", "1k..0@1s", "1k@0s", "a..b@1s"])
def test_a_profile_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_profile(text)
