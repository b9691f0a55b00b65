// The top of the night screen, to be read across a room: what the run does, and the clocks.

import { h, mark, say } from "./dom.js";
import { signOf } from "./signs.js";
import * as time from "./time.js";
import { language, maybe, t } from "./words.js";

/** Where a run that is over is told again. */
export const replayOf = (run) => `#/runs/${encodeURIComponent(run)}/replay`;

export function headPart({ run, session }) {
  const title = h("h1", { class: "title" });
  const rehearsal = h("p", { class: "tone-wait rehearsal" });
  const about = h("p", { class: "faint about" });
  const phase = h("p", { class: "phase", id: "phase", role: "status" });
  const because = h("p", { class: "because" });
  const counts = h("p", { class: "counts" });
  const alone = h("span", { role: "status" });
  const silence = h("span", { class: "age" });
  const left = h("p", { class: "left-alone", hidden: true }, alone, " ", silence);
  const again = h("p", { hidden: true }, h("a", { class: "button", id: "replay", href: replayOf(run) }, `▶ ${t("replay")}`));
  const [back, window, finish, elapsed] = ["back", "window", "finish", "elapsed"].map(clockFace);
  const element = h(
    "div",
    { class: "head" },
    h("div", { class: "doing" }, title, rehearsal, about, phase, because, left, counts, again),
    h("div", { class: "clocks" }, [back, window, finish, elapsed].map((face) => face.element)),
  );
  let night;

  function update(next) {
    night = next;
    say(title, night.title || night.runbook);
    say(rehearsal, night.rehearsal ?? "");
    const zone = t("zone", { zone: time.zone() });
    say(about, [run, night.environment !== night.runbook && night.environment, zone].filter(Boolean).join(" · "));
    const head = night.head;
    const word = head.phase === "ended" ? head.outcome : head.phase;
    // What is recorded goes on only with an executor.
    mark(phase, "class", `phase tone-${isLeft(head) ? "wait" : head.tone}`);
    say(phase, `${head.paused_by || isLeft(head) ? "‖" : signOf(word)} ${isLeft(head) ? t("phase.left", { text: doing(head) }) : doing(head)}`);
    document.body.classList.toggle("alone", isLeft(head));
    say(because, language() === "en" ? "" : head.because);
    left.hidden = !isLeft(head);
    say(alone, isLeft(head) ? t("no_executor_how", { command: head.resume ?? "" }) : "");
    say(counts, countsOf(head.counts));
    again.hidden = !session || !night.ended;
    tick();
  }

  function tick() {
    if (!night) return;
    const { clock, head, expectation } = night;
    const last = night.log.at(-1);
    if (isLeft(head) && last) say(silence, t("no_executor_since", { age: time.length(time.since(last.at)) }));
    turnBack(back, clock, head);
    open(window, clock.window, head);
    finished(finish, expectation, head);
    const took = head.started ? (head.ended ? Date.parse(head.ended) - Date.parse(head.started) : time.since(head.started)) : 0;
    elapsed.show(t("clock.elapsed"), time.large(took), head.started ? t("clock.started", { at: time.clock(head.started) }) : "", "plain");
  }

  return { element, update, tick };
}

/** In English the words of the command line; else the phase in the page's language, and the reason as it was recorded. */
function doing(head) {
  if (language() === "en") return head.text;
  const word = head.phase === "ended" ? head.outcome : head.phase;
  const text = head.phase === "finally" ? t("phase.finally_then", { outcome: maybe(`phase.${head.outcome}`, head.outcome) }) : t(`phase.${word}`);
  return head.paused_by ? t("paused_by", { by: head.paused_by, text }) : text;
}

const isLeft = (head) => head.executor === false && head.phase !== "ended";

function countsOf(counts) {
  return Object.entries(counts)
    .map(([status, count]) => `${signOf(status)} ${count} ${maybe(`status.${status}`, status)}`)
    .join("   ");
}

function clockFace(name) {
  const label = h("h2", { class: "clock-label" });
  const value = h("p", { class: "clock-value", id: `clock-${name}` });
  const note = h("p", { class: "clock-note" });
  const element = h("section", { class: "clock", "aria-label": "" }, label, value, note);
  return {
    element,
    show(title, text, more, tone) {
      element.hidden = false;
      mark(element, "aria-label", title);
      mark(element, "class", `clock tone-${tone}`);
      say(label, title);
      say(value, text);
      say(note, more);
    },
    hide() {
      element.hidden = true;
    },
  };
}

function turnBack(face, clock, head) {
  if (clock.past_no_return && head.phase !== "ended") {
    return face.show(t("clock.back"), t("clock.none"), t("clock.past"), "wait");
  }
  const way = clock.way_back;
  if (!way) return face.hide();
  const left = time.until(way.last_moment);
  const path = t("clock.path", { path: time.length(way.path_ms) });
  if (left <= 0) return face.show(t("clock.too_late"), time.large(left), path, "bad");
  face.show(t("clock.back_within"), time.large(left), path, left < way.path_ms ? "wait" : "plain");
}

function open(face, window, head) {
  if (!window || head.phase === "ended") return face.hide();
  const [opens, closes] = [time.until(window.opens), time.until(window.closes)];
  const hours = `${time.wall(window.opens, window.time_zone)}–${time.wall(window.closes, window.time_zone)} ${window.time_zone}`;
  if (opens > 0) face.show(t("clock.opens"), time.large(opens), hours, "wait");
  else if (closes > 0) face.show(t("clock.closes"), time.large(closes), hours, "plain");
  else face.show(t("clock.closed"), time.large(closes), hours, "bad");
}

function finished(face, expectation, head) {
  if (!expectation?.finish_p50 || head.phase !== "forward") return face.hide();
  const note = t("clock.p90", { at: time.clock(expectation.finish_p90).slice(0, 5), runs: expectation.runs });
  face.show(t("clock.expected"), time.clock(expectation.finish_p50).slice(0, 5), note, expectation.tone === "bad" ? "bad" : "plain");
}
