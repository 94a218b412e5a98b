// Cases and their trials as they fill in: whether it may be believed comes before any number.

import { h, show } from "./dom.js";
import { carried, count, rate, us } from "./format.js";

export function showMatrix(element, run) {
  const trials = new Map();
  for (const { head } of run.trials.values()) trials.set(head.case, [...(trials.get(head.case) || []), head]);
  const most = Math.max(run.run.repeat, ...[...trials.values()].map((own) => own.length));
  const columns = Array.from({ length: most }, (_, at) => `trial ${at + 1}`);
  show(
    element,
    h(
      "table",
      { class: "matrix" },
      h(
        "caption",
        {},
        `Cases and trials${run.objectives.length ? `; what must hold: ${run.objectives.join(", ")}` : ""}`,
      ),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["system", "case", ...columns, "case as a whole"].map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        run.cases.map((one) => row(one, trials.get(one.id) || [], columns, run)),
      ),
    ),
  );
}

function row(one, own, columns, run) {
  const judged = run.judged.get(one.id);
  return h(
    "tr",
    {},
    h("td", { "data-label": "system" }, one.is_sanity ? `sanity: ${one.system}` : one.system),
    h("th", { scope: "row", "data-label": "case" }, one.label || one.id),
    columns.map((name, at) =>
      h(
        "td",
        { "data-label": name },
        own[at] ? trialCell(own[at], judged) : at < run.run.repeat ? h("span", { class: "soft" }, "not run yet") : "",
      ),
    ),
    h("td", { "data-label": "case as a whole" }, caseCell(judged, own)),
  );
}

function trialCell(head, judged) {
  const number = h("span", { class: "soft" }, `#${head.order} `);
  if (head.state === "running") return [number, state("running", head.phases.at(-1)?.name)];
  const found = judged?.trials.find((trial) => trial.trial === head.trial);
  if (!found) return [number, state("being judged")];
  const aside = found.is_aside ? h("span", { class: "soft" }, " set aside") : null;
  if (found.validity !== "VALID")
    return [
      number,
      state("INVALID"),
      aside,
      h("span", { class: "reason" }, found.reasons.map((reason) => reason.text).join("; ")),
    ];
  const { achieved_per_s: achieved, p99_us: p99, errors } = found.figures;
  const wrong = Object.values(errors || {}).reduce((sum, one) => sum + one, 0);
  if (found.figures.services !== undefined)
    return [number, state("VALID"), aside, h("span", { class: "figures" }, carried(found.figures))];
  const figures = [us(p99) + " p99", rate(achieved), wrong ? `${count(wrong)} errors` : null].filter(
    (one) => one && achieved !== undefined,
  );
  return [number, state("VALID"), aside, h("span", { class: "figures" }, figures.join(", "))];
}

function caseCell(judged, own) {
  if (!judged) return h("span", { class: "soft" }, own.length ? "not judged yet" : "not run yet");
  const failed = judged.objectives.filter((one) => one.held === false).map((one) => one.text);
  const because = judged.validity === "VALID" ? [] : judged.reasons.map((reason) => `${reason.text}: ${reason.remedy}`);
  return [
    state(judged.state),
    judged.state === "PASS" && because.length ? h("span", { class: "reason" }, "whatever the doubts are") : null,
    failed.length ? h("span", { class: "reason" }, `does not hold: ${failed.join(", ")}`) : null,
    because.length
      ? h(
          "details",
          { class: "because", "data-key": judged.id },
          h("summary", {}, "why"),
          h(
            "ul",
            {},
            because.map((text) => h("li", {}, text)),
          ),
        )
      : null,
  ];
}

export const state = (word, more = "") =>
  h("strong", { class: `state state-${word.replaceAll(" ", "-")}` }, more ? `${word}: ${more}` : word);
