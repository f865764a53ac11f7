"""Whose session is it? The marks by which a session that one of our own model calls left behind is known.

The model door (wiki_model.py) asks the CLI to keep no session. Where one is kept all the same, any one of four marks that
nobody else makes is enough to refuse it:
    folder     it ran in the fixed folder of our questions
    prompt     it begins with one of our prompts: the mark, then the material between random delimiters
    id         its id is one the door made up and gave the call (in MEMEX_QUESTION, and as --session-id)
    ledger     its id stands in a ledger, this machine's or another's
That it was started by a program (`entrypoint: sdk-cli`) is no mark: people script their agents.
"""
from __future__ import annotations

import wiki_lib as wl

import functools
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_LEDGERED = re.compile(r'"session": ?"([^"]+)"')
_ANOTHERS = re.compile(r'"backend": ?"(?!claude")')


@functools.cache
def _marks() -> dict[str, re.Pattern[str]]:
    """The door's marks as patterns; made when first asked for, since the door is loaded late."""
    return {
        "folder": re.compile(rf"/memex(?:-\d+)?/{wl.QUESTION_FOLDER}(?:/|$)"),
        "prompt": re.compile(rf"{wl.QUESTION_MARK}\n<data-([0-9a-f]{{16}})>\n.*?\n</data-\1>\n", re.S),
        "id": re.compile(rf"{wl.SESSION_PREFIX}[0-9a-f]{{2}}-8[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}")}


def mark_of(sessions: Iterable[str], cwd: str, prompts: Iterable[str], ours: Callable[[], frozenset[str]], cache: str) -> str:
    """Which mark says that a session is one of our own calls: folder, prompt, id or ledger; '' for none.

    `sessions`: its id and that of the session it was forked from; `prompts`: the words its files begin with; `ours()`: the
    ids known to be ours; `cache`: this machine's cache folder."""
    ids = [i for i in sessions if i]
    if is_our_folder(cwd, cache):
        return "folder"
    if any(is_our_prompt(p) for p in prompts):
        return "prompt"
    if any(is_our_id(i) for i in ids):
        return "id"
    return "ledger" if ids and not ours().isdisjoint(ids) else ""


def is_our_folder(cwd: str, cache: str) -> bool:
    """Is a folder in our cache, on this machine or (by a name that only we give) on another? `memex` in a path says nothing."""
    if not cwd:
        return False
    here = cwd.replace("\\", "/")
    folders = {cache, os.path.realpath(cache)}      # an agent may write down where a link leads
    return any((here + "/").startswith(folder + "/") for folder in folders) or bool(_marks()["folder"].search(here))


def is_our_prompt(text: str) -> bool:
    """Does a prompt begin as ours do? One that quotes or discusses the mark is somebody else's."""
    return text.startswith(wl.QUESTION_MARK) and bool(_marks()["prompt"].match(text))


def is_our_id(session: str) -> bool:
    """Was a session's id made up by the model door?"""
    return bool(_marks()["id"].fullmatch(session))


def ledgered(wiki: wl.Wiki) -> frozenset[str]:
    """The session ids of the calls in all machines' ledgers. What a person's own agent answered is no call of ours."""
    found: set[str] = set()
    for path in sorted((wiki.root / "reports" / "ledger").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if '"session"' in line and not _ANOTHERS.search(line):
                found.update(_LEDGERED.findall(line))
    return frozenset(found)


def known(wiki: wl.Wiki, state: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """The ids of sessions known to be ours: ledgered, or (.mine-state.json) refused before for whatever mark, so that a
    subagent's file or a fork, which may bear none, is refused with the session it came from."""
    return ledgered(wiki) | {str(e.get("session")) for e in state.values() if e.get("own")}


def refused(state: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The ids of sessions that were found to be our own and refused (.mine-state.json), as far as their files are still there."""
    return {str(e.get("session")) for path, e in state.items() if e.get("own") and os.path.exists(path)}


def own_transcripts(wiki: wl.Wiki) -> set[str]:
    """The ids of our own sessions that stand under conversations/ all the same."""
    found, ours = set(), ledgered(wiki)
    for path in wiki.files("conversations"):
        text = wiki.text(path) or ""
        head = re.search(r"^session_id: *['\"]?([^'\"\n]+)", text[:4096], re.M)
        session = head[1].strip() if head else path
        if session in ours or is_our_id(session):
            found.add(session)
        elif wl.QUESTION_MARK in text:
            said = wl.parse_transcript(wl.parse_conversation(path, text).transcript or "").said
            if is_our_prompt(next((m.text for m in said if m.role == "user"), "")):
                found.add(session)
    return found
