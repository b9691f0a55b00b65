// Passkeys: the browser's own questions and answers, with their bytes as base64url for JSON.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

function text(buffer) {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export const available = () => typeof PublicKeyCredential !== "undefined" && Boolean(navigator.credentials);

/** Makes a new passkey for this console, and answers with its public key. Nobody but the roster gives it a meaning. */
export async function create(person) {
  const random = (length) => crypto.getRandomValues(new Uint8Array(length));
  const { response } = await navigator.credentials.create({
    publicKey: {
      challenge: random(32),
      rp: { name: "Pointsman" },
      user: { id: random(16), name: person, displayName: person },
      pubKeyCredParams: [{ type: "public-key", alg: -7 }],
      authenticatorSelection: { residentKey: "required", userVerification: "required" },
      attestation: "none",
    },
  });
  return text(response.getPublicKey());
}

/** Asks the person's key to sign what the server wants signed. */
export async function sign(options) {
  const wanted = options.publicKey ?? options;
  const publicKey = {
    ...wanted,
    challenge: bytes(wanted.challenge),
    allowCredentials: (wanted.allowCredentials ?? []).map((key) => ({ ...key, id: bytes(key.id) })),
  };
  const { id, rawId, type, response } = await navigator.credentials.get({ publicKey });
  return {
    id,
    rawId: text(rawId),
    type,
    response: {
      authenticatorData: text(response.authenticatorData),
      clientDataJSON: text(response.clientDataJSON),
      signature: text(response.signature),
      userHandle: response.userHandle ? text(response.userHandle) : null,
    },
  };
}
