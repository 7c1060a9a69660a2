#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures servers with OpenAI's /v1/completions side by side: clients that stream at once.

    bench/serve.py [OPTION]... NAME=COMMAND...

Each COMMAND starts a server on 127.0.0.1:{port}, in the foreground.  In each round every server
is started, warmed by one request, measured, and ended, one after the other, so that what the machine
does meanwhile falls on all of them.  Prompts are random tokens, the same ones for every
server, and no two are alike, so that no cache of prompts helps.  Printed are medians over the rounds
(with the least and the most):

    tokens/s   generated tokens of all clients over the time from first request to last answer
    CPU ms     of the server's process, user and system, a generated token (prompts included)
    first s    from request to first text, median of the requests
    step ms    between texts of one answer, median; p99: of all such gaps

Example (two servers, two threads each):

    bench/serve.py tern='build/release/tern serve -m M.gguf --port {port} --slots 8 --ctx 512 -t 2 -q' \\
        llama='llama-server -m M.gguf --port {port} -np 8 -c 4096 -t 2 --no-webui'
"""
import argparse
import asyncio
import json
import os
import random
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import time

START_S, ANSWER_S = 120, 600
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS  # utime, stime: proc(5)


class Server:
    def __init__(self, name, command):
        self.name, self.port = name, free_port()
        words = shlex.split(command.replace("{port}", str(self.port)))
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def healthy(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as s:
                s.sendall(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                          "Connection: close\r\n\r\n".encode())
                return b" 200 " in s.recv(64)
        except OSError:
            return False

    def wait(self):
        end = time.monotonic() + START_S
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"bench: {self.name}: the server does not answer")
            time.sleep(0.05)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


async def body_of(reader):
    """Pieces of an answer's body, chunked or up to the end."""
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        line = head.decode(errors="replace").split("\r\n", maxsplit=1)[0]
        raise SystemExit(f"bench: {line}: {(await reader.read())[:300]}")
    if b"transfer-encoding: chunked" not in head.lower():
        while piece := await reader.read(65536):
            yield piece
        return
    while size := int(await reader.readline(), 16):
        yield (await reader.readexactly(size + 2))[:-2]


async def ask(server, prompt, generate):
    """One streamed answer: (seconds to the first text, gaps between texts, tokens)."""
    body = json.dumps({"prompt": prompt, "max_tokens": generate, "temperature": 0, "stream": True,
                       "ignore_eos": True, "stream_options": {"include_usage": True}})
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    begun = time.monotonic()
    writer.write(f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                 f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                 f"Connection: close\r\n\r\n{body}".encode())
    times, tokens, held = [], 0, b""
    async for piece in body_of(reader):
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if event.get("choices") and event["choices"][0].get("text"):
                times.append(time.monotonic())
            if event.get("usage"):
                tokens = event["usage"]["completion_tokens"]
    writer.close()
    if not times:
        raise SystemExit(f"bench: {server.name}: an answer without text")
    return times[0] - begun, [b - a for a, b in zip(times, times[1:])], tokens


async def load(server, prompts, args):
    """All clients at once; each asks its prompts one after the other."""
    async def client(own):
        return [await ask(server, p, args.generate) for p in own]

    share = [prompts[i::args.clients] for i in range(args.clients)]
    answers = await asyncio.wait_for(asyncio.gather(*(client(own) for own in share)), ANSWER_S)
    return [a for own in answers for a in own]


def measure(name, command, prompts, args):
    server = Server(name, command)
    try:
        server.wait()
        asyncio.run(ask(server, prompts[0][::-1], 8))
        cpu, begun = cpu_s(server.process.pid), time.monotonic()
        answers = asyncio.run(load(server, prompts, args))
        wall, cpu = time.monotonic() - begun, cpu_s(server.process.pid) - cpu
    finally:
        server.stop()
    tokens = sum(a[2] for a in answers)
    gaps = sorted(g for a in answers for g in a[1])
    return {"tokens": tokens, "tokens_per_s": tokens / wall, "cpu_ms_per_token": 1e3 * cpu / tokens,
            "first_s": statistics.median(a[0] for a in answers),
            "step_ms": 1e3 * statistics.median(gaps),
            "step_p99_ms": 1e3 * gaps[int(0.99 * (len(gaps) - 1))]}


def show(results):
    keys = {"tokens_per_s": ("tokens/s", ".1f"), "cpu_ms_per_token": ("CPU ms", ".2f"),
            "first_s": ("first s", ".2f"), "step_ms": ("step ms", ".1f"),
            "step_p99_ms": ("p99 ms", ".1f")}
    print("| server | " + " | ".join(title for title, _ in keys.values()) + " |")
    print("| --- " * (len(keys) + 1) + "|")
    for name, rounds in results.items():
        cells = []
        for key, (_, form) in keys.items():
            all_of = [r[key] for r in rounds]
            cells.append(f"{statistics.median(all_of):{form}} "
                         f"({min(all_of):{form}}-{max(all_of):{form}})")
        print(f"| {name} | " + " | ".join(cells) + " |")


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("servers", nargs="+", metavar="NAME=COMMAND")
    p.add_argument("--clients", type=int, default=8)
    p.add_argument("--requests", type=int, default=4, help="of each client (default: 4)")
    p.add_argument("--prompt", type=int, default=128, help="tokens of a prompt (default: 128)")
    p.add_argument("--generate", type=int, default=128, help="tokens of an answer (default: 128)")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--ids", default="1000:30000", metavar="LOW:HIGH",
                   help="range of the prompts' tokens (default: 1000:30000)")
    p.add_argument("--json", metavar="FILE", help="write all rounds there")
    args = p.parse_args()
    low, high = (int(x) for x in args.ids.split(":"))
    commands = dict(s.split("=", 1) for s in args.servers)
    results = {name: [] for name in commands}
    for r in range(args.rounds):
        draw = random.Random(r)
        prompts = [[draw.randrange(low, high) for _ in range(args.prompt)]
                   for _ in range(args.clients * args.requests)]
        for name, command in commands.items():
            results[name].append(measure(name, command, prompts, args))
            print(f"round {r + 1} {name}: {results[name][-1]['tokens_per_s']:.1f} tokens/s",
                  file=sys.stderr, flush=True)
    show(results)
    if args.json:
        with open(args.json, "w", encoding="ascii") as f:
            json.dump({"clients": args.clients, "requests": args.requests, "prompt": args.prompt,
                       "generate": args.generate, "servers": commands, "rounds": results}, f,
                      indent=1)


if __name__ == "__main__":
    main()
