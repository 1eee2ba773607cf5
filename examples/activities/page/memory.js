// What the page remembers from one visit to the next: tokens, in this browser only.

const TOKEN_KEY = "access_token";
const KEPT_KEY = "kept_token";

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

/** The token of whoever is signed in, or null. */
export const myToken = () => recall(TOKEN_KEY);
export const setMyToken = (token) => remember(TOKEN_KEY, token);

/** A token put aside to be sent when it has expired, or null. */
export const keptToken = () => recall(KEPT_KEY);
export const setKeptToken = (token) => remember(KEPT_KEY, token);

/** Calls back when another tab has signed in or out, or put a token aside. */
export function onChangeElsewhere(session, kept) {
  addEventListener("storage", (event) => {
    if (event.key === TOKEN_KEY || event.key === null) session();
    else if (event.key === KEPT_KEY) kept();
  });
}
