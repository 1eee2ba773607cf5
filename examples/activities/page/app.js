// The page of the example: who is signed in, what is asked of the API, and when to draw what.

import { ask, drawAnswer, tone } from "./answer.js";
import { drawClaimTable, drawLegend, drawToken } from "./claims.js";
import { initiateAuth } from "./cognito.js";
import { breakable, byId, el, face, span } from "./dom.js";
import { drawActivity } from "./feed.js";
import { keptToken, myToken, onChangeElsewhere, setKeptToken, setMyToken } from "./memory.js";
import { claimsOf, groupsIn, nameIn, now, secondsLeft, tampered } from "./token.js";

const ROUTES = ["/api/me", "/api/admin", "/api/activities/home"];

/** What the server told us about the pool: see `page.rs`. */
let config = null;
/** The answers of the matrix, by "row route". */
let answers = new Map();
/** The cell of the matrix whose answer is shown. */
let shown = null;
/** Whether to read the feed without the token, although there is one. */
let anonymously = false;
/** Whether the server has refused the token of this session. */
let refused = false;

// ---- the life of the page ------------------------------------------------------------------

async function start() {
  try {
    const response = await fetch("/config.json", { cache: "no-store" });
    config = await response.json();
  } catch {
    say("The page could not read its settings. Is the server up?", "bad");
    return;
  }
  drawPool();
  drawKeys();
  drawSignIn();
  listen();
  sessionChanged();
}

function listen() {
  byId("signin-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const { username, password, client } = event.currentTarget.elements;
    if (!username.value || !password.value) {
      say("Both a user name and a password are needed.", "bad");
      (username.value ? password : username).focus();
      return;
    }
    signIn(username.value, password.value, client.value);
  });
  byId("feed-as").addEventListener("click", (event) => {
    if (!event.target.value) return;
    anonymously = event.target.value === "anonymous";
    drawFeed();
  });
  byId("probe-all").addEventListener("click", sendAll);
  byId("pasted").addEventListener("input", () => {
    for (const path of ROUTES) answers.delete(`pasted ${path}`);
    drawMatrix();
  });
  onChangeElsewhere(sessionChanged, drawExpiredHelp);
  // What changes by itself; it is not read aloud.
  setInterval(() => {
    drawLife();
    byId("kept")?.replaceChildren(keptState());
  }, 5000);
}

function sessionChanged() {
  answers = new Map();
  shown = null;
  refused = false;
  const claims = claimsOf(myToken() ?? "");
  drawViewer(claims);
  drawSession(claims);
  drawExpiredHelp();
  drawFeed();
  drawClaims();
  const list = rows();
  const first = myToken() === null ? list.find((row) => row.id === "none") : list[0];
  send(first, "/api/admin", { show: false }).then(() => send(first, "/api/me"));
}

// ---- signing in and out ----------------------------------------------------------------------

async function signIn(username, password, clientId) {
  say("Signing in …");
  busy(true);
  try {
    startSession(await initiateAuth(config, username, password, clientId));
    byId("password").value = "";
    say("");
  } catch (error) {
    say(error.message, "bad");
  } finally {
    busy(false);
  }
}

function startSession(token) {
  setMyToken(token);
  anonymously = false;
  sessionChanged();
}

function signOut() {
  setMyToken(null);
  say("Signed out. The token itself stays good until it expires: a server only checks it.");
  sessionChanged();
  byId("username").focus();
}

function busy(yes) {
  for (const button of document.querySelectorAll(".signin button")) button.disabled = yes;
}

function say(text, kind = "") {
  const message = byId("signin-message");
  message.className = `notice ${kind}`;
  message.textContent = text;
}

function canSignIn() {
  return config.endpoint !== null && config.client_ids.length > 0;
}

function drawSignIn() {
  byId("demo").hidden = config.users.length === 0;
  byId("signin-or").hidden = config.users.length === 0;
  byId("demo-users").replaceChildren(...config.users.map((user) =>
    el("button", {
      type: "button",
      class: "person",
      "data-username": user.username,
      onclick: () => signIn(user.username, user.password, config.client_ids[0]),
    }, face(user.username), el("span", {},
      el("b", {}, user.username),
      el("small", {}, user.groups.length ? `in ${user.groups.join(", ")}` : "in no group")))));
  byId("client").replaceChildren(...config.client_ids.map((id) => el("option", { value: id }, id)));
  byId("client-row").hidden = config.client_ids.length < 2;
  if (!canSignIn()) say("This page does not know where to sign in for this pool. Paste a token under “Ask the API”.", "warn");
}

