# SPDX-License-Identifier: Apache-2.0
"""Figures of the two networks in whole numbers."""
import numpy as np


def all_scores(whole, bags):
    return np.array([whole.scores(bag) for bag in bags])


def gains(scores):
    """Log-odds that the strong model is right, less those of the weak one."""
    return scores[:, 1] - scores[:, 0]


def interval(hits, n, z=1.959964):
    """Wilson's 95 % of a share."""
    p, d = hits / n, 1 + z * z / n
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / d, (middle + half) / d


def area(known, other):
    """The chance that a known one scores above another (ties count half)."""
    _, group = np.unique(np.concatenate((known, other)), return_inverse=True)
    counts = np.bincount(group)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[group]
    n, m = len(known), len(other)
    return (rank[:n].sum() - n * (n + 1) / 2) / (n * m)


def apgr(score, weak, strong):
    """Average performance gap recovered (I. Ong et al., "RouteLLM", arXiv:2406.18665, section 2.3):
    the share of the gap between the two models that is recovered, averaged over all shares of
    prompts that go to the strong one, those with the highest score first.  Prompts of equal score
    go together, in any order: their mean."""
    gains = (strong - weak).astype(np.float64)
    order = np.argsort(-score, kind="stable")
    _, group = np.unique(-score, return_inverse=True)
    sums, counts = np.bincount(group, gains), np.bincount(group)
    curve = np.concatenate(([0], np.cumsum((sums / counts)[group][order])))
    return (curve[1:] + curve[:-1]).sum() / 2 / len(score) / gains.sum()
