#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes dtype_vectors.txt: tensor bytes and the numbers that they stand for, as the Python
package `gguf` (gguf.quants) has them, an implementation that shares nothing with tern.

Three lines a record: "decode TYPE" or "encode TYPE", the bytes in hex, the float32 in hex
(big-endian digits).  A decode record was made from random bytes with finite scales, an encode
record from random numbers by the package's own quantiser.  Run by hand; the result is kept.
"""
import numpy as np
import gguf
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

rng = np.random.default_rng(1)
# where each type keeps its f16 numbers, bytes a block
LAYOUT = {
    T.Q4_0: ([0], 18), T.Q4_1: ([0, 2], 20), T.Q8_0: ([0], 34), T.Q4_K: ([0, 2], 144),
    T.Q6_K: ([208], 210), T.TQ1_0: ([52], 54), T.TQ2_0: ([64], 66), T.BF16: ([], 2),
}


def record(out, kind, qtype, data, values):
    out.write(f"{kind} {qtype.name}\n{data.tobytes().hex()}\n")
    out.write("".join(f"{u:08x}" for u in values.astype(np.float32).reshape(-1).view(np.uint32)))
    out.write("\n")


with open("dtype_vectors.txt", "w") as out:
    for qtype, (scales, size) in LAYOUT.items():
        blocks = 2 if size > 40 else 8
        data = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
        if qtype == T.BF16:
            data[:, 1] &= 0xbf  # no infinities
        for at in scales:
            d = rng.normal(0, 1, blocks).astype(np.float16)
            data[:, at:at + 2] = d.reshape(-1, 1).view(np.uint8)
        record(out, "decode", qtype, data, dequantize(data, qtype))
    for qtype in (T.Q4_0, T.Q4_1, T.Q8_0, T.TQ1_0, T.TQ2_0, T.BF16):
        block = max(gguf.GGML_QUANT_SIZES[qtype][0], 32)
        values = rng.normal(0, 1, (4, block)).astype(np.float32)
        values[1] = np.round(values[1] * 4) / 8  # many ties
        values[2] *= 1e-6                        # scales that are subnormal halves
        values[3] = 0
        record(out, "encode", qtype, quantize(values, qtype), values)
