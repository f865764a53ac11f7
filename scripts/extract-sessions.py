#!/usr/bin/env python3
"""Turn the session files of Claude Code and Codex into verbatim transcripts under conversations/.

No model is asked. What was read before is not read again: a session that grew gains its new messages, one that
did not change is not even opened. Secrets are taken out before anything is written.

  extract-sessions.py                        all sessions of CLAUDE_CONFIG_DIR and CODEX_HOME
  extract-sessions.py --transcript PATH      one session file of either agent
  extract-sessions.py --sessions DIR         sessions kept elsewhere, in either agent's layout (may be repeated)
  extract-sessions.py --project api          only sessions of the wing `api`
  extract-sessions.py --dry-run              what would be written, and why (new, grown, rewritten, forced)
  extract-sessions.py --force                read everything again from the start
"""
from __future__ import annotations

import wiki_lib as wl

import functools
import gc
import os
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

# isort: split
import orjson
import session_formats as sf
from wiki_wings import STATE as WINGS_STATE
from wiki_wings import Wings, matches

# ---- seams: the script's capitals, wiki.yaml's `extract-sessions:` over them

PROJECT_MAP: dict[str, str] = {}                                 # glob of a session's folder -> wing; first match wins
KEEP_FULL_OUTPUT_TOOLS = ("Bash", "Skill")                       # tools whose output is kept; Codex's shell is Bash
SUMMARIZE_TOOLS = ("Edit", "Write", "MultiEdit", "NotebookEdit")  # path and one line on what came of it; apply_patch is Edit
MAX_BASH_OUTPUT_LINES = 200                                      # of a kept output; then how many more there were

STATE = ".mine-state.json"
ERRORS = "reports/mine-errors.md"
HEAD_BYTES = 65_536              # enough of a file to know whose session it is
TELLTALE_SIZE = 4_096            # a larger file without one message is a failure, not a success
BATCH_BYTES = 256_000_000        # session bytes held in memory at once; state is saved after each batch
WORTH_A_FORK = 8_000_000         # session bytes from which a second process pays for itself
INIT_BYTES = 6_000_000           # what making the wiki costs, in session bytes


# ---------------------------------------------------------------- what there is

@dataclass(frozen=True, slots=True)
class File:
    """A session file to read. `entry`: what .mine-state.json knows of it."""
    source: sf.Source
    session: str
    agent: str                   # '' for a session's own file
    reason: str                  # new | grown | forced; rewritten is seen only when the bytes are
    entry: dict[str, Any]


@dataclass(frozen=True)
class Group:
    """The changed files of one session."""
    format: str
    session: str
    files: tuple[File, ...]
    known_path: str = ""         # its transcript, where there is one
    alone: bool = True           # no other main file holds the same session

    @property
    def size(self) -> int:
        return sum(f.source.size for f in self.files)


@dataclass
class Outcome:
    """What reading a group came to. `verdict`: transcript | waiting | own | empty | nothing."""
    group: Group
    verdict: str = "nothing"
    reason: str = "new"
    path: str = ""                                # of the transcript that was there
    expect: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    summary_block: str = ""
    body: str = ""
    day: str = ""
    first_prompt: str = ""
    cwd: str = ""
    entrypoint: str = ""
    entries: dict[str, dict] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    unknown: Counter = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)


def default_folders() -> list[tuple[str, str]]:
    """(format, folder) of the agents' own session folders."""
    home = os.environ.get("HOME") or "/nonexistent"
    return [("claude_code", os.path.join(os.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(home, ".claude"), "projects")),
            ("codex", os.path.join(os.environ.get("CODEX_HOME") or os.path.join(home, ".codex"), "sessions"))]


def named_folders(folder: str) -> list[tuple[str, str]]:
    """(format, folder) pairs of a folder a person named: an agent's home, both side by side, or session files themselves."""
    if not os.path.isdir(folder):
        raise wl.WikiError(f"{folder}: no such folder; --sessions takes a folder with sessions of Claude Code or Codex")
    folder = os.path.abspath(folder)
    inner = [(name, os.path.join(folder, sub)) for name, sub in (
        ("claude_code", "projects"), ("claude_code", "claude/projects"), ("claude_code", ".claude/projects"),
        ("codex", "sessions"), ("codex", "codex/sessions"), ("codex", ".codex/sessions"))]
    return [pair for pair in inner if os.path.isdir(pair[1])] or [(name, folder) for name in sf.FORMATS]


