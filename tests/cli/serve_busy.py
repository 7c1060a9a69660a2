#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""More requests than a server has room for: each gets an answer, or 429 with Retry-After.

usage: serve_busy.py URL      of a server with one slot and a queue of one

Nothing depends on who is faster: a stream whose first text was seen has the slot, what the server
itself counts as waiting has the queue, and only then do others come.
"""
import http.client
import json
import sys
import threading
import time
import urllib.parse

url = urllib.parse.urlsplit(sys.argv[1])
body = {"prompt": "Once", "max_tokens": 20, "seed": 1, "temperature": 0.8}


def post(**more):
    """A connection with its answer's head."""
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
    c.request("POST", "/v1/completions", json.dumps({**body, **more}))
    return c, c.getresponse()


def ask():
    c, r = post()
    answer = r.status, r.headers.get("Retry-After"), json.loads(r.read())
    c.close()
    return answer


def queued():
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
    c.request("GET", "/health")
    n = json.loads(c.getresponse().read())["queued"]
    c.close()
    return n


def full_house():
    """What came to the one that waited, and to six who came then; None where the long answer had
    ended before they were there."""
    holder, stream = post(stream=True, max_tokens=500, temperature=1)
    assert stream.readline().startswith(b"data: "), "no stream"
    waiting, refused = [], []
    waiter = threading.Thread(target=lambda: waiting.append(ask()))
    waiter.start()
    while not waiting and queued() == 0:
        time.sleep(0.01)
    others = [threading.Thread(target=lambda: refused.append(ask())) for _ in range(6)]
    for t in others:
        t.start()
    for t in others:
        t.join()
    held = not waiting and queued() == 1
    holder.close()  # who leaves makes room
    waiter.join()
    return (waiting[0], refused) if held else None


result = None
while result is None:  # an answer may end early by itself
    result = full_house()
first, others = result
assert first[0] == 200, first
assert all(r[0] == 429 for r in others), others
for _, wait, error in others:
    assert int(wait) >= 1 and error["error"]["code"] == "rate_limit_exceeded", (wait, error)
alone = ask()
assert alone[0] == 200 and alone[2]["choices"][0]["text"] == first[2]["choices"][0]["text"], alone
