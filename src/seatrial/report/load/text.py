"""One load as text, in the order that readers of wrk2 know, with its validity before any number."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.analysis.load.answered import findings_of
from seatrial.analysis.load.distribution import Distribution
from seatrial.analysis.load.failures import held_answers_text
from seatrial.analysis.load.histograms import merge
from seatrial.analysis.load.ours import worth_showing
from seatrial.analysis.load.result import LoadResult, TlsCounts
from seatrial.analysis.run.objectives import samples_needed
from seatrial.generator.frames import Frame
from seatrial.units import format_count, format_duration, format_rate, format_size

GRIDS = {"open": "grid", "closed": "naps"}
SCHEDULING = {"first": "run first", "shared": "run in turn"}
PERCENTILES = (
    ("50%", "p50"),
    ("75%", "p75"),
    ("90%", "p90"),
    ("99%", "p99"),
    ("99.9%", "p999"),
    ("99.99%", "p9999"),
    ("100%", "max"),
)


def load_text(result: LoadResult) -> str:
    """Return the whole text, ready to print."""
    sections = (
        _heading(result),
        _validity(result),
        _findings(result),
        _latencies(result),
        _counts(result),
        _totals(result),
    )
    return "\n\n".join("\n".join(section) for section in sections if section)


def _heading(result: LoadResult) -> list[str]:
    pace = f"{result.loop} loop"
    if result.rate_per_s.requested is not None:
        pace += f", {format_rate(result.rate_per_s.requested)} {result.arrival}"
    held = (
        f" and {format_count(result.connections.held.requested)} held"
        if result.connections.held.requested
        else ""
    )
    grid = f"{result.resolution_us} us {GRIDS[result.loop]}" if result.resolution_us else "no grid"
    fallback = [f"  epoll in place of io_uring: {result.driver_fallback}"] if result.driver_fallback else []
    return [
        f"{f'{format_duration(result.window_s)} test' if result.window_s else 'Nothing measured'} @ {result.url}",
        (
            f"  {result.generator.processes} worker{'s' * (result.generator.processes != 1)}, "
            f"{format_count(result.connections.active.requested)} active{held} connections, {pace}"
        ),
        f"  {result.driver}, {grid}, answers timed by the {result.timestamps}, "
        f"{SCHEDULING[result.generator.scheduling]}, seed {result.seed}",
        *fallback,
    ]


def _validity(result: LoadResult) -> list[str]:
    lines: list[str] = [result.validity.state]
    for cause in result.validity.causes:
        lines.append(f"  {cause.code}: {cause.text}")
        lines += [
            f"    and so {reason.code}: {reason.text}" for reason in result.validity.consequences(cause)
        ]
        lines.append(f"    remedy: {cause.remedy}")
    if result.validity.direction == "inflates":
        lines.append(
            "  latencies below are at most: this can only have made the system look slower than it is"
        )
    lines += [f"  note: {remark}" for remark in result.remarks]
    return lines


def _findings(result: LoadResult) -> list[str]:
    # What was asked and what came, where they differ.
    return [f"{finding[0].upper()}{finding[1:]}" for finding in findings_of((result,))]


def _latencies(result: LoadResult) -> list[str]:
    if not result.requests.intended:
        return []
    columns = [("latency", result.latency_us), ("service", result.service_time_us)]
    if result.loop == "open":
        columns.append(("lateness", result.lateness_us))
    lines = ["  " + "".join(f"{name:>12}" for name in ("", *(name for name, _ in columns)))]
    for label, attribute in [*_percentiles(result), ("mean", "mean")]:
        cells = (_cell(distribution, attribute) for _, distribution in columns)
        lines.append("  " + f"{label:>12}" + "".join(f"{cell:>12}" for cell in cells))
    return [*lines, f"  {_explanation(result)}", *_ours(result)]


def _percentiles(result: LoadResult) -> list[tuple[str, str]]:
    # A percentile with no sample beyond it is the maximum, which has its own row.
    count = result.latency_us.count
    return [(label, name) for label, name in PERCENTILES if name == "max" or count >= samples_needed(name)]


def _ours(result: LoadResult) -> list[str]:
    """Return what of the latencies may be the generator's, where that is worth knowing."""
    known = result.latency_ours_us
    if known is None:
        return []
    found = [
        text
        for label, attribute in _percentiles(result)
        if (text := ours_text(label, getattr(result.latency_us, attribute), getattr(known, attribute)))
    ]
    return [f"  {line}" for line in found]


def _explanation(result: LoadResult) -> str:
    if result.loop == "closed":
        return "closed loop: a slow answer delays the next request, so do not compare with an open loop"
    return "latency from the intended send time, service time from the actual one"


def _cell(distribution: Distribution, attribute: str) -> str:
    return _microseconds(getattr(distribution, attribute)) if distribution.count else "-"


