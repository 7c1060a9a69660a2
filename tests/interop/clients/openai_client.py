# SPDX-License-Identifier: Apache-2.0
"""A conversation by OpenAI's own client for Python.  usage: openai_client.py URL TOKEN"""
import json
import math
import sys
import time

import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key=sys.argv[2], max_retries=0)
assert [m.id for m in client.models.list()] == ["tern-books"]
assert client.models.retrieve("tern-books").object == "model"

said = [{"role": "user", "content": "Once upon a time"}]
args = dict(model="tern-books", max_tokens=12, seed=7, temperature=0.8)
whole = client.chat.completions.create(messages=said, **args)
text = whole.choices[0].message.content
assert text and whole.choices[0].finish_reason == "length", whole
assert whole.usage.completion_tokens == 12 and whole.usage.prompt_tokens > 0
assert whole.model_extra["energy"]["energy_uj"] >= 0 and len(whole.model_extra["receipt"]) == 26
assert client.chat.completions.create(messages=said, **args).choices[0].message.content == text

chunks = list(client.chat.completions.create(messages=said, stream=True,
                                             stream_options={"include_usage": True}, **args))
assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == text
assert chunks[0].choices[0].delta.role == "assistant"
assert chunks[-1].usage.completion_tokens == 12 and not chunks[-1].choices

said += [{"role": "assistant", "content": text}, {"role": "user", "content": "And then?"}]
more = client.chat.completions.create(messages=said, n=2, logprobs=True, top_logprobs=3, **args)
assert len(more.choices) == 2 and more.choices[1].index == 1
for choice in more.choices:
    assert len(choice.logprobs.content) == 12
    assert all(len(t.top_logprobs) == 3 and t.logprob <= 0 for t in choice.logprobs.content)

plain = client.completions.create(prompt="Once upon a time", stop=["zzzz"], **args)
assert plain.choices[0].text == text
pieces = list(client.completions.create(prompt="Once upon a time", stream=True, **args))
assert "".join(p.choices[0].text for p in pieces) == text

vectors = client.embeddings.create(model="tern-books", input=["a cat", "a cat"]).data
assert len(vectors[0].embedding) == 2048 and vectors[0].embedding == vectors[1].embedding
assert math.isclose(sum(x * x for x in vectors[0].embedding), 1, rel_tol=1e-5)

form = client.chat.completions.create(
    messages=said[:1], response_format={"type": "json_schema", "json_schema": {
        "name": "n", "schema": {"type": "object", "properties": {"yes": {"type": "boolean"}},
                                "required": ["yes"], "additionalProperties": False}}},
    **dict(args, max_tokens=60))
assert '"yes"' in form.choices[0].message.content, form

# Requests in a file.
lines = [{"custom_id": f"r{i}", "method": "POST", "url": "/v1/chat/completions",
          "body": {"messages": said[:1], **args, "n": n}} for i, n in enumerate([1, 17])]
upload = client.files.create(file=("requests.jsonl", "\n".join(map(json.dumps, lines)).encode()), purpose="batch")
assert upload.purpose == "batch" and upload.filename == "requests.jsonl" and upload.status == "processed", upload
batch = client.batches.create(input_file_id=upload.id, endpoint="/v1/chat/completions",
                              completion_window="24h", metadata={"why": "a test"})
assert batch.status == "validating" and batch.metadata == {"why": "a test"}, batch
while batch.status in ("validating", "in_progress", "finalizing"):
    time.sleep(0.1)
    batch = client.batches.retrieve(batch.id)
assert batch.status == "completed" and batch.request_counts.failed == 1, batch
done = [json.loads(x) for x in client.files.content(batch.output_file_id).text.splitlines()]
assert done[0]["custom_id"] == "r0" and done[0]["response"]["body"]["choices"][0]["message"]["content"] == text, done
errors = [json.loads(x) for x in client.files.content(batch.error_file_id).text.splitlines()]
assert errors[0]["response"]["status_code"] == 400 and errors[0]["custom_id"] == "r1", errors
assert [b.id for b in client.batches.list(limit=1)] == [batch.id]
assert {f.id for f in client.files.list()} == {upload.id, batch.output_file_id, batch.error_file_id}
assert client.files.delete(upload.id).deleted
bad = client.files.create(file=("bad.jsonl", b"nothing"), purpose="batch")
batch = client.batches.create(input_file_id=bad.id, endpoint="/v1/completions", completion_window="24h")
while batch.status == "validating":
    time.sleep(0.1)
    batch = client.batches.retrieve(batch.id)
assert batch.status == "failed" and batch.errors.data[0].line == 1, batch
assert client.batches.cancel(batch.id).status == "failed"

for wrong, error in [(dict(args, model="other"), openai.NotFoundError),
                     (dict(args, n=17), openai.BadRequestError),
                     (dict(args, tools=[{"type": "function", "function": {"name": "f"}}]),
                      openai.BadRequestError)]:
    try:
        client.chat.completions.create(messages=said, **wrong)
        raise SystemExit(f"not refused: {wrong}")
    except error as e:
        assert e.code and e.type == "invalid_request_error", e
try:
    openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="wrong", max_retries=0).models.list()
    raise SystemExit("a wrong token was taken")
except openai.AuthenticationError:
    pass
