// A new passkey: the browser makes it, and whoever looks after the roster gives it to a person, or does not.

import * as api from "./api.js";
import { h } from "./dom.js";
import * as passkey from "./passkey.js";
import { field, openSheet } from "./sheet.js";
import { t } from "./words.js";

export function passkeySheet(session) {
  const person = h("input", { autocomplete: "off", spellcheck: "false", value: session.user.person ?? null });
  const made = h("div", { class: "stage", role: "status" });
  openSheet({
    title: t("passkey.title"),
    body: [h("p", {}, t("passkey.how")), field("passkey-person", t("passkey.person"), person), made],
    action: t("passkey.make"),
    ready: () => person.value.trim() !== "",
    act: async () => {
      const { line } = await api.passkey(person.value.trim(), await passkey.create(person.value.trim()));
      made.replaceChildren(h("p", {}, t("passkey.line")), h("pre", { id: "passkey-line", tabindex: "0", "aria-label": t("passkey.line") }, line));
      return "stay";
    },
  });
}
