// Passkeys: the browser's own questions and answers, with their bytes as base64url for JSON.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

function text(buffer) {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export const available = () => typeof PublicKeyCredential !== "undefined" && Boolean(navigator.credentials);

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
