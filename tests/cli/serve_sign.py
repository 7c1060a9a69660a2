#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stream that has waited a quarter of a minute for its first text gets a sign of life, and then its
answer.

usage: serve_sign.py URL PID      of a server with one slot and room for 100 in its queue

The server is made slow by being stopped while the stream waits behind 90 others, whose clients leave
then.
"""
import http.client
import json
import os
import signal
import sys
import time
import urllib.parse

SIGN_S = 15.2
url, pid = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2])


def ask(max_tokens):
    """A connection with its request sent."""
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
    c.request("POST", "/v1/completions", json.dumps(
        {"prompt": "Once", "seed": 1, "temperature": 1, "stream": True, "max_tokens": max_tokens}))
    return c


def lines_of(c):
    """The status, and what lies between empty lines."""
    r = c.getresponse()
    return [r.status] + r.read().decode().split("\n\n")


def attempt():
    """The lines that one got which came after all others."""
    others = [ask(500) for _ in range(90)]
    last = ask(5)
    time.sleep(0.1)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(SIGN_S)
    finally:
        os.kill(pid, signal.SIGCONT)
    for c in others:
        c.close()
    return lines_of(last)


def texts(lines):
    chunks = [json.loads(line[6:]) for line in lines[1:] if line.startswith("data: {")]
    return [chunk["choices"][0]["text"] for chunk in chunks if chunk["choices"]]


for _ in range(3):  # on a machine that is fast enough it has its answer before
    got = attempt()
    if got[1].startswith(":"):
        break
alone = lines_of(ask(5))
if got[0] != 200 or got[1] != ": no text yet" or got[-2:] != ["data: [DONE]", ""] or texts(got) != texts(alone):
    sys.exit(f"FAILED: a sign of life: {got}, {alone}")
