# SPDX-License-Identifier: Apache-2.0
"""Tests of the ablation and of the parity file.  Skipped, with the reason, without PyTorch."""
import contextlib
import io
import json
import os
import sys
import tempfile
import unittest
from unittest import mock
from xml.dom import minidom

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "train"))

try:
    import numpy as np
    import torch
    from smdr import __main__ as command
    from smdr import ablation, costs, gguf, network, parity, report
    from smdr.tokenizer import Tokenizer, count_words
    MISSING = None
except ImportError as e:
    MISSING = str(e)

TEXT = "The cat sat on the mat. The dog sat on the log, and the cat said nothing at all.\n" * 60
RECIPE = {
    "texts": ["a.txt"], "heldout": "b.txt", "vocab": 280,
    "network": {"width": 64, "blocks": 1, "heads": 2, "ff": 64, "context": 16},
    "run": {"tokens": 512, "batch": 4, "micro": 4, "workers": 1, "eval_windows": 1},
    "seeds": [1, 2], "eval_windows": 5, "about": {"name": "few"},
    "arms": {"dense": {"ternary": False}, "torus": {"kinds": "torus", "torus_radius": 1}},
}


@unittest.skipIf(MISSING, f"no PyTorch: {MISSING}")
class Ablation(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        for name, text in (("a.txt", TEXT), ("b.txt", TEXT[:600]),
                           ("few.json", json.dumps(RECIPE))):
            with open(self.path(name), "w", encoding="ascii") as f:
                f.write(text)
        self.recipe = {**RECIPE, "name": "few"}

    def path(self, *names):
        return os.path.join(self.folder.name, *names)

    def call(self, *args):
        out = io.StringIO()
        old = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.path.join(ROOT, "train")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            command.main(["--texts", self.folder.name, "--runs", self.path("runs"), *args])
        os.environ.pop("PYTHONPATH") if old is None else os.environ.update(PYTHONPATH=old)
        return out.getvalue()

    def test_only_what_is_missing_is_made(self):
        recipe, out = self.path("few.json"), self.path("out.json")
        self.call("ablation", recipe, "--jobs", "1", "--arms", "dense", "-o", out)
        with open(out, encoding="ascii") as f:
            first = json.load(f)
        self.assertEqual([(r["arm"], r["seed"]) for r in first["runs"]],
                         [("dense", 1), ("dense", 2)])
        self.assertEqual(first["missing"], 2)
        text = self.call("ablation", recipe, "--jobs", "2", "-o", out)
        with open(out, encoding="ascii") as f:
            both = json.load(f)
        self.assertEqual(both["missing"], 0)
        self.assertEqual(len(both["runs"]), 4)
        self.assertEqual([r for r in both["runs"] if r["arm"] == "dense"], first["runs"])
        self.assertEqual(len(text.splitlines()), 2)
        for r in both["runs"]:
            self.assertEqual(r["windows"], 5)
            self.assertLess(r["ci95"][0], r["bits_per_byte"])
            self.assertGreater(r["ci95"][1], r["bits_per_byte"])
        seeds = {r["bits_per_byte"] for r in both["runs"] if r["arm"] == "torus"}
        self.assertEqual(len(seeds), 2)
        self.costs_are_added(recipe, out, both)

    def costs_are_added(self, recipe, out, before):
        tern = os.path.join(os.environ.get("TERN_BUILD", ""), "tern")
        if not os.path.exists(tern):
            print("SKIPPED: costs: TERN_BUILD has no tern", file=sys.stderr)
            return
        self.call("costs", recipe, "--tern", tern, "--generate", "8", "--rounds", "1", "-o", out)
        with open(out, encoding="ascii") as f:
            after = json.load(f)
        self.assertEqual(after["runs"], before["runs"])
        self.assertRegex(after["costs"]["energy"], "modelled")
        of = after["costs"]["of"]
        self.assertEqual(sorted(of), ["dense", "dense int8", "torus"])
        self.assertGreater(of["dense"]["weight_bytes"], 3.7 * of["dense int8"]["weight_bytes"])
        self.assertGreater(of["torus"]["attention_macs_skipped"], 0)
        for cost in of.values():
            self.assertGreater(cost["cpu_us"], 0)
            self.assertGreater(cost["modelled_uj"], 0)
            self.assertLessEqual(cost["us_quartiles"][0], cost["us_quartiles"][1])

    def stub(self, body):
        """A program in place of tern."""
        path = self.path("stub")
        with open(path, "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\n{body}\n")
        os.chmod(path, 0o700)
        return path

    def test_samples_stand_in_the_order_of_their_seeds(self):
        with open(self.path("few.json"), "w", encoding="ascii") as f:
            json.dump({**RECIPE, "samples": {"c.txt": {"first": 7, "count": 4}}}, f)
        tern = self.stub('[ $8 = 7 ] && sleep 0.2; echo "$2 $8"')
        self.call("samples", self.path("few.json"), "--model", "m.gguf", "--tern", tern)
        with open(self.path("c.txt"), encoding="ascii") as f:
            self.assertEqual(f.read(), "".join(f"-m {seed}\n<|endoftext|>\n"
                                               for seed in (7, 8, 9, 10)))
        os.unlink(self.path("c.txt"))
        with self.assertRaisesRegex(SystemExit, "no such model"):
            self.call("samples", self.path("few.json"), "--model", "m.gguf", "--tern",
                      self.stub("echo no such model >&2; exit 4"))
        self.assertFalse(os.path.exists(self.path("c.txt")))

    def test_unknown_arm_is_named(self):
        with self.assertRaisesRegex(ValueError, "no arm 'x'"):
            ablation.arms_of(self.recipe, ["x"])

    def test_summary_is_students(self):
        rows = [{"arm": "a", "bits_per_byte": b} for b in (1.0, 2.0, 3.0)]
        mean, half, n = ablation.summary(rows + [{"arm": "b", "bits_per_byte": 1.5}])["a"]
        self.assertEqual((mean, n), (2.0, 3))
        self.assertAlmostEqual(half, 4.303 / 3 ** 0.5, places=3)  # tables of Student's t
        self.assertIsNone(ablation.summary([{"arm": "b", "bits_per_byte": 1.5}])["b"][1])

    def test_interval_covers_as_it_says(self):
        rng, hits = np.random.default_rng(5), 0
        for i in range(200):
            low, high = ablation.interval(rng.normal(3.0, 1.0, 40), 40.0 / np.log(2), seed=i)
            hits += low < 3.0 < high
        self.assertTrue(175 <= hits <= 200, hits)


def made_up():
    """Results of all the arms that a report speaks of: losses and costs by rule."""
    with open(os.path.join(ROOT, "train", "recipes", "ablation.json"), encoding="utf-8") as f:
        recipe = json.load(f)
    runs, of = [], {}
    for i, (arm, changes) in enumerate(recipe["arms"].items()):
        net = {**recipe["network"], "vocab": 1024, "ternary": True, **changes}
        net["kinds"] = [net["kinds"]] * 4
        bits = 1.5 if arm.startswith("grown") else 2.0 + 0.01 * i
        runs += [{"arm": arm, "seed": s, "network": net, "bits_per_byte": bits + 0.001 * s,
                  "ci95": [1, 3]} for s in (1, 2, 3)]
        for name in [arm] + ([] if net["ternary"] else [arm + " int8"]):
            us = 100.0 / (2 if "ternary" in arm else 1) / (4 if "torus" in arm else 1)
            us /= 1.25 if name.endswith("int8") else 1
            of[name] = {"us": us, "us_quartiles": [us, us], "cpu_us": us, "modelled_uj": 2 * us,
                        "weight_bytes": 1000, "file_weight_bytes": 1000, "parameters": 1000,
                        "body_macs": 10, "body_macs_skipped": 1, "attention_macs": 5,
                        "attention_macs_skipped": 1, "head_macs": 3, "exps": 2}
    return {"runs": runs, "costs": {"energy": "modelled", "rounds": 1, "of": of}}


@unittest.skipIf(MISSING, f"no PyTorch: {MISSING}")
class Report(unittest.TestCase):
    def test_tables_and_pictures(self):
        with tempfile.TemporaryDirectory() as d:
            page = os.path.join(d, "page.md")
            names = ("arms", "factorial", "equal_loss", "controls")
            with open(page, "w", encoding="utf-8") as f:
                f.write("# Words\n" + "".join(f"<!-- begin {n} -->\nold\n<!-- end {n} -->\nmore\n"
                                             for n in names))
            content = made_up()
            del content["costs"]["of"]["ternary-top10"]
            content["runs"].remove(next(r for r in content["runs"] if r["arm"] == "ternary-top5"))
            report.write(content, page, d)
            with open(page, encoding="utf-8") as f:
                text = f.read()
            for picture in ("frontier", "sweep"):
                minidom.parse(os.path.join(d, picture + ".svg"))
        self.assertNotIn("old", text)
        self.assertEqual(text.count("more\n"), 4)
        # 2 x 4 measured, 2 and 4 alone: the product is what was measured; int8 is 1.25 faster.
        self.assertIn("| ternary-torus | +0.040 | 8.00 | 8.00 | 1.00 | 6.40 | 1.0 |", text)
        self.assertIn("| grown-192 | 1.502 +- 0.002 |", text)
        self.assertRegex(text, r"\n\| ternary-top10 \| 2\.\d* \+- 0\.002 \| .* \| - \| - \| - \|\n")
        self.assertRegex(text, r"\n\| ternary-top5 \| 2\.\d* \+- 0\.006 \(2 seeds\) \|")
        rows = text[text.index("as good as"):text.index("<!-- end equal_loss")]
        grown = {r["arm"] for r in content["runs"] if r["arm"].startswith("grown")}
        self.assertEqual(rows.count("\n| "), 1 + len(grown))


@unittest.skipIf(MISSING, f"no PyTorch: {MISSING}")
class Counts(unittest.TestCase):
    def test_by_hand(self):
        config = network.complete({"width": 64, "blocks": 1, "heads": 2, "ff": 128, "top_k": 32,
                                   "context": 16, "vocab": 100, "kinds": "window",
                                   "key_budget": 2})
        found = costs.count(config, "IQ2_BN", "Q8_0")
        self.assertEqual(found["body_macs"], 4 * 64 * 64 + 64 * 128 + 2 * 64 * 32)
        self.assertEqual(found["body_macs_skipped"], 2 * 64 * 96)
        # One key at the first position, two at the others: 31 / 16 on average.
        self.assertEqual(found["attention_macs"], round(2 * 64 * 31 / 16))
        self.assertEqual(found["attention_macs_skipped"], round(2 * 64 * (8.5 - 31 / 16)))
        self.assertEqual(found["exps"], round(2 * 31 / 16))
        self.assertEqual(found["weight_bytes"],
                         round(found["body_macs"] / 4 + 6400 * 34 / 32))
        self.assertEqual(found["parameters"], 4 * 64 * 64 + 3 * 64 * 128 + 6400)


@unittest.skipIf(MISSING, f"no PyTorch: {MISSING}")
class Parity(unittest.TestCase):
    def test_file_says_what_the_network_computes(self):
        torch.manual_seed(3)
        tok = Tokenizer.train(count_words(TEXT), 280)
        config = network.complete({"width": 64, "blocks": 1, "heads": 2, "ff": 64,
                                   "context": 256, "vocab": len(tok)})
        net = network.Network(config)
        with tempfile.TemporaryDirectory() as d, mock.patch("smdr.parity.GREEDY_TOKENS", 20):
            path = os.path.join(d, "p")
            words = ["The cat", "The dog", "sat on", "the mat"]
            parity.write(net, tok, path, words, TEXT.encode(), margin=0.0)
            with self.assertRaisesRegex(ValueError, "0 prompts of 4 are clear"):
                parity.write(net, tok, path, words, TEXT.encode(), margin=1e6)
            with open(path, encoding="utf-8") as f:
                rows = [r for r in f.read().splitlines() if not r.startswith("#")]
        self.assertEqual(len(rows), 6)
        given, told = ([int(v) for v in part.split(",")] for part in rows[0].split("|"))
        self.assertEqual(given, [0, *tok.encode(b"The cat")])
        self.assertEqual(len(told), 20)
        best = net(torch.tensor([given + told[:-1]]))[0, len(given) - 1:].argmax(-1)
        self.assertEqual(best.tolist(), told)
        self.assertEqual(rows[4].count(","), rows[3].count(",") - 1)

    def test_rounded_embeddings_are_what_a_reader_has(self):
        x = np.random.default_rng(1).normal(size=(4, 64)).astype(np.float32)
        y = gguf.rounded_q8_0(x)
        self.assertLess(np.abs(x - y).max(), np.abs(x).max() / 127)
        data = gguf._q8_0(x)
        d = np.frombuffer(data[:2], dtype="<f2").astype(np.float32)
        q = np.frombuffer(data[2:34], dtype=np.int8)
        np.testing.assert_array_equal(y[0, :32], d * q)


if __name__ == "__main__":
    unittest.main()
