"""One session: its files read, joined with the transcript that is there, and rendered.

Between the formats (what records say) and session_mining (which files, in what order, what is remembered). Reads
files and writes none, so that it can run in a second process; what it decides comes back as an Outcome.
"""
from __future__ import annotations

import wiki_lib as wl

import functools
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import session_formats as sf
import session_lineage
import session_marks

PART_CHARACTERS = 10_000_000     # of a transcript; then it continues in -<id8>.2.md
CONTROLS = bytes(b for b in range(32) if b not in b"\t\n")      # with lone surrogates, what wl.verbatim() changes


# ---------------------------------------------------------------- what travels

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
    titles: dict[str, str] = field(default_factory=dict)      # what the session called its subagents when it was read before

    @property
    def size(self) -> int:
        return sum(f.source.size for f in self.files)


@dataclass(frozen=True)
class Setting:
    """What reading needs to know; the same for every session of a run."""
    wiki: wl.Wiki
    tools: sf.Tools
    cache: str
    paths: Callable[[], dict[str, list[str]]]      # id8 of a session -> transcripts that may be its own
    ours: Callable[[], frozenset[str]] = frozenset      # ids of sessions that our own model calls are known to have left


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
    parts: Any = field(default_factory=list)      # the rendered transcript, a text for each file (session_large: read late)
    day: str = ""
    first_prompt: str = ""
    cwd: str = ""
    remote: str = ""                              # of its repository, where the agent wrote it down
    entrypoint: str = ""
    entries: dict[str, dict] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    unknown: Counter = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------- reading a session

def read_file(file: File, session: str, tools: sf.Tools, whole: bool) -> tuple[sf.Reading, dict, str]:
    """(what it says, its new state entry, why it was read)."""
    with open(file.source.path, "rb", buffering=0) as handle:
        data = handle.read()
    view = memoryview(data)
    offset = int(file.entry.get("offset") or 0)
    seen = digest_of(view[:offset])
    begin = where_to_begin(file, len(data), f"{seen:08x}", whole)
    if begin.reason == "rewritten":
        seen, offset = 0, 0
    reading = sf.module(file.source.format).parse(data, begin.start, session, file.agent, tools, begin.memory)
    seen = digest_of(view[offset:reading.end], seen) if reading.end >= offset else digest_of(view[:reading.end])
    return reading, entry_of(file, session, reading, begin, f"{seen:08x}"), begin.reason


@dataclass(frozen=True)
class Begin:
    """Where reading a file begins, why it is read, and what its format must be given there."""
    reason: str
    start: int = 0
    memory: dict[str, Any] = field(default_factory=lambda: {"read_to": 0})


def where_to_begin(file: File, size: int, digest: str, whole: bool) -> Begin:
    """`size` and `digest`: of the file as it is, the digest of the bytes that were read before."""
    entry, offset = file.entry, int(file.entry.get("offset") or 0)
    if offset and (size < offset or digest != entry.get("digest")):
        return Begin("rewritten")
    if not offset or file.reason != "grown" or whole:
        return Begin(file.reason)
    start = int(entry.get("restart") or 0)
    return Begin(file.reason, start, {**(entry.get("memory") or {}), "read_to": offset if start else 0})


def entry_of(file: File, session: str, reading: sf.Reading, begin: Begin, digest: str) -> dict[str, Any]:
    """What the state will keep of a file that was read."""
    entry, start, format = file.entry, begin.start, sf.module(file.source.format)
    memory = {k: v for k, v in begin.memory.items() if k != "read_to"}
    new = {"size": file.source.size, "mtime": file.source.mtime, "offset": reading.end, "digest": digest, "session": session}
    if file.agent:
        new["agent"] = file.agent
    base = int(entry.get("before") or 0) if start else 0
    if reading.restart:
        new |= {"restart": reading.restart, "before": base + reading.before}
    if reading.memory or memory:
        new["memory"] = reading.memory or memory
    titles = (entry.get("titles") or {} if start else {}) | {
        wl.redact_name(agent): sf.brief(title, 120) for agent, title in reading.agent_titles.items() if title}
    if titles:
        new["titles"] = titles
    for what in (f"place: {format.place(file.source.path)}", *(["shape: rewritten"] if begin.reason == "rewritten" else [])):
        if not format.knows(what):
            reading.odd(what)
    new |= counted(reading, entry if start else {}) | ({"format": file.source.format} if file.source.format == "codex" else {})
    return new


