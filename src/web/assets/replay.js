// A run that is over, told again. The server folds its records, as it does for the night screen of a run that goes on; this
// page says which record, and the night's own clock is the only one that it shows.

import * as api from "./api.js";
import { batched, h, say } from "./dom.js";
import { Night } from "./model.js";
import { nightParts } from "./parts.js";
import { Player } from "./player.js";
import { marksPart, scrubber } from "./scrubber.js";
import * as time from "./time.js";
import { t } from "./words.js";

/** The server is asked no oftener than this while the night is played. */
const BETWEEN_ASKS_MS = 100;
/** A browser lets the address be changed only so often. */
const QUIET_MS = 300;

export async function replayPage(main, run, seq, leave) {
  const here = location.hash;
  const own = `#/runs/${encodeURIComponent(run)}`;
  let told;
  try {
    told = await api.replay(run);
  } catch (problem) {
    if (problem.status === 401) return void (await leave());
    main.append(h("div", { class: "page" }, h("h1", {}, t("replay.of", { run })), h("p", { class: "trouble", role: "status" }, problem.message), h("p", {}, h("a", { href: own }, t("replay.leave")))));
    return { title: run };
  }
  // Whoever went elsewhere meanwhile finds no replay there.
  if (location.hash !== here) return { title: run };

  const player = new Player(told.due.map((at) => Date.parse(at)), seq ?? 1);
  let night = new Night(told.night);
  let [whole, closed, asking, trouble, keeping] = [true, false, false, "", 0];
  const changed = new Set();
  const context = { run, session: null, night: () => night };
  const parts = nightParts(context);
  const go = (does) => () => {
    does();
    moved();
  };
  const act = {
    toggle: go(() => player.toggle()),
    first: go(() => player.stand(1)),
    last: go(() => player.stand(player.last)),
    back: go(() => player.stand(player.seq - 1)),
    forward: go(() => player.stand(player.seq + 1)),
    stand: (seq) => go(() => player.stand(seq))(),
    seek: (moment) => go(() => player.seek(moment))(),
    speed: (speed) => go(() => (player.speed = speed))(),
    skips: (skips) => go(() => (player.skips = skips))(),
  };
  const toMark = (found) => found && act.stand(found.seq);
  const bar = scrubber(player, told, act);
  const marks = marksPart(told, act);
  const banner = h(
    "div",
    { class: "replay-banner" },
    h("p", {}, h("strong", {}, t("replay.title")), " ", t("replay.means")),
    h("a", { class: "button", href: own, id: "replay-leave" }, t("replay.leave")),
  );
  main.append(banner, h("div", { class: "replay-moments" }, marks.element), ...parts.elements, bar.element);

  const draw = batched(() => {
    if (closed) return;
    time.hold(player.now);
    parts.update(night, whole ? null : changed);
    changed.clear();
    whole = false;
    parts.tick();
    marks.update(player.seq);
    bar.update(trouble);
    main.dataset.seq = String(night.seq);
  });

  let before = null;
  let ticked = 0;
  function frame(at) {
    if (closed || !player.playing) return void (before = null);
    if (before !== null) player.advance(at - before);
    before = at;
    if (player.playing) requestAnimationFrame(frame);
    else before = null;
    if (at - ticked < BETWEEN_ASKS_MS && player.playing) return;
    ticked = at;
    ask();
    draw();
  }

  /** After everything that somebody did. */
  function moved() {
    trouble = "";
    // Keys are answered at once; the rest of the page follows with its records.
    bar.update(trouble);
    if (player.playing && before === null) requestAnimationFrame(frame);
    ask();
    draw();
  }

  /** Asks for the record that is due, one at a time: what is passed meanwhile is never asked for. */
  async function ask() {
    if (asking || closed) return;
    asking = true;
    try {
      while (!closed && night.seq !== player.seq) {
        const said = await api.replayAt(run, player.seq, night.seq);
        for (const id of said.since === null ? night.rewind(said) : night.apply(said)) changed.add(id);
        draw();
        if (player.playing) break;
      }
      if (!closed && !player.playing) keep();
    } catch (problem) {
      if (problem.status === 401 && !closed) return void (await leave());
      player.playing = false;
      trouble = t("replay.trouble", { why: problem.message });
      draw();
    } finally {
      asking = false;
    }
  }

  /** The address says where the replay stands, so that it can be sent to somebody. */
  function keep() {
    clearTimeout(keeping);
    keeping = setTimeout(() => !closed && history.replaceState(null, "", `${own}/replay/${player.seq}`), QUIET_MS);
  }

  time.hold(player.now);
  moved();
  return {
    title: t("replay.of", { run }),
    help: "replay",
    close() {
      closed = true;
      time.release();
    },
    keys: {
      ...parts.keys,
      " ": act.toggle,
      ArrowLeft: act.back,
      ArrowRight: act.forward,
      Home: act.first,
      End: act.last,
      n: () => toMark(told.marks.find((one) => one.seq > player.seq)),
      p: () => toMark(told.marks.findLast((one) => one.seq < player.seq)),
      "[": go(() => player.faster(-1)),
      "]": go(() => player.faster(1)),
      w: go(() => (player.skips = !player.skips)),
      Escape: () => (location.hash = own),
    },
  };
}
