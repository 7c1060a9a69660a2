# SPDX-License-Identifier: Apache-2.0
"""Tests of bench/eval_embed.py, and that docs/embeddings.md has its table."""
import contextlib
import importlib.util
import io
import json
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

try:
    import numpy as np
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location(
        "eval_embed", os.path.join(ROOT, "bench", "eval_embed.py"))
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    MISSING = None
except ImportError as e:
    MISSING = str(e)

TRAIN = ["the red cat", "the red dog", "a blue car", "a fast blue car"]


@unittest.skipIf(MISSING, f"no numpy: {MISSING}")
class Embeddings(unittest.TestCase):
    def test_table_of_the_page(self):
        said = io.StringIO()
        with open(os.path.join(ROOT, "docs", "embeddings.json"), encoding="utf-8") as f:
            with contextlib.redirect_stdout(said):
                bench.table(json.load(f))
        with open(os.path.join(ROOT, "docs", "embeddings.md"), encoding="utf-8") as f:
            self.assertIn("\n" + said.getvalue() + "\n", f.read())

    def test_tf_idf(self):
        train, queries = bench.tf_idf(TRAIN, ["red", "car car", "unknown"])
        self.assertTrue(np.allclose(np.linalg.norm(train, axis=1), 1))
        self.assertEqual(list(np.argmax(queries[:2] @ train.T, axis=1)), [0, 2])
        self.assertEqual(float(np.abs(queries[2]).sum()), 0)
        # "the" and "red" are in two of four, "cat" in one: ln(5 / 3) + 1 and ln(5 / 2) + 1.
        weights = sorted(w for w in train[0] if w)
        self.assertAlmostEqual(float(weights[2] / weights[0]),
                               (np.log(5 / 2) + 1) / (np.log(5 / 3) + 1), places=5)

    def test_winners(self):
        bits = bench.winners(bench.tf_idf(TRAIN, ["the red cat"]))
        self.assertEqual({int(row.sum()) for part in bits for row in part}, {bench.ON})
        self.assertTrue((bits[0][0] == bits[1][0]).all())

    def test_recall(self):
        train = np.eye(20, dtype=np.float32)
        labels = [str(i // 2) for i in range(20)], ["0", "0", "9"]
        queries = np.zeros((3, 20), dtype=np.float32)
        queries[0, 1] = 1  # right at once
        queries[1, 5], queries[1, 0] = 1, 0.5  # right in second place
        queries[2, 0] = 1  # of equally near ones the first: never
        found = bench.retrieve((train, queries), labels)
        self.assertEqual([found[f"recall_at_{k}"] for k in bench.KS], [0.3333, 0.6667, 0.6667])

    def test_interval(self):
        low, high = bench.interval(0.5, 100)
        self.assertAlmostEqual(low, 0.4038, places=4)
        self.assertAlmostEqual(high, 0.5962, places=4)


if __name__ == "__main__":
    unittest.main()
