// One chart: a drawing, its lines with their values of now, and a table of its numbers.

import { h, setText, show } from "./dom.js";
import { KINDS, moment, UNKNOWN } from "./format.js";

const HEIGHT = 220;
const ROWS_SHOWN = 60;
const MARK_LINES = 5;
const DASHES = [[], [9, 4], [2, 3], [12, 3, 2, 3], [5, 2], [1, 2], [14, 4], [6, 6]];
const SHADED = { ramp: "--ramp", "warm up": "--warmup", measure: "--measure", "cool down": "--ramp" };

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const font = () => "12px system-ui, sans-serif";

export class Chart {
  constructor({ title, kind, log }, key = "seatrial") {
    Object.assign(this, { title, kind: KINDS[kind], log, key, hidden: new Set(), bands: [], marks: [], names: "" });
    this.plot = h("div", { class: "plot", role: "img" });
    this.legend = h("ul", { class: "legend" });
    this.table = h("div", { class: "numbers", tabindex: 0, role: "region", "aria-label": `${title}: numbers` });
    this.details = h("details", { ontoggle: () => this.#fill() }, h("summary", {}, `${title}: numbers`), this.table);
    this.element = h("figure", { class: "chart" }, h("figcaption", {}, title), this.legend, this.plot, this.details);
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(this.plot);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.remade = () => {
      this.names = "";
      this.#draw();
    };
    this.scheme.addEventListener("change", this.remade);
  }

  // xRange and yRange are [from, to], where charts beside each other have the same axes.
  set({ x, lines, bands = [], marks = [], xRange = null, yRange = null }) {
    Object.assign(this, { x, lines, bands, marks, xRange, yRange });
    this.wanted ??= requestAnimationFrame(() => {
      this.wanted = null;
      this.#draw();
    });
  }

  remove() {
    cancelAnimationFrame(this.wanted);
    this.observer.disconnect();
    this.scheme.removeEventListener("change", this.remade);
    this.uplot?.destroy();
  }

  #draw() {
    if (!this.lines || !this.plot.isConnected || !this.plot.clientWidth) return;
    const names = this.lines.map((line) => line.name).join("\n");
    const data = [this.x, ...this.lines.map((line) => line.values)];
    if (names !== this.names) {
      this.names = names;
      this.isClose = false;
      this.uplot?.destroy();
      this.uplot = new uPlot(this.#options(), data, this.plot);
      // For whoever looks from a console, and for tests.
      this.plot.uplot = this.uplot;
      this.#makeLegend();
    } else {
      // What a person looks at closely stays where it is.
      this.uplot.setData(data, !this.isClose);
      if (this.isClose) this.uplot.redraw();
    }
    this.#values(null);
    setText(this.plot, "");
    this.plot.append(this.uplot.root);
    this.plot.setAttribute(
      "aria-label",
      `${this.title} over time: ${this.#inWords()}. The numbers are in the table below.`,
    );
    if (this.details.open) this.#fill();
  }

  #options() {
    const ink = colour("--soft");
    const grid = { stroke: colour("--faint"), width: 1 };
    const axis = { stroke: ink, grid, ticks: grid, font: font() };
    return {
      width: this.plot.clientWidth,
      height: HEIGHT,
      padding: [18, 14, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: this.key }, drag: { x: true, y: false } },
      scales: {
        x: { time: false, range: (_, from, to) => this.#xRange(from, to) },
        y: { distr: this.log ? 3 : 1, range: (_, from, to) => this.#yRange(from, to) },
      },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map(moment), space: 80, incrs: STEPS_S },
        { ...axis, size: 68, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : this.kind.axis(tick))) },
      ],
      series: [
        {},
        ...this.lines.map((line, at) => ({
          label: line.label,
          show: !this.hidden.has(line.name),
          stroke: colour(`--line-${(at % 6) + 1}`),
          dash: DASHES[at % DASHES.length],
          width: 1.75,
          points: { show: (_, __, from, to) => to - from < 3 },
        })),
      ],
      hooks: {
        drawClear: [(u) => this.#drawBands(u)],
        draw: [(u) => this.#drawMarks(u)],
        setSelect: [
          (u) => {
            this.isClose ||= u.select.width > 0;
          },
        ],
        ready: [
          (u) =>
            u.over.addEventListener("dblclick", () => {
              this.isClose = false;
            }),
        ],
        setCursor: [(u) => this.#values(u.cursor.idx)],
      },
    };
  }

  #xRange(from, to) {
    const isAll = from === null || (from <= this.x[0] && to >= this.x.at(-1));
    if (isAll && this.xRange) return this.xRange;
    if (from === null) return [0, 10];
    return from === to ? [from - 1, to + 1] : [from, to];
  }

