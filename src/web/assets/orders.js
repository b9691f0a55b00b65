// The orders about the run as a whole that would do something now.

import { h, say, section } from "./dom.js";
import { meaning } from "./asks.js";
import { orderSheet } from "./order_sheet.js";
import { t } from "./words.js";

export function ordersPart(context) {
  const buttons = h("div", { class: "row answers" });
  const none = h("p", { class: "faint" });
  const element = section("orders", t("orders"), {}, none, buttons);
  let shown = "";

  function update(night) {
    const now = JSON.stringify(night.orders);
    if (now === shown) return;
    shown = now;
    say(none, night.orders.length ? "" : t("orders.none"));
    const focused = document.activeElement?.dataset?.runOrder;
    buttons.replaceChildren(
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

  return { element, update, focus: () => buttons.querySelector("button")?.focus() };
}
