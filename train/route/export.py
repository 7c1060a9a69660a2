# SPDX-License-Identifier: Apache-2.0
"""The classifier's file (src/model/thin.h says what is in it), and vectors for the engine's tests."""
import numpy as np

from smdr import gguf

SCALE = 1.0        # what a trit stands for; sums are divided by their own size
SCORES_KEPT = 200  # of a list of scores


def quantiles(scores, n=SCORES_KEPT):
    """At most n of the scores, evenly spaced in rank."""
    scores = np.sort(np.asarray(scores, dtype=np.int64))
    if len(scores) <= n:
        return scores.astype(np.int32)
    at = (np.arange(n) * 2 + 1) * len(scores) // (2 * n)
    return scores[at].astype(np.int32)


def write(path, intent, gain, names, threshold, known, other, gains):
    """intent, gain: network.Whole."""
    w = gguf.Writer()
    w.key("general.architecture", "tern-thin")
    w.key("general.name", "tern-thin")
    w.key("general.license", "apache-2.0")
    w.key("general.description", "thin or thick: will a small local model do?")
    w.key("general.datasets", ["CLINC150 (CC BY 3.0)", "RouteLLM MMLU/GSM8K (Apache-2.0)"])
    w.key("tern-thin.intent.names", list(names))
    w.key("tern-thin.threshold", np.array([threshold], dtype=np.int32))
    w.key("tern-thin.known", quantiles(known))
    w.key("tern-thin.other", quantiles(other))
    w.key("tern-thin.gain.known", quantiles(gains))
    for name, net in (("intent", intent), ("gain", gain)):
        w.key(f"tern-thin.{name}.bias", net.bias)
        w.key(f"tern-thin.{name}.head_bias", net.head_bias)
        w.ternary(f"{name}.rows", net.rows, SCALE, "TQ2_0")
        w.ternary(f"{name}.head", net.head, SCALE, "TQ2_0")
    w.write(path)


def escaped(data):
    """Bytes as one line of ASCII."""
    return "".join(chr(b) if 32 <= b < 127 and b != 92 else f"\\x{b:02x}" for b in data)
