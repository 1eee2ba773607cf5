// Sends one API request and explains its response.

import { el } from "./dom.js";

const HOME = "/api/activities/home";

/** Sends a request with a token, or without one if it is null. */
export async function ask(path, token) {
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
    title: `${response.status} ${response.statusText}`.trim(),
    challenge: header("www-authenticate"),
    viewer: header("x-viewer"),
    retryAfter: header("retry-after"),
    type: header("content-type") ?? "",
    body,
    ms: performance.now() - started,
  };
}

export function tone(status) {
  if (status < 300) return "good";
  return status === 403 || status === 503 ? "warn" : "bad";
}

/** Returns the `error` code of the challenge (RFC 6750, section 3.1), if it has one. */
const errorCode = (response) => /\berror="?([a-z_]+)/.exec(response.challenge ?? "")?.[1];
const isExpired = (response) => /has expired/.test(response.challenge ?? "");

/** Returns the reason for the status in two or three words. */
export function reason(response) {
  switch (response.status) {
    case 200: return response.path === HOME ? decodeURIComponent(response.viewer ?? "") : "accepted";
    case 400: return "malformed";
    case 401: return isExpired(response) ? "expired" : errorCode(response) ? "invalid token" : "no token";
    case 403: return "not in group";
    case 503: return "no keys yet";
    default: return "";
  }
}

/** Returns the reason for the status in a sentence or two. */
export function explanation(response) {
  switch (response.status) {
    case 200:
      if (response.path !== HOME) return "The token is valid, and its user satisfies the rule of this route.";
      return response.viewer === "anonymous"
        ? "This route is public. The request has no valid token, so the response is the anonymous feed."
        : `This route is public. The token is valid, so the feed also contains the activity of ${decodeURIComponent(response.viewer)}.`;
    case 400:
      return "The request does not contain exactly one well-formed bearer token.";
    case 401:
      if (isExpired(response)) return "The signature is valid, but the token has expired. Sign in again.";
      return errorCode(response)
        ? "The token is not valid. The response does not say why, but the server’s log does."
        : "The request has no token. This is not an error yet, so the challenge contains no error code.";
    case 403:
      return "The token is valid, but its user is not a member of the required group.";
    case 503:
      return `The server has not loaded the keys of the user pool yet.${response.retryAfter ? ` Try again in ${response.retryAfter} s.` : ""}`;
    default:
      return "";
  }
}

/** Draws the status, the reason, the headers, the body, and a curl command for the same request. */
export function drawResponse(response) {
  const request = el("code", {}, `GET ${response.path}`);
  if (response.problem) return [el("h3", {}, request), el("p", { class: "notice warn" }, response.problem)];
  return [
    el("h3", {}, el("span", { class: `status ${tone(response.status)}` }, response.title), request),
    el("p", { class: "meaning" }, explanation(response)),
    ...headerBlock(response),
    el("h4", {}, `Body: ${response.type.split(";")[0] || "empty"}, after ${response.ms.toFixed(1)} ms`),
    el("pre", { tabindex: "0", role: "region", "aria-label": "Body" }, pretty(response)),
    ...curlBlock(response),
  ];
}

function headerBlock(response) {
  const lines = [
    ["www-authenticate", response.challenge],
    ["retry-after", response.retryAfter],
    ["x-viewer", response.viewer],
  ].filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}`);
  return lines.length ? [el("h4", {}, "Headers"), el("pre", {}, lines.join("\n"))] : [];
}

function pretty(response) {
  try {
    return JSON.stringify(JSON.parse(response.body), null, 2);
  } catch {
    return response.body || "(empty)";
  }
}

function curlBlock({ path, token }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const url = quoted(new URL(path, location.href).href);
  const line = token === null ? `curl -i ${url}` : `curl -i -H ${quoted(`Authorization: Bearer ${token}`)} ${url}`;
  const [start, end] = token === null ? [line, ""] : line.split(token);
  return [
    el("div", { class: "line" }, el("h4", {}, "As a curl command"), ...copyButton(line)),
    el("pre", {}, start, token === null ? null : el("span", { class: "elided" }, token), end),
  ];
}

function copyButton(line) {
  const copied = el("span", { class: "visually-hidden", role: "status" });
  const copy = async (event) => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(line);
      button.textContent = copied.textContent = "Copied";
    } catch {
      button.textContent = copied.textContent = "Copying failed";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
  return [copied, el("button", { type: "button", class: "small", onclick: copy }, "Copy")];
}
