# SPDX-License-Identifier: Apache-2.0
"""The training texts, made again from the repositories that they come from, to the byte.

train/texts/texts.json names the repositories, each with one commit, and the texts, each with
the digest of its bytes; the *.list files beside it name the documents in their order, each with
the bytes that it becomes.  Nothing but git and the standard library is needed.
"""
import contextlib
import hashlib
import html
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
import tempfile

LISTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "texts")

# What follows each document; tokenizer.MARK between two blank-free lines.
END = "\n<|endoftext|>\n"

# Typographic punctuation to ASCII, so that a small vocabulary has one form of each mark.
PLAIN = str.maketrans({
    "\u2014": "--", "\u2013": "-", "\u2026": "...", "\u00a0": " ",
    "\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'",
})

# The lines at the end of a story that say whose it is: they go to ATTRIBUTION.md.
CREDIT = re.compile(r"(?m)^\* (License|Text|Illustration|Language|Translation|Adaptation):.*$")
LICENCE = re.compile(r"(?m)^\* License: *\[?([^\]\n]*)\]?[^\n]*$")
LICENCES = ("CC-BY", "Public Domain")

# 1 of 9: the texts are read a few times, and half a minute of packing would buy a tenth.
XZ_PRESET = 1


def clean(text):
    """Markdown to plain text: no marks of headings or emphasis, no escapes, ASCII punctuation,
    one blank line between paragraphs."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = html.unescape(text).translate(PLAIN)
    text = re.sub(r"(?m)^#{1,6} *", "", text)
    text = re.sub(r"[*_]{1,3}([^*_\n]+)[*_]{1,3}", r"\1", text)
    text = re.sub(r"\\([^\w])", r"\1", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def book(path, text):
    """A book as it stands in its text: the header of title, author and year stays."""
    return clean(text)


def story(path, text):
    """A story without its credits.  Its own licence must allow what is done with it."""
    licence = LICENCE.search(text)
    if not licence or licence[1].strip() not in LICENCES:
        raise ValueError(f"{path}: the licence is '{licence[1] if licence else ''}', "
                         f"not one of {', '.join(LICENCES)}")
    return clean(CREDIT.sub("", text))


KINDS = {"books": book, "stories": story}


def load_manifest(lists):
    with open(os.path.join(lists, "texts.json"), encoding="utf-8") as f:
        return json.load(f)


def read_list(path):
    """[(bytes, path in the repository)] in order."""
    entries = []
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f.read().split("\n"), 1):
            size, tab, name = line.partition("\t")
            if line and not (tab and name and size.isdecimal()):
                raise ValueError(f"{path}:{number}: not BYTES, a tab, PATH")
            if line:
                entries.append((int(size), name))
    return entries


class Repository:
    """The files of one commit, read from the objects: no work tree is needed."""

    def __init__(self, git_dir, commit):
        self.git_dir, self.commit = git_dir, commit

    def has_commit(self):
        done = subprocess.run(self.command("cat-file", "-e", self.commit + "^{tree}"),
                              stderr=subprocess.DEVNULL, check=False)
        return done.returncode == 0

    def command(self, *words):
        return ["git", "--git-dir", self.git_dir, *words]

    def read(self, paths):
        """(path, text) of each path in turn."""
        with subprocess.Popen(self.command("cat-file", "--batch"), stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as git:
            for path in paths:
                git.stdin.write(f"{self.commit}:{path}\n".encode())
                git.stdin.flush()
                header = re.fullmatch(rb"[0-9a-f]+ blob ([0-9]+)\n", git.stdout.readline())
                if not header:
                    raise ValueError(f"{self.git_dir}: commit {self.commit[:12]} has no file "
                                     f"'{path}'")
                size = int(header[1])
                data = git.stdout.read(size + 1)
                if len(data) != size + 1:
                    raise ValueError(f"{self.git_dir}: git ended within '{path}'")
                yield path, data[:size].decode("utf-8")


def find_repository(folder, url):
    """The git directory below `folder` of what `url` names: NAME or OWNER/NAME, plain or with
    .git at the end, bare or with a work tree."""
    name = url.rstrip("/").removesuffix(".git")
    owner = os.path.join(os.path.basename(os.path.dirname(name)), os.path.basename(name))
    for candidate in (os.path.basename(name), owner):
        for end in (".git", ""):
            path = os.path.join(folder, candidate + end)
            for git_dir in (os.path.join(path, ".git"), path):
                if os.path.exists(os.path.join(git_dir, "objects")):
                    return git_dir
    raise FileNotFoundError(f"no git repository {os.path.basename(name)}[.git] in {folder}")


def fetch(folder, url, commit):
    """A bare repository below `folder` with that one commit; what is there is not fetched."""
    name = os.path.basename(url.rstrip("/").removesuffix(".git")) + ".git"
    repository = Repository(os.path.join(folder, name), commit)
    if repository.has_commit():
        return repository
    print(f"{url}: fetching {commit[:12]}", file=sys.stderr)
    for words in (["git", "init", "-q", "--bare", repository.git_dir],
                  repository.command("fetch", "-q", "--depth", "1", "--no-tags", url, commit)):
        if subprocess.run(words, check=False).returncode:
            raise ValueError(f"`{' '.join(words)}` failed")
    return repository


def open_repository(entry, cache, source):
    """From the folder of repositories `source` where one is given, else from the network."""
    if source is None:
        return fetch(cache, entry["url"], entry["commit"])
    repository = Repository(find_repository(source, entry["url"]), entry["commit"])
    if not repository.has_commit():
        raise ValueError(f"{repository.git_dir} has no commit {entry['commit']}")
    return repository


def documents(text, repositories, lists):
    """(bytes that the list promises, path, document) of one text."""
    convert = KINDS[text["kind"]]
    for name, file in text["parts"]:
        entries = read_list(os.path.join(lists, file))
        sources = repositories[name].read(path for _, path in entries)
        for (size, _), (path, source) in zip(entries, sources):
            yield size, path, (convert(path, source) + "\n").encode()


def open_text(path, mode):
    """A text for reading or writing, packed by xz where its name says so."""
    if not path.endswith(".xz"):
        return open(path, mode)
    return lzma.open(path, mode, **({"preset": XZ_PRESET} if "w" in mode else {}))


def is_whole(path, text):
    """Whether the file is there with the bytes that the digest promises."""
    if not os.path.exists(path):
        return False
    h = hashlib.sha256()
    try:
        with open_text(path, "rb") as f:
            while piece := f.read(1 << 20):
                h.update(piece)
    except (EOFError, lzma.LZMAError):
        return False
    return h.hexdigest() == text["sha256"]


@contextlib.contextmanager
def replacing(path):
    """A name to write to, of the same kind; it becomes `path` where no error is raised."""
    folder, name = os.path.split(os.path.abspath(path))
    part = tempfile.mkdtemp(prefix=".part-", dir=folder)
    try:
        yield os.path.join(part, name)
        os.replace(os.path.join(part, name), path)
    finally:
        shutil.rmtree(part)


def write_text(path, text, pieces):
    """Writes the documents; the file appears only with the right digest.  Returns their number."""
    h, size, count, other = hashlib.sha256(), 0, 0, ""
    with replacing(path) as part:
        with open_text(part, "wb") as f:
            for promised, name, document in pieces:
                if len(document) != promised and not other:
                    other = f"; '{name}' has {len(document)} bytes, not {promised}"
                for piece in (document, END.encode()):
                    f.write(piece)
                    h.update(piece)
                    size += len(piece)
                count += 1
        if h.hexdigest() != text["sha256"]:
            raise ValueError(f"{os.path.basename(path)}: made {size} bytes, sha256 "
                             f"{h.hexdigest()}, but texts.json says {text['bytes']} bytes, "
                             f"sha256 {text['sha256']}{other}")
    return count


def make(folder, source=None, attribution=None, lists=LISTS):
    """Makes every text that is not in `folder` already, and the attribution file if named.

    `source` is a folder of clones; without one, the commits are fetched into folder/sources."""
    manifest = load_manifest(lists)
    os.makedirs(folder, exist_ok=True)
    missing = {}
    for name, text in manifest["texts"].items():
        if is_whole(os.path.join(folder, name), text):
            print(f"{name}: is there")
        else:
            missing[name] = text
    if not missing and not attribution:
        return
    wanted = manifest["texts"] if attribution else missing
    needed = {name for text in wanted.values() for name, _ in text["parts"]}
    cache = os.path.join(folder, "sources")
    repositories = {name: open_repository(entry, cache, source)
                    for name, entry in manifest["repositories"].items() if name in needed}
    for name, text in missing.items():
        count = write_text(os.path.join(folder, name), text,
                           documents(text, repositories, lists))
        print(f"{name}: {count} documents, {text['bytes']} bytes")
    if attribution:
        from smdr import credits  # it reads by this module
        with replacing(attribution) as part, open(part, "w", encoding="utf-8") as f:
            f.write(credits.render(manifest, repositories, lists))
        print(f"{attribution}: written")
