#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Logs that ask a witness (tern witness serve), for tests/cli/witness.sh.

  witness.py key                  the public key of the log in add-checkpoint.hurl
  witness.py hurl FILE URL        sends the requests of a .hurl script, compares the answers
  witness.py crash TERN DIR HASH FORK BODY...
        the witness in DIR is killed (kill -9) at random moments while it is asked to follow a
        log (BODY: one request a step); what it acknowledged it must know afterwards, and the
        other history (FORK) it must never cosign
  witness.py cosigned CHECKPOINT VKEY...
        checks cosignatures with OpenSSL
  witness.py lie                  serves witnesses that answer what they should not; prints the
                                  address
"""
import base64
import hashlib
import http.client
import http.server
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

# From the same test of torchwood: `witnessctl add-sigsum-log -key=...`.
LOG_KEY = bytes.fromhex("ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f")
# What litewitness answers where the specification (c2sp.org/tlog-witness) says something else.
SPECIFIED = {("unknown log", 403): 404}


def vkey():
    name = "sigsum.org/v1/tree/" + hashlib.sha256(LOG_KEY).hexdigest()
    key = b"\x01" + LOG_KEY
    key_id = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    return "%s+%s+%s" % (name, key_id.hex(), base64.b64encode(key).decode())


def connect(url):
    return http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=20)


def ask(connection, method, path, body=None):
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Content-Type"), answer.read()


# --- a script ------------------------------------------------------------------------------


def hurl_entries(text):
    pattern = r"POST http://[^/]*(/\S*)\n```\n(.*?)```\nHTTP (\d+)\n\[Asserts\]\n(.*?)(?=\nPOST|\Z)"
    for path, body, code, asserts in re.findall(pattern, text, re.S):
        yield path, body, int(code), [line for line in asserts.splitlines() if line.strip()]


def hurl(file, url):
    with open(file, encoding="utf-8") as f:
        text = f.read()
    connection = connect(url)
    n = bad = 0
    for path, body, code, asserts in hurl_entries(text):
        n += 1
        for line in asserts:
            code = SPECIFIED.get((line.split('"')[1], code), code)
        status, kind, answer = ask(connection, "POST", path, body.encode())
        faults = [] if status == code else ["status %d, not %d" % (status, code)]
        if status == 409 and kind != "text/x.tlog.size":
            faults.append("type %s" % kind)
        for line in asserts:
            operator, wanted = re.fullmatch(r'body (contains|==) "(.*)"', line).groups()
            wanted = wanted.replace("\\n", "\n").encode()
            good = answer == wanted if operator == "==" else wanted in answer
            faults += [] if good else ["not: %s" % line]
        for fault in faults:
            bad += 1
            print("request %d: %s (%r)" % (n, fault, answer))
    assert n == text.count("POST http") and n >= 8, n
    print("%d requests of %s" % (n, os.path.basename(file)))
    return bad


# --- crashes -------------------------------------------------------------------------------


class Witness:
    """The process; None as an answer means that it was killed."""

    def __init__(self, tern, directory):
        self.process = subprocess.Popen(
            [tern, "witness", "serve", "-q", "--listen", "127.0.0.1:0", directory],
            stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://"), "it does not start"
        self.connection = connect(self.url)

    def ask(self, method, path, body=None):
        try:
            return ask(self.connection, method, path, body)
        except (OSError, http.client.HTTPException):
            return None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)

    def end(self):
        self.process.wait()
        self.process.stdout.close()
        self.connection.close()


def size_shown(answer):
    return int(answer[2].split(b"\n")[1]) if answer[0] == 200 else 0


def crash(tern, directory, log_hash, fork, bodies):
    rng = random.Random(int(os.environ.get("TERN_SEED", "1")))
    rounds = int(os.environ.get("TERN_ROUNDS", "30"))
    acknowledged = killed = bad = 0
    pace = 0.004  # it is killed within that, which follows how fast this machine answers
    for number in range(rounds):
        witness = Witness(tern, directory)
        shown = size_shown(witness.ask("GET", "/%s/checkpoint" % log_hash))
        if shown < acknowledged or shown > acknowledged + 1:
            bad += 1
            print("round %d: %d after %d was acknowledged" % (number, shown, acknowledged))
        acknowledged = shown
        if acknowledged >= len(bodies):
            acknowledged = len(bodies)
            witness.kill()
            witness.end()
            break
        # From its size on, the other history does not continue what was seen.
        old = int(fork.split(b"\n")[0].split()[1])
        if acknowledged > old:
            status = witness.ask("POST", "/add-checkpoint", fork)[0]
            renamed = b"old %d\n" % acknowledged + fork.split(b"\n", 1)[1]
            second = witness.ask("POST", "/add-checkpoint", renamed)[0]
            if status != 409 or second not in (400, 422):
                bad += 1
                print("round %d: the other history got %s, %s" % (number, status, second))
        killer = threading.Timer(rng.random() * pace, witness.kill)
        killer.start()
        before = acknowledged
        while acknowledged < len(bodies):
            answer = witness.ask("POST", "/add-checkpoint", bodies[acknowledged])
            if answer is None:
                killed += 1
                break
            if answer[0] != 200:
                bad += 1
                print("round %d: step %d got %s" % (number, acknowledged, answer))
                break
            acknowledged += 1
        killer.join()
        pace *= 2 if acknowledged == before else 0.5 if acknowledged > before + 2 else 1
        witness.kill()
        witness.end()
    print("killed %d times in %d rounds, %d of %d steps acknowledged"
          % (killed, number + 1, acknowledged, len(bodies)))
    if killed < 3:
        bad += 1
        print("it was hardly ever killed while it answered")
    return bad


# --- cosignatures, by others ---------------------------------------------------------------


def openssl_verifies(key, message, signature):
    with tempfile.TemporaryDirectory() as directory:
        files = {"key": bytes.fromhex("302a300506032b6570032100") + key,  # SubjectPublicKeyInfo
                 "message": message, "signature": signature}
        for name, data in files.items():
            with open(os.path.join(directory, name), "wb") as f:
                f.write(data)
        return subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key",
             "-rawin", "-in", "message", "-sigfile", "signature"],
            cwd=directory, stdout=subprocess.DEVNULL, check=False).returncode == 0


def cosigned(checkpoint, *vkeys):
    with open(checkpoint, encoding="utf-8") as f:
        text, signatures = f.read().split("\n\n")
    text += "\n"
    bad = 0
    for file in vkeys:
        with open(file, encoding="utf-8") as f:
            name, key_id, key = f.read().strip().split("+", 2)
        key = base64.b64decode(key)
        lines = [line.split(" ")[2] for line in signatures.splitlines()
                 if line.split(" ")[1] == name]
        data = base64.b64decode(lines[0]) if len(lines) == 1 else b""
        good = len(data) == 4 + 8 + 64 and key[0] == 4 and data[:4].hex() == key_id
        if good:
            seconds = struct.unpack(">Q", data[4:12])[0]
            message = "cosignature/v1\ntime %d\n%s" % (seconds, text)
            good = abs(seconds - time.time()) < 3600 and openssl_verifies(
                key[1:], message.encode(), data[12:])
        if not good:
            bad += 1
            print("%s: no good cosignature by %s" % (checkpoint, name))
    return bad


# --- witnesses that lie --------------------------------------------------------------------


class Liar(http.server.BaseHTTPRequestHandler):
    sizes = 0

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.path.split("/")[1]
        size = "text/x.tlog.size"
        Liar.sizes += 1
        code, content, body = {
            "other": (200, "text/plain", "\u2014 other.example/w " + "A" * 104 + "\n"),
            "empty": (200, "text/plain", ""),
            "large": (200, "text/plain", "x" * 200000),
            "size": (409, size, "-1\n"),
            "huge": (409, size, "99999999999999999999999\n"),
            "changing": (409, size, "%d\n" % (Liar.sizes % 2)),
            "moved": (302, "text/plain", ""),
            "escape": (500, "text/plain", "\x1b[2J\n"),
        }[kind]
        self.send_response(code)
        self.send_header("Content-Type", content)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())


def lie():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    print("http://127.0.0.1:%d" % server.server_port, flush=True)
    server.serve_forever()


def main():
    command, *args = sys.argv[1:]
    if command == "key":
        print(vkey())
        return 0
    if command == "hurl":
        return hurl(*args) > 0
    if command == "cosigned":
        return cosigned(*args) > 0
    if command == "lie":
        return lie()
    bodies = []
    for file in args[3:]:
        with open(file, "rb") as f:
            bodies.append(f.read())
    return crash(args[0], args[1], args[2], bodies[0], bodies[1:]) > 0


if __name__ == "__main__":
    sys.exit(main())
