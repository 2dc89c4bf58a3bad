// Asks the authenticator what the page was given to ask, and sends its answer with the page's own form.
// The form has data-options (what WebAuthn Level 3 calls PublicKeyCredential…OptionsJSON) and data-kind: new or use.

const bytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const listed = (keys) => (keys ?? []).map((key) => ({ ...key, id: bytes(key.id) }));

function ready(options) {
  const made = { ...options, challenge: bytes(options.challenge) };
  if (options.user) made.user = { ...options.user, id: bytes(options.user.id) };
  if (options.excludeCredentials) made.excludeCredentials = listed(options.excludeCredentials);
  if (options.allowCredentials) made.allowCredentials = listed(options.allowCredentials);
  return made;
}

function told(key) {
  const { response } = key;
  const made = { clientDataJSON: text(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"])
    if (response[name]) made[name] = text(response[name]);
  if (response.getTransports) made.transports = response.getTransports();
  return JSON.stringify({ id: key.id, rawId: text(key.rawId), type: key.type, response: made, clientExtensionResults: {} });
}

async function ask(form) {
  const publicKey = ready(JSON.parse(form.dataset.options));
  const key = await navigator.credentials[form.dataset.kind === "new" ? "create" : "get"]({ publicKey });
  form.elements.namedItem("answer").value = told(key);
  form.submit();
}

for (const form of document.querySelectorAll("form[data-options]"))
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wrong = form.querySelector("[data-wrong]");
    wrong.hidden = true;
    ask(form).catch(() => { wrong.hidden = false; });
  });
