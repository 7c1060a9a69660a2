# SPDX-License-Identifier: Apache-2.0
"""The data sets, and who may see which part of them.  Nothing here is in the repository: they lie
in TERN_DATA/routing (sources and licences: models/tern-thin.md)."""
import gzip
import hashlib
import json
import os
import re

import numpy as np

OTHER = 150  # the label of what is none of the intents


def _lines(path):
    with gzip.open(path, "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


class Clinc:
    """`train` learns; `val`, `oos_train` and `oos_val` choose; `test` and `oos_test` are looked at
    once, by evaluate.py."""

    def __init__(self, folder):
        with open(os.path.join(folder, "clinc150_full.json"), encoding="utf-8") as f:
            self.parts = json.load(f)
        self.names = sorted({name for _, name in self.parts["train"]})
        assert len(self.names) == OTHER

    def texts(self, part):
        return [text for text, _ in self.parts[part]]

    def labels(self, part):
        index = {name: i for i, name in enumerate(self.names)}
        return np.array([index.get(name, OTHER) for _, name in self.parts[part]])


def route_part(prompt):
    """'train' (70 %), 'val' (10 %) or 'test' (20 %): by the prompt's own hash, so that the same
    question is never in two of them."""
    n = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], "big") % 10
    return "train" if n < 7 else "val" if n < 8 else "test"


def route_rows(folder):
    """RouteLLM's prompts with who answered right, and their part."""
    rows = _lines(os.path.join(folder, "routellm_mmlu_gsm8k.jsonl.gz"))
    return [dict(row, part=route_part(row["prompt"])) for row in rows]


def question(row):
    """A prompt of RouteLLM's without the answers to choose from."""
    return row["prompt"].split("\nA.")[0]


def elsewhere(folder):
    """{name: texts} that are only looked at, by evaluate.py: commands to another assistant, and
    questions of exams, riddles and programming, but not those of the benchmarks that
    route_rows() has, of which some were learnt from."""
    slurp = _lines(os.path.join(folder, "slurp_test.jsonl.gz"))
    questions = _lines(os.path.join(folder, "llmrouter_query_test.jsonl.gz"))
    return {"slurp_test": [row["sentence"] for row in slurp],
            "llmrouter_test": [row["query"] for row in questions
                               if not re.search("mmlu|gsm", row["task_name"])]}
