// Passkeys: the browser's dialogue answers an input, and its form is sent with the answer as any other form.
// Where there is no script or no support, pages offer another way.

const api = window.PublicKeyCredential;

const RENEW = 240000; // milliseconds; what the server asks for is good for five minutes

// --- Options and answers as WebAuthn Level 3 writes them; browsers of before 2025 need to be helped ---

const decoded = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

const encoded = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function parsed(kind, options) {
  const parse = kind === "create" ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
  if (api[parse]) return api[parse](options);
  const found = { ...options, challenge: decoded(options.challenge) };
  if (options.user) found.user = { ...options.user, id: decoded(options.user.id) };
  for (const list of ["allowCredentials", "excludeCredentials"]) {
    if (options[list]) found[list] = options[list].map((each) => ({ ...each, id: decoded(each.id) }));
  }
  return found;
}

function written(credential) {
  if (credential.toJSON) return credential.toJSON();
  const { id, rawId, type, authenticatorAttachment, response } = credential;
  const said = { transports: response.getTransports?.() };
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) said[name] = encoded(response[name]);
  }
  const clientExtensionResults = credential.getClientExtensionResults();
  return { id, rawId: encoded(rawId), type, authenticatorAttachment, clientExtensionResults, response: said };
}

// --- Asking ---

async function optionsOf(input) {
  const { options, from } = input.dataset;
  if (options) return JSON.parse(options);
  const answer = await fetch(from, { method: "POST", body: new URLSearchParams(new FormData(input.form)) });
  if (!answer.ok) throw new Error(`${answer.status}`);
  const { challenge, publicKey } = await answer.json();
  input.form.elements.challenge.value = challenge;
  return publicKey;
}

async function ask(input, more) {
  const kind = input.dataset.passkey;
  const publicKey = parsed(kind, await optionsOf(input));
  const credential = await navigator.credentials[kind]({ publicKey, ...more });
  input.value = JSON.stringify(written(credential));
  // "Keep me signed in" stands in the form of the password.
  const remember = document.getElementById("remember");
  if (remember?.checked && remember.form !== input.form) input.form.append(remember.cloneNode());
  input.form.submit();
}

// Passkeys among what the browser fills into the e-mail field. It takes one request at a time.
let offering, offeredAt;

async function offer(input) {
  if (!(await api.isConditionalMediationAvailable?.())) return;
  offering?.abort();
  offering = new AbortController();
  offeredAt = Date.now();
  try {
    await ask(input, { mediation: "conditional", signal: offering.signal });
  } catch {
    // Nobody has asked for it, so there is nothing to tell.
  }
}

async function answer(input) {
  const { told, cancelled, known, failed } = input.dataset;
  const place = document.getElementById(told);
  place.textContent = "";
  offering?.abort();
  try {
    await ask(input);
  } catch (error) {
    place.textContent = { NotAllowedError: cancelled, AbortError: cancelled, InvalidStateError: known }[error.name] || failed;
    if ("offered" in input.dataset) offer(input);
  }
}

function prepare(input) {
  let busy = false;
  input.form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    await answer(input);
    busy = false;
  });
  if (!("offered" in input.dataset)) return;
  offer(input);
  const renew = () => { if (!document.hidden && Date.now() - offeredAt > RENEW) offer(input); };
  setInterval(renew, 60000);
  document.addEventListener("visibilitychange", renew);
}

if (api && navigator.credentials) {
  for (const element of document.querySelectorAll("[data-with-passkeys]")) {
    element.hidden = false;
    if (document.activeElement === document.body) element.querySelector("[autofocus]")?.focus();
  }
  for (const element of document.querySelectorAll("[data-without-passkeys]")) element.hidden = true;
  document.querySelectorAll("input[data-passkey]").forEach(prepare);
  // What passkey managers should know: which passkeys there still are, and of whom.
  for (const { dataset } of document.querySelectorAll("[data-signal]")) {
    api[dataset.signal]?.(JSON.parse(dataset.value)).catch(() => {});
  }
}
