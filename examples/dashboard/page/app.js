// Shows the session of the dashboard page, and sends requests. The page never sees a token.

const find = (id) => document.getElementById(id);

/** Formats a duration as `in 1:05`, or in hours or days if it is long. */
function duration(seconds) {
  if (seconds <= 0) return "expired, the next request refreshes it";
  if (seconds >= 172_800) return `in ${Math.floor(seconds / 86_400)} days`;
  if (seconds >= 7_200) return `in ${Math.floor(seconds / 3_600)} hours`;
  return `in ${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

const expiry = find("access-expiry");
let lifetime = 0;
let refreshes = 0;

function showTimes() {
  const left = Number(expiry.dataset.expires) - Date.now() / 1000;
  lifetime = Math.max(lifetime, left, 1);
  expiry.textContent = `expires ${duration(left)}`;
  find("meter").style.inlineSize = `${Math.max(0, (100 * left) / lifetime)}%`;
  find("session-end").textContent = duration(Number(find("session-end").dataset.ends) - Date.now() / 1000);
  find("refreshes").textContent = refreshes;
}

/** Fetches the session. The server refreshes the access token if it expires soon. */
async function updateSession() {
  const response = await fetch("/api/session", { headers: { accept: "application/json" } });
  if (response.status === 401) location.reload(); // the user signed out in another tab
  if (!response.ok) return;
  const { access_expires_at: expires } = await response.json();
  if (expires !== Number(expiry.dataset.expires)) refreshes += 1;
  expiry.dataset.expires = expires;
}

const requests = {
  session: () => fetch("/api/session", { headers: { accept: "application/json" } }),
  note: () => fetch("/api/notes", { method: "POST", body: "a note from the request panel" }),
  anonymous: () => fetch("/api/session", { credentials: "omit", headers: { accept: "application/json" } }),
};

async function show(name) {
  const response = await requests[name]();
  const body = await response.text();
  const lines = [`${response.status} ${response.statusText}`];
  for (const header of ["content-type", "cache-control", "www-authenticate"]) {
    if (response.headers.get(header)) lines.push(`${header}: ${response.headers.get(header)}`);
  }
  find("response").textContent = [...lines, "", body].join("\n");
  await updateNotes();
}

async function updateNotes() {
  const response = await fetch("/api/notes");
  if (!response.ok) return;
  const items = (await response.json()).map((note) => {
    const item = document.createElement("li");
    item.textContent = note;
    return item;
  });
  find("notes").replaceChildren(...items);
}

if (expiry) {
  find("script-cookies").textContent = document.cookie || "no cookie";
  find("note-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    await fetch("/api/notes", { method: "POST", body: find("note").value });
    find("note").value = "";
    await updateNotes();
  });
  for (const button of document.querySelectorAll("[data-request]")) {
    button.addEventListener("click", () => show(button.dataset.request));
  }
  find("everywhere").addEventListener("click", async () => {
    await fetch("/api/sign-out-everywhere", { method: "POST" });
    location.assign("/");
  });
  showTimes();
  setInterval(showTimes, 1_000);
  setInterval(updateSession, 5_000);
}

// A page from the back-forward cache can show a session that has been signed out since.
addEventListener("pageshow", (event) => event.persisted && location.reload());
