#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many connections to `tern serve` at once: idle ones, readers that take nothing, and short requests
meanwhile, all of which must be answered; then everything must be as it was before.

usage: serve_soak.py [IDLE [SLOW [REQUESTS]]]      with tern in PATH; prints what it has measured
"""
import atexit
import concurrent.futures
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

idle, slow, requests = (int(a) for a in (sys.argv[1:] + ["120", "12", "300"][len(sys.argv) - 1:]))
most = idle + slow + 64
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if hard != resource.RLIM_INFINITY and hard < most + 64:
    print(f"SKIPPED: this process may have only {hard} open files")
    sys.exit(77)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most + 64), hard))
server = subprocess.Popen(["tern", "serve", "-p", "0", "--threads", "1", "--no-receipt", "--queue", "1024",
                           "--connections", str(most)], stdout=subprocess.PIPE)
atexit.register(server.kill)
url = urllib.parse.urlsplit(server.stdout.readline().decode().split()[1])


def memory():
    """Resident bytes of the server."""
    with open(f"/proc/{server.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu():
    """Seconds of CPU that it has used."""
    with open(f"/proc/{server.pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(small=False):
    s = socket.socket()
    if small:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.settimeout(120)
    s.connect((url.hostname, url.port))
    return s


def send(s, method, path, body=b""):
    s.sendall(b"%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (method, path, len(body)) + body)


def read_answer(s):
    data = b""
    while b"\r\n\r\n" not in data:
        data += s.recv(4096)
    head, body = data.split(b"\r\n\r\n", 1)
    length = next(int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length"))
    while len(body) < length:
        body += s.recv(4096)
    return head.split()[1], body


def some(n):
    """Short requests over one connection: paths that need no model, and some that do."""
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=300)
    bad = []
    for i in range(n):
        if i % 10 == 0:
            c.request("POST", "/v1/completions", json.dumps({"prompt": "Once", "max_tokens": 2, "seed": i}))
        else:
            c.request("GET", ["/health", "/v1/models", "/metrics"][i % 3])
        r = c.getresponse()
        if r.status != 200:
            bad.append((r.status, r.read()))
        else:
            r.read()
    c.close()
    return bad


def many(n):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return [b for bad in pool.map(some, [n // 8] * 8) for b in bad]


errors = many(80)  # what is made once is made
before = memory()
waiting = [connect() for _ in range(idle)]
for s in waiting:  # each has been used, and is kept alive
    send(s, b"GET", b"/health")
for s in waiting:
    assert read_answer(s)[0] == b"200"
held = memory()
used, begun = cpu(), time.monotonic()
time.sleep(2)
idle_cpu = (cpu() - used) / (time.monotonic() - begun)

readers = [connect(small=True) for _ in range(slow)]  # they ask and take nothing
ask = json.dumps({"prompt": "Once", "max_tokens": 60, "stream": True, "temperature": 1}).encode()
for s in readers:
    send(s, b"POST", b"/v1/completions", ask)
begun = time.monotonic()
errors += many(requests)
took = time.monotonic() - begun
whole = 0
for s in readers:  # at last they read
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        more = s.recv(65536)
        if not more:
            break
        data += more
    whole += b"data: [DONE]" in data
    s.close()
alive = 0
for s in waiting:
    send(s, b"GET", b"/health")
    alive += read_answer(s)[0] == b"200"
    s.close()
time.sleep(0.5)
errors += many(80)
after = memory()
server.send_signal(signal.SIGTERM)
code = server.wait(timeout=60)
print(json.dumps({"idle": idle, "slow": slow, "requests": requests // 8 * 8, "errors": len(errors),
                  "seconds": round(took, 2), "idle_alive": alive, "slow_whole": whole,
                  "bytes_an_idle_connection": (held - before) // max(idle, 1),
                  "idle_cpu_permille": round(idle_cpu * 1000), "grown_kib": (after - before) // 1024}))
assert not errors, errors[:3]
assert alive == idle and whole == slow, (alive, whole)
# A sanitizer keeps what was freed, and has a thread of its own; it looks for leaks itself.
if not {"ASAN_OPTIONS", "TSAN_OPTIONS"} & set(os.environ):
    assert idle_cpu < 0.05, idle_cpu
    assert held - before < idle * 65536 + (4 << 20), (before, held)
    assert after - before < 32 << 20, (before, after)
assert code == 128 + signal.SIGTERM, code
