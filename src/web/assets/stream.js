// The stream of one run's changes. It says when it last heard anything, so that the page can say how old it is.

import { events } from "./api.js";

/** Silence longer than this is a cut: the server says something more often than that. */
const SILENCE_MS = 20_000;
const PAUSES_MS = [500, 1_000, 2_000, 5_000];

export class Stream {
  /** `told` gets every event, `changed` is called when the connection comes or goes. */
  constructor(run, seq, told, changed) {
    Object.assign(this, { run, seq, told, changed });
    this.heard = Date.now();
    this.open = false;
    this.over = false;
    this.tries = 0;
    this.connect();
  }

  close() {
    this.over = true;
    this.abort?.abort();
  }

  /** Lets the connection go; it is made again from the last record that was heard. */
  drop() {
    this.abort?.abort();
  }

  async connect() {
    while (!this.over) {
      this.abort = new AbortController();
      const watch = setInterval(() => {
        if (Date.now() - this.heard > SILENCE_MS) this.abort.abort();
      }, 1_000);
      try {
        const answer = await fetch(events(this.run), {
          headers: { Accept: "text/event-stream", "Last-Event-ID": String(this.seq) },
          credentials: "same-origin",
          cache: "no-store",
          signal: this.abort.signal,
        });
        if (answer.status === 401 || answer.status === 404) {
          this.over = true;
          this.told("refused", { status: answer.status });
          break;
        }
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        this.set(true);
        await this.read(answer.body.getReader());
      } catch {
        // The reason is of no use to whoever looks: the banner says how old the page is.
      } finally {
        clearInterval(watch);
      }
      if (this.over) break;
      this.set(false);
      await new Promise((done) => setTimeout(done, PAUSES_MS[Math.min(this.tries++, PAUSES_MS.length - 1)]));
    }
    this.set(false);
  }

  set(open) {
    if (open) {
      this.heard = Date.now();
      this.tries = 0;
    }
    if (this.open !== open) {
      this.open = open;
      this.changed(open);
    }
  }

  async read(reader) {
    const decoder = new TextDecoder();
    let kept = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.heard = Date.now();
      kept += decoder.decode(value, { stream: true }).replaceAll("\r\n", "\n");
      const parts = kept.split("\n\n");
      kept = parts.pop();
      parts.forEach((part) => this.take(part));
    }
  }

  take(text) {
    let kind = "message";
    const data = [];
    for (const line of text.split("\n")) {
      const [, field, value] = /^(\w*):? ?(.*)$/.exec(line) ?? [];
      if (field === "event") kind = value;
      if (field === "data") data.push(value);
    }
    if (!data.length) return;
    const said = JSON.parse(data.join("\n"));
    if (typeof said?.seq === "number") this.seq = said.seq;
    this.told(kind, said);
  }
}
