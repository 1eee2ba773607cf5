// Manages the session: the stored token, the sign-in form, and the state that both show.

import { initiateAuth } from "./cognito.js";
import { byId, el, face, span } from "./dom.js";
import { myToken, setMyToken } from "./storage.js";
import { claimsOf, groupsIn, nameIn, now, secondsLeft } from "./token.js";

let config;
let changed;
/** Whether the server has rejected the stored token. */
let rejected = false;
let signingIn = false;
/** The state that the page shows. */
let shown = null;

/** Draws the session, and calls `onChange` whenever the stored token or its state changes. */
export function startSession(settings, onChange) {
  config = settings;
  changed = onChange;
  drawDemoUsers();
  byId("client").replaceChildren(...config.client_ids.map((id) => el("option", { value: id }, id)));
  byId("client-row").hidden = config.client_ids.length < 2;
  byId("signin-form").addEventListener("submit", submit);
  if (!canSignIn()) say("The sign-in endpoint of this user pool is not known. Send a token with “Send another token”.", "warn");
  sessionChanged();
  setInterval(tick, 1000);
}

/** Returns "anonymous", "active", "expired" or "rejected". */
function state() {
  const token = myToken();
  if (token === null) return "anonymous";
  if (claimsOf(token) === null) return "rejected";
  if (secondsLeft(token) <= 0) return "expired";
  return rejected ? "rejected" : "active";
}

/** Shows the stored token, which may be a new one. */
export function sessionChanged() {
  rejected = false;
  draw();
  changed();
}

/** Records that the server responded with 401 to the stored token. */
export function sessionRejected() {
  rejected = true;
  if (state() !== shown) draw();
}

/** No event fires when a session ends, so the page compares the time with the token's `exp` every second. */
function tick() {
  drawLife();
  if (state() === shown) return;
  draw();
  changed();
}

// ---- signing in and out ----------------------------------------------------------------------

function submit(event) {
  event.preventDefault();
  const { username, password, client } = event.currentTarget.elements;
  if (username.value && password.value) return signIn(username.value, password.value, client.value);
  say("Enter a username and a password.", "bad");
  (username.value ? password : username).focus();
}

/** The buttons stay enabled during the sign-in, because a disabled button loses the focus. */
async function signIn(username, password, clientId) {
  if (signingIn) return;
  signingIn = true;
  say("Signing in …");
  try {
    setMyToken(await initiateAuth(config, username, password, clientId));
    byId("password").value = "";
    say("");
    sessionChanged();
  } catch (error) {
    say(error.message, "bad");
  } finally {
    signingIn = false;
  }
}

function signOut() {
  setMyToken(null);
  sessionChanged();
  say("Signed out. This page has deleted the token, but the token itself stays valid until it expires.");
  (canSignIn() ? byId("username") : byId("signin-title")).focus();
}

function say(text, kind = "") {
  const message = byId("signin-message");
  message.className = `notice ${kind}`;
  message.textContent = text;
}

const canSignIn = () => config.endpoint !== null && config.client_ids.length > 0;

// ---- drawing ---------------------------------------------------------------------------------

const TITLES = { anonymous: "Sign in", active: "Signed in", expired: "Session expired", rejected: "Token rejected" };
const NOTICES = {
  expired: "Your token has expired, so the server treats you as anonymous. Sign in again.",
  rejected: "The server rejects the stored token, because it has expired or was issued by another user pool. Sign in again.",
};

function draw() {
  shown = state();
  const claims = claimsOf(myToken() ?? "");
  const form = byId("signin-form");
  const [hadForm, hadSession] = [form, byId("session")].map((part) => part.contains(document.activeElement));
  form.hidden = shown === "active" || !canSignIn();
  byId("signin-title").textContent = TITLES[shown];
  byId("demo-hint").textContent = shown === "active" ? "Switch to another user:" : "This process has its own user pool. Sign in as one of its users:";
  for (const button of byId("demo-users").children) {
    button.setAttribute("aria-pressed", String(shown === "active" && button.dataset.username === nameIn(claims)));
  }
  drawSession(claims);
  drawViewer(shown === "active" ? nameIn(claims) : null);
  if (NOTICES[shown]) say(NOTICES[shown], "warn");
  // Elements that had the focus may be gone or hidden now.
  if (hadSession) (byId("sign-out") ?? byId("signin-title")).focus();
  if (hadForm && form.hidden) byId("signin-title").focus();
}

function drawSession(claims) {
  const session = byId("session");
  session.hidden = shown === "anonymous";
  if (session.hidden) return session.replaceChildren();
  const groups = groupsIn(claims);
  const name = nameIn(claims);
  session.replaceChildren(
    el("div", { class: "session" },
      face(name ?? "?"),
      el("div", {},
        el("b", {}, name ?? "Unreadable token"),
        el("p", {}, groups.length ? groups.flatMap((group) => [el("span", { class: "chip" }, `group ${group}`), " "]) : el("span", { class: "chip quiet" }, "no groups")),
      ),
      el("button", { type: "button", id: "sign-out", onclick: signOut }, "Sign out"),
    ),
    el("p", { class: "hint", id: "life" }),
    el("progress", { class: "life", id: "life-bar", max: "1", "aria-labelledby": "life" }),
  );
  drawLife();
}

/** Shows how long the token is still valid. */
function drawLife() {
  const claims = claimsOf(myToken() ?? "");
  const text = byId("life");
  if (!claims || !text) return;
  const left = claims.exp - now();
  text.textContent = left > 0 ? `The token expires in ${span(left)}.` : "The token has expired.";
  byId("life-bar").value = Math.min(1, Math.max(0, left / (claims.exp - (claims.iat ?? claims.exp - 3600)))) || 0;
}

function drawViewer(name) {
  byId("viewer").replaceChildren(face(name, "tiny"), el("span", {}, name === null ? "Anonymous" : el("span", { class: "quiet" }, "Signed in as "), name ?? ""));
}

function drawDemoUsers() {
  byId("demo").hidden = byId("signin-or").hidden = config.users.length === 0;
  byId("demo-users").replaceChildren(...config.users.map((user) =>
    el("button", {
      type: "button",
      class: "person",
      "data-username": user.username,
      onclick: () => signIn(user.username, user.password, config.client_ids[0]),
    }, face(user.username), el("span", {},
      el("b", {}, user.username),
      el("small", {}, user.groups.length ? `group ${user.groups.join(", ")}` : "no groups")))));
}
