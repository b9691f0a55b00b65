// The night screen of one run. Parts are made once; a patch redraws only what it changed, with the next frame.

import * as api from "./api.js";
import { batched, h, mark, say } from "./dom.js";
import { replayOf } from "./head.js";
import { Night } from "./model.js";
import { nightParts } from "./parts.js";
import { Stream } from "./stream.js";
import * as time from "./time.js";
import { t } from "./words.js";

export async function nightPage(main, run, session, leave) {
  let night = await first(main, run, leave);
  if (!night) return { title: run };

  const context = { run, session, night: () => night };
  const parts = nightParts(context);
  const banner = h("p", { class: "banner", role: "status", hidden: true });
  main.append(banner, ...parts.elements);

  const changed = new Set();
  let whole = true;
  const draw = batched(() => {
    parts.update(night, whole ? null : changed);
    changed.clear();
    whole = false;
    document.title = title();
  });
  const title = () => `${night.asks.length ? `(${night.asks.length}) ` : ""}${run} · Pointsman`;
  draw();

  const stream = new Stream(run, night.seq, told, connected);
  const timer = setInterval(tick, 1_000);
  tick();

  function told(kind, said) {
    if (kind === "patch" && said.seq >= night.seq) {
      time.hear(said.head.now);
      night.apply(said).forEach((id) => changed.add(id));
      draw();
    } else if (kind === "reset") {
      again();
    } else if (kind === "refused") {
      leave();
    }
  }

  /** What was missed is not kept any more, or what was seen is gone with its executor: everything is asked for anew. */
  async function again() {
    try {
      const snapshot = await api.snapshot(run);
      time.hear(snapshot.head.now);
      night = new Night(snapshot);
      stream.seq = night.seq;
      whole = true;
      draw();
    } catch {
      stream.drop();
    }
  }

  function connected() {
    tick();
  }

  function tick() {
    parts.tick();
    const cut = !stream.open;
    const age = time.length(Date.now() - stream.heard);
    say(banner, cut ? t("not_connected", { age }) : "");
    banner.hidden = !cut;
    main.classList.toggle("stale", cut);
    mark(main, "data-connected", String(stream.open));
  }

  return {
    title: run,
    close() {
      stream.close();
      clearInterval(timer);
    },
    keys: { ...parts.keys, p: () => night.ended && (location.hash = replayOf(run)) },
  };
}

const BETWEEN_TRIES_MS = 1_000;

/** The first snapshot. What fails for now is tried again; none where there is no such run, or the page was left meanwhile. */
async function first(main, run, leave) {
  const here = location.hash;
  const trouble = h("p", { class: "trouble", role: "status" });
  const page = h("div", { class: "page" }, h("h1", {}, run), trouble);
  while (location.hash === here) {
    try {
      const snapshot = await api.snapshot(run);
      time.hear(snapshot.head.now);
      page.remove();
      return new Night(snapshot);
    } catch (problem) {
      if (problem.status === 401) return void (await leave());
      if (!page.isConnected) main.append(page);
      const isFinal = problem.status >= 400 && problem.status < 500;
      say(trouble, isFinal ? problem.message : t("again", { why: problem.message }));
      if (isFinal) return null;
      await new Promise((done) => setTimeout(done, BETWEEN_TRIES_MS));
    }
  }
  return null;
}
