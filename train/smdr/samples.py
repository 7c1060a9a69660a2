# SPDX-License-Identifier: Apache-2.0
"""Texts that a model writes, for another one to learn from: sequence-level distillation (Kim and
Rush 2016).  Drawn at temperature 1, so that the bits per byte of such texts by their own author
are their entropy, and what a student needs more is its distance from the teacher (the
Kullback-Leibler divergence).  A seed gives the same text on every machine.
"""
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from smdr import progress
from smdr.tokenizer import MARK


def text_of(tern, model, seed):
    """One text from nothing but the opening mark, to its end or to a full context."""
    done = subprocess.run([tern, "run", "-m", model, "--raw", "--temp", "1", "--seed", str(seed),
                           "-n", "0", "-t", "1", "--no-receipt", ""],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise ValueError(f"{tern} run: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def write(tern, model, path, first, count):
    """Texts of the seeds first .. first + count - 1, a mark behind each; the file is whole or
    is not there."""
    bar = progress.Bar(os.path.basename(path))
    with open(path + ".part", "wb") as f, ThreadPoolExecutor(os.cpu_count()) as pool:
        seeds = range(first, first + count)
        for i, text in enumerate(pool.map(lambda seed: text_of(tern, model, seed), seeds)):
            f.write(text + MARK.encode() + b"\n")
            bar.show(i + 1, count)
    bar.end()
    os.replace(path + ".part", path)