def ours_text(label: str, value_us: float, ours_us: float) -> str | None:
    """Return "99% 1.72 ms, of which up to 1.03 ms may be ours", or None where it is not worth saying."""
    if not worth_showing(value_us, ours_us):
        return None
    whole, ours = _microseconds(value_us), _microseconds(ours_us)
    return f"{label} {whole}, of which up to {ours} may be ours"


def _microseconds(us: float) -> str:
    if us < 1_000:
        return f"{us:.0f} us"
    return f"{us / 1_000:.2f} ms" if us < 1_000_000 else f"{us / 1_000_000:.2f} s"


def _counts(result: LoadResult) -> list[str]:
    requests, held = result.requests, result.connections.held
    lines = [
        (
            f"  {requests.intended:,} requests intended: {requests.completed:,} completed, "
            f"{requests.timed_out:,} timed out, {requests.failed:,} failed, {requests.in_flight:,} in flight, "
            f"{requests.unsent:,} unsent"
        ),
    ]
    if result.status:
        lines.append("  status " + ", ".join(f"{code}: {count:,}" for code, count in result.status.items()))
    if result.errors:
        lines.append("  errors " + ", ".join(f"{name}: {count:,}" for name, count in result.errors.items()))
    if held.requested:
        lines.append(f"  held {held.established:,} of {held.requested:,} connections throughout")
    if result.unexpected.counts:
        lines.append(
            "  unexpected "
            + ", ".join(f"{name}: {count:,}" for name, count in result.unexpected.counts.items())
        )
        lines += [
            f"    {one.kind} of {one.route}: {one.status} {one.body[:60]!r}" for one in result.unexpected.kept
        ]
    if len(result.routes) > 1:
        lines.append(f"  {len(result.routes):,} routes, each in the JSON document")
    if result.connections.churned:
        lines.append(
            f"  {result.connections.churned:,} connections closed as planned, {result.connections.opened:,} opened"
        )
    lines += _idle(result)
    if result.tls and result.tls_handshake_us:
        lines.append(f"  {_handshakes(result.tls, result.tls_handshake_us)}")
    if again := _opened_again(result):
        lines.append(f"  {', '.join(again)}")
    return lines


def _handshakes(tls: TlsCounts, took: Distribution) -> str:
    versions = ", ".join(f"TLS {version}: {count:,}" for version, count in tls.versions.items())
    text = f"{tls.handshakes:,} handshakes ({versions or 'none succeeded'})"
    if not took.count:
        return text
    times = f"p50 {_microseconds(took.p50)}, p99 {_microseconds(took.p99)}"
    return f"{text}, {tls.resumed:,} resumed, {tls.handshakes_per_s:,.0f}/s, {times}"


def _idle(result: LoadResult) -> list[str]:
    connections, lines = result.connections, []
    if connections.closed_by_peer or connections.reset_by_peer:
        lines.append(
            f"  idle connections ended by the peer: {connections.closed_by_peer:,} closed, "
            f"{connections.reset_by_peer:,} reset"
        )
    if connections.held_lifetime_us:
        lived = connections.held_lifetime_us
        lines.append(
            f"  held ones lived until then: p50 {_microseconds(lived.p50)}, at most {_microseconds(lived.max)}"
        )
    if held := held_answers_text(result):
        lines.append(f"  {held}")
    return lines


def _opened_again(result: LoadResult) -> list[str]:
    parts = []
    if result.connections.reconnected:
        parts.append(f"{result.connections.reconnected:,} connections opened again")
    if result.connections.syn_retransmissions:
        parts.append(f"{result.connections.syn_retransmissions:,} connection requests (SYN) sent again")
    return parts


def _totals(result: LoadResult) -> list[str]:
    # What came in the window, as the rate above it, whoever asked.
    received = result.bytes.received_in_window / result.window_s if result.window_s else 0.0
    return [
        f"Requests/sec: {result.rate_per_s.achieved:>12,.2f}",
        f"Transfer/sec: {format_size(round(received)):>12}",
        f"Generator:    {result.generator.cpu_us_per_request:>9.1f} us of CPU per request",
    ]


def spectrum_text(frames: Iterable[Frame]) -> str:
    """Return the whole spectrum of latencies over the measure window, in the columns of HdrHistogram's plot files."""
    latency = merge(part.latency for frame in frames for part in frame.parts if part.phase == "measure")
    lines = ["", f"{'Value (us)':>12} {'Percentile':>14} {'TotalCount':>12} {'1/(1-Percentile)':>18}", ""]
    seen = 0
    for value_us, count in latency.buckets():
        seen += count
        quantile = seen / latency.count
        rarity = f"{1 / (1 - quantile):18.2f}" if seen < latency.count else f"{'inf':>18}"
        lines.append(f"{value_us:12d} {quantile:14.12f} {seen:12d} {rarity}")
    lines.append(f"#[Mean = {latency.mean_us:.3f}, StdDeviation = {latency.stdev_us:.3f}]")
    lines.append(f"#[Max = {latency.max_us}, Total count = {latency.count}]")
    return "\n".join(lines)
