# SPDX-License-Identifier: Apache-2.0
"""Tests of train/smdr.  Those that need PyTorch are skipped, with the reason, without it."""
import os
import struct
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "train"))

try:
    import numpy as np
    import torch
    from smdr import (checkpoint, corpus, evaluate, export, gguf, network, optimizer, patterns,
                      plot, quantize, trainer)
    from smdr.tokenizer import Tokenizer, count_words
    MISSING = None
except ImportError as e:
    MISSING = str(e)

TEXT = ("The cat sat on the mat. The dog sat on the log, and the cat said: it's 42 o'clock! "
        "Once upon a time there was a caf\u00e9.\n\n") * 40
SMALL = {"width": 64, "blocks": 2, "heads": 2, "ff": 128, "context": 32, "vocab": 300}


def small_tokenizer():
    return Tokenizer.train(count_words(TEXT), 300)


@unittest.skipIf(MISSING, f"no PyTorch: {MISSING}")
class Vocabulary(unittest.TestCase):
    def test_round_trip_of_any_bytes(self):
        tok = small_tokenizer()
        self.assertEqual(len(tok), 300)
        for data in (TEXT.encode(), b"", bytes(range(256)), b"\xff\xfe caf\xc3\xa9 \xc3", "\u65e5\u672c".encode()):
            self.assertEqual(tok.decode(tok.encode(data)), data)

    def test_merges_follow_counts(self):
        tok = Tokenizer.train({b"abab": 5, b"ab": 3, b"cd": 7}, 259)
        # ab occurs 5 x 2 + 3 = 13 times, then abab (5) against cd (7).
        self.assertEqual(tok.bytes[257:], [b"ab", b"cd"])

    def test_save_and_load(self):
        tok = small_tokenizer()
        with tempfile.TemporaryDirectory() as d:
            tok.save(os.path.join(d, "t.json"))
            again = Tokenizer.load(os.path.join(d, "t.json"))
        self.assertEqual(again.encode(TEXT), tok.encode(TEXT))

    def test_documents_end_where_they_should(self):
        data = b"Title: A\n\nx\n\nTitle: B\n\ny\n<|endoftext|>\nstory\n<|endoftext|>\n"
        self.assertEqual(list(corpus.documents(data)),
                         [b"Title: A\n\nx\n", b"Title: B\n\ny\n", b"story\n"])


