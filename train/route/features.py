# SPDX-License-Identifier: Apache-2.0
"""What the classifier sees of a text: hashed words, pairs of words, pieces of words, its length.
src/model/thin_text.c is the other half; tests hold the two together."""

WORDS_MAX = 256     # of a text; what comes after them is only counted
PIECE_BYTES = 32    # of a word that is cut into pieces
PIECES = (3, 4, 5)  # bytes of a piece
HEAVY = 8           # how often a fact about the whole text counts beside single words
FNV_BASIS, FNV_PRIME, MASK = 2166136261, 16777619, 0xFFFFFFFF


def words_of(text):
    """Words as bytes: runs of letters (ASCII ones in lower case, and all bytes of other scripts),
    with an apostrophe before them if there is one; single digits."""
    words, at = [], 0
    data = text.encode() if isinstance(text, str) else text

    def is_letter(i):
        return i < len(data) and (data[i] >= 128 or chr(data[i]).isalpha())

    while at < len(data):
        if 48 <= data[at] <= 57:
            words.append(data[at:at + 1])
            at += 1
        elif is_letter(at) or (data[at] == 39 and is_letter(at + 1)):
            end = at + 1
            while is_letter(end):
                end += 1
            words.append(data[at:end].lower())
            at = end
        else:
            at += 1
    return words


def fnv(data):
    """FNV-1a in 32 bits, and two steps that mix its high bits into the low ones."""
    h = FNV_BASIS
    for byte in data:
        h = (h ^ byte) * FNV_PRIME & MASK
    h ^= h >> 16
    h = h * 0x85EBCA6B & MASK
    return h ^ h >> 13


def size_class(n):
    """Quarter powers of two: 0 to 3 as they are, then four classes for each doubling."""
    if n < 4:
        return n
    high = n.bit_length() - 1
    return 4 * (high - 1) + (n >> (high - 2) & 3)


_known = {}


def _hash(data):
    h = _known.get(data)
    if h is None:
        h = _known[data] = fnv(data)
    return h


def hashes(text):
    """The 32-bit hashes of all features; one that counts more is there more often."""
    words = words_of(text)
    out = []
    for name, n in ((b"l", len(words)), (b"d", sum(w.isdigit() for w in words))):
        out += [_hash(name + bytes((size_class(n),)))] * HEAVY
    words = words[:WORDS_MAX]
    for w in words:
        out.append(_hash(b"w" + w))
        piece = b"^" + w[:PIECE_BYTES] + b"$"
        for n in PIECES:
            out += [_hash(b"c" + piece[i:i + n]) for i in range(len(piece) - n + 1)]
    line = [b"<"] + words + [b">"]
    out += [_hash(b"b" + a + b" " + b) for a, b in zip(line, line[1:])]
    out += [_hash(b"s" + a + b" " + b) for a, b in zip(line, line[2:])]
    return out
