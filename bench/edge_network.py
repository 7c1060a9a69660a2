#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the ternary network of a meter's detector is worth: faults are put into readings, and the
detector is run over them with the network that `tern edge fit` makes of the first rows, and with
the same settings without one.  Both decide by their own threshold, as the firmware does.

  edge_network.py --tern build/tern --value 2 --fit 8784 --after 8784 --count 19 --seeds 5 house.csv

Prints for each kind of fault: faults, and with and without the network how many had an alarm while
they lasted, which share of the alarms was right (a fault's first one, beside those neither in a
fault nor in the day after), and the median of hours until it.  Python's own library suffices."""
import argparse
import csv
import json
import os
import statistics
import subprocess
import tempfile

KINDS = ["theft", "stuck", "phase", "drift", "spike"]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("csv")
    p.add_argument("--tern", required=True)
    p.add_argument("--value", required=True, help="column of the readings")
    p.add_argument("--fit", type=int, required=True, help="rows that the network is fitted to")
    p.add_argument("--after", type=int, required=True, help="rows before the first fault")
    p.add_argument("--count", type=int, default=1, help="faults of a kind in a draw")
    p.add_argument("--seeds", type=int, default=10, help="draws")
    p.add_argument("--day", type=int, default=24, help="rows of a day")
    a = p.parse_args()

    def tern(*args):
        done = subprocess.run([a.tern, "edge", *args], check=True, capture_output=True, text=True)
        return done.stdout

    def alarms(model, file):
        out = tern("run", "-q", "-m", model, "--alarms", "--json", file)
        # The line of names is the first.
        rows = [json.loads(line)["line"] - 2 for line in out.splitlines()]
        return [row for row in rows if row >= a.after]

    with tempfile.TemporaryDirectory() as tmp:
        first = os.path.join(tmp, "first.csv")
        with open(a.csv, encoding="utf-8") as whole, open(first, "w", encoding="utf-8") as to:
            lines = whole.readlines()
            to.writelines(lines[: a.fit + 1])
        models = {name: os.path.join(tmp, name) for name in ("with", "without")}
        report = json.loads(tern("fit", "-q", "--json", "--value", a.value, first, "-o", models["with"]))
        tern("fit", "-q", "--no-network", "--value", a.value, first, "-o", models["without"])
        print(f"network: {report['rows']} rows, {report['taps']} back; held-out error "
              f"{report['error_baseline']:.3f} without, {report['error_network']:.3f} with")
        days = (len(lines) - 1 - a.after) / a.day
        for name, model in models.items():
            print(f"{name} network, no faults: {len(alarms(model, a.csv))} alarms in {days:.0f} days")
        faulty = os.path.join(tmp, "faulty.csv")
        for kind in KINDS:
            found = {name: [] for name in models}
            false = dict.fromkeys(models, 0)
            faults = 0
            for seed in range(1, a.seeds + 1):
                tern("inject", "-q", a.csv, "--value", a.value, "--kinds", kind, "-n", str(a.count),
                     "--after", str(a.after), "--seed", str(seed), "-o", faulty)
                with open(faulty + ".labels.csv", encoding="utf-8") as f:
                    labels = [(int(r["first"]), int(r["readings"])) for r in csv.DictReader(f)]
                faults += len(labels)
                for name, model in models.items():
                    rows = alarms(model, faulty)
                    for begin, n in labels:
                        met = [row for row in rows if begin <= row < begin + n]
                        found[name] += [met[0] - begin] if met else []
                    false[name] += sum(all(not b <= row < b + n + a.day for b, n in labels)
                                       for row in rows)
            text = f"{kind:6} {faults:4} faults"
            for name in models:
                hits = len(found[name])
                right = f"{hits / (hits + false[name]):.2f}" if hits else "-"
                delay = f"{statistics.median(found[name]) * 24 / a.day:.0f}" if hits else "-"
                text += f"; {name}: recall {hits / faults:.2f} precision {right} delay {delay} h"
            print(text, flush=True)


if __name__ == "__main__":
    main()
