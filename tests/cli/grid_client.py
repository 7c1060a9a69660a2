#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of the Carbon Aware SDK's WebAPI that checks every byte it relies on, for
grid_serve.sh.

usage: grid_client.py URL        of a `tern grid serve` with the clock at 2026-02-05T12:12Z
"""
import concurrent.futures
import http.client
import json
import sys
import urllib.parse

base = urllib.parse.urlsplit(sys.argv[1])
passed = failed = 0


def ask(method, path, body=None, **headers):
    c = http.client.HTTPConnection(base.hostname, base.port, timeout=30)
    c.request(method, path, body, headers)
    r = c.getresponse()
    data = r.read()
    c.close()
    return r.status, r.headers, data


def check(what, good):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print("FAILED:", what)


def get(path, code=200, kind="application/json; charset=utf-8"):
    status, headers, data = ask("GET", path)
    check(f"{path}: {status}, not {code}: {data[:300]}", status == code)
    check(f"{path}: {headers['Content-Type']}", code == 204 or headers["Content-Type"] == kind)
    check(f"{path}: a body in 204", code != 204 or data == b"")
    return json.loads(data) if data and "json" in kind else data


def post(path, body, code=200, kind="application/json"):
    status, _, data = ask("POST", path, body if isinstance(body, str) else json.dumps(body),
                          **{"Content-Type": kind})
    check(f"POST {path} {body}: {status}, not {code}: {data[:300]}", status == code)
    return json.loads(data) if data else None


def problem(path, code, field=None, words="", body=None):
    """An error as RFC 7807 and .NET have it."""
    if body is None:
        status, headers, data = ask("GET", path)
    else:
        status, headers, data = ask("POST", path, json.dumps(body),
                                    **{"Content-Type": "application/json"})
    check(f"{path}: {status}, not {code}: {data[:300]}", status == code)
    check(f"{path}: {headers['Content-Type']}",
          headers["Content-Type"] == "application/problem+json; charset=utf-8")
    p = json.loads(data)
    check(f"{path}: {sorted(p)}",
          set(p) - {"detail"} == {"title", "status", "traceId", "errors"})
    check(f"{path}: status in the body", p["status"] == code)
    title = {400: "ArgumentException", 501: "NotImplementedException", 503: "ServiceUnavailable",
             404: "Not Found", 405: "Method Not Allowed"}
    check(f"{path}: {p['title']}", p["title"] == title[code])
    if field:
        check(f"{path}: {p['errors']}", any(words in m for m in p["errors"].get(field, [])))
    return p


E = "/emissions/"

# --- observed emissions

one = get(E + "bylocation?location=eastus")
check("now", one == [{"location": "eastus", "time": "2026-02-05T12:00:00+00:00",
                      "rating": 322, "duration": "01:00:00"}])
check("order and casing", list(one[0]) == ["location", "time", "rating", "duration"])
for span in ("time=2026-02-05T10:00:00Z&toTime=2026-02-05T12:00:00Z",
             "time=2026-02-05T10:00:00%2B00:00&toTime=2026-02-05T13:00:00%2B01:00",
             "time=2026-02-05T10:00:00+00:00&toTime=2026-02-05T12:00:00+00:00",
             "Time=2026-02-05T10:00Z&ToTime=2026-02-05T12:00Z"):
    two = get(E + "bylocation?location=eastus&" + span)
    check(span, [e["rating"] for e in two] == [302, 312])
check("a moment", [e["time"] for e in get(E + "bylocation?location=eastus&time=2026-02-05T10:30Z")]
      == ["2026-02-05T10:00:00+00:00"])
both = get(E + "bylocations?location=eastus&location=uksouth&time=2026-02-05T10:00:00Z"
           "&toTime=2026-02-05T12:00:00Z")
check("both", [e["location"] for e in both] == ["eastus"] * 2 + ["uksouth"] * 2)
best = get(E + "bylocations/best?location=eastus&location=uksouth&time=2026-02-04T00:00:00Z"
           "&toTime=2026-02-05T12:00:00Z")
check(f"best: {best}", [(e["location"], e["time"], e["rating"]) for e in best]
      == [("eastus", "2026-02-04T00:00:00+00:00", 201),
          ("uksouth", "2026-02-04T00:00:00+00:00", 201)])
get(E + "bylocation?location=eastus&time=2027-01-01&toTime=2027-01-02", 204)
get(E + "bylocation?location=eastus&time=2020-01-01&toTime=2020-01-02", 204)
problem(E + "bylocation", 400, "location", "location is not set")
problem(E + "bylocation?location=", 400, "location", "location is not set")
problem(E + "bylocation?location=eastus&location=uksouth", 400, "location", "one location")
problem(E + "bylocation?location=nowhere", 400, "location", "'nowhere' is not served")
problem(E + "bylocation?location=../x", 400, "location")
check("case", get(E + "bylocation?location=EastUS")[0]["location"] == "EastUS")
problem(E + "bylocation?location=eastus&time=noon", 400, "time", "'noon' is not valid")
problem(E + "bylocation?location=eastus&toTime=2026-02-05T12:00Z", 400, "time",
        "time must be defined if toTime is defined")
problem(E + "bylocation?location=eastus&time=2026-02-05&toTime=2026-02-04", 400, "time",
        "time must be before toTime")
# Figures on two bases are in no answer together.
problem(E + "bylocations?location=eastus&location=uksouth&time=2024-01-01&toTime=2026-02-05", 400,
        "toTime", "more than 1098 days")
problem(E + "bylocations?location=eastus&location=moer", 400, "location",
        "marginal/operational/location, those before on average/life-cycle/location")
problem(E + "bylocations/best?location=moer&location=eastus", 400, "location")
status, headers, _ = ask("GET", E + "bylocation?location=eastus")
check("origin", headers["X-Tern-Origin"] == "eastus: file, average/life-cycle/location, live")

# --- forecasts

f = get(E + "forecasts/current?location=eastus&windowSize=120&dataStartAt=2026-02-05T13:00:00Z"
        "&dataEndAt=2026-02-05T18:00:00Z")[0]
check("names", list(f) == ["generatedAt", "requestedAt", "location", "dataStartAt", "dataEndAt",
                           "windowSize", "optimalDataPoints", "forecastData"])
check("points", list(f["forecastData"][0]) == ["location", "timestamp", "duration", "value"])
check("range", (f["dataStartAt"], f["dataEndAt"], f["windowSize"]) ==
      ("2026-02-05T13:00:00+00:00", "2026-02-05T18:00:00+00:00", 120))
check("rolling means", [p["value"] for p in f["forecastData"]] == [307, 297, 287, 277])
check("optimal", f["optimalDataPoints"] == [{"location": "eastus", "duration": 120, "value": 277,
                                             "timestamp": "2026-02-05T16:00:00+00:00"}])
f = get(E + "forecasts/current?location=eastus&location=uksouth")
check("one each", [x["location"] for x in f] == ["eastus", "uksouth"])
check("whole", f[0]["windowSize"] == 60 and len(f[0]["forecastData"]) >= 48)
check("ties are all told", len(get(E + "forecasts/current?location=eastus&windowSize=60&dataEndAt="
                                   "2026-02-06T12:00:00Z")[0]["optimalDataPoints"]) == 1)
check("too long a window", get(E + "forecasts/current?location=eastus&windowSize=600&dataEndAt="
                               "2026-02-05T18:00:00Z")[0]["forecastData"] == [])
problem(E + "forecasts/current", 400, "location", "location is not set")
problem(E + "forecasts/current?location=eastus&windowSize=0", 400, "windowSize")
problem(E + "forecasts/current?location=eastus&windowSize=-5", 400, "windowSize")
problem(E + "forecasts/current?location=eastus&windowSize=1e3", 400, "windowSize")
p = problem(E + "forecasts/current?location=eastus&dataStartAt=2026-02-06&dataEndAt=2026-02-05",
            400, "dataStartAt", "dataStartAt must be earlier than dataEndAt")
check("detail", p["detail"] == "Invalid EmissionsForecast")
problem(E + "forecasts/current?location=eastus&dataStartAt=2020-01-01", 400, "dataStartAt",
        "within time range of the forecasted data, '2026-02-05T12:00:00Z' through")
problem(E + "forecasts/current?location=year", 501)
problem(E + "forecasts/current?location=down", 503)

b = post(E + "forecasts/batch", [
    {"requestedAt": "2026-02-03T06:00:00Z", "location": "eastus", "windowSize": 60,
     "dataStartAt": "2026-02-03T06:00:00Z", "dataEndAt": "2026-02-03T12:00:00Z"},
    {"RequestedAt": "2026-02-04T06:00:00+00:00", "Location": "uksouth"}])
check("batch", [x["location"] for x in b] == ["eastus", "uksouth"])
check("as of then", b[0]["generatedAt"] == b[0]["requestedAt"] == "2026-02-03T06:00:00+00:00")
# The days of that trace differ by 0 to 2 g: what was made then is near, and is no later truth.
check("made then", [abs(p["value"] - w) < 2 for p, w in
                    zip(b[0]["forecastData"], range(260, 320, 10))] == [True] * 6)
item = {"requestedAt": "2026-02-04T06:00:00Z", "location": "eastus"}
problem(E + "forecasts/batch", 400, "[0].requestedAt", "not set", [{"location": "eastus"}])
problem(E + "forecasts/batch", 400, "[1].location", "not set", [item, {"requestedAt":
                                                                       "2026-02-04T06:00Z"}])
problem(E + "forecasts/batch", 400, "[0].requestedAt", "future",
        [{**item, "requestedAt": "2026-02-06T00:00:00Z"}])
problem(E + "forecasts/batch", 400, "[0].windowSize", "minutes", [{**item, "windowSize": 1.5}])
problem(E + "forecasts/batch", 400, "[0].location", "", [{**item, "location": "nowhere"}])
problem(E + "forecasts/batch", 400, "$", "a list", item)
problem(E + "forecasts/batch", 400, "$", "a list", [])
problem(E + "forecasts/batch", 400, "$", "a list", [item] * 257)
post(E + "forecasts/batch", "{not json", 400)
post(E + "forecasts/batch", "a=b", 415, "application/x-www-form-urlencoded")
post(E + "forecasts/batch", "[" + " " * (300 << 10) + "]", 413)

# --- averages

a = get(E + "average-carbon-intensity?location=eastus&startTime=2026-02-05T10:30:00Z"
        "&endTime=2026-02-05T11:30:00Z")
check("average", a == {"location": "eastus", "startTime": "2026-02-05T10:30:00+00:00",
                       "endTime": "2026-02-05T11:30:00+00:00", "carbonIntensity": 307})
check("its names", list(a) == ["location", "startTime", "endTime", "carbonIntensity"])
get(E + "average-carbon-intensity?location=eastus&startTime=2026-02-05T10:00:00Z"
    "&endTime=2026-03-05T11:30:00Z", 204)  # a part of it is not known: no part's mean
get(E + "average-carbon-intensity?location=eastus&startTime=2025-12-31T23:00:00Z"
    "&endTime=2026-01-01T01:00:00Z", 204)
problem(E + "average-carbon-intensity?location=eastus", 400, "endTime", "not set")
problem(E + "average-carbon-intensity?location=eastus&startTime=2026-02-05T10:00Z&endTime="
        "2026-02-05T10:00Z", 400, "startTime", "before endTime")
span = {"location": "eastus", "startTime": "2026-02-05T10:00:00Z",
        "endTime": "2026-02-05T12:00:00Z"}
check("averages", [x["carbonIntensity"] for x in
                   post(E + "average-carbon-intensity/batch", [span, span])] == [307, 307])
problem(E + "average-carbon-intensity/batch", 400, "[1].endTime", "not all of that time",
        [span, {**span, "endTime": "2026-04-01T00:00:00Z"}])
problem(E + "average-carbon-intensity/batch", 400, "[0].endTime", "more than 1098 days",
        [{"location": "eastus", "startTime": "2020-01-01", "endTime": "2026-02-05"}])
problem(E + "average-carbon-intensity/batch", 400, "[0].startTime", "not set",
        [{"location": "eastus", "endTime": "2026-02-05T12:00:00Z"}])

# --- the rest

check("health", get("/health", 200, "text/plain") == b"Healthy")
check("locations", get("/locations")["uksouth"] ==
      {"latitude": None, "longitude": None, "name": "uksouth"})
text = get("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8").decode()
check("metrics", 'tern_grid_intensity_grams_per_kwh{zone="US",source="file",'
      'basis="average/life-cycle/location",how="live"} 322\n' in text)
for name in {line.rsplit(" ", 1)[0] for line in text.splitlines() if line[0] != "#"}:
    check(f"{name} once", text.count(name + " ") == 1)
problem("/emissions", 404)
problem("/", 404)
status, headers, data = ask("DELETE", E + "bylocation?location=eastus")
check("405", status == 405 and "GET" in headers["Allow"])
status, headers, data = ask("HEAD", E + "bylocation?location=eastus")
check("HEAD", status == 200 and data == b"")
status, headers, data = ask("GET", "/health", Host="evil.example")
check("another name", status == 421)
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    all_of = list(pool.map(lambda i: ask("GET", E + "bylocation?location=eastus")[2], range(48)))
check("many at once", len(set(all_of)) == 1)

print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
