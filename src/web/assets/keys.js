// Keys that go somewhere at once, and the list of them.

import { h } from "./dom.js";
import { openSheet } from "./sheet.js";
import { t } from "./words.js";

const SHOWN = [
  ["?", "keys.help"],
  ["a", "keys.asks"],
  ["g", "keys.graph"],
  ["← ↑ → ↓", "keys.walk"],
  ["f", "keys.follow"],
  ["+ − 0", "keys.zoom"],
  ["o", "keys.orders"],
  ["c", "keys.card"],
  ["l", "keys.log"],
  ["p", "keys.replay"],
  ["r", "keys.runs"],
  ["/", "keys.search"],
  ["n", "keys.start"],
  ["Esc", "keys.close"],
];

/** What a replay takes besides, or instead. */
const REPLAY = [
  ["Space", "keys.play"],
  ["← →", "keys.record"],
  ["Home End", "keys.ends"],
  ["n p", "keys.marks"],
  ["[ ]", "keys.speed"],
  ["w", "keys.skips"],
  ["Esc", "keys.leave"],
];
const IN_REPLAY = ["?", "a", "g", "← ↑ → ↓", "f", "+ − 0", "c", "l", "r"];

let shown = () => ({});

/** `page` gives the page that is shown, with its keys. */
export function bindKeys(page) {
  shown = page;
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.("input, textarea, select")) return;
    // Space presses what has the focus.
    if (event.key === " " && event.target.closest?.("button, a, summary")) return;
    const does = { "?": help, r: () => (location.hash = "#/"), ...page().keys }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
}

export function help() {
  const keys = shown().help === "replay" ? [...REPLAY, ...SHOWN.filter(([key]) => IN_REPLAY.includes(key))] : SHOWN;
  const rows = keys.map(([key, words]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, key)), h("td", {}, t(words))));
  openSheet({ title: t("keys"), body: h("table", { class: "keys" }, h("tbody", {}, rows)) });
}
