// SPDX-License-Identifier: Apache-2.0
// Conversations by the official clients of OpenAI and Ollama.  usage: clients.mjs URL TOKEN
import assert from "node:assert/strict";
import OpenAI from "openai";
import { Ollama } from "ollama";

const [url, token] = process.argv.slice(2);

const openai = new OpenAI({ baseURL: url + "/v1", apiKey: token, maxRetries: 0 });
const models = [];
for await (const m of await openai.models.list()) models.push(m.id);
assert.deepEqual(models, ["tern-books"]);
const messages = [{ role: "user", content: "Once upon a time" }];
const args = { model: "tern-books", max_tokens: 12, seed: 7, temperature: 0.8 };
const whole = await openai.chat.completions.create({ messages, ...args });
const text = whole.choices[0].message.content;
assert.ok(text.length > 0);
assert.equal(whole.choices[0].finish_reason, "length");
assert.equal(whole.usage.completion_tokens, 12);
assert.equal(whole.receipt.length, 26);
let streamed = "";
for await (const chunk of await openai.chat.completions.create({ messages, stream: true, ...args }))
  streamed += chunk.choices[0].delta.content ?? "";
assert.equal(streamed, text);
const runner = openai.chat.completions.stream({
  messages: [...messages, { role: "assistant", content: text }, { role: "user", content: "And?" }],
  stream_options: { include_usage: true },
  ...args,
});
const final = await runner.finalChatCompletion();
assert.equal(final.choices[0].message.role, "assistant");
assert.equal(final.usage.completion_tokens, 12);
const plain = await openai.completions.create({ prompt: "Once upon a time", ...args });
assert.equal(plain.choices[0].text, text);
const vectors = await openai.embeddings.create({ model: "tern-books", input: "a cat" });
assert.equal(vectors.data[0].embedding.length, 2048);
const line = { custom_id: "r0", method: "POST", url: "/v1/completions", body: { prompt: "Once upon a time", ...args } };
const file = new File([JSON.stringify(line)], "requests.jsonl");
const upload = await openai.files.create({ file, purpose: "batch" });
let batch = await openai.batches.create({
  input_file_id: upload.id, endpoint: "/v1/completions", completion_window: "24h" });
while (["validating", "in_progress", "finalizing"].includes(batch.status)) {
  await new Promise((done) => setTimeout(done, 100));
  batch = await openai.batches.retrieve(batch.id);
}
assert.equal(batch.status, "completed");
const output = JSON.parse(await (await openai.files.content(batch.output_file_id)).text());
assert.equal(output.response.body.choices[0].text, text);
assert.equal((await openai.files.delete(upload.id)).deleted, true);
await assert.rejects(openai.chat.completions.create({ messages, ...args, model: "other" }), (e) => {
  assert.equal(e.status, 404);
  assert.equal(e.code, "model_not_found");
  return true;
});

const ollama = new Ollama({ host: url, headers: { Authorization: "Bearer " + token } });
assert.equal((await ollama.list()).models[0].name, "tern-books");
const options = { seed: 7, temperature: 0.8, num_predict: 12 };
const generated = await ollama.generate({
  model: "tern-books", prompt: "Once upon a time", options, stream: false,
});
assert.equal(generated.response, text);
let lines = "";
for await (const part of await ollama.chat({ model: "tern-books", messages, options, stream: true }))
  lines += part.message.content;
assert.equal(lines, text);
const embedded = await ollama.embed({ model: "tern-books", input: ["a cat", "a dog"] });
assert.equal(embedded.embeddings.length, 2);
assert.equal((await ollama.ps()).models[0].model, "tern-books");
await assert.rejects(ollama.chat({ model: "other", messages }), (e) => e.status_code === 404);
