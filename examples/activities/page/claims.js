// Draws a token and compares its claims with the claims that the server has verified.

import { el, show, time } from "./dom.js";

/** The meaning of each claim, and the member of /api/me with the same content. */
const CLAIMS = {
  sub: ["the pool’s ID for this user", "sub"],
  username: ["the username", "username"],
  "cognito:username": ["the username", "username"],
  client_id: ["the app client", "client_id"],
  aud: ["the app client", "client_id"],
  token_use: ["access or ID token", "token_use"],
  "cognito:groups": ["the user’s groups", "groups"],
  scope: ["what the client may do", "scopes"],
  exp: ["expires", "expires_at"],
  iat: ["issued"],
  auth_time: ["signed in"],
  iss: ["the user pool that signed the token"],
  jti: ["ID of this token"],
  origin_jti: ["ID of the sign-in session"],
  event_id: ["ID of the sign-in event"],
  version: ["version of the token format"],
};

/** Sorts the explained claims first, in the order of `CLAIMS`. */
function byMeaning([one], [other]) {
  const known = Object.keys(CLAIMS);
  const place = (name) => (known.includes(name) ? known.indexOf(name) : known.length);
  return place(one) - place(other);
}

const TIMES = new Set(["exp", "iat", "auth_time", "nbf"]);

/**
 * Draws the decoded claims of a token next to the verified claims. `me` is the body of /api/me, or null if the token
 * was rejected.
 */
export function drawClaimTable(claims, me) {
  // An access token may contain `aud` as well as `client_id`. Then `client_id` is the app client.
  const client = "client_id" in claims ? "client_id" : "aud";
  const row = ([name, value]) => {
    const [about, member] = CLAIMS[name] ?? [null, null];
    const repeated = member && !(member === "client_id" && name !== client) ? member : null;
    return el("tr", {},
      el("th", { scope: "row" }, el("code", {}, name), about ? el("small", {}, about) : null),
      el("td", {}, el("code", {}, show(value)), TIMES.has(name) ? el("small", {}, time(value)) : null),
      el("td", {}, me && repeated ? el("code", {}, show(me[repeated])) : "—"));
  };
  return el("div", { class: "scroll" }, el("table", { class: "claim-table" },
    el("caption", { class: "visually-hidden" }, "The claims of your token, decoded here and verified by the server"),
    el("thead", {}, el("tr", {},
      el("th", { scope: "col" }, "Claim"),
      el("th", { scope: "col" }, "Decoded in this browser"),
      el("th", { scope: "col" }, me ? "Verified by the server" : "Not verified"))),
    el("tbody", {}, Object.entries(claims).sort(byMeaning).map(row))));
}

/** Draws the token with its three parts in different colors. */
export function drawToken(token) {
  const parts = token.split(".");
  return el("pre", { class: "token", tabindex: "0", role: "region", "aria-label": "Your token" },
    parts.flatMap((part, index) => [index ? "." : null, el("span", { class: `p${index + 1}` }, part)]));
}

export function drawLegend() {
  return el("p", { class: "legend" },
    el("span", {}, el("b", { class: "p1" }, "header"), " with the key ID"),
    el("span", {}, el("b", { class: "p2" }, "claims"), " about the user"),
    el("span", {}, el("b", { class: "p3" }, "signature"), " of the user pool"));
}
