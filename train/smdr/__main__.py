# SPDX-License-Identifier: Apache-2.0
"""python3 -m smdr COMMAND: train a recipe, export it, measure a text, draw the loss."""
import argparse
import json
import os
import sys

from smdr import ablation, costs, corpus, export, parity, plot, report, samples, texts, trainer

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.environ.get("TERN_DATA", os.path.join(HERE, "..", "..", "shared", "data"))
TEXTS = os.path.join(DATA, "text")
if not os.path.isdir(TEXTS):
    TEXTS = os.path.join(HERE, "..", "build", "texts")
RUNS = os.environ.get("TERN_RUNS", os.path.join(HERE, "..", "build", "runs"))


def load_recipe(name):
    """A recipe; what it does not say, the one that it names as its `base` does."""
    path = name if os.path.isfile(name) else os.path.join(HERE, "recipes", name + ".json")
    with open(path, encoding="utf-8") as f:
        recipe = json.load(f)
    if "base" in recipe:
        base = load_recipe(recipe["base"])
        for part in ("network", "run", "about"):
            recipe[part] = {**base.get(part, {}), **recipe.get(part, {})}
        recipe = {**base, **recipe}
    recipe["name"] = os.path.splitext(os.path.basename(path))[0]
    return recipe


def texts_of(recipe, folder):
    paths = [os.path.join(folder, name) for name in [*recipe["texts"], recipe["heldout"]]]
    missing = [p for p in paths if not os.path.exists(p)]
    if missing:
        raise FileNotFoundError(f"no text '{missing[0]}': `./dev train texts` brings the texts, "
                                "or --texts DIR names their folder")
    return paths[:-1], paths[-1]


def open_run(args, recipe, network=None, name=None):
    """A run of the recipe, or of another network in a folder of another name."""
    os.makedirs(args.runs, exist_ok=True)
    paths, heldout = texts_of(recipe, args.texts)
    tokenizer, kept = corpus.make_tokenizer(args.runs, paths, recipe["vocab"])
    ids, _ = corpus.make_tokens(args.runs, paths, tokenizer, kept, recipe.get("repeats"))
    run = {**recipe.get("run", {})}
    for key in ("tokens", "seed", "workers"):
        if getattr(args, key, None) is not None:
            run[key] = getattr(args, key)
    folder = os.path.join(args.runs, name or args.run or recipe["name"])
    return trainer.Run(folder, network or recipe["network"], run, tokenizer, ids,
                       corpus.read(heldout))


def train(args):
    run = open_run(args, load_recipe(args.recipe))
    run.train()
    plot.losses([run.path("log.jsonl")], run.path("loss.svg"))
    print(f"{run.folder}: {run.step} steps, {run.seconds:.0f} s")


def write_gguf(args):
    recipe = load_recipe(args.recipe)
    run = open_run(args, recipe)
    head = "Q8_0" if args.int8 else recipe.get("embedding", "Q8_0")
    export.export(run.network, run.tokenizer, args.output, recipe["about"], head,
                  "Q8_0" if args.int8 else "F32")
    print(f"{args.output}: {os.path.getsize(args.output)} bytes, after {run.step} steps")


def measure(args):
    run = open_run(args, load_recipe(args.recipe))
    print(json.dumps({"step": run.step, "bits_per_byte": run.heldout_bits(args.windows)}))


def write_parity(args):
    recipe = load_recipe(args.recipe)
    run = open_run(args, recipe)
    parity.write(run.network, run.tokenizer, args.output, recipe["prompts"], run.heldout)
    print(f"{args.output}: after {run.step} steps")


def make_texts(args):
    texts.make(args.texts, args.source, args.attribution)


def make_samples(args):
    os.makedirs(args.texts, exist_ok=True)
    for name, seeds in load_recipe(args.recipe)["samples"].items():
        samples.write(args.tern, args.model, os.path.join(args.texts, name), **seeds)


def make_arm(args):
    recipe = load_recipe(args.recipe)
    [(arm, network)] = ablation.arms_of(recipe, [args.arm])
    run = open_run(args, recipe, network, ablation.run_name(recipe, arm, args.seed))
    ablation.make(run, recipe, arm, args.seed)


def make_ablation(args):
    recipe = load_recipe(args.recipe)
    paths, _ = texts_of(recipe, args.texts)
    os.makedirs(args.runs, exist_ok=True)
    tokenizer, kept = corpus.make_tokenizer(args.runs, paths, recipe["vocab"])
    corpus.make_tokens(args.runs, paths, tokenizer, kept, recipe.get("repeats"))
    command = [sys.executable, "-m", "smdr", "--texts", args.texts, "--runs", args.runs, "arm",
               args.recipe]
    try:
        ablation.make_missing(recipe, args.runs, command, args.jobs, args.arms)
    finally:
        ablation.gather(recipe, args.runs, args.output)


