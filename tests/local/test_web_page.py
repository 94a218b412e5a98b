"""The page in a real browser: what it shows is what the record has, whoever looks, on whatever screen."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.support.made_run import (
    PLAN_TEXT,
    Twist,
    compiled_plan,
    made_account,
    made_frames,
    make_run,
    trial_events,
)
from tests.support.web import AXE, Served, browser_or_skip, in_this_process, serving

from seatrial.analysis.run.summary import summarise_run
from seatrial.live import watcher
from seatrial.live.web.watch import watched
from seatrial.record import events
from seatrial.record.reader import RunReader
from seatrial.record.writer import RunWriter

CASES = compiled_plan()["cases"]
SYSTEMS = ("direct", "envoy")
LATE = Twist(lateness_us=40_000)
LIMIT_MS = 20_000
expect.set_options(timeout=LIMIT_MS)

Opened = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = browser_or_skip()
    with sync_playwright() as playwright:
        # A sandbox of its own needs rights that tests in a container have not.
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    twists = {3: LATE, 6: Twist(errors={"reset": 3, "timeout": 2}), 7: Twist(disturbed_s=2.0)}
    make_run(folder, systems=SYSTEMS, twists=twists)
    second = make_run(folder, systems=("direct",), trials=2, end=False)
    (second / "report.html").write_text("<!doctype html><title>r</title><p>the report itself")
    return folder


@pytest.fixture(scope="module")
def run(runs: Path) -> Path:
    return min(runs.iterdir(), key=lambda path: path.name)


@pytest.fixture(scope="module")
def served(runs: Path) -> Iterator[Served]:
    with serving(runs) as found:
        yield found


@contextmanager
def opened(browser: Browser, url: str, *, may_fail: bool = False, **options: Any) -> Iterator[Page]:
    """Open a page; what it says to the console, and what it cannot have, fails the test."""
    context = browser.new_context(viewport=options.pop("viewport", {"width": 1280, "height": 900}), **options)
    page, wrong = context.new_page(), list[str]()
    page.on("console", lambda said: wrong.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda asked: wrong.append(asked.url) if not asked.url.startswith("http://127.0.0.1:") else None,
    )
    page.set_default_timeout(LIMIT_MS)
    page.goto(url)
    expect(page.locator("#connection")).to_have_text("connected")
    yield page
    context.close()
    assert may_fail or wrong == []


def numbers(page: Page, title: str) -> list[list[str]]:
    """Open the table behind a chart; return its rows, the latest first, without the time."""
    figure = page.locator("figure", has=page.locator("figcaption", has_text=title))
    details = figure.locator("details")
    if details.get_attribute("open") is None:
        details.locator("summary").click()
    expect(details.locator("tbody tr").first).to_be_visible()
    rows: list[list[str]] = details.locator("tbody").evaluate(
        "body => [...body.rows].map(row => [...row.cells].slice(1).map(cell => cell.textContent))"
    )
    return rows


def test_the_matrix_has_validity_before_numbers_and_says_what_the_report_says(
    browser: Browser, served: Served, run: Path
) -> None:
    with RunReader.open(run) as reader:
        summary = summarise_run(reader)
    with opened(browser, f"{served.url}run/{run.name}") as page:
        expect(page.get_by_text("being judged")).to_have_count(0)
        expect(page.get_by_text("not judged yet")).to_have_count(0)
        rows = page.locator(".matrix tbody tr")
        assert rows.count() == len(summary.cases)
        for row, case in zip(rows.all(), summary.cases, strict=True):
            cells = row.locator("td, th").all_inner_texts()
            assert cells[:2] == [case.case.system, case.label]
            assert cells[-1].startswith(case.state)
            for cell, trial in zip(cells[2:-1], case.attempts, strict=True):
                words = re.sub(r"^#\d+\s", "", cell)
                assert words.startswith(trial.validity.state)
                if trial.validity.is_valid:
                    assert trial.load is not None
                    assert f"{trial.load.latency_us.p99:,} µs p99" in words
                else:
                    assert words == f"INVALID\n{trial.validity.causes[0].text}"


def test_charts_have_what_the_record_has(browser: Browser, served: Served, run: Path) -> None:
    with RunReader.open(run) as reader:
        frames = reader.frames(6)
        second = [frame for frame in frames if frame.seq == max(frame.seq for frame in frames) - 1]
        held = sum(frame.held for frame in second)
        completed = sum(part.completed for frame in second for part in frame.parts)
    with opened(browser, f"{served.url}run/{run.name}") as page:
        page.get_by_label("Show").select_option("6")
        expect(page.locator("#believed")).to_have_text("VALID")
        assert numbers(page, "Rate")[1][1] == f"{completed:,}/s"
        assert numbers(page, "Connections")[1][0] == f"{held:,}"
        # Of each of two workers.
        assert numbers(page, "Errors")[1] == ["6", "4"]
        p99 = [row[1] for row in numbers(page, "Latency") if row[1] != "–"]
        assert len(p99) == len({frame.seq for frame in frames if frame.parts})
        assert is_drawn(page, "Latency")
        page.get_by_label("Show").select_option("whole")
        expect(page.locator("#believed")).to_have_text("1 of 16 judged trials are INVALID")
        assert is_drawn(page, "Memory")


def is_drawn(page: Page, title: str) -> bool:
    """Whether a chart's canvas has pixels of more than a grid's few colours."""
    figure = page.locator("figure", has=page.locator("figcaption", has_text=title))
    colours: int = figure.locator("canvas").evaluate(
        """canvas => { const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size; }"""
    )
    return colours > 20


def test_a_note_that_is_typed_in_the_page_is_in_the_record_and_comes_back(
    browser: Browser, served: Served, run: Path
) -> None:
    with opened(browser, f"{served.url}run/{run.name}") as page:
        field = page.get_by_label("A note on what you see")
        field.fill('the <b>fan</b> came on "loudly"')
        field.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator(".journal li").first).to_contain_text('the <b>fan</b> came on "loudly"')
        expect(field).to_have_value("")
    with RunReader.open(run) as reader:
        entry = reader.journal()[-1]
    assert (entry.author, entry.text) == ("person", 'the <b>fan</b> came on "loudly"')


def test_with_a_token_the_address_lets_in_and_keeps_no_secret(
    browser: Browser, run: Path, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("t" * 20)
    with (
        serving(run, "--token-file", str(tmp_path / "token")) as served,
        opened(browser, served.url) as page,
    ):
        assert page.url.endswith(f"/run/{run.name}")
        assert page.evaluate("document.cookie") == ""
        page.get_by_label("A note on what you see").fill("let in")
        page.get_by_role("button", name="Add note").click()
        expect(page.locator(".journal li").first).to_contain_text("let in")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["run", "runs", "compare"])
def test_axe_finds_nothing_serious(
    browser: Browser, served: Served, run: Path, path: str, scheme: Any
) -> None:
    where = f"run/{run.name}" if path == "run" else path
    with opened(browser, f"{served.url}{where}", color_scheme=scheme) as page:
        page.locator("table, canvas").first.wait_for()
        if path == "run":
            numbers(page, "Latency")
            page.locator(".because summary").first.click()
        page.evaluate(f"{AXE.read_text()};undefined")
        found = page.evaluate("axe.run(document, {iframes: false})")
    assert found["passes"]
    serious = [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]
    assert serious == []


@pytest.mark.parametrize("path", ["run", "runs", "compare"])
def test_on_a_telephone_nothing_is_wider_than_the_screen(
    browser: Browser, served: Served, run: Path, path: str
) -> None:
    where = f"run/{run.name}" if path == "run" else path
    with opened(browser, f"{served.url}{where}", viewport={"width": 390, "height": 844}) as page:
        page.locator(".matrix, canvas").first.wait_for()
        if path == "run":
            for title in ("Rate", "Latency", "Memory"):
                numbers(page, title)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        wide = page.evaluate(
            "[...document.querySelectorAll('main *')].filter(one => one.getBoundingClientRect().right > 391 && "
            "!one.closest('.numbers')).map(one => one.outerHTML.slice(0, 100))"
        )
        assert wide == []


def test_all_of_it_is_reached_by_keyboard_and_focus_is_seen(
    browser: Browser, served: Served, run: Path
) -> None:
    with opened(browser, f"{served.url}run/{run.name}") as page:
        expect(page.locator(".because")).to_have_count(1)
        # What there is nothing to show of is not there for anybody.
        wanted = page.locator("a, button, select, textarea, summary, iframe").filter(visible=True).count()
        reached: set[str] = set()
        for _ in range(wanted + 20):
            page.keyboard.press("Tab")
            found = page.evaluate(
                """() => { const one = document.activeElement; const look = getComputedStyle(one);
                const all = [...document.querySelectorAll("a, button, select, textarea, summary, iframe")];
                return [String(all.indexOf(one)), one.tagName, look.outlineStyle, look.outlineWidth]; }"""
            )
            if found[0] != "-1":
                reached.add(found[0])
                assert found[1] == "IFRAME" or (found[2] != "none" and found[3] != "0px"), found
        assert len(reached) == wanted
        button = page.get_by_role("button", name="p99.9")
        button.focus()
        page.keyboard.press("Space")
        expect(button).to_have_attribute("aria-pressed", "false")
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_two_runs_stand_side_by_side_with_the_same_axes(browser: Browser, served: Served, runs: Path) -> None:
    first, second = sorted(path.name for path in runs.iterdir())
    address = f"{served.url}compare?a={first}&a-trial=3&b={second}&b-trial=1&align=measure"
    with opened(browser, address) as page:
        sides = page.locator(".pair > section")
        expect(sides.nth(0).locator(".said")).to_contain_text("INVALID")
        expect(sides.nth(1).locator(".said")).to_contain_text("VALID")
        expect(page.locator("canvas")).to_have_count(12)
        scales = page.evaluate(SCALES)
        assert scales[0] == scales[1]
        # Their measure phases begin at 0; before is what led there.
        assert scales[0][0]["x"][0] < 0 < scales[0][0]["x"][1]
        assert [one["y"] for one in scales[0]] != [[0, 1]] * 6
        tables = [numbers_of(page, side, "Latency") for side in (0, 1)]
        assert tables[0]
        assert tables[1]
        assert "a-trial=3" in page.url
        page.get_by_label("Trial A").select_option("4")
        expect(sides.nth(0).locator(".said")).to_contain_text("VALID")
        expect(sides.nth(0).locator(".said")).not_to_contain_text("INVALID")


SCALES = """() => [...document.querySelectorAll(".pair > section")].map((side) =>
  [...side.querySelectorAll(".chart:not([hidden]) .plot")].map(({ uplot: { scales } }) =>
    ({ x: [scales.x.min, scales.x.max], y: [scales.y.min, scales.y.max] })))"""


def numbers_of(page: Page, side: int, title: str) -> str:
    figure = page.locator(".pair > section").nth(side).locator("figure", has_text=title)
    figure.locator("summary").click()
    expect(figure.locator("tbody tr").first).to_be_visible()
    return figure.locator("tbody").inner_text()


def test_the_list_leads_to_a_run_and_to_its_report(browser: Browser, served: Served, runs: Path) -> None:
    _, second = sorted(path.name for path in runs.iterdir())
    with opened(browser, served.url) as page:
        expect(page.locator(".matrix tbody tr")).to_have_count(2)
        page.locator("tbody th a").first.click()
        expect(page.locator("h1")).to_have_text("made-run")
        assert page.url.endswith(f"/run/{second}")
        expect(page.locator(".state-cut-off").first).to_be_visible()
        page.locator("iframe").scroll_into_view_if_needed()
        expect(page.frame_locator("iframe").locator("p")).to_have_text("the report itself")
        assert page.evaluate("document.querySelector('iframe').contentDocument") is None


def test_a_page_goes_on_when_its_server_does(browser: Browser, tmp_path: Path) -> None:
    writer = RunWriter.create(tmp_path, "made-run", PLAN_TEXT, json.dumps(compiled_plan()))
    with writer:
        writer.append(events.RunStarted(writer.path.name, "made-run", 24))
        append_trial(writer, 1, LATE)
        with in_this_process(writer.path) as first:
            port = first.port
            context = opened(browser, f"{first.url}run/{writer.path.name}", may_fail=True)
            page = context.__enter__()
            expect(page.locator(".doubts")).to_contain_text("generator.late")
        expect(page.locator("#connection")).to_contain_text("not connected")
        append_trial(writer, 2)
        with in_this_process(writer.path, port):
            expect(page.locator("#connection")).to_have_text("connected")
            expect(page.get_by_text("2 of 24 trials are over")).to_be_visible()
            append_trial(writer, 3)
            expect(page.get_by_text("3 of 24 trials are over")).to_be_visible()
            expect(page.locator(".where")).to_contain_text("trial 3 of 24")
            # A finished trial that was not doubted has no signs of the one before.
            expect(page.locator(".doubts li")).to_have_count(0)
            context.__exit__(None, None, None)


def append_trial(writer: RunWriter, number: int, twist: Twist | None = None) -> None:
    for event in trial_events(number, 1, CASES[number], 24, twist or Twist()):
        writer.append(event)
    writer.append(events.Noted("seatrial", f"trial {number} is over"))


HOUR_S = 3_600
INCREMENTS = 60
HEAP_LIMIT_BYTES = 200_000_000


def test_an_hour_of_seconds_is_loaded_and_stays_smooth(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As many pieces as in half a minute come in a few seconds.
    monkeypatch.setattr(watched, "FLUSH_S", 0.1)
    monkeypatch.setattr(watcher, "LOOK_EVERY_S", 0.05)
    made = list(trial_events(1, 1, CASES[5], 24, Twist()))
    frames = [frame for frame in made_frames(1, CASES[5], Twist()) if frame.parts]
    samples = [event for event in made if isinstance(event, events.ProcessSampled)][-4:]
    account = made_account(1, CASES[5])

    def second(writer: RunWriter, at: int) -> None:
        for one in frames[2 * (at % 4) :][:2]:
            start_ns = int((5_020.0 + at) * 1e9)
            writer.append(
                events.FrameRecorded(1, replace(one, seq=at, start_ns=start_ns, end_ns=start_ns + 10**9))
            )
        for event in samples:
            looked = replace(event.sample, at_s=5_020.3 + at, cpu_user_s=event.sample.cpu_user_s + at * 0.1)
            writer.append(replace(event, sample=looked))

    writer = RunWriter.create(tmp_path, "made-run", PLAN_TEXT, json.dumps(compiled_plan()))
    with writer, in_this_process(writer.path) as served:
        writer.append(events.RunStarted(writer.path.name, "made-run", 24))
        for event in made:
            if isinstance(event, events.TrialStarted | events.PhaseStarted):
                writer.append(event)
        writer.append(events.LoadStarted(1, account.asked, account.hellos))
        for at in range(HOUR_S):
            second(writer, at)
        with opened(browser, f"{served.url}run/{writer.path.name}") as page:
            rows = page.locator("figure", has_text="Latency").locator("caption")
            numbers(page, "Latency")
            expect(rows).to_contain_text(f"of {HOUR_S} points")
            page.evaluate(SMOOTHNESS)
            writing = threading.Thread(target=write_slowly, args=(writer, second))
            writing.start()
            expect(rows).to_contain_text(f"of {HOUR_S + INCREMENTS} points")
            writing.join()
            per_s, longest_ms, changes = page.evaluate("window.smoothness()")
            session = page.context.new_cdp_session(page)
            session.send("HeapProfiler.collectGarbage")
            session.send("Performance.enable")
            metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    assert changes > INCREMENTS / 4
    assert metrics["JSHeapUsedSize"] < HEAP_LIMIT_BYTES
    assert per_s > 10
    assert longest_ms < 2_000


SMOOTHNESS = """() => {
  const began = performance.now();
  let [frames, last, longest, changes] = [0, began, 0, 0];
  const what = { subtree: true, childList: true, characterData: true };
  new MutationObserver(() => { changes += 1; }).observe(document.querySelector(".charts"), what);
  const frame = (now) => {
    frames += 1;
    longest = Math.max(longest, now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  window.smoothness = () => [frames / (performance.now() - began) * 1000, longest, changes];
}"""


def write_slowly(writer: RunWriter, second: Callable[[RunWriter, int], None]) -> None:
    for at in range(HOUR_S, HOUR_S + INCREMENTS):
        second(writer, at)
        # The record is written at once, and not with what comes within half a second.
        writer._write_now(("SELECT 1", ()))
        time.sleep(0.1)


def waiting(happened: Iterator[events.Event]) -> Iterator[events.Event]:
    """Leave out what the load sends: that of a discoverer only waits."""
    for event in happened:
        if isinstance(event, events.FrameRecorded):
            yield replace(event, frame=replace(event.frame, parts=()))
        else:
            yield event


@pytest.fixture
def discovering(tmp_path: Path) -> Path:
    compiled = compiled_plan(("envoy",))
    with RunWriter.create(tmp_path, "made-run", PLAN_TEXT, json.dumps(compiled)) as writer:
        writer.append(events.RunStarted(writer.path.name, "made-run", 1))
        for event in waiting(trial_events(1, 1, compiled["cases"][0], 1, Twist(discovered_s=1.0))):
            writer.append(event)
        writer.append(events.RunEnded("finished"))
    return writer.path


def test_of_a_discoverer_there_are_its_services_and_its_queue_and_no_load(
    browser: Browser, discovering: Path
) -> None:
    with RunReader.open(discovering) as reader:
        reached, looks = reader.milestones(1), reader.queue_samples(1)
    replicated = [one for one in reached if one.milestone == "replicated"]
    most = max(one.depth or 0 for one in looks)
    with serving(discovering) as served, opened(browser, served.url) as page:
        tiles = page.locator(".tiles > div")
        expect(tiles.filter(has_text="changes there")).to_contain_text(
            f"{len(replicated)}of {len(replicated)} changed"
        )
        expect(tiles.filter(has=page.get_by_text("queue", exact=True))).to_contain_text(
            f"0items; {most:.0f} at most"
        )
        expect(tiles.filter(has=page.get_by_text("done", exact=True))).to_contain_text(
            f"{looks[-1].done:.0f}of {looks[-1].enqueued:.0f} enqueued"
        )
        shown = page.locator("figure.chart:visible figcaption")
        expect(shown).to_have_text(["Services", "Queue of the discoverer", "CPU", "Memory"])
        rows = numbers(page, "Services")
        assert rows[0] == [str(len(replicated))] * 2
        depths = [cells[0] for cells in numbers(page, "Queue of the discoverer")]
        assert str(int(most)) in depths
        assert depths[0] == "0"


def test_of_a_load_there_is_no_queue(browser: Browser, served: Served, run: Path) -> None:
    with opened(browser, f"{served.url}run/{run.name}") as page:
        expect(page.locator("figure.chart:visible figcaption").first).to_have_text("Rate")
        expect(page.locator("figure.chart:visible")).to_have_count(6)
