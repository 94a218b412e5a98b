"""What services are called in a cluster: as in their source where that is valid, and never two alike."""

from __future__ import annotations

import re

import pytest

from seatrial.discoverer.services import Upstream, named, namespace_name, service_name

LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


@pytest.mark.parametrize("name", ["shop", "service-00001", "a", "a" * 63])
def test_a_valid_name_is_kept(name: str) -> None:
    assert service_name(name) == namespace_name(name) == name


def test_a_namespace_may_begin_with_a_digit_and_a_service_not() -> None:
    assert namespace_name("1st") == "1st"
    assert LABEL.fullmatch(service_name("1st"))


@pytest.mark.parametrize("name", ["", "Shop", "shop.de", "-", "ü", "a" * 64, "a/b", "shop-"])
def test_another_becomes_valid_and_stays_apart(name: str) -> None:
    for made in (service_name(name), namespace_name(name)):
        assert LABEL.fullmatch(made), made
        assert len(made) <= 63
    assert service_name(name) == service_name(name) != service_name(name + "?")


def test_of_two_that_collide_none_takes_the_name() -> None:
    one, other = (Upstream("team", "shop", (), identity) for identity in ("1", "2"))
    names = named([one, other])
    assert sorted(map(id, names.values())) == sorted(map(id, [one, other]))
    assert all(re.fullmatch(r"shop-[0-9a-f]{8}", name) for _, name in names)
    assert named([other, one]) == names
    assert list(named([one])) == [("team", "shop")]
