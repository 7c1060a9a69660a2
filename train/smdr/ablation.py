# SPDX-License-Identifier: Apache-2.0
"""Many small runs that differ in what is studied: which arms there are, running those that are
missing, and one JSON file of what came out.

An ablation recipe is a recipe whose "arms" name changes to its network.  Each arm is trained
with each seed, one process a core, and judged on the whole of the held-out text (or its first
`eval_windows` windows).  Interrupt and repeat at will: finished runs are not made again.
"""
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from smdr import evaluate

RESAMPLES = 2000


def arms_of(recipe, only=None):
    """[(name, network)]: the recipe's network with the changes of each arm."""
    found = [(name, {**recipe["network"], **changes})
             for name, changes in recipe["arms"].items() if not only or name in only]
    unknown = set(only or ()) - {name for name, _ in found}
    if unknown:
        raise ValueError(f"{recipe['name']} has no arm '{min(unknown)}'")
    return found


def run_name(recipe, arm, seed):
    return os.path.join(recipe["name"], f"{arm}-{seed}")


def interval(sums, n_bytes, seed=0):
    """95 % of bits per byte by drawing windows again (percentile bootstrap): (low, high).
    The bytes of a window are taken to be all the same."""
    sums = np.array(sums) / math.log(2)
    draws = np.random.default_rng(seed).integers(0, len(sums), (RESAMPLES, len(sums)))
    totals = np.sort(sums[draws].sum(1)) / n_bytes
    return float(totals[int(0.025 * RESAMPLES)]), float(totals[int(0.975 * RESAMPLES)])


def judge(run, most):
    """What one trained run is worth."""
    run.network.eval()
    ids = np.array(run.tokenizer.encode(run.heldout), dtype=np.uint16)
    total, tokens, sums = evaluate.nats(run.network, ids, most=most)
    n_bytes = len(run.tokenizer.decode(ids[:tokens].tolist()))
    low, high = interval(sums, n_bytes)
    return {"bits_per_byte": round(total / math.log(2) / n_bytes, 5),
            "ci95": [round(low, 5), round(high, 5)], "heldout_bytes": n_bytes,
            "heldout_tokens": tokens, "windows": len(sums)}


def make(run, recipe, arm, seed):
    """Trains one run to its end and writes its result.json."""
    run.train()
    if run.step * run.run["batch"] * run.config["context"] < run.run["tokens"] * 0.99:
        raise InterruptedError(f"{run.folder}: interrupted at step {run.step}")
    result = {"arm": arm, "seed": seed, "network": run.config, "tokens": run.run["tokens"],
              "train_s": round(run.seconds, 1), **judge(run, recipe.get("eval_windows"))}
    part = run.path("result.json.part")
    with open(part, "w", encoding="ascii") as f:
        json.dump(result, f)
    os.replace(part, run.path("result.json"))


def results(recipe, runs, only=None):
    """What is finished so far, in the order of the recipe; and what is missing."""
    done, missing = [], []
    for seed in recipe["seeds"]:
        for arm, _ in arms_of(recipe, only):
            path = os.path.join(runs, run_name(recipe, arm, seed), "result.json")
            if os.path.exists(path):
                with open(path, encoding="ascii") as f:
                    done.append(json.load(f))
            else:
                missing.append((arm, seed))
    return done, missing


def make_missing(recipe, runs, command, jobs, only=None):
    """Calls `command` + [arm, seed] for each run that is missing, `jobs` at a time."""
    _, missing = results(recipe, runs, only)
    failed = []

    def one(job):
        arm, seed = job
        done = subprocess.run([*command, arm, str(seed)], stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            failed.append((job, done.stderr.decode(errors="replace")[-300:]))
        print(f"{arm} {seed}: {'failed' if done.returncode else 'done'}", file=sys.stderr,
              flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, missing))
    if failed:
        (arm, seed), text = failed[0]
        raise ValueError(f"{len(failed)} runs failed, the first one {arm} {seed}: {text}")


def summary(done):
    """{arm: (mean, half-width of the 95 % interval over seeds, seeds)}; the interval is
    Student's, None with one seed."""
    student = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
    found = {}
    for r in done:
        found.setdefault(r["arm"], []).append(r["bits_per_byte"])
    return {arm: (float(np.mean(v)),
                  student.get(len(v), 2.571) * float(np.std(v, ddof=1)) / math.sqrt(len(v))
                  if len(v) > 1 else None, len(v))
            for arm, v in found.items()}


def read_results(path):
    try:
        with open(path, encoding="ascii") as f:
            return json.load(f)
    except FileNotFoundError:
        return {}


def write_results(path, content):
    with open(path + ".part", "w", encoding="ascii") as f:
        json.dump(content, f, indent=1)
        f.write("\n")
    os.replace(path + ".part", path)


def gather(recipe, runs, path):
    """Writes what is finished; what else the file has (costs) stays."""
    done, missing = results(recipe, runs)
    write_results(path, {**read_results(path), "recipe": recipe["name"],
                         "missing": len(missing), "runs": done})
    for arm, (mean, half, n) in summary(done).items():
        print(f"{arm:24} {mean:.4f}" + (f" +- {half:.4f}" if half else "") + f"  ({n})")
