// Stores tokens in the browser between visits.

const TOKEN_KEY = "access_token";
const KEPT_KEY = "kept_token";

// A browser may block storage. Then the session ends with the page.
const fallback = new Map();

function read(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return fallback.get(key) ?? null;
  }
}

function write(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    if (value === null) fallback.delete(key);
    else fallback.set(key, value);
  }
}

/** Returns the token of the signed-in user, or null. */
export const myToken = () => read(TOKEN_KEY);
export const setMyToken = (token) => write(TOKEN_KEY, token);

/** Returns the token that the user keeps until it has expired, or null. */
export const keptToken = () => read(KEPT_KEY);
export const setKeptToken = (token) => write(KEPT_KEY, token);

/** Calls back when another tab changes the session or the kept token. */
export function onOtherTab(session, kept) {
  addEventListener("storage", (event) => {
    if (event.key === TOKEN_KEY || event.key === null) session();
    else if (event.key === KEPT_KEY) kept();
  });
}