def find_sources(folders: Iterable[tuple[str, str]]) -> list[sf.Source]:
    found: dict[str, sf.Source] = {}
    for name, folder in folders:
        if os.path.isdir(folder):
            for source in sf.module(name).sources(os.path.abspath(folder)):
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


# ---------------------------------------------------------------- what is to be read

def changed(source: sf.Source, entry: dict, force: bool) -> str:
    """Why a file is to be read: new, grown, forced; '' when it is as it was."""
    if not entry or "offset" not in entry and not entry.get("waiting"):      # never read, or left out when it was
        return "new"
    if force:
        return "forced"
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
    for source in sources:
        entry = known if (known := state.get(source.path)) and "session" in known else {}
        key = (source.format, entry.get("session", ""))
        if entry and not entry.get("agent"):
            mains[key] += 1
            paths |= {key: entry["path"]} if entry.get("path") else {}
        reason = changed(source, entry, force)
        if entry and left_out(entry, source) or not reason and not entry.get("waiting"):
            continue
        try:
            owner = sf.Owner(key[1], entry.get("agent", "")) if entry else sf.module(source.format).session_of(
                source, read_head(source.path))
        except OSError as error:
            made.failed[source.path] = error.strerror or str(error)
            continue
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
    made.groups = [Group(*key, tuple(group), paths.get(key, ""), mains[key] <= 1) for key, group in grouped.items()]
    return made


# ---------------------------------------------------------------- reading a session

@dataclass(frozen=True)
class Setting:
    """What reading needs to know; the same for every session of a run."""
    wiki: wl.Wiki
    tools: sf.Tools
    cache: str
    paths: Callable[[], dict[str, list[str]]]      # id8 of a session -> transcripts that may be its own


def read_file(file: File, session: str, tools: sf.Tools, whole: bool) -> tuple[sf.Reading, dict, str]:
    """(what it says, its new state entry, why it was read)."""
    with open(file.source.path, "rb", buffering=0) as handle:
        data = handle.read()
    entry, reason, start, memory = file.entry, file.reason, 0, {}
    view = memoryview(data)
    offset = int(entry.get("offset") or 0)
    seen = digest_of(view[:offset])
    if offset:
        if len(data) < offset or f"{seen:08x}" != entry.get("digest"):
            reason, seen, offset = "rewritten", 0, 0
        elif file.reason == "grown" and not whole:
            start, memory = int(entry.get("restart") or 0), entry.get("memory") or {}
    reading = sf.module(file.source.format).parse(data, start, session, file.agent, tools, memory)
    seen = digest_of(view[offset:reading.end], seen) if reading.end >= offset else digest_of(view[:reading.end])
    new = {"size": file.source.size, "mtime": file.source.mtime, "offset": reading.end, "digest": f"{seen:08x}",
           "session": session}
    if file.agent:
        new["agent"] = file.agent
    base = int(entry.get("before") or 0) if start else 0
    if reading.restart:
        new |= {"restart": reading.restart, "before": base + reading.before}
    if reading.memory or memory:
        new["memory"] = reading.memory or memory
    return reading, new, reason


def digest_of(data: memoryview, seen: int = 0) -> int:
    """CRC-32 over all bytes that were read. It has to notice a file that was rewritten, not withstand an attack, and
    a cryptographic digest would cost half as much as decoding the JSON."""
    return zlib.crc32(data, seen)


def read_group(group: Group, setting: Setting) -> Outcome:
    """Read what changed of one session, join it with the transcript that is there, and render. Pure but for reading."""
    out = Outcome(group)
    old_text = find_transcript(group, setting, out)
    old = wl.parse_conversation(out.path, old_text) if old_text is not None else None
    before = old.read() if old else wl.Transcript()
    readings: list[tuple[File, sf.Reading]] = []
    for file in group.files:
        whole = old is None or (not file.agent and not group.alone)
        try:
            reading, entry, reason = read_file(file, group.session, setting.tools, whole)
        except OSError as error:
            out.failed[file.source.path] = error.strerror or str(error)
            continue
        readings.append((file, reading))
        out.entries[file.source.path] = entry
        out.unknown += reading.unknown
        if reading.broken:
            out.broken[file.source.path] = reading.broken
        if not file.agent or len(group.files) == 1:
            out.reason = reason
    judge(out, readings, setting)
    if out.verdict == "transcript":
        new = transcript_of(group, readings, before)
        whole_thing = settled(wl.merge_transcripts(before, new) if old else new, group.session)
        if not whole_thing.messages:
            out.verdict = "empty" if not whole_thing.agents else "nothing"
            return out
        file_away(out, old, old_text, whole_thing, readings)
    return out


