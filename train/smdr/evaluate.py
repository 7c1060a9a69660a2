# SPDX-License-Identifier: Apache-2.0
"""Bits per byte of a text: windows of the whole context, each begun by the mark, moved on by
half a context, so that each token is counted once and sees at least half a context before it
(the first tokens of the text apart)."""
import math

import numpy as np
import torch
from torch.nn import functional as F

from smdr.corpus import MARK_ID


def windows(ids, context):
    """Rows (tokens in, targets, first position that counts)."""
    step = context // 2
    at = 0
    while at < len(ids):
        begin = max(0, at - (context - step))
        end = min(begin + context, len(ids))
        targets = ids[begin:end]
        yield np.concatenate(([MARK_ID], targets[:-1])), targets, at - begin
        at = end


@torch.no_grad()
def nats(network, ids, dtype=torch.float32, batch=4, most=None):
    """(sum of nats, tokens, sums of single windows) over `ids`; `most` limits the windows."""
    context = network.config["context"]
    rows = list(windows(ids.astype(np.int64), context))[:most]
    sums, tokens = [], 0
    for i in range(0, len(rows), batch):
        part = rows[i:i + batch]
        x = torch.full((len(part), context), MARK_ID, dtype=torch.long)
        y = torch.full((len(part), context), -100, dtype=torch.long)
        for r, (inputs, targets, first) in enumerate(part):
            x[r, :len(inputs)] = torch.from_numpy(inputs)
            y[r, first:len(targets)] = torch.from_numpy(targets[first:])
        logits = network(x.to(network.embed.device), dtype).float().cpu()
        each = F.cross_entropy(logits.transpose(1, 2), y, reduction="none", ignore_index=-100)
        sums += each.sum(1).tolist()
        tokens += int((y >= 0).sum())
    return sum(sums), tokens, sums


def bits_per_byte(network, tokenizer, data, dtype=torch.float32, most=None):
    """(bits/byte, tokens) of a text (bytes), or of its first `most` windows."""
    ids = np.array(tokenizer.encode(data), dtype=np.uint16)
    total, tokens, _ = nats(network, ids, dtype, most=most)
    n_bytes = len(tokenizer.decode(ids[:tokens].tolist()))
    return total / math.log(2) / n_bytes, tokens