def counted(reading: sf.Reading, before: dict) -> dict[str, Any]:
    """What the state keeps of the kinds of record there were, with what it kept before: {"records": {version: n}} and, where
    there was anything that no table knows, {"strange": {version: {name: n}}}."""
    was, odd = before.get("records"), before.get("strange")
    records = Counter(was if isinstance(was, dict) else {})
    strange = {v: Counter(n) for v, n in odd.items() if isinstance(n, dict)} if isinstance(odd, dict) else {}
    records.update(reading.records)
    for version, names in reading.strange.items():
        strange.setdefault(version, Counter()).update({clean_word(name): n for name, n in names.items()})
    kept = {clean_word(version)[:40]: n for version, n in records.items()}
    return {"records": kept} | ({"strange": {clean_word(v)[:40]: dict(n) for v, n in strange.items()}} if strange else {})


def digest_of(data: memoryview, seen: int = 0) -> int:
    """CRC-32 over all bytes that were read. It has to notice a file that was rewritten, not withstand an attack, and
    a cryptographic digest would cost half as much as decoding the JSON."""
    return zlib.crc32(data, seen)


def read_group(group: Group, setting: Setting, all_read: bool = False) -> Outcome:
    """Read what changed of one session (or all of it), join it with the transcript that is there, and render. Pure but for
    reading."""
    out = Outcome(group)
    old_text = find_transcript(group, setting, out)
    old = wl.parse_conversation(out.path, old_text) if old_text is not None else None
    before = unfolded(wl.parse_transcript(whole_text(setting.wiki, old)), setting) if old else wl.Transcript()
    readings: list[tuple[File, sf.Reading]] = []
    for file in group.files:
        whole = all_read or old is None or (not file.agent and not group.alone)
        try:
            reading, entry, reason = read_file(file, group.session, setting.tools, whole)
        except OSError as error:
            out.failed[file.source.path] = error.strerror or str(error)
            continue
        readings.append((file, reading))
        take_in(out, file, reading, entry, reason)
    judge(out, readings, setting)
    note_kin(out, readings)
    if out.verdict == "transcript":
        new = transcript_of(group, readings, before)
        if not all_read and wl.in_doubt(before, new):      # two ids that end alike: only the whole file tells which is which
            return read_group(group, setting, all_read=True)
        before, new, renamed = wl.told_apart(before, new)
        whole_thing = settled(wl.merge_transcripts(before, new) if old else new, group)
        if not whole_thing.messages:
            out.verdict = "empty" if not whole_thing.agents else "nothing"
            return out
        file_away(out, old, old_text, whole_thing, readings)
        out.summary_block = cited_anew(out.summary_block, renamed)
    return out


def take_in(out: Outcome, file: File, reading: sf.Reading, entry: dict[str, Any], reason: str) -> None:
    """Note of a file that was read what concerns the file alone."""
    out.entries[file.source.path] = entry
    out.unknown += Counter({clean_word(kind): n for kind, n in reading.unknown.items()})
    if reading.broken:
        out.broken[file.source.path] = reading.broken
    if not file.agent or len(out.group.files) == 1:
        out.reason = reason


def note_kin(out: Outcome, readings: list[tuple[File, sf.Reading]]) -> None:
    """Remember of a session's files what tells where it came from."""
    for file, reading in readings:
        if not file.agent:
            first = next((d.id for d in reading.main if d.id), "") if not reading.start else ""
            first = wl.id8(first) if _UUID.fullmatch(first) else file.entry.get("first", "") if reading.start else ""
            named = wl.redact_name(reading.forked_from) or (file.entry.get("from", "") if reading.start else "")
            out.entries[file.source.path] |= {k: v for k, v in (("first", first), ("from", named)) if v}


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


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


def part_path(path: str, number: int) -> str:
    """The file of a transcript's part: the path itself, then .2.md, .3.md ..."""
    return path if number == 1 else f"{path.removesuffix('.md')}.{number}.md"


