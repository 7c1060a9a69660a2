# SPDX-License-Identifier: Apache-2.0
"""Byte-level BPE: trained on a corpus, written as the `gpt2` vocabulary of a GGUF file.

The words that merges stay inside are cut by GPT-2's expression, which tern knows by the name
`gpt-2`; each byte is written as one printable character (Radford et al. 2019), so that a
vocabulary is text.  Token 0 is the mark between documents; it also opens every context.
"""
import collections
import heapq
import json

import regex

WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
MARK = "<|endoftext|>"


def byte_characters():
    """The printable character that stands for each byte: 256 strings of one character."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names = {b: chr(b) for b in printable}
    spare = 256
    for b in range(256):
        if b not in names:
            names[b] = chr(spare)
            spare += 1
    return [names[b] for b in range(256)]


def count_words(text):
    """How often each word (bytes) occurs."""
    return collections.Counter(m.group().encode() for m in WORD.finditer(text))


class Merger:
    """The words of a corpus as lists of symbols, with all pairs counted as merges go on."""

    def __init__(self, words):
        self.symbols = [list(word) for word in words]
        self.weights = list(words.values())
        self.pairs = collections.Counter()
        self.places = collections.defaultdict(set)
        for index, symbols in enumerate(self.symbols):
            self._count(index, symbols, +1)
        self.queue = [(-n, pair) for pair, n in self.pairs.items()]
        heapq.heapify(self.queue)

    def _count(self, index, symbols, sign):
        for pair in zip(symbols, symbols[1:]):
            self.pairs[pair] += sign * self.weights[index]
            if sign > 0:
                self.places[pair].add(index)

    def best(self):
        """The most frequent pair; of equals the one with the lower numbers.  None at the end."""
        while self.queue:
            count, pair = heapq.heappop(self.queue)
            now = self.pairs[pair]
            if now == -count and now > 1:
                return pair
            if 1 < now < -count:
                heapq.heappush(self.queue, (-now, pair))
        return None

    def merge(self, pair, symbol):
        """Writes `symbol` wherever `pair` stands."""
        touched = set()
        for index in self.places.pop(pair):
            old = self.symbols[index]
            new = join(old, pair, symbol)
            if len(new) == len(old):
                continue
            self._count(index, old, -1)
            self._count(index, new, +1)
            touched.update(zip(new, new[1:]))
            self.symbols[index] = new
        for p in touched:
            heapq.heappush(self.queue, (-self.pairs[p], p))


def join(symbols, pair, symbol):
    """`symbols` with each `pair` (from the left) replaced by `symbol`."""
    out, i = [], 0
    while i < len(symbols):
        if i + 1 < len(symbols) and (symbols[i], symbols[i + 1]) == pair:
            out.append(symbol)
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return out


class Tokenizer:
    """Bytes to token ids and back.  Ids: 0 the mark, 1 to 256 the bytes, then the merges."""

    def __init__(self, merges):
        self.merges = [tuple(m) for m in merges]
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self.bytes = [b""] + [bytes([b]) for b in range(256)]
        for a, b in self.merges:
            self.bytes.append(self.bytes[a] + self.bytes[b])
        self.known = {}

    @classmethod
    def train(cls, words, size, progress=None):
        """From the counted words, to a vocabulary of `size` tokens."""
        merger = Merger({tuple(b + 1 for b in word): n for word, n in words.items()})
        merges = []
        while 257 + len(merges) < size:
            pair = merger.best()
            if pair is None:
                raise ValueError(f"the corpus has pairs for only {257 + len(merges)} tokens")
            merger.merge(pair, 257 + len(merges))
            merges.append(pair)
            if progress:
                progress(257 + len(merges), size)
        return cls(merges)

    def __len__(self):
        return len(self.bytes)

    def _word(self, word):
        symbols = [b + 1 for b in word]
        while len(symbols) > 1:
            best = min(zip(symbols, symbols[1:]),
                       key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            symbols = join(symbols, best, 257 + self.ranks[best])
        return symbols

    def encode(self, text):
        """The ids of a text; bytes that are no UTF-8 are read as Latin-1 words of their own."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogateescape")
        ids = []
        for m in WORD.finditer(text):
            word = m.group()
            found = self.known.get(word)
            if found is None:
                found = self._word(word.encode("utf-8", "surrogateescape"))
                self.known[word] = found
            ids += found
        return ids

    def decode(self, ids):
        """The bytes that the ids stand for."""
        return b"".join(self.bytes[i] for i in ids)

    def vocabulary(self):
        """(tokens, merges) as GGUF has them: printable text."""
        names = byte_characters()

        def show(data):
            return "".join(names[b] for b in data)

        tokens = [MARK] + [show(data) for data in self.bytes[1:]]
        return tokens, [f"{tokens[a]} {tokens[b]}" for a, b in self.merges]

    def save(self, path):
        with open(path, "w", encoding="ascii") as f:
            json.dump({"merges": self.merges}, f)

    @classmethod
    def load(cls, path):
        with open(path, encoding="ascii") as f:
            return cls(json.load(f)["merges"])
