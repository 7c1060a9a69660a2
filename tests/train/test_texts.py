# SPDX-License-Identifier: Apache-2.0
"""Tests of train/smdr/texts.py with small repositories made here."""
import contextlib
import hashlib
import io
import json
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "train"))

from smdr import credits, texts  # noqa: E402 (both need the standard library only)

MISSING = None if shutil.which("git") else "there is no git"

BOOKS = {
    "Ann Author/One.md": "Title: One\r\nAuthor: Ann Author\r\n\r\n# I\r\n\r\n\r\n\r\nIt was *late* "
                         "\u2014 \u201cvery\u201d late\u2026\r\n",
    "Ann Author/Two \u00e9.md": "Title: Two\n\nA\\#b &amp; 2 + 3\n",
    "Zoe/Other.md": "not in any list\n",
}
ONE = b'Title: One\nAuthor: Ann Author\n\nI\n\nIt was late -- "very" late...\n'
TWO = b"Title: Two\n\nA#b & 2 + 3\n"
STORY = """# The | Cat

##
A cat sat.

##
* License: [{licence}]
* Text: Rita Maker
* Illustration: Pen Painter
* Translation: Tom Turner
* Language: en
"""
CAT = b"The | Cat\n\nA cat sat.\n"


def git(folder, *words):
    subprocess.run(["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.org",
                    *words], check=True, stdout=subprocess.DEVNULL)


def make_repository(folder, files):
    """A repository with these files; returns its commit."""
    os.makedirs(folder)
    git(folder, "init", "-q")
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as f:
            f.write(text)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "files")
    done = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], check=True,
                          stdout=subprocess.PIPE)
    return done.stdout.decode().strip()


