// An order before it is given: what it does, what is known, what has to be typed, and how it is signed.

import * as api from "./api.js";
import { meaning } from "./asks.js";
import { h, say } from "./dom.js";
import * as passkey from "./passkey.js";
import { field, openSheet } from "./sheet.js";
import { t } from "./words.js";

/** What cannot be taken back is typed, not only pressed. */
const TYPED = new Set(["rollback", "abort", "skip", "resolve", "break-glass"]);
const REASONED = new Set(["reject", "pause", "skip", "rollback", "abort", "break-glass"]);
/** What a signature is asked for; it takes none to stop. */
const SIGNED = new Set(["approve", "break-glass", "retry", "skip", "resolve"]);

/** Opens the dialog of one order; `ask` is the question that it answers, where it answers one. */
export function orderSheet(context, answer, ask) {
  // A session is no proof for a protected step, nor for breaking a glass.
  const proven = ask?.signed || ask?.protected || answer.order === "break-glass";
  if (proven && SIGNED.has(answer.order)) return signSheet(context, answer, ask);
  const night = context.night();
  const word = night.environment || context.run;
  const inputs = fieldsOf(answer, ask);
  const typed = TYPED.has(answer.order);
  const words = h("input", { autocomplete: "off", spellcheck: "false", autocapitalize: "none" });
  const decision = ask && ask.step !== "run" ? decisionOf(context.run, ask.step) : null;
  openSheet({
    title: titleOf(answer, ask),
    wide: Boolean(decision),
    danger: ["rollback", "abort", "reject", "skip", "break-glass"].includes(answer.order),
    body: [
      h("p", { class: "means" }, t("sheet.means", { meaning: meaning(ask, answer) })),
      decision,
      inputs.elements,
      typed && field("typed", t("sheet.type", { word }), words),
      h("p", { class: "hint" }, t("sheet.same_as"), " ", h("code", {}, answer.command)),
    ],
    action: t(`order.${[answer.order, answer.finding].filter(Boolean).join(".")}`),
    ready: () => inputs.ready() && (!typed || words.value.trim() === word),
    act: async () => settle(await api.order(context.run, wishOf(answer, ask, inputs.values()))),
  });
}

function titleOf(answer, ask) {
  const order = t(`order.${[answer.order, answer.finding].filter(Boolean).join(".")}`);
  return ask && ask.step !== "run" ? `${order}: ${ask.step}` : order;
}

/** An order that does nothing is said where it was given. */
function settle(said) {
  if (said.answer === "accepted" || said.answer === "already_done") return;
  throw new Error(said.why || t(`answer.${said.answer}`));
}

function fieldsOf(answer, ask) {
  const text = () => h("textarea", { rows: 2, autocomplete: "off" });
  if (answer.order === "answer") return formOf(ask.form);
  if (REASONED.has(answer.order)) {
    const reason = text();
    return { elements: [field("reason", t("sheet.reason"), reason)], ready: () => reason.value.trim() !== "", values: () => ({ reason: reason.value.trim() }) };
  }
  if (answer.order === "resolve") {
    const seen = text();
    return {
      elements: [field("seen", t("sheet.seen"), seen)],
      ready: () => seen.value.trim() !== "",
      values: () => ({ finding: findingOf(answer, seen.value.trim()), seen: seen.value.trim() }),
    };
  }
  if (answer.order === "approve") {
    const note = text();
    return { elements: [field("note", t("sheet.note"), note)], ready: () => true, values: () => ({ note: note.value.trim() }) };
  }
  return { elements: [], ready: () => true, values: () => ({}) };
}

function findingOf({ finding }, seen) {
  return finding === "partial" ? { partial: seen } : finding.replace("-", "_");
}

function formOf(form) {
  const inputs = form.map(({ name, type }) => {
    const input =
      type === "boolean"
        ? h("select", {}, ["", "true", "false"].map((value) => h("option", { value }, value === "" ? t("sheet.choose") : t(`sheet.${value}`))))
        : h("input", { autocomplete: "off", inputmode: type === "integer" ? "numeric" : null });
    return { name, type, input };
  });
  const valueOf = ({ type, input }) => {
    const text = input.value.trim();
    if (type === "boolean") return text === "true";
    return type === "integer" ? Number(text) : text;
  };
  return {
    elements: inputs.map(({ name, type, input }) => field(`form-${name}`, `${name} (${t(`type.${type}`)})`, input)),
    ready: () => inputs.every(({ type, input }) => (type === "integer" ? /^\s*-?\d+\s*$/ : /\S/).test(input.value)),
    values: () => ({ answers: Object.fromEntries(inputs.map((one) => [one.name, valueOf(one)])) }),
  };
}

