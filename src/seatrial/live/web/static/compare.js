// Two trials side by side, of one run or of two: the same axes, and first whether each may be believed.

import { Chart } from "./chart.js";
import { apiPath, get, h, show } from "./dom.js";
import { carried, rate, us } from "./format.js";
import { state } from "./matrix.js";
import { applies, bandsOf, CHARTS, linesOf } from "./series.js";

const EVERY_MS = 2000;
const SIDES = ["a", "b"];

export async function compare(main, connection) {
  const given = new URLSearchParams(location.search);
  const runs = (await get("/api/runs")).filter((run) => !run.error);
  const sides = SIDES.map((name, at) => new Side(name, runs, given, at, () => changed()));
  const align = h(
    "select",
    { id: "align", onchange: () => changed() },
    h("option", { value: "start" }, "their start"),
    h("option", { value: "measure" }, "their measure phase"),
  );
  align.value = given.get("align") === "measure" ? "measure" : "start";
  main.replaceChildren(
    h("h1", {}, "Two trials side by side"),
    h("p", { class: "row" }, h("label", { for: "align" }, "Aligned from"), align),
    h(
      "div",
      { class: "pair" },
      sides.map((side) => side.element),
    ),
  );

  async function changed() {
    try {
      await Promise.all(sides.map((side) => side.load()));
      connection("connected");
    } catch (error) {
      connection(`not connected: ${error.message}`);
      return;
    }
    const chosen = new URLSearchParams({ align: align.value });
    for (const side of sides) for (const [name, value] of side.chosen()) chosen.set(name, value);
    history.replaceState(null, "", `?${chosen}`);
    draw(sides, align.value);
  }

  await changed();
  setInterval(() => sides.some((side) => side.isOpen) && changed(), EVERY_MS);
}

class Side {
  constructor(name, runs, given, at, changed) {
    this.name = name;
    this.trial = null;
    this.isFirst = at === 0;
    this.wanted = given.get(`${name}-trial`);
    this.charts = CHARTS.map((chart) => new Chart(chart, "compare"));
    this.runChoice = h(
      "select",
      {
        id: `${name}-run`,
        onchange: () => {
          this.wanted = null;
          changed();
        },
      },
      runs.map((run) => h("option", { value: run.id }, `${run.name} (${run.id})`)),
    );
    this.runChoice.value = given.get(name) ?? runs[Math.min(at, runs.length - 1)]?.id;
    this.trialChoice = h("select", {
      id: `${name}-trial`,
      onchange: () => {
        this.wanted = this.trialChoice.value;
        changed();
      },
    });
    this.said = h("div", { class: "said" });
    const title = `Side ${name.toUpperCase()}`;
    this.element = h(
      "section",
      { "aria-label": title },
      h("h2", {}, title),
      h(
        "p",
        { class: "choices" },
        h("label", { for: `${name}-run` }, `Run ${name.toUpperCase()}`),
        this.runChoice,
        h("label", { for: `${name}-trial` }, `Trial ${name.toUpperCase()}`),
        this.trialChoice,
      ),
      this.said,
      this.charts.map((chart) => chart.element),
    );
  }

  get isOpen() {
    return Boolean(this.trial) && (this.trial.state === "running" || !this.judged);
  }

  chosen() {
    return [
      [this.name, this.runChoice.value],
      [`${this.name}-trial`, this.trialChoice.value],
    ];
  }

  async load() {
    const id = this.runChoice.value;
    if (!id) return;
    const course = await get(apiPath(id, "course"));
    show(
      this.trialChoice,
      course.trials.map((head) => h("option", { value: head.trial }, `trial ${head.order}: ${head.case}`)),
    );
    this.trialChoice.value = this.wanted ?? (this.isFirst ? course.trials[0] : course.trials.at(-1))?.trial;
    this.trial = null;
    if (!this.trialChoice.value) return show(this.said, h("p", {}, "No trial has begun."));
    const found = await get(apiPath(id, `trial/${this.trialChoice.value}`));
    this.trial = found;
    this.judged = course.judged.flatMap((one) => one.trials).find((one) => one.trial === found.trial);
    this.nowS = course.now_s;
    return show(this.said, ...this.#words());
  }

  #words() {
    if (this.trial.state === "running") return [h("p", {}, state("running"), " It has not been judged yet.")];
    if (!this.judged) return [h("p", {}, state("being judged"))];
    if (this.judged.validity !== "VALID")
      return [
        h("p", {}, state("INVALID"), " Its numbers may not be believed:"),
        h(
          "ul",
          {},
          this.judged.reasons.map((reason) => h("li", {}, `${reason.text}: ${reason.remedy}`)),
        ),
      ];
    if (this.judged.figures.services !== undefined)
      return [h("p", {}, state("VALID"), ` ${carried(this.judged.figures)}`)];
    const { achieved_per_s: achieved, p50_us: p50, p99_us: p99, p999_us: p999 } = this.judged.figures;
    return [h("p", {}, state("VALID"), ` ${rate(achieved)}, p50 ${us(p50)}, p99 ${us(p99)}, p99.9 ${us(p999)}`)];
  }
}

function draw(sides, align) {
  const found = sides
    .map((side) => {
      if (!side.trial) return null;
      const head = side.trial;
      const measure = head.phases.find((phase) => phase.name === "measure");
      const offset = align === "measure" && measure ? measure.at_s : 0;
      const trial = { ...side.trial, head };
      return {
        side,
        offset,
        bands: bandsOf([trial], false, side.nowS).map((band) => ({
          ...band,
          from: band.from - offset,
          to: band.to - offset,
        })),
        lines: CHARTS.map((chart) => linesOf(chart, [trial], false)).map(({ x, lines }) => ({
          x: x.map((at) => at - offset),
          lines,
        })),
      };
    })
    .filter(Boolean);
  CHARTS.forEach((chart, at) => {
    // On both sides or on neither: they stand beside each other.
    const isShown = applies(
      chart,
      found.map(({ side }) => side.trial),
    );
    for (const { side } of found) side.charts[at].element.hidden = !isShown;
    const xs = found.flatMap(({ lines }) => [lines[at].x[0], lines[at].x.at(-1)]).filter((x) => x !== undefined);
    const ys = found.flatMap(({ lines }) => lines[at].lines.flatMap((line) => extent(line.values)));
    for (const { side, lines, bands } of found) {
      const xRange = xs.length ? [Math.min(...xs), Math.max(...xs)] : null;
      side.charts[at].set({
        ...lines[at],
        bands,
        xRange,
        yRange: ys.length ? [Math.min(...ys), Math.max(...ys)] : null,
      });
    }
  });
}

function extent(values) {
  let least = Infinity;
  let most = -Infinity;
  for (const value of values) {
    if (value === null) continue;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return most === -Infinity ? [] : [least, most];
}
