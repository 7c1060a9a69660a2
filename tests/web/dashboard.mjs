// SPDX-License-Identifier: Apache-2.0
// The page in Chromium: it loads from its own server alone, shows a request with its joules,
// verifies its receipt, refuses one that was changed on the disk, and can be used by keys and
// on a phone.  checks.mjs has run before it.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [url, work, executablePath, pictures] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
let failed = 0;
const troubles = [];

async function test(name, run) {
  try {
    await run();
  } catch (error) {
    console.log(`FAILED: ${name}: ${error.stack}`);
    failed = 1;
  }
}

/** A page of its own browser profile, in which everything that goes wrong is written down. */
async function open(options) {
  const context = await browser.newContext({ serviceWorkers: "block", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60000);
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && troubles.push(`console: ${m.text()}`));
  page.on("pageerror", (error) => troubles.push(`error: ${error.message}`));
  page.on("request", (r) => r.url().startsWith(`${url}/`) || troubles.push(`outside: ${r.url()}`));
  page.on("requestfailed", (r) => troubles.push(`failed: ${r.url()}`));
  await page.goto(url);
  return page;
}
const picture = async (page, name) => pictures && page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });

async function ask(prompt) {
  const answer = await fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify({ prompt, max_tokens: 24 }) });
  assert.equal(answer.status, 200);
  return answer.json();
}
const joules = (uj) => {
  const [scale, unit] = uj >= 999500 ? [1e6, "J"] : uj >= 999.5 ? [1e3, "mJ"] : [1, "\u00b5J"];
  const v = uj / scale;
  return scale === 1 ? `${v} ${unit}` : `${v.toFixed(v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2)} ${unit}`;
};

const desk = await open({ viewport: { width: 1200, height: 900 }, colorScheme: "light" });
let answer, id;
await test("a request appears with its joules", async () => {
  await desk.locator("#status[data-kind=ok]").waitFor();
  answer = await ask("Once upon a time");
  id = answer.choices[0].receipt ?? answer.receipt;
  const row = desk.locator("tr", { has: desk.locator(`[data-receipt="${id}"]`) });
  await row.waitFor();
  const text = await row.innerText();
  assert.ok(text.includes(joules(answer.energy.energy_uj)), `${text} has no ${joules(answer.energy.energy_uj)}`);
  assert.ok(text.includes(answer.energy.evidence));
  assert.ok(text.includes(`\u2192 ${answer.usage.completion_tokens}`));
  assert.equal(await desk.locator("tr[data-number]").count(), 6);
});

await test("power and the grid", async () => {
  await desk.locator("#power svg path.line").waitFor();
  await desk.locator("#grid svg path.band").waitFor();
  assert.match(await desk.locator("#power-note").innerText(), /modelled|measured/);
  assert.match(await desk.locator("#tiles").innerText(), /g\/kWh/);
});

await test("a receipt is verified, one that was changed is refused", async () => {
  const button = desk.locator(`[data-receipt="${id}"]`);
  await button.click();
  await desk.locator(`.verify.ok[data-receipt="${id}"]`).waitFor();
  assert.match(await desk.locator("tr.detail").innerText(), /signature Ed25519/);
  const other = await ask("Twice");
  const bad = other.choices[0].receipt ?? other.receipt;
  const file = `${work}/.local/share/tern/receipts/${bad}.json`;
  const text = readFileSync(file, "utf8");
  const envelope = JSON.parse(text);
  const statement = Buffer.from(envelope.payload, "base64").toString();
  const less = statement.replace(/"energy_uj":\d+/, '"energy_uj":1');
  assert.notEqual(less, statement);
  writeFileSync(file, text.replace(envelope.payload, Buffer.from(less).toString("base64")));
  await desk.locator(`[data-receipt="${bad}"]`).click();
  await desk.locator(`.verify.no[data-receipt="${bad}"]`).waitFor();
  assert.match(await desk.locator("tr.detail", { hasText: bad }).innerText(), /signature refused/);
  const green = await desk.locator(".verify.ok").evaluate((n) => getComputedStyle(n).color);
  const red = await desk.locator(".verify.no").evaluate((n) => getComputedStyle(n).color);
  assert.notEqual(green, red);
});

