// The bar of a replay: what is played and how fast, the night as a line with its marks, and the moment that is shown.

import { h, mark, say } from "./dom.js";
import { SPEEDS } from "./player.js";
import * as time from "./time.js";
import { t } from "./words.js";

/** The line of the night in this many parts. */
const PARTS = 10_000;

/** `told` is what the server says of the night; `act` is what can be done with the player. */
export function scrubber(player, told, act) {
  const share = (moment) => (player.end > player.begin ? (moment - player.begin) / (player.end - player.begin) : 0);
  const button = (name, sign, does) => h("button", { type: "button", id: `replay-${name}`, "aria-label": t(`replay.${name}`), title: t(`replay.${name}`), onclick: does }, sign);
  const play = button("play", "▶", act.toggle);
  const speed = h(
    "select",
    { id: "replay-speed", "aria-label": t("replay.speed"), onchange: (event) => act.speed(Number(event.target.value)) },
    SPEEDS.map((one) => h("option", { value: one }, `${one} ×`)),
  );
  const skips = h("input", { type: "checkbox", id: "replay-skips", onchange: (event) => act.skips(event.target.checked) });
  const clock = h("span", { class: "replay-clock", id: "replay-clock" });
  const place = h("span", { class: "faint", id: "replay-place" });
  const line = h("input", {
    type: "range",
    id: "replay-line",
    min: 0,
    max: PARTS,
    step: 1,
    "aria-label": t("replay.line"),
    oninput: (event) => act.seek(player.begin + ((player.end - player.begin) * Number(event.target.value)) / PARTS),
    onkeydown: onLine,
  });
  const said = h("p", { class: "replay-said", role: "status" });
  const element = h(
    "section",
    { class: "replay-bar", "aria-label": t("replay") },
    h(
      "div",
      { class: "row" },
      h("strong", { class: "replay-tag" }, t("replay.tag")),
      h("div", { class: "replay-buttons" }, button("first", "|◀", act.first), button("back", "◀", act.back), play, button("forward", "▷", act.forward), button("last", "▶|", act.last)),
      speed,
      h("span", { class: "replay-skips" }, skips, h("label", { for: "replay-skips" }, t("replay.skips"))),
      h("span", { class: "gap" }),
      place,
      clock,
    ),
    h("div", { class: "replay-line" }, h("div", { class: "replay-marks", "aria-hidden": "true" }, told.stretches.map(stretch), told.marks.map(tick)), line),
    said,
  );

  function stretch(one) {
    const shown = h("span", { class: `stretch ${one.kind}`, title: stretchWords(one) });
    shown.style.left = `${share(Date.parse(one.from)) * 100}%`;
    shown.style.width = `${Math.max(0, share(Date.parse(one.until)) - share(Date.parse(one.from))) * 100}%`;
    return shown;
  }

  function tick(one) {
    const shown = h("span", { class: `mark ${one.kind}`, title: markWords(one), onclick: () => act.stand(one.seq) });
    shown.style.left = `${share(player.due[one.seq - 1]) * 100}%`;
    return shown;
  }

  /** On the line the arrows go from record to record, as everywhere on the page. */
  function onLine(event) {
    const does = { ArrowLeft: act.back, ArrowRight: act.forward, ArrowDown: act.back, ArrowUp: act.forward, Home: act.first, End: act.last, " ": act.toggle }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  function update(trouble) {
    say(play, player.playing ? "‖" : "▶");
    const does = t(player.playing ? "replay.pause" : player.over ? "replay.again" : "replay.play");
    mark(play, "aria-label", does);
    mark(play, "title", does);
    speed.value = String(player.speed);
    skips.checked = player.skips;
    say(clock, `${time.day(player.now)} ${time.clock(player.now)}`);
    say(place, t("replay.place", { seq: player.seq, last: player.last }));
    line.value = String(Math.round(share(player.now) * PARTS));
    mark(line, "aria-valuetext", `${time.clock(player.now)}, ${t("replay.place", { seq: player.seq, last: player.last })}`);
    const last = told.marks.findLast((one) => one.seq <= player.seq);
    say(said, trouble || (last ? markWords(last) : ""));
    mark(said, "class", trouble ? "replay-said tone-bad" : `replay-said tone-${last?.tone ?? "plain"}`);
  }

  return { element, update };
}

/** The marks as a list: to read, and to go there. */
export function marksPart(told, act) {
  const rows = told.marks.map((one) => {
    const button = h(
      "button",
      { type: "button", class: "link", "data-seq": one.seq, onclick: () => act.stand(one.seq) },
      h("time", { datetime: one.at, class: "faint" }, time.clock(one.at)),
      " ",
      h("span", { class: `tone-${one.tone}` }, [one.step, one.text].filter(Boolean).join(": ")),
    );
    return { seq: one.seq, button, item: h("li", {}, button) };
  });
  const stretches = told.stretches.map((one) =>
    h("li", {}, h("button", { type: "button", class: "link", onclick: () => act.stand(one.seq) }, h("time", { datetime: one.from, class: "faint" }, time.clock(one.from)), " ", stretchWords(one))),
  );
  const details = h(
    "details",
    { class: "moments" },
    h("summary", {}, t("replay.marks", { count: rows.length })),
    h("ol", { class: "moments-list" }, rows.map((row) => row.item)),
    stretches.length > 0 && h("ul", { class: "moments-list" }, stretches),
  );
  return {
    element: details,
    update(seq) {
      const now = rows.findLast((row) => row.seq <= seq);
      rows.forEach((row) => mark(row.button, "aria-current", row === now ? "true" : null));
    },
  };
}

function markWords(one) {
  const what = t(`replay.mark.${one.kind}`);
  return `${time.clock(one.at)}  ${what}: ${[one.step, one.text].filter(Boolean).join(": ")}`;
}

function stretchWords(one) {
  const took = time.length(Date.parse(one.until) - Date.parse(one.from));
  return [t(`replay.stretch.${one.kind}`, { of: one.of ?? "", took }), one.how].filter(Boolean).join("; ");
}
