#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a generated token costs several models, in turns on one thread: medians and quartiles of the
CPU time, and how many times less than the first of them.

usage: whole_model.py [--rounds N] [--generate N] TERN MODEL.gguf MODEL.gguf ...
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train"))

import numpy as np

from smdr import costs


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--generate", type=int, default=256)
    p.add_argument("tern")
    p.add_argument("models", nargs="+")
    args = p.parse_args()
    names = {os.path.basename(path): path for path in args.models}
    if len(names) < len(args.models):
        sys.exit("whole_model.py: two models have the same name")
    try:
        found = costs.bench(args.tern, names, args.generate, args.rounds)
    except (OSError, ValueError) as e:
        sys.exit(f"whole_model.py: {e}")
    base = np.array(found[os.path.basename(args.models[0])]["cpu_s"])
    print("| model | CPU us a token (quartiles) | times less |\n| --- | --- | --- |")
    for name, times in found.items():
        cpu = np.array(times["cpu_s"])
        low, middle, high = 1e6 * np.percentile(cpu, [25, 50, 75])
        print(f"| {name} | {middle:.1f} ({low:.1f} to {high:.1f}) | {np.median(base / cpu):.2f} |")


if __name__ == "__main__":
    main()
