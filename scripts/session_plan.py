"""What is to be read of the session files there are, and why: decided from their sizes and from what is known of them."""
from __future__ import annotations

import wiki_lib as wl

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import session_canary
import session_formats as sf
from session_sources import read_head
from session_transcripts import File, Group


def changed(source: sf.Source, entry: dict, force: bool) -> str:
    """Why a file is to be read: new, grown, forced; '' when it is as it was."""
    if not entry or "offset" not in entry and not entry.get("waiting"):      # never read, or left out when it was
        return "new"
    if force:
        return "forced"
    if "strange" in entry and session_canary.learnt(entry, sf.module(source.format)):
        return "forced"      # what was strange when it was read is known by now
    return "" if entry.get("size") == source.size and entry.get("mtime") == source.mtime else "grown"


@dataclass
class Plan:
    """What a run will read. `waiting`: subagents' files whose session is not here (yet); `failed`: {path: why}."""
    groups: list[Group] = field(default_factory=list)
    waiting: list[File] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def plan(sources: Sequence[sf.Source], state: dict[str, dict], force: bool, left_out: Callable[[dict, sf.Source], bool],
         has_transcript: Callable[[str], bool]) -> Plan:
    """Decide what is to be read, and why; groups the files of one session."""
    made = Plan()
    files: list[File] = []
    stand_ins: set[str] = set()
    mains: Counter = Counter()                     # main files a session has
    paths: dict[tuple[str, str], str] = {}         # its transcript, as far as the state knows
    titles: dict[tuple[str, str], dict] = {}       # what it calls its subagents
    for source in sources:
        entry = known if (known := state.get(source.path)) and "session" in known else {}
        if (entry.get("waiting") or entry.get("offset") == 0) and changed(source, entry, force):
            entry = {}      # nothing was read of it yet: what it begins with, now that it goes on, says whose it is
        key = (source.format, entry.get("session", ""))
        if entry and not entry.get("agent"):
            mains[key] += 1
            paths |= {key: entry["path"]} if entry.get("path") else {}
        if "titles" in entry:
            titles.setdefault(key, {}).update(entry["titles"])
        reason = changed(source, entry, force)
        if entry and left_out(entry, source) or not reason and not entry.get("waiting"):
            continue
        try:
            owner = sf.Owner(key[1], entry.get("agent", "")) if entry else sf.module(source.format).session_of(
                source, functools.partial(read_head, source.path))
        except OSError as error:
            made.failed[source.path] = error.strerror or str(error)
            continue
        if not entry:      # what the state says of an id is clean already
            owner = replace(owner, session=wl.redact_name(owner.session), agent=wl.redact_name(owner.agent))
        files.append(File(source, owner.session, owner.agent, reason or "new", entry))
        stand_ins |= {source.path} if owner.stands_in else set()
        if not owner.agent and not entry:
            mains[source.format, owner.session] += 1
    grouped: dict[tuple[str, str], list[File]] = {}
    for file in files:
        key = (file.source.format, file.session)
        if file.agent and not mains[key] and not has_transcript(file.session):
            if file.source.path not in stand_ins:
                made.waiting.append(file)
                continue
            file = replace(file, agent="")
        grouped.setdefault(key, []).append(file)
    made.groups = [Group(*key, tuple(group), paths.get(key, ""), mains[key] <= 1, titles.get(key, {}))
                   for key, group in grouped.items()]
    return made
