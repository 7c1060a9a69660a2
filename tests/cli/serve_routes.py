#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`tern serve --routes` with upstreams that answer, and with others that hang, lie, close, and
say nonsense; for serve_routes.sh, in whose folder it works."""
import atexit
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

import upstream

KEY = "sk-very-secret-1234"
bad = 0
THICK = "write a proof that there are infinitely many primes and explain each step of it"
THIN = "wake me up at seven tomorrow"


def check(what, good, shown=""):
    global bad
    if not good:
        bad += 1
        print(f"FAILED: {what}: {str(shown)[:600]}")


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


port = upstream.start()
modes = ["hang", "429", "401", "400", "redirect", "flaky", "endless", "stalls", "early", "silent",
         "garbage", "large", "lies", "mute"]


def energy(joules):
    return {"in_j_per_token": 0, "out_j_per_token": joules, "low": 0.5, "high": 2, "word": "modelled",
            "source": "a model"}


def entry(name, joules, **more):
    return {"name": name, "model": "m-" + name, "base_url": f"http://127.0.0.1:{port}/{name}/v1",
            "zone": "FR", "energy": energy(joules), "key_env": "FAR_KEY",
            "timeouts": {"first_byte_s": 1, "idle_s": 1, "whole_s": 40}, **more}


def routes(**more):
    """Thick tasks: `dead` has the fewest grams, then `500`, then `good`."""
    dead = entry("dead", 0.1, base_url=f"http://127.0.0.1:{closed_port()}/v1")
    del dead["key_env"]
    return {"schema": "tern.routing/1", "answer_tokens": 20,
            "local": [{"name": "here", "model": "tern-books", "energy": energy(1), "zone": "SE"}],
            "upstreams": [dead, entry("500", 0.2), entry("good", 0.3), entry("400s", 9, base_url=f"http://127.0.0.1:{port}/hang/v1"),
                          entry("cut", 9, base_url=f"http://127.0.0.1:{port}/early/v1")] +
                         [entry(m, 9, good_for="thin") for m in modes], **more}


class Tern:
    """A server; its standard error goes to a file."""

    def __init__(self, config):
        with open("routes.json", "w") as f:
            json.dump(config, f)
        self.err = open("err", "ab")
        self.p = subprocess.Popen(["tern", "serve", "-p", "0", "--threads", "1", "--no-receipt",
                                   "--routes", "routes.json", "--log", "requests"],
                                  stdout=subprocess.PIPE, stderr=self.err)
        atexit.register(self.p.kill)
        line = self.p.stdout.readline().decode()
        if not line.startswith("serving "):
            print("the server did not start", open("err").read())
            sys.exit(1)
        self.url = urllib.parse.urlsplit(line.split()[1])

    def ask(self, path, body=None):
        c = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=60)
        c.request("POST" if body else "GET", path, json.dumps(body) if body else None,
                  {"Content-Type": "application/json"})
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        return r.status, r.headers, text

    def chat(self, model, text="hello", **more):
        body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 8}
        status, headers, answer = self.ask("/v1/chat/completions", {**body, **more})
        if more.get("stream") and status == 200:
            events = [e[6:] for e in answer.split("\n\n") if e]
            return status, headers, [e if e == "[DONE]" else json.loads(e) for e in events]
        return status, headers, json.loads(answer)

    def kill(self, how):
        self.p.send_signal(how)
        code = self.p.wait(timeout=60)
        self.err.close()
        return code


def route_of(headers):
    value = headers.get("X-Tern-Route", "")
    check("a header's length", 0 < len(value) < 512, value)
    return dict(part.split("=", 1) for part in value.split("; ") if "=" in part)


def good_answers(t):
    status, headers, a = t.chat("good")
    route = route_of(headers)
    check("good", status == 200 and a["choices"][0]["message"]["content"] == "Hello from afar.", a)
    check("its energy", a["energy"]["energy_uj"] == 5 * 300000 and a["energy"]["evidence"] == "modelled"
          and a["energy"]["tokens"] == "reported" and a["energy"]["energy_high_uj"] == 3000000, a["energy"])
    check("its grams", a["carbon"]["co2_ug"] > 0 and a["carbon"]["zone"] == "FR", a["carbon"])
    check("no receipt", a["receipt"] is None, a)
    check("other members", a["x_extra"] == {"kept": [1, "two\n"]} and a["usage"] == upstream.GOOD, a)
    check("a route", route["to"] == "good" and route["attempt"] == "1", route)
    mode, sent, body, path = upstream.seen[-1]
    check("what was sent", body["model"] == "m-good" and body["max_tokens"] == 8 and "tern" not in body
          and path == "/good/v1/chat/completions" and sent["Authorization"] == "Bearer " + KEY, body)
    for usage in (False, True):
        status, headers, e = t.chat("m-good", stream=True, stream_options={"include_usage": usage})
        said = "".join(c["delta"].get("content", "") for x in e[:-1] for c in x["choices"])
        check("a stream", said == "Hello from afar." and e[-1] == "[DONE]", e)
        check("its cost", e[-2]["energy"]["energy_uj"] == 1500000 and "energy" not in e[-3], e[-2])
        check("its usage", ("usage" in e[-2]) == usage and not any("usage" in x for x in e[:-2]), e)
        check("its end", any(c["finish_reason"] == "stop" for x in e[-3:-1] for c in x["choices"]), e)
        check("usage was asked for", upstream.seen[-1][2]["stream_options"] == {"include_usage": True})
    for stream in (False, True):
        for mode in ("lies", "mute"):
            status, _, a = t.chat(mode, stream=stream)
            a = a[-2] if stream else a
            check(mode, status == 200 and a["energy"]["tokens"] == "estimated" and
                  a["energy"]["energy_uj"] == 4 * 9000000, a)  # 16 bytes, four a token
            check("its usage", stream or a["usage"]["completion_tokens"] == 4, a)


def bad_answers(t):
    cases = [("hang", 504, "upstream_timeout"), ("429", 429, "upstream_busy"),
             ("401", 502, "upstream_error"), ("400", 400, "upstream_refused"),
             ("redirect", 502, "upstream_error"), ("garbage", 502, "upstream_error"),
             ("early", 502, "upstream_error"), ("dead", 502, "upstream_error")]
    for mode, code, name in cases:
        status, headers, a = t.chat(mode)
        check(mode, status == code and a["error"]["code"] == name and set(a["error"]) >= {
            "message", "type", "param"}, (status, a))
        check("its route", route_of(headers)["to"] == mode, headers)
        check("no key", KEY not in json.dumps(a), a)
    check("the reason", "temperature" in t.chat("400")[2]["error"]["message"])
    check("Retry-After", t.chat("429")[1]["Retry-After"] == "60")
    for mode in ("silent", "garbage", "large"):  # nothing has been said: an error like any other
        status, _, a = t.chat(mode, stream=True)
        check(mode + " stream", status == 502 and a["error"]["code"] == "upstream_error", (status, a))
    for mode in ("early", "stalls"):
        status, _, e = t.chat(mode, stream=True)
        check(mode + " stream", status == 200 and e[0]["choices"][0]["delta"]["content"] == "One "
              and e[-1]["error"]["type"] == "server_error", e)
    status, headers, a = t.chat("flaky")
    check("a retry", status == 200 and route_of(headers)["attempt"] == "2", (status, a))
    before = upstream.counts["garbage"]
    for _ in range(3):
        status, headers, a = t.chat("garbage")
    check("a breaker", status == 503 and a["error"]["code"] == "upstream_paused" and
          int(headers["Retry-After"]) > 0 and upstream.counts["garbage"] < before + 3, (status, a))


def decisions(t):
    status, headers, a = t.chat("auto", THIN)
    route = route_of(headers)
    check("a thin task stays", status == 200 and route["to"] == "here" and route["task"] == "thin" and
          "local_first" in route["why"] or "local_costs_more" in route["why"], route)
    for stream in (False, True):
        status, headers, a = t.chat("auto", THICK, stream=stream)
        route = route_of(headers)
        check("a thick one goes to the third", status == 200 and route["to"] == "good" and
              route["attempt"] == ("2" if stream else "3") and route["task"] == "thick",
              (status, route, a))  # `dead` has failed three times by then, and is left alone
    status, headers, a = t.chat("auto", THIN, tools=[{"type": "function", "function": {"name": "f"}}])
    check("what is not possible here", status == 200 and route_of(headers)["to"] != "here" and
          "tools" in upstream.seen[-1][2], (status, a))
    status, headers, a = t.chat("auto", THIN, n=9)
    check("more choices than there are slots here", status == 200 and route_of(headers)["to"] != "here",
          (status, a))
    status, headers, a = t.chat("tern-books", n=9)
    check("and nobody else may", status == 400 and a["error"]["param"] == "n", (status, a))
    status, headers, a = t.chat("tern-books")
    check("a pinned one here", status == 200 and route_of(headers)["to"] == "here", (status, a))
    status, _, a = t.chat("nobody")
    check("nobody", status == 404 and a["error"]["code"] == "model_not_found", a)
    for more in ({"n": 0}, {"messages": []}, {"tern": 1}, {"tern": {"deadline": "soon"}}, {"stream": 1},
                 {"temperature": "hot"}):
        status, _, a = t.chat("auto", THIN, **more)
        check(f"{more}", status == 400, (status, a))
    models = json.loads(t.ask("/v1/models")[2])["data"]
    owners = {m["id"]: m["owned_by"] for m in models}
    check("models", "tern-books" in owners and owners["auto"] == "tern" and
          owners["m-good"] == "good", owners)
    check("a model", t.ask("/v1/models/m-good")[0] == 200 and t.ask("/v1/models/x")[0] == 404)


def ollama(t):
    """Chats of Ollama's API go the same way, in OpenAI's words there and in Ollama's back."""
    def ask(path, **body):
        status, headers, text = t.ask(path, body)
        lines = [json.loads(line) for line in text.splitlines()]
        return status, headers, lines

    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": THICK}]
    options = {"temperature": 0.25, "top_p": 0.5, "seed": -3, "num_predict": 8, "stop": ["\n\n", "\u00e9"],
               "top_k": 7, "presence_penalty": 0.5}
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {}}}
    for path, said in (("/api/chat", {"messages": messages}),
                       ("/api/generate", {"system": "Be brief.", "prompt": THICK})):
        def text_of(line):
            return line["message"]["content"] if path == "/api/chat" else line["response"]
        status, headers, lines = ask(path, model="good:latest", options=options, format=schema, stream=False, **said)
        check("Ollama's, whole", status == 200 and len(lines) == 1 and text_of(lines[0]) == "Hello from afar." and
              route_of(headers)["to"] == "good" and headers["Content-Type"] == "application/json", lines)
        end = lines[0]
        check("its end", end["done"] and end["done_reason"] == "stop" and end["model"] == "m-good" and
              end["prompt_eval_count"] == 12 and end["eval_count"] == 5 and end["receipt"] is None and
              0 < end["eval_duration"] <= end["total_duration"], end)
        check("its cost", end["energy"]["energy_uj"] == 1500000 and end["energy"]["upstream"] == "good" and
              end["carbon"]["co2_ug"] > 0, end)
        _, _, body, where = upstream.seen[-1]
        check("what was asked there", where == "/good/v1/chat/completions" and body == {
            "model": "m-good", "messages": messages, "stream": False, "temperature": 0.25, "top_p": 0.5, "seed": -3,
            "max_tokens": 8, "presence_penalty": 0.5, "stop": ["\n\n", "\u00e9"], "response_format": {
                "type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}, body)
        status, headers, lines = ask(path, model="auto", format="json", **said)
        check("Ollama's, a stream", status == 200 and route_of(headers)["task"] == "thick" and
              headers["Content-Type"] == "application/x-ndjson" and
              [text_of(x) for x in lines] == ["Hello ", "from ", "afar.", ""] and
              [x["done"] for x in lines] == [False] * 3 + [True] and lines[-1]["eval_count"] == 5 and
              lines[-1]["energy"]["tokens"] == "reported" and "energy" not in lines[0], lines)
        check("and there", upstream.seen[-1][2]["response_format"] == {"type": "json_object"} and
              upstream.seen[-1][2]["stream_options"] == {"include_usage": True})
        status, headers, lines = ask(path, model="cut", **said)
        check("a stream that is cut", status == 200 and text_of(lines[0]) == "One " and "error" in lines[-1], lines)
        status, headers, lines = ask(path, model="400", **said)
        check("a refusal", status == 400 and "temperature" in lines[0]["error"], lines)
        check("nobody", ask(path, model="nobody", **said)[0] == 404)
        check("nonsense", ask(path, model="auto", options=1, **said)[0] == 400)
    thin = {"messages": [{"role": "user", "content": THIN}], "options": {"num_predict": 2}}
    status, headers, lines = ask("/api/chat", stream=False, **thin)
    check("a thin task stays", status == 200 and route_of(headers)["to"] == "here" and
          "idle_uj" in lines[0]["energy"], lines)
    for more in ({"raw": True}, {"logprobs": True}):
        n = len(upstream.seen)
        status, headers, lines = ask("/api/generate", prompt=THICK, stream=False, options={"num_predict": 2}, **more)
        check(f"{more} is this machine's", status == 200 and len(upstream.seen) == n, lines)
        check("and none else's", ask("/api/generate", model="good", prompt=THICK, **more)[0] == 404)
    tags = json.loads(t.ask("/api/tags")[2])["models"]
    far = [m for m in tags if m["name"] == "m-good"]
    check("tags", tags[0]["size"] > 0 and tags[1]["name"] == "auto" and len(far) == 1 and
          far[0]["remote_host"].endswith("/good/v1"), tags)


def leaving(t):
    c = socket.create_connection((t.url.hostname, t.url.port))
    body = json.dumps({"model": "endless", "stream": True,
                       "messages": [{"role": "user", "content": "hi"}]}).encode()
    c.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
              b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    while b"on " not in c.recv(4096):
        pass
    c.close()
    end = time.time() + 10
    while "endless" not in upstream.left and time.time() < end:
        time.sleep(0.05)
    check("the upstream is left when the client leaves", "endless" in upstream.left)
    # One that closes only its own side is told that there is no answer.
    c = socket.create_connection((t.url.hostname, t.url.port), timeout=60)
    body = json.dumps({"model": "400s", "messages": [{"role": "user", "content": "hi"}]}).encode()
    c.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" %
              len(body) + body)
    c.shutdown(socket.SHUT_WR)
    half = b""
    while more := c.recv(65536):
        half += more
    check("a half-closed one", b" 499 " in half.split(b"\r\n")[0] and b"client_closed_request" in half, half)


def listed(t):
    """The page's list has what others answered."""
    t.chat("good")
    item = json.loads(t.ask("/tern/state")[2])["recent"][-1]
    check("the list", item["upstream"] == "good" and item["status"] == 200 and
          item["energy"]["energy_high_uj"] == 3000000 and item["carbon"]["co2_ug"] > 0 and
          item["output_tokens"] == 5 and item["receipt"] is None, item)
    t.chat("tern-books")
    item = json.loads(t.ask("/tern/state")[2])["recent"][-1]
    check("the list, of this machine", item["upstream"] is None and "idle_uj" in item["energy"], item)
    t.chat("early")
    item = json.loads(t.ask("/tern/state")[2])["recent"][-1]
    check("the list, of a failure", item["upstream"] == "early" and item["energy"] is None, item)


def budget():
    day = {"policy": {"first": "grams", "budget": {"g_per_day": 1e-3, "at_end": "queue"}}}
    dear = entry("good", 3e3)  # 5 tokens: 15 kJ at 56 g/kWh are 0.23 g
    path = ".local/share/tern/budget.json"
    config = {**routes(), **day, "upstreams": [dear], "local": []}
    t = Tern(config)
    status, headers, a = t.chat("auto", THICK)
    check("a request that no day has room for", status == 429 and
          a["error"]["code"] == "carbon_budget_exceeded", (status, a))
    t.kill(signal.SIGTERM)
    day["policy"]["budget"]["g_per_day"] = 0.6  # 8 tokens are expected: 0.37 g; 5 are told: 0.23 g
    t = Tern({**config, **day})
    status, headers, a = t.chat("auto", THICK)
    used = json.load(open(path))["used_ug"]
    check("what was told is charged", status == 200 and used == a["carbon"]["co2_ug"] > 200000, (used, a))
    check("one at a time", subprocess.run(["tern", "serve", "-p", "0", "--routes", "routes.json"],
                                          capture_output=True).returncode != 0)
    t.kill(signal.SIGKILL)
    t = Tern({**config, **day})
    status, headers, a = t.chat("auto", THICK)
    check("it is charged still", status == 429 and int(headers["Retry-After"]) > 0, (status, a, used))
    status, headers, a = t.chat("auto", THICK, tern={"deadline": "2s"})
    check("no time to wait", status == 429, (status, a))
    t.kill(signal.SIGTERM)
    check("its mode", os.stat(os.path.dirname(path)).st_mode & 0o77 == 0)
    with open(path, "w") as f:
        f.write('{"schema":"tern.budget/1","day":2')
    p = subprocess.run(["tern", "serve", "-p", "0", "--routes", "routes.json"], capture_output=True)
    check("a cut file is no unused day", p.returncode == 4, p)
    os.remove(path)
    # Waiting for the next day, which is near.
    with open(path, "w") as f:
        utc = time.gmtime()
        early = 86400 - 4 - (utc.tm_hour * 3600 + utc.tm_min * 60 + utc.tm_sec)
        os.environ["TZ"] = f"TST-{early // 3600}:{early // 60 % 60:02}:{early % 60:02}"
        time.tzset()
        json.dump({"schema": "tern.budget/1", "day": int(time.strftime("%Y%m%d")), "used_ug": 600000,
                   "basis": "average/life-cycle/location"}, f)
    t = Tern({**config, **day})
    start = time.time()
    status, _, a = t.chat("auto", THICK, tern={"deadline": "1h"})
    check("it waits, where there is time", status == 200 and time.time() - start > 1, (status, a))
    check("a new day", json.load(open(path))["used_ug"] == a["carbon"]["co2_ug"])
    t.kill(signal.SIGTERM)
    os.remove(path)
    # A crash while somebody answers: what was expected is charged.
    t = Tern({**config, **day, "upstreams": [entry("hang", 3e3)]})
    c = socket.create_connection((t.url.hostname, t.url.port))
    body = json.dumps({"messages": [{"role": "user", "content": THICK}], "max_tokens": 8}).encode()
    c.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" %
              len(body) + body)
    n = upstream.counts.get("hang", 0)
    while upstream.counts.get("hang", 0) == n:
        time.sleep(0.02)
    t.kill(signal.SIGKILL)
    check("a crash", json.load(open(path))["used_ug"] > 350000, open(path).read())


os.environ["FAR_KEY"] = KEY
server = Tern(routes())
good_answers(server)
bad_answers(server)
decisions(server)
ollama(server)
leaving(server)
listed(server)
metrics = server.ask("/metrics")[2]
check("figures", 'tern_route_failures_total{to="hang"} 1\n' in metrics and
      'tern_route_answers_total{to="flaky"} 1\n' in metrics, metrics[-3000:])
check("it ends", server.kill(signal.SIGTERM) == 128 + signal.SIGTERM)
budget()
log = open("err").read()
check("no key in the log", KEY not in log, log)
check("the log", '"to":"good"' in log and '"attempts":3' in log and "infinitely" not in log, log)
sys.exit(1 if bad else 0)
