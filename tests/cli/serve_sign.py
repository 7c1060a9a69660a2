#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stream that has waited a quarter of a minute for its first text gets a sign of life, and then its
answer.

usage: serve_sign.py URL PID      of a server with one slot and room for 30 in its queue

The server is made slow by being stopped while the stream waits behind 20 others.
"""
import http.client
import json
import os
import signal
import sys
import threading
import time
import urllib.parse

SIGN_S = 15.2
url, pid = urllib.parse.urlsplit(sys.argv[1]), int(sys.argv[2])


def stream(lines, **more):
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
    c.request("POST", "/v1/completions", json.dumps(
        {"prompt": "Once", "seed": 1, "temperature": 1, "stream": True, **more}))
    r = c.getresponse()
    lines += [r.status] + r.read().decode().split("\n\n")
    c.close()


def attempt():
    """The lines that one got which came after all others."""
    before = [threading.Thread(target=stream, args=([],), kwargs={"max_tokens": 500})
              for _ in range(20)]
    for t in before:
        t.start()
    time.sleep(0.1)
    lines = []
    last = threading.Thread(target=stream, args=(lines,), kwargs={"max_tokens": 5})
    last.start()
    time.sleep(0.1)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(SIGN_S)
    finally:
        os.kill(pid, signal.SIGCONT)
    for t in before + [last]:
        t.join()
    return lines


for _ in range(3):  # on a machine that is fast enough it has its answer before
    got = attempt()
    if got[1].startswith(":"):
        break
alone = []
stream(alone, max_tokens=5)
texts = [[json.loads(line[6:])["choices"][0]["text"] for line in lines[1:]
          if line.startswith("data: {") and json.loads(line[6:])["choices"]]
         for lines in (got, alone)]
if got[0] != 200 or got[1] != ": no text yet" or got[-2:] != ["data: [DONE]", ""] or texts[0] != texts[1]:
    sys.exit(f"FAILED: a sign of life: {got}, {texts}")
