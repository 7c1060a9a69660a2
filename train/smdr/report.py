# SPDX-License-Identifier: Apache-2.0
"""An ablation's results as tables and pictures: docs/ablation.md keeps its own words, what is
between its marks is written here."""
import os
import re

from smdr import ablation, costs, export, plot

MARK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.S)
BASE, INT8 = "dense", "dense int8"
FACTORS = ("ternary", "torus", "top20")


def table(head, rows):
    return "\n".join([f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |",
                      *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def grouped(n):
    return f"{n:,}"


class Results:
    """results.json, by arm."""

    def __init__(self, content):
        self.loss = ablation.summary(content["runs"])
        self.costs = content["costs"]["of"]
        self.energy, self.rounds = content["costs"]["energy"], content["costs"]["rounds"]
        self.networks = {r["arm"]: r["network"] for r in content["runs"]}
        self.windows = {r["arm"]: r["ci95"] for r in content["runs"]}
        self.cells = {frozenset(name.split("-")) if name != BASE else frozenset(): name
                      for name in self.loss
                      if name == BASE or set(name.split("-")) <= set(FACTORS)}

    def bits(self, arm):
        mean, half, n = self.loss[arm]
        usual = max(seeds for _, _, seeds in self.loss.values())
        return f"{mean:.3f}" + (f" +- {half:.3f}" if half is not None else "") + \
            ("" if n == usual else f" ({n} seed{'s' if n > 1 else ''})")

    def ratio(self, arm, of=BASE, key="cpu_us"):
        return self.costs[of][key] / self.costs[arm][key]

    # --- tables -----------------------------------------------------------------------------

    @staticmethod
    def times(cost):
        if "us" not in cost:
            return ["-", "-", "-"]
        low, high = cost["us_quartiles"]
        return [f"{cost['us']:.1f} ({low:.1f} to {high:.1f})", f"{cost['cpu_us']:.1f}",
                f"{cost['modelled_uj']:.0f}"]

    def unmeasured(self):
        """What is counted of ternary arms that were trained after the costs were measured."""
        return {arm: costs.count(network, export.ternary_type(network), "Q8_0")
                for arm, network in self.networks.items()
                if arm not in self.costs and network["ternary"]}

    def arms(self):
        rows = []
        for name, c in {**self.costs, **self.unmeasured()}.items():
            arm = name.removesuffix(" int8")
            rows.append([name, self.bits(arm) if name == arm else "as above",
                         grouped(c["weight_bytes"]), grouped(c["body_macs"]),
                         grouped(c["attention_macs"]), grouped(c["head_macs"]),
                         grouped(c["exps"]),
                         grouped(c["body_macs_skipped"] + c["attention_macs_skipped"]),
                         *self.times(c)])
        return table(["arm", "bits/byte", "weight bytes", "MACs, blocks", "attention", "head",
                      "exp", "MACs skipped", "us (quartiles)", "CPU us", "uJ"], rows)

    def factorial(self):
        """Each cell against the dense one, beside the product of its single factors."""
        rows = []
        for cell, name in sorted(self.cells.items(), key=lambda item: len(item[0])):
            if not cell:
                continue
            product = 1.0
            for factor in cell:
                product *= self.ratio(self.cells[frozenset([factor])])
            gap = self.loss[name][0] - self.loss[BASE][0]
            measured = self.ratio(name)
            rows.append([name, f"{gap:+.3f}", f"{measured:.2f}", f"{product:.2f}",
                         f"{measured / product:.2f}", f"{self.ratio(name, INT8):.2f}",
                         f"{self.ratio(name, key='weight_bytes'):.1f}"])
        return table(["arm", "bits/byte more", "CPU time less than float32", "product of singles",
                      "measured / product", "less than int8", "weight bytes less"], rows)

    def equal_loss(self):
        """The cheapest arm that is no worse than the dense one."""
        target = self.loss[BASE][0]
        good = [name for name in self.loss if name != BASE and self.loss[name][0] <= target]
        rows = [[name, self.bits(name), grouped(self.costs[name]["parameters"]),
                 f"{self.ratio(name):.2f}", f"{self.ratio(name, INT8):.2f}",
                 f"{self.ratio(name, key='modelled_uj'):.2f}"]
                for name in sorted(good, key=lambda n: self.costs[n]["cpu_us"])]
        return table(["arm as good as dense float32", "bits/byte", "weights",
                      "CPU time less than float32", "less than int8", "modelled joules less"],
                     rows or [["none of these", "", "", "", "", ""]])

    def controls(self):
        rows = [[name, self.bits(name), f"{self.costs[name]['attention_macs']:,}",
                 f"{self.costs[name]['cpu_us']:.1f}"]
                for name in ("ternary", "ternary-torus", "ternary-window", "ternary-strided",
                             "ternary-random") if name in self.loss]
        return table(["attention", "bits/byte", "attention MACs a token", "CPU us"], rows)

    # --- pictures ---------------------------------------------------------------------------

    def frontier(self):
        chart = plot.Chart("Loss and cost of a token", "CPU us a token", "bits/byte", log_x=True)
        names = [n for n in self.costs if n in self.loss]
        chart.line("", [(self.costs[n]["cpu_us"], self.loss[n][0]) for n in names], dots=True,
                   names=names)
        return chart

    def sweep(self):
        chart = plot.Chart("Largest gates that stay", "% of the gates", "bits/byte", log_x=True)
        points = []
        for name, network in self.networks.items():
            alone = network["ternary"] and set(network["kinds"]) == {"full"}
            if alone and not name.startswith("grown"):
                share = 100.0 * (network["top_k"] or network["ff"]) / network["ff"]
                points.append((share, self.loss[name][0], self.loss[name][1]))
        points.sort()
        chart.line("ternary, full attention", [p[:2] for p in points], dots=True,
                   bars=[p[2] for p in points])
        return chart


def write(content, page, folder):
    """Fills the marks of `page` (a file) and draws into `folder`."""
    results = Results(content)
    with open(page, encoding="utf-8") as f:
        text = f.read()
    text = MARK.sub(lambda m: m[1] + getattr(results, m[2])() + m[3], text)
    for name in ("frontier", "sweep"):
        getattr(results, name)().save(os.path.join(folder, f"{name}.svg"))
    with open(page + ".part", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(page + ".part", page)
