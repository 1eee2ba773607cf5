// Runs scenes in headless Chromium. Reports script errors and requests to other hosts as failures.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { E2E_CHROMIUM, E2E_NODE_MODULES } = process.env;
const { chromium } = createRequire(`${E2E_NODE_MODULES}/`)("playwright-core");

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/** Runs every scene with a `visit` function. Resolves to the exit status. */
export async function runScenes(origin, scenes, seconds) {
  const browser = await chromium.launch({ executablePath: E2E_CHROMIUM, timeout: 30_000, args: FLAGS });
  const deadline = setTimeout(() => {
    console.error(`the scenes took more than ${seconds} s`);
    browser.close().finally(() => process.exit(1));
  }, seconds * 1000);
  const faults = [];
  const hosts = new Set();
  let failed = 0;
  for (const [name, scene] of Object.entries(scenes)) {
    try {
      await scene((options) => visit(browser, origin, options, faults, hosts));
      console.log(`ok: ${name}`);
    } catch (error) {
      failed += 1;
      console.error(`FAILED: ${name}\n${error.stack}`);
    }
  }
  await browser.close();
  clearTimeout(deadline);
  for (const fault of faults) console.error(fault);
  const otherHosts = [...hosts].filter((host) => host !== "127.0.0.1");
  if (otherHosts.length) console.error(`the page sent requests to ${otherHosts}`);
  return failed || faults.length || otherHosts.length ? 1 : 0;
}

/** Opens the page in a new browser context, so that it has its own storage. */
async function visit(browser, origin, { prepare, ...options } = {}, faults, hosts) {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(10_000);
  page.on("pageerror", (error) => faults.push(`script error: ${error.stack}`));
  page.on("console", (message) => {
    const text = message.text();
    // The page shows 401 and 403 responses on purpose, and Chromium logs each of them.
    if (message.type() === "error" && !/status of 4\d\d/.test(text)) faults.push(`console: ${text}`);
  });
  page.on("request", (request) => hosts.add(new URL(request.url()).hostname));
  await prepare?.(page);
  await page.goto(origin);
  return page;
}

/** Waits until the condition holds. */
export async function until(page, condition, message) {
  for (let left = 100; !(await condition()); left--) {
    assert.ok(left, await message());
    await page.waitForTimeout(50);
  }
}

/** Waits until the text of an element matches, and returns the text. */
export async function text(page, selector, pattern) {
  const locator = page.locator(selector);
  let found = "";
  await until(page, async () => {
    found = (await locator.count()) ? await locator.first().innerText() : "";
    return pattern.test(found);
  }, () => `${selector}: ${JSON.stringify(found)} does not match ${pattern}`);
  return found;
}
