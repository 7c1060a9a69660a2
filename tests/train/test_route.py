# SPDX-License-Identifier: Apache-2.0
"""Tests of train/route: what is counted, what is measured, and that the pages say what was measured."""
import json
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "train"))

try:
    import numpy as np
    import torch
    from route import data, evaluate, export, features, learn, measure, network, splice
    MISSING = None
except ImportError as e:
    MISSING = str(e)


@unittest.skipIf(MISSING, f"no PyTorch: {MISSING}")
class Route(unittest.TestCase):
    def test_words(self):
        self.assertEqual(features.words_of("Don't 'tell' 42 J\u00f6rg's"),
                         [b"don", b"'t", b"'tell", b"4", b"2", "j\u00f6rg".encode(), b"'s"])
        self.assertEqual(features.words_of(""), [])

    def test_fnv(self):
        # FNV-1a of "foobar" is 0xbf9cf968 (draft-eastlake-fnv); undo the two steps that mix it.
        h = features.fnv(b"foobar")
        h ^= h >> 13 ^ h >> 26
        h = h * pow(0x85EBCA6B, -1, 1 << 32) & 0xFFFFFFFF
        self.assertEqual(h ^ h >> 16, 0xBF9CF968)

    def test_size_classes_rise(self):
        classes = [features.size_class(n) for n in range(5000)]
        self.assertEqual(classes, sorted(classes))
        self.assertEqual(classes[:9], [0, 1, 2, 3, 4, 5, 6, 7, 8])
        self.assertEqual(len(set(classes)), classes[-1] + 1)

    def test_apgr(self):
        weak, strong = np.array([1, 0, 1, 0] * 50), np.array([1, 1, 1, 1] * 50)
        self.assertAlmostEqual(measure.apgr(strong - weak, weak, strong), .75)
        self.assertAlmostEqual(measure.apgr(weak - strong, weak, strong), .25)
        self.assertAlmostEqual(measure.apgr(np.zeros(200), weak, strong), .5)

    def test_area_and_interval(self):
        self.assertAlmostEqual(measure.area(np.array([3, 4, 5]), np.array([1, 3])), 5.5 / 6)
        low, high = measure.interval(50, 100)
        self.assertAlmostEqual(low, .4038, 4)
        self.assertAlmostEqual(high, .5962, 4)

    def test_spliced_sentences(self):
        texts = [f"please {verb} the {thing} now" for verb in ("start", "stop", "count")
                 for thing in ("lamp", "fan", "heat")]
        labels = np.repeat([0, 1, 2], 3)
        made = splice.sentences(texts, labels, 60, 5)
        self.assertEqual(made, splice.sentences(texts, labels, 60, 5))
        self.assertNotEqual(made, splice.sentences(texts, labels, 60, 6))
        self.assertEqual(len(set(made) - set(texts)), 60)
        words = set(" ".join(texts).split())
        for text in made:
            self.assertLessEqual(set(text.split()), words)
            self.assertTrue(splice.WORDS_MIN <= len(text.split()) <= splice.WORDS_MAX)

    def test_what_only_the_teacher_labels_is_learnt(self):
        texts = ["lamp on", "lamp off", "fan on", "fan off"] * 128
        others = ["kettle on", "kettle off"] * 256
        nothing = ["a prime number", "the capital of France"] * 256
        labels = np.array([0, 0, 1, 1] * 128)
        answers = torch.nn.functional.one_hot(torch.tensor([0, 0, 1, 1] * 128 + [2] * 512), 3) * 9.0
        recipe = {"seed": 1, "buckets": 512, "drop": 0.0, "leave_out": 0.0, "epochs": 20,
                  "teach": .5, "heat": 1.0, "outputs": 3}
        bags = network.bags([features.hashes(text) for text in texts + others + nothing], 512)
        net = network.Whole(learn.intents(recipe, bags, labels, answers))
        scores = measure.all_scores(net, bags[:4] + bags[512:514] + bags[-2:])
        self.assertEqual(scores[:6].argmax(1).tolist(), [0, 0, 1, 1, 2, 2])
        self.assertGreater(scores[:6].max(1).min(), scores[6:].max())
        alone = network.Whole(learn.intents(recipe, bags[:512], labels))
        self.assertEqual(measure.all_scores(alone, bags[:4]).argmax(1).tolist(), [0, 0, 1, 1])

    def test_parts_are_apart(self):
        parts = [data.route_part(f"question {i}") for i in range(3000)]
        self.assertEqual(parts, [data.route_part(f"question {i}") for i in range(3000)])
        self.assertTrue(.65 < parts.count("train") / 3000 < .75)
        self.assertTrue(.17 < parts.count("test") / 3000 < .23)

    def test_questions(self):
        self.assertEqual(data.question({"prompt": "Which?\nOf these.\nA. One\nB. Two\nAnswer:"}),
                         "Which?\nOf these.")
        self.assertEqual(data.question({"prompt": "How many?"}), "How many?")

    def test_whole_numbers_are_near_the_floats(self):
        torch.manual_seed(3)
        net = network.Net(64, 5, 0.0)
        net.head_bias.data = torch.randn(5) * .2
        net.bias.data = torch.randn(network.WIDTH) * .2
        net.eval()
        whole = network.Whole(net)
        scale = float(network.trits(net.head)[1]) / network.UNIT
        for text in ("one", "set an alarm for seven", "word " * 50):
            bag = network.bags([features.hashes(text)], 64)
            with torch.no_grad():
                floats = net(*network.batch(bag))[0].numpy()
            self.assertLess(np.abs(whole.scores(bag[0]) * scale - floats).max(), .02)

    def test_file_and_back(self):
        random = np.random.RandomState(4)

        def net(rows, outputs):
            return network.Whole(parts=(random.randint(-1, 2, (rows, 256)),
                                        random.randint(-9, 9, 256).astype(np.int32),
                                        random.randint(-1, 2, (outputs, 256)),
                                        random.randint(-9, 9, outputs).astype(np.int32)))
        intent, gain = net(8, 3), net(2, 2)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.gguf")
            export.write(path, intent, gain, ["a", "b", "c"], -5, range(900), [1], [2, 1])
            reader = evaluate.Reader(path)
        for name, made in (("intent", intent), ("gain", gain)):
            read = evaluate._net(reader, name)
            for part in ("rows", "bias", "head", "head_bias"):
                self.assertTrue((getattr(read, part) == getattr(made, part)).all())
        self.assertEqual(reader.keys["tern-thin.threshold"], [-5])
        self.assertEqual(len(reader.keys["tern-thin.known"]), export.SCORES_KEPT)
        self.assertEqual(reader.keys["tern-thin.gain.known"], [1, 2])


class Pages(unittest.TestCase):
    def test_card_has_the_figures(self):
        with open(os.path.join(ROOT, "docs", "routing.json"), encoding="utf-8") as f:
            figures = json.load(f)
        with open(os.path.join(ROOT, "models", "tern-thin.md"), encoding="utf-8") as f:
            card = f.read()
        shares = [figures["test"][key] for key in (
            "thin_of_in_scope", "thick_of_out_of_scope", "thin_and_right_intent", "right_intent")]
        shares += figures["thin_elsewhere"].values()
        self.assertEqual(len(shares), 6)
        for value in shares:
            said = f"{100 * value['share']:.1f} %"
            self.assertIn(said, card)
            self.assertIn(f"({100 * value['low']:.1f} to {100 * value['high']:.1f})", card)
        for bench in figures["routellm_test"].values():
            for key in ("apgr", "apgr_length", "apgr_scope", "apgr_length_of_all"):
                self.assertIn(f"{bench[key]:.3f}".lstrip("0"), card, key)
        self.assertIn(f"threshold, {figures['threshold']},", card)


if __name__ == "__main__":
    unittest.main()
