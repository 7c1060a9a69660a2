# SPDX-License-Identifier: Apache-2.0
"""One training run: workers that share the parameters, each on its own core, and checkpoints.

A step's micro-batches are taken from one counter by whichever worker is free, so a busy core
slows a run by its share only.  The tokens of a step depend on the seed and the step alone; the
sums of gradients are rounded in the order in which workers finish, so two runs with more than
one worker agree in everything but their last bits.
"""
import json
import os
import signal
import time

import numpy as np
import torch
import torch.multiprocessing as mp

from smdr import checkpoint, evaluate
from smdr.corpus import MARK_ID
from smdr.network import Network, complete
from smdr.optimizer import Optimizer, share_of_rate
from smdr.progress import Bar

DEFAULTS = {"seed": 1, "tokens": 1 << 20, "batch": 16, "micro": 4, "matrix_rate": 0.02,
            "other_rate": 3e-3, "decay": 0.05, "warm": 0.02, "falling": 0.3, "clip": 1.0,
            "bf16": True, "workers": 0, "save_minutes": 5, "eval_windows": 24}


def batch_at(ids, seed, step, index, rows, context):
    """Inputs and targets of micro-batch `index` of `step`: each row opens with the mark."""
    rng = np.random.Generator(np.random.PCG64([seed, step, index]))
    starts = rng.integers(0, len(ids) - context, size=rows)
    y = np.stack([ids[s:s + context] for s in starts]).astype(np.int64)
    x = np.concatenate((np.full((rows, 1), MARK_ID, dtype=np.int64), y[:, :-1]), axis=1)
    return torch.from_numpy(x), torch.from_numpy(y)


class Shared:
    """What the workers of a run have in common."""

    def __init__(self, workers, network):
        context = mp.get_context("fork")
        self.begin, self.end = context.Barrier(workers), context.Barrier(workers)
        self.next = context.Value("q", 0)
        self.step = context.Value("q", 0)
        self.stop = context.Value("b", 0)
        sizes = sum(p.numel() for p in network.parameters())
        self.grads = [torch.zeros(sizes).share_memory_() for _ in range(workers)]
        self.losses = torch.zeros(workers, dtype=torch.float64).share_memory_()

    def take(self):
        with self.next.get_lock():
            self.next.value += 1
            return self.next.value - 1


def gather(network, shared, rank, ids, run, config):
    """One worker's part of a step: gradients into its shared buffer."""
    dtype = torch.bfloat16 if run["bf16"] else torch.float32
    micros, loss_sum = run["batch"] // run["micro"], 0.0
    for p in network.parameters():
        p.grad = None
    network.prepare(dtype)
    while True:
        index = shared.take()
        if index >= micros:
            break
        x, y = batch_at(ids, run["seed"], shared.step.value, index, run["micro"],
                        config["context"])
        loss = network.loss(x, y, dtype) / micros
        loss.backward()
        loss_sum += loss.item()
    network.collect()
    flat = shared.grads[rank]
    at = 0
    for p in network.parameters():
        part = flat[at:at + p.numel()]
        part.copy_(p.grad.flatten()) if p.grad is not None else part.zero_()
        at += p.numel()
    shared.losses[rank] = loss_sum


def worker(rank, network, shared, ids, run, config):
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        shared.begin.wait()
        if shared.stop.value:
            return
        gather(network, shared, rank, ids, run, config)
        shared.end.wait()


def apply_step(network, optimizer, shared, run, share):
    """Sums what the workers gathered, limits its length, and moves the parameters."""
    total = shared.grads[0]
    for other in shared.grads[1:]:
        total.add_(other)
    total.mul_(min(1.0, run["clip"] / (float(total.norm()) + 1e-9)))
    at = 0
    for p in network.parameters():
        p.grad = total[at:at + p.numel()].view_as(p)
        at += p.numel()
    optimizer.step(run["matrix_rate"] * share, run["other_rate"] * share)


