// The page of the example. Top to bottom: what it remembers, how it signs in, what it asks the
// API, and how it draws the answers. Text reaches the document through `append` and
// `textContent` only, so nothing a server or a token says can become markup.

const TOKEN_KEY = "access_token";
const KEPT_KEY = "kept_token";

const ROUTES = ["/api/me", "/api/admin", "/api/activities/home"];

/** What the server told us about the pool: see `page.rs`. */
let config = null;
/** The answers of the matrix, by "row route". */
let answers = new Map();
/** The cell of the matrix whose answer is shown. */
let shown = null;
/** Whether to read the feed without the token, although there is one. */
let anonymously = false;

// ---- what the page remembers -------------------------------------------------

// A browser may refuse storage altogether; then a session lasts as long as the page.
const fallback = new Map();

function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return fallback.get(key) ?? null;
  }
}

function remember(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    if (value === null) fallback.delete(key);
    else fallback.set(key, value);
  }
}

const myToken = () => recall(TOKEN_KEY);
const keptToken = () => recall(KEPT_KEY);
const pastedToken = () => byId("pasted").value.trim().replace(/^Bearer\s+/i, "");

// ---- looking into a token -----------------------------------------------------

// Decoding is not verifying: anybody can read a token, and anybody can write one. The page uses
// this to show a token, never to decide anything.

