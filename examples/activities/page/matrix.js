// Draws the table of requests, with one row for each kind of token and one column for each route.

import { breakable, byId, el } from "./dom.js";
import { ask, drawResponse, explanation, reason, tone } from "./response.js";
import { expiredToken } from "./expired.js";
import { myToken } from "./storage.js";
import { falseClaim, tampered } from "./token.js";

const ROUTES = [
  ["/api/me", "valid token required"],
  ["/api/admin", "group admins required"],
  ["/api/activities/home", "public"],
];

let config;
let onRejected;
/** The responses of this session, by "row route". */
let responses = new Map();
/** The key of the cell whose response is shown. */
let selected = null;

export function startMatrix(settings, rejected) {
  config = settings;
  onRejected = rejected;
  byId("probe-all").addEventListener("click", async () => {
    await sendAll();
    byId("response-status").textContent = "All requests were sent again.";
  });
  byId("pasted").addEventListener("input", () => {
    for (const [path] of ROUTES) responses.delete(`pasted ${path}`);
    drawTable();
  });
}

/** Drops the responses of the previous session and sends every request again. */
export function resetMatrix() {
  responses = new Map();
  selected = `${myToken() === null ? "none" : "own"} /api/me`;
  drawTable();
  sendAll();
}

/** Returns the rows of the table. The function `token` of a row provides the token to send. */
function rows() {
  const mine = myToken();
  const list = [
    { id: "own", name: "Your token", about: "from the sign-in", token: async () => mine ?? fail("sign in first", "Sign in first. There is no token to send yet.") },
    { id: "tampered", name: "Tampered token", about: falseClaim(mine), token: async () => tampered(mine, config) },
    { id: "expired", name: "Expired token", about: "validly signed", token: () => expiredToken(config, fail) },
    { id: "none", name: "No token", about: "no Authorization header", token: async () => null },
  ];
  if (pastedToken()) list.push({ id: "pasted", name: "Pasted token", about: "from the field below", token: async () => pastedToken() });
  return list;
}

const pastedToken = () => byId("pasted").value.trim().replace(/^Bearer\s+/i, "");

/** Ends a request that has no token to send. */
function fail(short, message) {
  throw Object.assign(new Error(message), { short });
}

async function send(row, path) {
  const key = `${row.id} ${path}`;
  const session = responses;
  let response;
  try {
    response = await ask(path, await row.token());
  } catch (error) {
    response = error.short
      ? { path, short: error.short, problem: error.message }
      : { path, short: "not sent", problem: "The request failed. Check that the server is running and that the token is plain ASCII." };
  }
  // If another session has begun, the response belongs to the previous one.
  if (session !== responses) return;
  responses.set(key, response);
  if (row.id === "own" && response.status === 401) onRejected();
  drawCell(row, path);
  if (key === selected) showResponse();
}

async function sendAll() {
  await Promise.all(rows().flatMap((row) => ROUTES.map(([path]) => send(row, path))));
}

async function select(row, path) {
  const before = selected;
  selected = `${row.id} ${path}`;
  if (before) byId("matrix").querySelector(`[data-cell="${before}"]`)?.removeAttribute("aria-current");
  await send(row, path);
  const response = responses.get(selected);
  if (selected === `${row.id} ${path}` && response) {
    byId("response-status").textContent = `${row.name}, ${path}: ${response.problem ?? `${response.title}. ${explanation(response)}`}`;
  }
}

function drawTable() {
  const table = byId("matrix");
  table.tHead.replaceChildren(el("tr", {},
    el("td", {}),
    ROUTES.map(([path, rule]) => el("th", { scope: "col" }, el("code", {}, breakable(path)), el("small", {}, rule)))));
  table.tBodies[0].replaceChildren(...rows().map((row) => el("tr", {},
    el("th", { scope: "row" }, row.name, el("small", {}, row.about)),
    ROUTES.map(([path]) => el("td", {}, el("button", { type: "button", "data-cell": `${row.id} ${path}`, onclick: () => select(row, path) }))))));
  for (const row of rows()) for (const [path] of ROUTES) drawCell(row, path);
  showResponse();
}

/** Updates a cell in place, so that it keeps the focus and a click on it is not lost. */
function drawCell(row, path) {
  const key = `${row.id} ${path}`;
  const cell = byId("matrix").querySelector(`[data-cell="${key}"]`);
  if (!cell) return;
  const response = responses.get(key);
  const [status, why] = !response ? ["…", "send"] : response.problem ? ["–", response.short] : [String(response.status), reason(response)];
  cell.className = response?.status ? tone(response.status) : "unsent";
  cell.replaceChildren(el("b", {}, status), " ", el("small", {}, why));
  cell.setAttribute("aria-label", `${row.name}, ${path}: ${status === "–" ? "" : status} ${why}`);
  if (key === selected) cell.setAttribute("aria-current", "true");
}

function showResponse() {
  const response = responses.get(selected);
  byId("response").replaceChildren(...(response ? drawResponse(response) : []));
}