function drawSession(claims) {
  const signedIn = myToken() !== null;
  const session = byId("session");
  session.hidden = !signedIn;
  byId("signin-form").hidden = (signedIn && !refused) || !canSignIn();
  byId("signin-title").textContent = !signedIn ? "Sign in" : refused ? "Signed in no more" : "Signed in";
  byId("demo-hint").textContent = signedIn
    ? "Or be somebody else:"
    : "This process carries a user pool of its own. Walk in as one of its users:";
  for (const button of byId("demo-users").children) {
    button.setAttribute("aria-pressed", String(button.dataset.username === nameIn(claims)));
  }
  if (!signedIn) return session.replaceChildren();
  const groups = groupsIn(claims);
  session.replaceChildren(
    el("div", { class: "session" },
      face(nameIn(claims) ?? "?"),
      el("div", {},
        el("b", {}, nameIn(claims) ?? "A token that cannot be read"),
        el("p", {}, groups.length ? groups.flatMap((group) => [el("span", { class: "chip" }, group), " "]) : el("span", { class: "chip quiet" }, "in no group")),
      ),
      el("button", { type: "button", onclick: signOut }, "Sign out"),
    ),
    el("p", { class: "hint", id: "life" }),
    el("progress", { class: "life", id: "life-bar", max: "1", "aria-labelledby": "life" }),
  );
  drawLife();
}

/** How long the token still lives. */
function drawLife() {
  const claims = claimsOf(myToken() ?? "");
  const text = byId("life");
  if (!claims || !text) return;
  const left = claims.exp - now();
  text.textContent = left > 0 ? `This token expires in ${span(left)}.` : "This token has expired: sign in again.";
  byId("life-bar").value = Math.min(1, Math.max(0, left / (claims.exp - (claims.iat ?? claims.exp - 3600)))) || 0;
}

function drawViewer(claims) {
  const name = nameIn(claims);
  byId("viewer").replaceChildren(face(name, "tiny"), el("span", {}, name ?? "Anonymous"));
}

// ---- the pool --------------------------------------------------------------------------------

function drawPool() {
  const fact = (name, ...value) => el("div", {}, el("dt", {}, name), el("dd", {}, ...value));
  byId("pool").replaceChildren(
    fact("User pool", el("code", {}, config.pool_id), config.embedded ? " inside this process" : ""),
    fact(config.client_ids.length === 1 ? "App client" : "App clients", el("code", {}, config.client_ids.join(", ") || "any")),
    fact("Accepts", { access: "access tokens", id: "ID tokens", any: "access and ID tokens" }[config.token_use]),
    el("div", { id: "keys" }),
  );
}

async function drawKeys() {
  let ready = false;
  try {
    ready = (await fetch("/readyz", { cache: "no-store" })).ok;
  } catch {
    // The dot says it.
  }
  byId("keys").replaceChildren(
    el("dt", {}, "Keys"),
    el("dd", {}, el("span", { class: `dot ${ready ? "good" : "bad"}`, "aria-hidden": "true" }), el("a", { href: "/readyz" }, ready ? "loaded" : "not loaded")),
  );
  if (!ready) setTimeout(drawKeys, 3000);
}

// ---- the feed --------------------------------------------------------------------------------

let feedTurn = 0;

async function drawFeed() {
  const turn = ++feedTurn;
  const list = byId("activities");
  const asSelf = myToken() !== null && !anonymously;
  for (const button of byId("feed-as").children) {
    button.disabled = myToken() === null;
    button.setAttribute("aria-pressed", String((button.value === "self") === asSelf));
  }
  let answer;
  let feed;
  try {
    answer = await ask("/api/activities/home", asSelf ? myToken() : null);
    feed = JSON.parse(answer.body);
  } catch {
    if (turn !== feedTurn) return;
    byId("feed-wire").textContent = "The feed could not be read. Is the server up?";
    return list.replaceChildren();
  }
  // An older answer that comes in late must not replace a newer one.
  if (turn !== feedTurn) return;
  byId("feed-wire").replaceChildren(
    el("code", {}, "GET /api/activities/home"), ` answered ${answer.status}, `, el("code", {}, `x-viewer: ${answer.viewer}`),
  );
  list.replaceChildren(...feed.map(drawActivity));
  if (!feed.length) list.append(el("li", { class: "empty" }, "Nothing happened lately."));
}

// ---- the claims ------------------------------------------------------------------------------

async function drawClaims() {
  const token = myToken();
  const place = byId("claims");
  if (token === null) {
    place.replaceChildren(el("p", { class: "empty" }, "You are anonymous: no token, no claims."));
    return;
  }
  const answer = await ask("/api/me", token).catch(() => null);
  if (token !== myToken()) return;
  if (answer?.status === 401) tokenRefused();
  const claims = claimsOf(token);
  place.replaceChildren(
    drawToken(token),
    drawLegend(),
    claims
      ? drawClaimTable(claims, answer?.status === 200 ? JSON.parse(answer.body) : null)
      : el("p", { class: "notice bad" }, "This token cannot be decoded."),
    el("p", { class: "hint" }, "Decoding is no proof: anybody can read a token, and write one. The last column is what the server "
      + "answered after it had verified signature, issuer, client and expiry."));
}

/** The saved token is over, or this server has another pool since: its owner is a stranger again. */
function tokenRefused() {
  refused = true;
  drawViewer(null);
  drawSession(claimsOf(myToken()));
  say("The server does not accept this token any more: it expired, or the server has a new pool since. "
    + "You are anonymous until you sign in again.", "warn");
}