def read_safely(group: Group, setting: Setting) -> Outcome:
    """read_group, or what went wrong: one bad session must not keep the others from being mined."""
    try:
        return read_group(group, setting)
    except Exception as error:
        what = f"could not be read ({type(error).__name__}: {wl.one_line(str(error), 120)})"
        return Outcome(group, "failed", failed={f.source.path: what for f in group.files})


def find_transcript(group: Group, setting: Setting, out: Outcome) -> str | None:
    """The text of the session's transcript, where there is one; it is known by its full session id, not by its name."""
    if not group.known_path and not setting.paths():
        return None
    for path in filter(None, [group.known_path, *setting.paths().get(wl.id8(group.session), ())]):
        text = setting.wiki.text(path)
        if text is not None and is_of(text, group):
            out.path, out.expect = path, wl.sha(text)
            return text
    return None


def is_of(text: str, group: Group) -> bool:
    """Is a transcript that of a group's session? Known by its full id, within one agent."""
    parts = wl.split_frontmatter(text)
    head = "\n" + parts[0] if parts else ""
    agent = sf.module(group.format).NAME
    return f"\nagent: {agent}\n" in head and str((wl.load_yaml(m[0]) or {}).get("session_id") if (
        m := re.search(r"^session_id: .*$", head, re.M)) else "") == group.session


def judge(out: Outcome, readings: list[tuple[File, sf.Reading]], setting: Setting) -> None:
    """Set the facts and the verdict: is there anything, and is it a session of our own model calls?"""
    mains = [r for f, r in readings if not f.agent]
    for reading in mains or [r for _, r in readings]:
        out.cwd, out.entrypoint = out.cwd or reading.cwd, out.entrypoint or reading.entrypoint
    first = next((d.text for r in mains for d in r.main if d.role == "user"), "")
    if out.cwd and (out.cwd + "/").startswith(setting.cache + "/") or wl.QUESTION_MARK in first:
        out.verdict = "own"
    elif out.path or any(r.main for r in mains):
        out.verdict = "transcript"
    elif readings and not any(any(r.agents.values()) for _, r in readings):
        out.verdict = "empty"
    elif all(f.agent for f, _ in readings):
        out.verdict = "waiting"
    for path, entry in out.entries.items():
        if out.verdict == "own":
            entry["own"] = True
        entry |= {"cwd": out.cwd} if out.cwd else {}
        entry |= {"entrypoint": out.entrypoint} if out.entrypoint.startswith("sdk") or out.entrypoint == "exec" else {}
        out.entries[path] = entry


# ---------------------------------------------------------------- messages

def transcript_of(group: Group, readings: list[tuple[File, sf.Reading]], before: wl.Transcript) -> wl.Transcript:
    """The messages of the readings, clean of secrets and each with its id."""
    clean_drafts([d for _, r in readings for line in (r.main, *r.agents.values()) for d in line])
    main: tuple[wl.Message | wl.Shared, ...] = ()
    agents: dict[str, wl.Agent] = {}
    titles: dict[str, str] = {}
    for file, reading in readings:
        titles |= reading.agent_titles
        if file.agent and not titles.get(file.agent):
            titles[file.agent] = sf.module(file.source.format).agent_title(file.source)
    for file, reading in readings:
        if not file.agent:
            said = before.messages[: int(file.entry.get("before") or 0)] if reading.start else ()
            messages = with_ids(reading.main, group.session, said)
            main = wl.merge_messages(main, messages) if main else messages
        for ident, drafts in reading.agents.items():
            if drafts:
                agent = wl.Agent(agent_name(ident), titles.get(ident, ""), with_ids(drafts, ident, ()))
                was = agents.get(agent.id)
                agents[agent.id] = agent if was is None else replace(
                    agent, messages=wl.merge_messages(was.messages, agent.messages))
    for known in before.agents:
        if known.id not in agents and len(titles.get(known.id, "")) > len(known.title):
            agents[known.id] = wl.Agent(known.id, titles[known.id])
    if before.messages or before.agents:
        main = known_as(main, before.messages)
        lines = {a.id: a.messages for a in before.agents}
        agents = {i: replace(a, messages=known_as(a.messages, lines.get(i, ()))) for i, a in agents.items()}
    titled = [replace(a, title=wl.redact(wl.verbatim(wl.one_line(a.title, 120)))[0]) for a in agents.values()]
    return wl.Transcript(main, tuple(sorted(titled, key=lambda a: a.id)))


