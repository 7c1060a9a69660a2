# SPDX-License-Identifier: Apache-2.0
"""Whose texts the models are trained on: train/texts/ATTRIBUTION.md, made from the sources."""
import os
import re

from smdr import texts

# Makers of the words.  The pictures are not in the texts, so their makers are not named here.
ROLES = (("Text", ""), ("Translation", "translated by "), ("Adaptation", "adapted by "))

HEAD = """\
# Whose texts these are

Written by `./dev train texts --attribution train/texts/ATTRIBUTION.md` from the sources
themselves; do not edit. `texts.json` names each repository with its commit, the lists name the
files. No text is in this repository: the models are trained on them.

What was changed: Markdown became plain text (no marks of headings and emphasis, ASCII quotation
marks and dashes, one blank line between paragraphs), and the lines of credits at the end of each
story were taken out; they are below.
"""

BOOKS = """
## Books

{count} books from <{url}>, commit `{commit}`, whose README says: "All titles from the public
domain". The books were picked from authors who died by 1950. Those of `{heldout}` are by authors
of whom no other book is used; models are only measured with them.

| author | books |
| --- | --- |
"""

STORIES = """
## Stories of <{url}>

{count} stories, commit `{commit}`. CC BY is <https://creativecommons.org/licenses/by/4.0/>; the
sources write it without a number of a version. Stories under a licence that forbids commercial
use are left out.

| story | by | licence |
| --- | --- | --- |
"""


def cell(text):
    """Text as it may stand in a cell of a table."""
    return re.sub(r"\s+", " ", texts.clean(text)).replace("|", "\\|")


def story_row(path, source):
    title = source.lstrip("\ufeff").split("\n", 1)[0].lstrip("# ")
    makers = []
    for role, before in ROLES:
        names = re.search(rf"(?m)^\* {role}: *(.*?) *\r?$", source)
        if names and names[1]:
            makers.append(before + cell(names[1]))
    licence = texts.LICENCE.search(source)[1].strip()
    return f"| {cell(title)} (`{path}`) | {'; '.join(makers)} | {licence} |\n"


def books(manifest, lists):
    """One row an author; book files are AUTHOR/TITLE.md."""
    of, heldout, repository = {}, [], None
    for name, text in sorted(manifest["texts"].items()):
        if text["kind"] != "books":
            continue
        if text.get("heldout"):
            heldout.append(name)
        for repository, file in text["parts"]:
            for _, path in texts.read_list(os.path.join(lists, file)):
                author, _, title = path.partition("/")
                of.setdefault(author, []).append(title.removesuffix(".md"))
    if not of:
        return ""
    head = BOOKS.format(count=sum(map(len, of.values())), heldout=", ".join(heldout),
                        **manifest["repositories"][repository])
    return head + "".join(f"| {cell(author)} | {cell('; '.join(sorted(titles)))} |\n"
                          for author, titles in sorted(of.items()))


def stories(manifest, repositories, lists):
    out = ""
    for text in manifest["texts"].values():
        for name, file in text["parts"] if text["kind"] == "stories" else ():
            paths = [path for _, path in texts.read_list(os.path.join(lists, file))]
            out += STORIES.format(count=len(paths), **manifest["repositories"][name])
            out += "".join(story_row(*pair) for pair in repositories[name].read(paths))
    return out


def render(manifest, repositories, lists):
    return HEAD + books(manifest, lists) + stories(manifest, repositories, lists)
