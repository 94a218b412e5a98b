// Numbers as people read them, with their units. Nothing known is an en dash.

export const UNKNOWN = "–";
const isKnown = (value) => value !== null && value !== undefined && !Number.isNaN(value);

export function count(value) {
  return isKnown(value) ? Math.round(value).toLocaleString("en-US") : UNKNOWN;
}

function short(value) {
  const size = Math.abs(value);
  return Number(value.toPrecision(size >= 100 ? Math.ceil(Math.log10(size + 1)) : 3)).toLocaleString("en-US");
}

export function rate(value) {
  return isKnown(value) ? `${short(value)}/s` : UNKNOWN;
}

export function us(value) {
  if (!isKnown(value)) return UNKNOWN;
  if (value < 1e3) return `${short(value)} µs`;
  return value < 1e6 ? `${short(value / 1e3)} ms` : `${short(value / 1e6)} s`;
}

export function bytes(value) {
  if (!isKnown(value)) return UNKNOWN;
  const at = Math.min(4, Math.floor(Math.log10(Math.max(1, Math.abs(value))) / 3));
  return `${short(value / 1e3 ** at)} ${["B", "kB", "MB", "GB", "TB"][at]}`;
}

export function cores(value) {
  return isKnown(value) ? `${Number(value.toPrecision(3))} cores` : UNKNOWN;
}

export function duration(seconds) {
  if (!isKnown(seconds)) return UNKNOWN;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const parts = hours
    ? [
        [hours, "h"],
        [minutes, "min"],
      ]
    : [
        [minutes, "min"],
        [whole % 60, "s"],
      ];
  return parts
    .filter(([value]) => value)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ");
}

// Before what both sides of a comparison are aligned from it is negative.
export const moment = (seconds) => (seconds < -0.5 ? `−${duration(-seconds)}` : duration(seconds));

export const KINDS = {
  count: { text: count, axis: (value) => (Number.isInteger(value) ? value.toLocaleString("en-US") : "") },
  rate: { text: rate, axis: (value) => short(value) },
  us: { text: us, axis: us },
  bytes: { text: bytes, axis: bytes },
  cores: { text: cores, axis: (value) => String(Number(value.toPrecision(4))) },
};

// Of a discoverer's trial: how many services, how soon, and what is missing.
export function carried({ services, all_s: all, missing }) {
  const soon = isKnown(all) ? `all there after ${us(all * 1e6)}` : "not all there";
  return `${count(services)} services, ${soon}, ${count(missing)} missing`;
}

export const validityOf = (trial, judged) =>
  trial.state === "running" ? "not judged before it is over" : judged ? judged.validity : "being judged";

export const time = (utc) => new Date(utc).toLocaleTimeString();
export const date = (utc) => new Date(utc).toLocaleString();
