// Where a run is, and what its load does now.

import { h, setText, show } from "./dom.js";
import { count, date, duration, rate, us, validityOf } from "./format.js";
import { state } from "./matrix.js";
import { onlyWaits } from "./series.js";

export class Now {
  constructor() {
    this.head = h("header", {});
    this.where = h("p", { class: "where" });
    this.whose = h("p", { class: "whose" });
    this.tiles = h("dl", { class: "tiles" });
    this.doubts = h("section", { class: "doubts", "aria-label": "Signs of doubt", role: "status" });
    this.element = h("div", {}, this.head, this.where, this.whose, this.tiles, this.doubts);
  }

  show(run) {
    document.title = `${run.run.name}: ${run.run.state} - Seatrial`;
    show(
      this.head,
      h("p", { class: "eyebrow" }, `run ${run.run.id}, started ${date(run.run.started_utc)}`),
      h("h1", {}, run.run.name),
      run.run.question ? h("p", { class: "question" }, run.run.question) : null,
      h("p", {}, state(run.run.state), ` ${counted(run)}`),
    );
    this.tick(run);
    this.#tiles(run);
    this.#doubts(run);
  }

  tick(run) {
    setText(this.where, whereNow(run));
  }

  #tiles(run) {
    const last = run.last;
    if (!last) return show(this.tiles);
    const judged = run.judgedTrial(last.head.trial);
    const reasons = judged?.validity === "INVALID" ? `: ${judged.reasons.map((reason) => reason.text).join("; ")}` : "";
    show(this.whose, `Trial ${last.head.order}, `, state(validityOf(last.head, judged)), reasons);
    const now = (name) => last.load[name]?.at(-1);
    const errors = Object.entries(last.load).filter(([name]) => name.startsWith("errors:"));
    const kinds = errors
      .map(([name, values]) => [name.slice(7), values.reduce((sum, one) => sum + (one || 0), 0)])
      .filter(([, sum]) => sum);
    const which = run.isRunning ? "now" : "in its last interval";
    const wrong = tile(
      "errors",
      count(kinds.reduce((sum, [, one]) => sum + one, 0)),
      kinds.length
        ? kinds.map(([kind, sum]) => `${count(sum)} ${kind.replaceAll("_", " ")}`).join(", ")
        : "in this trial",
    );
    if (onlyWaits(last)) return show(this.tiles, ...discovererTiles(last), wrong);
    return show(
      this.tiles,
      tile(
        "achieved rate",
        rate(now("completed_per_s")),
        now("asked_per_s") ? `${rate(now("asked_per_s"))} asked for` : which,
      ),
      tile("p50", us(now("p50_us")), which),
      tile("p99", us(now("p99_us")), which),
      tile("p99.9", us(now("p999_us")), which),
      tile("connections", `${count(now("held"))} held`, `${count(now("active"))} active`),
      wrong,
    );
  }

  #doubts(run) {
    const found = run.doubts || [];
    show(
      this.doubts,
      found.length ? h("h2", {}, `Signs of doubt in trial ${found[0].trial || (run.last?.head.order ?? "")}`) : null,
      found.length
        ? h(
            "ul",
            {},
            found.map((one) =>
              h(
                "li",
                {},
                h("strong", {}, one.code),
                `: ${one.text}`,
                h(
                  "span",
                  { class: "soft" },
                  ` (${one.times === 1 ? "once" : `${count(one.times)} times`}, since ${duration(one.first_s)} into the trial)`,
                ),
              ),
            ),
          )
        : null,
      found.length
        ? h(
            "p",
            { class: "soft" },
            "Signs decide nothing: whether a trial may be believed is decided from all of it when it is over.",
          )
        : null,
    );
  }
}

// The step of now, what of the trial is there, and the queue by the discoverer's own count.
function discovererTiles({ head, discovery }) {
  const now = (name) => discovery[name]?.at(-1);
  const most = (discovery.depth || []).reduce((one, other) => Math.max(one, other ?? 0), 0);
  const step = head.steps.at(-1);
  const isOver = !step || step.ended_s !== undefined;
  // What is missing at the end is among those that were missing before, or is all there is.
  const missed = (isEnd) =>
    head.steps.filter((one) => (one.step === "end") === isEnd).reduce((sum, one) => sum + (one.missing || 0), 0);
  const missing = Math.max(missed(true), missed(false));
  const ofStep = now("of_step") ? `${count(now("there_in_step"))} of ${count(now("of_step"))} there` : "";
  return [
    tile("step", isOver ? "none" : step.step, isOver ? "between two, or over" : step.words || ofStep || "nothing changes"),
    tile("changes there", count(now("there")), `of ${count(now("asked"))} changed at the source`),
    tile("missing", count(missing), "in the steps that are over"),
    tile("queue", count(now("depth")), now("depth") === undefined ? "it does not say" : `items; ${count(most)} at most`),
    tile("done", count(now("done")), `of ${count(now("enqueued"))} enqueued`),
    tile("dropped", count(now("dropped")), `${count(now("retries"))} retries`),
  ];
}

const tile = (name, value, more) =>
  h(
    "div",
    {},
    h("dt", {}, name),
    h("dd", {}, h("span", { class: "figure" }, value), h("span", { class: "soft" }, more)),
  );

function counted(run) {
  const ended = [...run.trials.values()].filter(({ head }) => head.state !== "running").length;
  const planned = run.run.trials ?? 0;
  // Those that cannot be believed are run again, beyond the plan.
  return ended > planned
    ? `${ended} trials are over; ${planned} were planned, the others are run again`
    : `${ended} of ${planned} trials are over`;
}

function whereNow(run) {
  const head = run.last?.head;
  if (!run.isRunning || !head) return "";
  const label = run.cases.find((one) => one.id === head.case)?.label;
  const phase = head.phases.at(-1);
  // How many are run again beyond the plan is known in the end.
  const isPlanned = head.order <= run.run.trials;
  const of = isPlanned ? ` of ${run.run.trials}` : ` (${run.run.trials} were planned)`;
  const parts = [`trial ${head.order}${of}: ${head.system}${label ? `, ${label}` : ""}`];
  if (head.state === "running" && phase) parts.push(`${phase.name}${leftOf(phase, run.now() - head.at_run_s)}`);
  const left = isPlanned ? leftOfRun(run, head) : null;
  return [...parts, ...(left === null ? [] : [`about ${duration(left)} left of the run`])].join("; ");
}

function leftOf(phase, atS) {
  if (phase.expected_s === null) return `, ${duration(atS - phase.at_s)} so far`;
  const left = phase.at_s + phase.expected_s - atS;
  return left > -0.5 ? `, ${duration(left)} left` : `, ${duration(-left)} more than expected`;
}

function leftOfRun(run, head) {
  const over = [...run.trials.values()].filter((trial) => trial.head.ended_s !== null);
  if (!over.length) return null;
  const each = over.reduce((sum, trial) => sum + trial.head.ended_s, 0) / over.length;
  const ofThis = head.ended_s === null ? Math.max(0, each - (run.now() - head.at_run_s)) : 0;
  return Math.max(0, run.run.trials - head.order) * each + ofThis;
}
