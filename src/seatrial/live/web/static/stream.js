// Follows a run's events. The browser comes back by itself, with the number of the last piece that it has.

import { apiPath, get } from "./dom.js";
import { Run } from "./model.js";

const AGAIN_MS = 3000;
const FAILED_AGAIN_MS = 30000;

export class Stream {
  constructor(id, { changed, connection }) {
    this.id = id;
    this.run = new Run();
    this.changed = changed;
    this.connection = connection;
    this.open();
  }

  // All of it, anew: after a hole, or when more has come together than a page needs.
  open() {
    this.source?.close();
    const source = new EventSource(apiPath(this.id, "events"));
    this.source = source;
    source.addEventListener("open", () => this.connection("connected"));
    source.addEventListener("reading", (event) => {
      const { trial, trials } = JSON.parse(event.data);
      this.connection(`reading the record: trial ${trial} of ${trials ?? "?"}`);
    });
    source.addEventListener("snapshot", (event) => {
      this.run.snapshot(JSON.parse(event.data));
      this.connection("connected");
      this.changed(true);
    });
    source.addEventListener("news", (event) => {
      if (!this.run.news(JSON.parse(event.data)) || this.run.isTooLong) this.open();
      else this.changed(false);
    });
    // Of a record that cannot be read, or is gone: to ask for it every second would not mend it.
    source.addEventListener("failed", (event) => {
      this.connection(`not connected: ${JSON.parse(event.data).error}`);
      source.close();
      setTimeout(() => this.open(), FAILED_AGAIN_MS);
    });
    source.addEventListener("error", () => {
      this.connection("not connected: what is shown may be old; trying again");
      // A refusal ends an EventSource for good, and only who asks otherwise is given its reason.
      if (source.readyState !== EventSource.CLOSED || source !== this.source) return;
      get(apiPath(this.id, "course")).catch((error) => this.connection(`not connected: ${error.message}`));
      setTimeout(() => this.open(), AGAIN_MS);
    });
  }
}