def known_as(messages: Sequence[Any], before: Sequence[Any]) -> tuple[Any, ...]:
    """The messages under the ids by which the transcript knows them: twelve digits where eight were not enough."""
    long = {m.id for m in before if isinstance(m, wl.Message) and len(m.id) == 12}
    return tuple(replace(m, id=i) if long and (i := wl.id8(m.id, 12)) in long else m for m in messages)


def agent_name(ident: str) -> str:
    return re.sub(r"\s+", "-", wl.verbatim(ident)) or "agent"


def clean_drafts(drafts: list[sf.Draft]) -> None:
    """Make every text fit for a file and free of secrets, in place: one pass over all of them, since nearly all are clean."""
    slots: list[tuple[Any, str]] = []
    texts: list[str] = []
    for draft in drafts:
        slots.append((draft, "text"))
        texts.append(draft.text)
        for call in draft.calls:
            slots.append((call, "argument"))
            texts.append(call.argument)
            if call.output:
                slots.append((call, "output"))
                texts.append(call.output)
    if any_odd(texts):
        texts = [wl.verbatim(t) for t in texts]
        for (owner, name), text in zip(slots, texts, strict=True):
            setattr(owner, name, text)
    for (owner, name), was, (text, counts) in zip(slots, texts, wl.redact_many(texts), strict=True):
        if counts and text is not was:
            setattr(owner, name, text)


def any_odd(texts: list[str]) -> bool:
    """True where wl.verbatim() would change one of the texts: control characters, lone surrogates."""
    try:
        data = "\n".join(texts).encode()
    except UnicodeEncodeError:
        return True
    return len(data.translate(None, CONTROLS)) != len(data)


CONTROLS = bytes(b for b in range(32) if b not in b"\t\n")


def with_ids(drafts: list[sf.Draft], session: str, said: Sequence[wl.Message | wl.Shared]) -> tuple[wl.Message, ...]:
    """Messages from drafts. One whose record has no id gets one from its words and from how often they were said before;
    `said`: the messages before these, as the transcript has them."""
    count: Counter = Counter()
    if said and any(not d.id for d in drafts):
        for m in said:
            if isinstance(m, wl.Message):
                key = (m.role, sf.normalised(m.text))
                count[key] += m.id == wl.id8(sf.weak_id(session, *key, count[key]))
    messages = []
    for d in drafts:
        ident = d.id
        if not ident:
            key = (d.role, sf.normalised(d.text))
            ident = sf.weak_id(session, *key, count[key])
            count[key] += 1
        tools = tuple([wl.tool_block(c.name, c.argument, c.output) for c in d.calls]) if d.calls else ()
        messages.append(wl.Message(ident, d.role, shown_time(d.at), d.text, tools))
    return tuple(messages)


def shown_time(at: str) -> str:
    """'2026-04-12T09:13:05.123Z' as '2026-04-12 09:13'; '' for what is no time."""
    return f"{at[:10]} {at[11:16]}" if len(at) >= 16 and at[10] == "T" and at[:4].isdigit() else ""


def settled(transcript: wl.Transcript, session: str) -> wl.Transcript:
    """Leave out a queued prompt whose delivery, later and with an id of its own, says the same words."""
    if not any(isinstance(m, wl.Message) and m.role == "user" for m in transcript.messages):
        return transcript
    alike: dict[str, list[wl.Message]] = {}
    for m in transcript.messages:
        if isinstance(m, wl.Message) and m.role == "user":
            alike.setdefault(sf.normalised(m.text), []).append(m)
    gone: set[str] = set()
    for words, messages in alike.items():
        if len(messages) < 2:
            continue
        weak = {wl.id8(sf.weak_id(session, "user", words, n)) for n in range(len(messages))}
        queued: list[str] = []
        for m in messages:
            if short(m.id) in weak:
                queued.append(m.id)
            elif queued:
                gone.add(queued.pop(0))
    return replace(transcript, messages=tuple(m for m in transcript.messages if getattr(m, "id", "") not in gone)
                   ) if gone else transcript