def whole_text(wiki: wl.Wiki, first: wl.Conversation) -> str:
    """The transcript's text from all its files."""
    texts = [first.transcript or ""]
    while (text := wiki.text(part_path(first.path, len(texts) + 1))) is not None:
        texts.append(wl.parse_conversation(first.path, text).transcript or "")
    return "\n".join(texts)


def unfolded(transcript: wl.Transcript, setting: Setting) -> wl.Transcript:
    """A fork's transcript with the messages that stand in other ones, as far as those are there."""
    owners = {m.parent for m in transcript.messages if isinstance(m, wl.Shared)}
    if not owners:
        return transcript
    lines = {owner: [read_transcript(setting.wiki, path).said for path in setting.paths().get(owner[-8:], ())] for owner in owners}
    return session_lineage.unfolded(transcript, lines)


def read_transcript(wiki: wl.Wiki, path: str) -> wl.Transcript:
    """What all files of a transcript hold; an empty one where there is none."""
    text = wiki.text(path)
    return wl.parse_transcript(whole_text(wiki, wl.parse_conversation(path, text))) if text is not None else wl.Transcript()


def standing(wiki: wl.Wiki, path: str, session: str) -> Outcome:
    """A transcript as it stands, as an Outcome that would write it so."""
    text = wiki.text(path) or ""
    known = wl.parse_conversation(path, text)
    return Outcome(Group("", session, (), path), "transcript", "shares its beginning", path, wl.sha(text), dict(known.meta),
                   summary_block_of(text), cut_in_parts(whole_text(wiki, known)))


def refiled(out: Outcome, transcript: wl.Transcript) -> None:
    """Fill in anew what follows from the messages, where they are others than those that were read."""
    body = wl.render_transcript(transcript)
    out.parts = cut_in_parts(body)
    out.meta["messages"] = sum(bool(m.text) for m in transcript.said)
    out.meta = {k: v for k, v in out.meta.items() if k != "redactions"} | ({"redactions": r} if (r := redactions(body)) else {})


def cut_in_parts(body: str) -> list[str]:
    """A rendered transcript in parts of about PART_CHARACTERS, cut before a message; joined by a newline they are it again."""
    parts = []
    boundary = re.compile(r"\n(?=### (?:(?:User|Assistant|Task) ·|Agent) )")
    while len(body) > PART_CHARACTERS and (m := boundary.search(body, PART_CHARACTERS)):
        parts.append(body[:m.start()])
        body = body[m.end():]
    return [*parts, body]


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
    for file, reading in [(f, r) for f, r in readings if not f.agent] or readings:
        # A session belongs to the folder it began in: what is read later may name another.
        began = str(file.entry.get("cwd") or "") if reading.start else ""
        out.cwd, out.entrypoint = out.cwd or began or reading.cwd, out.entrypoint or reading.entrypoint
        out.remote = out.remote or reading.remote
    first = [next((d.text for d in r.main if d.role == "user"), "") for r in mains if not r.start]
    sessions = [out.group.session, *(r.forked_from for r in mains)]
    if session_marks.mark_of(sessions, out.cwd, first, setting.ours, setting.cache):
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
        entry |= {"cwd": wl.redact_name(out.cwd)} if out.cwd else {}
        entry |= {"entrypoint": out.entrypoint} if out.entrypoint.startswith("sdk") or out.entrypoint == "exec" else {}
        out.entries[path] = entry


# ---------------------------------------------------------------- messages

def transcript_of(group: Group, readings: list[tuple[File, sf.Reading]], before: wl.Transcript) -> wl.Transcript:
    """The messages of the readings, clean of secrets and each with its id."""
    clean_drafts([d for _, r in readings for line in (r.main, *r.agents.values()) for d in line])
    lines = {a.id: a.messages for a in before.agents}
    main: tuple[wl.Message | wl.Shared, ...] = ()
    agents: dict[str, wl.Agent] = {}
    titles: dict[str, str] = dict(group.titles)
    for file, reading in readings:
        titles |= reading.agent_titles
        if file.agent and not titles.get(file.agent):
            titles[file.agent] = sf.module(file.source.format).agent_title(file.source)
    for file, reading in readings:
        start = int(file.entry.get("before") or 0) if reading.start else 0
        if not file.agent:
            messages = with_ids(reading.main, group.session, before.messages, start)
            main = wl.merge_messages(main, messages) if main else messages
        for ident, drafts in reading.agents.items():
            if drafts:
                name = agent_name(ident)
                agent = wl.Agent(name, titles.get(ident, ""), with_ids(
                    drafts, ident, lines.get(name, ()), start if ident == file.agent else 0))
                was = agents.get(name)
                agents[name] = agent if was is None else replace(
                    agent, messages=wl.merge_messages(was.messages, agent.messages))
    for known in before.agents:
        if known.id not in agents and len(titles.get(known.id, "")) > len(known.title):
            agents[known.id] = wl.Agent(known.id, titles[known.id])
    titled = [replace(a, title=wl.verbatim(sf.brief(a.title, 120))) for a in agents.values()]
    return wl.Transcript(main, tuple(sorted(titled, key=lambda a: a.id)))


