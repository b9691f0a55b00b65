// The parts of a night screen and their places: the same for a run that goes on and for one that is told again.

import { asksPart } from "./asks.js";
import { h } from "./dom.js";
import { cardPart, evidencePart, factsPart, logPart, peoplePart } from "./facts.js";
import { graphPart } from "./graph.js";
import { headPart } from "./head.js";
import { ordersPart } from "./orders.js";
import { stepPart } from "./step.js";

/** `context.session` is null where nothing can be ordered. */
export function nightParts(context) {
  const step = stepPart(context);
  context.select = (id) => step.select(id);
  const [graph, log, card, asks] = [graphPart(context), logPart(context), cardPart(context), asksPart(context)];
  const orders = context.session && ordersPart(context);
  const [head, evidence, facts, people] = [headPart(context), evidencePart(context), factsPart(context), peoplePart(context)];
  const parts = [head, asks, orders, graph, step, evidence, facts, card, people, log].filter(Boolean);
  const grid = h(
    "div",
    { class: "night-grid" },
    h("div", { class: "left" }, graph.element),
    h("div", { class: "right" }, asks.element, step.element, orders?.element, card.element, people.element),
    h("div", { class: "middle" }, evidence.element, facts.element, log.element),
  );
  return {
    elements: [head.element, grid],
    /** Draws what changed; everything where `changed` is null. */
    update: (night, changed) => parts.forEach((part) => part.update(night, changed)),
    tick: () => parts.forEach((part) => part.tick?.()),
    keys: { ...graph.keys, a: asks.focus, ...(orders && { o: orders.focus }), l: log.focus, c: card.focus },
  };
}