def short(ident: str) -> str:
    return ident if len(ident) in (8, 12) else wl.id8(ident)


# ---------------------------------------------------------------- the file

def file_away(out: Outcome, old: wl.Conversation | None, old_text: str | None, transcript: wl.Transcript,
              readings: list[tuple[File, sf.Reading]]) -> None:
    """Fill in what the transcript's file will hold."""
    mains = [r for f, r in readings if not f.agent]
    was = old.meta if old else {}
    times = sorted(t for r in mains for d in r.main if (t := utc_second(d.at)))
    fallback = next((t for r in mains if (t := utc_second(r.first_time))), "")
    started = min(filter(None, [str(was.get("started") or ""), *times[:1]]), default=fallback)
    ended = max([str(was.get("ended") or ""), *times[-1:]]) or fallback
    later = not was or not times or times[-1] >= str(was.get("ended") or "")
    out.body = wl.render_transcript(transcript)
    said = transcript.said
    out.first_prompt = next((m.text for m in said if m.role == "user"), "")
    out.day = next((m.time[:10] for m in said if m.time), started[:10] or "1970-01-01")
    title = next((t for r in mains if (t := r.title)), "") if later else ""
    title = title or str(was.get("title") or "") or out.first_prompt.strip().split("\n", 1)[0] or "Session"
    models = list(dict.fromkeys([*wl.as_list(was.get("models")), *(m for r in mains for m in r.models)]))
    branch = next((r.branch for r in reversed(mains) if r.branch), "") if later else ""
    out.meta = {**was, **{k: v for k, v in {
        "title": wl.redact(wl.verbatim(wl.one_line(title, 200)))[0],
        "session_id": out.group.session,
        "agent": sf.module(out.group.format).NAME,
        "date": max([str(was.get("date") or ""), last_day(mains)]) or out.day,
        "started": started,
        "ended": ended,
        "messages": sum(bool(m.text) for m in said),
        "models": [wl.verbatim(m) for m in models],
        "branch": wl.redact(wl.verbatim(branch))[0] or was.get("branch"),
        "forked_from": was.get("forked_from") or next((r.forked_from for r in mains if r.forked_from), ""),
        "redactor": wl.REDACTOR_VERSION,
        "redactions": redactions(out.body),
        "status": was.get("status") or "extracted",
    }.items() if v or k == "messages"}}
    if old is not None and old_text is not None:
        parts = wl.split_frontmatter(old_text)
        head = (parts[1] if parts else old_text).partition("\n## Transcript\n")[0]
        out.summary_block = head.partition("\n")[2] if head.startswith("# ") else head


def utc_second(at: str) -> str:
    """An ISO time as UTC seconds, '2026-04-12T09:13:05Z'; '' for what is no time."""
    if len(at) >= 19 and at.endswith("Z") and at[10] == "T":
        return at[:19] + "Z"
    if not at:
        return ""
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return ""
    return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def last_day(mains: list[sf.Reading]) -> str:
    """The day, in wiki.yaml's timezone, of the last human message (of the last message where no person spoke)."""
    drafts = [d for r in mains for d in r.main]
    at = next((t for d in reversed(drafts) if d.role == "user" and (t := utc_second(d.at))), "") or next(
        (t for d in reversed(drafts) if (t := utc_second(d.at))), "")
    if not at or wl.timezone() is UTC:
        return at[:10]
    return datetime.fromisoformat(at).astimezone(wl.timezone()).date().isoformat()


def redactions(body: str) -> dict[str, int]:
    """How many secrets of each kind were taken out, counted from the placeholders, so that it depends on nothing else."""
    return dict(sorted(Counter(re.findall(r"\[REDACTED:([a-z0-9-]+)\]", body)).items())) if "[REDACTED:" in body else {}


# ---------------------------------------------------------------- many at once

