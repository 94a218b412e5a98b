"""Raw configuration that is merged in: what comes out, and what Seatrial does not let it touch."""

from __future__ import annotations

import pytest

from seatrial.systems.raw import Document, lines, merged, refusal_of
from seatrial.systems.registry import SYSTEMS

DOCUMENT = {
    "admin": {"address": "here"},
    "listeners": [{"name": "ingress", "filters": [{"name": "manager", "limit": 1}], "address": "there"}],
    "clusters": [{"name": "a", "size": 1}, {"name": "b", "size": 1}],
    "plain": [{"x": 1}, {"x": 2}],
    "words": ["one", "two"],
}
KEPT = Document({}, (("admin", "address"), ("listeners", "ingress", "address"), ("plain", "0", "x")))


@pytest.mark.parametrize(
    ("fragment", "key", "becomes"),
    [
        ({"admin": {"more": 1}}, "admin", {"address": "here", "more": 1}),
        ({"admin": {"address": None}}, "admin", {}),
        ({"words": ["three"]}, "words", ["three"]),
        ({"clusters": [{"name": "*", "size": 2}]}, "clusters", [{"name": "a", "size": 2}, {"name": "b", "size": 2}]),
        ({"clusters": [{"name": "b", "size": 2}]}, "clusters", [{"name": "a", "size": 1}, {"name": "b", "size": 2}]),
        # What is new comes first.
        ({"clusters": [{"name": "c", "gone": None}]}, "clusters", [{"name": "c"}, *DOCUMENT["clusters"]]),
        ({"plain": [{"y": 3}]}, "plain", [{"x": 1, "y": 3}, {"x": 2}]),
        ({"plain": [{}, {}, {"x": 3}]}, "plain", [{"x": 1}, {"x": 2}, {"x": 3}]),
        ({"words": {"a": 1}}, "words", {"a": 1}),
        ({"new": {"a": None, "b": (1, 2)}}, "new", {"b": [1, 2]}),
        (
            {"listeners": [{"name": "ingress", "filters": [{"name": "first"}, {"name": "manager", "limit": 2}]}]},
            "listeners",
            [{"name": "ingress", "filters": [{"name": "first"}, {"name": "manager", "limit": 2}], "address": "there"}],
        ),
    ],
)  # fmt: skip
def test_a_fragment_is_merged(fragment, key, becomes):
    before = repr(DOCUMENT)
    together = merged(DOCUMENT, fragment)
    assert together[key] == becomes
    assert {name: value for name, value in together.items() if name != key} == {
        name: value for name, value in DOCUMENT.items() if name != key
    }
    assert repr(DOCUMENT) == before


@pytest.mark.parametrize(
    ("fragment", "touched"),
    [
        ({"admin": {"more": 1}}, None),
        ({"admin": {"address": "elsewhere"}}, "admin.address"),
        ({"admin": None}, "admin.address"),
        ({"listeners": [{"name": "other", "address": "elsewhere"}]}, None),
        ({"listeners": [{"name": "ingress", "more": 1}]}, None),
        ({"listeners": [{"name": "ingress", "address": "elsewhere"}]}, "listeners.ingress.address"),
        ({"listeners": ({"name": "*", "address": "elsewhere"},)}, "listeners.ingress.address"),
        ({"listeners": [{"address": "elsewhere"}]}, "listeners.ingress.address"),
        ({"listeners": []}, "listeners.ingress.address"),
        ({"plain": [{"y": 1}, {"x": 1}]}, "plain.0.x"),
    ],
)
def test_what_seatrial_needs_is_left_as_it_is(fragment, touched):
    refusal = refusal_of(fragment, KEPT)
    assert (refusal is None) == (touched is None)
    assert touched is None or f"`{touched}`" in str(refusal)


def test_text_has_its_places():
    document = Document({"http": "within `http`"})
    assert refusal_of({"http": "a on;"}, document) is None
    assert "configuration: `http`" in str(refusal_of({"main": "a on;"}, document))
    assert "lines of text" in str(refusal_of({"http": 1}, document))
    assert lines("a;\n\n  b;", 4) == "    a;\n\n      b;\n"
    assert lines("", 4) == ""


@pytest.mark.parametrize("kind", [kind for kind, options in SYSTEMS.items() if options.proxied])
def test_every_kind_of_proxy_has_the_whole_vocabulary_or_says_why_not(kind):
    given = {
        "limits": (5, "default"), "tls_upstream": (True,), "keepalive_upstream": (0, 7),
        "access_log": ("file", "stdout"), "buffer": (8_192,), "header_buffer": (8_192,),
    }  # fmt: skip
    needed = {"ingress": {"class": "a"}, "gateway": {"class": "a"}, "url": {"url": "http://a"}}.get(kind, {})
    refused = {lack.option: lack for lack in SYSTEMS[kind].lacks}
    for option, values in given.items():
        for value in values:
            if option in refused and value not in refused[option].allowed:
                with pytest.raises(ValueError, match=refused[option].why[:20]):
                    SYSTEMS[kind].model_validate({**needed, option: value})
            else:
                SYSTEMS[kind].model_validate({**needed, option: value})
