// A dialog: what will happen, what has to be said or typed, and one button that does it.

import { h, mark, say } from "./dom.js";
import { t } from "./words.js";

/**
 * Opens a dialog. `act` does it, and the dialog closes unless it says `stay` or throws what went wrong. `ready` says whether it may be done, and
 * is asked after every key.
 */
export function openSheet({ title, body, action, danger = false, ready = () => true, act, wide = false }) {
  const trouble = h("p", { class: "trouble", role: "alert" });
  const send = action && h("button", { type: "submit", class: danger ? "main danger" : "main" }, action);
  const close = h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, t("close"));
  const form = h(
    "form",
    { onsubmit: submit, oninput: refresh, novalidate: false },
    h("h2", { id: "sheet-title" }, title),
    body,
    trouble,
    h("div", { class: "row buttons" }, close, h("span", { class: "gap" }), send),
  );
  const before = document.activeElement;
  const dialog = h("dialog", { class: wide ? "sheet wide" : "sheet", "aria-labelledby": "sheet-title", onclose: gone }, form);
  document.body.append(dialog);
  dialog.showModal();
  refresh();
  dialog.querySelector("textarea, input, select")?.focus();

  function refresh() {
    if (send) mark(send, "disabled", !ready());
  }

  function gone() {
    dialog.remove();
    if (before?.isConnected) before.focus();
  }

  async function submit(event) {
    event.preventDefault();
    if (!send || !ready()) return;
    say(trouble, "");
    mark(send, "disabled", true);
    try {
      if ((await act()) === "stay") refresh();
      else dialog.close();
    } catch (problem) {
      say(trouble, problem.message);
      refresh();
    }
  }

  return { dialog, refresh, trouble: (text) => say(trouble, text), close: () => dialog.close() };
}

/** A labelled field. */
export function field(id, label, input, hint) {
  input.id = id;
  const about = hint && h("p", { class: "hint", id: `${id}-hint` }, hint);
  if (about) input.setAttribute("aria-describedby", `${id}-hint`);
  return h("div", { class: "field" }, h("label", { for: id }, label), about, input);
}
