"""``seatrial.open_run``: a run, finished, cut off or live, as tables, histograms and charts."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.errors import PlanError
from seatrial.record.reader import RunReader
from seatrial.report.tidy import cases, discovery, happened, observed, over_time, trials
from seatrial.report.tidy.histogram import KINDS, PHASES, trial_histogram
from seatrial.report.tidy.notebook import NotebookChart
from seatrial.report.tidy.table import Table
from seatrial.report.tidy.trials import KEYS, WHY, TrialKey, attempts_in, key_of, key_of_running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from os import PathLike

    from seatrial.analysis.run.model import RunSummary
    from seatrial.generator.frames import PhaseName
    from seatrial.record.tables.rows import RecordedTrial
    from seatrial.report.tidy.columns import Array, Column
    from seatrial.report.tidy.histogram import Kind, TrialHistogram

    TrialRows = Callable[[RunReader, RecordedTrial], dict[str, Array]]

TABLES = (
    "trials", "reasons", "cases", "objectives", "spreads", "phases", "intervals", "roles", "resources", "counters",
    "machine", "milestones", "disturbances", "discovery_steps", "queue", "observed", "journal",
)  # fmt: skip
"""Every table of a run, each an attribute of :class:`Run`."""


def open_run(path: str | PathLike[str]) -> Run:
    """Open a run directory for reading: a run that is finished, was cut off, or goes on.

    Nothing but the run's own row is read before it is asked for, and nothing is written. Of a damaged record what
    can be read is there, and ``journal`` names the rest.

    Raises
    ------
    seatrial.errors.RecordError
        There is no run in ``path``, or its record cannot be read at all.
    """
    run = Run(Path(path))
    with run.reader() as reader:
        reader.run()
    return run


class Run:
    """A run as tables of named numpy columns; made by :func:`open_run`.

    ``trials``, ``cases``, ``intervals`` and the other tables are computed when they are first asked for, by the code
    that makes the reports: their figures are those of ``results.json``. They are kept then: of a run that goes on, open
    it again for what came since. Each row of figures says in ``validity`` whether those may be believed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def reader(self) -> Iterator[RunReader]:
        """Open the record for as long as it is read."""
        with RunReader.open(self.path) as reader:
            yield reader

    @cached_property
    def summary(self) -> RunSummary:
        """All that the reports show, as frozen values."""
        from seatrial.analysis.run.summary import summarise_run

        with self.reader() as reader:
            return summarise_run(reader)

    def results(self) -> dict[str, Any]:
        """Return the document ``seatrial.results/1``, which ``results.json`` holds."""
        from seatrial.report.json import results_document

        return results_document(self.summary)

    @cached_property
    def trials(self) -> Table:
        """A row a trial that began, those set aside and of sanity cells too: the figures of its measure phase."""
        running = [trial for trial, key in self._known if key.validity == trials.NOT_JUDGED]
        return trials.trials_table(self.summary, running)

    @cached_property
    def reasons(self) -> Table:
        """A row a reason why a trial may not be believed, with its remedy."""
        return trials.reasons_table(self.summary)

    @cached_property
    def cases(self) -> Table:
        """A row a case: percentiles of all its trials merged, and its verdict."""
        return cases.cases_table(self.summary)

    @cached_property
    def objectives(self) -> Table:
        """A row an objective of a case: what was asked, and whether it held."""
        return cases.objectives_table(self.summary)

    @cached_property
    def spreads(self) -> Table:
        """A row a figure of a case: how far its trials lie apart."""
        return cases.spreads_table(self.summary)

    @cached_property
    def intervals(self) -> Table:
        """A row an interval (a second, unless the plan says otherwise): rates, errors, latencies, lateness."""
        return self._by_trial("intervals", over_time.INTERVALS, over_time.intervals)

    @cached_property
    def roles(self) -> Table:
        """A row a role and second: CPU and memory of all its processes together."""
        return self._by_trial("roles", over_time.ROLES, over_time.roles)

    @cached_property
    def resources(self) -> Table:
        """A row a process and second: each look at it."""
        return self._by_trial("resources", over_time.RESOURCES, over_time.resources)

    @cached_property
    def counters(self) -> Table:
        """A row a counter, member and second: what the system says of itself."""
        return self._by_trial("counters", over_time.COUNTERS, over_time.counters)

    @cached_property
    def machine(self) -> Table:
        """A row a counter and second: what the machine's kernel counted."""
        return self._by_trial("machine", over_time.MACHINE, over_time.machine)

    @cached_property
    def phases(self) -> Table:
        """A row a phase of a trial."""
        return self._by_trial("phases", happened.PHASES, happened.phases)

    @cached_property
    def milestones(self) -> Table:
        """A row a milestone of a route that changed, or of a service that a discoverer carries."""
        return self._by_trial("milestones", happened.MILESTONES, happened.milestones)

    @cached_property
    def disturbances(self) -> Table:
        """A row for each thing that was done to a system while it was measured."""
        return self._by_trial("disturbances", happened.DISTURBANCES, happened.disturbances)

    @cached_property
    def discovery_steps(self) -> Table:
        """A row a step that a discoverer was taken through."""
        return self._by_trial("discovery_steps", discovery.STEPS, discovery.steps)

    @cached_property
    def queue(self) -> Table:
        """A row a look at the queue of a discoverer."""
        return self._by_trial("queue", discovery.QUEUE, discovery.queue)

    @cached_property
    def observed(self) -> Table:
        """A row a series that a Prometheus yielded for a query of the plan, over the measure phase."""
        return self._by_trial("observed", observed.OBSERVED, observed.observed)

    @cached_property
    def journal(self) -> Table:
        """A row an entry of the journal, the program's and the person's."""
        return happened.journal_table(self.summary)

    def tables(self) -> Iterator[Table]:
        """Yield every table, each computed when its turn comes, and kept only if it was asked for before."""
        for name in TABLES:
            is_kept = name in self.__dict__
            yield getattr(self, name)
            if not is_kept:
                # Those of a long run are large, and whoever goes through all of them needs one at a time.
                self.__dict__.pop(name, None)

    def histogram(self, trial: int, kind: Kind = "latency", phase: PhaseName = "measure") -> TrialHistogram:
        """Return every sample of a trial's phase, merged from its raw histograms; ``trial`` is its number.

        Raises ``PlanError`` where there is no such trial, kind or phase.
        """
        if kind not in KINDS or phase not in PHASES:
            raise PlanError(
                f"there is no histogram of {kind!r} in {phase!r}",
                next_step=f"one of {', '.join(KINDS)}, in one of {', '.join(PHASES)}",
            )
        key = next((key for _, key in self._known if key.trial == trial), None)
        if key is None:
            numbers = ", ".join(str(key.trial) for _, key in self._known) or "none"
            raise PlanError(f"{self.path} has no trial {trial}", next_step=f"its trials: {numbers}")
        with self.reader() as reader:
            return trial_histogram(reader, key, kind, phase)

    def charts(self) -> tuple[NotebookChart, ...]:
        """Return the report's charts as Vega-Lite dicts, which a notebook shows as they are."""
        from seatrial.report.charts.of_run import charts_of

        return tuple(NotebookChart(chart) for chart in charts_of(self.summary, None))

    def __repr__(self) -> str:
        """Return how it ended, and which of its trials may be believed."""
        run, found = self.summary.run, Counter(key.validity for _, key in self._known)
        states = ", ".join(f"{count} {state}" for state, count in sorted(found.items(), reverse=True))
        lines = [f"run {run.run_id}: {run.state}; {len(self._known)} trials: {states or 'none'}"]
        lines += [f"  {system.label}: {system.state}" for system in self.summary.systems]
        lines += [
            f"  trial {key.trial} ({key.case}) is INVALID{' and set aside' if key.set_aside else ''}: {key.reasons}"
            for _, key in self._known
            if key.reasons
        ]
        return "\n".join(lines)

    @cached_property
    def _known(self) -> tuple[tuple[RecordedTrial, TrialKey], ...]:
        """Every trial that began, in order of execution, with what its rows begin with."""
        run = self.summary.run.run_id
        judged = {trial.trial: key_of(run, case, trial) for case, trial in attempts_in(self.summary)}
        with self.reader() as reader:
            found = reader.trials()
        # One that ended after the others were judged is taken as it was then.
        return tuple((trial, judged.get(trial.trial) or key_of_running(run, trial)) for trial in found)

    def _by_trial(self, name: str, columns: Sequence[Column], rows: TrialRows) -> Table:
        blocks = []
        with self.reader() as reader:
            for trial, key in self._known:
                own = rows(reader, trial)
                blocks.append({**key.block(len(own[columns[0].name])), **own})
        return Table(name, (*KEYS, *columns, *WHY), blocks)
