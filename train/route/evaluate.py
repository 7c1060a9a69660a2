# SPDX-License-Identifier: Apache-2.0
"""The figures of models/tern-thin.md, from the file itself, on the parts that nothing was chosen by."""
import json
import struct

import numpy as np

from . import data, export, features, measure, network

VECTORS_EACH = 60  # texts of a part in the file of vectors
TYPES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class Reader:
    """Keys and TQ2_0 tensors of a GGUF file, written without a look at the code that writes it."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.at = 4
        version, n_tensors, n_keys = self._take("IQQ")
        assert self.data[:4] == b"GGUF" and version == 3
        self.keys = {}
        for _ in range(n_keys):
            name = self._string()
            self.keys[name] = self._value(self._take("I")[0])
        places = []
        for _ in range(n_tensors):
            name = self._string()
            dims = self._take(f"{self._take('I')[0]}Q")
            kind, offset = self._take("IQ")
            assert kind == 35
            places.append((name, dims, offset))
        base = -(-self.at // 32) * 32
        self.tensors = {name: self._codes(base + offset, dims) for name, dims, offset in places}

    def _take(self, form):
        size = struct.calcsize("<" + form)
        self.at += size
        return struct.unpack_from("<" + form, self.data, self.at - size)

    def _string(self):
        size = self._take("Q")[0]
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def _value(self, kind):
        if kind == 8:
            return self._string()
        if kind == 9:
            item, n = self._take("IQ")
            return [self._value(item) for _ in range(n)]
        return self._take(TYPES[kind])[0]

    def _codes(self, at, dims):
        blocks = dims[0] * dims[1] // 256
        raw = np.frombuffer(self.data, np.uint8, blocks * 66, at).reshape(blocks, 66)[:, :64]
        pairs = raw.reshape(blocks, 2, 1, 32) >> np.array([0, 2, 4, 6]).reshape(1, 1, 4, 1) & 3
        return (pairs.astype(np.int8) - 1).reshape(dims[1], dims[0])


def _net(reader, name):
    def ints(key):
        return np.array(reader.keys[f"tern-thin.{name}.{key}"], dtype=np.int32)
    return network.Whole(parts=(reader.tensors[f"{name}.rows"], ints("bias"),
                                reader.tensors[f"{name}.head"], ints("head_bias")))


def _scores(net, texts):
    hashed = [features.hashes(text) for text in texts]
    return measure.all_scores(net, network.bags(hashed, len(net.rows)))


def _share(hits):
    low, high = measure.interval(hits.sum(), len(hits))
    return {"share": round(float(hits.mean()), 4), "n": len(hits),
            "low": round(float(low), 4), "high": round(float(high), 4)}


def _clinc(reader, folder, parts):
    clinc, net = data.Clinc(folder), _net(reader, "intent")
    threshold = reader.keys["tern-thin.threshold"][0]
    known = _scores(net, clinc.texts(parts[0]))
    other = np.concatenate([_scores(net, clinc.texts(part)) for part in parts[1:]])
    labels = clinc.labels(parts[0])
    thin, right = known.max(1) >= threshold, known.argmax(1) == labels
    return {"thin_of_in_scope": _share(thin), "right_intent": _share(right),
            "thin_and_right_intent": _share(thin & right),
            "thick_of_out_of_scope": _share(other.max(1) < threshold),
            "auroc": round(float(measure.area(known.max(1), other.max(1))), 4)}


def _elsewhere(reader, folder):
    """What is called thin of texts from elsewhere, which nothing was learnt from or chosen by."""
    net, threshold = _net(reader, "intent"), reader.keys["tern-thin.threshold"][0]
    return {name: _share(_scores(net, texts).max(1) >= threshold)
            for name, texts in data.elsewhere(folder).items()}


def _bench(rows, score, length):
    weak, strong = (np.array([row[key] for row in rows]) for key in ("weak", "strong"))
    return {"n": len(rows), "weak": round(float(weak.mean()), 4),
            "strong": round(float(strong.mean()), 4),
            "apgr": round(float(measure.apgr(score, weak, strong)), 4),
            "apgr_length": round(float(measure.apgr(length, weak, strong)), 4)}


def _gain(reader, folder, part):
    net, out = _net(reader, "gain"), {}
    scope = _net(reader, "intent")
    for bench in ("gsm8k", "mmlu"):
        rows = [row for row in data.route_rows(folder)
                if row["bench"] == bench and row["part"] == part]
        texts = [row["prompt"] for row in rows]
        length = np.array([len(text) for text in texts])
        out[bench] = _bench(rows, measure.gains(_scores(net, texts)), length)
        weak, strong = (np.array([row[key] for row in rows]) for key in ("weak", "strong"))
        scope_score = -_scores(scope, texts).max(1)
        out[bench]["apgr_scope"] = round(float(measure.apgr(scope_score, weak, strong)), 4)
        everything = [row for row in data.route_rows(folder) if row["bench"] == bench]
        whole = _bench(everything, np.zeros(len(everything)),
                       np.array([len(row["prompt"]) for row in everything]))
        out[bench]["apgr_length_of_all"] = whole["apgr_length"]
    return out


def _vectors(path, reader, folder):
    """Lines of words, intent, score, gain, text; also of texts that are none."""
    clinc, intent, gain = data.Clinc(folder), _net(reader, "intent"), _net(reader, "gain")
    texts = [text.encode() for part in ("val", "oos_val") for text in clinc.texts(part)]
    texts = texts[::max(1, len(clinc.texts("val")) // VECTORS_EACH)][:VECTORS_EACH] \
        + [text.encode() for text in clinc.texts("oos_val")[:VECTORS_EACH]]
    texts += [b"", b"'", b"''a", b"don't 42 Don'T", "gr\u00f6\u00dfer: \u5317\u4eac sch\u00f6n".encode(), b"\xff\xfe\x80 x",
              b"a" * 40, b"word " * 300, b"<b>7&8</b>\t\\x", b"x"]
    names = reader.keys["tern-thin.intent.names"]
    with open(path, "w", encoding="ascii") as f:
        for text in texts:
            hashed = np.array(features.hashes(text), dtype=np.int64)
            scores = intent.scores(hashed & (len(intent.rows) - 1))
            weak, strong = gain.scores(hashed & (len(gain.rows) - 1))
            best = int(scores.argmax())
            f.write(f"{len(features.words_of(text))}\t{names[best]}\t{scores[best]}\t{strong - weak}\t"
                    f"{export.escaped(text)}\n")


def run(args):
    reader = Reader(args.o)
    if args.vectors:
        _vectors(args.vectors, reader, args.data)
        return
    print(json.dumps({
        "threshold": reader.keys["tern-thin.threshold"][0],
        "validation": _clinc(reader, args.data, ("val", "oos_train", "oos_val")),
        "test": _clinc(reader, args.data, ("test", "oos_test")),
        "thin_elsewhere": _elsewhere(reader, args.data),
        "routellm_test": _gain(reader, args.data, "test")}, indent=1))
