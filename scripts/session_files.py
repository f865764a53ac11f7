"""The agents' session folders and the files in them: names, sizes, times. Nothing is opened.

All that a night without new sessions needs, so it imports nothing heavy.
"""
from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator

Found = tuple[str, os.stat_result]
Listing = tuple[str, str, list[Found]]      # format, folder, the files below it


def default_folders() -> list[tuple[str, str]]:
    """(format, folder) of the agents' own session folders."""
    home = os.environ.get("HOME") or "/nonexistent"
    return [("claude_code", os.path.join(os.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(home, ".claude"), "projects")),
            ("codex", os.path.join(os.environ.get("CODEX_HOME") or os.path.join(home, ".codex"), "sessions"))]


def listed(folders: Iterable[tuple[str, str]]) -> list[Listing]:
    """The files of each folder that is there."""
    whole = [(name, os.path.abspath(folder)) for name, folder in folders if os.path.isdir(folder)]
    return [(name, folder, list(walk(folder))) for name, folder in whole]


def walk(folder: str, suffix: str = ".jsonl") -> Iterator[Found]:
    """(path, stat) of the files below a folder, sorted, links followed (each folder once); unreadable ones left out."""
    seen: set[tuple[int, int]] = set()
    stack = [folder]
    while stack:
        here = stack.pop()
        try:
            info = os.stat(here)
            entries = sorted(os.scandir(here), key=operator.attrgetter("name"))
        except OSError:
            continue          # vanished, or not ours to read: the same as not there
        if (info.st_dev, info.st_ino) in seen:
            continue
        seen.add((info.st_dev, info.st_ino))
        folders = []
        for entry in entries:
            try:
                if entry.is_dir():
                    folders.append(entry.path)
                elif entry.name.endswith(suffix) and entry.is_file():      # a pipe would be waited for
                    yield entry.path, entry.stat()
            except OSError:
                continue      # a link into nowhere
        stack += reversed(folders)