await test("the log is checked", async () => {
  await desk.locator("#log-state.ok").waitFor();
  assert.match(await desk.locator("#log-state").innerText(), /303 entries/);
  await picture(desk, "light");
});

await test("by keys alone", async () => {
  await desk.locator("body").click({ position: { x: 2, y: 2 } });
  await desk.keyboard.press("?");
  await desk.locator("dialog[open]").waitFor();
  await desk.keyboard.press("Escape");
  await desk.keyboard.press("j");
  await desk.keyboard.press("j");
  await desk.keyboard.press("j");
  const third = await desk.evaluate(() => document.activeElement.dataset.receipt);
  assert.ok(third);
  await desk.keyboard.press("Enter");
  await desk.locator(`.verify.ok[data-receipt="${third}"]`).waitFor();
  assert.equal(await desk.evaluate(() => document.activeElement.dataset.receipt), third); // stays there
  await desk.keyboard.press("t");
  await desk.keyboard.press("t");
  assert.equal(await desk.evaluate(() => document.documentElement.dataset.theme), "dark");
  await desk.keyboard.press("p");
  assert.equal(await desk.locator("#status-text").innerText(), "paused");
  const asked = await desk.evaluate(() => performance.getEntriesByType("resource").length);
  await desk.waitForTimeout(2500);
  assert.equal(await desk.evaluate(() => performance.getEntriesByType("resource").length), asked);
  await desk.keyboard.press("p");
  await desk.locator("#status[data-kind=ok]").waitFor();
  await picture(desk, "dark");
});

await test("on a phone", async () => {
  const phone = await open({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: "dark" });
  await phone.locator("tr[data-number]").first().waitFor();
  await phone.locator("#grid svg").waitFor();
  await phone.locator(".verify").nth(1).tap();
  await phone.locator("tr.detail").waitFor();
  await phone.locator(".verify.ok").first().waitFor();
  const wide = await phone.evaluate(() => [...document.querySelectorAll("body *")]
    .filter((n) => !n.closest(".skip, thead") && n.getBoundingClientRect().right > 361).map((n) => n.outerHTML.slice(0, 80)));
  await picture(phone, "phone");
  assert.deepEqual(wide, []);
  assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth), 360);
  const small = await phone.evaluate(() => [...document.querySelectorAll("button.verify, .buttons button")]
    .filter((n) => n.getBoundingClientRect().height < 40).length);
  assert.equal(small, 0); // to be hit by a finger
  const page = await phone.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(page, "rgb(16, 21, 20)"); // dark, as the system says
  await phone.context().close();
});

await test("what is written has enough contrast", async () => {
  const weak = await desk.evaluate(() => {
    const part = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const light = (css) => {
      const [r, g, b] = css.match(/[\d.]+/g).slice(0, 3).map((n) => part(n / 255));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (n) => (getComputedStyle(n).backgroundColor === "rgba(0, 0, 0, 0)" && n.parentElement
      ? ground(n.parentElement) : getComputedStyle(n).backgroundColor);
    const found = [];
    for (const theme of ["light", "dark"]) {
      document.documentElement.dataset.theme = theme;
      for (const n of document.querySelectorAll("p, td, th, button, dt, dd, li, span, h1, h2, h3")) {
        const [a, b] = [light(getComputedStyle(n).color), light(ground(n))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (n.textContent.trim() && ratio < 4.5 && !n.disabled) {
          found.push(`${theme} ${n.className || n.tagName} ${ratio.toFixed(2)}`);
        }
      }
    }
    return [...new Set(found)];
  });
  assert.deepEqual(weak, []); // WCAG 2.2, 1.4.3
});

await test("nothing went wrong, and nobody else was asked", () => assert.deepEqual(troubles, []));
await browser.close();
process.exit(failed);
