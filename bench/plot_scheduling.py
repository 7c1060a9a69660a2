#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the plots and the tables of docs/scheduling.md from what was measured:
    docs/scheduling/results.json   TERN_DATA=../shared/data eval_scheduling >results.json
    docs/scheduling/timing.json    bench_plan >timing.json
usage: plot_scheduling.py [--check]; --check changes nothing and fails where a file would change."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(HERE, "..", "docs")
sys.path.insert(0, os.path.join(HERE, "..", "train"))

from smdr import plot  # noqa: E402

TRACES = ("GB-2020", "DE-2020", "GB-2024", "DE-2024", "CA-2024")
SHOWN = ("GB-2024", "DE-2024", "CA-2024")  # no constant was fitted to these
GOALS = {"GB-2024": 64, "DE-2024": 82, "CA-2024": 97}
DEADLINES = ("12", "24", "28", "48")


class Plot(plot.Chart):
    """A chart with a given range of y, and its legend where there is room."""

    def __init__(self, *args, y, legend=("right", 0), **kwargs):
        super().__init__(*args, **kwargs)
        self.y, self.legend = y, legend

    def _range(self, axis, log):
        return self.y if axis == 1 else super()._range(axis, log)

    def _series(self, i, name, *rest):
        out = super()._series(i, "", *rest)
        side, down = self.legend
        x = plot.LEFT + 14 if side == "left" else plot.WIDTH - plot.RIGHT - 190
        y = plot.TOP + 16 + 18 * (i + down)
        if name:
            out.append(f'<rect x="{x}" y="{y - 9}" width="14" height="4" '
                       f'fill="{plot.COLOURS[i % len(plot.COLOURS)]}"/><text x="{x + 20}" '
                       f'y="{y - 2}">{plot.escape(name)}</text>')
        return out


def keyless(results):
    chart = Plot("What is saved without a key, of what an oracle would save",
                 "hours from arrival to deadline (job of 4 h)", "% of the oracle's saving",
                 y=(40, 101), legend=("left", 9))
    for name in SHOWN:
        for kind, word in (("days", "tern"), ("week", "mean of 7 days")):
            chart.line(f"{name}, {word}",
                       [(int(h), results[name]["keyless"][h][kind]["share"]) for h in DEADLINES],
                       dots=True)
    return chart


def reliability(results):
    chart = Plot("How often waiting was cleaner, by the confidence that was claimed",
                 "claimed, %", "held, %", y=(48, 102), legend=("right", 10))
    for name in TRACES:
        bins = results[name]["keyless"]["24"]["days"]["reliability"]
        chart.line(name, [(b["claimed"], b["held"]) for b in bins if b["jobs"] >= 30], dots=True)
    chart.line("as claimed", [(50, 50), (100, 100)])
    return chart


def gates(results):
    chart = Plot("Waiting only when it is sure enough (0, 60, 70, 80, 90 %)",
                 "% of waits that were cleaner than now", "% of the oracle's saving",
                 y=(0, 101), legend=("left", 12))
    for name in TRACES:
        r = results[name]["keyless"]["24"]["days"]
        chart.line(name, [(g["right"], 100 * g["saving"] / r["oracle"]) for g in r["gates"]],
                   dots=True)
    return chart


def band(results):
    chart = Plot("Spreading jobs: 5 % band of tern, and max(15 %, 30 g) at random",
                 "% of jobs sent to a dirtier hour than now", "% of the best start's saving",
                 y=(60, 101), legend=("right", 0))
    rows = [results[t]["band"][s] for t in TRACES for s in ("12", "24", "48")]
    blank = [""] * len(rows)
    chart.line("tern: 5 %, never dirtier",
               [(100 * r["dirtier"] / r["jobs"], r["kept"]) for r in rows], names=blank)
    chart.line("max(15 %, 30 g)",
               [(100 * r["wide_dirtier"] / r["jobs"], r["wide_kept"]) for r in rows], names=blank)
    return chart


