# SPDX-License-Identifier: Apache-2.0
"""./dev train route: makes models/tern-thin.gguf, measures it, and writes what tests compare with.

  --data DIR      the data sets (default: TERN_DATA/routing, TERN_DATA = ../shared/data)
  --runs DIR      what is kept between runs: vectors of the teacher, networks (default: build/runs)
  --no-teacher    learn from labels alone
  -o FILE         (default: models/tern-thin.gguf)
  --measure       do not learn: measure FILE on the test parts, print JSON
  --vectors FILE  with --measure: write texts with their scores
"""
import argparse
import json
import os
import sys

import numpy as np
import torch

from . import data, evaluate, export, features, learn, measure, network, splice, teacher

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def recipe():
    with open(os.path.join(HERE, "recipe.json"), encoding="utf-8") as f:
        return json.load(f)


def note(text):
    print(text, file=sys.stderr, flush=True)


def progress(done, total):
    if sys.stderr.isatty():
        print(f"\r{done} of {total} texts", end="" if done < total else "\n", file=sys.stderr)


def kept(path, make):
    """The network in `path`, made when it is not there."""
    if not os.path.exists(path):
        whole = make()
        np.savez(path + ".part.npz", rows=whole.rows, bias=whole.bias, head=whole.head,
                 head_bias=whole.head_bias)
        os.replace(path + ".part.npz", path)
    with np.load(path) as f:
        return network.Whole(parts=[f[k] for k in ("rows", "bias", "head", "head_bias")])


def bags_of(texts, buckets):
    return network.bags([features.hashes(text) for text in texts], buckets)


def learn_intents(args, clinc, rows):
    how = recipe()["intents"]
    texts, labels = clinc.texts("train"), clinc.labels("train")
    taught = None
    if not args.no_teacher:
        texts = texts + splice.sentences(texts, labels, how["spliced"], how["seed"])
        note(f"asking the teacher of {len(texts)} sentences")
        vectors = teacher.kept_vectors(args.runs, texts, progress)
        heads = [teacher.learn_head(vectors[:len(labels)], labels, len(clinc.names), seed)
                 for seed in how["teacher_seeds"]]
        taught = teacher.answers(heads, vectors)
    note("learning 150 intents")
    texts = texts + [data.question(row) for row in rows if row["part"] == "train"]
    net = learn.intents(dict(how, outputs=len(clinc.names)), bags_of(texts, how["buckets"]),
                        labels, taught)
    return network.Whole(net)


def learn_gain(rows):
    how = recipe()["gain"]
    mine = [row for row in rows if row["part"] == "train"]
    note("learning who answers right")
    net = learn.gain(how, bags_of([row["prompt"] for row in mine], how["buckets"]),
                     np.array([row["weak"] for row in mine]),
                     np.array([row["strong"] for row in mine]))
    return network.Whole(net)


def choose(clinc, whole):
    """Scores of the parts that choose, and the threshold: the one below which that share of what is
    out of scope in `oos_train` and `oos_val` lies."""
    buckets = len(whole.rows)
    known = measure.all_scores(whole, bags_of(clinc.texts("val"), buckets)).max(1)
    texts = clinc.texts("oos_train") + clinc.texts("oos_val")
    other = measure.all_scores(whole, bags_of(texts, buckets)).max(1)
    order = np.sort(other)
    return known, other, int(order[int(recipe()["threshold"] * len(order))])


def make(args):
    os.makedirs(args.runs, exist_ok=True)
    clinc, rows = data.Clinc(args.data), data.route_rows(args.data)
    intent = kept(os.path.join(args.runs, "thin-intent.npz"),
                  lambda: learn_intents(args, clinc, rows))
    gain = kept(os.path.join(args.runs, "thin-gain.npz"), lambda: learn_gain(rows))
    known, other, threshold = choose(clinc, intent)
    val = bags_of([row["prompt"] for row in rows if row["part"] == "val"], len(gain.rows))
    gains = measure.gains(measure.all_scores(gain, val))
    export.write(args.o, intent, gain, clinc.names, threshold, known, other, gains)
    note(f"{args.o}: {os.path.getsize(args.o)} bytes, threshold {threshold}")


def main():
    parser = argparse.ArgumentParser(prog="./dev train route", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("TERN_DATA", os.path.join(ROOT, "..", "shared", "data"))
    parser.add_argument("--data", default=os.path.join(default, "routing"))
    parser.add_argument("--runs", default=os.path.join(
        os.environ.get("TERN_RUNS", os.path.join(ROOT, "build", "runs")), "route"))
    parser.add_argument("--no-teacher", action="store_true")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--vectors")
    parser.add_argument("-o", default=os.path.join(ROOT, "models", "tern-thin.gguf"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.measure:
        evaluate.run(args)
    else:
        make(args)


if __name__ == "__main__":
    main()
