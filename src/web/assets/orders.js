// The orders about the run as a whole that would do something now.

import * as api from "./api.js";
import { h, say, section } from "./dom.js";
import { meaning } from "./asks.js";
import { orderSheet } from "./order_sheet.js";
import { t } from "./words.js";

export function ordersPart(context) {
  const buttons = h("div", { class: "row answers" });
  const none = h("p", { class: "faint" });
  const element = section("orders", t("orders"), {}, none, buttons);
  const trouble = h("p", { class: "trouble", role: "alert" });
  element.append(trouble);
  let shown = "";

  function update(night) {
    const left = night.head.executor === false && !night.ended;
    const now = JSON.stringify([night.orders, left]);
    if (now === shown) return;
    shown = now;
    if (context.session.user.may === "view") return say(none, t("may_look.how"));
    say(none, night.orders.length || left ? "" : t("orders.none"));
    const focused = document.activeElement?.dataset?.runOrder;
    const resume = h("button", { type: "button", class: "main", "data-run-order": "resume", onclick: takeUp }, t("order.resume"));
    buttons.replaceChildren(
      ...(left ? [resume] : []),
      ...night.orders.map((order) =>
        h(
          "button",
          {
            type: "button",
            class: order.order === "rollback" || order.order === "abort" ? "danger" : "",
            "data-run-order": order.order,
            title: meaning(null, order),
            onclick: () => orderSheet(context, order, null),
          },
          t(`order.${order.order}`),
        ),
      ),
    );
    if (focused) buttons.querySelector(`[data-run-order="${focused}"]`)?.focus();
  }

  async function takeUp(event) {
    event.target.disabled = true;
    say(trouble, "");
    try {
      await api.resume(context.run);
    } catch (problem) {
      say(trouble, problem.message);
    }
    event.target.disabled = false;
  }

  return { element, update, focus: () => buttons.querySelector("button")?.focus() };
}
