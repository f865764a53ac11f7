"""Which of the files in a folder are sessions, and of which agent: told by their names, else by their first bytes."""
from __future__ import annotations

import wiki_lib as wl

import os
from collections.abc import Iterable

import session_formats as sf
from session_files import Listing

HEAD_BYTES = 65_536              # enough of a file to know whose session it is


def named_folders(folder: str) -> list[tuple[str, str]]:
    """(format, folder) pairs of a folder a person named: an agent's home, both side by side, or session files themselves."""
    if not os.path.isdir(folder):
        raise wl.WikiError(f"{folder}: no such folder; --sessions takes a folder with sessions of Claude Code or Codex")
    folder = os.path.abspath(folder)
    inner = [(name, os.path.join(folder, sub)) for name, sub in (
        ("claude_code", "projects"), ("claude_code", "claude/projects"), ("claude_code", ".claude/projects"),
        ("codex", "sessions"), ("codex", "codex/sessions"), ("codex", ".codex/sessions"))]
    return [pair for pair in inner if os.path.isdir(pair[1])] or [(name, folder) for name in sf.FORMATS]


def find_sources(listings: Iterable[Listing]) -> list[sf.Source]:
    found: dict[str, sf.Source] = {}
    for name, folder, files in listings:
        for source in sf.module(name).sources(folder, files):
            found.setdefault(source.path, source)
    return list(found.values())


def single_source(path: str) -> list[sf.Source]:
    """The source that --transcript names, of whichever agent it is."""
    path = os.path.abspath(path)
    try:
        info, head = os.stat(path), read_head(path)
    except OSError as error:
        raise wl.WikiError(f"{path}: {error.strerror}; --transcript takes a session file") from error
    name = os.path.basename(path)
    # Codex first where the content decides: its marks are rarer.
    kind = "codex" if name.startswith("rollout-") else next(
        (f for f in reversed(sf.FORMATS) if sf.module(f).recognises(head)), "claude_code")
    agent = kind == "claude_code" and (name.startswith("agent-") or "/subagents/" in path)
    project = os.path.basename(os.path.dirname(path))
    return [sf.Source(path, kind, "agent" if agent else "main", project, info.st_size, info.st_mtime_ns)]


def read_head(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(HEAD_BYTES)
