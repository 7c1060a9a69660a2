# SPDX-License-Identifier: Apache-2.0
"""A conversation by Ollama's own client for Python.  usage: ollama_client.py URL TOKEN"""
import sys

import ollama

client = ollama.Client(host=sys.argv[1], headers={"Authorization": "Bearer " + sys.argv[2]})
assert [m.model for m in client.list().models] == ["tern-books"]
assert client.show("tern-books").details.family == "smdr"
options = {"seed": 7, "temperature": 0.8, "num_predict": 12}

whole = client.generate("tern-books", "Once upon a time", options=options)
assert whole.response and whole.done and whole.done_reason == "length" and whole.eval_count == 12
assert "".join(p.response for p in client.generate("tern-books", "Once upon a time", stream=True,
                                                   options=options)) == whole.response
said = [{"role": "user", "content": "Once upon a time"}]
answer = client.chat("tern-books", said, options=options)
assert answer.message.role == "assistant" and answer.message.content == whole.response
said += [answer.message, {"role": "user", "content": "And then?"}]
pieces = list(client.chat("tern-books", said, stream=True, options=options))
assert pieces[-1].done and pieces[-1].total_duration > 0
assert "".join(p.message.content for p in pieces)
vectors = client.embed("tern-books", ["a cat", "a dog"]).embeddings
assert len(vectors) == 2 and len(vectors[0]) == 2048
assert client.ps().models[0].model == "tern-books"
try:
    client.chat("other", said)
    raise SystemExit("a model that is not there")
except ollama.ResponseError as e:
    assert e.status_code == 404 and "other" in e.error, e
