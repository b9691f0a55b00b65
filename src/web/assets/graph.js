// The plan as a picture with its live state: lines as SVG below, steps as buttons above, so that a reader and a keyboard
// reach them. Only what changed is drawn again.

import { h, mark, say, section, svg } from "./dom.js";
import { signOf } from "./signs.js";
import * as time from "./time.js";
import { maybe, t } from "./words.js";

const ZOOMS = [0.4, 0.55, 0.7, 0.85, 1, 1.2, 1.5];
const MARGIN = 24;
/** The title of a section stands this far below its upper edge. */
const TITLE = 54;
/** What the eye should be on: the first of these. */
const FRONT = ["awaiting_people", "awaiting_confirmation", "in_doubt", "held", "undo_failed", "undo_in_doubt", "running", "undoing", "ready", "backing_off", "awaiting_time"];

export function graphPart(context) {
  const stage = h("div", { class: "stage-graph" });
  const view = h("div", { class: "view", role: "group", "aria-label": t("graph") }, stage);
  const follow = h("input", { type: "checkbox", id: "follow", checked: true });
  const zoomed = h("span", { class: "faint zoomed" });
  const bar = h(
    "div",
    { class: "row bar" },
    h("span", { class: "legend" }, h("span", { class: "swatch" }), t("graph.critical")),
    h("span", { class: "gap" }),
    follow,
    h("label", { for: "follow" }, t("graph.follow")),
    h("button", { type: "button", class: "quiet", "aria-label": t("graph.out"), onclick: () => zoom(-1) }, "−"),
    zoomed,
    h("button", { type: "button", class: "quiet", "aria-label": t("graph.in"), onclick: () => zoom(1) }, "+"),
    h("button", { type: "button", class: "quiet", onclick: fit }, t("graph.fit")),
  );
  const element = section("graph", t("graph"), {}, bar, view);
  const nodes = new Map();
  const edges = [];
  let night = null;
  let scale = 1;
  let bands = [];
  let front = null;
  let current = null;
  let ticking = new Set();

  function build() {
    const { graph } = night;
    stage.replaceChildren();
    nodes.clear();
    edges.length = 0;
    const picture = svg("svg", { width: graph.width + 2 * MARGIN, height: graph.height + 2 * MARGIN, "aria-hidden": "true", focusable: "false" });
    for (const edge of graph.edges) {
      const points = edge.points.map(([x, y]) => [x + MARGIN, y + MARGIN]);
      const path = svg("path", { d: smooth(points), class: edge.critical ? "edge critical" : "edge" });
      edges.push({ ...edge, path });
      picture.append(path);
    }
    stage.append(picture);
    bands = graph.bands.map((band) => {
      const title = h("h3", { class: "band" }, t(`section.${band.section}`));
      place(title, MARGIN, band.y + TITLE);
      stage.append(title);
      return { ...band, title };
    });
    for (const node of graph.nodes) {
      const sign = h("span", { class: "sign", "aria-hidden": "true" });
      const note = h("span", { class: "note" });
      const took = h("span", { class: "took" });
      const button = h(
        "button",
        { type: "button", class: "node", tabindex: "-1", "data-step": node.id, onclick: () => choose(node.id) },
        h("span", { class: "line-1" }, sign, h("span", { class: "name" }, node.id)),
        h("span", { class: "line-2" }, note, took),
        node.critical && h("span", { class: "hidden" }, ` ${t("graph.critical")}`),
      );
      place(button, node.x + MARGIN, node.y + MARGIN, node.w, node.h);
      stage.append(button);
      nodes.set(node.id, { ...node, button, sign, note, took });
    }
    focusable(graph.nodes[0]?.id);
  }

  function place(element, x, y, w, height) {
    element.style.left = `${x}px`;
    element.style.top = `${y}px`;
    if (w) element.style.width = `${w}px`;
    if (height) element.style.height = `${height}px`;
  }

  function update(next, changed) {
    const first = !night || !changed;
    night = next;
    if (first) {
      build();
      if (!edges.length && !nodes.size) return;
      nodes.forEach((_, id) => drawNode(id));
      edges.forEach(drawEdge);
      setScale(Math.min(1, Math.max(ZOOMS[0], (view.clientWidth || 600) / (night.graph.width + 2 * MARGIN))));
    } else {
      const drawn = [...changed].filter((id) => nodes.has(id));
      drawn.forEach(drawNode);
      const touched = new Set(drawn);
      edges.filter((edge) => touched.has(edge.from)).forEach(drawEdge);
    }
    goWithTheFront();
  }

  function drawNode(id) {
    const [node, row] = [nodes.get(id), night.rows.get(id)];
    if (!row) return;
    const word = maybe(`status.${row.status}`, row.word);
    mark(node.button, "class", ["node", `tone-${row.tone}`, `is-${row.status}`, node.critical && "critical", node.kind].filter(Boolean).join(" "));
    say(node.sign, signOf(row.status));
    const items = row.items ? ` · ${progress(row.items)}` : "";
    const attempt = row.attempt ? ` · ${t("graph.attempt", { attempt: row.attempt })}` : "";
    say(node.note, `${node.kind === "no_return" && row.status === "pending" ? t("graph.no_return") : word}${items}${attempt}`);
    mark(node.button, "title", `${id}\n${row.does}${row.note ? `\n${row.note}` : ""}`);
    if (row.started && !row.ended) ticking.add(id);
    else ticking.delete(id);
    drawTime(id);
  }

  function drawTime(id) {
    const [node, row] = [nodes.get(id), night.rows.get(id)];
    if (row?.until) say(node.took, time.until(row.until) >= 0 ? t("graph.left", { left: time.length(time.until(row.until)) }) : "");
    else if (row?.started && row.ended) say(node.took, time.length(Date.parse(row.ended) - Date.parse(row.started)));
    else if (row?.started && !night.ended) say(node.took, time.length(time.since(row.started)));
    else say(node.took, "");
  }

  function drawEdge(edge) {
    const done = ["succeeded", "skipped"].includes(night.rows.get(edge.from)?.status);
    mark(edge.path, "class", ["edge", edge.critical && "critical", done && "done"].filter(Boolean).join(" "));
  }

  /** How many items of a group are through. */
  function progress(items) {
    const all = Object.values(items).reduce((sum, count) => sum + count, 0);
    const through = (items.succeeded ?? 0) + (items.skipped ?? 0) + (items.undone ?? 0);
    const bad = ["failed", "held", "in_doubt", "rejected", "undo_failed"].reduce((sum, status) => sum + (items[status] ?? 0), 0);
    return `${through}/${all}${bad ? ` ${signOf("failed")} ${bad}` : ""}`;
  }

  function goWithTheFront() {
    const order = new Map(FRONT.map((status, i) => [status, i]));
    let found = null;
    for (const node of nodes.values()) {
      const rank = order.get(night.rows.get(node.id)?.status);
      if (rank !== undefined && (found === null || rank < found.rank)) found = { rank, id: node.id };
    }
    const id = found?.id ?? null;
    if (id === front) return;
    nodes.get(front)?.button.classList.remove("front");
    front = id;
    nodes.get(front)?.button.classList.add("front");
    if (follow.checked) reveal(front);
  }

  function reveal(id) {
    const node = nodes.get(id);
    if (!node) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    view.scrollTo({
      left: stage.offsetLeft + (node.x + MARGIN + node.w / 2) * scale - view.clientWidth / 2,
      top: (node.y + MARGIN) * scale - view.clientHeight * 0.4,
      behavior: calm ? "auto" : "smooth",
    });
  }

  function choose(id) {
    focusable(id);
    context.select(id);
  }

  /** One step is reached by Tab; the arrows go on from there. */
  function focusable(id) {
    const node = nodes.get(id);
    if (!node) return;
    if (current) mark(nodes.get(current)?.button ?? node.button, "tabindex", "-1");
    current = id;
    mark(node.button, "tabindex", "0");
  }

  // The arrows go on from wherever the focus is, however it came there.
  view.addEventListener("focusin", (event) => focusable(event.target.dataset.step));
  view.addEventListener("keydown", (event) => {
    const toward = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (!toward || !current) return;
    event.preventDefault();
    const from = nodes.get(current);
    let best = null;
    for (const node of nodes.values()) {
      const [dx, dy] = [node.x - from.x, node.y - from.y];
      const along = dx * toward[0] + dy * toward[1];
      const across = Math.abs(dx * toward[1]) + Math.abs(dy * toward[0]);
      if (along <= 0) continue;
      const far = along + across * 2;
      if (!best || far < best.far) best = { far, id: node.id };
    }
    if (!best) return;
    focusable(best.id);
    nodes.get(best.id).button.focus({ preventScroll: true });
    reveal(best.id);
    follow.checked = false;
  });

  let drag = null;
  view.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0 || event.target.closest("button")) return;
    drag = { x: event.clientX, y: event.clientY, left: view.scrollLeft, top: view.scrollTop };
    view.setPointerCapture(event.pointerId);
    follow.checked = false;
  });
  view.addEventListener("pointermove", (event) => {
    if (!drag) return;
    view.scrollLeft = drag.left - (event.clientX - drag.x);
    view.scrollTop = drag.top - (event.clientY - drag.y);
  });
  view.addEventListener("pointerup", () => (drag = null));
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return void (follow.checked = false);
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1 : -1);
  }, { passive: false });

  function setScale(next) {
    scale = next;
    stage.style.transform = `scale(${scale})`;
    stage.style.width = `${(night.graph.width + 2 * MARGIN) * scale}px`;
    stage.style.height = `${(night.graph.height + 2 * MARGIN) * scale}px`;
    say(zoomed, `${Math.round(scale * 100)} %`);
  }

  function zoom(by) {
    if (!night) return;
    const next = by > 0 ? ZOOMS.find((at) => at > scale + 0.01) : ZOOMS.findLast((at) => at < scale - 0.01);
    if (next) setScale(next);
    if (follow.checked) reveal(front);
  }

  function fit() {
    const { width, height } = night.graph;
    setScale(Math.max(0.15, Math.min(1, view.clientWidth / (width + 2 * MARGIN), view.clientHeight / (height + 2 * MARGIN))));
  }

  function toggle() {
    follow.checked = !follow.checked;
    if (follow.checked) reveal(front);
  }
  follow.addEventListener("change", () => follow.checked && reveal(front));

  return {
    element,
    update,
    tick: () => night && ticking.forEach(drawTime),
    keys: {
      g: () => nodes.get(front ?? current)?.button.focus(),
      f: toggle,
      "+": () => zoom(1),
      "-": () => zoom(-1),
      0: fit,
    },
  };
}

/** Corners rounded, so that a line can be followed with the eye. */
function smooth(points) {
  const [first, ...rest] = points;
  let path = `M${first[0]} ${first[1]}`;
  let before = first;
  for (const [x, y] of rest) {
    const middle = (before[1] + y) / 2;
    path += before[0] === x ? `L${x} ${y}` : `C${before[0]} ${middle} ${x} ${middle} ${x} ${y}`;
    before = [x, y];
  }
  return path;
}
