// Signing in: with a name and a password, or with the ticket that the command line printed.

import * as api from "./api.js";
import { h, say } from "./dom.js";
import { t } from "./words.js";

export function signInPage(main, session, signedIn) {
  const local = session.mode === "local";
  const trouble = h("p", { class: "trouble", role: "alert", id: "trouble" }, session.problem ?? "");
  const user = h("input", { id: "user", name: "user", autocomplete: "username", required: true });
  const password = h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true });
  const ticket = h("input", { id: "ticket", name: "ticket", autocomplete: "off", spellcheck: "false", required: true });
  const send = h("button", { class: "main", type: "submit" }, t("sign_in"));
  const fields = local
    ? [h("p", {}, t("sign_in.ticket_how")), h("label", { for: "ticket" }, t("sign_in.ticket")), ticket]
    : [h("label", { for: "user" }, t("sign_in.user")), user, h("label", { for: "password" }, t("sign_in.password")), password];
  const form = h("form", { class: "sheet", onsubmit: submit }, h("h1", {}, t("sign_in")), fields, send, trouble);
  main.append(form);
  (local ? ticket : user).focus();

  async function submit(event) {
    event.preventDefault();
    send.disabled = true;
    try {
      await api.signIn(local ? { ticket: ticket.value.trim() } : { user: user.value.trim(), password: password.value });
      await signedIn(await api.session());
    } catch (problem) {
      say(trouble, problem.message);
      send.disabled = false;
      password.value = "";
    }
  }
  return { title: t("sign_in") };
}
