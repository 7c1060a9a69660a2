#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The services that know grids' intensities, replayed on this machine, for grid.sh.

usage: grid_server.py DIRECTORY [MOMENT]        serves until it is killed

An address is /MODE/SERVICE/..., where /MODE/SERVICE is the service's base.  MODE says what
happens; in "ok" answers have the shapes that the services document.  The clock of all of them is
MOMENT, else 2026-01-01T12:12Z.  Into DIRECTORY it writes
  log    the requests, one a line: path, what authorised it
  port   where it listens
"""
import base64
import datetime
import http.server
import json
import os
import socketserver
import sys
import threading
import time
import urllib.parse

directory = sys.argv[1]
log = open(f"{directory}/log", "w", encoding="ascii")
lock = threading.Lock()
counts = {}
NOW = datetime.datetime.strptime((sys.argv + ["2026-01-01T12:12Z"])[2], "%Y-%m-%dT%H:%MZ")
HALF = datetime.timedelta(minutes=30)
TOKENS = ["token-1", "token-2"]


def value(t):
    """Grams at a moment: what really happens."""
    return 150 + 5 * min(t.hour, 24 - t.hour) + t.day % 5


def floor(t):
    return t.replace(minute=t.minute // 30 * 30, second=0)


def stamp(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%MZ")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, code, body, kind="application/json", **headers):
        data = body if isinstance(body, bytes) else (
            body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        for key, text in headers.items():
            self.send_header(key.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        _, mode, service, rest = (url.path.split("/", 3) + ["", ""])[:4]
        with lock:
            n = counts[url.path] = counts.get(url.path, 0) + 1
            auth = self.headers.get("auth-token") or self.headers.get("Authorization") or "-"
            print(f"{url.path} {auth}", file=log, flush=True)
        try:
            getattr(self, "mode_" + mode.replace("-", "_"))(service, rest, query, n)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # --- what happens

    def mode_ok(self, service, rest, query, n):
        getattr(self, "serve_" + service)(rest, query)

    def mode_busy(self, service, rest, query, n):  # not now, but soon
        if n == 1:
            return self.answer(429, {"message": "slow down"}, Retry_After="1")
        self.mode_ok(service, rest, query, n)

    def mode_hiccup(self, service, rest, query, n):
        if n == 1:
            return self.answer(503, "")
        self.mode_ok(service, rest, query, n)

    def mode_401(self, service, rest, query, n):
        key = self.headers.get("auth-token") or query.get("securityToken") or "none"
        self.answer(401, {"message": "wrong key: " + key})

    def mode_403(self, service, rest, query, n):
        self.answer(403, {"error": {"message": "no access to that zone"}})

    def mode_429(self, service, rest, query, n):
        self.answer(429, {"message": "slow down"}, Retry_After="3600")

    def mode_500(self, service, rest, query, n):
        self.answer(500, "<html>broken</html>", "text/html")

    def mode_slow(self, service, rest, query, n):
        time.sleep(1)
        self.mode_ok(service, rest, query, n)

    def mode_hang(self, service, rest, query, n):
        time.sleep(60)

    def mode_cut(self, service, rest, query, n):  # less than was announced
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b'{"data":[{"from":"2026-01-01T12:00Z"')
        self.close_connection = True

    def mode_html(self, service, rest, query, n):
        self.answer(200, "<html>please log in</html>", "text/html")

    def mode_empty(self, service, rest, query, n):
        self.answer(200, "")

    def mode_away(self, service, rest, query, n):  # to where no key may go
        self.answer(302, "", Location="http://localhost:1/elsewhere")

    def mode_huge(self, service, rest, query, n):
        self.answer(200, b"[" + b" " * (17 << 20) + b"]")

    def mode_zero(self, service, rest, query, n):
        self.neso(rest, lambda t: 0)

    def mode_stale(self, service, rest, query, n):
        self.answer(200, {"data": [self.half(NOW - datetime.timedelta(hours=9), value)]})

    # --- services

    def half(self, t, grams):
        t = floor(t)
        happened = t + HALF <= NOW
        return {"from": f"{t:%Y-%m-%dT%H:%MZ}", "to": f"{t + HALF:%Y-%m-%dT%H:%MZ}",
                "intensity": {"forecast": grams(t), "actual": grams(t) if happened else None,
                              "index": "moderate"}}

    def neso(self, rest, grams):
        parts = rest.split("/")
        regional = parts[0] == "regional"
        parts = parts[1:] if regional else parts
        where = parts[-2:] if "postcode" in parts or "regionid" in parts else []
        parts = parts[:len(parts) - len(where)]
        start, end = floor(NOW), floor(NOW) + HALF
        if len(parts) == 3:
            start = stamp(parts[1])
            end = start + 96 * HALF if parts[2] == "fw48h" else stamp(parts[2])
        data = []
        while start < end:
            data.append(self.half(start, grams))
            start += HALF
        if where and where[0] == "postcode":
            if len(where[1]) < 2:
                return self.answer(400, {"error": {"code": "400 Bad Request",
                                                   "message": "no valid postcode"}})
            return self.answer(200, {"data": {"regionid": 3, "postcode": where[1],
                                              "data": data}})
        if where:
            return self.answer(200, {"data": [{"regionid": int(where[1]), "data": data}]})
        self.answer(200, {"data": data})

    def serve_neso(self, rest, query):
        self.neso(rest, value)

    def serve_emaps(self, rest, query):
        if self.headers.get("auth-token") != "emaps-secret":
            return self.answer(401, {"error": "Invalid auth-token"})
        zone = query["zone"] if query["zone"] in ("DE", "FR") else "US-CAL-CISO"  # by address
        point = {"carbonIntensity": 302, "datetime": "2026-01-01T12:00:00.000Z",
                 "isEstimated": False, "temporalGranularity": "hourly"}
        if rest == "carbon-intensity/latest":
            return self.answer(200, {"zone": zone, "emissionFactorType": "lifecycle", **point})
        if rest == "carbon-intensity/forecast":
            return self.answer(403, {"message": "not in your plan"})
        self.answer(200, {"zone": zone, "history": [point]})

    def serve_watttime(self, rest, query):
        auth = self.headers.get("Authorization", "")
        if rest == "login":
            if auth != "Basic " + base64.b64encode(b"ann:watt-secret").decode():
                return self.answer(401, {"message": "who?"})
            with lock:
                token = TOKENS.pop(0) if TOKENS else "token-3"
            return self.answer(200, {"token": token})
        if auth == "Bearer token-1" or not auth.startswith("Bearer token-"):
            return self.answer(401, {"message": "expired"})
        percent = query["region"] == "PERCENT"
        points = [{"point_time": f"{NOW.replace(minute=m):%Y-%m-%dT%H:%M:00+00:00}",
                   "value": 870.0} for m in (5, 10)]
        self.answer(200, {"data": points, "meta": {
            "data_point_period_seconds": 300, "region": query["region"],
            "signal_type": "signal_index" if percent else query["signal_type"],
            "units": "percentile" if percent else "lbs_co2_per_mwh",
            "generated_at": "2026-01-01T12:10:00+00:00"}})

    def serve_entsoe(self, rest, query):
        if query.get("securityToken") != "entsoe-secret":
            return self.answer(401, "")
        series = "".join(
            f"<TimeSeries><MktPSRType><psrType>{kind}</psrType></MktPSRType><Period>"
            "<timeInterval><start>2026-01-01T11:00Z</start><end>2026-01-01T12:00Z</end>"
            "</timeInterval><resolution>PT15M</resolution><Point><position>1</position>"
            f"<quantity>{mw}</quantity></Point></Period></TimeSeries>"
            for kind, mw in (("B19", 300), ("B05", 100)))
        self.answer(200, f"<GL_MarketDocument>{series}</GL_MarketDocument>", "text/xml")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Handler)
with open(f"{directory}/port.new", "w", encoding="ascii") as out:
    print(server.server_address[1], file=out)
os.rename(f"{directory}/port.new", f"{directory}/port")
server.serve_forever()
