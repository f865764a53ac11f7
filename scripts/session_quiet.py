"""The run in which nothing is new: told from names, sizes and times, without loading what is known of each session.

A run that leaves nothing to be read notes a mark, a digest of all that such a run looks at. As long as it is the same, the
next one would read nothing, write nothing and say nothing, and need not find that out file by file.
"""
from __future__ import annotations

import wiki_lib as wl

import hashlib
import os
from collections.abc import Iterable
from typing import Any

import session_retention
from session_files import Listing

STATE = ".mine-state.json"      # what is known of each session file; see session_state


def is_whole(args: Any) -> bool:
    """Is this a plain mining of the agents' own folders? By the script's options."""
    return not (args.transcript or args.sessions or args.project or args.dry_run or args.force)


def is_over(wiki: wl.Wiki, found: Iterable[Listing]) -> bool:
    """True where nothing is new; the run's own traces (when it was, what endangers sessions) are then brought up to date."""
    memory = session_retention.load(wiki)
    if (not memory.mark or memory.unmined or wl.config().get("paused") or os.path.exists(wiki.root / session_retention.ERRORS)
            or memory.mark != mark_of(wiki, found, session_retention.events(wiki))):
        return False
    wiki.init()
    session_retention.finish(wiki, memory, mining=True)
    wl.note(f"extract: nothing is new in {sum(len(files) for _, _, files in found)} files")
    return True


def mark_of(wiki: wl.Wiki, found: Iterable[Listing], events: Iterable[str]) -> str:
    """A digest of the session files there are, of .mine-state.json as it lies there, of the hooks' events, the settings and the
    rules; '' where nothing is known yet."""
    try:
        state = os.stat(wiki.root / STATE)
    except OSError:
        return ""
    seen = [f"{wl.REDACTOR_VERSION} {state.st_ino} {state.st_size} {state.st_mtime_ns}", repr(wl.config()), *events]
    for name, folder, files in found:
        seen += [name, folder, *[f"{path}\0{info.st_size} {info.st_mtime_ns}" for path, info in files]]
    return hashlib.blake2b("\n".join(seen).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
