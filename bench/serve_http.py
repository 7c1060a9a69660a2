#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What HTTP, JSON and the threads of `tern serve` add to a request.

    bench/serve_http.py [--requests N] [--rounds N] NAME=COMMAND...

Each COMMAND starts a server on 127.0.0.1:{port}, in the foreground.  Requests for one token go over
one connection, one after the other; from the time between the first byte sent and the last one
read the time is taken that the engine says it had the request (total_duration of Ollama's API,
waiting included).  What is left is the way in and out: parsing, the prompt's tokens, two changes of thread,
meter, receipt, the answer, and this client, which is a bare socket.  Printed are medians over the
rounds of the median and the 99th percentile, and the server's CPU time beside the engine's wall time.
"""
import argparse
import json
import socket
import statistics
import time

from serve import Server, cpu_s


def read_answer(sock, held=b""):
    """The body of one answer with a Content-Length."""
    while b"\r\n\r\n" not in held:
        held += sock.recv(65536)
    head, body = held.split(b"\r\n\r\n", 1)
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise SystemExit(f"bench: {head[:200]}")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += sock.recv(65536)
    return json.loads(body)


def measure(name, command, n):
    body = json.dumps({"prompt": "Once", "raw": True, "stream": False,
                       "options": {"num_predict": 1, "temperature": 0}})
    server = Server(name, command)
    try:
        server.wait()
        text = (f"POST /api/generate HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()
        outside_us, engine_s = [], 0
        with socket.create_connection(("127.0.0.1", server.port)) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(n + n // 10):
                if i == n // 10:  # the first ones warm caches
                    cpu, outside_us, engine_s = cpu_s(server.process.pid), [], 0
                begun = time.perf_counter_ns()
                s.sendall(text)
                answer = read_answer(s)
                took = time.perf_counter_ns() - begun
                outside_us.append((took - answer["total_duration"]) / 1e3)
                engine_s += answer["total_duration"] / 1e9
        cpu = cpu_s(server.process.pid) - cpu
    finally:
        server.stop()
    outside_us.sort()
    return (statistics.median(outside_us), outside_us[int(0.99 * n)], 1e6 * cpu / n, 1e6 * engine_s / n)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("servers", nargs="+", metavar="NAME=COMMAND")
    p.add_argument("--requests", type=int, default=2000)
    p.add_argument("--rounds", type=int, default=5)
    args = p.parse_args()
    commands = dict(s.split("=", 1) for s in args.servers)
    results = {name: [] for name in commands}
    for _ in range(args.rounds):
        for name, command in commands.items():
            results[name].append(measure(name, command, args.requests))
    print("| server | added us, median | p99 | CPU us | engine us |\n| --- | --- | --- | --- | --- |")
    for name, rounds in results.items():
        cells = [f"{statistics.median(c):.0f} ({min(c):.0f}-{max(c):.0f})" for c in zip(*rounds)]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
