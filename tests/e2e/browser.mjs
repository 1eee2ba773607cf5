// Tests the page of the example with a user pool of the emulator. `contract.py` passes the URL and a user in
// environment variables.

import assert from "node:assert/strict";

import { runScenes, text } from "./visitor.mjs";

const { E2E_PAGE, E2E_USERNAME, E2E_PASSWORD, E2E_CLIENT, E2E_SHORT_CLIENT } = process.env;

const cell = (row, path) => `[data-cell="${row} ${path}"]`;

/** Selects a cell of the matrix and checks the response that is shown below it. */
async function press(page, row, path, status, ...patterns) {
  await page.click(cell(row, path));
  await text(page, cell(row, path), new RegExp(`^${status}\\s`));
  await text(page, "#response", new RegExp(`${status}[^]*GET ${path}`));
  for (const pattern of patterns) await text(page, "#response", pattern);
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
  async "a visitor without a token is anonymous"(visit) {
    const page = await visit();
    await text(page, "#viewer", /anonymous/i);
    await text(page, "#feed-wire", /200[^]*x-viewer: anonymous/);
    assert.ok(await page.locator("#activities > li").count());
    await press(page, "none", "/api/me", 401, /www-authenticate: Bearer\n/, /application\/problem\+json/);
    await press(page, "none", "/api/activities/home", 200, /x-viewer: anonymous/);
    await press(page, "tampered", "/api/me", 401, /error="invalid_token"/);
    await page.context().close();
  },

  async "the session begins with the sign-in and ends with the sign-out"(visit) {
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

    // The browser stores the token, so the session survives a reload.
    await page.reload();
    await text(page, "#viewer", new RegExp(escaped));
    await page.getByRole("button", { name: "Without token" }).click();
    await text(page, "#feed-wire", /x-viewer: anonymous/);

    await page.getByRole("button", { name: "Sign out" }).click();
    await text(page, "#viewer", /anonymous/i);
    assert.equal(await page.evaluate(() => localStorage.getItem("access_token")), null);
    await page.context().close();
  },

  async "an expired token is rejected and opens the sign-in form"(visit) {
    const page = await visit();
    await signIn(page, E2E_SHORT_CLIENT);
    await text(page, "#viewer", new RegExp(escaped));
    await page.getByRole("button", { name: "Keep your token for later" }).click();
    await text(page, "#signin-message", /expired/);
    assert.ok(await page.locator("#signin-form").isVisible());
    await press(page, "expired", "/api/me", 401, /error="invalid_token"/);
    await press(page, "expired", "/api/activities/home", 200, /x-viewer: anonymous/);
    await press(page, "own", "/api/me", 401, /error="invalid_token"/);
    await page.context().close();
  },

  async "the page fits a small screen"(visit) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await visit({ colorScheme, viewport: { width: 360, height: 740 } });
      await text(page, "#feed-wire", /200/);
      const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= screen, `${wide} px wide on a screen of ${screen}`);
      await page.context().close();
    }
  },
};

process.exit(await runScenes(E2E_PAGE, scenes, 90));
