// Drives the example's page as a visitor would. `contract.py` calls it with the page's URL and a user in the environment.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { E2E_PAGE, E2E_USERNAME, E2E_PASSWORD, E2E_CLIENT, E2E_SHORT_CLIENT, E2E_CHROMIUM, E2E_NODE_MODULES } = process.env;
const { chromium } = createRequire(`${E2E_NODE_MODULES}/`)("playwright-core");

const browser = await chromium.launch({
  executablePath: E2E_CHROMIUM,
  timeout: 30_000,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
// Nothing here may outlive its time, whatever the page does.
const deadline = setTimeout(() => {
  console.error("the browser check took more than 90 s");
  browser.close().finally(() => process.exit(1));
}, 90_000);

const faults = [];
const hosts = new Set();

/** A page of its own, with its own storage, that notes every script error. */
async function visit(options = {}) {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(10_000);
  page.on("pageerror", (error) => faults.push(`script error: ${error.stack}`));
  page.on("console", (message) => {
    const text = message.text();
    // That 401 and 403 are answers to look at is the point of the page.
    if (message.type() === "error" && !/status of 4\d\d/.test(text)) faults.push(`console: ${text}`);
  });
  page.on("request", (request) => hosts.add(new URL(request.url()).hostname));
  await page.goto(E2E_PAGE);
  return page;
}

/** Waits for an element's text to match. */
async function text(page, selector, pattern) {
  const locator = page.locator(selector);
  for (let left = 100; ; left--) {
    const found = (await locator.count()) ? await locator.first().innerText() : "";
    if (pattern.test(found)) return found;
    assert.ok(left, `${selector}: ${JSON.stringify(found)} does not match ${pattern}`);
    await page.waitForTimeout(100);
  }
}

const cell = (row, path) => `[data-cell="${row} ${path}"]`;

/** Presses a button of the matrix and reads the whole answer below it. */
async function press(page, row, path, status, ...patterns) {
  await page.click(cell(row, path));
  await text(page, cell(row, path), new RegExp(`^${status}$`));
  await text(page, "#answer", new RegExp(`${status}`));
  for (const pattern of patterns) await text(page, "#answer", pattern);
}

async function signIn(page, client, password = E2E_PASSWORD) {
  await page.fill("#username", E2E_USERNAME);
  await page.fill("#password", password);
  if (await page.locator("#client").isVisible()) await page.selectOption("#client", client);
  await page.focus("#password");
  await page.keyboard.press("Enter");
}

const escaped = E2E_USERNAME.replaceAll(".", "\\.");

const scenes = {
  async "a visitor without a token"() {
    const page = await visit();
    await text(page, "#viewer", /anonymous/i);
    await text(page, "#feed-wire", /200[^]*x-viewer: anonymous/);
    assert.ok(await page.locator("#activities > li").count());
    await press(page, "none", "/api/me", 401, /www-authenticate: Bearer\n/, /application\/problem\+json/);
    await press(page, "none", "/api/activities/home", 200, /x-viewer: anonymous/);
    await press(page, "tampered", "/api/me", 401, /error="invalid_token"/);
    await page.context().close();
  },

  async "signing in and out"() {
    const page = await visit();
    await signIn(page, E2E_CLIENT, "not the password");
    await text(page, "#signin-message", /incorrect username or password/i);
    await signIn(page, E2E_CLIENT);
    await text(page, "#viewer", new RegExp(escaped));
    await text(page, "#feed-wire", new RegExp(`200[^]*x-viewer: ${escaped}`));
    const token = await page.evaluate(() => localStorage.getItem("access_token"));
    assert.equal(token.split(".").length, 3);

    await text(page, "#claims", /token_use[^]*access/);
    await text(page, "#claims", new RegExp(`username[^]*${escaped}[^]*${escaped}`));
    await press(page, "own", "/api/me", 200, new RegExp(`"username": "${escaped}"`));
    await press(page, "own", "/api/admin", 200);
    await press(page, "tampered", "/api/admin", 401, /error="invalid_token"/);
    await press(page, "tampered", "/api/activities/home", 200, /x-viewer: anonymous/);
    await press(page, "none", "/api/admin", 401, /www-authenticate: Bearer\n/);

    // The session is the browser's: it outlives the page.
    await page.reload();
    await text(page, "#viewer", new RegExp(escaped));
    await page.getByText("Anonymously", { exact: true }).click();
    await text(page, "#feed-wire", /x-viewer: anonymous/);

    await page.getByRole("button", { name: "Sign out" }).click();
    await text(page, "#viewer", /anonymous/i);
    assert.equal(await page.evaluate(() => localStorage.getItem("access_token")), null);
    await page.context().close();
  },

  async "an expired token"() {
    const page = await visit();
    await signIn(page, E2E_SHORT_CLIENT);
    await text(page, "#viewer", new RegExp(escaped));
    await page.getByRole("button", { name: "Keep your token for later" }).click();
    await page.waitForTimeout(4_000);
    await press(page, "expired", "/api/me", 401, /error="invalid_token"/);
    await press(page, "expired", "/api/activities/home", 200, /x-viewer: anonymous/);
    await press(page, "own", "/api/me", 401, /error="invalid_token"/);
    await page.context().close();
  },

  async "a small screen, light and dark"() {
    for (const colorScheme of ["light", "dark"]) {
      const page = await visit({ colorScheme, viewport: { width: 360, height: 740 } });
      await text(page, "#feed-wire", /200/);
      const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= screen, `${wide} px wide on a screen of ${screen}`);
      await page.context().close();
    }
  },
};

let status = 0;
try {
  for (const [name, scene] of Object.entries(scenes)) {
    await scene();
    console.log(`ok: ${name}`);
  }
  assert.deepEqual(faults, []);
  assert.deepEqual([...hosts], ["127.0.0.1"], "the page asks nobody else");
} catch (error) {
  console.error(error);
  if (faults.length) console.error(faults.join("\n"));
  status = 1;
} finally {
  await browser.close();
  clearTimeout(deadline);
}
process.exit(status);
