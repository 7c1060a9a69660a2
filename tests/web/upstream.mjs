// SPDX-License-Identifier: Apache-2.0
// Another machine that answers chats, and one that always fails; prints who may answer as `tern
// serve --routes` reads it.
import { createServer } from "node:http";

const server = createServer((request, answer) => {
  request.resume();
  request.on("end", () => {
    if (request.url.startsWith("/down/")) {
      answer.writeHead(500).end("{}");
      return;
    }
    answer.writeHead(200, { "Content-Type": "application/json" });
    answer.end(JSON.stringify({ id: "x", object: "chat.completion", created: 1, model: "large",
      choices: [{ index: 0, message: { role: "assistant", content: "Hello from afar." }, finish_reason: "stop" }],
      usage: { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 } }));
  });
});
server.listen(0, "127.0.0.1", () => {
  const base = (name) => `http://127.0.0.1:${server.address().port}/${name}/v1`;
  const energy = (joules) => ({ in_j_per_token: 0, out_j_per_token: joules, low: 0.5, high: 2, word: "modelled", source: "a model" });
  console.log(JSON.stringify({
    schema: "tern.routing/1", answer_tokens: 20,
    policy: { first: "grams", budget: { g_per_day: 0.005, at_end: "refuse", basis: "average/operational/location" } },
    local: [{ name: "here", model: "tern-books", good_for: "thin", energy: energy(0.2) }],
    upstreams: [
      { name: "paris", model: "large-70b", base_url: base("paris"), zone: "DE", energy: energy(0.5) },
      { name: "oslo", model: "large-30b", base_url: base("oslo"), zone: "DE", energy: energy(0.1) },
      { name: "down", model: "large-7b", base_url: base("down"), zone: "DE", energy: energy(0.05) },
    ],
  }, null, 1));
});
