// The runs, the newest first, and the form that starts one.

import * as api from "./api.js";
import { h, mark, say } from "./dom.js";
import { openSheet } from "./sheet.js";
import { PHASE_TONES, signOf } from "./signs.js";
import * as time from "./time.js";
import { maybe, t } from "./words.js";

const FRESH_MS = 5_000;

export async function runsPage(main, session, leave) {
  const may = session.user.may !== "view";
  const search = h("input", { id: "search", type: "search", oninput: draw, autocomplete: "off" });
  const trouble = h("p", { class: "trouble", role: "alert" });
  const body = h("tbody", {});
  const count = h("p", { class: "faint", role: "status" });
  const heads = ["run", "runbook", "started", "state"].map((name) => h("th", { scope: "col" }, t(`runs.${name}`)));
  const table = h("table", { class: "runs" }, h("caption", { class: "hidden" }, t("runs")), h("thead", {}, h("tr", {}, heads)), body);
  let runs = [];
  main.append(
    h(
      "div",
      { class: "page" },
      h("div", { class: "row" }, h("h1", {}, t("runs")), h("span", { class: "gap" }), may && h("button", { type: "button", class: "main", id: "start", onclick: begin }, t("start"))),
      h("label", { for: "search" }, t("runs.search")),
      search,
      trouble,
      count,
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("runs") }, table),
    ),
  );
  await look();
  const timer = setInterval(look, FRESH_MS);

  async function look() {
    try {
      runs = (await api.runs()).runs;
      say(trouble, "");
      draw();
    } catch (problem) {
      if (problem.status === 401) return leave();
      say(trouble, t("runs.unreadable", { why: problem.message }));
    }
  }

  function draw() {
    const wanted = search.value.trim().toLowerCase();
    const shown = runs.filter((run) => `${run.run} ${run.runbook ?? ""}`.toLowerCase().includes(wanted));
    say(count, shown.length || !wanted ? t(runs.length ? "runs.count" : "runs.none", { count: shown.length }) : t("runs.no_match"));
    body.replaceChildren(...shown.map(line));
  }

  async function begin() {
    try {
      startSheet((await api.runbooks()).runbooks);
    } catch (problem) {
      say(trouble, problem.message);
    }
  }

  return {
    title: t("runs"),
    close: () => clearInterval(timer),
    keys: { "/": () => search.focus(), ...(may && { n: begin }) },
  };
}

function line(run) {
  const link = h("a", { href: `#/runs/${encodeURIComponent(run.run)}` }, run.run);
  if (run.error) return h("tr", {}, h("th", { scope: "row" }, run.run), h("td", { colspan: 3, class: "tone-bad" }, run.error));
  const word = run.outcome ?? run.phase;
  const state = h("td", { class: `tone-${PHASE_TONES[word] ?? "plain"}` }, `${signOf(word)} ${maybe(`phase.${word}`, word)}`);
  const waits = run.awaited?.length ? t("runs.awaits", { steps: run.awaited.join(", ") }) : "";
  if (run.phase !== "ended" && (run.live ?? run.executor) === false) state.append(` · ${t("no_executor")}`);
  if (waits) state.append(` · ${waits}`);
  const started = h("td", {}, run.started ? h("time", { datetime: run.started }, time.date(run.started)) : "");
  return h("tr", {}, h("th", { scope: "row" }, link), h("td", {}, run.runbook ?? ""), started, state);
}

function startSheet(runbooks) {
  const fields = h("div", { class: "fields" });
  const choice = h(
    "select",
    { id: "runbook", onchange: draw },
    runbooks.map((runbook, i) => h("option", { value: i }, runbook.title ? `${runbook.name}: ${runbook.title}` : runbook.name)),
  );
  let inputs = [];
  const sheet = openSheet({
    title: t("start.title"),
    body: runbooks.length ? [h("label", { for: "runbook" }, t("start.runbook")), choice, fields] : [h("p", {}, t("start.none"))],
    action: runbooks.length ? t("start") : null,
    act: async () => {
      const params = {};
      for (const { param, input } of inputs) {
        const value = valueOf(param, input);
        if (value !== undefined) params[param.name] = value;
      }
      const chosen = runbooks[Number(choice.value)];
      const { run } = await api.start({ runbook: chosen.path ?? chosen.name, params });
      location.hash = `#/runs/${encodeURIComponent(run)}`;
    },
  });
  draw();

  function draw() {
    inputs = (runbooks[Number(choice.value)]?.params ?? []).map((param) => ({ param, input: inputOf(param) }));
    fields.replaceChildren(
      ...inputs.flatMap(({ param, input }) => [
        h("label", { for: input.id }, param.name + (param.required ? " *" : "")),
        param.description ? h("p", { class: "hint", id: `${input.id}-hint` }, param.description) : "",
        input,
      ]),
    );
    sheet.refresh?.();
  }
}

function inputOf(param) {
  const id = `param-${param.name}`;
  const properties = { id, name: param.name, required: Boolean(param.required), "aria-describedby": param.description ? `${id}-hint` : null };
  const kept = param.default ?? null;
  if (param.type === "boolean") return h("input", { ...properties, required: false, type: "checkbox", checked: kept === true });
  const choices = param.choices ?? param.enum;
  if (choices?.length) {
    return h("select", properties, choices.map((choice) => h("option", { value: choice, selected: choice === kept }, String(choice))));
  }
  const shown = kept === null ? null : typeof kept === "object" ? JSON.stringify(kept) : String(kept);
  const input = h("input", { ...properties, autocomplete: "off", spellcheck: "false", value: shown });
  if (param.type === "integer") mark(input, "inputmode", "numeric");
  return input;
}

/** A field that was left empty is left to the runbook's own default. */
function valueOf(param, input) {
  if (param.type === "boolean") return input.checked;
  const text = input.value.trim();
  if (text === "") return undefined;
  if (param.type === "integer" && /^-?\d+$/.test(text)) return Number(text);
  if (param.type === "list" || param.type === "map" || param.type === "object") {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text;
}
