// Tests the pages of the `dashboard` example in a browser. `dashboard.py` passes the URL, a user, and the lifetime of
// access tokens in seconds, or 0 if the lifetime is too long for a test.

import assert from "node:assert/strict";

import { runScenes, text, until } from "./visitor.mjs";

const { E2E_PAGE, E2E_USERNAME, E2E_PASSWORD, E2E_SECONDS } = process.env;
const ORIGIN = new URL(E2E_PAGE).origin;

const path = (page) => {
  const url = new URL(page.url());
  return url.origin === ORIGIN ? url.pathname + url.search : url.origin;
};
const at = (page, expected) => until(page, () => path(page) === expected, () => `at ${page.url()}, not ${expected}`);
const atLogin = (page) => until(page, async () => (await page.locator("input[name=password]").count()) > 0, () => `no login at ${page.url()}`);
const sessionCookies = async (page) => (await page.context().cookies(ORIGIN)).filter(({ name }) => name.startsWith("__Host-session"));

async function logIn(page, password = E2E_PASSWORD) {
  await atLogin(page);
  await page.fill("input[name=username]", E2E_USERNAME);
  await page.fill("input[name=password]", password);
  await page.press("input[name=password]", "Enter");
}

async function signIn(page) {
  await page.click("#sign-in");
  await logIn(page);
  await at(page, "/dashboard");
}

const scenes = {
  async "a visitor signs in, reloads, and signs out"(visit) {
    const page = await visit();
    await text(page, "#viewer", /not signed in/i);
    await page.goto(`${ORIGIN}/dashboard?from=link`);
    await logIn(page, "not the password");
    await logIn(page);
    await at(page, "/dashboard?from=link");
    const name = await text(page, "#name", /\S/);
    await text(page, "#script-cookies", /^no cookie$/);
    const cookies = await sessionCookies(page);
    assert.ok(cookies.length, "no cookie has the name of the session");
    for (const cookie of cookies) {
      assert.ok(cookie.httpOnly && cookie.secure && cookie.sameSite === "Lax" && cookie.path === "/", JSON.stringify(cookie));
    }
    await page.reload();
    await text(page, "#name", new RegExp(name));
    await page.fill("#note", "buy <b>milk</b>");
    await page.press("#note", "Enter");
    await text(page, "#notes", /buy <b>milk<\/b>/);
    await page.reload();
    await text(page, "#notes", /buy <b>milk<\/b>/);
    await page.click("[data-request=session]");
    await text(page, "#response", /^200[^]*"username"/);
    await page.click("[data-request=anonymous]");
    await text(page, "#response", /^401/);

    await page.click("#sign-out");
    await at(page, "/");
    await text(page, "#viewer", /not signed in/i);
    assert.deepEqual(await sessionCookies(page), []);
    await page.goBack();
    // The check does not wait, because the script of the page reloads it after a few seconds.
    assert.equal(await page.locator("#name").count(), 0, "the user's page is still shown after a sign-out");
    // The managed-login session has ended too.
    await page.goto(`${ORIGIN}/dashboard`);
    await atLogin(page);
  },

  async "two tabs sign in, and a sign-out ends both"(visit) {
    const first = await visit();
    const second = await first.context().newPage();
    await first.goto(`${ORIGIN}/dashboard?tab=1`);
    await second.goto(`${ORIGIN}/dashboard?tab=2`);
    await atLogin(second);
    await logIn(first);
    await at(first, "/dashboard?tab=1");
    await logIn(second);
    await at(second, "/dashboard?tab=2");
    await first.reload();
    await text(first, "#name", /\S/);
    await second.click("#sign-out");
    await at(second, "/");
    await first.reload();
    await atLogin(first);
  },

  async "a page of another origin cannot act for the user"(visit) {
    const page = await visit();
    await signIn(page);
    // Another port is the same site, so the browser sends the cookie. The server must reject the other origin.
    const attacker = await page.context().newPage();
    const form = `<form method="post" enctype="text/plain" action="${ORIGIN}/api/notes"><input name="forged" value="1"></form>`;
    await attacker.route("http://127.0.0.1:9/**", (route) => route.fulfill({ contentType: "text/html", body: form }));
    await attacker.goto("http://127.0.0.1:9/");
    const [response] = await Promise.all([
      attacker.waitForResponse(`${ORIGIN}/api/notes`),
      attacker.evaluate(() => document.forms[0].submit()),
    ]);
    assert.equal(response.status(), 403);
    assert.ok((await response.request().allHeaders()).cookie, "the browser sent the cookie");
    await page.reload();
    assert.doesNotMatch(await page.locator("#notes").innerText(), /forged/);
  },

  async "an error of managed login is shown as a page"(visit) {
    const page = await visit();
    const response = await page.goto(`${ORIGIN}/auth/callback?error=access_denied&error_description=<img src=x onerror=alert(1)>`);
    assert.equal(response.status(), 400);
    await text(page, "body", /sign/i);
    assert.equal(await page.locator("img[src=x]").count(), 0);
  },
};

if (Number(E2E_SECONDS)) {
  scenes["an expired access token is refreshed while the page is open"] = async (visit) => {
    const page = await visit();
    await signIn(page);
    const expires = () => page.evaluate(async () => (await (await fetch("/api/session")).json()).access_expires_at);
    const before = await expires();
    await page.waitForTimeout((Number(E2E_SECONDS) + 2) * 1000);
    assert.ok((await expires()) > before, "the access token was not refreshed");
    await page.reload();
    await text(page, "#name", /\S/);
  };
}

process.exitCode = await runScenes(E2E_PAGE, scenes, 160);