def measure_costs(args):
    recipe = load_recipe(args.recipe)
    done, _ = ablation.results(recipe, args.runs)
    first = recipe["seeds"][0]
    networks = dict(ablation.arms_of(recipe))
    runs = {r["arm"]: open_run(args, recipe, networks[r["arm"]],
                               ablation.run_name(recipe, r["arm"], first))
            for r in done if r["seed"] == first}
    kept = ablation.read_results(args.output)
    kept["costs"] = costs.measure(runs, recipe["about"], args.tern, args.generate, args.rounds)
    ablation.write_results(args.output, kept)


def write_report(args):
    report.write(ablation.read_results(args.results), args.page, args.pictures)


def draw(args):
    plot.losses(args.logs, args.output)


def parse(argv):
    p = argparse.ArgumentParser(prog="smdr", description=__doc__)
    p.add_argument("--texts", default=TEXTS, help="folder of the texts (default: %(default)s)")
    p.add_argument("--runs", default=RUNS, help="folder of the runs (default: %(default)s)")
    commands = p.add_subparsers(dest="command", required=True)
    for name, call, text in (("train", train, "train a recipe, or go on with it"),
                             ("export", write_gguf, "write the network as a GGUF file"),
                             ("parity", write_parity, "write what PyTorch computes with it"),
                             ("eval", measure, "bits per byte of the held-out text")):
        c = commands.add_parser(name, help=text)
        c.set_defaults(call=call)
        c.add_argument("recipe", help="a file, or a name in train/recipes")
        c.add_argument("--run", help="name of the run's folder (default: the recipe's name)")
        c.add_argument("--tokens", type=int, help="tokens to train on, in place of the recipe's")
        c.add_argument("--seed", type=int)
        c.add_argument("--workers", type=int, help="processes (default: one for each core)")
        if call in (write_gguf, write_parity):
            c.add_argument("-o", "--output", required=True)
        if call is write_gguf:
            c.add_argument("--int8", action="store_true",
                           help="weights that are not ternary in 8 bits, not in float32")
        if call is measure:
            c.add_argument("--windows", type=int, help="the first windows only")
    c = commands.add_parser("ablation", help="train the arms of a recipe that are missing")
    c.set_defaults(call=make_ablation)
    c.add_argument("recipe")
    c.add_argument("--arms", nargs="*", help="only these")
    c.add_argument("--jobs", type=int, default=os.cpu_count(), help="at a time")
    c.add_argument("-o", "--output", required=True, help="what came out, as JSON")
    c = commands.add_parser("costs", help="measure what a token costs the arms of a recipe")
    c.set_defaults(call=measure_costs)
    c.add_argument("recipe")
    c.add_argument("--tern", required=True, help="the program that runs them")
    c.add_argument("--generate", type=int, default=256, help="tokens of a measurement")
    c.add_argument("--rounds", type=int, default=7)
    c.add_argument("-o", "--output", required=True, help="the file of `ablation`; costs are added")
    c = commands.add_parser("report", help="write an ablation's tables and pictures")
    c.set_defaults(call=write_report)
    c.add_argument("results", help="the file of `ablation` and `costs`")
    c.add_argument("page", help="Markdown with marks where the tables go")
    c.add_argument("--pictures", required=True, help="the folder of the SVG files")
    c = commands.add_parser("arm", help="train one arm with one seed")
    c.set_defaults(call=make_arm)
    c.add_argument("recipe")
    c.add_argument("arm")
    c.add_argument("seed", type=int)
    c = commands.add_parser("texts", help="make the texts from the repositories they come from")
    c.set_defaults(call=make_texts)
    c.add_argument("--source", metavar="DIR",
                   help="a folder of clones of them (default: fetch the commits)")
    c.add_argument("--attribution", metavar="FILE", help="write whose texts they are")
    c = commands.add_parser("samples", help="texts that a model writes, to train another one on")
    c.set_defaults(call=make_samples)
    c.add_argument("recipe", help="which texts, and the seeds for them")
    c.add_argument("--model", required=True, help="who writes")
    c.add_argument("--tern", required=True, help="the program that runs it")
    c = commands.add_parser("plot", help="draw the losses of runs")
    c.set_defaults(call=draw)
    c.add_argument("logs", nargs="+")
    c.add_argument("-o", "--output", required=True)
    return p.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    try:
        args.call(args)
    except (OSError, ValueError) as e:
        sys.exit(f"smdr: {e}")


if __name__ == "__main__":
    main()
