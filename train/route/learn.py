# SPDX-License-Identifier: Apache-2.0
"""Learning of both networks: intents (with a teacher where there is one), and gain."""
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

from . import network

BATCH = 512
WARM_UP = 30   # steps
RATE, DECAY, BETAS = 4e-3, 0.01, (.9, .98)
SMOOTHING = .1


class Course:
    """Optimiser and rate over a run of a known number of steps."""

    def __init__(self, net, steps):
        self.net, self.steps, self.step, self.begun = net, steps, 0, time.time()
        self.optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY,
                                           betas=BETAS)

    def learn(self, loss):
        rate = RATE * min(1, (self.step + 1) / WARM_UP) * (1 - self.step / self.steps) + 1e-5
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        if self.step % 50 == 0:
            print(f"step {self.step} of {self.steps}, loss {loss.item():.3f}, "
                  f"{time.time() - self.begun:.0f} s", file=sys.stderr, flush=True)


def _parts(random, n, size):
    order = random.permutation(n)
    return [order[i:i + size] for i in range(0, n - size + 1, size)]


def intents(recipe, bags, labels, taught=None):
    """Of the bags the first have `labels`; `taught`, a teacher's answers, is of these and of more,
    which are learnt from it alone.  What is left is of no kind: all are as likely."""
    random = np.random.RandomState(recipe["seed"])
    torch.manual_seed(recipe["seed"])
    net = network.Net(recipe["buckets"], recipe["outputs"], recipe["drop"])
    unlabelled = np.zeros(len(bags) - len(labels), labels.dtype)
    share, heat = torch.ones(len(bags)), recipe["heat"]
    share[:len(labels)] = recipe["teach"] if taught is not None else 0.0
    likely = torch.full((len(bags), recipe["outputs"]), 1 / recipe["outputs"])
    if taught is not None:
        likely[:len(taught)] = F.softmax(taught / heat, 1)
    labels = torch.from_numpy(np.concatenate((labels, unlabelled)))
    course = Course(net, recipe["epochs"] * (len(bags) // BATCH))
    for _ in range(recipe["epochs"]):
        for some in _parts(random, len(bags), BATCH):
            scores = net(*network.batch([bags[i] for i in some], random, recipe["leave_out"]))
            hard = F.cross_entropy(scores, labels[some], label_smoothing=SMOOTHING,
                                   reduction="none")
            soft = heat * heat * F.cross_entropy(scores / heat, likely[some], reduction="none")
            course.learn(((1 - share[some]) * hard + share[some] * soft).mean())
    net.eval()
    return net


def gain(recipe, bags, weak, strong):
    """Two outputs: that the weak model answers right, that the strong one does."""
    random = np.random.RandomState(recipe["seed"])
    torch.manual_seed(recipe["seed"])
    net = network.Net(recipe["buckets"], 2, recipe["drop"])
    right = torch.from_numpy(np.stack((weak, strong), 1).astype(np.float32))
    course = Course(net, recipe["epochs"] * (len(bags) // BATCH))
    for _ in range(recipe["epochs"]):
        for some in _parts(random, len(bags), BATCH):
            scores = net(*network.batch([bags[i] for i in some], random, recipe["leave_out"]))
            course.learn(F.binary_cross_entropy_with_logits(scores / recipe["heat"], right[some]))
    net.eval()
    return net
