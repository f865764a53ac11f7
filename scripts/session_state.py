"""What this machine knows of each session file: .mine-state.json, {path: entry}.

An entry holds the file's `size` and `mtime` when it was read, how far (`offset`, `digest`), whose it is (`session`, `agent`),
where it stands (`path`, `wing`), and what reading on needs. Losing the file costs time and nothing else.
"""
from __future__ import annotations

import wiki_lib as wl

import contextlib
import json
from collections.abc import Iterable

import orjson
import session_formats as sf
from session_files import Listing
from session_quiet import STATE

KEPT_OF_LEFT_OUT = ("size", "mtime", "session", "agent", "cwd", "wing", "root", "remote", "own", "entrypoint")


def load_state(wiki: wl.Wiki) -> dict[str, dict]:
    """.mine-state.json; what does not parse counts as lost, which costs time and nothing else."""
    try:
        data = (wiki.root / STATE).read_bytes()
    except OSError:
        return {}
    for loads in (orjson.loads, json.loads):      # the second one also reads lone surrogates
        with contextlib.suppress(ValueError, RecursionError):
            state = loads(data)
            break
    else:
        return {}
    if not isinstance(state, dict):
        return {}
    odd = [k for k, v in state.items() if not isinstance(v, dict)]
    for key in odd:
        del state[key]
    return state


def named_again(state: dict[str, dict], sources: Iterable[sf.Source]) -> None:
    """Put the entries of files whose paths hold a secret, which stand in the state without it, back under their paths."""
    if any("[REDACTED:" in path for path in state):
        for source in sources:
            if (known := wl.redact_name(source.path)) != source.path and known in state:
                state[source.path] = state.pop(known)


def save_state(wiki: wl.Wiki, state: dict[str, dict]) -> None:
    state = {wl.redact_name(path): entry for path, entry in state.items()}
    try:
        text = orjson.dumps(state, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()
    except TypeError:      # a session's words, or a file's name, that are not UTF-8: escaped, they are read back as they were
        text = json.dumps(state, sort_keys=True) + "\n"
    if text != wiki.text(STATE):      # a file that is read anew every night, because nothing came of it, changes nothing
        wl.atomic_write(wiki.root / STATE, text)


def nothing_new(listings: Iterable[Listing], state: dict[str, dict]) -> bool:
    """Is every file as it was when it was read? The quick answer of most nights: no Source is made, nothing is planned."""
    for _, _, files in listings:
        for path, info in files:
            entry = state.get(path)
            if (not entry or entry.get("mtime") != info.st_mtime_ns or entry.get("size") != info.st_size
                    or "offset" not in entry and "own" not in entry or "strange" in entry):
                return False
    return True