/** The order as the server takes it. */
function wishOf(answer, ask, values) {
  const name = { answer: "report", "break-glass": "break_glass" }[answer.order] ?? answer.order;
  if (name === "continue") return "continue";
  const step = ask && ask.step !== "run" && name !== "rollback" ? { step: ask.step } : {};
  return { [name]: { ...step, ...values } };
}

/** What the command line shows before a decision. `known` gets what the server says beside it. */
function decisionOf(run, step, known = () => {}) {
  const shown = h("div", { class: "decision", role: "region", "aria-label": t("sheet.decision"), tabindex: "0" }, t("loading"));
  api.gate(run, step).then(
    (said) => {
      shown.replaceChildren(...said.lines.map(lineOf));
      known(said);
    },
    (problem) => say(shown, problem.message),
  );
  return shown;
}

function lineOf(spans) {
  return h("div", { class: "line" }, spans.map((span) => h("span", { class: `tone-${span.tone}` }, span.text)));
}

/** An answer that takes a signature: the same statement that the command line signs, by a passkey or with `ssh-keygen`. */
function signSheet(context, answer, ask) {
  const inputs = fieldsOf(answer, ask);
  const stage = h("div", { class: "stage" });
  const words = h("input", { autocomplete: "off", spellcheck: "false", autocapitalize: "none" });
  const armour = h("textarea", { rows: 6, class: "mono", autocomplete: "off", spellcheck: "false", placeholder: "-----BEGIN SSH SIGNATURE-----" });
  const role = h("select", {});
  const person = h("input", { autocomplete: "off", spellcheck: "false" });
  const deputy = h("input", { autocomplete: "off", spellcheck: "false" });
  let asked = null;
  let known = null;
  const typedRight = () => !asked?.words || words.value.trim() === asked.words;

  const sheet = openSheet({
    title: titleOf(answer, ask),
    wide: true,
    danger: answer.order !== "approve",
    body: [
      h("p", { class: "means" }, t("sheet.means", { meaning: meaning(ask, answer) })),
      decisionOf(context.run, ask.step, learn),
      field("role", t("sheet.role"), role),
      !context.session.user.person && field("person", t("sheet.person"), person),
      field("deputy", t("sheet.deputy"), deputy),
      inputs.elements,
      stage,
      h("p", { class: "hint" }, t("sheet.same_as"), " ", h("code", {}, answer.command)),
    ],
    action: t("sign.next"),
    ready: () => (asked ? armour.value.includes("BEGIN SSH SIGNATURE") && typedRight() : Boolean(known?.can_sign) && inputs.ready()),
    act: async () => {
      if (!asked) {
        await prepare();
        return "stay";
      }
      return settle(await submit({ signature: armour.value }));
    },
  });

  function learn(said) {
    known = said;
    role.replaceChildren(...(said.roles ?? []).map((name) => h("option", { value: name }, name)));
    if (!said.can_sign) stage.replaceChildren(h("p", { class: "tone-wait" }, t("sign.nobody")));
    sheet.refresh();
  }

  async function prepare() {
    const order = ask.kind === "confirmation" && answer.order === "approve" ? "confirm" : answer.order;
    const decision = [order, answer.finding].filter(Boolean).join("-");
    const wish = { decision, role: role.value || null, person: person.value.trim() || null, deputy_for: deputy.value.trim() || null };
    asked = await api.statement(context.run, ask.step, Object.fromEntries(Object.entries(wish).filter(([, value]) => value)));
    stage.replaceChildren(
      h("h3", {}, t("sign.statement")),
      h("pre", { class: "statement", tabindex: "0", "aria-label": t("sign.statement") }, asked.statement),
      h("div", { class: "row" }, h("button", { type: "button", class: "quiet", onclick: save }, t("sign.save"))),
      ...(asked.words ? [field("words", t("sheet.type", { word: asked.words }), words)] : []),
      ...(asked.passkeys && passkey.available() ? [h("button", { type: "button", class: "main", id: "by-passkey", onclick: byPasskey }, t("sign.passkey"))] : []),
      h("p", { class: "hint" }, t("sign.how")),
      h("pre", {}, asked.sign_command ?? ""),
      field("armour", t("sign.paste"), armour),
    );
    sheet.dialog.querySelector("button[type=submit]").textContent = t("sign.send");
    (asked.words ? words : armour).focus();
  }

  function submit(proof) {
    const { note, reason, seen } = inputs.values();
    return api.signature(context.run, ask.step, { statement: asked.statement, words: words.value.trim(), note: note ?? reason ?? seen ?? "", ...proof });
  }

  function save() {
    const link = h("a", { href: URL.createObjectURL(new Blob([asked.statement], { type: "text/plain" })), download: "statement" });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  async function byPasskey() {
    if (!typedRight()) return sheet.trouble(t("sign.type_first"));
    try {
      settle(await submit({ assertion: await passkey.sign(asked.passkeys) }));
      sheet.close();
    } catch (problem) {
      sheet.trouble(problem.message);
    }
  }
}
