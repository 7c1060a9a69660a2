#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""More requests than a server has room for: each gets an answer, or 429 with Retry-After.

usage: serve_busy.py URL      of a server with one slot and a queue of one
"""
import http.client
import json
import sys
import threading
import urllib.parse

url = urllib.parse.urlsplit(sys.argv[1])
results = []
body = json.dumps({"prompt": "Once", "max_tokens": 150, "seed": 1, "temperature": 0.8})


def ask():
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
    c.request("POST", "/v1/completions", body)
    r = c.getresponse()
    results.append((r.status, r.headers.get("Retry-After"), json.loads(r.read())))
    c.close()


threads = [threading.Thread(target=ask) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
good = [r for r in results if r[0] == 200]
busy = [r for r in results if r[0] == 429]
assert len(good) >= 2 and busy and len(good) + len(busy) == 8, results
assert len({r[2]["choices"][0]["text"] for r in good}) == 1, "answers differ"
for _, wait, error in busy:
    assert int(wait) >= 1 and error["error"]["code"] == "rate_limit_exceeded", (wait, error)
