// SPDX-License-Identifier: Apache-2.0
// The page in Chromium, of a server that wants a token, knows no grid, keeps no receipts and
// shows no log: it asks for the token, says what is missing, and notices the server's end.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [url, executablePath, pid, pictures] = process.argv.slice(2);
const token = process.env.TERN_SERVE_TOKEN;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
let failed = 0;
try {
  const page = await (await browser.newContext()).newPage();
  const errors = [];
  page.setDefaultTimeout(60000);
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(url);
  await page.locator("#token").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "token-text");
  assert.doesNotMatch(await page.locator("main").innerText(), /tern-books/);
  await page.keyboard.type("wrong");
  await page.keyboard.press("Enter");
  await page.locator("#token").waitFor();
  await page.waitForTimeout(300);
  assert.equal(await page.locator("#status").getAttribute("data-kind"), "no");
  await page.locator("#token-text").fill(token);
  await page.keyboard.press("Enter");
  await page.locator("#status[data-kind=ok]").waitFor();
  assert.equal(await page.locator("#token").isVisible(), false);
  const answer = await fetch(`${url}/v1/completions`, { method: "POST",
    headers: { Authorization: `Bearer ${token}` }, body: JSON.stringify({ prompt: "Once", max_tokens: 8 }) });
  assert.equal(answer.status, 200);
  await page.locator("tr[data-number]").waitFor();
  const text = await page.locator("main").innerText();
  assert.match(text, /no zone/);
  assert.match(text, /no receipt/);
  assert.match(text, /none is shown/);
  assert.doesNotMatch(text, /undefined|NaN|null|\[object/);
  assert.equal(await page.locator("#verify-all").isDisabled(), true);
  if (pictures) {
    await page.screenshot({ path: `${pictures}/token.png`, fullPage: true });
  }
  process.kill(Number(pid));
  await page.locator("#status[data-kind=no]").waitFor();
  assert.match(await page.locator("#status-text").innerText(), /no answer since/);
  assert.deepEqual(errors, []);
} catch (error) {
  console.log(`FAILED: ${error.stack}`);
  failed = 1;
}
await browser.close();
process.exit(failed);