@unittest.skipIf(MISSING, f"no PyTorch: {MISSING}")
class Patterns(unittest.TestCase):
    def test_torus_is_the_wrapped_distance(self):
        side, radius, n = 7, 2, 49
        seen = patterns.visible("torus", {"torus_side": side, "torus_radius": radius}, n)
        for i in range(n):
            for j in range(n):
                dx, dy = abs(i % side - j % side), abs(i // side - j // side)
                d = min(dx, side - dx) + min(dy, side - dy)
                self.assertEqual(bool(seen[i, j]), j <= i and d <= radius, (i, j))

    def test_equal_budgets_are_nearly_equal(self):
        config = network.complete({**SMALL, "context": 512, "torus_radius": 5})
        torus = patterns.keys_per_query("torus", config, 512)
        window = patterns.keys_per_query("window", config, 512)
        self.assertLess(abs(torus - window) / window, 0.12)

    def test_every_query_sees_itself_and_nothing_later(self):
        config = network.complete({**SMALL, "torus_radius": 2, "sink_tokens": 2})
        for kind in patterns.KINDS:
            seen = patterns.visible(kind, config, 32)
            self.assertTrue(bool(seen.diagonal().all()), kind)
            self.assertFalse(bool(seen.triu(1).any()), kind)

    def test_contradictions_are_named(self):
        for change, name in (({"torus_side": 5}, "torus_side"), ({"torus_radius": 0}, "radius"),
                             ({"kinds": ["ring"] * 2}, "ring"),
                             ({"kinds": "window", "key_budget": 0}, "key_budget")):
            config = network.complete({**SMALL, "kinds": "torus", "torus_radius": 2, **change})
            with self.assertRaisesRegex(ValueError, name):
                patterns.check(config)


@unittest.skipIf(MISSING, f"no PyTorch: {MISSING}")
class Rounding(unittest.TestCase):
    def test_weights_have_three_values_and_a_bf16_scale(self):
        torch.manual_seed(0)
        codes, scale = quantize.ternary(torch.randn(32, 64) * 0.05)
        self.assertEqual(set(codes.unique().tolist()), {-1.0, 0.0, 1.0})
        self.assertEqual(scale.item(), scale.bfloat16().float().item())
        self.assertEqual(float(np.float16(scale.item())), scale.item())

    def test_norm_has_the_gradient_of_the_plain_formula(self):
        torch.manual_seed(0)
        x = torch.randn(3, 5, 16, requires_grad=True)
        gain = torch.randn(16, requires_grad=True)
        y = quantize.NormQuantize.apply(x, gain, 1e-5, False, torch.float32)
        weight = torch.randn_like(y)
        got = torch.autograd.grad((y * weight).sum(), (x, gain))
        plain = x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * gain
        want = torch.autograd.grad((plain * weight).sum(), (x, gain))
        for a, b in zip(got, want):
            self.assertTrue(torch.allclose(a, b, atol=1e-5))

    def test_top_k_keeps_k_and_their_gradient(self):
        torch.manual_seed(0)
        gate = torch.randn(4, 64, requires_grad=True)
        up = torch.randn(4, 64, requires_grad=True)
        h = quantize.GatedTopK.apply(gate, up, 8)
        self.assertEqual((h != 0).sum(-1).tolist(), [8] * 4)
        h.sum().backward()
        self.assertTrue(bool(((gate.grad != 0) == (h != 0)).all()))
        kept = torch.where(h != 0, gate.relu().square() * up, torch.zeros(()))
        self.assertTrue(torch.allclose(h, kept))

    def test_int8_is_within_half_a_step(self):
        torch.manual_seed(0)
        y = torch.randn(7, 33)
        step = y.abs().amax(-1, keepdim=True) / 127
        self.assertTrue(bool(((quantize.int8_of(y) - y).abs() <= step * 0.5001).all()))


@unittest.skipIf(MISSING, f"no PyTorch: {MISSING}")
class Runs(unittest.TestCase):
    def run_in(self, folder, tokens, **more):
        tok = small_tokenizer()
        ids = np.array(tok.encode(TEXT), dtype=np.uint16)
        run = {"tokens": tokens, "batch": 4, "micro": 2, "bf16": False, "workers": 1, "warm": 0.0,
               **more}
        return trainer.Run(folder, {k: v for k, v in SMALL.items() if k != "vocab"}, run, tok, ids,
                           TEXT.encode()[:400])

    def test_it_learns_and_goes_on_where_it_stopped(self):
        with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
            whole = self.run_in(a, 128 * 40)
            before = whole.heldout_bits()
            whole.train()
            self.assertLess(whole.heldout_bits(), 0.7 * before)
            half = self.run_in(b, 128 * 40)
            stop, half.network.loss = [0], half.network.loss
            steps = optimizer.share_of_rate

            def counted(*args):
                stop[0] += 1
                if stop[0] == 20:
                    os.kill(os.getpid(), 15)
                return steps(*args)

            trainer.share_of_rate = counted
            try:
                half.train()
            finally:
                trainer.share_of_rate = steps
            self.assertEqual(half.step, 20)
            again = self.run_in(b, 128 * 40)
            self.assertEqual(again.step, 20)
            again.train()
            for p, q in zip(whole.network.parameters(), again.network.parameters()):
                self.assertTrue(torch.equal(p, q))

    def test_two_workers_agree_with_one(self):
        with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
            one, two = self.run_in(a, 128 * 4), self.run_in(b, 128 * 4, workers=2)
            one.train()
            two.train()
            for p, q in zip(one.network.parameters(), two.network.parameters()):
                self.assertTrue(torch.allclose(p, q, atol=2e-3))

    def test_a_cut_checkpoint_is_passed_over(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "last.pt")
            checkpoint.save(path, {"step": 1})
            checkpoint.save(path, {"step": 2})
            self.assertEqual(checkpoint.latest(path)["step"], 2)
            with open(path, "r+b") as f:
                f.truncate(os.path.getsize(path) // 2)
            self.assertEqual(checkpoint.latest(path)["step"], 1)

    def test_every_token_counts_once(self):
        ids = np.arange(1, 100)
        counted = np.concatenate([t[first:] for _, t, first in evaluate.windows(ids, 32)])
        self.assertEqual(counted.tolist(), ids.tolist())

    def test_rate(self):
        rates = [optimizer.share_of_rate(s, 100, 10, 0.3) for s in range(1, 101)]
        self.assertEqual(rates[9:70], [1.0] * 61)
        self.assertEqual(rates[-1], 0.0)


@unittest.skipIf(MISSING, f"no PyTorch: {MISSING}")
class Files(unittest.TestCase):
    def test_gguf_head(self):
        with tempfile.TemporaryDirectory() as d:
            torch.manual_seed(0)
            net = network.Network(network.complete({**SMALL, "kinds": "torus", "torus_radius": 2}))
            path = os.path.join(d, "m.gguf")
            export.export(net, small_tokenizer(), path, {"name": "small"})
            with open(path, "rb") as f:
                data = f.read()
        self.assertEqual(struct.unpack("<4sIQ", data[:16]), (b"GGUF", 3, 2 + 2 * 11))

    def test_trits_unpack_as_the_engine_does(self):
        rng = np.random.default_rng(0)
        codes = rng.integers(0, 3, (2, 256)).astype(np.uint8)
        block = np.frombuffer(gguf._ternary(codes, 0.5, "TQ1_0"), dtype=np.uint8).reshape(2, 54)
        for row, want in zip(block, codes):
            got = []
            for begin, n, runs in ((0, 32, 5), (32, 16, 5), (48, 4, 4)):
                for digit in range(runs):
                    fraction = row[begin:begin + n].astype(int) * 3 ** digit & 255
                    got += (fraction * 3 >> 8).tolist()
            self.assertEqual(got, want.tolist())

    def test_chart_is_well_formed(self):
        import xml.etree.ElementTree as tree
        chart = plot.Chart("a < b", "x", "y", log_x=True)
        chart.line("one", [(1, 2), (1000, 3)])
        chart.line("two", [(1, 2), (10, 4)], dots=True, names=["p", "q"], bars=[0.1, 0.2])
        tree.fromstring(chart.svg())

    def test_chart_shows_bars_and_labels(self):
        chart = plot.Chart("t", "x", "y")
        chart.line("", [(1, 2), (2, 3)], dots=True, bars=[None, 5])
        low, high = chart._range(1, False)  # pylint: disable=protected-access
        self.assertTrue(low < -2 and high > 8)
        placed = plot.apart([("one", 0, 10), ("two", 5, 12), ("far", 300, 11)])
        self.assertEqual(placed, [("one", 0, 10), ("far", 300, 11), ("two", 5, 23)])


if __name__ == "__main__":
    unittest.main()
