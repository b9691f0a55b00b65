// One step that somebody wants to know more about.

import { h, mark, say, section } from "./dom.js";
import { signOf } from "./signs.js";
import * as time from "./time.js";
import { maybe, t } from "./words.js";

const MOST_ITEMS = 200;

export function stepPart(context) {
  const body = h("div", {});
  const title = h("h2", { id: "step-title" });
  const close = h("button", { type: "button", class: "quiet", onclick: () => select(null) }, t("close"));
  const element = h("section", { id: "step", "aria-labelledby": "step-title", hidden: true }, h("div", { class: "row" }, title, h("span", { class: "gap" }), close), body);
  let chosen = null;
  let ages = [];

  function select(id) {
    chosen = id;
    element.hidden = !id;
    if (!id) return;
    draw(context.night());
    element.scrollIntoView({ block: "nearest" });
  }

  function update(night, changed) {
    if (chosen) element.hidden = !night.rows.has(chosen);
    if (chosen && (!changed || changed.has(chosen) || night.rows.get(chosen)?.items)) draw(night);
  }

  function draw(night) {
    const row = night.rows.get(chosen);
    if (!row) return;
    say(title, row.id);
    ages = [];
    const fact = (name, value) => value && [h("dt", {}, t(`step.${name}`)), h("dd", {}, value)];
    const moment = (at) => at && h("time", { datetime: at }, time.clock(at));
    const items = row.items ? night.items(row.id) : [];
    body.replaceChildren(
      h("p", { class: `tone-${row.tone} big` }, `${signOf(row.status)} ${maybe(`status.${row.status}`, row.word)}`),
      row.note ? h("p", { class: "note" }, row.note) : "",
      h(
        "dl",
        { class: "facts" },
        fact("does", row.does),
        fact("owner", row.owner),
        fact("started", moment(row.started)),
        fact("ended", moment(row.ended)),
        fact("no_return", row.no_return),
        fact("protected", row.protected && t("step.protected_means")),
        fact("evidence", row.evidence && [row.evidence.text, " ", age(row.evidence.at)]),
        fact("undo", row.card && [row.card.action, row.card.target ? ` ${t("at")} ${row.card.target}` : ""].join("")),
      ),
      items.length ? h("ul", { class: "items" }, items.slice(0, MOST_ITEMS).map(item)) : "",
      items.length > MOST_ITEMS ? h("p", { class: "faint" }, t("more", { count: items.length - MOST_ITEMS })) : "",
    );
    tick();
  }

  function item(row) {
    return h(
      "li",
      {},
      h("button", { type: "button", class: `link tone-${row.tone}`, onclick: () => select(row.id) }, `${signOf(row.status)} ${row.id}`),
      h("span", { class: "faint" }, ` ${maybe(`status.${row.status}`, row.word)}${row.note ? `: ${row.note}` : ""}`),
    );
  }

  function age(at) {
    const shown = h("span", { class: "age" });
    ages.push({ at, shown });
    return shown;
  }

  function tick() {
    ages.forEach(({ at, shown }) => say(shown, t("age", { age: time.length(time.since(at)) })));
  }

  return { element, update, tick, select };
}
