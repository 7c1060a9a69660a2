# SPDX-License-Identifier: Apache-2.0
"""Texts to one array of token ids, with the mark between documents.  Kept beside the run, by
the digest of its sources, so that the second start takes no time."""
import collections
import hashlib
import lzma
import os

import numpy as np

from smdr import progress
from smdr.tokenizer import MARK, Tokenizer, count_words

MARK_ID = 0
FORM = 2  # of the kept arrays: another rule, another number


def read(path):
    """The bytes of a text, packed by xz or plain."""
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rb") as f:
        return f.read()


def digest(paths, *extra):
    """What a cached array depends on."""
    h = hashlib.sha256(repr((FORM, *extra)).encode())
    for path in paths:
        h.update(f"{os.path.basename(path)} {os.path.getsize(path)}\n".encode())
        with open(path, "rb") as f:
            h.update(f.read(1 << 20))
    return h.hexdigest()[:16]


def documents(data):
    """The texts of one file: each book's header begins with `Title:`, stories end by the mark."""
    for part in data.split(MARK.encode()):
        books = part.split(b"\nTitle: ")
        for i, book in enumerate(books):
            if book.strip():
                yield (b"Title: " if i else b"") + book.strip() + b"\n"


def make_tokenizer(folder, paths, size):
    """The vocabulary for these texts, from the folder or trained now."""
    path = os.path.join(folder, f"bpe-{digest(paths, size)}.json")
    if not os.path.exists(path):
        words = collections.Counter()
        for p in paths:
            words += count_words(read(p).decode("utf-8", "replace"))
        bar = progress.Bar("vocabulary")
        Tokenizer.train(words, size, bar.show).save(path + ".part")
        bar.end()
        os.replace(path + ".part", path)
    return Tokenizer.load(path), path


def make_tokens(folder, paths, tokenizer, tokenizer_path, repeats=None):
    """(ids uint16, bytes that they stand for) of all the texts in order."""
    path = os.path.join(folder, f"ids-{digest([*paths, tokenizer_path], repeats)}.npz")
    if not os.path.exists(path):
        ids, n_bytes = [], 0
        for p in paths:
            data = read(p)
            part = []
            for document in documents(data):
                part.append(MARK_ID)
                part += tokenizer.encode(document)
            times = (repeats or {}).get(os.path.basename(p), 1)
            ids.append(np.tile(np.array(part, dtype=np.uint16), times))
            n_bytes += len(data) * times
        with open(path + ".part", "wb") as f:
            np.savez(f, ids=np.concatenate(ids), bytes=n_bytes)
        os.replace(path + ".part", path)
    with np.load(path) as kept:
        return kept["ids"], int(kept["bytes"])
