// Decodes tokens, and creates invalid tokens.
//
// Decoding verifies nothing, so the page uses claims for display only.

function decodePart(part) {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

function encodePart(value) {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Returns the unverified claims of a token, or null if they cannot be decoded. */
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

/** Returns the current time in Unix seconds, the unit of times in tokens. */
export const now = () => Date.now() / 1000;

/** Returns how many seconds a token is still valid. The result is not positive if the token has expired. */
export const secondsLeft = (token) => (claimsOf(token)?.exp ?? 0) - now();

const OTHER_USER = "00000000-0000-4000-8000-000000000000";

/** Describes the false claim that `tampered` puts into a token. */
export function falseClaim(token) {
  return groupsIn(claimsOf(token ?? "")).includes("admins") ? "claims to be another user" : "claims the group admins";
}

/**
 * Returns the token with a false claim and its original signature. The claim would give the user new rights:
 * the group `admins`, or for its members the identity of another user.
 */
export function tampered(token, config) {
  const claims = claimsOf(token ?? "");
  if (!claims) return unsigned(config);
  const [header, , signature] = token.split(".");
  const name = "cognito:username" in claims ? "cognito:username" : "username";
  const changes = groupsIn(claims).includes("admins")
    ? { sub: OTHER_USER, [name]: "other.user" }
    : { "cognito:groups": [...groupsIn(claims), "admins"] };
  return [header, encodePart({ ...claims, ...changes }), signature].join(".");
}

/** Returns a token with an invalid signature, for visitors without a token. */
function unsigned(config) {
  const header = { alg: "RS256", kid: "made-up-in-a-browser" };
  const id = config.token_use === "id";
  const claims = {
    sub: OTHER_USER,
    iss: config.issuer,
    [id ? "aud" : "client_id"]: config.client_ids[0],
    [id ? "cognito:username" : "username"]: "other.user",
    token_use: id ? "id" : "access",
    "cognito:groups": ["admins"],
    exp: Math.floor(now()) + 3600,
  };
  return [encodePart(header), encodePart(claims), "A".repeat(342)].join(".");
}
