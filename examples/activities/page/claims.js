// A token and its claims, beside what the server says about them.

import { el, show, time } from "./dom.js";

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

/** The claims that are explained first, in the order of their explanations; then the others. */
function byMeaning([one], [other]) {
  const known = Object.keys(CLAIMS);
  const place = (name) => (known.includes(name) ? known.indexOf(name) : known.length);
  return place(one) - place(other);
}

const TIMES = new Set(["exp", "iat", "auth_time", "nbf"]);

/** The claims of a token, and next to them the verified ones from /api/me, or null if it refused. */
export function drawClaimTable(claims, me) {
  // An access token may carry an `aud` beside its `client_id`; only one of them is the client.
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
    el("caption", { class: "visually-hidden" }, "The claims of your token, and what the server says about them"),
    el("thead", {}, el("tr", {},
      el("th", { scope: "col" }, "Claim"),
      el("th", { scope: "col" }, "In the token, decoded here"),
      el("th", { scope: "col" }, me ? "Verified, from /api/me" : "/api/me did not say"))),
    el("tbody", {}, Object.entries(claims).sort(byMeaning).map(row))));
}

/** The token as it is sent, its three parts told apart by colour. */
export function drawToken(token) {
  const parts = token.split(".");
  return el("pre", { class: "token", tabindex: "0", role: "region", "aria-label": "Your token" },
    parts.flatMap((part, index) => [index ? "." : null, el("span", { class: `p${index + 1}` }, part)]));
}

export function drawLegend() {
  return el("p", { class: "legend" },
    el("span", {}, el("b", { class: "p1" }, "header"), " names the key"),
    el("span", {}, el("b", { class: "p2" }, "claims"), " say who"),
    el("span", {}, el("b", { class: "p3" }, "signature"), " makes it true"));
}