  #yRange(from, to) {
    const [least, most] = this.yRange || [from, to];
    if (least === null || least === undefined || most === null) return this.log ? [100, 10_000] : [0, 1];
    if (this.log) return uPlot.rangeLog(Math.max(1, least), Math.max(1, most), 10, true);
    return [0, most > 0 ? most * 1.08 : 1];
  }

  #drawBands(u) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = "bottom";
    ctx.textAlign = "left";
    for (const { name, from, to } of this.bands) {
      if (to < u.scales.x.min || from > u.scales.x.max) continue;
      const left = Math.max(bbox.left, u.valToPos(from, "x", true));
      const right = Math.min(bbox.left + bbox.width, u.valToPos(to, "x", true));
      ctx.fillStyle = SHADED[name] ? colour(SHADED[name]) : "transparent";
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      if (right - left > ctx.measureText(name).width + 8 * devicePixelRatio) {
        ctx.fillStyle = colour("--soft");
        ctx.fillText(name, left + 4 * devicePixelRatio, bbox.top - 3 * devicePixelRatio);
      }
    }
    ctx.restore();
  }

  #drawMarks(u) {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("--ink");
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    // A name that would run into the one before stands a line higher.
    let [free, line] = [-Infinity, 0];
    for (const { x, label } of [...this.marks].sort((one, other) => one.x - other.x)) {
      if (x < u.scales.x.min || x > u.scales.x.max) continue;
      const at = u.valToPos(x, "x", true);
      line = at < free ? (line + 1) % MARK_LINES : 0;
      free = Math.max(free, at + ctx.measureText(label).width + 8 * devicePixelRatio);
      ctx.beginPath();
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
      ctx.stroke();
      ctx.fillText(label, at + 3 * devicePixelRatio, bbox.top + bbox.height - (5 + 13 * line) * devicePixelRatio);
    }
    ctx.restore();
  }

  #makeLegend() {
    this.outputs = this.lines.map(() => h("output", {}, UNKNOWN));
    this.legend.replaceChildren(
      ...this.lines.map((line, at) =>
        h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              "aria-pressed": String(!this.hidden.has(line.name)),
              title: "show or hide",
              onclick: (event) => this.#toggle(line, at, event),
            },
            swatch(at),
            h("span", {}, line.label),
            this.outputs[at],
          ),
        ),
      ),
    );
  }

  #toggle(line, at, event) {
    const isShown = this.hidden.delete(line.name) || !this.hidden.add(line.name);
    event.currentTarget.setAttribute("aria-pressed", String(isShown));
    this.uplot.setSeries(at + 1, { show: isShown });
  }

  // Of where the pointer is, else the last that are known.
  #values(index) {
    this.lines.forEach((line, at) => {
      const value =
        index === null || index === undefined ? line.values.findLast((one) => one !== null) : line.values[index];
      if (this.outputs?.[at]) setText(this.outputs[at], this.kind.text(value));
    });
  }

  #inWords() {
    return this.lines
      .map((line) => `${line.label} ${this.kind.text(line.values.findLast((one) => one !== null))}`)
      .join(", ");
  }

  #resize() {
    if (!this.uplot) this.#draw();
    else if (this.plot.clientWidth && this.plot.clientWidth !== this.uplot.width)
      this.uplot.setSize({ width: this.plot.clientWidth, height: HEIGHT });
  }

  #fill() {
    if (!this.details.open || !this.lines) return;
    const each = Math.max(1, Math.ceil(this.x.length / ROWS_SHOWN));
    const rows = this.x
      .map((_, at) => at)
      .filter((at) => (this.x.length - 1 - at) % each === 0)
      .reverse();
    const caption =
      each === 1
        ? `${this.title}, the latest first`
        : `${this.title}, every ${each}th of ${this.x.length} points, the latest first`;
    show(
      this.table,
      h(
        "table",
        {},
        h("caption", {}, caption),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "after"),
            this.lines.map((line) => h("th", { scope: "col" }, line.label)),
          ),
        ),
        h(
          "tbody",
          {},
          rows.map((at) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, moment(this.x[at])),
              this.lines.map((line) => h("td", {}, this.kind.text(line.values[at]))),
            ),
          ),
        ),
      ),
    );
  }
}

function swatch(at) {
  const namespace = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(namespace, "svg");
  const line = document.createElementNS(namespace, "line");
  for (const [name, value] of Object.entries({ width: 26, height: 8, "aria-hidden": "true" }))
    drawing.setAttribute(name, value);
  const look = {
    x1: 0,
    y1: 4,
    x2: 26,
    y2: 4,
    class: `line-${(at % 6) + 1}`,
    "stroke-dasharray": DASHES[at % DASHES.length].join(" "),
  };
  for (const [name, value] of Object.entries(look)) line.setAttribute(name, value);
  drawing.append(line);
  return drawing;
}