def read_all(groups: list[Group], setting: Setting, before_reading: Callable[[], Any], early: int) -> list[Outcome]:
    """read_safely of each, half of it in a second process where that is worth it; `before_reading` runs in this one, as
    heavy as `early` bytes of sessions."""
    mine, other = halves(groups, early) if sum(g.size for g in groups) >= WORTH_A_FORK and cores() > 1 else (groups, [])
    child = Child(other, setting) if other else None
    before_reading()
    done = [read_safely(g, setting) for g in mine]
    if child:
        # A child that fell over (memory, a signal) costs time, not sessions.
        done += child.outcomes() or [read_safely(g, setting) for g in other]
    return done


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def halves(groups: list[Group], early: int) -> tuple[list[Group], list[Group]]:
    """Two lists of about the same number of bytes; the first one has `early` bytes to do already."""
    loads, lists = [early, 0], ([], [])
    for group in sorted(groups, key=lambda g: -g.size):
        side = loads.index(min(loads))
        lists[side].append(group)
        loads[side] += group.size + 10_000      # opening and rendering a file costs something, however small it is
    return lists


class Child:
    """A forked process that reads groups and sends the outcomes back through a pipe."""

    def __init__(self, groups: list[Group], setting: Setting):
        sys.stdout.flush()
        self.pipe, end = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(end)
            return
        code = 1
        try:
            import pickle
            os.close(self.pipe)
            with open(end, "wb") as out:
                pickle.dump([read_safely(g, setting) for g in groups], out, 5)
            code = 0
        finally:
            os._exit(code)

    def outcomes(self) -> list[Outcome] | None:
        """What the child found, None when it did not finish."""
        import pickle
        with open(self.pipe, "rb") as file:
            data = file.read()
        _, status = os.waitpid(self.pid, 0)
        return pickle.loads(data) if status == 0 else None


def batches(groups: list[Group]) -> list[list[Group]]:
    """Groups in lists of at most BATCH_BYTES (a larger session alone), so that memory stays bounded."""
    lists: list[list[Group]] = [[]]
    load = 0
    for group in groups:
        if lists[-1] and load + group.size > BATCH_BYTES:
            lists.append([])
            load = 0
        lists[-1].append(group)
        load += group.size
    return lists


# ---------------------------------------------------------------- the run

