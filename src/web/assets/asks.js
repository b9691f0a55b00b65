// What waits for whom: every question with its deadline, the commands that answer it, and the same answers as buttons.

import { h, mark, say, section } from "./dom.js";
import { orderSheet } from "./order_sheet.js";
import { signOf } from "./signs.js";
import * as time from "./time.js";
import { language, maybe, t } from "./words.js";

export function asksPart(context) {
  const list = h("ol", { class: "asks" });
  const none = h("p", { class: "faint" });
  const status = h("p", { class: "hidden", role: "status" });
  const element = section("asks", t("asks"), {}, status, none, list);
  let shown = "";
  let deadlines = [];
  let count = null;

  function update(night) {
    say(none, night.asks.length ? "" : t(night.ended ? "asks.none_left" : "asks.none"));
    mark(element, "class", night.asks.length ? "asking" : null);
    if (count !== null && night.asks.length > count) say(status, t("asks.new", { step: night.asks.at(-1).step }));
    count = night.asks.length;
    const now = JSON.stringify(night.asks);
    if (now === shown) return;
    shown = now;
    // Whoever is about to press a button keeps it under the finger.
    const focused = document.activeElement?.dataset?.answer;
    deadlines = [];
    list.replaceChildren(...night.asks.map(question));
    if (focused) list.querySelector(`[data-answer="${CSS.escape(focused)}"]`)?.focus();
    tick();
  }

  function question(ask) {
    const left = h("span", { class: "deadline" });
    deadlines.push({ ask, left });
    const buttons = !context.session || context.session.user.may === "view" ? [] : ask.answers.map((answer) => button(ask, answer));
    return h(
      "li",
      { class: "ask", "data-step": ask.step },
      h(
        "h3",
        {},
        h("span", { class: "sign", "aria-hidden": "true" }, signOf(ask.status)),
        " ",
        ask.step === "run" ? t("asks.run") : h("a", { href: "#", onclick: (event) => pick(event, ask.step) }, ask.step),
      ),
      h("p", { class: "of" }, ask.of ? t("asks.of", { of: ask.of }) : "", " ", left),
      ask.text.split("\n").map((line) => h("p", { class: "question" }, line)),
      ask.first_orders.map(({ order, by }) => h("p", { class: "hint" }, t("asks.first", { order, by }))),
      ask.manual.length > 0 && [h("p", {}, t("asks.by_hand")), h("pre", {}, ask.manual.join("\n"))],
      buttons.length > 0 && h("div", { class: "row answers" }, buttons),
      ask.answers.length > 0 && h(
        "details",
        { class: "commands" },
        h("summary", {}, t("asks.commands")),
        h("dl", {}, ask.answers.map((answer) => [h("dt", {}, h("code", {}, answer.command)), h("dd", {}, meaning(ask, answer))])),
      ),
    );
  }

  function pick(event, step) {
    event.preventDefault();
    context.select(step);
  }

  function button(ask, answer) {
    const name = [answer.order, answer.finding].filter(Boolean).join(".");
    const kind = { approve: "main", answer: "main", reject: "danger", rollback: "danger", "break-glass": "glass" }[answer.order] ?? "";
    return h(
      "button",
      { type: "button", class: kind, "data-answer": `${ask.step} ${name}`, "data-order": name, title: meaning(ask, answer), onclick: () => orderSheet(context, answer, ask) },
      maybe(`order.${name}.${ask.kind}`, t(`order.${name}`)),
    );
  }

  function tick() {
    for (const { ask, left } of deadlines) {
      if (ask.overdue) say(left, t("asks.overdue"));
      else if (!ask.until) say(left, "");
      else if (time.until(ask.until) >= 0) say(left, t("asks.left", { left: time.length(time.until(ask.until)) }));
      else say(left, t("asks.over", { over: time.length(-time.until(ask.until)) }));
      mark(left, "class", ask.overdue || (ask.until && time.until(ask.until) < 0) ? "deadline tone-bad" : "deadline tone-wait");
    }
  }

  function focus() {
    const first = list.querySelector("button");
    if (!first) return;
    first.focus();
    first.scrollIntoView({ block: "center" });
  }

  return { element, update, tick, focus };
}

/** What an answer means: in English as the command line says it. */
export function meaning(ask, answer) {
  if (language() === "en") return answer.meaning;
  const name = [answer.order, answer.finding].filter(Boolean).join(".");
  return maybe(`meaning.${name}.${ask?.kind}`, maybe(`meaning.${name}`, answer.meaning));
}
