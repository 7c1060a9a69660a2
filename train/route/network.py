# SPDX-License-Identifier: Apache-2.0
"""The network in floats with straight-through gradients, to learn, and in integers, as it runs.

A text's features each name a row of a ternary table; the rows are added, divided by their root mean
square, shifted, cut at zero, and multiplied by a ternary matrix."""
import math

import numpy as np
import torch
import torch.nn.functional as F

WIDTH = 256    # of a row: one block of TQ2_0
UNIT = 256     # activations are in 256ths
TOP = 4095     # and at most this
SPREAD = 0.1   # of the first weights


def trits(w):
    """-1, 0, +1 and what they stand for: the mean magnitude (W1.58)."""
    scale = w.detach().abs().mean()
    return (w.detach() / (scale + 1e-8)).round().clamp(-1, 1), scale


def ternary(w):
    codes, scale = trits(w)
    return w + (codes * scale - w).detach()


class Net(torch.nn.Module):
    def __init__(self, buckets, outputs, drop):
        super().__init__()
        self.drop = drop
        self.rows = torch.nn.Parameter(torch.randn(buckets, WIDTH) * SPREAD)
        self.bias = torch.nn.Parameter(torch.zeros(WIDTH))
        self.head = torch.nn.Parameter(torch.randn(outputs, WIDTH) * SPREAD)
        self.head_bias = torch.nn.Parameter(torch.zeros(outputs))

    def forward(self, features, offsets):
        h = F.embedding_bag(features, ternary(self.rows), offsets, mode="sum")
        h = h * torch.rsqrt((h * h).mean(1, keepdim=True) + 1e-6)
        h = F.dropout(F.relu(h + self.bias), self.drop, self.training)
        return F.linear(h, ternary(self.head), self.head_bias)


class Whole:
    """The same in whole numbers: what the file holds and what the engine computes."""

    def __init__(self, net=None, parts=None):
        if parts is not None:
            self.rows, self.bias, self.head, self.head_bias = parts
            return
        rows, _ = trits(net.rows)
        head, scale = trits(net.head)
        self.rows = rows.numpy().astype(np.int8)
        self.head = head.numpy().astype(np.int8)
        self.bias = np.rint(net.bias.detach().numpy() * UNIT).astype(np.int32)
        self.head_bias = np.rint(net.head_bias.detach().numpy() * UNIT / float(scale))
        self.head_bias = self.head_bias.astype(np.int32)

    def scores(self, features):
        """Of one text, [outputs]."""
        total = self.rows[features].astype(np.int64).sum(0)
        root = math.isqrt(int((total * total).sum()) * UNIT * UNIT // WIDTH)
        if root > 0:
            total = (total * UNIT * UNIT + root // 2) // root
        active = np.clip(total + self.bias, 0, TOP)
        return self.head.astype(np.int64) @ active + self.head_bias


def bags(hashed, buckets):
    """Texts' hashes as feature numbers; `buckets` is a power of two."""
    return [np.array(h, dtype=np.int64) & (buckets - 1) for h in hashed]


def batch(some, random=None, leave_out=0.0):
    """(features, offsets) for embedding_bag; with `leave_out` a share of them is left out."""
    features = np.concatenate(some)
    counts = np.array([len(f) for f in some])
    if leave_out > 0:
        keep = random.random_sample(len(features)) >= leave_out
        owner = np.repeat(np.arange(len(some)), counts)
        counts = np.bincount(owner[keep], minlength=len(some))
        features = features[keep]
    offsets = np.concatenate(([0], np.cumsum(counts)[:-1]))
    return torch.from_numpy(features), torch.from_numpy(offsets)
