# SPDX-License-Identifier: Apache-2.0
"""What a token costs a network: operations by class and bytes of weights, counted from its
shape; time and CPU time, measured by `tern bench`; joules, modelled from the CPU time.

Counts are of generation, the mean over the positions of a full context.  An operation is one
multiply-accumulate unless its name says otherwise.
"""
import json
import os
import re
import subprocess

import numpy as np

from smdr import export, patterns

# Bytes of a weight in the file's types.
WIDTHS = {"F32": 4.0, "Q8_0": 34 / 32, "TQ1_0": 54 / 256, "IQ2_BN": 2 / 8}


def mean_keys(kind, config):
    """Keys that a query sees, on average over a context."""
    return float(patterns.visible(kind, config, config["context"]).sum(1).float().mean())


def count(config, body, head):
    """`body`, `head`: types of the matrices and of the embeddings."""
    d, ff, blocks = config["width"], config["ff"], config["blocks"]
    keys = sum(mean_keys(kind, config) for kind in config["kinds"])
    open_share = config["top_k"] / ff if config["top_k"] else 1.0
    dense = blocks * (4 * d * d + 3 * d * ff)
    done = blocks * (4 * d * d + d * ff * (1 + 2 * open_share))
    full_keys = blocks * (config["context"] + 1) / 2
    return {
        "body_macs": round(done), "body_macs_skipped": round(dense - done),
        "attention_macs": round(2 * keys * d),
        "attention_macs_skipped": round(2 * (full_keys - keys) * d),
        "head_macs": config["vocab"] * d, "exps": round(keys * config["heads"]),
        "weight_bytes": round(done * WIDTHS[body] + config["vocab"] * d * WIDTHS[head]),
        "file_weight_bytes": round(dense * WIDTHS[body] + config["vocab"] * d * WIDTHS[head]),
        "parameters": dense + config["vocab"] * d,
    }


def call(*command):
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if out.returncode != 0:
        raise ValueError(f"{command[0]} {command[1]}: "
                         f"{out.stderr.decode(errors='replace').strip()}")
    return out.stdout


def power_model(tern):
    """(watts of a busy thread, their source) as `tern meter` models them on this machine."""
    report = json.loads(call(tern, "meter", "--model", "--json", "-o", "-", "--", "true"))
    text = report["source"]["meter"]
    return float(re.search(r"([0-9.]+) W a thread", text).group(1)), text


def bench(tern, models, tokens, rounds, threads=1):
    """{name: {"s": [...], "cpu_s": [...]}} of a generated token: the models of each round in
    turns, so that what the machine does meanwhile falls on all of them.
    models: {name: path}."""
    found = {name: {"s": [], "cpu_s": []} for name in models}
    for _ in range(rounds):
        for name, path in models.items():
            measured = json.loads(call(tern, "bench", "-m", path, "-p", "0", "-g", str(tokens),
                                       "-r", "3", "-t", str(threads), "--head", "own",
                                       "--json"))["generate"]
            found[name]["s"].append(1 / measured["tokens_per_s"])
            found[name]["cpu_s"].append(measured["cpu_s_per_token"])
    return found


def forms(run, folder, about):
    """Exports a network in the forms that are measured: {suffix of its name: (path, types)}.
    Ternary ones as they are shipped; others in float32, and with 8-bit weights."""
    if run.config["ternary"]:
        kinds = {"": (export.ternary_type(run.config), "Q8_0")}
    else:
        kinds = {"": ("F32", "F32"), " int8": ("Q8_0", "Q8_0")}
    found = {}
    for suffix, (body, head) in kinds.items():
        path = os.path.join(folder, f"model{suffix.replace(' ', '-')}.gguf")
        export.export(run.network, run.tokenizer, path, about, head, body)
        found[suffix] = (path, (body, head))
    return found


def measure(runs, about, tern, tokens, rounds):
    """{name: what it costs} of runs {name: Run}.  What has no checkpoint is measured with its
    first weights, and named: counts and products do not depend on the weights."""
    watts, source = power_model(tern)
    models, counts = {}, {}
    for name, run in runs.items():
        for suffix, (path, types) in forms(run, run.folder, about).items():
            models[name + suffix] = path
            counts[name + suffix] = {**count(run.config, *types), "types": list(types)}
    times = bench(tern, models, tokens, rounds)
    return {"energy": f"modelled, {source}", "tokens": tokens, "rounds": rounds,
            "untrained": [name for name, run in runs.items() if run.step == 0],
            "of": {name: {**counts[name], **sum_up(times[name], watts)} for name in models}}


def sum_up(times, watts):
    """Medians and quartiles of what `bench` found for one model; `watts` of power_model()."""
    s, cpu = np.array(times["s"]), np.array(times["cpu_s"])
    low, high = np.percentile(s, [25, 75])
    return {"us": round(1e6 * float(np.median(s)), 2),
            "us_quartiles": [round(1e6 * float(low), 2), round(1e6 * float(high), 2)],
            "cpu_us": round(1e6 * float(np.median(cpu)), 2),
            "modelled_uj": round(1e6 * float(np.median(cpu)) * watts, 2)}
