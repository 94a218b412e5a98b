"""One measurement at a time: who is there, who may begin, and what becomes of the entries of the dead."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.support.made_run import Twist, make_run

from seatrial.analysis.run.summary import summarise_run
from seatrial.errors import EnvironmentFault, ExitCode
from seatrial.record.reader import RunReader
from seatrial.report.csv import results_csv
from seatrial.report.html import render_html
from seatrial.report.json import results_document
from seatrial.report.markdown import render_markdown
from seatrial.run.others import DIRECTORY_VARIABLE, SEEN, SUFFIX, OtherLoads

HOLD = """
import sys, time
from pathlib import Path
from seatrial.run.others import OtherLoads
with OtherLoads("seatrial run", share=False, directory=Path(sys.argv[1])) as others:
    others.is_in(Path("/records/one"))
    print("there", flush=True)
    time.sleep(60)
"""


def alone(directory: Path) -> OtherLoads:
    return OtherLoads("seatrial load", share=False, directory=directory)


def beside(directory: Path) -> OtherLoads:
    return OtherLoads("seatrial load", share=True, directory=directory)


def entries(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.suffix == SUFFIX]


@pytest.fixture
def another(tmp_path):
    """Another process that measures."""
    argv = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        yield process
        process.kill()


def test_the_second_is_refused_and_told_who_is_there_where_and_since_when(tmp_path, another):
    with pytest.raises(EnvironmentFault) as caught, alone(tmp_path):
        pass
    assert f"`seatrial run` in /records/one, process {another.pid} of " in caught.value.what
    assert ", since 20" in caught.value.what
    assert "--share-machine" in str(caught.value.next_step)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert len(entries(tmp_path)) == 1, "who was refused leaves no entry"


def test_both_know_of_each_other_where_that_is_allowed(tmp_path):
    with alone(tmp_path) as first:
        assert first.look() is None
        with beside(tmp_path) as second:
            for one in (first, second):
                assert str(one.look()).startswith(SEEN)
                assert f"process {os.getpid()}" in one.seen[0]
        assert first.look() is not None, "it was there at some time of the trial"
        first.forget()
        assert (first.look(), first.seen) == (None, ())
    with alone(tmp_path) as third:
        assert third.look() is None


def test_one_that_comes_and_goes_between_two_looks_is_known_all_the_same(tmp_path):
    with alone(tmp_path) as first:
        for _ in range(2):
            with beside(tmp_path):
                pass
        assert first.look() is not None
        assert len(first.seen) >= 1
        first.forget()
        assert (first.look(), first.seen) == (None, ()), "a note is read once"
        with beside(tmp_path):
            pass
    assert len(list(tmp_path.iterdir())) == 1, "a note that was not read"
    with alone(tmp_path) as next_one:
        assert next_one.look() is None
        assert len(list(tmp_path.iterdir())) == 1, "the note is gone with the one that it was for"


def test_one_that_only_shares_keeps_the_next_one_out_too(tmp_path, another):
    with beside(tmp_path) as second:
        another.kill()
        another.wait()
        second.forget()
        assert second.look() is None
        with pytest.raises(EnvironmentFault), alone(tmp_path):
            pass


def test_kill_9_leaves_nothing_that_is_in_anybodys_way(tmp_path, another):
    another.send_signal(signal.SIGKILL)
    another.wait()
    assert len(entries(tmp_path)) == 1, "it had no time to remove it"
    with alone(tmp_path) as next_one:
        assert next_one.look() is None
        assert len(entries(tmp_path)) == 1
    assert entries(tmp_path) == []


def test_of_many_that_begin_at_a_time_one_begins(tmp_path):
    directory = tmp_path / "new"
    begun, refused, together = [], [], threading.Barrier(8)

    def begin():
        others = alone(directory)
        together.wait()
        try:
            others.__enter__()
        except EnvironmentFault:
            refused.append(others)
        else:
            begun.append(others)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(begun), len(refused)) == (1, 7)
    assert begun[0].look() is None
    begun[0].__exit__(None, None, None)


def test_every_user_may_say_that_he_is_there_and_none_may_remove_another(tmp_path):
    directory = tmp_path / "new"
    with alone(directory):
        assert directory.stat().st_mode & 0o7777 == 0o1777
        (entry,) = entries(directory)
        assert entry.stat().st_mode & 0o7777 == 0o644
        assert json.loads(entry.read_text())["pid"] == os.getpid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_another_user_is_refused_as_well():
    directory = Path("/tmp") / f"seatrial-test-{os.getpid()}"
    program = HOLD.replace("import sys, time", "import os, sys, time; from seatrial.run import others")
    program = program.replace("with OtherLoads", "os.setuid(65534)\nwith OtherLoads")
    try:
        with alone(directory):
            taken = subprocess.run(
                [sys.executable, "-c", program, str(directory)], check=False, capture_output=True, text=True
            )
        assert "another measurement of Seatrial goes on" in taken.stderr, taken
    finally:
        for path in (*directory.iterdir(), directory):
            path.rmdir() if path.is_dir() else path.unlink()


def test_where_nobody_can_know_it_goes_on_and_says_so(tmp_path):
    (tmp_path / "file").touch()
    with alone(tmp_path / "file" / "missing") as others:
        assert str(others.look()).startswith("not known: whether another measurement")


def test_a_directory_that_another_keeps_for_itself_holds_nobody_up(tmp_path):
    keeper = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(keeper, fcntl.LOCK_EX)
        with alone(tmp_path) as others:
            remark = others.look()
    finally:
        os.close(keeper)
    assert "keeps it for itself" in str(remark)


def test_a_link_in_a_place_that_all_may_write_to_is_not_followed(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "link").symlink_to(target)
    with alone(tmp_path / "link") as others:
        assert others.look() is not None
    assert list(target.iterdir()) == []


def test_what_is_no_entry_is_nobody(tmp_path):
    os.mkfifo(tmp_path / f"pipe{SUFFIX}")
    (tmp_path / f"link{SUFFIX}").symlink_to("/dev/zero")
    (tmp_path / f"dead{SUFFIX}").write_text("{")
    with alone(tmp_path) as others:
        assert others.seen == ()


def test_an_entry_that_says_nothing_counts_all_the_same(tmp_path):
    with (tmp_path / f"strange{SUFFIX}").open("w") as strange:
        strange.write("not JSON")
        strange.flush()
        fcntl.flock(strange, fcntl.LOCK_EX)
        with pytest.raises(EnvironmentFault, match="a directory that it does not say"), alone(tmp_path):
            pass


def test_the_directory_is_the_environments(tmp_path, monkeypatch):
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
    with OtherLoads("seatrial load", share=False):
        assert len(entries(tmp_path)) == 1


def test_every_report_says_that_another_was_beside(tmp_path):
    other = "`seatrial run` in /records/<two>, process 7 of anna on host, since 2026-11-26T16:40:01+00:00"
    run = make_run(tmp_path, twists={2: Twist(beside=(other,))})
    with RunReader.open(run) as reader:
        summary = summarise_run(reader)
    said = "1 of 24 trials had another measurement of Seatrial beside them on this machine"
    assert said in summary.beside
    assert other in summary.beside
    assert said in render_markdown(summary)
    assert said in render_html(summary)
    document = results_document(summary)
    assert said in document["findings"][0]
    of_trials = {trial["order"]: trial["beside"] for case in document["cases"] for trial in case["trials"]}
    assert {order for order, others in of_trials.items() if others} == {2}
    assert of_trials[2] == [other]
    assert other in results_csv(summary)
