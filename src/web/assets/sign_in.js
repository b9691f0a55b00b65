// Signing in: at an identity provider, with a name and a password, or with the ticket that the command line printed.

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
  const elsewhere = session.provider && provider(session.provider);
  const form = session.mode === "provider" ? null : h("form", { onsubmit: submit }, elsewhere && h("p", { class: "or" }, t("sign_in.or")), fields, send);
  main.append(h("div", { class: "sheet" }, h("h1", {}, t("sign_in")), elsewhere, form, trouble, session.farewell && farewell(session)));
  (form ? (local ? ticket : user) : document.getElementById("provider"))?.focus();

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

/** The way to the provider. Which run is shown stays here, and is shown again afterwards. */
function provider({ name, start }) {
  const keep = () => sessionStorage.setItem("after", location.hash);
  return h("p", {}, h("a", { class: "button main", id: "provider", href: start, onclick: keep }, t("sign_in.provider", { name })));
}

/** Whoever came through the provider is still signed in there. */
function farewell({ farewell, provider }) {
  const name = provider?.name ?? "";
  return h("p", { class: "faint", id: "farewell" }, t("sign_out.provider_how", { name }), " ", h("a", { href: farewell }, t("sign_out.provider", { name })));
}
