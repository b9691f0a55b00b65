// Where the console begins: who is here, in which language, and which page the address asks for.

import * as api from "./api.js";
import { h } from "./dom.js";
import { bindKeys, help } from "./keys.js";
import { nightPage } from "./night.js";
import { passkeySheet } from "./new_passkey.js";
import { available } from "./passkey.js";
import { replayPage } from "./replay.js";
import { runsPage } from "./runs.js";
import { signInPage } from "./sign_in.js";
import { LANGUAGES, keep, language, load, maybe, preferred, t } from "./words.js";

const root = document.getElementById("console");
let session = { user: null };
let page = null;

async function begin() {
  try {
    session = await api.session();
  } catch (problem) {
    session = { user: null, problem: problem.message };
  }
  const ticket = /^#ticket=(.+)$/.exec(location.hash);
  await load(preferred(session.language));
  if (ticket && !session.user) {
    history.replaceState(null, "", "/");
    try {
      await api.signIn({ ticket: decodeURIComponent(ticket[1]) });
      session = await api.session();
    } catch (problem) {
      session.problem = problem.message;
    }
  }
  const refused = /^#refused=(\w+)$/.exec(location.hash);
  if (refused) {
    history.replaceState(null, "", "/");
    session.problem = maybe(`refused.${refused[1]}`, t("refused.unproven"));
  }
  const after = sessionStorage.getItem("after");
  if (session.user && after) {
    sessionStorage.removeItem("after");
    if (!location.hash) history.replaceState(null, "", `/${/^#\/runs\/.+$/.test(after) ? after : ""}`);
  }
  bindKeys(() => page ?? {});
  addEventListener("hashchange", show);
  await show();
}

async function show() {
  page?.close?.();
  page = null;
  const run = /^#\/runs\/([^/]+)(?:\/(replay)(?:\/(\d+))?)?$/.exec(location.hash);
  const main = h("main", { id: "main", tabindex: "-1" });
  document.body.classList.toggle("night", Boolean(session.user && run));
  document.body.classList.remove("alone");
  document.body.classList.toggle("replay", Boolean(session.user && run?.[2]));
  root.replaceChildren(h("a", { class: "skip", href: "#main", onclick: (event) => skip(event, main) }, t("skip")), top(), main);
  if (!session.user) page = signInPage(main, session, async (next) => ((session = next), await show()));
  else if (run?.[2]) page = await replayPage(main, decodeURIComponent(run[1]), run[3] && Number(run[3]), leave);
  else if (run) page = await nightPage(main, decodeURIComponent(run[1]), session, leave);
  else page = await runsPage(main, session, leave);
  document.title = page?.title ? `${page.title} · Pointsman` : "Pointsman";
}

function skip(event, main) {
  event.preventDefault();
  main.focus();
}

/** Whoever is not signed in any more signs in again. */
async function leave(farewell) {
  session = await api.session().catch(() => ({ user: null }));
  session.farewell = typeof farewell === "string" ? farewell : null;
  await show();
}

function top() {
  const languages = h(
    "select",
    { id: "language", "aria-label": t("language"), onchange: (event) => speak(event.target.value) },
    Object.entries(LANGUAGES).map(([tag, name]) => h("option", { value: tag, lang: tag, selected: tag === language() }, name)),
  );
  const user = session.user && [
    h("span", { class: "who" }, [session.user.name, session.user.may === "view" && t("may_look")].filter(Boolean).join(" · ")),
    session.user.may !== "view" &&
      available() &&
      h("button", { type: "button", class: "quiet", id: "new-passkey", onclick: () => passkeySheet(session) }, t("passkey")),
    (session.mode !== "local" || session.user.person) && h("button", { type: "button", class: "quiet", onclick: signOut }, t("sign_out")),
  ];
  return h(
    "header",
    { class: "top" },
    h("a", { class: "brand", href: "#/" }, h("img", { src: "/assets/icon.svg", alt: "", width: 24, height: 24 }), "Pointsman"),
    session.user && h("nav", { "aria-label": t("pages") }, h("a", { href: "#/", id: "to-runs" }, t("runs"))),
    h("span", { class: "gap" }),
    user,
    languages,
    h("button", { type: "button", class: "quiet", "aria-label": t("keys"), onclick: help }, "?"),
  );
}

async function speak(tag) {
  keep(tag);
  await load(tag);
  await show();
  document.getElementById("language")?.focus();
}

async function signOut() {
  const said = await api.signOut().catch(() => null);
  await leave(said?.farewell);
}

begin();
