"""What a plan needs of the kernel's settings: the arithmetic by hand, and what made trees of ``/proc/sys`` hold."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.test_preflight import LARGE, PLANS

from seatrial.cli.tuning import settings_document, settings_text
from seatrial.machine.settings import local_ports, read_setting, write_setting
from seatrial.plan.cases import compile_cases
from seatrial.plan.read import parse_plan, read_plan
from seatrial.preflight.tuning import raising
from seatrial.preflight.tuning.apply import apply_settings
from seatrial.preflight.tuning.rules import RULES
from seatrial.preflight.tuning.survey import Setting, settings_of_cases, shortage_text

TRACKED = dataclasses.replace(LARGE, conntrack_max=65_536, conntrack_count=10, cpus=2)
# What Linux 6 has on a machine of 8 GB that nobody has tuned.
UNTUNED = {
    "fs.nr_open": "1048576",
    "fs.file-max": "9223372036854775807",
    "fs.epoll.max_user_watches": "1815470",
    "net.core.somaxconn": "4096",
    "net.ipv4.tcp_max_syn_backlog": "1024",
    "net.ipv4.ip_local_port_range": "32768\t60999",
    "net.ipv4.tcp_tw_reuse": "2",
    "net.ipv4.tcp_max_tw_buckets": "32768",
    "net.ipv4.tcp_mem": "94275\t125702\t188550",
    "net.ipv4.tcp_wmem": "4096\t16384\t4194304",
    "net.ipv4.tcp_rmem": "4096\t131072\t6291456",
    "net.core.netdev_max_backlog": "1000",
    "net.netfilter.nf_conntrack_max": "65536",
    "net.netfilter.nf_conntrack_buckets": "65536",
}
PLAN = """
name: a
systems: [envoy: {proxies: 4}]
origin: {body: BODY}
load: {rate: 10k/s, active: 600, connections: HELD, connect_rate: RATE, requests_per_connection: EACH}
phases: {measure: 1 s}
"""


def tree(root: Path, **changed: str | None) -> Path:
    """Make one of what an untuned machine has; None leaves a setting out."""
    for name, text in {**UNTUNED, **changed}.items():
        path = root / "proc/sys" / name.replace(".", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(f"{text}\n")
    return root


def found(root: Path, machine=TRACKED, **words: str) -> dict[str, Setting]:
    text = PLAN
    for word, value in {"BODY": "600 B", "HELD": "1k", "RATE": "2k/s", "EACH": "1000", **words}.items():
        text = text.replace(word, value)
    cases = compile_cases(parse_plan(text, "a.yaml"))
    return {setting.name: setting for setting in settings_of_cases(cases, machine, root)}


def test_a_small_plan_finds_an_untuned_machine_good_enough(tmp_path):
    settings = found(tree(tmp_path))
    assert {setting.name for setting in settings.values() if setting.state != "enough"} == set()
    assert set(settings) == {rule.name for rule in RULES} - {"net.ipv4.tcp_tw_reuse"}
    assert shortage_text(tuple(settings.values())) == ""


@pytest.mark.parametrize(
    ("name", "words", "amount", "needed"),
    [
        # 200k/s / 4 proxies x 0.1 s.
        ("net.core.somaxconn", {"RATE": "200k/s"}, 5_000, (5_000,)),
        # 600 active within 0.1 s of 10k/s, which is 1,000.
        ("net.core.somaxconn", {}, 600, (4_096,)),
        # 10k/s x 60 s that end after each request + 600 + 600 at the end.
        ("net.ipv4.tcp_max_tw_buckets", {"EACH": "1"}, 601_200, (601_200,)),
        # (8 MB are 4 MiB in a buffer) x 2 ends x 1,200 pairs / 4,096 B.
        ("net.ipv4.tcp_mem", {"BODY": "8 MB"}, 2_457_600, (1_843_200, 2_457_600, 3_686_400)),
        ("net.ipv4.tcp_rmem", {"BODY": "8 MB"}, 8 << 20, (4_096, 131_072, 8 << 20)),
        # 2 ends of 1,000,000 + 600 to the proxies, 600 on.
        ("fs.epoll.max_user_watches", {"HELD": "1M"}, 2_002_400, (2_002_400,)),
        # 1,001,200 pairs + 10 now + 10/s (10k/s, 1,000 for each connection) x 120 s.
        ("net.netfilter.nf_conntrack_max", {"HELD": "1M"}, 1_002_410, (1_002_410,)),
        # 1,002,410 / 4 in a bucket = 250,603, in pages of 512.
        ("net.netfilter.nf_conntrack_buckets", {"HELD": "1M"}, 250_880, (250_880,)),
        # 10k/s x 2 ways x (2 + 2 x 1 packets) x 10 ms / 2 CPUs; a body of 1 MB goes in 17.
        ("net.core.netdev_max_backlog", {}, 400, (1_000,)),
        ("net.core.netdev_max_backlog", {"BODY": "1 MB"}, 3_400, (3_400,)),
        # (1,000,000 held + 2 x 600) / 4 proxies + 256.
        ("nofile", {"HELD": "1M"}, 250_556, (1 << 20,)),
        ("fs.nr_open", {"HELD": "8M"}, 2_000_556, (2_000_556,)),
    ],
)  # fmt: skip
def test_the_amount_is_worked_out_from_the_plan(tmp_path, name, words, amount, needed):
    setting = found(tree(tmp_path), **words)[name]
    assert (setting.amount, setting.needed) == (amount, needed)
    assert setting.state == ("enough" if setting.now == needed else "short")
    assert setting.why


def test_ports_are_needed_of_given_sources_and_to_the_origin(tmp_path):
    root = tree(tmp_path, **{"net.ipv4.ip_local_port_range": "40000 40049"})
    upstream = found(root)["net.ipv4.ip_local_port_range"]
    assert (upstream.amount, upstream.needed) == (600, (40_000, 40_599))
    text = "name: a\nsystems: [direct]\nload: {rate: 1k/s, connections: 60k, active: 10, sources: [127.0.1.0/31]}\n"
    cases = compile_cases(parse_plan(text + "phases: {measure: 1 s}\n", "a.yaml"))
    given_ones = {its.name: its for its in settings_of_cases(cases, TRACKED, tree(tmp_path))}
    setting = given_ones["net.ipv4.ip_local_port_range"]
    # 60,010 over 2 sources; upwards from 32,768 there is room.
    assert (setting.amount, setting.needed) == (30_005, (32_768, 62_772))


def test_closed_connections_need_their_ports_again(tmp_path):
    root = tree(tmp_path, **{"net.ipv4.tcp_tw_reuse": "0"})
    churn = found(root, EACH="1")["net.ipv4.tcp_tw_reuse"]
    assert (churn.now, churn.needed, churn.state) == ((0,), (2,), "short")
    assert "10k/s closed x 60 s of TIME_WAIT = 600000" in churn.why
    (tmp_path / "proc/sys/net/ipv4/tcp_tw_reuse").write_text("1\n")
    assert found(root, EACH="1")["net.ipv4.tcp_tw_reuse"].state == "enough", "1 is everywhere, more than 2"


def test_without_syn_cookies_a_quarter_is_not_for_strangers(tmp_path):
    root = tree(tmp_path)
    assert found(root)["net.ipv4.tcp_max_syn_backlog"].amount == 0
    without = dataclasses.replace(TRACKED, syncookies=0)
    assert found(root, without, RATE="60k/s")["net.ipv4.tcp_max_syn_backlog"].needed == (2_000,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "absent"),
        ("", "empty"),
        ("lots", "no number"),
        ("1 2", "not what this setting holds"),
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_is_made_of_it(tmp_path, text, problem):
    setting = found(tree(tmp_path, **{"net.core.somaxconn": text}))["net.core.somaxconn"]
    assert (setting.state, setting.now, setting.needed, setting.remedy) == ("unknown", None, None, "")
    assert problem in setting.problem
    assert not setting.can_be_set
    assert problem in settings_text([setting])


def test_the_machines_own_settings_are_not_missed_in_another_namespace(tmp_path):
    setting = found(tree(tmp_path, **{"net.ipv4.tcp_mem": None}))["net.ipv4.tcp_mem"]
    assert "first network namespace only" in setting.problem


class Log:
    """A change log in memory that looks at the setting whenever it is written into."""

    def __init__(self, root: Path) -> None:
        self.root, self.seen, self.closed = root, list[tuple[dict[str, object], str]](), list[int]()

    def will_start(self, kind, detail):
        assert kind == "sysctl"
        name = str(detail["name"])
        self.seen.append((dict(detail), (self.root / "proc/sys" / name.replace(".", "/")).read_text()))
        return len(self.seen)

    def undone(self, change_id):
        self.closed.append(change_id)


def test_the_old_value_is_written_down_before_the_new_one_is_set(tmp_path):
    root = tree(tmp_path)
    settings = found(root, RATE="200k/s", EACH="1").values()
    log = Log(root)
    applied = apply_settings(settings, log, root)
    short = {setting.name: setting for setting in settings if setting.state == "short"}
    assert (
        set(short) == {one.setting.name for one in applied} == {str(detail["name"]) for detail, _ in log.seen}
    )
    assert "net.core.somaxconn" in short
    assert [one.problem for one in applied] == [""] * len(short)
    for detail, text in log.seen:
        assert " ".join(text.split()) == detail["before"], "it was changed before it was written down"
        assert read_setting(str(detail["name"]), root).values == short[str(detail["name"])].needed
    assert log.closed == [], "what is set is for `seatrial clean` to find"
    untouched = set(UNTUNED) - set(short)
    assert {name: (root / "proc/sys" / name.replace(".", "/")).read_text().strip() for name in untouched} == {
        name: UNTUNED[name] for name in untouched
    }


def test_a_value_that_the_kernel_does_not_keep_is_put_back_at_once(tmp_path, monkeypatch):
    root = tree(tmp_path)
    setting = found(root, RATE="200k/s")["net.core.somaxconn"]
    monkeypatch.setattr(
        "seatrial.machine.settings.format_values",
        lambda values: "4999" if values == (5000,) else str(*values),
    )
    log = Log(root)
    (one,) = apply_settings([setting], log, root)
    assert one.problem == "the kernel made 4999 of it"
    assert read_setting("net.core.somaxconn", root).values == (4096,)
    assert log.closed == [1]


def test_a_setting_that_is_absent_is_not_created(tmp_path):
    assert write_setting("net.core.somaxconn", (1,), tmp_path) == "it is absent here"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "ports"), [("40000\t40999", 1_000), (None, 28_232), ("lots", 28_232), ("1", 28_232)]
)
def test_the_ports_of_this_namespace_or_the_kernels_own(tmp_path, text, ports):
    assert local_ports(tree(tmp_path, **{"net.ipv4.ip_local_port_range": text})) == ports


NUMBERS = st.integers(0, 1 << 40)


@given(now=st.tuples(NUMBERS), amount=NUMBERS)
def test_no_number_becomes_smaller(now, amount):
    assert raising.to_at_least(now, amount) == (max(*now, amount),)


@given(now=st.tuples(NUMBERS, NUMBERS, NUMBERS).map(sorted).map(tuple), amount=NUMBERS)
@example(now=(0, 0, 0), amount=1)
@example(now=(0, 0, 0), amount=7)
def test_no_three_numbers_become_smaller_or_change_their_order(now, amount):
    for raised, at in ((raising.maximum_of_three, 2), (raising.pressure_of_three, 1)):
        after = raised(now, amount)
        assert after[at] >= amount
        assert all(new >= old for new, old in zip(after, now, strict=True))
        assert list(after) == sorted(after)
        assert raised(after, amount) == after


@given(low=st.integers(1, 65_535), width=st.integers(0, 60_000), amount=st.integers(0, 70_000))
def test_a_range_of_ports_only_becomes_wider(low, width, amount):
    now = (low, min(65_535, low + width))
    after = raising.ports(now, amount)
    assert after[0] <= now[0]
    assert now[1] <= after[1] <= 65_535
    least = min(amount, 65_535 - min(low, 1_024) + 1)
    assert after[1] - after[0] + 1 >= least
    assert raising.ports(after, amount) == after


def test_every_shipped_plan_has_a_need_with_a_reason_for_each_setting(tmp_path):
    root = tree(tmp_path)
    for plan in sorted(PLANS.rglob("*.yaml")):
        settings = settings_of_cases(compile_cases(read_plan(plan)), TRACKED, root)
        # A discoverer is sent no requests: two of them are of those.
        assert len(settings) >= len(RULES) - (2 if "discovery" in plan.name else 1), plan
        assert all(setting.why and setting.now is not None for setting in settings)


def test_the_document_and_the_text_say_the_same(tmp_path):
    settings = tuple(found(tree(tmp_path), RATE="200k/s").values())
    document = json.loads(json.dumps(settings_document(settings, None)))
    by_name = {one["name"]: one for one in document["settings"]}
    somaxconn = by_name["net.core.somaxconn"]
    assert somaxconn == {
        "name": "net.core.somaxconn", "state": "short", "scope": "network namespace", "now": [4096],
        "needed": [5000], "amount": 5000, "unit": "connections", "case": "", "problem": "",
        "why": "connects at 200k/s x a stall of 100 ms / 4 listeners = 5000 that wait in a listen queue",
        "remedy": "sysctl -w net.core.somaxconn=5000",
    }  # fmt: skip
    text = settings_text(settings)
    assert "short    net.core.somaxconn                  4096 -> 5000" in text
    assert somaxconn["why"] in text
    assert "  net.core.somaxconn = 5000" in text.splitlines()
    assert shortage_text(settings).endswith("net.core.somaxconn is 4096, needed: 5000")
