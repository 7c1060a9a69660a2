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
    """`taught`: a teacher's answers to the same texts, whose likelihoods are learnt as well."""
    random = np.random.RandomState(recipe["seed"])
    torch.manual_seed(recipe["seed"])
    net = network.Net(recipe["buckets"], recipe["outputs"], recipe["drop"])
    labels = torch.from_numpy(labels)
    course = Course(net, recipe["epochs"] * (len(bags) // BATCH))
    share, heat = recipe["teach"] if taught is not None else 0.0, recipe["heat"]
    for _ in range(recipe["epochs"]):
        for some in _parts(random, len(bags), BATCH):
            scores = net(*network.batch([bags[i] for i in some], random, recipe["leave_out"]))
            loss = (1 - share) * F.cross_entropy(scores, labels[some], label_smoothing=SMOOTHING)
            if share > 0:
                likely = F.softmax(taught[some] / heat, 1)
                loss = loss + share * heat * heat * F.cross_entropy(scores / heat, likely)
            course.learn(loss)
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
