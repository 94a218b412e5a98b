// Elements, and what the page asks of its server.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// What has not changed is left as it is: a reader of the screen is not interrupted, and the focus stays.
export function show(element, ...children) {
  const made = h("div", {}, ...children);
  const html = made.innerHTML;
  if (html === shown.get(element)) return;
  shown.set(element, html);
  const open = new Set([...element.querySelectorAll("details[open]")].map((details) => details.dataset.key));
  for (const details of made.querySelectorAll("details")) details.open = open.has(details.dataset.key);
  element.replaceChildren(...made.childNodes);
}

const shown = new WeakMap();

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const token = () => document.querySelector('meta[name="seatrial-token"]').content;

export async function get(path) {
  return answered(await fetch(path, { headers: { Accept: "application/json" } }));
}

export async function post(path, document_) {
  const headers = { "Content-Type": "application/json", "X-Seatrial-Token": token() };
  return answered(await fetch(path, { method: "POST", headers, body: JSON.stringify(document_) }));
}

async function answered(answer) {
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.error || `the server answered ${answer.status}`);
  return found;
}

export const runPath = (id) => `/run/${encodeURIComponent(id)}`;
export const apiPath = (id, rest) => `/api/run/${encodeURIComponent(id)}/${rest}`;
