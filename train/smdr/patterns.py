# SPDX-License-Identifier: Apache-2.0
"""Which keys a query sees: the patterns of docs/formats/smdr.md, as offsets and as masks."""
import math

import numpy as np
import torch

KINDS = ("full", "torus", "window", "strided", "random")


def torus_offsets(side, radius, column):
    """Offsets i - j of the keys within `radius` of a query in `column`, in rising order."""
    cells = side * side
    offsets = []
    for dy in range(-radius, radius + 1):
        for dx in range(abs(dy) - radius, radius - abs(dy) + 1):
            x = (column + dx) % side
            offsets.append((-dy * side - (x - column)) % cells)
    return sorted(offsets)


def splitmix64(state):
    """The next state and number of Steele, Lea and Flood's generator (2014)."""
    mask = (1 << 64) - 1
    state = (state + 0x9E3779B97F4A7C15) & mask
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return state, z ^ (z >> 31)


def random_offsets(budget, seed, context):
    chosen, state = {0}, seed
    while len(chosen) < budget:
        state, z = splitmix64(state)
        chosen.add(1 + z % (context - 1))
    return sorted(chosen)


def strided_offsets(budget, stride):
    local = (budget + 1) // 2
    first = -(-local // stride) * stride
    return [*range(local), *range(first, first + stride * (budget - local), stride)]


def offsets(kind, config):
    """One list of offsets per column of the torus; one list in all for the other kinds."""
    if kind == "torus":
        side = config["torus_side"]
        return [torus_offsets(side, config["torus_radius"], x) for x in range(side)]
    if kind == "window":
        return [list(range(config["key_budget"]))]
    if kind == "strided":
        return [strided_offsets(config["key_budget"], config["stride"])]
    if kind == "random":
        return [random_offsets(config["key_budget"], config["random_seed"], config["context"])]
    raise ValueError(f"unknown kind of attention '{kind}'")


def check(config):
    """Refuses what the engine would refuse, by the key's name."""
    kinds, context = config["kinds"], config["context"]
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"attention.kinds: unknown kind '{kind}'")
    if "torus" in kinds:
        side, radius = config["torus_side"], config["torus_radius"]
        if side * side < context:
            raise ValueError(f"attention.torus_side {side} is too small for context {context}")
        if not 1 <= radius <= (side - 1) // 2:
            raise ValueError(f"attention.torus_radius {radius} must be 1 to {(side - 1) // 2}")
    if {"window", "strided", "random"} & set(kinds):
        if not 1 <= config["key_budget"] <= context:
            raise ValueError(f"attention.key_budget {config['key_budget']} must be 1 to {context}")
    if "strided" in kinds and config["stride"] < 1:
        raise ValueError("attention.stride must be 1 or more")


def visible(kind, config, n):
    """bool[n, n]: whether query i sees key j."""
    i = np.arange(n)
    if kind == "full":
        return torch.from_numpy(i[:, None] >= i[None, :])
    seen = np.zeros((n, n), dtype=bool)
    lists = offsets(kind, config)
    for column, offs in enumerate(lists):
        queries = i[i % len(lists) == column]
        for o in offs:
            q = queries[queries >= o]
            seen[q, q - o] = True
    sinks = config.get("sink_tokens", 0)
    seen[:, :sinks] |= i[:, None] >= i[None, :sinks]
    return torch.from_numpy(seen)


def keys_per_query(kind, config, n):
    """How many keys a query sees, on average over a whole context."""
    return float(visible(kind, config, n).sum()) / n


def side_for(context):
    """The smallest torus that does not use a cell twice."""
    return math.isqrt(context - 1) + 1
