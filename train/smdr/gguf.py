# SPDX-License-Identifier: Apache-2.0
"""A writer of GGUF version 3 (little-endian), for what the exporter needs: metadata, and tensors
as F32, F16, Q8_0, TQ1_0, TQ2_0 or IQ2_BN.  Layouts: ggml's ggml-common.h and ik_llama.cpp's
iqk_quantize.cpp; tern's src/kern/dequant.c is the other half, and tests hold them together."""
import os
import struct

import numpy as np

ALIGNMENT = 32
TYPE_IDS = {"F32": 0, "F16": 1, "Q8_0": 8, "TQ1_0": 34, "TQ2_0": 35, "IQ2_BN": 135}
TERNARY_MULTIPLE = {"TQ1_0": 256, "TQ2_0": 256, "IQ2_BN": 64}

U32, F32, BOOL, STRING, ARRAY, U64, I32 = 4, 6, 7, 8, 9, 10, 5


def _string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value):
    """(type id, bytes) of a Python value: bool, int (u32), float, str, or a list of one type."""
    if isinstance(value, bool):
        return BOOL, struct.pack("<?", value)
    if isinstance(value, int):
        return U32, struct.pack("<I", value)
    if isinstance(value, float):
        return F32, struct.pack("<f", value)
    if isinstance(value, str):
        return STRING, _string(value)
    if isinstance(value, np.ndarray) and value.dtype == np.int32:
        return ARRAY, struct.pack("<IQ", I32, len(value)) + value.astype("<i4").tobytes()
    kinds = {_value(item)[0] for item in value}
    if len(kinds) != 1:
        raise TypeError("a GGUF array has one type")
    body = b"".join(_value(item)[1] for item in value)
    return ARRAY, struct.pack("<IQ", kinds.pop(), len(value)) + body


def _trits(codes, runs):
    """`runs` digits (axis -2), highest first, as the fraction of 3^5 that TQ1_0 keeps."""
    q = np.zeros(codes.shape[:-2] + codes.shape[-1:], dtype=np.int64)
    for n in range(5):
        q = q * 3 + (codes[..., n, :] if n < runs else 0)
    return ((q * 256 + 242) // 243).astype(np.uint8)


def _pairs(codes):
    """Four codes (axis -2), lowest first, to a byte."""
    q = np.zeros(codes.shape[:-2] + codes.shape[-1:], dtype=np.uint8)
    for n in range(4):
        q |= (codes[..., n, :] << (2 * n)).astype(np.uint8)
    return q


def _ternary(codes, scale, kind):
    """codes 0..2 [rows, columns] with one scale: the tensor's bytes."""
    rows, columns = codes.shape
    if kind == "IQ2_BN":
        body = _pairs(codes.reshape(rows, columns // 64, 4, 16)).reshape(rows, -1)
        head = np.full((rows, 1), scale, dtype="<f4").view(np.uint8)
        return np.concatenate((head, body), axis=1).tobytes()
    blocks = codes.reshape(-1, 256)
    d = np.full((len(blocks), 1), scale, dtype="<f2").view(np.uint8)
    if kind == "TQ2_0":
        body = [_pairs(blocks.reshape(-1, 2, 4, 32)).reshape(-1, 64)]
    else:
        body = [_trits(blocks[:, :160].reshape(-1, 5, 32), 5),
                _trits(blocks[:, 160:240].reshape(-1, 5, 16), 5),
                _trits(blocks[:, 240:].reshape(-1, 4, 4), 4)]
    return np.concatenate((*body, d), axis=1).tobytes()


def _q8_0_parts(x):
    """(scales, integers) of blocks of 32."""
    blocks = x.reshape(-1, 32).astype(np.float32)
    d = np.abs(blocks).max(1, keepdims=True) / np.float32(127)
    inverse = np.divide(np.float32(1), d, out=np.zeros_like(d), where=d > 0)
    return d.astype("<f2"), np.clip(np.rint(blocks * inverse), -127, 127).astype(np.int8)


def _q8_0(x):
    d, q = _q8_0_parts(x)
    return np.concatenate((d.view(np.uint8), q.view(np.uint8)), axis=1).tobytes()


def rounded_q8_0(x):
    """x as a reader of its Q8_0 has it."""
    d, q = _q8_0_parts(x)
    return (d.astype(np.float32) * q).reshape(x.shape)


class Writer:
    def __init__(self):
        self.keys, self.tensors = [], []

    def key(self, name, value):
        self.keys.append((name, *_value(value)))

    def tensor(self, name, x, kind):
        """x: float array; its last axis is a row."""
        x = np.asarray(x, dtype=np.float32)
        data = {"F32": lambda: x.astype("<f4").tobytes(), "F16": lambda: x.astype("<f2").tobytes(),
                "Q8_0": lambda: _q8_0(x)}[kind]()
        self.tensors.append((name, x.shape, kind, data))

    def ternary(self, name, codes, scale, kind):
        """codes: integers -1, 0, +1 [rows, columns]; scale: the magnitude they stand for."""
        shifted = (np.asarray(codes).astype(np.int8) + 1).astype(np.uint8)
        if kind != "IQ2_BN" and float(np.float16(scale)) != float(scale):
            raise ValueError(f"{name}: {kind} cannot hold the scale {scale!r} exactly")
        self.tensors.append((name, shifted.shape, kind, _ternary(shifted, scale, kind)))

    def write(self, path):
        """Written beside, synced, renamed."""
        head = [b"GGUF", struct.pack("<IQQ", 3, len(self.tensors), len(self.keys))]
        for name, kind, data in self.keys:
            head += [_string(name), struct.pack("<I", kind), data]
        at = 0
        for name, shape, kind, data in self.tensors:
            dims = shape[::-1]
            head += [_string(name), struct.pack(f"<I{len(dims)}Q", len(dims), *dims),
                     struct.pack("<IQ", TYPE_IDS[kind], at)]
            at += -(-len(data) // ALIGNMENT) * ALIGNMENT
        head = b"".join(head)
        with open(path + ".part", "wb") as f:
            f.write(head + bytes(-len(head) % ALIGNMENT))
            for _, _, _, data in self.tensors:
                f.write(data + bytes(-len(data) % ALIGNMENT))
            f.flush()
            os.fsync(f.fileno())
        os.replace(path + ".part", path)
