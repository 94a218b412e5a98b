// The runs of a folder.

import { get, h, runPath, show } from "./dom.js";
import { count, date } from "./format.js";
import { state } from "./matrix.js";

const EVERY_MS = 5000;

export async function list(main, connection) {
  const element = h("div", {});
  main.replaceChildren(h("h1", {}, "Runs"), element);
  const look = async () => {
    try {
      const runs = await get("/api/runs");
      connection("connected");
      show(element, runs.length ? table(runs) : h("p", {}, "There are no runs here."));
    } catch (error) {
      connection(`not connected: ${error.message}`);
    }
  };
  await look();
  setInterval(look, EVERY_MS);
}

function table(runs) {
  const names = ["run", "question", "state", "trials", "report"];
  return h(
    "table",
    { class: "matrix" },
    h("caption", {}, `${count(runs.length)} ${runs.length === 1 ? "run" : "runs"}, the newest first`),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        names.map((name) => h("th", { scope: "col" }, name)),
      ),
    ),
    h(
      "tbody",
      {},
      runs.map((run) =>
        h(
          "tr",
          {},
          h(
            "th",
            { scope: "row", "data-label": "run" },
            h("a", { href: runPath(run.id) }, run.name || run.id),
            run.started_utc ? h("span", { class: "soft" }, ` ${date(run.started_utc)}`) : null,
          ),
          h("td", { "data-label": "question" }, run.error || run.question || ""),
          h("td", { "data-label": "state" }, run.state ? state(run.state) : ""),
          h("td", { "data-label": "trials" }, run.error ? "" : `${count(run.ended)} of ${run.trials ?? "?"}`),
          h(
            "td",
            { "data-label": "report" },
            run.has_report ? h("a", { href: `${runPath(run.id)}/report` }, `report of ${run.name}`) : "",
          ),
        ),
      ),
    ),
  );
}
