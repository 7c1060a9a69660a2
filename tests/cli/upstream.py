# SPDX-License-Identifier: Apache-2.0
"""Servers of chats that behave badly in all the ways that serve_routes.py asks for: the first
part of the path says how."""
import http.server
import json
import threading
import time

seen = []  # (mode, headers, body) of each request
left = []  # modes whose client went away while they were writing
counts = {}


def whole(body, text="Hello from afar.", usage=None):
    answer = {"id": "chatcmpl-x", "object": "chat.completion", "created": 1, "model": body["model"],
              "energy": {"energy_uj": 1}, "x_extra": {"kept": [1, "two\n"]},
              "choices": [{"index": 0, "message": {"role": "assistant", "content": text},
                           "finish_reason": "stop"}]}
    if usage is not None:
        answer["usage"] = usage
    return answer


GOOD = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, code, data, kind="application/json", headers=()):
        data = data if isinstance(data, bytes) else json.dumps(data, indent=1).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def begin(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, delta, finish=None, **more):
        piece = {"id": "chatcmpl-x", "object": "chat.completion.chunk", "created": 1, "model": "m",
                 "choices": [] if delta is None else
                 [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
        self.wfile.write(b"data: " + json.dumps(piece).encode() + b"\r\n\r\n")
        self.wfile.flush()

    def good_stream(self, usage=GOOD, pieces=("Hello ", "from ", "afar.")):
        self.begin()
        self.wfile.write(b": a comment\n\n")
        self.event({"role": "assistant", "content": ""})
        for text in pieces:
            self.event({"content": text})
        self.event({}, "stop")
        if usage:
            self.event(None, usage=usage)
        self.wfile.write(b"data: [DONE]\n\n")

    def do_POST(self):
        mode = self.path.split("/")[1]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seen.append((mode, dict(self.headers), body, self.path))
        counts[mode] = counts.get(mode, 0) + 1
        try:
            self.answer(mode, body, body.get("stream", False))
        except (BrokenPipeError, ConnectionResetError):
            left.append(mode)
            self.close_connection = True

    def answer(self, mode, body, stream):
        if mode == "hang":
            time.sleep(3)
            self.close_connection = True
        elif mode == "500":
            self.send(500, {"error": {"message": "inside"}})
        elif mode == "429":
            self.send(429, {"error": {"message": "slow down"}}, headers=[("Retry-After", "60")])
        elif mode == "401":
            self.send(401, {"error": {"message": "wrong key " + self.headers["Authorization"]}})
        elif mode == "400":
            self.send(400, {"error": {"message": "temperature is too high"}})
        elif mode == "redirect":
            self.send(302, {}, headers=[("Location", "/good/v1/chat/completions")])
        elif mode == "flaky" and counts[mode] == 1:
            self.send(503, {})
        elif mode == "endless":
            self.begin()
            for _ in range(600):
                self.event({"content": "on "})
                time.sleep(0.05)
        elif mode == "stalls":
            self.begin()
            self.event({"content": "One "})
            time.sleep(3)
        elif mode == "early" and stream:
            self.begin()
            self.event({"content": "One "})
        elif mode == "silent" and stream:  # a role, and then nothing: nobody has said anything
            self.begin()
            self.event({"role": "assistant"})
        elif mode == "early":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"id": "x", "choi')
            self.close_connection = True
        elif mode == "garbage" and stream:
            self.begin()
            self.wfile.write(b"data: {nonsense}\n\n")
        elif mode == "large" and stream:
            self.begin()
            self.wfile.write(b"data: " + b"x" * (3 << 20))
        elif mode in ("garbage", "large"):
            self.send(200, b"<html>hello</html>")
        elif mode == "lies":
            usage = {"prompt_tokens": 10 ** 9, "completion_tokens": -5}
            if stream:
                self.good_stream(usage=usage)
            else:
                self.send(200, whole(body, usage=usage))
        elif mode == "mute":
            if stream:
                self.good_stream(usage=None)
            else:
                self.send(200, whole(body))
        elif stream:
            self.good_stream()
        else:
            self.send(200, whole(body, usage=GOOD))


def start():
    """Serves from now on; returns the port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]
