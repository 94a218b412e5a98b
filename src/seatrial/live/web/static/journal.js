// What was done when and by whom, and a form for what a person saw.

import { apiPath, h, post, setText, show } from "./dom.js";
import { time } from "./format.js";

const NOTE_LIMIT = 2000;

export class Journal {
  constructor(id) {
    this.list = h("ol", { class: "journal", reversed: true });
    this.said = h("p", { role: "status", class: "soft" });
    this.field = h("textarea", { id: "note", rows: 2, maxlength: NOTE_LIMIT, required: true });
    this.button = h("button", { type: "submit" }, "Add note");
    const form = h(
      "form",
      { onsubmit: (event) => this.#send(event, id) },
      h("label", { for: "note" }, "A note on what you see; it goes into the record, with the time"),
      this.field,
      this.button,
      this.said,
    );
    this.element = h("div", {}, form, this.list);
  }

  show(entries) {
    if (entries === this.entries) return;
    this.entries = entries;
    show(
      this.list,
      [...entries]
        .reverse()
        .map((entry) =>
          h(
            "li",
            {},
            h("time", { datetime: entry.at_utc }, time(entry.at_utc)),
            " ",
            h("span", { class: "author" }, entry.author === "person" ? "note" : "seatrial"),
            entry.trial ? ` trial ${entry.trial}` : "",
            ": ",
            h("span", { class: "text" }, entry.text),
          ),
        ),
    );
  }

  async #send(event, id) {
    event.preventDefault();
    this.button.disabled = true;
    try {
      await post(apiPath(id, "notes"), { text: this.field.value });
      this.field.value = "";
      setText(this.said, "noted");
    } catch (error) {
      setText(this.said, `not noted: ${error.message}`);
    } finally {
      this.button.disabled = false;
    }
  }
}
