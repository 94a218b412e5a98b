"""Every report of a made run: whole, readable without scripts and network, and of one mind with the record."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from rich.console import Console
from tests.support.made_run import Twist, make_run

from seatrial.analysis.run.summary import summarise_run
from seatrial.cli.note import note
from seatrial.cli.report import report
from seatrial.record.reader import RunReader
from seatrial.report.charts.charts import latency_by_case, latency_spectrum
from seatrial.report.charts.over_time import trial_over_time
from seatrial.report.csv import results_csv
from seatrial.report.doubts import doubts
from seatrial.report.html import render_html
from seatrial.report.markdown import render_markdown
from seatrial.report.terminal import COLUMNS, WIDTH_LIMIT, print_summary
from seatrial.units import format_us

SYSTEMS = ("direct", "envoy")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of two systems in which most requests of one trial were late and one system is slow."""
    twists = {5: Twist(slow=12), 6: Twist(lateness_us=2_000)}
    return make_run(tmp_path_factory.mktemp("runs"), twists=twists, systems=SYSTEMS)


@pytest.fixture(scope="module")
def summary(made):
    with RunReader.open(made) as reader:
        return summarise_run(reader)


@pytest.fixture(scope="module")
def html(summary):
    return render_html(summary)


@pytest.fixture(scope="module")
def page(html):
    parsed = Page()
    parsed.feed(html)
    parsed.close()
    return parsed


