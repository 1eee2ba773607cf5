// Looking into a token, and meddling with one.
//
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

/** The claims that a token states, or null. */
export function claimsOf(token) {
  try {
    const claims = decodePart(token.split(".")[1]);
    return claims !== null && typeof claims === "object" && !Array.isArray(claims) ? claims : null;
  } catch {
    return null;
  }
}

export const nameIn = (claims) => claims?.username ?? claims?.["cognito:username"] ?? claims?.client_id ?? claims?.sub;
export const groupsIn = (claims) => (Array.isArray(claims?.["cognito:groups"]) ? claims["cognito:groups"] : []);

/** Unix seconds, as tokens count. */
export const now = () => Date.now() / 1000;

/** How long a token still lives, in seconds; not above zero when it is over. */
export const secondsLeft = (token) => (claimsOf(token)?.exp ?? 0) - now();

/** The same token with a promotion written into it, under the signature of the old text. */
export function tampered(token, config) {
  const claims = token && claimsOf(token);
  if (!claims) return madeUp(config);
  const [header, , signature] = token.split(".");
  const better = { ...claims, "cognito:groups": ["admins"], exp: Math.floor(now()) + 86_400 };
  return [header, encodePart(better), signature].join(".");
}

/** A token nobody ever signed, for visitors who have none to tamper with. */
function madeUp(config) {
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
