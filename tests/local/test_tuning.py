"""`seatrial check PLAN --tune --apply` and `clean` in a network namespace of the test's, judged by its kernel."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.own_network import OwnNetwork, own_network
from tests.support.program import Outcome, run_seatrial

from seatrial.run.others import OtherLoads

SOMAXCONN, PORTS = "net.core.somaxconn", "net.ipv4.ip_local_port_range"
SMALL = {"net__core__somaxconn": "16", "net__ipv4__ip_local_port_range": "40000 40049"}
# 5k/s x 0.1 s = 500 wait in a queue; 100 active connections go on to the origin.
PLAN = """
name: tuned
systems: [nginx]
load: {rate: 1k/s, active: 100, connect_rate: 5k/s}
phases: {measure: 1 s}
"""
TUNED = {SOMAXCONN: "500", PORTS: "40000 40099"}
UNTUNED = {SOMAXCONN: "16", PORTS: "40000 40049"}

# How many connections a listener that accepts none takes, and how many ports one address has for another.
JUDGE = """
import errno, socket
listener = socket.socket()
listener.bind(("127.0.0.1", 20_000))
listener.listen(60_000)
made = []
for at in range(QUEUE + 10):
    client = socket.socket()
    client.settimeout(0.3)
    # From several addresses: there are fewer ports than connections.
    client.bind((f"127.0.1.{1 + at % 8}", 0))
    try:
        client.connect(("127.0.0.1", 20_000))
    except TimeoutError:
        break
    made.append(client)
bound = []
try:
    for _ in range(70_000):
        client = socket.socket()
        client.bind(("127.0.0.9", 0))
        bound.append(client)
except OSError as error:
    assert error.errno == errno.EADDRINUSE, error
print(len(made), len(bound))
"""


def plan_in(directory: Path) -> Path:
    file = directory / "plan.yaml"
    file.write_text(PLAN)
    return file


def check(network: OwnNetwork, directory: Path, *flags: str) -> Outcome:
    plan, runs = str(plan_in(directory)), str(directory / "runs")
    return run_seatrial("check", plan, "--tune", "--runs", runs, *flags, prefix=network.prefix)


def clean(network: OwnNetwork, directory: Path) -> Outcome:
    return run_seatrial("clean", "--runs", str(directory / "runs"), prefix=network.prefix)


def values(network: OwnNetwork) -> dict[str, str]:
    return {name: network.read(name) for name in UNTUNED}


def judged(network: OwnNetwork) -> tuple[int, int]:
    """Return how many connections wait at a real listener, and how many ports there really are."""
    queue = network.read(SOMAXCONN)
    waiting, bound = network.run(sys.executable, "-c", JUDGE.replace("QUEUE", queue)).split()
    return int(waiting), int(bound)


def backlog_of_a_listener(network: OwnNetwork) -> int:
    """Return what the kernel says that a listener which asked for 60,000 may have waiting (the Send-Q of ss)."""
    program = "import socket, subprocess as s\n" + "\n".join(JUDGE.splitlines()[2:5])
    program += "\nprint(s.check_output(['ss', '-Hltn', 'sport = :20000'], text=True).split()[2])"
    return int(network.run(sys.executable, "-c", program))


def test_what_falls_short_is_set_followed_by_the_kernel_and_put_back(tmp_path):
    with own_network(**SMALL) as network:
        assert judged(network) == (17, 50), "a queue takes one more than it is long"
        listed = check(network, tmp_path, "--json", "-").document
        assert values(network) == UNTUNED, "listing changes nothing"
        assert set(listed["settings_short"]) == set(TUNED)
        assert listed["network_namespace"] == network.name

        applied = check(network, tmp_path, "--apply", "--json", "-")
        assert applied.code == 0, applied
        assert {one["name"]: one["problem"] for one in applied.document["applied"]} == dict.fromkeys(
            TUNED, ""
        )
        assert values(network) == TUNED
        assert backlog_of_a_listener(network) == 500
        assert judged(network) == (501, 100)
        again = check(network, tmp_path, "--apply")
        assert "nothing was set" in again.stdout
        assert len(list((tmp_path / "runs").iterdir())) == 1

        cleaned = clean(network, tmp_path)
        assert f"put back {SOMAXCONN} (500 -> 16)" in cleaned.stdout
        assert values(network) == UNTUNED
        assert (judged(network), backlog_of_a_listener(network)) == ((17, 50), 16)
        assert clean(network, tmp_path).stdout == "nothing left\n"


def test_nothing_is_set_or_put_back_under_a_measurement_that_goes_on(tmp_path):
    with own_network(**SMALL) as network:
        with OtherLoads("seatrial load", share=False):
            refused = check(network, tmp_path, "--apply")
            assert refused.code == 4
            assert "another measurement of Seatrial goes on" in refused.stderr
            assert values(network) == UNTUNED
            assert not (tmp_path / "runs").exists()
        check(network, tmp_path, "--apply")
        with OtherLoads("seatrial load", share=False):
            left = clean(network, tmp_path)
            assert left.code == 4
            assert "clean again when that has ended" in left.stdout
            assert values(network) == TUNED
        assert clean(network, tmp_path).code == 0
        assert values(network) == UNTUNED


KILLED = """
import os, signal, sys
from seatrial.preflight.tuning import apply
real, done = apply.write_setting, []
def write(name, values, *more):
    if WHEN == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    problem = real(name, values, *more)
    os.kill(os.getpid(), signal.SIGKILL)
    return problem
