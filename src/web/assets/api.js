// What the server is asked. Errors are problems with a title and what to do.

let csrf = "";

export class Problem extends Error {
  constructor(status, said) {
    super(said.detail || said.title || `status ${status}`);
    this.status = status;
    this.code = said.code;
    this.title = said.title;
  }
}

async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") Object.assign(headers, { "Content-Type": "application/json", "X-Pointsman-CSRF": csrf });
  const answer = await fetch(`/api/v1${path}`, {
    method,
    headers,
    credentials: "same-origin",
    cache: "no-store",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  let said = {};
  try {
    said = text ? JSON.parse(text) : {};
  } catch {
    said = { title: text.slice(0, 200) };
  }
  if (!answer.ok) throw new Problem(answer.status, said);
  return said;
}

const at = (run, ...rest) => ["/runs", run, ...rest].map((part, i) => (i === 0 ? part : encodeURIComponent(part))).join("/");

export async function session() {
  const said = await ask("GET", "/session");
  csrf = said.csrf ?? csrf;
  return said;
}

export async function signIn(proof) {
  const said = await ask("POST", "/session", proof);
  csrf = said.csrf ?? csrf;
  return said;
}

export const signOut = () => ask("DELETE", "/session");
export const runs = () => ask("GET", "/runs");
export const runbooks = () => ask("GET", "/runbooks");
export const start = (wish) => ask("POST", "/runs", wish);
export const snapshot = (run) => ask("GET", at(run));
/** How the night of a run that is over goes, and its beginning. */
export const replay = (run) => ask("GET", at(run, "replay"));
/** What changed from record `since` to `seq`; everything where `seq` is the earlier one. */
export const replayAt = (run, seq, since) => ask("GET", `${at(run, "replay", String(seq))}?since=${since}`);
export const resume = (run) => ask("POST", at(run, "executor"), {});
export const order = (run, wish) => ask("POST", at(run, "orders"), { order: wish });
export const gate = (run, step) => ask("GET", at(run, "gates", step));
export const statement = (run, step, wish) => ask("POST", at(run, "gates", step, "statement"), wish);
export const signature = (run, step, wish) => ask("POST", at(run, "gates", step, "signature"), wish);

/** The line of `allowed_signers` for a new passkey. */
export const passkey = (person, key) => ask("POST", "/passkeys", { person, public_key: key });

/** Where the changes of a run are streamed. */
export const events = (run) => `/api/v1${at(run, "events")}`;