function decodePart(part) {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

function encodePart(value) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function claimsOf(token) {
  try {
    const claims = decodePart(token.split(".")[1]);
    return claims !== null && typeof claims === "object" && !Array.isArray(claims) ? claims : null;
  } catch {
    return null;
  }
}

const nameIn = (claims) => claims?.username ?? claims?.["cognito:username"] ?? claims?.client_id ?? claims?.sub;
const groupsIn = (claims) => (Array.isArray(claims?.["cognito:groups"]) ? claims["cognito:groups"] : []);
const now = () => Date.now() / 1000;

/** The same token with a promotion written into it, under the signature of the old text. */
function tampered(token) {
  const claims = token && claimsOf(token);
  if (!claims) return madeUp();
  const [header, , signature] = token.split(".");
  const better = { ...claims, "cognito:groups": ["admins"], exp: Math.floor(now()) + 86_400 };
  return [header, encodePart(better), signature].join(".");
}

/** A token nobody ever signed, for visitors who have none to tamper with. */
function madeUp() {
  const header = { alg: "RS256", kid: "made-up-in-a-browser" };
  const id = config.token_use === "id";
  const claims = {
    sub: "00000000-0000-4000-8000-000000000000",
    iss: config.issuer,
    [id ? "aud" : "client_id"]: config.client_ids[0],
    [id ? "cognito:username" : "username"]: "nobody",
    token_use: id ? "id" : "access",
    "cognito:groups": ["admins"],
    exp: Math.floor(now()) + 3600,
  };
  return [encodePart(header), encodePart(claims), "A".repeat(342)].join(".");
}

// ---- signing in ------------------------------------------------------------------

/** One `InitiateAuth` request, as any AWS SDK would send it. Resolves to a token or throws. */
async function initiateAuth(username, password, clientId) {
  let response;
  try {
    response = await fetch(config.endpoint, {
      method: "POST",
      headers: {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
      },
      body: JSON.stringify({
        AuthFlow: "USER_PASSWORD_AUTH",
        ClientId: clientId,
        AuthParameters: { USERNAME: username, PASSWORD: password },
      }),
      cache: "no-store",
      credentials: "omit",
    });
  } catch {
    throw new Error(`No answer from ${endpointName()}. Is it up, and does it allow requests from this origin?`);
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Error(refusal(response.status, answer));
  const result = answer?.AuthenticationResult;
  if (!result) throw new Error(challengeMessage(answer?.ChallengeName));
  const token = config.token_use === "id" ? result.IdToken : result.AccessToken;
  if (!token) throw new Error("The pool signed you in but sent no token of the kind this server accepts.");
  return token;
}

function refusal(status, answer) {
  // `__type` may carry a namespace before a `#`; older services put a URL after a `:`.
  const type = String(answer?.__type ?? "").split("#").pop().split(":")[0];
  const message = String(answer?.message ?? answer?.Message ?? "");
  if (/SECRET_HASH|client secret/i.test(message)) {
    return "This app client has a secret, and a web page cannot keep one. Use an app client without a secret.";
  }
  if (/USER_PASSWORD_AUTH/.test(message) && /not enabled/i.test(message)) {
    return "This app client does not allow USER_PASSWORD_AUTH. Enable that flow for it, or paste a token below.";
  }
  switch (type) {
    case "UserNotConfirmedException":
      return "This account is not confirmed yet. Confirm it first, then sign in here.";
    case "PasswordResetRequiredException":
      return "This account must have its password reset before it can sign in.";
    case "TooManyRequestsException":
    case "LimitExceededException":
      return "The pool asks to slow down. Wait a moment, then try again.";
    default:
      return message || (type ? `The pool refused: ${type}.` : `The pool answered with status ${status}.`);
  }
}

function challengeMessage(name) {
  switch (name) {
    case "NEW_PASSWORD_REQUIRED":
      return "The password is right, but it is a temporary one: the pool wants a new password first. "
        + "Set a permanent one (aws cognito-idp admin-set-user-password --permanent), then sign in here.";
    case "SMS_MFA":
    case "SOFTWARE_TOKEN_MFA":
    case "EMAIL_OTP":
    case "SMS_OTP":
    case "SELECT_MFA_TYPE":
      return `The password is right, and the pool asks for a second factor (${name}). This page only knows passwords.`;
    case "MFA_SETUP":
      return "The password is right, but this account must set up a second factor first (MFA_SETUP).";
    default:
      return name
        ? `The pool asks for one more step (${name}). This page only knows passwords.`
        : "The pool answered without tokens and without a challenge.";
  }
}

async function signIn(username, password, clientId) {
  say("Signing in …");
  busy(true);
  try {
    startSession(await initiateAuth(username, password, clientId));
    byId("password").value = "";
    say("");
  } catch (error) {
    say(error.message, "bad");
  } finally {
    busy(false);
  }
}

function startSession(token) {
  remember(TOKEN_KEY, token);
  anonymously = false;
  sessionChanged();
}

function signOut() {
  remember(TOKEN_KEY, null);
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

const endpointName = () => (config.embedded ? "this server" : config.endpoint);

// ---- asking the API -----------------------------------------------------------------

/** One request and everything of its answer that is worth reading. */
async function ask(path, token) {
  const started = performance.now();
  const response = await fetch(path, {
    headers: token === null ? {} : { Authorization: `Bearer ${token}` },
    cache: "no-store",
    credentials: "omit",
  });
  const body = await response.text();
  const header = (name) => response.headers.get(name);
  return {
    path,
    token,
    status: response.status,
    reason: response.statusText,
    challenge: header("www-authenticate"),
    viewer: header("x-viewer"),
    retryAfter: header("retry-after"),
    type: header("content-type") ?? "",
    body,
    ms: performance.now() - started,
  };
}

/** The rows of the matrix: what is sent, and where its token comes from. */
function rows() {
  const mine = myToken();
  const list = [
    { id: "own", name: "Your token", about: mine ? "as you signed in" : "sign in first", token: async () => mine ?? stop("Sign in first: there is no token to send yet.") },
    { id: "tampered", name: "Tampered", about: mine ? "promoted to admins" : "made up here", token: async () => tampered(mine) },
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
  const left = (claimsOf(kept)?.exp ?? 0) - now();
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
  drawAnswer();
}

async function sendAll() {
  const button = byId("probe-all");
  button.disabled = true;
  for (const row of rows()) {
    for (const path of ROUTES) await send(row, path, { show: false });
  }
  button.disabled = false;
}

/** What the answer means, in a sentence. The codes are those of RFC 6750, section 3.1. */
function meaning(answer) {
  const error = /\berror="?([a-z_]+)/.exec(answer.challenge ?? "")?.[1];
  switch (answer.status) {
    case 200:
      if (answer.path !== "/api/activities/home") return "Accepted: the handler ran with verified claims.";
      return answer.viewer === "anonymous"
        ? "Everybody gets the feed. Nothing here proved who asks, so it is the anonymous one."
        : `Everybody gets the feed. This one is for ${answer.viewer}, and holds their own activity too.`;
    case 400:
      return "Malformed: this is not one bearer token, so there is nothing to verify.";
    case 401:
      if (/has expired/.test(answer.challenge ?? "")) return "Genuine, but too old. Only the owner of a real token learns that: it is time to sign in again.";
      return error
        ? "Refused: the token did not pass. A stranger learns no more than this; the reason is in the server’s log."
        : "Nothing was sent, so the challenge only names the scheme: no error has happened yet.";
    case 403:
      return "The token is good, but it does not reach this far: its user is not in the group.";
    case 503:
      return `The keys of the pool are not loaded yet, which is not the token’s fault.${answer.retryAfter ? ` Try again in ${answer.retryAfter} s.` : ""}`;
    default:
      return "";
  }
}

// ---- drawing: small tools ------------------------------------------------------------

function byId(id) {
  return document.getElementById(id);
}

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** A path that may wrap before each of its slashes. */
const breakable = (path) => path.split(/(?=\/)/).flatMap((part) => [el("wbr"), part]);

function face(name, size = "") {
  if (!name) return el("span", { class: `face nobody ${size}`, "aria-hidden": "true" }, "?");
  const letters = [...String(name)];
  const hue = letters.reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 6;
  return el("span", { class: `face hue-${hue} ${size}`, "aria-hidden": "true" }, letters[0]);
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const UNITS = [["year", 31_557_600], ["month", 2_629_800], ["week", 604_800], ["day", 86_400], ["hour", 3600], ["minute", 60]];

function ago(seconds) {
  const distance = seconds - now();
  const [unit, size] = UNITS.find(([, length]) => Math.abs(distance) >= length) ?? ["second", 1];
  return relative.format(Math.round(distance / size), unit);
}

function span(seconds) {
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? ["second", 1];
  const count = Math.round(seconds / size);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

function time(seconds) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return document.createTextNode(String(seconds));
  return el("time", { datetime: date.toISOString(), title: absolute.format(date) }, ago(seconds));
}

const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;
const show = (value) => (typeof value === "string" ? value : JSON.stringify(value));

// ---- drawing: who you are ---------------------------------------------------------------

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

function drawViewer(claims) {
  const name = nameIn(claims);
  byId("viewer").replaceChildren(face(name, "tiny"), el("span", {}, name ?? "Anonymous"));
}

function drawSession(claims) {
  const signedIn = myToken() !== null;
  const session = byId("session");
  session.hidden = !signedIn;
  byId("signin-form").hidden = signedIn || !canSignIn();
  byId("signin-title").textContent = signedIn ? "Signed in" : "Sign in";
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

/** How long the token still lives; runs every few seconds, and is not read aloud. */
function drawLife() {
  const claims = claimsOf(myToken() ?? "");
  const text = byId("life");
  if (!claims || !text) return;
  const left = claims.exp - now();
  text.textContent = left > 0 ? `This token expires in ${span(left)}.` : "This token has expired: sign in again.";
  byId("life-bar").value = Math.min(1, Math.max(0, left / (claims.exp - (claims.iat ?? claims.exp - 3600)))) || 0;
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

// ---- drawing: the feed -----------------------------------------------------------------------

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

function drawActivity(activity) {
  const mine = activity.audience === "you";
  return el("li", {},
    el("article", { class: mine ? "activity mine" : "activity" },
      face(activity.display_name),
      el("div", {},
        byline(activity, mine ? el("span", { class: "chip" }, "only you see this") : null),
        el("p", { class: "message" }, activity.message),
        mine ? null : el("p", { class: "counts" },
          el("span", {}, count(activity.likes, "like", "likes")),
          el("span", {}, count(activity.replies.length, "reply", "replies"))),
        activity.replies.length
          ? el("ul", { class: "replies" }, activity.replies.map((reply) => el("li", {}, byline(reply), el("p", { class: "message" }, reply.message))))
          : null,
      )));
}

function byline(post, extra = null) {
  return el("p", { class: "by" }, el("b", {}, post.display_name), el("span", {}, `@${post.handle}`), time(post.created_at), extra);
}

// ---- drawing: the claims -----------------------------------------------------------------------

/** What each claim says, and which member of /api/me repeats it. */
const CLAIMS = {
  sub: ["who: the pool’s id for this user", "sub"],
  username: ["the name they sign in with", "username"],
  "cognito:username": ["the name they sign in with", "username"],
  client_id: ["the app client it was issued to", "client_id"],
  aud: ["the app client it was issued to", "client_id"],
  token_use: ["access or ID token", "token_use"],
  "cognito:groups": ["groups of the user", "groups"],
  scope: ["what the client may do", "scopes"],
  exp: ["not valid from then on", "expires_at"],
  iat: ["issued"],
  auth_time: ["signed in"],
  iss: ["the pool that signed it"],
  jti: ["id of this token"],
  origin_jti: ["id of the sign-in it came from"],
  event_id: ["id of the sign-in event"],
  version: ["version of the token’s form"],
};

const TIMES = new Set(["exp", "iat", "auth_time", "nbf"]);

async function drawClaims() {
  const token = myToken();
  const place = byId("claims");
  if (token === null) {
    return place.replaceChildren(el("p", { class: "empty" }, "You are anonymous: no token, no claims."));
  }
  const claims = claimsOf(token);
  const answer = await ask("/api/me", token).catch(() => null);
  if (token !== myToken()) return;
  const me = answer?.status === 200 ? JSON.parse(answer.body) : null;
  // An access token may carry an `aud` beside its `client_id`; only one of them is the client.
  const client = claims && "client_id" in claims ? "client_id" : "aud";
  const row = ([name, value]) => {
    const [about, member] = CLAIMS[name] ?? [null, null];
    const repeated = member && !(member === "client_id" && name !== client) ? member : null;
    return el("tr", {},
      el("th", { scope: "row" }, el("code", {}, name), about ? el("small", {}, about) : null),
      el("td", {}, el("code", {}, show(value)), TIMES.has(name) ? el("small", {}, time(value)) : null),
      el("td", {}, me && repeated ? el("code", {}, show(me[repeated])) : "—"));
  };
  place.replaceChildren(
    ...refusedNotice(answer),
    drawToken(token),
    el("p", { class: "legend" },
      el("span", {}, el("b", { class: "p1" }, "header"), " names the key"),
      el("span", {}, el("b", { class: "p2" }, "claims"), " say who"),
      el("span", {}, el("b", { class: "p3" }, "signature"), " makes it true")),
    claims
      ? el("div", { class: "scroll" }, el("table", { class: "claim-table" },
        el("caption", { class: "visually-hidden" }, "The claims of your token, and what the server says about them"),
        el("thead", {}, el("tr", {},
          el("th", { scope: "col" }, "Claim"),
          el("th", { scope: "col" }, "In the token, decoded here"),
          el("th", { scope: "col" }, me ? "Verified, from /api/me" : "/api/me refused"))),
        el("tbody", {}, Object.entries(claims).map(row))))
      : el("p", { class: "notice bad" }, "This token cannot be decoded."),
    el("p", { class: "hint" }, "Decoding is no proof: anybody can read a token, and write one. The last column is what the server "
      + "answered after it had verified signature, issuer, client and expiry."));
}

function refusedNotice(answer) {
  if (!answer || answer.status === 200) return [];
  const text = answer.status === 503
    ? "The server cannot verify tokens yet: it has no keys."
    : "The server does not accept this token any more (it expired, or the server has a new pool since). The feed treats you as anonymous. Sign in again.";
  return [el("p", { class: "notice warn" }, text)];
}

function drawToken(token) {
  const parts = token.split(".");
  return el("pre", { class: "token", tabindex: "0", role: "region", "aria-label": "Your token" },
    parts.flatMap((part, index) => [index ? "." : null, el("span", { class: `p${index + 1}` }, part)]));
}

// ---- drawing: the matrix of requests ----------------------------------------------------------------

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

function tone(status) {
  if (status < 300) return "good";
  return status === 403 || status === 503 ? "warn" : "bad";
}

function drawAnswer() {
  const place = byId("answer");
  const answer = answers.get(shown);
  if (!answer) return place.replaceChildren();
  const title = el("h3", {}, el("code", {}, `GET ${answer.path}`));
  if (answer.problem) return place.replaceChildren(title, el("p", { class: "notice warn" }, answer.problem));
  title.prepend(el("span", { class: `status ${tone(answer.status)}` }, `${answer.status} ${answer.reason}`.trim()));
  place.replaceChildren(
    title,
    el("p", { class: "meaning" }, meaning(answer)),
    ...headerBlock(answer),
    el("h4", {}, `Body, ${answer.type.split(";")[0] || "empty"}, ${answer.ms.toFixed(1)} ms`),
    el("pre", { tabindex: "0", role: "region", "aria-label": "Body" }, pretty(answer)),
    ...curlBlock(answer),
  );
}

function headerBlock(answer) {
  const lines = [
    ["www-authenticate", answer.challenge],
    ["retry-after", answer.retryAfter],
    ["x-viewer", answer.viewer],
  ].filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}`);
  return lines.length ? [el("h4", {}, "Headers"), el("pre", {}, lines.join("\n"))] : [];
}

function pretty(answer) {
  try {
    return JSON.stringify(JSON.parse(answer.body), null, 2);
  } catch {
    return answer.body || "(empty)";
  }
}

function curlBlock(answer) {
  const url = new URL(answer.path, location.href).href;
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const before = "curl -i";
  const line = answer.token === null
    ? `${before} ${quoted(url)}`
    : `${before} -H ${quoted(`Authorization: Bearer ${answer.token}`)} ${quoted(url)}`;
  const [start, end] = answer.token === null ? [line, ""] : line.split(answer.token);
  const copied = el("span", { class: "visually-hidden", role: "status" });
  const copy = async (event) => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(line);
      button.textContent = copied.textContent = "Copied";
    } catch {
      button.textContent = copied.textContent = "Select it by hand";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
  return [
    el("div", { class: "line" }, el("h4", {}, "The same with curl"), copied, el("button", { type: "button", class: "small", onclick: copy }, "Copy")),
    el("pre", {}, start, answer.token === null ? null : el("span", { class: "elided" }, answer.token), end),
  ];
}

function drawExpiredHelp() {
  const place = byId("expired-help");
  place.hidden = config.embedded;
  if (config.embedded) return;
  const kept = keptToken();
  const left = kept ? (claimsOf(kept)?.exp ?? 0) - now() : 0;
  const state = !kept ? "None is kept yet."
    : left > 0 ? `One is kept, and expires in ${span(left)}.`
      : "One is kept, and has expired: the row above can send it.";
  const keep = el("button", { type: "button", class: "small", disabled: myToken() === null, onclick: () => { remember(KEPT_KEY, myToken()); drawExpiredHelp(); } }, "Keep your token for later");
  const drop = kept ? el("button", { type: "button", class: "small", onclick: () => { remember(KEPT_KEY, null); drawExpiredHelp(); } }, "Forget it") : null;
  place.replaceChildren(el("p", { class: "notice" },
    "Only the pool can sign a token, and it never signs an expired one. Keep a token in this browser, come back after its time, and send it then; or paste an old one below. ",
    state, " ", keep, " ", drop));
}

// ---- the life of the page -------------------------------------------------------------------------------

function sessionChanged() {
  answers = new Map();
  shown = null;
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
  // Another tab signed in or out.
  addEventListener("storage", (event) => {
    if (event.key === TOKEN_KEY || event.key === null) sessionChanged();
    else if (event.key === KEPT_KEY) drawExpiredHelp();
  });
  setInterval(drawLife, 5000);
}

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

start();
