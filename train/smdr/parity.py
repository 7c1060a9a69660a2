# SPDX-License-Identifier: Apache-2.0
"""What PyTorch computes with an exported network, as a file that tern's tests compare with
(tests/model/test_books.c): greedy continuations, nats of a text, logits.

The embeddings are rounded as the file has them; all else is float32 of the very network.  An
activation that lies where int8 rounds up or down turns on the last bit of a sum: logits of two
right implementations (PyTorch's in float32 and in float64, too) differ by 0.01 or 0.02.  So
only those prompts are kept whose greedy continuation never chooses between two closer ones.
"""
import numpy as np
import torch
from torch.nn import functional as F

from smdr import gguf
from smdr.corpus import MARK_ID

GREEDY_TOKENS = 200
LOGIT_STEP = 16
PROMPTS = 3
MARGIN = 0.05


@torch.no_grad()
def greedy(network, ids, n, margin):
    """(tokens, the smallest distance between the best and the second logit); fewer than n tokens
    when one is nearer than `margin`."""
    ids, least, told = list(ids), float("inf"), []
    while len(told) < n and least >= margin:
        best = network(torch.tensor([ids + told]))[0, -1].topk(2)
        least = min(least, (best.values[0] - best.values[1]).item())
        told.append(best.indices[0].item())
    return told, least


def line(values):
    return ",".join(str(v) for v in values)


@torch.no_grad()
def write(network, tokenizer, path, prompts, text, margin=MARGIN):
    """prompts: str each, more than are wanted; text: bytes of which the first `context` tokens are measured."""
    network.embed.copy_(torch.from_numpy(gguf.rounded_q8_0(network.embed.numpy())))
    rows = []
    for prompt in prompts:
        ids = [MARK_ID, *tokenizer.encode(prompt.encode())]
        told, least = greedy(network, ids, GREEDY_TOKENS, margin)
        if least >= margin and len(rows) < 2 * PROMPTS:
            rows += [f"# {prompt!r}; the closest second best is {least:.4f} below",
                     f"{line(ids)}|{line(told)}"]
    if len(rows) < 2 * PROMPTS:
        raise ValueError(f"{len(rows) // 2} prompts of {len(prompts)} are clear, not {PROMPTS}")
    ids = np.array([MARK_ID, *tokenizer.encode(text)][:network.config["context"] + 1])
    logits = network(torch.from_numpy(ids[None, :-1]))[0]
    nats = F.cross_entropy(logits, torch.from_numpy(ids[1:]), reduction="none")
    rows += ["# A text, then 1e-6 nats of each of its tokens but the first.", f"{line(ids)}|",
             line(round(1e6 * v) for v in nats.tolist()) + "|",
             f"# 1e-6 logits of every {LOGIT_STEP}th token after all of the text but its last.",
             line(round(1e6 * v) for v in logits[-1, ::LOGIT_STEP].tolist()) + "|"]
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(rows) + "\n")