def cited_anew(block: str, renamed: dict[str, str]) -> str:
    """A summary block whose citations name the messages by the ids they have now."""
    return re.sub(r"#([0-9a-f]{8})(?=[\s,\]])", lambda m: "#" + renamed.get(m[1], m[1]), block) if renamed else block


def agent_name(ident: str) -> str:
    return re.sub(r"\s+", "-", wl.verbatim(wl.redact_name(ident))) or "agent"


def clean_drafts(drafts: list[sf.Draft]) -> None:
    """Make every text fit for a file and free of secrets, in place: one pass over all of them, since nearly all are clean."""
    slots: list[tuple[Any, str]] = []
    texts: list[str] = []
    for draft in drafts:
        slots.append((draft, "text"))
        texts.append(draft.text)
        for call in draft.calls:
            call.name = clean_word(call.name)
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


@functools.cache
def clean_word(word: str) -> str:
    """A tool's name, a record's type: few different ones, so each is looked at once."""
    return wl.redact(word)[0]


def any_odd(texts: list[str]) -> bool:
    """True where wl.verbatim() would change one of the texts: control characters, lone surrogates."""
    try:
        data = "\n".join(texts).encode()
    except UnicodeEncodeError:
        return True
    return len(data.translate(None, CONTROLS)) != len(data)


def with_ids(drafts: list[sf.Draft], session: str, known: Sequence[wl.Message | wl.Shared] = (), start: int = 0
             ) -> tuple[wl.Message, ...]:
    """Messages from drafts. `known`: the line as the transcript has it, `start` of which come before these drafts.

    One whose record has no id takes the id under which its words stand in the transcript already (newer rules may have
    changed the words since the id was made of them), else one made of its words and of how often they were said before."""
    idents = [d.id for d in drafts] if all([d.id for d in drafts]) else ids_by_words(drafts, session, known, start)
    return tuple([
        wl.Message(ident, d.role, shown_time(d.at), d.text,
                   tuple([wl.tool_block(c.name, c.argument, c.output) for c in d.calls]) if d.calls else ())
        for ident, d in zip(idents, drafts, strict=True)])


def ids_by_words(drafts: list[sf.Draft], session: str, known: Sequence[wl.Message | wl.Shared], start: int) -> list[str]:
    count: Counter = Counter()
    for m in known[:start]:
        if isinstance(m, wl.Message):
            key = (m.role, sf.normalised(m.text))
            count[key] += m.id in short_forms(sf.weak_id(session, *key, count[key]))
    named = {wl.short(d.id)[-8:] for d in drafts if d.id}
    standing: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for m in known[start:]:
        if isinstance(m, wl.Message) and wl.short(m.id)[-8:] not in named and (
                not sf.waits(session, m.text, m.time, m.id)):
            standing.setdefault((m.role, sf.normalised(m.text)), []).append((m.time, m.id))
    idents = []
    for d in drafts:
        ident = sf.queued_id(session, d.text, shown_time(d.at), d.queued) if d.queued else d.id
        if not ident:
            key = (d.role, sf.normalised(d.text))
            there = standing.get(key)
            ident = of_its_time(there, shown_time(d.at)) if there else sf.weak_id(session, *key, count[key])
            count[key] += 1
        idents.append(ident)
    return idents


