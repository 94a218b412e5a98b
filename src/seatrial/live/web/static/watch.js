// One run: where it is, its charts, its cases, its journal, its report.

import { Chart } from "./chart.js";
import { apiPath, get, h, runPath, setText, show } from "./dom.js";
import { validityOf } from "./format.js";
import { Journal } from "./journal.js";
import { showMatrix } from "./matrix.js";
import { Now } from "./now.js";
import { applies, bandsOf, CHARTS, linesOf, marksOf } from "./series.js";
import { Stream } from "./stream.js";

const LAST = "last";
const WHOLE = "whole";

export function watch(main, id, connection) {
  const now = new Now();
  const charts = CHARTS.map((one) => new Chart(one));
  const choice = h("select", { id: "which", onchange: () => chosen() });
  const alone = new Map();
  const believed = h("strong", { class: "state", id: "believed" });
  const folded = h("p", { class: "soft" });
  const matrix = h("div", {});
  const journal = new Journal(id);
  const report = h("section", { "aria-labelledby": "report-title" });
  main.replaceChildren(
    now.element,
    h(
      "section",
      { "aria-labelledby": "charts-title" },
      h(
        "div",
        { class: "row" },
        h("h2", { id: "charts-title" }, "Over time"),
        h("label", { for: "which" }, "Show"),
        choice,
        believed,
      ),
      folded,
      h(
        "div",
        { class: "charts" },
        charts.map((chart) => chart.element),
      ),
    ),
    h("section", { "aria-labelledby": "cases-title" }, h("h2", { id: "cases-title" }, "Cases and trials"), matrix),
    h("section", { "aria-labelledby": "journal-title" }, h("h2", { id: "journal-title" }, "Journal"), journal.element),
    report,
  );
  const stream = new Stream(id, { changed: () => changed(), connection });
  const { run } = stream;
  setInterval(() => run.run && now.tick(run), 1000);

  function changed() {
    now.show(run);
    showMatrix(matrix, run);
    journal.show(run.journal);
    choose();
    showReport(report, run);
    draw();
  }

  // Of a trial that is over the page has its part of the whole run: alone it has more points, and its members.
  async function chosen() {
    draw();
    const known = run.trials.get(Number(choice.value));
    if (!known || known === run.last || alone.has(known.head.trial)) return;
    const found = await get(apiPath(id, `trial/${known.head.trial}`)).catch(() => null);
    if (!found) return;
    alone.set(known.head.trial, { ...found, head: known.head });
    draw();
  }

  function choose() {
    const before = choice.value || LAST;
    show(choice, [
      h("option", { value: LAST }, run.isRunning ? "the trial that goes on" : "the last trial"),
      h("option", { value: WHOLE }, "the whole run"),
      ...[...run.trials.values()].map(({ head }) =>
        h("option", { value: head.trial }, `trial ${head.order}: ${head.case}`),
      ),
    ]);
    choice.value = before;
    if (!choice.value) choice.value = LAST;
  }

  function wholeInWords() {
    const judged = [...run.judged.values()].flatMap((found) => found.trials);
    return `${judged.filter((trial) => trial.validity === "INVALID").length} of ${judged.length} judged trials are INVALID`;
  }

  function draw() {
    const isWhole = choice.value === WHOLE;
    const number = Number(choice.value);
    const one = choice.value === LAST ? run.last : alone.get(number) || run.trials.get(number);
    const trials = isWhole ? [...run.trials.values()] : one ? [one] : [];
    const each = Math.max(1, ...trials.map((trial) => trial.each));
    setText(
      believed,
      isWhole
        ? wholeInWords()
        : one
          ? `${validityOf(one.head, run.judgedTrial(one.head.trial))}${one.head.failure ? `, ${one.head.failure}` : ""}`
          : "",
    );
    setText(
      folded,
      each > 1
        ? `A point stands for up to ${each} intervals: the rate over all of them, the greatest of their percentiles and of memory, the fewest of their connections.`
        : "",
    );
    const bands = bandsOf(trials, isWhole, run.now());
    const marks = marksOf(trials, run.journal, isWhole);
    // The same axis for all of them, from the very start, though some have their first numbers later.
    const xRange = [0, Math.max(10, ...bands.map((band) => band.to))];
    CHARTS.forEach((chart, at) => {
      charts[at].element.hidden = !applies(chart, trials);
      charts[at].set({ ...linesOf(chart, trials, isWhole), bands, marks, xRange });
    });
  }
}

function showReport(element, run) {
  const title = h("h2", { id: "report-title" }, "Report");
  if (!run.run.has_report)
    return show(element, title, h("p", { class: "soft" }, "It is written when the run is over."));
  const address = `${runPath(run.run.id)}/report`;
  return show(
    element,
    title,
    h("p", {}, h("a", { href: address }, "Open the report"), " with every figure, the environment and the method."),
    h("iframe", { src: address, title: "The report of this run", sandbox: "allow-scripts", loading: "lazy" }),
  );
}
