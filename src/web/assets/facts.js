// The quieter parts: the youngest evidence with its age, facts, the rollback card, people, and the log.

import { h, mark, say, section } from "./dom.js";
import { signOf } from "./signs.js";
import * as time from "./time.js";
import { maybe, t } from "./words.js";

const EVIDENCE = 4;

/** Texts that say how old something is, and go on saying it. */
function aging() {
  let shown = [];
  return {
    clear: () => (shown = []),
    of(at) {
      const element = h("span", { class: "age" });
      shown.push({ at, element });
      return element;
    },
    tick: () => shown.forEach(({ at, element }) => say(element, t("age", { age: time.length(time.since(at)) }))),
  };
}

export function evidencePart({ select }) {
  const list = h("ul", { class: "evidence" });
  const element = section("evidence", t("evidence"), {}, list);
  const ages = aging();
  let drawn = "";

  function update(night) {
    const rows = night.evidence(EVIDENCE);
    const now = JSON.stringify(rows.map((row) => [row.id, row.evidence]));
    if (now === drawn) return;
    drawn = now;
    ages.clear();
    element.hidden = !rows.length;
    list.replaceChildren(
      ...rows.map((row) =>
        h("li", {}, h("button", { type: "button", class: "link", onclick: () => select(row.id) }, row.id), " ", ages.of(row.evidence.at), h("p", {}, row.evidence.text)),
      ),
    );
    ages.tick();
  }

  return { element, update, tick: ages.tick };
}

export function factsPart() {
  const list = h("ul", { class: "known" });
  const element = section("facts", t("facts"), {}, list);
  const ages = aging();
  let drawn = "";

  function update(night) {
    const now = JSON.stringify(night.facts);
    if (now === drawn) return;
    drawn = now;
    ages.clear();
    element.hidden = !night.facts.length;
    list.replaceChildren(...night.facts.map(line));
    ages.tick();
  }

  function line(fact) {
    const known = fact.value !== null;
    const sign = known ? (fact.value ? "●" : "○") : "⁇";
    return h("li", { class: known ? null : "tone-wait" }, h("span", { "aria-hidden": "true" }, sign), ` ${fact.text} `, fact.since ? ages.of(fact.since) : "");
  }

  return { element, update, tick: ages.tick };
}

export function cardPart() {
  const summary = h("summary", {});
  const list = h("ol", { class: "card" });
  const none = h("p", {});
  const details = h("details", { ontoggle: () => night && draw() }, summary, none, list);
  const element = section("card", t("card"), {}, details);
  let night = null;

  function update(next, changed) {
    night = next;
    if (!changed || changed.size || night.head.past_no_return) draw();
  }

  function draw() {
    const rows = night.card();
    say(summary, night.head.past_no_return ? t("card.past") : rows.length ? t("card.count", { count: rows.length }) : t("card.none"));
    if (!details.open) return;
    list.replaceChildren(
      ...rows.map((row) => {
        const { action, target, was, manual } = row.card;
        return h(
          "li",
          {},
          h("strong", {}, row.id),
          `  ${action}${target ? ` ${t("at")} ${target}` : ""} (${maybe(`status.${row.status}`, row.word)})`,
          was && h("p", { class: "faint" }, t("card.was", { was })),
          manual.length > 0 && h("pre", {}, manual.join("\n")),
        );
      }),
    );
  }

  function focus() {
    details.open = true;
    summary.focus();
    element.scrollIntoView({ block: "start" });
  }

  return { element, update, focus };
}

export function peoplePart() {
  const list = h("ul", { class: "people" });
  const element = section("people", t("people"), {}, list);
  let drawn = false;

  function update(night) {
    if (drawn) return;
    drawn = true;
    element.hidden = !night.people.length;
    list.replaceChildren(...night.people.map(({ person, roles }) => h("li", {}, h("strong", {}, person), ` ${roles.join(", ")}`)));
  }

  return { element, update };
}

export function logPart({ select }) {
  const list = h("ol", { class: "log" });
  const scroll = h("div", { class: "scroll log-scroll", tabindex: "0", role: "log", "aria-live": "off", "aria-label": t("log.lines") }, list);
  const element = section("log", t("log"), {}, scroll);
  let last = 0;
  let most = 300;

  function update(night, changed) {
    // Told again, the log can go back.
    if (!changed || (night.log.at(-1)?.seq ?? 0) < last) {
      list.replaceChildren();
      last = 0;
    }
    const since = night.log.filter((line) => line.seq > last);
    if (!since.length) return;
    last = since.at(-1).seq;
    // Questions to targets are many and change nothing; the report has them all.
    const fresh = since.filter((line) => !line.asks);
    if (!fresh.length) return;
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
    list.append(...fresh.map(line));
    while (list.childElementCount > most) list.firstElementChild.remove();
    if (atEnd || !changed) scroll.scrollTop = scroll.scrollHeight;
  }

  function line({ at, step, text, tone }) {
    const name = step ? h("button", { type: "button", class: "link", tabindex: "-1", onclick: () => select(step) }, step) : h("span", { class: "faint" }, t("log.run"));
    return h("li", {}, h("time", { datetime: at, class: "faint" }, time.clock(at)), name, h("span", { class: `tone-${tone}` }, text));
  }

  return { element, update, focus: () => scroll.focus() };
}
