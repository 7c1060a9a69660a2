# SPDX-License-Identifier: Apache-2.0
"""The smdr network: what src/model computes in C, as PyTorch.

Tensors are [batch, tokens, width].  With `ternary` the matrices of the blocks are rounded to
-1, 0, +1 and their inputs to int8 (W1.58A8); the table of embeddings, which is the head too,
stays as it is and is rounded to 8 bits at export.
"""
import torch
from torch import nn
from torch.nn import functional as F

from smdr import patterns
from smdr.quantize import GatedTopK, NormQuantize, Weights

NORM_EPS = 1e-5
ROPE_BASE = 10000.0
EMBED_STD = 0.04


class Matrix(nn.Module):
    """A weight [out, in] without bias, ternary or not."""

    def __init__(self, n_in, n_out, ternary, std):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) * std)
        self.ternary = ternary
        self.ready = None

    def prepare(self, dtype):
        """Rounds once for all the micro-batches of a step; gradients gather in `ready`."""
        with torch.no_grad():
            w = Weights.forward(None, self.weight, dtype) if self.ternary else \
                self.weight.to(dtype)
        self.ready = w.detach().requires_grad_(self.weight.requires_grad)

    def collect(self):
        """Hands the gathered gradient to the master weights: straight through."""
        if self.ready is not None and self.ready.grad is not None:
            self.weight.grad = self.ready.grad.float()
        self.ready = None

    def forward(self, x):
        w = self.ready
        if w is None:
            w = Weights.apply(self.weight, x.dtype) if self.ternary else self.weight.to(x.dtype)
        return F.linear(x, w)


class Norm(nn.Module):
    def __init__(self, width, ternary):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.ternary = ternary

    def forward(self, x, dtype):
        return NormQuantize.apply(x, self.weight, NORM_EPS, self.ternary, dtype)


def rotate(x, cos, sin):
    """RoPE on pairs (i, i + half): x [batch, heads, tokens, head]."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Block(nn.Module):
    def __init__(self, config, kind):
        super().__init__()
        d, ff, ternary = config["width"], config["ff"], config["ternary"]
        self.heads, self.kind, self.top_k = config["heads"], kind, config["top_k"]
        std, out = d ** -0.5, (2 * config["blocks"]) ** -0.5
        self.attn_norm, self.ffn_norm = Norm(d, ternary), Norm(d, ternary)
        self.attn_sub_norm, self.ffn_sub_norm = Norm(d, ternary), Norm(ff, ternary)
        self.q, self.k = Matrix(d, d, ternary, std), Matrix(d, d, ternary, std)
        self.v, self.o = Matrix(d, d, ternary, std), Matrix(d, d, ternary, std * out)
        self.gate, self.up = Matrix(d, ff, ternary, std), Matrix(d, ff, ternary, std)
        self.down = Matrix(ff, d, ternary, ff ** -0.5 * out)

    def attend(self, x, bias, cos, sin):
        b, n, d = x.shape

        def split(y):
            return y.view(b, n, self.heads, d // self.heads).transpose(1, 2)

        q, k, v = (split(m(x)) for m in (self.q, self.k, self.v))
        q = rotate(q, cos, sin) * (d // self.heads) ** -0.5
        k = rotate(k, cos, sin)
        scores = q @ k.transpose(-1, -2) + bias
        return (scores.softmax(-1) @ v).transpose(1, 2).reshape(b, n, d)

    def forward(self, x, bias, cos, sin, dtype):
        a = self.attend(self.attn_norm(x, dtype), bias, cos, sin)
        x = x + self.o(self.attn_sub_norm(a, dtype))
        y = self.ffn_norm(x, dtype)
        h = GatedTopK.apply(self.gate(y), self.up(y), self.top_k)
        return x + self.down(self.ffn_sub_norm(h, dtype))


class Network(nn.Module):
    """config: see `complete`."""

    def __init__(self, config):
        super().__init__()
        patterns.check(config)
        self.config = config
        d = config["width"]
        self.embed = nn.Parameter(torch.randn(config["vocab"], d) * EMBED_STD)
        self.blocks = nn.ModuleList(Block(config, kind) for kind in config["kinds"])
        self.norm = nn.Parameter(torch.ones(d))
        self.tables = {}

    def matrices(self):
        return [m for m in self.modules() if isinstance(m, Matrix)]

    def prepare(self, dtype):
        for m in self.matrices():
            m.prepare(dtype)

    def collect(self):
        for m in self.matrices():
            m.collect()

    def _tables(self, n, dtype):
        if (n, dtype) not in self.tables:
            half = self.config["width"] // self.config["heads"] // 2
            turn = ROPE_BASE ** (-torch.arange(half, dtype=torch.float64) / half)
            angle = torch.arange(n, dtype=torch.float64)[:, None] * turn
            biases = {}
            for kind in set(self.config["kinds"]):
                seen = patterns.visible(kind, self.config, n)
                biases[kind] = torch.zeros(n, n, dtype=dtype).masked_fill_(~seen, -1e30)
            self.tables[n, dtype] = (angle.cos().to(dtype), angle.sin().to(dtype), biases)
        return self.tables[n, dtype]

    def hidden(self, ids, dtype=torch.float32):
        """Before the head: [batch, tokens, width] after the last norm."""
        device = self.embed.device
        cos, sin, biases = self._tables(ids.shape[1], dtype)
        cos, sin = cos.to(device), sin.to(device)
        x = F.embedding(ids, self.embed)
        for block in self.blocks:
            x = block(x, biases[block.kind].to(device), cos, sin, dtype)
        return NormQuantize.apply(x, self.norm, NORM_EPS, False, dtype)

    def forward(self, ids, dtype=torch.float32):
        """Logits [batch, tokens, vocab]."""
        return F.linear(self.hidden(ids, dtype), self.embed.to(dtype))

    def loss(self, ids, targets, dtype=torch.float32):
        """Mean nats a token."""
        logits = self(ids, dtype).float()
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def complete(config):
    """Fills in what a recipe leaves out.  Keys: vocab, width, blocks, heads, ff, context,
    ternary, kinds (one name a block, or one name for all), torus_side, torus_radius,
    key_budget, stride, random_seed, sink_tokens, top_k (0: all)."""
    c = {"ternary": True, "kinds": "full", "torus_radius": 3, "random_seed": 1,
         "sink_tokens": 0, "top_k": 0, **config}
    if isinstance(c["kinds"], str):
        c["kinds"] = [c["kinds"]] * c["blocks"]
    side = patterns.side_for(c["context"])
    r = c["torus_radius"]
    return {"torus_side": side, "stride": side, "key_budget": r * r + r + 1, **c}


def count_body(config):
    """Weights in the blocks' matrices."""
    d, ff = config["width"], config["ff"]
    return config["blocks"] * (4 * d * d + 3 * d * ff)
