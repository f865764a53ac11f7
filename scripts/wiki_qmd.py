"""qmd beside our own index, where a person has it: one collection a wing and one of the live pages, kept up to date.

    update(root)        # at the end of wiki-search.py --update

qmd is an extra: where it is absent or its node too old nothing happens, and where it fails our own search is as good as
before. Its index (memex-<the wiki's key>) lies in qmd's own folders and nothing in it is ours alone. Vectors are made by
`qmd embed`, which a person runs: without its models it waits for minutes, as `query` and `vsearch` do.
"""
from __future__ import annotations

import wiki_lib as wl

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

NODE_NEEDED = 22            # with an older one qmd says its version and dies of a segmentation fault at all else
LOOK_SECONDS = 30           # for an answer that takes 0.2 s
UPDATE_SECONDS = 120        # 10,000 files take 9 s; what was read when time is up stays read
PAGES = "wiki"              # the collection of live pages


# ---------------------------------------------------------------- what to do

@dataclass(frozen=True)
class Collection:
    name: str
    folder: str             # absolute
    mask: str               # which files, as a glob relative to the folder


def node_behind(first_line: str) -> str:
    """The node that runs a program which begins with this line: the one it names, else the first on PATH."""
    named = re.match(r"#!\s*(/\S*/node)\s*$", first_line)
    return named[1] if named else "node"


def new_enough(version: str) -> bool:
    """Can qmd run with the node that calls itself so, such as 'v24.1.0'?"""
    major = re.match(r"v(\d+)\.", version)
    return bool(major) and int(major[1]) >= NODE_NEEDED


def collection_name(wing: str) -> str:
    """What `-c` takes: the wing itself. One that qmd would take for an option, and one called as the pages are, gets a name
    that no plain wing has: `wiki_1a2b3c4d`."""
    plain = re.fullmatch(r"[a-z0-9][a-z0-9-]*", wing) and wing != PAGES
    return wing if plain else f"{wl.slug(wing)}_{wl.sha(wing)[:8]}"


def collections(root: str, wings: Iterable[str], pages: bool) -> list[Collection]:
    """Those that a wiki with these wings has. Generated indexes are left out by the masks."""
    talks = [Collection(collection_name(w), os.path.join(root, "conversations", w), "*.md") for w in sorted(wings)]
    return talks + [Collection(PAGES, os.path.join(root, "wiki"), "*/*.md")] * pages


def listed(said: str) -> list[str]:
    """The names in what `qmd collection list` prints."""
    return re.findall(r"^(\S.*) \(qmd://", said, re.M)


def shown_folder(said: str) -> str:
    """The folder in what `qmd collection show` prints."""
    found = re.search(r"^\s+Path:\s+(.+)$", said, re.M)
    return found[1] if found else ""


def missing(wanted: Iterable[Collection], known: Mapping[str, str]) -> list[Collection]:
    """Those that qmd does not have. `known`: {name: folder}; a folder that a person called otherwise is there, too."""
    return [c for c in wanted if c.name not in known and c.folder not in known.values()]


# ---------------------------------------------------------------- doing it

def usable() -> bool:
    """Is there a qmd, and a node that it runs with? Told on a terminal where only the node is wanting."""
    qmd = shutil.which("qmd")
    if not qmd:
        return False
    try:
        with open(qmd, "rb") as file:
            node = node_behind(file.readline(256).decode("utf-8", "replace"))
        if new_enough(wl.run_tool([node, "--version"], timeout=LOOK_SECONDS, cwd="/").stdout):
            return True
    except (OSError, wl.ToolError):
        pass          # a program that cannot be read or a node that does not answer: not usable, which is said below
    wl.note(f"qmd needs node {NODE_NEEDED} or newer; skipped")
    return False


def update(root: Path) -> bool:
    """Bring qmd's index of a wiki up to date; False when that failed, which is said. Nothing to do is no failure."""
    if not usable():
        return True
    try:
        with wl.locked("qmd", wait=0, root=root):
            _update(os.path.realpath(root), f"memex-{wl.wiki_key(root)}")
    except wl.Busy:
        pass          # another process is at it
    except wl.WikiError as error:
        what = str(error).removeprefix("qmd").lstrip(": ")
        wl.warn("qmd", f"{what}; wiki-search.py does without it, take qmd off PATH if this goes on")
        return False
    return True


def _update(root: str, index: str) -> None:
    wanted = collections(root, _wings(root), os.path.isdir(os.path.join(root, "wiki")))
    if not wanted:
        return        # no wiki yet, or one that is not mounted: what qmd knows of it is kept
    if closed := [c.folder for c in wanted if not os.access(c.folder, os.R_OK | os.X_OK)]:
        raise wl.WikiError(f"{closed[0]}: cannot be read and qmd would forget it; make it readable")
    plain = {c.name: c.folder for c in wanted}
    known = {name: plain.get(name) or shown_folder(_qmd(index, "collection", "show", "--", name))
             for name in listed(_qmd(index, "collection", "list"))}
    for name, folder in known.items():
        # Said to qmd before its `update` finds nothing there; what a person added from elsewhere is theirs.
        if folder.startswith(root + os.sep) and not os.path.isdir(folder):
            _qmd(index, "collection", "remove", "--", name)
    for new in missing(wanted, known):
        _qmd(index, "collection", "add", new.folder, "--name", new.name, "--mask", new.mask, timeout=UPDATE_SECONDS)
    _qmd(index, "update", timeout=UPDATE_SECONDS)


def _wings(root: str) -> list[str]:
    """The folders of conversations; links are not followed, as in our own index."""
    folder = os.path.join(root, "conversations")
    if not os.path.isdir(folder):
        return []
    return [e.name for e in os.scandir(folder) if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]


def _qmd(index: str, *words: str, timeout: float = 0) -> str:
    """What qmd printed. It stands in `/`, so that no file of a synced folder chooses its node or its settings."""
    return wl.run_tool(["qmd", "--index", index, *words], timeout=timeout or LOOK_SECONDS, cwd="/").stdout