class Page(HTMLParser):
    """What a reader with scripts off gets: text outside scripts and styles; and everything that refers outside."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.svgs, self.figures = "", 0, 0
        self.references: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag in {"script", "style"}:
            self._inside.append(tag)
            self.scripts.append((values, ""))
        self.svgs += tag == "svg"
        self.figures += tag == "figure"
        self.references += [
            value
            for name, value in values.items()
            if value and not name.startswith("xmlns") and re.search(r"//|url\((?!#)", value)
        ]

    def handle_endtag(self, tag):
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.text += data
        else:
            values, before = self.scripts[-1]
            self.scripts[-1] = (values, before + data)


def test_the_page_refers_to_nothing_outside(page):
    assert page.references == []
    assert not re.search(r"https?://", page.text)
    for values, text in page.scripts:
        assert "src" not in values
        # The charts' library carries addresses in its messages and namespaces; everything of ours has none.
        assert values.get("id") == "bundle" or not re.search(r"https?://", text)


def test_the_page_is_whole_without_scripts(page, summary):
    assert page.figures == page.svgs == 2 + len(summary.cases)
    for needed in (
        "Does the proxy add more than a millisecond",
        "1 of 16 trials cannot be believed",
        "requests left late",
        "give the generator a core of its own",
        "Whose fault: generator",
        "16,000",
        "Debian GNU/Linux 12",
        "The machine was quiet",
        "repeat: 2",
        "from the intended send time",
        "connections=500 rate=2k/s",
        "p99 < 5 ms",
    ):
        assert needed in page.text, needed
    for system in summary.systems:
        assert system.sentence in page.text


def test_the_page_opens_with_question_verdicts_doubt_and_results(page):
    order = [
        "Does the proxy add",
        "Beside no proxy",
        "envoy: FAIL, p99 < 5 ms does not hold in 1 of 4 cases",
        "cannot be believed",
        "Results",
        "Latency by case",
        "Journal",
    ]
    places = [page.text.rindex(text) if text == "Journal" else page.text.index(text) for text in order]
    places[3] = page.text.index("trials cannot be believed", places[2] + 60)
    assert places == sorted(places)


def test_on_a_narrow_screen_each_cell_has_its_heading(html):
    # Rows become lists there, in which headings are taken from the cells.
    for table in re.findall(r'<table class="(?:text )?rows".*?</table>', html, re.DOTALL):
        headings = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", table)
        for row in re.findall(r"<tr[^>]*>(<td.*?)</tr>", table, re.DOTALL):
            assert re.findall(r'<td data-label="([^"]+)"', row) == headings
    assert len(re.findall(r'<table class="(?:text )?rows"', html)) == 4


def test_charts_bring_their_ground_along_into_dark_themes(html, summary):
    assert re.search(
        r"figure > \.static, figure > \.live \{[^}]*background: #fff;[^}]*forced-color-adjust: none", html
    )
    assert "@media (prefers-color-scheme: dark)" in html
    for spec in (latency_by_case(summary), latency_spectrum(summary), trial_over_time(summary.cases[0])):
        assert spec is not None
        assert spec["config"]["background"] == "#ffffff"


def test_the_page_gives_the_specs_to_its_script(page):
    (specs,) = [json.loads(text) for values, text in page.scripts if values.get("id") == "specs"]
    assert {"latency", "spectrum", "trial-0"} <= set(specs)
    assert len(specs) == page.figures


def test_drawings_in_one_page_do_not_share_names(html):
    names = re.findall(r'<[^<>]* id="([^"]+)"', html)
    assert names
    assert len(names) == len(set(names))


def test_what_a_person_wrote_cannot_become_markup(made):
    runner = CliRunner()
    assert runner.invoke(note, [str(made), "<script>alert(1)</script> | bar"]).exit_code == 0
    with RunReader.open(made) as reader:
        changed = summarise_run(reader)
    assert "<script>alert" not in render_html(changed)
    assert "<script>alert" not in render_markdown(changed)
    assert r"\| bar" in render_markdown(changed)


def test_charts_hold_the_data_and_the_phases(summary):
    case = summary.cases[4]
    over_time = trial_over_time(case)
    assert over_time is not None
    bands, curves, names = (layer["data"]["values"] for layer in over_time["vconcat"][0]["layer"])
    assert [band["phase"] for band in bands] == ["set up", "ramp", "warm up", "measure", "cool down"]
    assert {value["series"] for value in curves} == {"requested", "achieved"}
    assert [name["phase"] for name in names] == [band["phase"] for band in bands]
    spectrum = latency_spectrum(summary)
    assert spectrum is not None
    assert {value["system"] for value in spectrum["data"]["values"]} == set(SYSTEMS)
    by_case = latency_by_case(summary)
    assert by_case is not None
    for value in by_case["data"]["values"]:
        assert value["low_ms"] <= value["high_ms"]


def test_a_run_in_which_nothing_was_measured_still_has_a_page(tmp_path):
    with RunReader.open(make_run(tmp_path, trials=0, end=False)) as reader:
        summary = summarise_run(reader)
    html = render_html(summary)
    assert "This run is cut off" in html
    assert "not run" in html
    assert latency_by_case(summary) is None
    assert results_csv(summary).strip() == ""


def test_csv_has_a_row_for_each_trial_and_units_in_its_headers(summary):
    rows = list(csv.DictReader(io.StringIO(results_csv(summary))))
    assert len(rows) == 16
    units = (
        "_us",
        "_s",
        "_cores",
        "bytes",
        "requests",
        "connections",
        "_count",
        "_max",
        "_mean",
        "_measure",
        "files",
        "_us_",
        "_fraction",
        "_cpu_list",
    )
    words = {
        "case",
        "system",
        "repeat",
        "order",
        "environment",
        "state",
        "beside",
        "validity",
        "validity_reasons",
        "set_aside",
        "case_verdict",
    }
    for header in set(rows[0]) - words:
        assert header.startswith("variable_") or any(unit in header for unit in units), header
    assert rows[5]["validity"] == "INVALID"
    assert rows[5]["validity_reasons"] == "generator.late"
    assert rows[0]["generator_completed_requests"] == rows[0]["origin_requests"] == "8000"
    assert rows[0]["system_requests"] == ""
    for row in rows:
        intended, sent, completed, unsent, timed_out, failed, in_flight = (
            int(row[f"{name}_requests"])
            for name in ("intended", "sent", "completed", "unsent", "timed_out", "failed", "in_flight")
        )
        assert intended == sent + unsent
        assert sent == completed + timed_out + failed + in_flight
    assert {row["system_memory_measure"] for row in rows} == {"", "PSS"}


def printed(summary, width: int, *, terminal: bool = True) -> list[str]:
    text = io.StringIO()
    print_summary(summary, Console(file=text, width=width, force_terminal=terminal, color_system=None))
    assert "\x1b" not in text.getvalue()
    return text.getvalue().splitlines()


def test_terminal_fits_and_reads_without_colour(summary):
    lines = printed(summary, WIDTH_LIMIT)
    assert max(map(len, lines)) <= WIDTH_LIMIT
    assert any(line.startswith("  envoy") and " FAIL " in line for line in lines)
    assert any(
        line.startswith("INVALID envoy-connections=200-rate=2000, repeat 1: requests left late")
        for line in lines
    )


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_column_and_no_unit_is_lost_in_a_narrow_terminal(summary, width):
    lines = printed(summary, width)
    assert max(map(len, lines)) <= width
    headings = [line for line in lines if line.startswith("  system")]
    shown = {word for line in headings for word in re.split(r"\s{2,}", line.strip())}
    assert shown == {heading for heading, *_ in COLUMNS}
    # Every part of the table has every row.
    assert sum(line.startswith("  envoy") for line in lines) == 4 * len(headings)
    assert (len(headings) > 1) == (width < 95)


def test_text_that_is_piped_is_not_wrapped(summary):
    lines = printed(summary, 80, terminal=False)
    for answer in summary.answers:
        assert answer in lines
    for system in summary.systems:
        assert system.sentence in lines
    assert sum(line.startswith("  system") for line in lines) == 1


def test_the_terminal_opens_with_the_answers_then_validity_then_the_table(summary):
    lines = printed(summary, 80, terminal=False)
    places = [
        lines.index(summary.question),
        lines.index(summary.answers[0]),
        lines.index(summary.systems[0].sentence),
        next(number for number, line in enumerate(lines) if line.startswith("INVALID")),
        next(number for number, line in enumerate(lines) if line.startswith("  system")),
    ]
    assert places == sorted(places)


def test_the_generators_own_part_is_one_line_a_system_in_the_terminal(summary):
    lines = printed(summary, 200, terminal=False)
    start = next(number for number, line in enumerate(lines) if line.startswith("What of these may be"))
    case = next(case for case in summary.cases if case.case.id == "envoy-connections=200-rate=2000")
    parts = [(getattr(case.latency_ours_us, name), name) for name in ("p50", "p99", "p999")]
    texts = ", ".join(f"{format_us(ours)} of the {name.replace('999', '99.9')}" for ours, name in parts)
    assert lines[start + 1 : start + 3] == [f"envoy, 1 of 4 cases: up to {texts}", ""]


def test_a_cause_of_many_trials_is_printed_once(tmp_path):
    twists = {number: Twist(counts_off=number) for number in range(9, 17)}
    with RunReader.open(make_run(tmp_path, twists=twists, systems=("direct", "envoy"))) as reader:
        run = summarise_run(reader)
    assert len(run.invalid) == 8
    (doubt,) = doubts(run)
    assert len(doubt.places) == 8
    lines = [line for line in printed(run, 100, terminal=False) if line.startswith("INVALID")]
    assert len(lines) == 1
    assert "repeat 2 and 7 other trials: the counts of requests disagree" in lines[0]


def test_markdown(summary, snapshot):
    text = render_markdown(summary)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?( UTC)?", "TIME", text)
    assert re.sub(r"^- TIME, person: &lt;script.*\n", "", text, flags=re.MULTILINE) == snapshot


def test_report_command_writes_everything_and_says_the_verdict(made):
    result = CliRunner().invoke(report, [str(made)])
    assert result.exit_code == 3, result.output
    for name in ("report.html", "report.md", "results.csv", "results.json"):
        assert str(made / name) in result.stdout
        assert (made / name).stat().st_size > 1_000
    assert result.stderr == ""
    document = json.loads((made / "results.json").read_text())
    assert document["schema"] == "seatrial.results/1"


def test_report_command_gives_json_alone_on_stdout(made, tmp_path):
    result = CliRunner().invoke(report, [str(made), "--json", "-"])
    assert json.loads(result.stdout)["run"]["exit_code"] == result.exit_code == 3
    target = tmp_path / "x.json"
    CliRunner().invoke(report, [str(made), "--json", str(target)])
    assert json.loads(target.read_text())["schema"] == "seatrial.results/1"


@pytest.mark.parametrize(("twists", "code"), [({}, 0), ({2: Twist(slow=40)}, 1)])
def test_exit_codes(tmp_path, twists, code):
    run = make_run(tmp_path, twists=twists, systems=("direct",))
    assert CliRunner().invoke(report, [str(run), "--json", "-"]).exit_code == code
