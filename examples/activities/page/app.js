// Starts the page and draws the user pool, the feed and the claims.

import { drawClaimTable, drawLegend, drawToken } from "./claims.js";
import { byId, el } from "./dom.js";
import { drawExpiredHelp, drawKeptState } from "./expired.js";
import { drawActivity } from "./feed.js";
import { resetMatrix, startMatrix } from "./matrix.js";
import { ask } from "./response.js";
import { sessionChanged, sessionRejected, startSession } from "./session.js";
import { myToken, onOtherTab } from "./storage.js";
import { claimsOf } from "./token.js";

/** Whether to load the feed without the token although there is one. */
let anonymously = false;
/** Counts the requests for the feed, because an earlier response may arrive later. */
let feedRequest = 0;

async function start() {
  let config;
  try {
    config = await (await fetch("/config.json", { cache: "no-store" })).json();
  } catch {
    byId("signin-message").textContent = "The page could not load its settings. Check that the server is running.";
    return;
  }
  drawPool(config);
  drawKeys();
  startMatrix(config, sessionRejected);
  byId("feed-as").addEventListener("click", (event) => {
    if (!event.target.value) return;
    anonymously = event.target.value === "anonymous";
    drawFeed();
  });
  startSession(config, () => {
    anonymously = false;
    drawExpiredHelp(config);
    resetMatrix();
    drawFeed();
    drawClaims();
  });
  onOtherTab(sessionChanged, () => drawExpiredHelp(config));
  setInterval(drawKeptState, 5000);
}

function drawPool(config) {
  const fact = (name, ...value) => el("div", {}, el("dt", {}, name), el("dd", {}, ...value));
  byId("pool").replaceChildren(
    fact("User pool", el("code", {}, config.pool_id), config.embedded ? " (embedded in this process)" : ""),
    fact(config.client_ids.length === 1 ? "App client" : "App clients", el("code", {}, config.client_ids.join(", ") || "any")),
    fact("Accepts", { access: "access tokens", id: "ID tokens", any: "access and ID tokens" }[config.token_use]),
    el("div", { id: "keys" }),
  );
}

/** Shows whether the server has the keys of the pool, and asks again until they are loaded. */
async function drawKeys() {
  let ready = false;
  try {
    // The body must be read to its end, or the browser keeps the request open.
    ready = (await (await fetch("/readyz", { cache: "no-store" })).json()).ready === true;
  } catch {
    // An unavailable server is shown as "not loaded".
  }
  byId("keys").replaceChildren(
    el("dt", {}, "Keys"),
    el("dd", {}, el("span", { class: `dot ${ready ? "good" : "bad"}`, "aria-hidden": "true" }), el("a", { href: "/readyz" }, ready ? "loaded" : "not loaded")),
  );
  if (!ready) setTimeout(drawKeys, 3000);
}

async function drawFeed() {
  const request = ++feedRequest;
  const list = byId("activities");
  const withToken = myToken() !== null && !anonymously;
  for (const button of byId("feed-as").children) {
    button.disabled = myToken() === null;
    button.setAttribute("aria-pressed", String((button.value === "self") === withToken));
  }
  let response;
  let feed;
  try {
    response = await ask("/api/activities/home", withToken ? myToken() : null);
    feed = JSON.parse(response.body);
  } catch {
    if (request !== feedRequest) return;
    byId("feed-wire").textContent = "The feed could not be loaded. Check that the server is running.";
    return list.replaceChildren();
  }
  if (request !== feedRequest) return;
  byId("feed-wire").replaceChildren(
    el("code", {}, "GET /api/activities/home"), ` → ${response.status}, `, el("code", {}, `x-viewer: ${response.viewer}`),
  );
  list.replaceChildren(...feed.map(drawActivity));
  if (!feed.length) list.append(el("li", { class: "empty" }, "There are no recent activities."));
}

async function drawClaims() {
  const token = myToken();
  const place = byId("claims");
  if (token === null) {
    place.replaceChildren(el("p", { class: "empty" }, "You are anonymous. Sign in to see the claims of your token."));
    return;
  }
  const response = await ask("/api/me", token).catch(() => null);
  if (token !== myToken()) return;
  const claims = claimsOf(token);
  place.replaceChildren(
    drawToken(token),
    drawLegend(),
    claims
      ? drawClaimTable(claims, response?.status === 200 ? JSON.parse(response.body) : null)
      : el("p", { class: "notice bad" }, "This token cannot be decoded."),
    el("p", { class: "hint" }, "Decoding proves nothing, because anyone can create a token. The last column contains what the server "
      + "returned after it had verified the signature, issuer, client and expiry."));
}

start();
