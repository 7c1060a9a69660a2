#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Another file in the place of the one that is served: whatever is asked first, what is said of
the model is of the one that answers.

usage: serve_replaced.py URL      of a server of ./model.gguf, which is tern-books
"""
import hashlib
import http.client
import json
import os
import shutil
import sys
import threading
import urllib.parse

url = urllib.parse.urlsplit(sys.argv[1])
CHAT = {"messages": [{"role": "user", "content": "Once"}], "max_tokens": 4, "seed": 1, "temperature": 0.5}


def ask(path, body=None):
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
    c.request("POST" if body else "GET", path, json.dumps(body) if body else None)
    r = c.getresponse()
    answer = json.loads(r.read())
    c.close()
    assert r.status == 200, (path, r.status, answer)
    return answer


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def put(path):
    """Puts a copy in its place, at once."""
    shutil.copy(path, "new.gguf")
    os.replace("new.gguf", "model.gguf")
    return sha256("model.gguf")


def digest():
    return ask("/api/tags")["models"][0]["digest"]


shutil.copy("model.gguf", "first.gguf")
with open("model.gguf", "rb") as f:
    data = bytearray(f.read())
at = data.index(b"tern-books")
data[at:at + 10] = b"tern-cooks"
data[len(data) // 4:len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)  # many weights
with open("next.gguf", "wb") as f:
    f.write(data)
files = ["first.gguf", "next.gguf"]
show, vector = {}, {}
for i, first in enumerate(["/v1/embeddings", "/v1/embeddings", "chat", "chat", "tags", "tags"]):
    name = files[i % 2]
    sha = put(name)
    if first == "chat":
        answer = ask("/v1/chat/completions", CHAT)
        assert sha.startswith(answer["system_fingerprint"].removeprefix("fp_")), (sha, answer)
        assert answer["receipt"], answer
        receipt = ask("/v1/receipts/" + answer["receipt"])
        assert receipt["payload"], receipt
    elif first == "/v1/embeddings":
        vector[name] = ask(first, {"input": "a cat sat on the mat"})["data"][0]["embedding"]
    assert digest() in (sha, "sha256:" + sha), (digest(), sha)
    shown = json.dumps(ask("/api/show", {"model": "model"})["model_info"], sort_keys=True)
    assert show.setdefault(name, shown) == shown, (name, show[name], shown)
assert show[files[0]] != show[files[1]], show
assert vector[files[0]] != vector[files[1]], "the embeddings are of the model before"

# While somebody is answered: he has the whole answer of the model before, who comes then the next.
sha = put(files[0])
ask("/v1/chat/completions", CHAT)
holder = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
holder.request("POST", "/v1/completions", json.dumps(
    {"prompt": "Once", "max_tokens": 300, "stream": True, "seed": 5, "temperature": 1}))
stream = holder.getresponse()
line = stream.readline()
assert json.loads(line[6:])["system_fingerprint"].removeprefix("fp_") in sha, line
later = put(files[1])
answers = []
others = [threading.Thread(target=lambda: answers.append(ask("/v1/chat/completions", CHAT))) for _ in range(3)]
for t in others:
    t.start()
assert ask("/health")["status"] == "ok"  # at once, whoever waits
rest = stream.read()
holder.close()
assert rest.endswith(b"data: [DONE]\n\n"), rest[-200:]
for t in others:
    t.join()
assert len(answers) == 3, answers
assert all(later.startswith(a["system_fingerprint"].removeprefix("fp_")) for a in answers), answers