class Run:
    """A folder with config.json, log.jsonl and last.pt; goes on where it stopped."""

    def __init__(self, folder, config, run, tokenizer, ids, heldout):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.ids, self.heldout = folder, ids, heldout
        self.tokenizer = tokenizer
        self.config = complete({**config, "vocab": len(tokenizer)})
        self.run = {**DEFAULTS, **run}
        torch.manual_seed(self.run["seed"])
        self.network = Network(self.config)
        for p in self.network.parameters():
            p.share_memory_()
        matrices = [m.weight for m in self.network.matrices()]
        known = {id(p) for p in matrices}
        others = [p for p in self.network.parameters() if id(p) not in known]
        self.optimizer = Optimizer(matrices, others, self.run["decay"])
        self.step, self.seconds = 0, 0.0
        self._resume()

    def path(self, name):
        return os.path.join(self.folder, name)

    def _resume(self):
        kept = checkpoint.latest(self.path("last.pt"))
        if kept is None:
            return
        if kept["config"] != self.config:
            raise ValueError(f"{self.folder} holds a run of another network")
        with torch.no_grad():
            for p, q in zip(self.network.parameters(), kept["parameters"]):
                p.copy_(q)
        self.optimizer.restore(kept["optimizer"])
        self.step, self.seconds = kept["step"], kept["seconds"]

    def save(self, name="last.pt"):
        checkpoint.save(self.path(name), {
            "config": self.config, "run": self.run, "step": self.step, "seconds": self.seconds,
            "parameters": [p.detach() for p in self.network.parameters()],
            "optimizer": self.optimizer.state()})

    def note(self, **what):
        with open(self.path("log.jsonl"), "a", encoding="ascii") as f:
            f.write(json.dumps(what) + "\n")

    def heldout_bits(self, most=None):
        self.network.eval()
        return evaluate.bits_per_byte(self.network, self.tokenizer, self.heldout, most=most)[0]

    def train(self):
        """To the end of the run's tokens, or until interrupted (then a checkpoint is left)."""
        per_step = self.run["batch"] * self.config["context"]
        steps = self.run["tokens"] // per_step
        if self.step >= steps:
            return
        with open(self.path("config.json"), "w", encoding="ascii") as f:
            json.dump({"network": self.config, "run": self.run}, f, indent=1)
        workers = self.run["workers"] or len(os.sched_getaffinity(0))
        shared = Shared(workers, self.network)
        context = mp.get_context("fork")
        torch.set_num_threads(1)
        others = [context.Process(target=worker, args=(r, self.network, shared, self.ids,
                                                       self.run, self.config), daemon=True)
                  for r in range(1, workers)]
        for p in others:
            p.start()
        asked = []
        for s in (signal.SIGINT, signal.SIGTERM):
            signal.signal(s, lambda *_: asked.append(True))
        try:
            self._steps(shared, steps, per_step, asked)
        finally:
            shared.stop.value = 1
            shared.begin.wait()
            for p in others:
                p.join()
            self.save()

    def _steps(self, shared, steps, per_step, asked):
        bar, saved = Bar(os.path.basename(self.folder)), time.monotonic()
        warm = max(1, int(self.run["warm"] * steps))
        plateau_kept = self.step > (1 - self.run["falling"]) * steps
        while self.step < steps and not asked:
            begun = time.monotonic()
            if not plateau_kept and self.step >= (1 - self.run["falling"]) * steps:
                self.save("plateau.pt")
                plateau_kept = True
            shared.next.value, shared.step.value = 0, self.step
            shared.begin.wait()
            gather(self.network, shared, 0, self.ids, self.run, self.config)
            shared.end.wait()
            share = share_of_rate(self.step + 1, steps, warm, self.run["falling"])
            apply_step(self.network, self.optimizer, shared, self.run, share)
            self.step += 1
            took = time.monotonic() - begun
            self.seconds += took
            loss = float(shared.losses.sum())
            bar.show(self.step, steps, f"{loss:.3f} nats, {per_step / took:.0f} tokens/s")
            if self.step % 20 == 0 or self.step == steps:
                self.note(step=self.step, tokens=self.step * per_step, nats=round(loss, 4),
                          seconds=round(self.seconds, 1), rate=round(share, 4))
            if time.monotonic() - saved > 60 * self.run["save_minutes"]:
                self.save()
                bits = self.heldout_bits(self.run["eval_windows"])
                self.note(step=self.step, tokens=self.step * per_step, bits_per_byte=round(bits, 4))
                saved = time.monotonic()
        bar.end()
