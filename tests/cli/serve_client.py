#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of `tern serve` that says exactly what it is told to, for serve.sh.

usage: serve_client.py URL TOKEN      the server has tern-books, and bears TOKEN
"""
import base64
import http.client
import json
import math
import socket
import struct
import sys
import threading
import time
import urllib.parse

url, token = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]
bad = 0


def check(what, good, shown=""):
    global bad
    if not good:
        bad += 1
        print(f"FAILED: {what}: {str(shown)[:400]}")


def ask(method, path, body=None, headers=None, auth=True):
    """Status, headers and body of an answer."""
    c = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    all_headers = {"Content-Type": "application/json"}
    if auth:
        all_headers["Authorization"] = "Bearer " + token
    all_headers.update(headers or {})
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    c.request(method, path, data, all_headers)
    r = c.getresponse()
    text = r.read()
    c.close()
    return r.status, r.headers, text


def post(path, body, status=200):
    code, _, text = ask("POST", path, body)
    check(f"{path} {str(body)[:80]}: {code}, not {status}", code == status, text)
    return json.loads(text)


def get(path, status=200):
    code, _, text = ask("GET", path)
    check(f"{path}: {code}, not {status}", code == status, text)
    return json.loads(text)


def events(path, body):
    """The objects of a stream of server-sent events, which ends with [DONE]."""
    code, headers, text = ask("POST", path, dict(body, stream=True))
    check("a stream's type", headers["Content-Type"] == "text/event-stream", headers)
    parts = text.decode().split("\n\n")
    check("a stream's end", parts[-2:] == ["data: [DONE]", ""], text[-200:])
    return [json.loads(p[6:]) for p in parts[:-2]]


def raw(data, wait=True):
    s = socket.create_connection((url.hostname, url.port), timeout=60)
    s.sendall(data)
    out = b""
    while wait:
        try:
            more = s.recv(65536)
        except ConnectionResetError:
            break
        if not more:
            break
        out += more
    s.close()
    return out


def error_of(path, body, status, code, param=None):
    e = post(path, body, status).get("error", {})
    check(f"code of {str(body)[:80]}", e.get("code") == code, e)
    check(f"param of {str(body)[:80]}", e.get("param") == param, e)
    check("members of an error", set(e) == {"message", "type", "param", "code"}, e)


# --- what is there
health = get("/health")
check("health", health["status"] == "ok" and health["model"] == "tern-books", health)
models = get("/v1/models")
check("models", [m["id"] for m in models["data"]] == ["tern-books"], models)
check("its context", models["data"][0]["tern"]["context_tokens"] == 512, models)
check("a model", get("/v1/models/tern-books")["object"] == "model")
check("by its alias", get("/v1/models/gpt-test")["id"] == "tern-books")
check("no model", get("/v1/models/other", 404)["error"]["code"] == "model_not_found")
check("no path", get("/v1/nothing", 404)["error"]["code"] == "not_found")
code, headers, text = ask("GET", "/v1/completions")
check("405", code == 405 and "POST" in headers["Allow"], text)
for path, status in [("/api/pull", 404), ("/api/tags", 405)]:
    code, _, body = ask("POST", path, {"model": "x"})
    check(f"the shape of {path}", code == status and isinstance(json.loads(body)["error"], str), body)
check("405's shape", json.loads(text)["error"]["code"] == "method_not_allowed", text)

# --- who may ask
code, headers, text = ask("GET", "/v1/models", auth=False)
check("401", code == 401 and headers["WWW-Authenticate"] == "Bearer", text)
check("401 as Ollama's clients read it", isinstance(json.loads(ask("GET", "/api/tags", auth=False)[2])["error"], str))
check("401's shape", json.loads(text)["error"]["code"] == "invalid_api_key", text)
check("a longer token", ask("GET", "/v1/models", headers={"Authorization": f"Bearer {token}x"})[0] == 401)
check("health without a token", ask("GET", "/health", auth=False)[0] == 200)
check("another name", ask("GET", "/health", headers={"Host": "evil.example"})[0] == 421)
code, headers, text = ask("POST", "/v1/completions", {"prompt": "x"},
                          headers={"Origin": "https://evil.example"})
check("another site's page", code == 403 and "Access-Control-Allow-Origin" not in headers, text)

# --- completions
base = {"prompt": "Once upon a time", "max_tokens": 12, "seed": 7, "temperature": 0.8}
whole = post("/v1/completions", base)
text = whole["choices"][0]["text"]
check("some text", len(text) > 0 and whole["choices"][0]["finish_reason"] == "length", whole)
check("usage", whole["usage"]["completion_tokens"] == 12, whole)
check("energy", whole["energy"]["energy_uj"] >= 0 and whole["energy"]["meter"], whole)
check("carbon", whole["carbon"]["zone"] == "DE" and whole["carbon"]["age_days"] > 0, whole)
check("again", post("/v1/completions", base)["choices"][0]["text"] == text)
two = post("/v1/completions", dict(base, n=2))
check("n", two["choices"][0]["text"] == text, two)
check("seed + 1", two["choices"][1]["text"] ==
      post("/v1/completions", dict(base, seed=8))["choices"][0]["text"], two)
lists = post("/v1/completions", dict(base, prompt=["Once upon a time", "The old man"]))
check("two prompts", lists["choices"][0]["text"] == text and lists["choices"][1]["index"] == 1, lists)
check("echo", post("/v1/completions", dict(base, echo=True))["choices"][0]["text"] ==
      "Once upon a time" + text)
stop = text[len(text) // 2:len(text) // 2 + 3]
stopped = post("/v1/completions", dict(base, stop=[stop, "never to be seen"]))["choices"][0]
check("stop", stopped["text"] == text[:text.index(stop)] and stopped["finish_reason"] == "stop", stopped)
logs = post("/v1/completions", dict(base, logprobs=2))["choices"][0]
check("logprobs", logs["text"] == text and len(logs["logprobs"]["tokens"]) == 12 and
      all(len(t) == 2 for t in logs["logprobs"]["top_logprobs"]) and
      all(p <= 0 for p in logs["logprobs"]["token_logprobs"]), logs)
pieces = events("/v1/completions", base)
check("a stream's text", "".join(p["choices"][0]["text"] for p in pieces) == text, pieces)
check("a stream's cost", "energy_uj" in pieces[-1]["energy"] and pieces[-1]["receipt"], pieces[-1])

# --- chats: a model without a template goes on with the messages
said = {"messages": [{"role": "system", "content": "Once upon"}, {"role": "user", "content": "a time"}],
        "max_tokens": 10, "seed": 3, "temperature": 0.7}
chat = post("/v1/chat/completions", said)
joined = post("/v1/completions", dict(prompt="Once upon\n\na time", max_tokens=10, seed=3, temperature=0.7))
answer = chat["choices"][0]["message"]
check("the fallback", answer["content"] == joined["choices"][0]["text"], (chat, joined))
check("its role", answer["role"] == "assistant" and chat["object"] == "chat.completion", chat)
pieces = events("/v1/chat/completions", dict(said, stream_options={"include_usage": True},
                                             logprobs=True, top_logprobs=3))
check("a chat's stream", "".join(p["choices"][0]["delta"].get("content", "")
                                 for p in pieces if p["choices"]) == answer["content"], pieces)
check("its first role", pieces[0]["choices"][0]["delta"]["role"] == "assistant", pieces[0])
check("its usage", pieces[-1]["choices"] == [] and pieces[-1]["usage"]["completion_tokens"] == 10, pieces[-1])
check("its logprobs", sum(len(p["choices"][0]["logprobs"]["content"])
                          for p in pieces if p["choices"] and p["choices"][0]["logprobs"]) == 10, pieces)
several = events("/v1/chat/completions", dict(said, n=3))
check("choices of a stream", {p["choices"][0]["index"] for p in several} == {0, 1, 2}, several)
biased = post("/v1/completions", dict(base, max_tokens=3, temperature=0, logit_bias={"300": 100}))
check("a bias", len(set(post("/v1/completions", dict(base, max_tokens=3, temperature=0, logprobs=1,
                                                     logit_bias={"300": 100}))
                        ["choices"][0]["logprobs"]["tokens"])) == 1, biased)
check("no receipt of what it could not say", biased["receipt"] is None, biased)
form = post("/v1/chat/completions", dict(said, max_tokens=60, response_format={
    "type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {
        "type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"],
        "additionalProperties": False}}}))
with open("form_id", "w", encoding="ascii") as f:
    f.write(form["receipt"])
with open("form_output", "w", encoding="utf-8") as f:
    f.write(form["choices"][0]["message"]["content"])
check("a schema", isinstance(json.loads(form["choices"][0]["message"]["content"])["yes"], bool), form)
form = post("/v1/chat/completions", dict(said, max_tokens=40, response_format={"type": "json_object"}))
check("JSON mode", isinstance(json.loads(form["choices"][0]["message"]["content"]), dict), form)

# --- receipts
check("a receipt", b'"payload"' in ask("GET", "/v1/receipts/" + whole["receipt"])[2])
check("the key", ask("GET", "/v1/receipts/key")[2].startswith(b"tern-receipt+"))
for no in ["0" * 26, "..%2f..%2fkeys", "x"]:
    check("no receipt", get("/v1/receipts/" + no, 404)["error"]["code"] == "receipt_not_found")
with open("receipt.json", "wb") as f:
    f.write(ask("GET", "/v1/receipts/" + whole["receipt"])[2])
with open("output", "w", encoding="utf-8") as f:
    f.write(text)
with open("id", "w", encoding="ascii") as f:
    f.write(whole["receipt"])

# --- embeddings
e = post("/v1/embeddings", {"input": ["a cat", "a cat", "the stock market"]})
v = [d["embedding"] for d in e["data"]]
check("a vector's length", math.isclose(sum(x * x for x in v[0]), 1, rel_tol=1e-5), len(v[0]))
check("equal texts", v[0] == v[1] and v[0] != v[2] and len(v[0]) == 2048)
check("their usage", e["usage"]["prompt_tokens"] > 0 and e["energy"], e["usage"])
b = post("/v1/embeddings", {"input": "a cat", "encoding_format": "base64"})["data"][0]["embedding"]
check("base64", list(struct.unpack("<2048f", base64.b64decode(b))) ==
      [struct.unpack("f", struct.pack("f", x))[0] for x in v[0]])
check("tokens", len(post("/v1/embeddings", {"input": [300, 301]})["data"]) == 1)
error_of("/v1/embeddings", {"input": "x", "dimensions": 3}, 400, "unsupported_value", "dimensions")
error_of("/v1/embeddings", {"input": [999999]}, 400, "invalid_value")
error_of("/v1/embeddings", {"input": ""}, 400, "invalid_value")

# --- Ollama
check("version", get("/api/version")["version"])
check("tags", get("/api/tags")["models"][0]["name"] == "tern-books")
check("show", post("/api/show", {"model": "tern-books:latest"})["details"]["family"] == "smdr")
check("no such model", "error" in post("/api/show", {"model": "other"}, 404))
options = {"seed": 7, "temperature": 0.8, "num_predict": 12}
g = post("/api/generate", {"model": "tern-books", "prompt": "Once upon a time", "stream": False,
                           "options": options})
check("generate", g["response"] == text and g["done"] and g["done_reason"] == "length", g)
check("durations", g["total_duration"] > 0 and g["eval_count"] == 12, g)
code, headers, lines = ask("POST", "/api/generate", {"prompt": "Once upon a time", "options": options})
lines = [json.loads(x) for x in lines.splitlines()]
check("a stream of lines", "".join(x["response"] for x in lines) == text and lines[-1]["done"] and
      headers["Content-Type"] == "application/x-ndjson", lines)
c = post("/api/chat", {"messages": [{"role": "user", "content": "Once upon a time"}], "stream": False,
                       "options": options})
check("chat", c["message"]["content"] == text, c)
check("load", post("/api/generate", {"model": "tern-books"})["done_reason"] == "load")
check("ps", get("/api/ps")["models"][0]["name"] == "tern-books")
for kept in ({"prompt": "Once", "keep_alive": 0, "stream": False, "options": {"num_predict": 2}},
             {"keep_alive": 0}):
    post("/api/generate", {"keep_alive": -1})
    check("kept for ever", get("/api/ps")["models"])
    g = post("/api/generate", kept)
    check("unloaded by name", "prompt" in kept or g["done_reason"] == "unload", g)
    until = time.monotonic() + 20
    while get("/api/ps")["models"] and time.monotonic() < until:
        time.sleep(0.05)
    check("keep_alive 0", not get("/api/ps")["models"], kept)
check("embed", post("/api/embed", {"input": ["a cat"]})["embeddings"][0] == v[0])
check("embeddings", post("/api/embeddings", {"prompt": "a cat"})["embedding"] == v[0])
check("its errors", isinstance(post("/api/chat", {"messages": 3}, 400)["error"], str))

# --- what is refused
error_of("/v1/completions", {"prompt": "x", "model": "other"}, 404, "model_not_found", "model")
error_of("/v1/completions", {"prompt": ""}, 400, "invalid_value")
error_of("/v1/completions", {"prompt": "word " * 2000}, 400, "context_length_exceeded")
error_of("/v1/completions", {"prompt": [99999]}, 400, "invalid_value")
error_of("/v1/completions", {"prompt": "x", "n": 16, "max_tokens": 400}, 400, "unsupported_value", "n")
error_of("/v1/completions", {"prompt": ["x", ""]}, 400, "invalid_value")
error_of("/v1/chat/completions", b'{"messages":[{"role":"user","content":"\xff"}]}', 400, "invalid_json")
error_of("/v1/chat/completions", b"[" * 100000, 400, "invalid_json")
error_of("/v1/chat/completions", dict(said, tools=[{"type": "function"}]), 400, "unsupported_parameter", "tools")
error_of("/v1/chat/completions", dict(said, response_format={"type": "json_schema", "json_schema": {
    "name": "n", "schema": {"type": "nothing"}}}), 400, "invalid_value", "response_format")
host = f"Host: {url.hostname}:{url.port}\r\n".encode()
auth = f"Authorization: Bearer {token}\r\n".encode()
big = raw(b"POST /v1/completions HTTP/1.1\r\n" + host + auth + b"Content-Length: 99999999\r\n\r\n")
check("a huge body", b" 413 " in big.split(b"\r\n")[0] and b"request_too_large" in big, big)
flood = raw(b"GET /health HTTP/1.1\r\n" + host + b"X: y\r\n" * 20000 + b"\r\n")
check("a flood of headers", b" 431 " in flood.split(b"\r\n")[0], flood[:200])

# --- embeddings leave room for others
error_of("/v1/embeddings", {"input": "word " * 40000}, 400, "invalid_value", "input")
many = [threading.Thread(target=lambda: seen.append(ask("POST", "/v1/embeddings", {"input": ["a cat sat " * 90] * 12})))
        for _ in range(6)]
seen = []
for t in many:
    t.start()
time.sleep(0.1)
begun = time.monotonic()
check("health beside embeddings", ask("GET", "/health")[0] == 200)
waited = time.monotonic() - begun
for t in many:
    t.join()
codes = sorted(s[0] for s in seen)
check("embeddings that are too many", set(codes) == {200, 429}, codes)
check("when to try again", all(s[1]["Retry-After"] for s in seen if s[0] == 429))
check("nobody waits for them", waited < 5, waited)

# --- who leaves ends his text in its middle
body = json.dumps({"input": "a cat sat on it " * 8000}).encode()
s = socket.create_connection((url.hostname, url.port), timeout=60)
s.sendall(b"POST /v1/embeddings HTTP/1.1\r\n" + host + auth +
          b"Content-Length: %d\r\n\r\n" % len(body) + body)
s.shutdown(socket.SHUT_WR)
half = b""
while more := s.recv(65536):
    half += more
s.close()
check("a text that nobody waits for", b" 499 " in half.split(b"\r\n")[0] and
      b"client_closed_request" in half, half[:300])

# --- the page: its files are everybody's, its figures are not
code, headers, page = ask("GET", "/", None, {"Accept": "text/html"}, auth=False)
check("the page", code == 200 and b"<title>tern</title>" in page and
      headers["Content-Security-Policy"].startswith("default-src 'none'"), page)
code, headers, page = ask("GET", "/", None, {"Accept": "*/*"}, auth=False)
check("no page", code == 200 and page.startswith(b"tern ") and headers["Vary"] == "Accept", page)
code, headers, page = ask("GET", "/ui/app.js", auth=False)
check("a file of it", code == 200 and headers["Content-Type"] == "text/javascript; charset=utf-8", page)
check("it is known", ask("GET", "/ui/app.js", None, {"If-None-Match": headers["ETag"]})[0] == 304)
for path in ["/tern/state", "/tern/outlook", "/tern/log/checkpoint"]:
    check(f"{path} without a token", ask("GET", path, auth=False)[0] == 401)
state = get("/tern/state")
check("its state", state["schema"] == "tern.state/1" and state["log"] is None and
      state["last"] > 64 or len(state["recent"]) == state["last"], state)
check("no texts", "Once upon" not in json.dumps(state), state)
check("nothing new", get(f"/tern/state?since={state['last']}")["recent"] == [])
outlook = get("/tern/outlook")
check("its outlook", outlook["feed"]["how"] == "yearly" and not outlook["decision"]["wait"], outlook)
get("/tern/log/checkpoint", 404)

# --- who leaves
before = ask("GET", "/metrics")[2].decode()


def metric(text, name):
    return next(float(x.split()[-1]) for x in text.splitlines() if x.startswith(name + " "))


s = socket.create_connection((url.hostname, url.port), timeout=60)
body = json.dumps({"prompt": "Once", "max_tokens": 480, "temperature": 1}).encode()
s.sendall(b"POST /v1/completions HTTP/1.1\r\n" + host + auth +
          b"Content-Length: %d\r\n\r\n" % len(body) + body)
s.shutdown(socket.SHUT_WR)
half = b""
while more := s.recv(65536):
    half += more
s.close()
check("a half-closed connection", half == b"" or b" 499 " in half.split(b"\r\n")[0] and
      b"client_closed_request" in half or b" 200 " in half.split(b"\r\n")[0] and b'"choices"' in half, half)
body = json.dumps({"prompt": "Once", "max_tokens": 480, "stream": True, "temperature": 1}).encode()
s = socket.create_connection((url.hostname, url.port), timeout=60)
s.sendall(b"POST /v1/completions HTTP/1.1\r\n" + host + auth +
          b"Content-Length: %d\r\n\r\n" % len(body) + body)
check("its beginning", b"data: " in s.recv(4096) + s.recv(4096))
s.close()
for _ in range(100):
    after = ask("GET", "/metrics")[2].decode()
    if metric(after, "tern_requests_cancelled_total") > metric(before, "tern_requests_cancelled_total"):
        break
    time.sleep(0.1)
else:
    check("a client that left is noticed", False, after)
check("its tokens are counted", metric(after, "tern_tokens_not_made_total") > 0, after)
for name in ["gen_ai_server_time_to_first_token_seconds_count", "gen_ai_client_token_usage_bucket",
             'tern_http_responses_total{code="404"}', "tern_answers_co2_grams_total"]:
    check("a metric", "\n" + name in after, name)
sys.exit(1 if bad else 0)