def of_its_time(there: list[tuple[str, str]], time: str) -> str:
    """Take the id of the message of that time, else of the first, out of [(time, id)]: the same words are said often, and where
    a file lost its beginning their order says nothing."""
    return there.pop(next((n for n, (at, _) in enumerate(there) if at == time), 0))[1]


def short_forms(ident: str) -> tuple[str, str]:
    return wl.id8(ident), wl.id8(ident, 12)


def shown_time(at: str) -> str:
    """'2026-04-12T09:13:05.123Z' as '2026-04-12 09:13', in UTC; '' for what is no time: it stands in a heading, and what a
    heading cannot hold would be no heading when it is read back."""
    at = utc_second(at)
    return f"{at[:10]} {at[11:16]}" if at else ""


def settled(transcript: wl.Transcript, group: Group) -> wl.Transcript:
    """Leave out what another record of the same utterance supersedes: a prompt that waited, and was delivered by now."""
    gone = sf.module(group.format).superseded(transcript.said, group.session)
    return replace(transcript, messages=tuple(m for m in transcript.messages if getattr(m, "id", "") not in gone)
                   ) if gone else transcript


# ---------------------------------------------------------------- the file

SETTING_COMMANDS = re.compile(
    r"/(?:model|effort|clear|compact|config|login|logout|help|status|cost|context|resume|exit|usage|ide|permissions|mcp|hooks"
    r"|agents|theme|output-style|add-dir|doctor|upgrade|fast|plan|rename)(?:\s+\S+)?$")


def asks(prompt: str) -> bool:
    """Does a prompt say what a session is about? '/model opus' sets the agent up and asks nothing."""
    return bool(prompt.strip()) and not SETTING_COMMANDS.match(prompt.strip())


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
    body = wl.render_transcript(transcript)
    out.parts = cut_in_parts(body)
    said = transcript.said
    out.first_prompt = next((m.text for m in said if m.role == "user"), "")
    out.day = next((m.time[:10] for m in said if m.time), started[:10] or "1970-01-01")
    title = next((t for r in mains if (t := r.title)), "") if later else ""
    known = str(was.get("title") or "")
    title = title or (known if asks(known) else "") or next(
        (m.text for m in said if m.role == "user" and asks(m.text)), out.first_prompt).strip().split("\n", 1)[0] or "Session"
    models = list(dict.fromkeys([*wl.as_list(was.get("models")), *(m for r in mains for m in r.models)]))
    branch = next((r.branch for r in reversed(mains) if r.branch), "") if later else ""
    out.meta = {**was, **{k: v for k, v in {
        "title": wl.verbatim(sf.brief(title, 200)),
        "session_id": out.group.session,
        "agent": sf.module(out.group.format).NAME,
        "date": max([str(was.get("date") or ""), last_day(mains)]) or out.day,
        "started": started,
        "ended": ended,
        "messages": sum(bool(m.text) for m in said),
        "models": [wl.redact(wl.verbatim(m))[0] for m in models],
        "branch": wl.redact(wl.verbatim(branch))[0] or was.get("branch"),
        "forked_from": next((wl.redact_name(r.forked_from) for r in mains if r.forked_from), "") or was.get("forked_from"),
        "redactor": wl.REDACTOR_VERSION,
        "redactions": redactions(body),
        "status": was.get("status") or "extracted",
    }.items() if v or k == "messages"}}
    if old is not None and old_text is not None:
        out.summary_block = summary_block_of(old_text)


def summary_block_of(text: str) -> str:
    """What stands between the title and the transcript: the summariser's."""
    parts = wl.split_frontmatter(text)
    head = (parts[1] if parts else text).partition("\n## Transcript\n")[0]
    return head.partition("\n")[2] if head.startswith("# ") else head


# A quick yes to nearly every time: days up to 28 exist in every month; the others are looked at.
_UTC = re.compile(r"[1-9]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?Z$", re.A)


def utc_second(at: str) -> str:
    """An ISO time as UTC seconds, '2026-04-12T09:13:05Z'; '' for what is no time."""
    if _UTC.match(at):
        return at[:19] + "Z"
    if not at:
        return ""
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return ""
    try:
        return (moment.astimezone(UTC) if moment.tzinfo else moment).isoformat()[:19] + "Z"
    except (ValueError, OverflowError):      # the year 1 east of Greenwich
        return ""


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
