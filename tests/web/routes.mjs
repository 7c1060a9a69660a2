// SPDX-License-Identifier: Apache-2.0
// The page in Chromium, of a server that has chats answered by others within a day's budget: who
// answered, what that saved against one of them alone, with its range, and what is left.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [url, , executablePath, pictures] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
let failed = 0;
const errors = [];

async function open(options) {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(60000);
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("request", (r) => r.url().startsWith(`${url}/`) || errors.push(`outside: ${r.url()}`));
  await page.goto(url);
  await page.locator("#status[data-kind=ok]").waitFor();
  return page;
}

async function ask(model) {
  const answer = await fetch(`${url}/v1/chat/completions`, { method: "POST",
    body: JSON.stringify({ model, max_tokens: 32, messages: [{ role: "user", content: "Prove that there are infinitely many primes." }] }) });
  return [answer.status, await answer.json()];
}
const tile = (page, name) => page.locator(".tile", { has: page.locator("h3", { hasText: name }) });
const state = async () => (await fetch(`${url}/tern/state`)).json();

try {
  const page = await open({ viewport: { width: 1200, height: 900 }, colorScheme: "light", reducedMotion: "reduce" });
  assert.match(await tile(page, "Saved by routing").innerText(), /none yet/);
  assert.match(await tile(page, "Budget today").innerText(), /0 g of 5\.00 mg/);
  assert.equal(await page.locator("#status .dot").evaluate((n) => getComputedStyle(n).transitionDuration), "0s");
  for (let i = 0; i < 4; i++) { // "down" has the fewest grams and fails, oslo is next
    const [status, answer] = await ask("auto");
    assert.equal(status, 200, JSON.stringify(answer));
    assert.equal(answer.energy.upstream, "oslo");
  }
  assert.equal((await ask("paris"))[0], 200); // the counterfactual itself
  const { routing } = await state();
  assert.equal(routing.savings.alone, "paris");
  assert.deepEqual([routing.savings.compared, routing.savings.moved], [5, 4]);
  // 20 tokens at 0.1 J and at 0.5 J on one grid: four fifths of it are saved, in the middle.
  assert.ok(Math.abs(routing.savings.took.co2_ug * 5 - routing.savings.alone_took.co2_ug) < 60);
  assert.equal(routing.savings.co2_ug, routing.savings.alone_took.co2_ug - routing.savings.took.co2_ug - routing.failed_ug);
  assert.ok(routing.savings.co2_low_ug < routing.savings.co2_ug && routing.savings.co2_ug < routing.savings.co2_high_ug);
  assert.ok(routing.budget.used_ug >= routing.by.reduce((sum, o) => sum + o.co2_ug, 0));

  const [status, answer] = await ask("here"); // this machine, by its meter, with what it draws anyway
  assert.equal(status, 200, JSON.stringify(answer));
  const here = (await state()).routing.by[0];
  assert.deepEqual([here.name, here.answers], ["here", 1]);
  assert.equal(here.energy_uj, answer.energy.energy_uj + answer.energy.idle_uj);
  assert.ok(here.co2_low_ug < here.co2_ug && here.co2_ug < here.co2_high_ug); // modelled

  await page.locator('tr[data-by="down"]', { hasText: "paused" }).waitFor(); // after three failures
  assert.match(await page.locator('tr[data-by="down"]').innerText(), /3 failed/);
  assert.match(await page.locator('tr[data-by="oslo"]').innerText(), /large-30b[^]*4[^]*8\.00 J/);
  const saved = await tile(page, "Saved by routing").innerText();
  assert.match(saved, /modelled[^]*against paris alone/);
  assert.equal(await page.locator("#saved svg path.error").count(), 2); // both with their range
  assert.equal(await page.locator("tr[data-number]", { hasText: "by oslo" }).count(), 4);
  const { budget } = (await state()).routing;
  const part = Math.round(Math.min(100, budget.used_ug / budget.day_ug * 100));
  await page.locator(`[role=meter][aria-valuenow="${part}"]`).waitFor();

  let refused = 0; // until the day is used up
  while (refused === 0) {
    const [status, answer] = await ask("paris");
    assert.ok(status === 200 || answer.error.code === "carbon_budget_exceeded", JSON.stringify(answer));
    refused += status !== 200;
  }
  await page.locator("tr.bad", { hasText: "429" }).waitFor();
  const text = await page.locator("main").innerText();
  assert.doesNotMatch(text, /undefined|NaN|null|\[object/);
  if (pictures) {
    await page.screenshot({ path: `${pictures}/routes.png`, fullPage: true });
  }
  const phone = await open({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: "dark" });
  await phone.locator('tr[data-by="oslo"]').waitFor();
  assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth), 360);
  if (pictures) {
    await phone.screenshot({ path: `${pictures}/routes-phone.png`, fullPage: true });
  }
  assert.deepEqual(errors, []);
} catch (error) {
  console.log(`FAILED: ${error.stack}`);
  failed = 1;
}
await browser.close();
process.exit(failed);