def issued(results):
    curve = results["issued"][-1]
    hours = curve["step_s"] / 3600
    chart = Plot("NESO's forecast of 2023-03-14 03:31 UTC, and what happened (GB)",
                 "hours after it was issued", "g/kWh", y=(40, 240), legend=("right", 0))
    chart.line("forecast", [(i * hours, g) for i, g in enumerate(curve["forecast_g"])])
    chart.line("actual", [(i * hours, g) for i, g in enumerate(curve["actual_g"])])
    return chart


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def tables(results, timing):
    """Name to text, for the blocks of docs/scheduling.md."""
    keys = []
    for name in TRACES:
        for h in ("24", "28"):
            r = results[name]["keyless"][h]
            keys.append((name, h, *(f"{x:.1f}" for x in (
                r["days"]["oracle"], r["days"]["saving"], r["week"]["saving"],
                r["days"]["share"], r["week"]["share"])), str(GOALS.get(name, "-")),
                f"{r['days']['mae_g']:.1f}", f"{r['week']['mae_g']:.1f}",
                f"{r['days']['inside68']:.1f}", f"{r['days']['inside90']:.1f}"))
    out = {"keyless": table(("trace", "deadline h", "oracle %", "tern %", "7-day mean %",
                             "tern, of oracle", "7-day mean, of oracle", "goal", "MAE g/kWh",
                             "MAE 7-day", "in 68 % band", "in 90 % band"), keys)}
    out["band"] = table(
        ("trace", "slack h", "best start saves %", "5 % band keeps %", "dirtier than now",
         "max(15 %, 30 g) keeps %", "dirtier than now"),
        [(n, s, f"{r['best']:.1f}", f"{r['kept']:.1f}", f"{r['dirtier']} of {r['jobs']}",
          f"{r['wide_kept']:.1f}", f"{100 * r['wide_dirtier'] / r['jobs']:.0f} %")
         for n in TRACES for s, r in results[n]["band"].items()])
    out["gates"] = table(
        ("trace", "confidence %", "saves %", "waits %", "right when it waits %"),
        [(n, f"{g['confidence'] / 10:.0f}", f"{g['saving']:.1f}", f"{g['waits']:.0f}",
          f"{g['right']:.1f}") for n in SHOWN
         for g in results[n]["keyless"]["24"]["days"]["gates"]])
    out["issued"] = table(
        ("job", "arrivals", "waited", "at once g/kWh", "chosen", "best", "regret"),
        [(f"{r['hours']} h", str(r["jobs"]), str(r["waited"]), f"{r['now_g']:.1f}",
          f"{r['chosen_g']:.1f}", f"{r['best_g']:.1f}", f"{r['regret']:.2f} %")
         for r in results["issued"] if "hours" in r])
    words = {"decision_50x576": "one decision, 50 zones x 48 h x 5 min, prepared and decided",
             "decision_50x576_interruptible": "the same, interruptible",
             "queue_100000": "100,000 jobs on 48 h x 5 min",
             "queue_100000_interruptible": "the same, interruptible"}
    goal = {"decision_50x576": "5 ms", "queue_100000": "1 s"}
    if not timing:
        return out
    out["timing"] = table(
        ("what", "goal", "median", "fastest", "slowest"),
        [(words[k], goal.get(k, "-"), *(f"{timing[k][m]:.3g} ms" for m in
                                        ("median_ms", "least_ms", "most_ms"))) for k in words])
    return out


def renewed(text, blocks):
    for name, block in blocks.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
        before, rest = text.split(begin)
        text = before + begin + block + end + rest.split(end)[1]
    return text


def main():
    check = sys.argv[1:] == ["--check"]

    def read(*path):
        with open(os.path.join(DOCS, *path), encoding="utf-8") as f:
            return f.read()

    results = json.loads(read("scheduling", "results.json"))
    there = os.path.exists(os.path.join(DOCS, "scheduling", "timing.json"))
    timing = json.loads(read("scheduling", "timing.json")) if there else None
    files = {os.path.join("scheduling", f"{make.__name__}.svg"): make(results).svg()
             for make in (keyless, reliability, gates, band, issued)}
    files["scheduling.md"] = renewed(read("scheduling.md"), tables(results, timing))
    stale = []
    for name, text in files.items():
        path = os.path.join(DOCS, name)
        old = read(name) if os.path.exists(path) else None
        if old != text:
            stale.append(name)
            if not check:
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
    for name in stale:
        print(("stale: " if check else "written: ") + "docs/" + name)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
