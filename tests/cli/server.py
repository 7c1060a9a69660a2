#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A web server on this machine that misbehaves on demand, for the test of `tern pull`.

usage: server.py DIRECTORY NAMES [CERTIFICATE KEY]        serves until it is killed

The path of a request says what happens: /MODE/NAME.  Each NAME is a file of its own (its bytes
follow from the name) with its own count of requests.  Into DIRECTORY it writes
  sha-NAME, sha-NAME@1   the SHA-256 of both versions of each of NAMES (separated by commas)
  log                    the requests, one a line
  port                   where it listens, when all else is ready
"""
import hashlib
import http.server
import os
import socketserver
import ssl
import sys
import threading
import time

SIZE = 300_000
STALL_S = 60
directory = sys.argv[1]
counts = {}
log = open(f"{directory}/log", "w", encoding="ascii")
lock = threading.Lock()


def content(name, version=0):
    block = hashlib.sha256(f"{name} {version}".encode()).digest()
    out = bytearray()
    while len(out) < SIZE:
        block = hashlib.sha256(block).digest()
        out += block
    return bytes(out[:SIZE])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        path = self.path.split("?")[0]
        with lock:
            counts[path] = counts.get(path, 0) + 1
            n = counts[path]
            print(f"{path} range={self.headers.get('Range', '-')} "
                  f"if-range={self.headers.get('If-Range', '-')}", file=log, flush=True)
        _, mode, name = (path.split("/", 2) + ["", ""])[:3]
        try:
            getattr(self, "mode_" + mode.replace("-", "_"))(name, n)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # --- parts of answers

    def text(self, code, body, **headers):
        data = body.encode()
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def file(self, data, etag, ranges=True, only=None, stall=False, close=False):
        """Sends data, or what is asked of it; `only` sends so many bytes of the body."""
        first = 0
        wanted = self.headers.get("Range")
        matches = self.headers.get("If-Range", etag) == etag
        if ranges and wanted and matches:
            first = int(wanted.removeprefix("bytes=").split("-")[0])
            if first >= len(data):
                return self.text(416, "", Content_Range=f"bytes */{len(data)}")
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        if etag:
            self.send_header("ETag", etag)
        body = data[first:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if only is None:
            self.wfile.write(body)
        else:
            self.wfile.write(body[:only])
            self.wfile.flush()
            if stall:
                time.sleep(STALL_S)
            self.close_connection = True

    # --- what happens

    def mode_ok(self, name, n):
        self.file(content(name), f'"{name}-0"')

    def mode_plain(self, name, n):  # no ranges, no tag
        self.file(content(name), None, ranges=False)

    def mode_cut(self, name, n):  # breaks off the first time
        self.file(content(name), f'"{name}-0"', only=100_000 if n == 1 else None)

    def mode_cut_always(self, name, n):  # brings 100,000 more bytes each time
        self.file(content(name), f'"{name}-0"', only=100_000)

    def mode_cut_untagged(self, name, n):
        self.file(content(name), None, only=100_000 if n == 1 else None)

    def mode_cut_weak(self, name, n):
        self.file(content(name), f'W/"{name}"', only=100_000 if n == 1 else None)

    def mode_changed(self, name, n):  # breaks off, then there is another file
        version = 0 if n == 1 else 1
        self.file(content(name, version), f'"{name}-{version}"',
                  only=100_000 if n == 1 else None)

    def mode_no_ranges(self, name, n):  # breaks off, then knows no ranges
        self.file(content(name), f'"{name}-0"', ranges=n == 1,
                  only=100_000 if n == 1 else None)

    def mode_stall(self, name, n):  # hangs the first time
        self.file(content(name), f'"{name}-0"', only=100_000 if n == 1 else None, stall=True)

    def mode_heedless(self, name, n):  # as mode_changed, but does not heed If-Range
        self.headers.__delitem__("If-Range")
        self.mode_changed(name, n)

    def mode_wrong_part(self, name, n):  # answers a range with another one
        if n == 1:
            return self.file(content(name), f'"{name}-0"', only=100_000)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes 5-{SIZE - 1}/{SIZE}")
        self.send_header("Content-Length", str(SIZE - 5))
        self.end_headers()
        self.wfile.write(content(name)[5:])

    def mode_busy(self, name, n):  # not now
        if n == 1:
            return self.text(503, "later")
        self.file(content(name), f'"{name}-0"')

    def mode_404(self, name, n):
        self.text(404, "<html>no such file</html>" * 100)

    def mode_403(self, name, n):
        self.text(403, "log in")

    def mode_500(self, name, n):
        self.text(500, "broken")

    def mode_empty(self, name, n):
        self.text(200, "")

    def mode_huge(self, name, n):
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 50))
        self.end_headers()
        time.sleep(1)
        self.close_connection = True

    def mode_unsized(self, name, n):  # the end of the connection is the end of the file
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content(name))
        self.close_connection = True

    def mode_move(self, name, n):
        self.text(302, "", Location=f"/ok/{name}")

    def mode_loop(self, name, n):
        self.text(302, "", Location=f"/loop/{name}")

    def mode_ftp(self, name, n):
        self.text(302, "", Location=f"ftp://127.0.0.1/{name}")

    def mode_downgrade(self, name, n):
        self.text(302, "", Location=f"http://127.0.0.1/{name}")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Handler)
if len(sys.argv) == 5:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
for word in sys.argv[2].split(","):
    for version in (0, 1):
        with open(f"{directory}/sha-{word}" + "@1" * version, "w", encoding="ascii") as out:
            print(hashlib.sha256(content(word, version)).hexdigest(), file=out)
with open(f"{directory}/port.new", "w", encoding="ascii") as out:
    print(server.server_address[1], file=out)
os.rename(f"{directory}/port.new", f"{directory}/port")
server.serve_forever()