@dataclass
class Run:
    """One run: what it was asked, what it knows, what came of it."""
    wiki: wl.Wiki
    state: dict[str, dict]
    wings: Wings
    setting: Setting
    project: str = ""
    exclude: tuple[str, ...] = ()
    headless: bool = True
    tally: Counter = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)         # path -> what went wrong
    mended: set[str] = field(default_factory=set)                # paths read without trouble
    failures: int = 0
    taken: set[str] = field(default_factory=set)                 # names given to transcripts in this run

    def left_out(self, known: dict, source: sf.Source) -> bool:
        """True for a session that is not to be mined: ours, excluded, headless, or of another wing than --project."""
        if known.get("own"):
            return True
        cwd, wing = known.get("cwd", ""), known.get("wing", "")
        if not cwd and not wing:
            return False
        wing = wing or self.wings.of(cwd, source.project)
        return (bool(self.project) and wl.slug(self.project) != wing
                or any(matches(cwd, p) or p == wing for p in self.exclude)
                or not self.headless and "entrypoint" in known)

    def edits(self, outcomes: list[Outcome]) -> Iterable[wl.Write]:
        """The transcripts to write; notes the failures and fills in the state."""
        self.wings.learn(o.cwd for o in outcomes if not o.path and o.cwd)
        for out in outcomes:
            wing = out.meta.get("wing") or (self.wings.of(out.cwd, out.group.files[0].source.project))
            for path, entry in out.entries.items():
                source = next(f.source for f in out.group.files if f.source.path == path)
                if not out.verdict == "own":
                    entry["wing"] = wing
                if self.left_out(entry, source):
                    self.state[path] = {k: v for k, v in entry.items() if k in KEPT_OF_LEFT_OUT}
                    out.verdict = "own" if out.verdict == "own" else "left out"
            self.tally[out.verdict] += 1
            self.note_trouble(out)
            if out.verdict == "transcript":
                yield self.write(out, wing)

    def write(self, out: Outcome, wing: str) -> wl.Write:
        path = out.path or self.free_path(wl.conversation_path(wing, out.day, out.first_prompt, out.group.session), out)
        meta = {**out.meta, "wing": wing, "machine": out.meta.get("machine") or self.wiki.machine}
        for source, entry in out.entries.items():
            self.state[source] = {**entry, "path": path}
        why = f"{meta['messages']} messages, {out.reason}"
        return wl.Write(path=path, text=wl.render_conversation(meta, out.summary_block, out.body), why=why, expect=out.expect)

    def free_path(self, path: str, out: Outcome) -> str:
        """The path, with four digits more of the session's id where another session has it."""
        if path in self.taken or (self.wiki.root / path).exists():
            ident = out.group.session
            path = path.removesuffix(f"-{wl.id8(ident)}.md") + f"-{wl.id8(ident, 12)}.md"
        self.taken.add(path)
        return path

    def note_trouble(self, out: Outcome) -> None:
        for path, what in out.failed.items():
            self.errors[path] = what
            self.failures += 1
        for path, entry in out.entries.items():
            lines, size = out.broken.get(path, 0), entry["size"]
            if out.verdict == "empty" and size > TELLTALE_SIZE:
                # Its cursor stays: the next run, which may know the format, reads it again.
                self.state.pop(path, None)
                self.errors[path] = f"{size} bytes and not one message; is it a session of {out.group.format}?"
                self.failures += 1
            elif lines:
                self.errors[path] = f"{lines} broken {'line' if lines == 1 else 'lines'}; the rest was read"
            else:
                self.mended.add(path)
            if out.verdict == "nothing" or out.verdict == "empty" and size <= TELLTALE_SIZE:
                self.state[path] = entry
            elif out.verdict == "waiting":
                self.wait(next(f for f in out.group.files if f.source.path == path))

    def wait(self, file: File) -> None:
        """Remember a subagent's file whose session is not here."""
        self.state[file.source.path] = {"size": file.source.size, "mtime": file.source.mtime, "session": file.session,
                                        "agent": file.agent, "waiting": True}

    def report(self) -> list[wl.Edit]:
        """The edit that brings reports/mine-errors.md up to date: a line a file, gone when it could be read."""
        old = self.wiki.text(ERRORS) or ""
        lines = {m[1]: line for line in old.splitlines() if (m := re.match(r"- extract: `(.*)`: ", line))}
        kept = {p: line for p, line in lines.items() if p not in self.mended and os.path.exists(p)}
        kept |= {p: f"- extract: `{p}`: {what}" for p, what in self.errors.items()}
        others = [line for line in old.splitlines() if line.startswith("- ") and not line.startswith("- extract: ")]
        if not kept and not others:
            return [wl.Remove(ERRORS, "nothing is wrong any more")] if old else []
        text = "# What could not be mined\n\n" + "\n".join([*(kept[p] for p in sorted(kept)), *others]) + "\n"
        for path in self.errors:
            if kept[path] != lines.get(path):
                wl.note(f"{path}: {self.errors[path]}")
        return [wl.Write(path=ERRORS, text=wl.redact(text)[0], why=f"{len(kept)} to look at")] if text != old else []


KEPT_OF_LEFT_OUT = ("size", "mtime", "session", "agent", "cwd", "wing", "own", "entrypoint")


def load_state(wiki: wl.Wiki) -> dict[str, dict]:
    """.mine-state.json; what does not parse counts as lost, which costs time and nothing else."""
    try:
        state = orjson.loads((wiki.root / STATE).read_bytes())
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in state.items() if isinstance(v, dict)} if isinstance(state, dict) else {}


