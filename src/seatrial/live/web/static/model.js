// What the page knows of a run: a snapshot, and the rows that were added since.

// Columns of a trial, by what they are of.
const KINDS = ["load", "use", "discovery"];

const emptyTrial = () => ({ head: null, each: 1, load: {}, use: {}, discovery: {}, rows: { load: 0, use: 0, discovery: 0 } });

const POINTS_LIMIT = 20_000;

export class Run {
  constructor() {
    this.trials = new Map();
    this.judged = new Map();
    this.run = null;
  }

  snapshot(document_) {
    this.trials.clear();
    this.judged.clear();
    this.cases = document_.cases;
    this.objectives = document_.objectives;
    for (const head of document_.trials) this.trials.set(head.trial, { ...emptyTrial(), head });
    for (const found of [...document_.whole, document_.current]) {
      if (found) Object.assign(this.trials.get(found.trial), found);
    }
    this.doubts = document_.doubts;
    this.#course(document_);
    this.limit = Math.max(POINTS_LIMIT, 2 * this.points);
  }

  get isTooLong() {
    return this.points > this.limit;
  }

  // Returns false where rows are missing: then all of it has to be had again.
  news(document_) {
    for (const head of document_.trials || []) {
      const known = this.trials.get(head.trial) || emptyTrial();
      known.head = head;
      this.trials.set(head.trial, known);
    }
    if (document_.doubts) this.doubts = document_.doubts;
    this.#course(document_);
    return (document_.rows || []).every((rows) => this.#extend(rows));
  }

  #course(document_) {
    if (document_.run) this.run = document_.run;
    if (document_.journal) this.journal = document_.journal;
    for (const found of document_.judged || []) this.judged.set(found.id, found);
    this.nowS = document_.now_s;
    this.seenMs = performance.now();
  }

  #extend(rows) {
    const trial = this.trials.get(rows.trial);
    if (!trial) return false;
    return KINDS.every((kind) => {
      const added = rows[kind];
      if (!added) return true;
      if (added.first !== trial.rows[kind]) return false;
      trial.rows[kind] += extend(trial[kind], added.columns);
      return true;
    });
  }

  get points() {
    let points = 0;
    for (const trial of this.trials.values())
      for (const kind of KINDS) points += (trial[kind].end || []).length;
    return points;
  }

  get last() {
    return [...this.trials.values()].at(-1) || null;
  }

  get isRunning() {
    return this.run.state === "running";
  }

  // Seconds from the start of the run, now.
  now() {
    return this.nowS + (this.isRunning ? (performance.now() - this.seenMs) / 1000 : 0);
  }

  judgedTrial(number) {
    for (const found of this.judged.values()) {
      const trial = found.trials.find((one) => one.trial === number);
      if (trial) return trial;
    }
    return null;
  }
}

function extend(columns, added) {
  const before = (columns.end || []).length;
  const rows = (added.end || []).length;
  for (const name of Object.keys(added)) columns[name] ??= new Array(before).fill(null);
  for (const [name, values] of Object.entries(columns)) {
    const news = added[name];
    for (let at = 0; at < rows; at += 1) values.push(news ? news[at] : null);
  }
  return rows;
}
