// From what is known of trials to the lines of each chart.

const MEMBERS_SHOWN = 8;

export const CHARTS = [
  {
    id: "services",
    title: "Services",
    kind: "count",
    of: "discovery",
    fixed: [
      ["asked", "changed at the source"],
      ["there", "there at the destination"],
    ],
  },
  { id: "queue", title: "Queue of the discoverer", kind: "count", of: "discovery", fixed: [["depth", "items"]] },
  {
    id: "rate",
    title: "Rate",
    kind: "rate",
    of: "load",
    fixed: [
      ["asked_per_s", "asked"],
      ["completed_per_s", "achieved"],
    ],
  },
  {
    id: "latency",
    title: "Latency",
    kind: "us",
    log: true,
    of: "load",
    fixed: [
      ["p50_us", "p50"],
      ["p99_us", "p99"],
      ["p999_us", "p99.9"],
    ],
  },
  { id: "errors", title: "Errors in each interval", kind: "count", of: "load", prefix: "errors:", none: "errors" },
  {
    id: "connections",
    title: "Connections",
    kind: "count",
    of: "load",
    fixed: [
      ["held", "held"],
      ["active", "active"],
    ],
  },
  { id: "cpu", title: "CPU", kind: "cores", of: "use", prefix: "cores:" },
  { id: "memory", title: "Memory", kind: "bytes", of: "use", prefix: "bytes:" },
];

const isDiscovery = (trial) => Boolean(trial.discovery?.end?.length);
const sends = (trial) => (trial.load.sent || []).some(Boolean);
export const onlyWaits = (trial) => isDiscovery(trial) && !sends(trial);

// Whether there is anything to show: of a discoverer the load only waits, and nobody else has a queue.
export function applies(chart, trials) {
  if (chart.of === "discovery") return trials.some(isDiscovery);
  return chart.of !== "load" || !trials.length || !trials.every(onlyWaits);
}

// Of one trial, x is seconds from its start; of a whole run, from the run's.
export function linesOf(chart, trials, isWhole) {
  const names = namesOf(chart, trials, isWhole);
  const x = [];
  const values = names.map(() => []);
  for (const trial of trials) {
    const columns = trial[chart.of] || {};
    const ends = columns.end || [];
    if (isWhole && x.length && ends.length) {
      // Between two trials there is nothing: a line across it would be made up.
      x.push(trial.head.at_run_s);
      for (const one of values) one.push(null);
    }
    const offset = isWhole ? trial.head.at_run_s : 0;
    for (const end of ends) x.push(offset + end);
    names.forEach(([name], at) => {
      const column = columns[name];
      const isCount = chart.prefix === "errors:";
      for (let row = 0; row < ends.length; row += 1)
        values[at].push((column ? column[row] : null) ?? (isCount ? 0 : null));
    });
  }
  return { x, lines: names.map(([name, label], at) => ({ name, label, values: values[at] })) };
}

function namesOf(chart, trials, isWhole) {
  if (chart.fixed) return chart.fixed;
  const found = new Set();
  for (const trial of trials) {
    for (const name of Object.keys(trial[chart.of])) if (name.startsWith(chart.prefix)) found.add(name);
  }
  const names = chart.of === "use" ? membersOrRoles([...found], chart.prefix, isWhole) : [...found];
  names.sort();
  if (!names.length) return [[`${chart.prefix}-`, chart.none || "none yet"]];
  return names.map((name) => [name, labelOf(name.slice(chart.prefix.length))]);
}

// A role's line, or one for each of its members where they are few.
function membersOrRoles(names, prefix, isWhole) {
  const roles = names.filter((name) => !name.includes("/"));
  return roles.flatMap((role) => {
    const members = names.filter((name) => name.startsWith(`${role}/`));
    return !isWhole && members.length && members.length <= MEMBERS_SHOWN ? members : [role];
  });
}

function labelOf(name) {
  const [role, member] = [name.split("/")[0], name.split("/").slice(1).join("/")];
  return member || role.replaceAll("_", " ");
}

// The phases of trials as bands, and what was done and noted as marks.
export function bandsOf(trials, isWhole, nowS) {
  return trials.flatMap(({ head }) => {
    const offset = isWhole ? head.at_run_s : 0;
    const end = head.ended_s ?? nowS - head.at_run_s;
    return head.phases.map((phase, at) => ({
      name: phase.name,
      from: offset + phase.at_s,
      to: offset + (head.phases[at + 1]?.at_s ?? end),
    }));
  });
}

export function marksOf(trials, journal, isWhole) {
  const notes = journal.filter((entry) => entry.author === "person");
  return [
    ...trials.flatMap(({ head }) =>
      head.disturbances.map((one) => ({ x: one.at_s + (isWhole ? head.at_run_s : 0), label: one.words })),
    ),
    ...trials.flatMap(({ head }) =>
      (head.steps || []).map((one) => ({ x: one.at_s + (isWhole ? head.at_run_s : 0), label: one.step })),
    ),
    ...notes.map((entry) => ({ x: entry.at_s - (isWhole ? 0 : (trials[0]?.head.at_run_s ?? 0)), label: "note" })),
  ];
}
