# SPDX-License-Identifier: Apache-2.0
"""Sentences that nobody wrote, made of those that people wrote: what the network learns from when
the teacher says what they are (the idea is R. Tang et al., "Distilling Task-Specific Knowledge from
BERT into Simple Neural Networks", arXiv:1903.12136, section 3.2)."""
import numpy as np

SAME_KIND = 0.75    # that both sentences are of one intent
EXCHANGED = 0.25    # of the words, where words are exchanged
LEFT_OUT = 0.2      # of the words, where words are left out
SWAPPED = 0.5       # that then two neighbours change places
WORDS_MIN, WORDS_MAX = 2, 28


def _joined(random, a, b):
    """The beginning of one and the end of the other."""
    return a[:random.randint(1, len(a) + 1)] + b[random.randint(len(b)):]


def _exchanged(random, a, b):
    return [b[random.randint(len(b))] if random.random_sample() < EXCHANGED else word for word in a]


def _shortened(random, a, _):
    words = [word for word in a if random.random_sample() >= LEFT_OUT]
    if len(words) > 2 and random.random_sample() < SWAPPED:
        at = random.randint(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]
    return words


def sentences(texts, labels, n, seed):
    """`n` different ones, none of them in `texts`, in alphabetical order."""
    random = np.random.RandomState(seed)
    split, known, made = [text.split() for text in texts], set(texts), set()
    kinds = {label: np.flatnonzero(labels == label) for label in set(labels.tolist())}
    ways = (_joined, _exchanged, _shortened)
    while len(made) < n:
        one = random.randint(len(texts))
        among = kinds[labels[one]] if random.random_sample() < SAME_KIND else range(len(texts))
        other = among[random.randint(len(among))]
        words = ways[random.randint(len(ways))](random, split[one], split[other])
        text = " ".join(words)
        if WORDS_MIN <= len(words) <= WORDS_MAX and text not in known:
            made.add(text)
    return sorted(made)
