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
  ["r", "keys.runs"],
  ["/", "keys.search"],
  ["n", "keys.start"],
  ["Esc", "keys.close"],
];

/** `of` gives the keys of the page that is shown. */
export function bindKeys(of) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.("input, textarea, select")) return;
    const does = { "?": help, r: () => (location.hash = "#/"), ...of() }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
}

export function help() {
  const rows = SHOWN.map(([key, words]) => h("tr", {}, h("th", { scope: "row" }, h("kbd", {}, key)), h("td", {}, t(words))));
  openSheet({ title: t("keys"), body: h("table", { class: "keys" }, h("tbody", {}, rows)) });
}
