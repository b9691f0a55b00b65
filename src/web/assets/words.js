// The words of the interface, one table per language. What a runbook or a record says stays as it was written.

export const LANGUAGES = { en: "English", zh: "中文" };

let table = {};
let chosen = "en";

/** The language: chosen here before, else what the server says, else the browser's. */
export function preferred(fromServer) {
  const kept = localStorage.getItem("language");
  const wished = [kept, fromServer, ...navigator.languages].filter(Boolean).map((tag) => tag.toLowerCase().split("-")[0]);
  return wished.find((tag) => tag in LANGUAGES) ?? "en";
}

export async function load(language) {
  const answer = await fetch(`/assets/words/${language}.json`);
  table = await answer.json();
  chosen = language;
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
}

export function keep(language) {
  localStorage.setItem("language", language);
}

export const language = () => chosen;

/** The words for a key, with its places filled in. */
export function t(key, places = {}) {
  const words = table[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (whole, name) => places[name] ?? whole);
}

/** The words for a key that may not be there. */
export const maybe = (key, otherwise) => table[key] ?? otherwise;
