// Tests the example's page against its embedded user pool: `page.mjs BINARY`. Needs no emulator.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { runScenes, text, until } from "./visitor.mjs";

const CRATE_DOCS = "https://docs.rs/axum-cognito";
const HOUR = 3_600_000;

/** Starts the example on a free port. Returns the process and the URL that it prints. */
async function start(binary) {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_")));
  const server = spawn(binary, [], {
    env: { ...environment, ACTIVITIES_ADDR: "127.0.0.1:0", RUST_LOG: "warn" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface(server.stdout)) {
    const url = /http:\S+/.exec(line)?.[0];
    if (url) return { server, url };
  }
  throw new Error(`${binary} ended without printing its URL`);
}

const demoUser = (page, name) => page.click(`[data-username="${name}"]`);
const storedToken = (page) => page.evaluate(() => localStorage.getItem("access_token"));
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.tagName);

async function signInByForm(page, name) {
  const { users } = await (await page.request.get(new URL("/config.json", page.url()).href)).json();
  await page.fill("#username", name);
  await page.fill("#password", users.find((user) => user.username === name).password);
  await page.press("#password", "Enter");
  await text(page, "#viewer", new RegExp(name));
}

/** Gives the scripts that follow a sign-in time to run. */
const settled = (page) => page.waitForTimeout(300);

const scenes = {
  async "an expired session shows the sign-in form without a reload"(visit) {
    const page = await visit({ prepare: (page) => page.clock.install() });
    await demoUser(page, "andrew");
    await text(page, "#viewer", /andrew/);
    assert.equal(await page.locator("#signin-form").isVisible(), false);
    await page.clock.fastForward(HOUR + 10_000);
    await text(page, "#viewer", /anonymous/i);
    await text(page, "#signin-message", /expired/);
    assert.equal(await page.locator("#signin-form").isVisible(), true);
    // The server's clock issues the next token. The old token is valid again by that clock, so the timers of the page
    // must not run before the sign-in.
    await page.clock.pauseAt(Date.now() + 2 * HOUR);
    await page.clock.setSystemTime(Date.now());
    await signInByForm(page, "bayko");
    assert.equal(await page.locator("#signin-form").isVisible(), false);
    assert.equal(await page.locator("#signin-message").innerText(), "");
  },

  async "a session that expires keeps the focus"(visit) {
    const page = await visit({ prepare: (page) => page.clock.install() });
    await demoUser(page, "andrew");
    await text(page, "#viewer", /andrew/);
    await page.getByRole("button", { name: "Sign out" }).focus();
    await page.clock.fastForward(HOUR + 10_000);
    await text(page, "#viewer", /anonymous/i);
    assert.notEqual(await focused(page), "BODY");
  },

  async "a stored token that the server rejects shows the sign-in form"(visit) {
    const page = await visit();
    await page.evaluate(() => localStorage.setItem("access_token", "not.a.token"));
    await page.reload();
    await text(page, "#signin-message", /sign in again/i);
    await text(page, "#viewer", /anonymous/i);
    assert.equal(await page.locator("#signin-form").isVisible(), true);
  },

  async "signing in keeps the focus in the sign-in section"(visit) {
    const page = await visit();
    const inSection = () => page.evaluate(() => document.activeElement.closest(".signin") !== null);
    await signInByForm(page, "andrew");
    await settled(page);
    assert.ok(await inSection(), `after the form: ${await focused(page)}`);
    await page.getByRole("button", { name: "Sign out" }).press("Enter");
    await text(page, "#viewer", /anonymous/i);
    assert.ok(await inSection(), `after signing out: ${await focused(page)}`);
    await page.locator('[data-username="bayko"]').press("Enter");
    await text(page, "#viewer", /bayko/);
    await settled(page);
    assert.ok(await inSection(), `after a demo user: ${await focused(page)}`);
  },

  async "the tampered token claims rights that its user does not have"(visit) {
    const page = await visit();
    const sent = [];
    page.on("request", (request) => {
      const token = /^Bearer (.+)/.exec(request.headers().authorization ?? "")?.[1];
      if (token) sent.push({ token, path: new URL(request.url()).pathname });
    });
    const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
    for (const [user, row, change] of [
      ["bayko", /group admins/, (before, after) => !before["cognito:groups"] && after["cognito:groups"].includes("admins")],
      ["andrew", /another user/, (before, after) => before.sub !== after.sub && before.username !== after.username],
    ]) {
      await demoUser(page, user);
      await text(page, "#viewer", new RegExp(user));
      const cell = page.locator('[data-cell="tampered /api/admin"]');
      await text(page, 'tr:has([data-cell="tampered /api/admin"]) th', row);
      await settled(page);
      sent.length = 0;
      await cell.click();
      await until(page, () => sent.length > 0, () => "no request was sent");
      const own = await storedToken(page);
      const { token } = sent.find((request) => request.path === "/api/admin");
      assert.ok(change(claims(own), claims(token)), `${user}: ${JSON.stringify(claims(token))}`);
      assert.equal(token.split(".")[2], own.split(".")[2], "the signature is the original one");
      await text(page, '[data-cell="tampered /api/admin"]', /401/);
    }
  },

  async "the body of every response is read"(visit) {
    const open = new Set();
    const paths = new Set();
    const page = await visit({
      prepare: (page) => {
        page.on("response", (response) => { open.add(response.request()); paths.add(new URL(response.url()).pathname); });
        for (const event of ["requestfinished", "requestfailed"]) page.on(event, (request) => open.delete(request));
      },
    });
    await demoUser(page, "andrew");
    await text(page, "#viewer", /andrew/);
    await until(page, () => paths.has("/readyz"), () => "/readyz was not requested");
    await until(page, () => !open.size, () => `still open: ${[...open].map((request) => request.url())}`);
  },

  async "the page names the crate and links to its documentation"(visit) {
    const page = await visit();
    await text(page, "header", /axum-cognito/);
    const links = await page.locator(`header a[href^="${CRATE_DOCS}"]`).count();
    assert.ok(links, "no link to the documentation");
  },

  async "on a narrow screen the request matrix comes before the feed"(visit) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await visit({ colorScheme, viewport: { width: 390, height: 844 } });
      await text(page, "#activities", /ferry/);
      const top = async (selector) => (await page.locator(selector).boundingBox()).y;
      const order = [".signin", "#matrix", "#feed", ".claims"];
      const tops = await Promise.all(order.map(top));
      assert.deepEqual(tops, tops.toSorted((one, other) => one - other), `${order}: ${tops}`);
      const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= screen, `${wide} px wide on a screen of ${screen}`);
    }
  },

  async "the focus order is the reading order"(visit) {
    for (const viewport of [{ width: 390, height: 844 }, { width: 1280, height: 900 }]) {
      const page = await visit({ viewport });
      await text(page, "#activities", /ferry/);
      const sections = await page.evaluate(() => [...document.querySelectorAll("main > section")]
        .map((section) => section.className.split(" ").find((name) => ["signin", "probe", "feed", "claims"].includes(name))));
      assert.deepEqual(sections, ["signin", "probe", "feed", "claims"]);
    }
  },

  async "every route shows its status and the reason without a click"(visit) {
    const page = await visit();
    for (const [user, cells] of [
      [null, { "none /api/me": /401\s+no token/, "none /api/activities/home": /200\s+anonymous/, "tampered /api/me": /401\s+invalid token/ }],
      ["andrew", { "own /api/admin": /200\s+accepted/, "expired /api/me": /401\s+expired/, "own /api/activities/home": /200\s+andrew/ }],
      ["bayko", { "own /api/admin": /403\s+not in group/, "own /api/me": /200\s+accepted/, "none /api/admin": /401\s+no token/ }],
    ]) {
      if (user) await demoUser(page, user);
      for (const [cell, pattern] of Object.entries(cells)) await text(page, `[data-cell="${cell}"]`, pattern);
    }
  },
};

const { server, url } = await start(process.argv[2]);
let status = 1;
try {
  status = await runScenes(url, scenes, 180);
} finally {
  server.kill();
}
process.exit(status);