def text_entry(kind, parts, data, **more):
    return {"kind": kind, "parts": parts, "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(), **more}


@unittest.skipIf(MISSING, MISSING)
class Texts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.clones, self.lists, self.out = (os.path.join(self.folder, n)
                                             for n in ("clones", "lists", "out"))
        os.makedirs(self.lists)
        commit = make_repository(os.path.join(self.clones, "books"), BOOKS)
        stories = make_repository(os.path.join(self.clones, "tales.git"),
                                  {"en/1.md": STORY.format(licence="CC-BY"),
                                   "en/2.md": STORY.format(licence="CC-BY-NC")})
        end = texts.END.encode()
        self.books, self.tales = ONE + end + TWO + end, CAT + end
        self.manifest = {
            "repositories": {
                "b": {"url": "https://git.example.org/someone/books", "commit": commit},
                "t": {"url": "https://git.example.org/someone/tales.git", "commit": stories}},
            "texts": {"b.txt.xz": text_entry("books", [["b", "b.list"]], self.books),
                      "t.txt": text_entry("stories", [["t", "t.list"]], self.tales)}}
        self.write_list("b.list", [(len(ONE), "Ann Author/One.md"),
                                   (len(TWO), "Ann Author/Two \u00e9.md")])
        self.write_list("t.list", [(len(CAT), "en/1.md")])

    def write_list(self, name, entries):
        with open(os.path.join(self.lists, name), "w", encoding="utf-8") as f:
            f.write("".join(f"{size}\t{path}\n" for size, path in entries))

    def make(self, **options):
        with open(os.path.join(self.lists, "texts.json"), "w", encoding="utf-8") as f:
            json.dump(self.manifest, f)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            texts.make(self.out, **{"source": self.clones, "lists": self.lists, **options})
        return said.getvalue()

    def read(self, name):
        with open(os.path.join(self.out, name), "rb") as f:
            return f.read()

    def refused(self, message, **options):
        """An error that says so, and no file."""
        with self.assertRaisesRegex((ValueError, OSError), message):
            self.make(**options)
        self.assertEqual([n for n in os.listdir(self.out) if n.endswith(".xz") or "part" in n], [])

    def test_bytes(self):
        self.assertIn("b.txt.xz: 2 documents", self.make())
        self.assertEqual(lzma.decompress(self.read("b.txt.xz")), self.books)
        self.assertEqual(self.read("t.txt"), self.tales)

    def test_whole_texts_stay_and_damaged_ones_are_made_again(self):
        self.make()
        with open(os.path.join(self.out, "b.txt.xz"), "rb+") as f:
            f.truncate(20)
        said = self.make()
        self.assertIn("t.txt: is there", said)
        self.assertIn("b.txt.xz: 2 documents", said)
        self.assertEqual(lzma.decompress(self.read("b.txt.xz")), self.books)

    def test_digest_mismatch_names_the_document(self):
        self.manifest["texts"]["b.txt.xz"]["sha256"] = "0" * 64
        self.write_list("b.list", [(len(ONE), "Ann Author/One.md"), (5, "Ann Author/Two \u00e9.md")])
        self.refused("b.txt.xz: made .*texts.json says.*'Ann Author/Two \u00e9.md' has "
                     f"{len(TWO)} bytes, not 5")

    def test_missing_document(self):
        self.write_list("b.list", [(len(ONE), "Ann Author/One.md"), (5, "Ann Author/blob gone")])
        self.refused("has no file 'Ann Author/blob gone'")

    def test_bad_commit(self):
        self.manifest["repositories"]["b"]["commit"] = "f" * 40
        self.refused("has no commit ffff")

    def test_missing_repository(self):
        self.manifest["repositories"]["b"]["url"] = "https://git.example.org/someone/gone"
        self.refused("no git repository gone")

    def test_bad_list(self):
        self.write_list("b.list", [("many", "Ann Author/One.md")])
        self.refused("b.list:1: not BYTES")

    def test_other_licences_are_refused(self):
        self.write_list("t.list", [(len(CAT), "en/2.md")])
        with self.assertRaisesRegex(ValueError, "en/2.md: the licence is 'CC-BY-NC'"):
            self.make()

    def test_fetching(self):
        for name, entry in self.manifest["repositories"].items():
            folder = os.path.join(self.clones, {"b": "books", "t": "tales.git"}[name])
            git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
            entry["url"] = "file://" + folder
        self.assertIn("fetching", self.make(source=None))
        self.assertEqual(self.read("t.txt"), self.tales)
        os.remove(os.path.join(self.out, "t.txt"))
        self.assertNotIn("fetching", self.make(source=None))  # kept in out/sources

    def test_credits(self):
        path = os.path.join(self.folder, "ATTRIBUTION.md")
        self.make(attribution=path)
        with open(path, encoding="utf-8") as f:
            told = f.read()
        self.assertIn("| Ann Author | One; Two \u00e9 |\n", told)
        self.assertIn("| The \\| Cat (`en/1.md`) | Rita Maker; translated by Tom Turner | CC-BY |\n",
                      told)
        self.assertNotIn("Pen Painter", told)


class Committed(unittest.TestCase):
    """What train/texts says, without the repositories."""

    def test_lists_agree_with_the_manifest(self):
        for name, text in texts.load_manifest(texts.LISTS)["texts"].items():
            entries = [e for _, file in text["parts"]
                       for e in texts.read_list(os.path.join(texts.LISTS, file))]
            self.assertEqual(sum(size + len(texts.END) for size, _ in entries), text["bytes"], name)
            self.assertEqual(len({path for _, path in entries}), len(entries), name)

    def test_recipes_use_these_texts(self):
        known = texts.load_manifest(texts.LISTS)["texts"]
        folder = os.path.join(ROOT, "train", "recipes")
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                recipe = json.load(f)
            for text in set(recipe.get("texts", [])) - set(recipe.get("samples", {})):
                self.assertIn(text, known, name)
                self.assertFalse(known[text].get("heldout"), f"{name} trains on {text}")

    def test_held_out_authors_occur_nowhere_else(self):
        authors = {True: set(), False: set()}
        for text in texts.load_manifest(texts.LISTS)["texts"].values():
            if text["kind"] == "books":
                for _, file in text["parts"]:
                    authors[text.get("heldout", False)].update(
                        path.split("/")[0]
                        for _, path in texts.read_list(os.path.join(texts.LISTS, file)))
        self.assertTrue(authors[True])
        self.assertFalse(authors[True] & authors[False])

    def test_everyone_is_credited(self):
        with open(os.path.join(texts.LISTS, "ATTRIBUTION.md"), encoding="utf-8") as f:
            told = f.read()
        manifest = texts.load_manifest(texts.LISTS)
        self.assertIn(credits.books(manifest, texts.LISTS), told)
        for text in manifest["texts"].values():
            for name, file in text["parts"] if text["kind"] == "stories" else ():
                section = told.split(manifest["repositories"][name]["url"] + ">", 1)[1]
                for _, path in texts.read_list(os.path.join(texts.LISTS, file)):
                    self.assertIn(f"(`{path}`) | ", section)


if __name__ == "__main__":
    unittest.main()
