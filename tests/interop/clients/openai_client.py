# SPDX-License-Identifier: Apache-2.0
"""A conversation by OpenAI's own client for Python.  usage: openai_client.py URL TOKEN"""
import math
import sys

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
