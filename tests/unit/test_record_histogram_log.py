"""Our histogram logs against the reader of the Python HdrHistogram, which is a port of the Java one."""

from __future__ import annotations

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from tests.support.made_run import make_run

from seatrial._engine import Histogram
from seatrial.record.histograms.log import HistogramLogWriter, LogLine, read_histogram_log, tag_of


def histogram(*values_us: int) -> Histogram:
    made = Histogram()
    for value_us in values_us:
        made.record(value_us)
    return made


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "x.hlog"
    writer = HistogramLogWriter(path, start_epoch_s=1_700_000_000.5, version="0.1.0")
    writer.append(LogLine(tag_of("warmup", 0), 0.0, 1.0, histogram(5, 6).encode()))
    writer.append(LogLine(tag_of("measure", 1), 1.0, 0.999, histogram(100, 250_000, 3_599_000_000).encode()))
    writer.append(LogLine(None, 2.0, 1.0, histogram().encode()))
    writer.close()
    return path


def test_what_is_written_is_read_back(log):
    lines = list(read_histogram_log(log))
    assert [(line.tag, line.start_s, line.length_s) for line in lines] == [
        ("warmup-w0", 0.0, 1.0),
        ("measure-w1", 1.0, 0.999),
        (None, 2.0, 1.0),
    ]
    assert Histogram.decode(lines[1].histogram).count == 3


def test_the_oracle_reads_the_same(log):
    reader = HistogramLogReader(str(log), HdrHistogram(1, 3_600_000_000, 3))
    found = []
    while (interval := reader.get_next_interval_histogram()) is not None:
        found.append(interval)
    reader.close()
    assert reader.get_start_time_sec() == pytest.approx(1_700_000_000.5)
    assert [interval.get_tag() for interval in found] == ["warmup-w0", "measure-w1", None]
    assert [interval.get_total_count() for interval in found] == [2, 3, 0]
    ours = histogram(100, 250_000, 3_599_000_000)
    assert found[1].get_max_value() == ours.max_us
    assert found[1].get_value_at_percentile(50) == ours.quantile_us(0.5)
    assert found[1].get_end_time_stamp() - found[1].get_start_time_stamp() == pytest.approx(999, abs=0.5)


def test_a_torn_last_line_is_passed_over(log):
    text = log.read_text()
    log.write_text(text + text.splitlines()[-1][:-4])
    assert len(list(read_histogram_log(log))) == 3


def test_the_logs_of_a_run_hold_what_its_frames_hold(tmp_path):
    run = make_run(tmp_path, trials=1)
    files = sorted(path.name for path in (run / "histograms").iterdir())
    name = "001-direct-connections=200-rate=1000-r1"
    assert files == [f"{name}.latency.hlog", f"{name}.service_time.hlog"]
    merged = Histogram()
    for line in read_histogram_log(run / "histograms" / files[0]):
        if line.tag and line.tag.startswith("measure"):
            merged.add_encoded(line.histogram)
    assert merged.count == 6_000
