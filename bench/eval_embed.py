#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well `tern embed` finds sentences that mean the same, beside TF-IDF: CLINC150 (Larson et
al. 2019, CC BY 3.0), 150 intents of a voice assistant.

Each sentence of the test part looks for its nearest ones in the training part; it has found the
right thing where they are of its own intent.  Of equally near ones a fixed random order decides.
Needs numpy.  Prints JSON; --table prints the table of docs/embeddings.md from such a file.

usage: eval_embed.py --tern TERN [-m MODEL] [--part test|val] [--data DIR] >results.json
       eval_embed.py --table results.json"""
import argparse
import collections
import hashlib
import json
import math
import os
import re
import subprocess
import sys

import numpy as np

BITS, ON = 2048, 41
KS = (1, 5, 10)
SEED = 1


def load(folder, part):
    """(sentences, intents) of the training part, in a fixed random order, and of the other."""
    with open(os.path.join(folder, "routing", "clinc150_full.json"), encoding="utf-8") as f:
        data = json.load(f)
    order = np.random.default_rng(SEED).permutation(len(data["train"]))
    train = [data["train"][i] for i in order]
    return [list(zip(*rows)) for rows in (train, data[part])]


# --- ways to make vectors: each gives (train, queries) whose products are similarities ---------

def words(sentence):
    return re.findall(r"[a-z0-9']+", sentence.lower())


def tf_idf(train, queries):
    """Counts times ln((1 + n) / (1 + df)) + 1, of length 1: the usual one, over words."""
    documents = [collections.Counter(words(s)) for s in train]
    df = collections.Counter(w for d in documents for w in d)
    column = {w: i for i, w in enumerate(sorted(df))}
    weight = {w: math.log((1 + len(train)) / (1 + n)) + 1 for w, n in df.items()}

    def vectors(counts):
        out = np.zeros((len(counts), len(column)), dtype=np.float32)
        for row, d in zip(out, counts):
            for w, n in d.items():
                if w in column:
                    row[column[w]] = n * weight[w]
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)

    return vectors(documents), vectors([collections.Counter(words(s)) for s in queries])


def winners(vectors):
    """The same 41 of 2,048 bits, by a random ternary projection: what the bits cost."""
    rng = np.random.default_rng(SEED)
    projection = rng.integers(0, 6, size=(vectors[0].shape[1], BITS))
    projection = ((projection == 0).astype(np.float32) - (projection == 1))
    out = []
    for v in vectors:
        bits = np.zeros((len(v), BITS), dtype=np.float32)
        for at in range(0, len(v), 500):
            response = v[at:at + 500] @ projection
            top = np.argpartition(-response, ON, axis=1)[:, :ON]
            np.put_along_axis(bits[at:at + 500], top, 1, axis=1)
        out.append(bits)
    return out


def embed(tern, model, sentences):
    """Bits of `tern embed`, one row a sentence."""
    # One thread: a sentence is too short to be shared.
    command = [tern, "embed", "-t", "1", *(["-m", model] if model else []), "-"]
    done = subprocess.run(command, input="\n".join(sentences).encode() + b"\n", check=True,
                          stdout=subprocess.PIPE)
    raw = np.frombuffer(bytes.fromhex(done.stdout.decode().replace("\n", "")), dtype=np.uint8)
    bits = np.unpackbits(raw.reshape(len(sentences), BITS // 8), axis=1, bitorder="little")
    return bits.astype(np.float32)


# --- figures -----------------------------------------------------------------------------------

def interval(share, n):
    """95 % of a share of n (Wilson)."""
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return [round(middle - half, 4), round(middle + half, 4)]


def retrieve(vectors, labels):
    """Of the nearest k, is one of the right intent?"""
    train, queries = vectors
    of_train, of_queries = (np.array(names) for names in labels)
    hits = dict.fromkeys(KS, 0)
    for at in range(0, len(queries), 500):
        similar = queries[at:at + 500] @ train.T
        order = np.argsort(-np.round(similar, 6), axis=1, kind="stable")[:, :max(KS)]
        right = of_train[order] == of_queries[at:at + 500, None]
        for k in KS:
            hits[k] += int(right[:, :k].any(axis=1).sum())
    n = len(queries)
    return {**{f"recall_at_{k}": round(hits[k] / n, 4) for k in KS},
            "recall_at_1_95": interval(hits[1] / n, n)}


def measure(args):
    (train, of_train), (queries, of_queries) = load(args.data, args.part)
    labels = (of_train, of_queries)
    lexical = tf_idf(train, queries)
    bits = [embed(args.tern, args.model, rows) for rows in (train, queries)]
    # Which model: its file's own digest where a file was named.
    named = args.model or "the default model"
    digest = None
    if args.model and os.path.exists(args.model):
        with open(args.model, "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
    return {"schema": "tern.eval-embed/1", "part": args.part, "train": len(train),
            "queries": len(queries), "intents": len(set(of_train)),
            "model": os.path.basename(named), "model_sha256": digest,
            "ways": {"tf_idf": retrieve(lexical, labels),
                     "tf_idf_bits": retrieve(winners(lexical), labels),
                     "tern_embed": retrieve(bits, labels)}}


TITLES = {"tf_idf": "TF-IDF over words, cosine", "tf_idf_bits": "TF-IDF as 41 of 2,048 bits",
          "tern_embed": "`tern embed`, 41 of 2,048 bits"}


def table(results):
    print("| " + " | ".join(["", *(f"recall@{k}" for k in KS), "95 % of recall@1"]) + " |")
    print("| --- |" + " ---: |" * (len(KS) + 1))
    for way, figures in results["ways"].items():
        low, high = figures["recall_at_1_95"]
        cells = [TITLES[way], *(f"{100 * figures[f'recall_at_{k}']:.1f} %" for k in KS),
                 f"{100 * low:.1f} to {100 * high:.1f} %"]
        print("| " + " | ".join(cells) + " |")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tern", help="the program")
    p.add_argument("-m", "--model", help="default: that of the program")
    p.add_argument("--part", choices=("test", "val"), default="test")
    p.add_argument("--data", default=os.environ.get(
        "TERN_DATA", os.path.join(here, "..", "..", "shared", "data")))
    p.add_argument("--table", metavar="FILE", help="print the table of these results")
    args = p.parse_args()
    if args.table:
        with open(args.table, encoding="utf-8") as f:
            table(json.load(f))
    elif args.tern:
        json.dump(measure(args), sys.stdout, indent=1)
        print()
    else:
        p.error("--tern or --table is needed")


if __name__ == "__main__":
    main()
