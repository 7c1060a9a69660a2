// SPDX-License-Identifier: Apache-2.0
// A made-up grid as a table: four weeks up to this hour that all look alike, cleanest at four in
// the morning and dirtiest at four in the afternoon (UTC).
const HOUR = 3600000;
const end = Math.floor(Date.now() / HOUR) * HOUR;
console.log("time,intensity");
for (let t = end - 700 * HOUR; t < end; t += HOUR) {
  const hour = new Date(t).getUTCHours();
  const grams = 300 - 200 * Math.cos((hour - 4) / 12 * Math.PI) + new Date(t).getUTCDate() % 3 * 10;
  console.log(`${new Date(t).toISOString().slice(0, 16)}Z,${grams.toFixed(1)}`);
}