apply.write_setting = write
from seatrial.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_9_around_the_setting_leaves_nothing_that_clean_does_not_put_back(tmp_path, when):
    with own_network(**SMALL) as network:
        program = KILLED.replace("WHEN", repr(when))
        argv = ["check", str(plan_in(tmp_path)), "--tune", "--apply", "--runs", str(tmp_path / "runs")]
        killed = subprocess.run(
            [*network.prefix, sys.executable, "-c", program, *argv],
            check=False,
            capture_output=True,
            text=True,
        )
        assert killed.returncode == -signal.SIGKILL, killed
        changed = {name: value for name, value in values(network).items() if value != UNTUNED[name]}
        assert len(changed) == (1 if when == "after" else 0)
        cleaned = clean(network, tmp_path)
        assert cleaned.code == 0, cleaned
        assert ("put back" in cleaned.stdout) == (when == "after")
        assert values(network) == UNTUNED
        assert clean(network, tmp_path).stdout == "nothing left\n"


def test_what_was_set_twice_is_what_it_was_at_first(tmp_path):
    with own_network(**SMALL) as network:
        check(network, tmp_path, "--apply")
        more = PLAN.replace("active: 100", "active: 300").replace("5k/s", "9k/s")
        file = tmp_path / "more.yaml"
        file.write_text(more)
        flags = ("--tune", "--apply", "--runs", str(tmp_path / "runs"))
        assert run_seatrial("check", str(file), *flags, prefix=network.prefix).code == 0
        assert values(network) == {SOMAXCONN: "900", PORTS: "40000 40299"}
        assert clean(network, tmp_path).code == 0
        assert values(network) == UNTUNED


def test_another_namespace_and_another_hand_are_left_alone(tmp_path):
    with own_network(**SMALL) as network, own_network() as other:
        check(network, tmp_path, "--apply")
        there = values(other)
        outside = clean(other, tmp_path)
        assert outside.code == 4
        assert (
            f"it is of another network namespace, {network.name}: run `nsenter --net=/proc/" in outside.stdout
        )
        assert (values(other), values(network)) == (there, TUNED)

        network.write(SOMAXCONN, "777")
        cleaned = clean(network, tmp_path)
        assert cleaned.code == 4
        assert "somebody else has set it to 777 since, so it stays" in cleaned.stdout
        assert f"sysctl -w {SOMAXCONN}='16'" in cleaned.stdout
        assert values(network) == {SOMAXCONN: "777", PORTS: "40000 40049"}


READ_ONLY = 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"'


def test_settings_that_are_read_only_are_a_finding_with_what_to_do(tmp_path):
    with own_network(**SMALL) as network:
        argv = [*network.prefix, "unshare", "-m", "sh", "-c", READ_ONLY, "sh"]
        if subprocess.run([*argv, "true"], check=False, capture_output=True).returncode != 0:
            pytest.skip("a read-only /proc/sys cannot be mounted here")
        plan, runs = str(plan_in(tmp_path)), tmp_path / "runs"
        outcome = run_seatrial("check", plan, "--tune", "--apply", "--runs", str(runs), prefix=argv)
        assert outcome.code == 4
        assert "cannot be set from here: /proc/sys is mounted read-only here" in outcome.stdout
        assert f"remedy: sysctl -w {PORTS}='40000 40099'" in outcome.stdout
        assert "/etc/sysctl.d/90-seatrial.conf" in outcome.stdout
        assert f"  {SOMAXCONN} = 500" in outcome.stdout.splitlines()
        assert not runs.exists()
        assert values(network) == UNTUNED


def test_check_alone_and_a_dry_run_say_so_in_a_line(tmp_path):
    with own_network(**SMALL) as network:
        plan = str(plan_in(tmp_path))
        line = (
            f"kernel settings fall short of what the plan needs: {SOMAXCONN} is 16, needed: 500; {PORTS} is"
        )
        for words in (("check", plan), ("run", plan, "--dry-run")):
            assert line in run_seatrial(*words, prefix=network.prefix).stdout


@pytest.mark.parametrize("flags", [["--tune"], ["--apply"]])
def test_tuning_takes_a_plan_and_applying_a_look(flags):
    outcome = run_seatrial("check", *flags)
    assert outcome.code == 2
    assert "hint: seatrial check PLAN --tune" in outcome.stderr
