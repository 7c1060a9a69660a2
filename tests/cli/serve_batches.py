#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/v1/files and /v1/batches of `tern serve`: requests in a file, their answers, a server that is killed
in the middle, an hour that is awaited, also by single requests; for serve_batches.sh, in whose folder it works."""
import atexit
import datetime
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse

bad = 0


def check(what, good, shown=""):
    global bad
    if not good:
        bad += 1
        print(f"FAILED: {what}: {str(shown)[:600]}")


class Tern:
    def __init__(self, *more, **env):
        self.err = open("err", "ab")
        self.p = subprocess.Popen(["tern", "serve", "-p", "0", "--threads", "1", "--slots", "3", *more],
                                  stdout=subprocess.PIPE, stderr=self.err, env={**os.environ, **env})
        atexit.register(self.p.kill)
        line = self.p.stdout.readline().decode()
        if not line.startswith("serving "):
            print("the server did not start", open("err").read())
            sys.exit(1)
        self.url = urllib.parse.urlsplit(line.split()[1])

    def ask(self, method, path, body=None, status=200, **headers):
        c = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=120)
        c.request(method, path, body if isinstance(body, (bytes, type(None))) else json.dumps(body), headers)
        r = c.getresponse()
        text = r.read()
        c.close()
        check(f"{method} {path}: {r.status}, not {status}", r.status == status, text)
        return json.loads(text) if r.headers["Content-Type"] == "application/json" else text

    def upload(self, lines, status=200, purpose="batch", name="requests.jsonl"):
        data = lines if isinstance(lines, bytes) else b"".join(json.dumps(x).encode() + b"\n" for x in lines)
        body = (b'--b0undary\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n' + purpose.encode() +
                b'\r\n--b0undary\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode() +
                b'"\r\nContent-Type: application/octet-stream\r\n\r\n' + data + b"\r\n--b0undary--\r\n")
        return self.ask("POST", "/v1/files", body, status, **{"Content-Type": "multipart/form-data; boundary=b0undary"})

    def create(self, file, endpoint="/v1/completions", window="24h", status=200, **more):
        return self.ask("POST", "/v1/batches", {"input_file_id": file, "endpoint": endpoint,
                                                "completion_window": window, **more}, status)

    def wait(self, batch, *states):
        """The batch once it has come so far."""
        while True:
            one = self.ask("GET", "/v1/batches/" + batch["id"])
            if one["status"] in states:
                return one
            if one["status"] in ("failed", "expired", "cancelled", "completed"):
                check(f"a batch of {states}", False, one)
                return one
            time.sleep(0.05)

    def results(self, file):
        lines = self.ask("GET", f"/v1/files/{file}/content").splitlines()
        return {r["custom_id"]: r for r in map(json.loads, lines)}

    def kill(self, how):
        self.p.send_signal(how)
        self.p.wait(timeout=60)
        self.err.close()


def line(name, url="/v1/completions", **body):
    body = {"model": "tern-books", "seed": 1, "temperature": 0.8, "max_tokens": 8, **body}
    return {"custom_id": name, "method": "POST", "url": url, "body": body}


def whole(t):
    said = [{"role": "user", "content": "Once upon a \"time\" }{"}]
    chats = [line(f"c{i}", "/v1/chat/completions", messages=said, seed=i) for i in range(5)]
    chats += [line("bad", "/v1/chat/completions", messages=said, temperature=9),
              line("stream", "/v1/chat/completions", messages=said, stream=True)]
    f = t.upload(chats, name="my requests.jsonl")
    check("a file", f["object"] == "file" and f["purpose"] == "batch" and f["filename"] == "my requests.jsonl" and
          t.ask("GET", "/v1/files/" + f["id"]) == f and
          t.ask("GET", f"/v1/files/{f['id']}/content").count(b"\n") == 7, f)
    b = t.create(f["id"], "/v1/chat/completions", metadata={"who": "me"})
    check("a batch", b["object"] == "batch" and b["status"] == "validating" and b["metadata"] == {"who": "me"} and
          b["expires_at"] == b["created_at"] + 86400 and b["output_file_id"] is None, b)
    b = t.wait(b, "completed")
    check("its counts", b["request_counts"] == {"total": 7, "completed": 5, "failed": 2}, b)
    check("its times", b["created_at"] <= b["in_progress_at"] <= b["finalizing_at"] <= b["completed_at"], b)
    check("at once, as no grid is known", b["tern"]["start_at"] <= b["completed_at"] and
          b["tern"]["why"].startswith("at once"), b)
    good, errors = t.results(b["output_file_id"]), t.results(b["error_file_id"])
    check("names", set(good) == {f"c{i}" for i in range(5)} and set(errors) == {"bad", "stream"}, (good, errors))
    for i in range(5):
        alone = t.ask("POST", "/v1/chat/completions", chats[i]["body"])
        r = good[f"c{i}"]["response"]
        check("the same answer as alone", r["status_code"] == 200 and
              r["body"]["choices"] == [dict(c, receipt=x.get("receipt")) if "receipt" in c else c
                                       for c, x in zip(alone["choices"], r["body"]["choices"])], (r, alone))
        check("its cost", r["body"]["energy"] is not None and r["body"]["receipt"] and
              good[f"c{i}"]["error"] is None, r)
    check("an error", errors["bad"]["response"]["status_code"] == 400 and
          errors["bad"]["response"]["body"]["error"]["param"] == "temperature", errors)
    purposes = [x["purpose"] for x in t.ask("GET", "/v1/files")["data"]]
    check("files", sorted(purposes) == ["batch", "batch_output", "batch_output"], purposes)
    check("of a purpose", len(t.ask("GET", "/v1/files?purpose=batch")["data"]) == 1)
    check("deleted", t.ask("DELETE", "/v1/files/" + f["id"]) == {"id": f["id"], "object": "file", "deleted": True})
    t.ask("GET", "/v1/files/" + f["id"], None, 404)
    return b


def refused(t):
    t.upload([line("a")], 400, purpose="fine-tune")
    t.upload(b"", 400)
    t.ask("POST", "/v1/files", b"x", 400, **{"Content-Type": "multipart/form-data; boundary=y"})
    t.create("file-0000000000000000", status=400)
    f = t.upload([line("a")])
    for more in ({"window": "0h"}, {"window": "169h"}, {"window": "1d"}, {"endpoint": "/v1/embeddings"},
                 {"metadata": {"a": 1}}, {"metadata": {str(i): "" for i in range(17)}}):
        t.create(f["id"], status=400, **more)
    t.ask("GET", "/v1/batches/batch_x", None, 404)
    t.ask("GET", "/v1/files/..%2flock", None, 404)
    t.ask("GET", "/v1/files/../lock", None, 404)
    cases = [(b"not json\n", "invalid_json_line", 1), ([line("a"), line("a")], "duplicate_custom_id", None),
             ([line("a"), line("b", "/v1/chat/completions")], "mismatched_endpoint", 2),
             ([dict(line("a"), method="GET")], "invalid_method", 1), (b"\n \n", "empty_file", None),
             ([dict(line("a"), body=3)], "invalid_body", 1), ([dict(line("a"), custom_id="")], "invalid_custom_id", 1)]
    for lines, code, number in cases:
        b = t.wait(t.create(t.upload(lines)["id"]), "failed")
        e = b["errors"]["data"][0] if b["errors"] else {}
        check(code, e.get("code") == code and e.get("line") == number and b["failed_at"], b)
    first = t.ask("GET", "/v1/batches?limit=3")
    rest = t.ask("GET", f"/v1/batches?limit=100&after={first['last_id']}")
    check("pages", len(first["data"]) == 3 and first["has_more"] and not rest["has_more"] and
          len(rest["data"]) == 5 and first["first_id"] == first["data"][0]["id"], (first, rest))


def crash(t):
    """A server that is killed in the middle: no answer twice, none missing."""
    f = t.upload([line(f"r{i}", prompt=f"Once {i}", max_tokens=60) for i in range(24)])
    b = t.create(f["id"])
    t.ask("DELETE", "/v1/files/" + f["id"], None, 400)
    while t.ask("GET", "/v1/batches/" + b["id"])["request_counts"]["completed"] < 3:
        time.sleep(0.02)
    alone = t.ask("POST", "/v1/completions", line("", prompt="Once 7", max_tokens=60)["body"])  # beside it
    t.kill(signal.SIGKILL)
    with open(".local/share/tern/batches/" + json.load(open(f".local/share/tern/batches/{b['id']}.json"))
              ["output_file_id"] + ".jsonl", "ab") as out:
        out.write(b'{"id":"batch_req_0000')  # a line that was cut off
    t = Tern()
    b = t.wait(b, "completed")
    check("after a crash", b["request_counts"] == {"total": 24, "completed": 24, "failed": 0}, b)
    lines = t.ask("GET", f"/v1/files/{b['output_file_id']}/content").splitlines()
    check("each once", sorted(json.loads(x)["custom_id"] for x in lines) == sorted(f"r{i}" for i in range(24)), lines)
    check("the same bits", t.results(b["output_file_id"])["r7"]["response"]["body"]["choices"][0]["text"] ==
          alone["choices"][0]["text"])
    mode = os.stat(f".local/share/tern/batches/{f['id']}.jsonl").st_mode
    check("for the owner only", mode & 0o77 == 0 and os.stat(".local/share/tern/batches").st_mode & 0o77 == 0, mode)
    # While it runs it can be cancelled; what was answered stays.
    b = t.create(t.upload([line(f"r{i}", prompt="Once", max_tokens=400) for i in range(50)])["id"])
    while t.ask("GET", "/v1/batches/" + b["id"])["request_counts"]["completed"] < 1:
        time.sleep(0.02)
    check("cancelling", t.ask("POST", f"/v1/batches/{b['id']}/cancel", b"")["status"] == "cancelling")
    b = t.wait(b, "cancelled")
    counts = b["request_counts"]
    check("cancelled", 1 <= counts["completed"] < 50 and b["cancelled_at"] >= b["cancelling_at"] and
          len(t.results(b["output_file_id"])) == counts["completed"], b)
    t.kill(signal.SIGTERM)


def greener():
    """A grid that is clean in some hours: the lines wait, over a restart too."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0)
    with open("grid.csv", "w") as f:
        f.write("time,intensity\n")
        for h in range(30):
            f.write(f"{(now + datetime.timedelta(hours=h)):%Y-%m-%dT%H:%M:%SZ},{50 if h == 3 else 500}\n")
    env = {"TERN_GRID_FILE": os.path.abspath("grid.csv"), "TERN_GRID_SOURCE": "file",
           "TERN_GRID_BASIS": "average/life-cycle/location"}
    t = Tern("--zone", "DE", **env)
    b = t.wait(t.create(t.upload([line("a", prompt="Once")])["id"]), "in_progress")
    clean = int((now + datetime.timedelta(hours=3)).timestamp())
    check("the clean hour", clean <= b["tern"]["start_at"] < clean + 3600 and
          b["tern"]["why"].startswith("waits: "), b)
    t.kill(signal.SIGKILL)
    t = Tern("--zone", "DE", **env)
    again = t.ask("GET", "/v1/batches/" + b["id"])
    check("it waits on", again["status"] == "in_progress" and again["request_counts"]["completed"] == 0 and
          again["tern"]["start_at"] >= clean, again)
    soon = t.wait(t.create(t.upload([line("a", prompt="Once")])["id"], window="1h"), "completed")
    check("a window without a better hour", soon["tern"]["why"].startswith("at once"), soon)
    t.ask("POST", f"/v1/batches/{b['id']}/cancel", b"")
    t.wait(b, "cancelled")
    t.kill(signal.SIGTERM)
    # A window that ends while no server is there.
    path = f".local/share/tern/batches/{b['id']}.json"
    late = json.load(open(path))
    late.update(status="in_progress", cancelled_at=None, cancelling_at=None, expires_at=int(time.time()) - 5)
    with open(path, "w") as f:
        json.dump(late, f)
    t = Tern()
    b = t.wait(b, "expired")
    errors = t.results(b["error_file_id"])
    check("too late", errors["a"]["error"]["code"] == "batch_expired" and errors["a"]["response"] is None and
          b["request_counts"]["failed"] == 1 and b["expired_at"], (b, errors))
    t.kill(signal.SIGTERM)