def save_state(wiki: wl.Wiki, state: dict[str, dict]) -> None:
    wl.atomic_write(wiki.root / STATE, orjson.dumps(state, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode())


def known_transcripts(wiki: wl.Wiki) -> dict[str, list[str]]:
    """{id8: transcripts whose name ends so}; read only where the state does not know a session's transcript."""
    found: dict[str, list[str]] = {}
    root = wiki.root / "conversations"
    for wing in sorted(os.listdir(root)) if root.is_dir() else ():
        for name in sorted(os.listdir(root / wing)) if (root / wing).is_dir() else ():
            if m := re.search(r"-[0-9a-f]{0,4}([0-9a-f]{8})\.md$", name):
                found.setdefault(m[1], []).append(f"conversations/{wing}/{name}")
    return found


def options() -> Any:
    parser = wl.parser(__doc__)
    parser.add_argument("--transcript", metavar="PATH", help="only this session file, of either agent")
    parser.add_argument("--sessions", metavar="DIR", action="append", default=[],
                        help="sessions from DIR instead of the agents' own folders; may be repeated")
    parser.add_argument("--project", metavar="CODE", default="", help="only sessions of this wing")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written and why; write nothing")
    parser.add_argument("--force", action="store_true", help="read everything again from the start")
    return parser.parse_args()


def main() -> int:
    args = options()
    wl.dry_run(args.dry_run)
    with wl.run_lock():
        return extract(args)


def extract(args: Any) -> int:
    settings = wl.config()
    if settings.get("paused"):
        wl.note("paused: true in wiki.yaml; nothing was mined")
        return 0
    # Many small values live until the end: looking for garbage among them is time lost.
    gc.disable()
    sources = single_source(args.transcript) if args.transcript else find_sources(
        [p for folder in args.sessions for p in named_folders(folder)] or default_folders())
    if not sources:
        wl.note("no sessions were found; try it on the examples: extract-sessions.py --sessions examples/sessions")
    wiki = wl.Wiki()
    run = begin(wiki, args.project, settings)
    made = plan(sources, run.state, args.force, run.left_out, lambda session: wl.id8(session) in run.setting.paths())
    run.errors |= made.failed
    run.failures += len(made.failed)
    for file in made.waiting:
        run.wait(file)
    read_and_write(run, made.groups, save=bool(made.waiting))
    wiki.apply(run.report(), quiet=not args.dry_run)
    for file in made.waiting if args.dry_run else ():
        wl.say(f"would wait for the session of {file.source.path}")
    tell(run, len(sources), len(made.waiting))
    return wl.EXIT_FAILED if run.failures else 0


def read_and_write(run: Run, groups: list[Group], save: bool) -> None:
    """Read the groups batch by batch, write their transcripts, then remember that it was done."""
    wiki, dry = run.wiki, wl.wiki_disk.DRY_RUN
    fresh = not wiki.root.exists() or not any(wiki.root.iterdir())
    for number, batch in enumerate(batches(groups)):
        begin = wiki.init if not number else lambda: None
        outcomes = read_all(batch, run.setting, begin, INIT_BYTES if fresh and not number else 0)
        wiki.apply(run.edits(outcomes))
        # Pages first, then the memory of them: a crash in between repeats work and loses none.
        if not dry and (batch or save):
            if run.wings.new:
                wiki.save_state(WINGS_STATE, run.wings.memory())
            save_state(wiki, run.state)


def begin(wiki: wl.Wiki, project: str, settings: dict[str, Any]) -> Run:
    seams = wl.seams("extract-sessions", {
        "PROJECT_MAP": PROJECT_MAP, "KEEP_FULL_OUTPUT_TOOLS": KEEP_FULL_OUTPUT_TOOLS, "SUMMARIZE_TOOLS": SUMMARIZE_TOOLS,
        "MAX_BASH_OUTPUT_LINES": MAX_BASH_OUTPUT_LINES})
    tools = sf.Tools(frozenset(seams["KEEP_FULL_OUTPUT_TOOLS"] or ()), frozenset(seams["SUMMARIZE_TOOLS"] or ()),
                     int(seams["MAX_BASH_OUTPUT_LINES"]))
    wings = Wings(seams["PROJECT_MAP"] or {}, wiki.state(WINGS_STATE))
    setting = Setting(wiki, tools, str(wl.cache_dir()), functools.cache(lambda: known_transcripts(wiki)))
    return Run(wiki, load_state(wiki), wings, setting, project, tuple(wl.as_list(settings.get("exclude"))),
               settings.get("mine_headless") is not False)


def tell(run: Run, seen: int, waiting: int) -> None:
    """The closing line for a person at a terminal."""
    parts = [f"{run.tally['transcript']} sessions read", f"{seen} files seen"]
    parts += [f"{n} {word}" for word, n in (("left out", run.tally["left out"]), ("of our own", run.tally["own"]),
                                            ("waiting for their session", waiting), ("failed", run.failures)) if n]
    wl.note(f"extract: {', '.join(parts)}")


if __name__ == "__main__":
    wl.run(main)
