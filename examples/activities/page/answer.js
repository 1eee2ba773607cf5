// One request to the API, and everything of its answer that is worth reading.

import { el } from "./dom.js";

/** Sends a request, with a token or without one. */
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
    reason: response.statusText,
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

/** The whole answer: status, meaning, headers, body, and how to ask again. */
export function drawAnswer(answer) {
  const title = el("h3", {}, el("code", {}, `GET ${answer.path}`));
  if (answer.problem) return [title, el("p", { class: "notice warn" }, answer.problem)];
  title.prepend(el("span", { class: `status ${tone(answer.status)}` }, `${answer.status} ${answer.reason}`.trim()));
  return [
    title,
    el("p", { class: "meaning" }, meaning(answer)),
    ...headerBlock(answer),
    el("h4", {}, `Body, ${answer.type.split(";")[0] || "empty"}, ${answer.ms.toFixed(1)} ms`),
    el("pre", { tabindex: "0", role: "region", "aria-label": "Body" }, pretty(answer)),
    ...curlBlock(answer),
  ];
}

/** What the answer means, in a sentence. The codes are those of RFC 6750, section 3.1. */
function meaning(answer) {
  const error = /\berror="?([a-z_]+)/.exec(answer.challenge ?? "")?.[1];
  switch (answer.status) {
    case 200:
      if (answer.path !== "/api/activities/home") return "Accepted: the handler ran with verified claims.";
      return answer.viewer === "anonymous"
        ? "Everybody gets the feed. Nothing here proved who asks, so it is the anonymous one."
        : `Everybody gets the feed. This one is for ${decodeURIComponent(answer.viewer)}, and holds their own activity too.`;
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
