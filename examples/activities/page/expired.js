// Provides an expired token, which only the user pool can sign.

import { byId, el, span } from "./dom.js";
import { keptToken, myToken, setKeptToken } from "./storage.js";
import { secondsLeft } from "./token.js";

/** The expired token of this session, with the token that it was issued for. */
let issued = { token: null, expired: null };

/** Resolves to an expired token: a new one from the embedded pool, or the one that the user kept. */
export async function expiredToken(config, fail) {
  if (!config.embedded) return keptExpired(fail);
  const token = myToken() ?? fail("sign in first", "Sign in first. The embedded pool issues an expired token to signed-in users only.");
  if (issued.token !== token) issued = { token, expired: issueExpired(token) };
  return (await issued.expired) ?? fail("not issued", "The embedded pool issues an expired token only for a valid one. Sign in again.");
}

/** Resolves to a token, or to null if the pool does not issue one. */
async function issueExpired(token) {
  const response = await fetch("/demo/expired-token", {
    method: "POST",
    headers: { Authorization: `Bearer ${token}` },
    cache: "no-store",
    credentials: "omit",
  });
  const body = await response.json();
  return response.ok ? body.token : null;
}

function keptExpired(fail) {
  const kept = keptToken() ?? fail("none kept", "No token is kept in this browser. The note below the table says how to keep one.");
  const left = secondsLeft(kept);
  if (left > 0) fail("not yet", `The kept token is still valid for ${span(left)}. Try again after that.`);
  return kept;
}

/** Offers to keep a token until it has expired, because a real pool never issues an expired one. */
export function drawExpiredHelp(config) {
  const place = byId("expired-help");
  place.hidden = config.embedded;
  if (config.embedded) return;
  const button = (text, token, disabled = false) =>
    el("button", { type: "button", class: "small", disabled, onclick: () => { setKeptToken(token); drawExpiredHelp(config); } }, text);
  place.replaceChildren(el("p", { class: "notice" },
    "A user pool never issues expired tokens. To test one, keep your token in this browser and send it after it has expired. ",
    el("span", { id: "kept" }, keptState()), " ",
    button("Keep your token for later", myToken(), myToken() === null), " ",
    keptToken() ? button("Delete the kept token", null) : null));
}

/** Updates the text only, because it changes with time. */
export function drawKeptState() {
  byId("kept")?.replaceChildren(keptState());
}

function keptState() {
  const kept = keptToken();
  if (!kept) return "No token is kept.";
  const left = secondsLeft(kept);
  return left > 0 ? `The kept token expires in ${span(left)}.` : "The kept token has expired and can be sent.";
}