def put_off():
    """Single requests that may wait: for a clean slot of five seconds that comes soon."""
    def grid(clean):
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        with open("grid.csv", "w") as f:
            f.write("time,intensity\n")
            for i in range(800):
                f.write(f"{now + datetime.timedelta(seconds=5 * i):%Y-%m-%dT%H:%M:%SZ},{50 if i == clean else 500}\n")
        return int(now.timestamp()) + 5 * clean

    def begin(body, path="/v1/completions"):
        c = http.client.HTTPConnection(t.url.hostname, t.url.port, timeout=120)
        c.request("POST", path, json.dumps({"prompt": "Once", "max_tokens": 4, **body}))
        return c

    def waiting():
        return int(t.ask("GET", "/metrics").decode().split("\ntern_requests_put_off ")[1].split()[0])

    def await_count(n):
        for _ in range(200):
            if waiting() == n:
                return True
            time.sleep(0.05)
        return False

    may = {"tern": {"deadline": "1h"}}
    env = {"TERN_GRID_FILE": os.path.abspath("grid.csv"), "TERN_GRID_SOURCE": "file",
           "TERN_GRID_BASIS": "average/life-cycle/location"}
    with open("routes.json", "w") as f:
        json.dump({"schema": "tern.routing/1", "upstreams": [], "local": [
            {"name": "here", "model": "tern-books", "good_for": "thick",
             "energy": {"in_j_per_token": 0, "out_j_per_token": 1, "low": 0.5, "high": 2, "word": "modelled",
                        "source": "a model"}}]}, f)
    grid(-1)
    t = Tern("--zone", "DE", "--routes", "routes.json", **env)
    for wrong in (1, {"deadline": 8}, {"deadline": "soon"}):
        for path in ("/v1/completions", "/api/generate"):
            t.ask("POST", path, {"prompt": "Once", "tern": wrong}, 400)
    b = t.wait(t.create(t.upload([line("a", prompt="Once", **may)])["id"], window="1h"), "completed")
    check("a line of a batch has no deadline", b["request_counts"]["failed"] == 1, b)
    clean = grid(1)
    whole_one, stream, ollama = begin(may), begin({**may, "stream": True}), begin({**may, "options": {"num_predict": 4}}, "/api/generate")
    chat = begin({**may, "messages": [{"role": "user", "content": "Once"}]}, "/v1/chat/completions")
    check("they wait", await_count(4) or time.time() >= clean - 1)
    at_once = time.time()
    t.ask("POST", "/v1/completions", {"prompt": "Once", "max_tokens": 4})
    check("others do not", time.time() - at_once < 3)
    one = json.loads(whole_one.getresponse().read())
    check("an answer", "tern" in one, one)
    one.setdefault("tern", {"why": ""})
    check("the clean slot", one["tern"]["why"].startswith("waits: ") and clean <= one["tern"]["start_at"] < clean + 5 and
          clean <= one["created"] <= time.time(), (clean, one))
    lines = stream.getresponse().read().decode().split("\n\n")
    check("a sign of life, and the answer", lines[0].startswith(": waits: ") and lines[-2] == "data: [DONE]" and
          json.loads(lines[-3][6:])["tern"]["start_at"] >= clean, lines)
    last = json.loads(ollama.getresponse().read().decode().splitlines()[-1])
    check("Ollama's too", last["done"] and last["tern"]["start_at"] >= clean, last)
    r = chat.getresponse()
    said = json.loads(r.read())
    check("one that is routed", r.status == 200 and "to=here" in r.headers["x-tern-route"] and
          said["tern"]["why"].startswith("waits: ") and said["created"] >= clean, (r.status, said))
    t.kill(signal.SIGTERM)
    # Clients that leave, and a server that stops.
    grid(600)
    t = Tern("--zone", "DE", "--routes", "routes.json", **env)
    left = [begin(may), begin({**may, "stream": True}),
            begin({**may, "messages": [{"role": "user", "content": "Once"}]}, "/v1/chat/completions")]
    check("three wait", await_count(3), waiting())
    for c in left:
        c.close()
    check("none waits", await_count(0), waiting())
    stays = begin(may)
    check("one waits", await_count(1))
    t.p.send_signal(signal.SIGTERM)
    r = stays.getresponse()
    check("the server stops", r.status == 503, (r.status, r.read()))
    t.p.wait(timeout=60)


server = Tern()
check("nothing is there", server.ask("GET", "/v1/batches")["data"] == [] and not os.path.exists(".local/share/tern/batches"))
whole(server)
refused(server)
crash(server)
greener()
put_off()
text = open("err").read()
check("nothing is said", text == "", text)
sys.exit(1 if bad else 0)
