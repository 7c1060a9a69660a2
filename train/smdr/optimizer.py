# SPDX-License-Identifier: Apache-2.0
"""Muon for matrices (Jordan et al. 2024: momentum, made orthogonal by five Newton-Schulz steps),
AdamW (Loshchilov and Hutter 2019) for everything else, and the learning rate over a run."""
import torch

# The quintic of Jordan's Muon: steep at zero, so that five steps are enough.
NS_A, NS_B, NS_C = 3.4445, -4.7750, 2.0315


def orthogonal(g):
    """The nearest half-orthogonal matrix to each of g [n, rows, columns], roughly."""
    x = g / (g.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    wide = x.shape[1] <= x.shape[2]
    x = x if wide else x.transpose(1, 2)
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        x = NS_A * x + (NS_B * a + NS_C * (a @ a)) @ x
    return x if wide else x.transpose(1, 2)


class Optimizer:
    """`matrices` and `others` are lists of parameters, in an order that a checkpoint can rely on."""

    MOMENTUM, BETA1, BETA2, EPS = 0.95, 0.9, 0.95, 1e-8

    def __init__(self, matrices, others, decay):
        self.matrices, self.others, self.decay = matrices, others, decay
        self.momentum = [torch.zeros_like(p) for p in matrices]
        self.first = [torch.zeros_like(p) for p in others]
        self.second = [torch.zeros_like(p) for p in others]
        self.steps = 0

    def state(self):
        return {"momentum": self.momentum, "first": self.first, "second": self.second,
                "steps": self.steps}

    def restore(self, state):
        for mine, kept in ((self.momentum, state["momentum"]), (self.first, state["first"]),
                           (self.second, state["second"])):
            for a, b in zip(mine, kept):
                a.copy_(b)
        self.steps = state["steps"]

    @torch.no_grad()
    def step(self, matrix_rate, other_rate):
        self.steps += 1
        by_shape = {}
        for p, m in zip(self.matrices, self.momentum):
            m.lerp_(p.grad, 1 - self.MOMENTUM)
            by_shape.setdefault(p.shape, []).append((p, p.grad.lerp(m, self.MOMENTUM)))
        for (rows, columns), group in by_shape.items():
            turns = orthogonal(torch.stack([g for _, g in group]))
            by = matrix_rate * max(1.0, rows / columns) ** 0.5
            for (p, _), turn in zip(group, turns):
                p.mul_(1 - matrix_rate * self.decay).sub_(turn, alpha=by)
        for p, m, v in zip(self.others, self.first, self.second):
            m.lerp_(p.grad, 1 - self.BETA1)
            v.lerp_(p.grad.square(), 1 - self.BETA2)
            scale = (1 - self.BETA2 ** self.steps) ** 0.5 / (1 - self.BETA1 ** self.steps)
            p.sub_(m / (v.sqrt() + self.EPS) * (other_rate * scale))


def share_of_rate(done, total, warm, falling):
    """Warm-up, a plateau, and a straight fall to zero over the last part (shares of the run).
    A run can be prolonged from any point of the plateau."""
    if done < warm:
        return done / warm
    left = (total - done) / total
    return min(1.0, left / falling)