// ---- the matrix of requests --------------------------------------------------------------------

/** The rows of the matrix: what is sent, and where its token comes from. */
function rows() {
  const mine = myToken();
  const list = [
    { id: "own", name: "Your token", about: mine ? "as you signed in" : "sign in first", token: async () => mine ?? stop("Sign in first: there is no token to send yet.") },
    { id: "tampered", name: "Tampered", about: mine ? "promoted to admins" : "made up here", token: async () => tampered(mine, config) },
    { id: "expired", name: "Expired", about: "well signed, too old", token: expiredToken },
    { id: "none", name: "No token", about: "no header at all", token: async () => null },
  ];
  if (pastedToken()) list.push({ id: "pasted", name: "Pasted", about: "from the box below", token: async () => pastedToken() });
  return list;
}

function stop(message) {
  throw new Error(message);
}

/** Only a pool can sign for itself: the embedded one mints an old token, a real one never will. */
async function expiredToken() {
  if (!config.embedded) return keptExpired();
  const mine = myToken() ?? stop("Sign in first: the pool mints an expired token for the user who is signed in.");
  const response = await fetch("/demo/expired-token", {
    method: "POST",
    headers: { Authorization: `Bearer ${mine}` },
    cache: "no-store",
    credentials: "omit",
  });
  if (!response.ok) stop(`The pool mints an expired token only for a user with a good one (status ${response.status}). Sign in again.`);
  return (await response.json()).token;
}

function keptExpired() {
  const kept = keptToken() ?? stop("There is no kept token. See below how to come by an expired one.");
  const left = secondsLeft(kept);
  if (left > 0) stop(`The kept token is still good for ${span(left)}. Come back then, or paste an expired one.`);
  return kept;
}

async function send(row, path, { show = true } = {}) {
  const key = `${row.id} ${path}`;
  const mine = answers;
  let answer;
  try {
    answer = await ask(path, await row.token());
  } catch (error) {
    const problem = error instanceof TypeError ? "The request could not be sent. Is the server up, and is the token plain ASCII?" : error.message;
    answer = { path, problem };
  }
  // Somebody else has signed in since: the answer belongs to a session that is over.
  if (mine !== answers) return;
  answers.set(key, answer);
  if (show) shown = key;
  drawMatrix();
  showAnswer();
}

async function sendAll() {
  const button = byId("probe-all");
  button.disabled = true;
  for (const row of rows()) {
    for (const path of ROUTES) await send(row, path, { show: false });
  }
  button.disabled = false;
}

function drawMatrix() {
  const focused = document.activeElement?.dataset?.cell;
  const table = byId("matrix");
  table.tHead.replaceChildren(el("tr", {},
    el("td", {}),
    ROUTES.map((path) => el("th", { scope: "col" }, el("code", {}, breakable(path))))));
  table.tBodies[0].replaceChildren(...rows().map((row) => el("tr", {},
    el("th", { scope: "row" }, row.name, el("small", {}, row.about)),
    ROUTES.map((path) => el("td", {}, cell(row, path))))));
  // The table was drawn anew; the keyboard stays where it was.
  if (focused) table.querySelector(`[data-cell="${CSS.escape(focused)}"]`)?.focus();
}

function cell(row, path) {
  const key = `${row.id} ${path}`;
  const answer = answers.get(key);
  const text = !answer ? "send" : answer.problem ? "–" : String(answer.status);
  return el("button", {
    type: "button",
    class: answer?.status ? tone(answer.status) : "unsent",
    "data-cell": key,
    "aria-current": shown === key ? "true" : null,
    "aria-label": `${row.name} to ${path}${answer?.status ? `: ${answer.status}` : ""}`,
    onclick: () => send(row, path),
  }, text);
}

function showAnswer() {
  const answer = answers.get(shown);
  byId("answer").replaceChildren(...(answer ? drawAnswer(answer) : []));
}

const pastedToken = () => byId("pasted").value.trim().replace(/^Bearer\s+/i, "");

function drawExpiredHelp() {
  const place = byId("expired-help");
  place.hidden = config.embedded;
  if (config.embedded) return;
  const keep = el("button", { type: "button", class: "small", disabled: myToken() === null, onclick: () => { setKeptToken(myToken()); drawExpiredHelp(); } }, "Keep your token for later");
  const drop = keptToken() ? el("button", { type: "button", class: "small", onclick: () => { setKeptToken(null); drawExpiredHelp(); } }, "Forget it") : null;
  place.replaceChildren(el("p", { class: "notice" },
    "Only the pool can sign a token, and it never signs an expired one. Keep a token in this browser, come back after its time, and send it then; or paste an old one below. ",
    el("span", { id: "kept" }, keptState()), " ", keep, " ", drop));
}

function keptState() {
  const kept = keptToken();
  if (!kept) return "None is kept yet.";
  const left = secondsLeft(kept);
  return left > 0 ? `One is kept, and expires in ${span(left)}.` : "One is kept, and has expired: the row above can send it.";
}

start();
