"""Sessions too large to be held in memory: read in windows, kept in a store, written a block at a time.

The result is byte for byte what session_transcripts.read_group() gives. Its functions judge and file away here, too: they are
shown a few messages that stand for all of them (the first prompt, the earliest time ...). A fork whose transcript refers to
another one, and what the pass over forks asks for, is read as a whole.
"""
from __future__ import annotations

import wiki_lib as wl

import os
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import session_formats as sf
import session_transcripts as st
from session_store import FINAL, NAMELESS, OLD, QUEUED, SECRETS, WORDED, Store
from wiki_disk import file_digest

WINDOW = 4_000_000           # bytes of a session file decoded at once; a longer line alone
CHUNK = 1_000_000            # bytes of a file looked through at once
REMEMBERED = 1 << 25         # bits that say quickly that an id was not there before


def read_group(group: st.Group, setting: st.Setting, all_read: bool = False) -> st.Outcome:
    """session_transcripts.read_group() in bounded memory. The outcome's `parts` read from the store, which it closes when
    it is done with."""
    out = st.Outcome(group)
    head = find_transcript(group, setting, out)
    old = wl.parse_conversation(out.path, head) if head is not None else None
    store = Store(setting.cache)
    before = read_transcript(store, setting.wiki, out.path, group.session) if old else wl.Transcript()
    if before is None:
        store.close()
        return st.read_group(group, setting)
    readings: list[tuple[st.File, sf.Reading]] = []
    for file in group.files:
        whole = all_read or old is None or (not file.agent and not group.alone)
        pile = FINAL + 1 + len(readings)
        try:
            reading, entry, reason = read_file(store, pile, file, group.session, setting.tools, whole)
        except OSError as error:
            out.failed[file.source.path] = error.strerror or str(error)
            store.ask("delete from row where pile=?", (pile,))
            continue
        readings.append((file, reading))
        st.take_in(out, file, reading, entry, reason)
    st.judge(out, readings, setting)
    st.note_kin(out, readings)
    if out.verdict == "transcript":
        new = st.transcript_of(group, readings, before)
        for number in range(len(readings)):      # the first one as it is, each further one joined with those before it
            if number:
                store.merge(FINAL, FINAL + 1 + number)
            store.ask("update row set pile=? where pile=?", (FINAL, FINAL + 1 + number))
        pairs = store.contested(FINAL)
        olds, news = (wl.Transcript(tuple(m for _, m in side)) for side in pairs)
        if not all_read and wl.in_doubt(olds, news):
            store.close()
            return read_group(group, setting, all_read=True)
        *apart, renamed = wl.told_apart(olds, news)
        for side, changed in zip(pairs, apart, strict=True):
            for (n, was), m in zip(side, changed.messages, strict=True):
                if m.id != was.id:
                    store.rename(n, m.id)
        if old:
            store.merge(OLD, FINAL)
        store.settle(sf.module(group.format), group.session)
        file_away(store, out, old, head, wl.merge_transcripts(before, new).agents if old else new.agents, readings)
        out.summary_block = st.cited_anew(out.summary_block, renamed)
    if not isinstance(out.parts, Parts):
        store.close()
    return out


# ---------------------------------------------------------------- the transcript that is there

def find_transcript(group: st.Group, setting: st.Setting, out: st.Outcome) -> str | None:
    """The head of the session's transcript, up to its first message, where there is one."""
    if not group.known_path and not setting.paths():
        return None
    for path in filter(None, [group.known_path, *setting.paths().get(wl.id8(group.session), ())]):
        try:
            with open(setting.wiki.root / path, "rb") as file:
                head = head_of(file)
                if st.is_of(head, group):
                    out.path, out.expect = path, file_digest(setting.wiki.root / path)
                    return head
        except (FileNotFoundError, NotADirectoryError):
            continue
    return None


def head_of(file: BinaryIO) -> str:
    """A transcript's file up to and with its line '## Transcript'; the file is then read up to there."""
    data = b""
    while (block := file.read(CHUNK)):
        data += block
        if (at := data.find(b"\n## Transcript\n")) >= 0:
            file.seek(at + len(b"\n## Transcript\n"))
            return data[:at + len(b"\n## Transcript\n")].decode("utf-8", "replace")
    return data.decode("utf-8", "replace")


_HEADS = tuple(f"\n\n{marks} {role} · ".encode() for marks in ("###", "####") for role in wl.ROLES.values())


def read_transcript(store: Store, wiki: wl.Wiki, path: str, session: str) -> wl.Transcript | None:
    """Put the messages of a transcript's files into the store; returns its subagents, without messages. None where it
    refers to another transcript's messages."""
    agents: list[wl.Agent] = []
    count: Counter = Counter()
    for text in transcript_texts(wiki, path):
        lead = f"### Agent {agents[-1].id}\n\n" if agents else ""
        read = wl.parse_transcript(lead + text)
        if any(isinstance(m, wl.Shared) for m in read.messages):
            return None
        for number, (line, messages) in enumerate((("", read.messages), *((a.id, a.messages) for a in read.agents))):
            if line and not (lead and number == 1):
                agents.append(replace(read.agents[number - 1], messages=()))
            store.add_known(line, messages, count[line], line or session)
            count[line] += len(messages)
    return wl.Transcript((), tuple(agents))


def transcript_texts(wiki: wl.Wiki, path: str) -> Iterator[str]:
    """The transcript's text from all its files, in pieces that begin and end between messages."""
    number = 1
    while os.path.exists(part := wiki.root / st.part_path(path, number)):
        with open(part, "rb") as file:
            head_of(file)
            data = b""
            while (block := file.read(CHUNK)):
                data += block
                cut = max(data.rfind(head) for head in _HEADS)
                if cut > 0:
                    yield as_text(data[:cut + 1])
                    data = data[cut + 2:]
            yield as_text(data)
        number += 1


def as_text(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


# ---------------------------------------------------------------- reading a session file

def read_file(store: Store, pile: int, file: st.File, session: str, tools: sf.Tools, whole: bool) -> tuple[sf.Reading, dict, str]:
    """session_transcripts.read_file(), with the messages in the store: the reading holds a few that stand for them."""
    with open(file.source.path, "rb", buffering=0) as handle:
        size = os.fstat(handle.fileno()).st_size
        offset = int(file.entry.get("offset") or 0)
        seen, there = digest_of(handle, offset)
        began = st.where_to_begin(file, there, f"{seen:08x}", whole)
        if began.reason == "rewritten":
            seen, offset = 0, 0
        drain = Drain(store, pile, file, session, tools, began)
        at, reading = began.start, drain.reading
        reading.end = at
        while at < size:
            data = window(handle, at, size)
            sf.read_records(data, 0, reading, drain.take, at)
            if reading.end > offset:
                seen = zlib.crc32(memoryview(data)[max(0, offset - at):reading.end - at], seen)
                offset = reading.end
            at += len(data)
            del data
            drain.run()
        drain.finish(handle, size)
    entry = st.entry_of(file, session, reading, began, f"{seen:08x}")
    return reading, entry, began.reason


def digest_of(handle: BinaryIO, end: int) -> tuple[int, int]:
    """The digest of a file's bytes up to `end`, and how many there were."""
    seen = at = 0
    while at < end and (block := os.pread(handle.fileno(), min(CHUNK, end - at), at)):
        seen, at = zlib.crc32(block, seen), at + len(block)
    return seen, at


def window(handle: BinaryIO, start: int, size: int) -> bytes:
    """Whole lines from `start`: about WINDOW bytes, or one line that is longer; at the end of the file what is left."""
    data = os.pread(handle.fileno(), min(WINDOW, size - start), start)
    if start + len(data) >= size:
        return data
    if cut := data.rfind(b"\n") + 1:
        return data[:cut]
    at = start + len(data)
    del data
    while at < size:
        block = os.pread(handle.fileno(), min(CHUNK, size - at), at)
        cut = block.find(b"\n") + 1
        at += cut or len(block)
        if cut or not block:
            break
    parts, have = [], start
    while have < at and (block := os.pread(handle.fileno(), at - have, have)):
        parts.append(block)
        have += len(block)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Drain:
    """A format's reader at work on window after window; what it has read and nothing can change any more goes to the store."""

    def __init__(self, store: Store, pile: int, file: st.File, session: str, tools: sf.Tools, began: Any):
        self.store, self.pile, self.file, self.session = store, pile, file, session
        self.base = int(file.entry.get("before") or 0) if began.start else 0
        format = sf.module(file.source.format)
        self.reader = format.reader(began.start, session, file.agent, tools, began.memory)
        self.reading: sf.Reading = self.reader.reading
        self.take = getattr(self.reader, "take_again", self.reader.take) if self.reading.read_to else self.reader.take
        self.ranks: dict[str, dict[int, tuple[int, sf.Draft]]] = {}      # by line: places of drafts left in the reader
        self.count: Counter = Counter()                    # by line: places given
        self.sent: Counter = Counter()                     # by line: drafts that went to the store
        self.known_restart = self.reading.restart
        self.idents: dict[str, str] = {}                   # line of the transcript -> the subagent's id
        self.drafts = Remembered(store, file.agent and st.agent_name(file.agent))
        if hasattr(self.reader, "drafts"):
            self.reader.drafts = self.drafts
            self.reader.calls, self.reader.chain = Names(store, "call"), Chain(store)

    def run(self, last: bool = False) -> None:
        """Take out of the reader what is done with."""
        reader, reading = self.reader, self.reading
        if reading.restart != self.known_restart:
            own = self.file.agent if self.file.agent in reader.lines() and self.file.agent else ""
            reading.before += self.sent[own]
            self.known_restart = reading.restart
        busy = set() if last else reader.changing()
        for ident, drafts in reader.lines().items():
            known, ranks = self.ranks.get(ident, {}), {}
            for draft in drafts:
                ranks[id(draft)] = known[id(draft)][0] if id(draft) in known else self.count[ident]
                self.count[ident] += id(draft) not in known
            done = [d for d in drafts if id(d) not in busy]
            drafts[:] = [d for d in drafts if id(d) in busy]
            self.ranks[ident] = {id(d): (ranks[id(d)], d) for d in drafts}      # held, so that no other draft gets its id()
            self.sent[ident] += len(done)
            if done:
                self.send(ident, done, [ranks[id(d)] for d in done])
        self.drafts.bring_up_to_date()

    def send(self, ident: str, drafts: list[sf.Draft], ranks: list[int]) -> None:
        """Put drafts into the store, clean, under their ids or those that their words would give them."""
        line = st.agent_name(ident) if ident else ""
        owner = ident or self.session
        self.idents[line] = ident
        more = [(d.text.strip(), len(d.text), self.reader.side(d)) for d in drafts]
        keys = [d.id for d in drafts]
        st.clean_drafts(drafts)
        flags = []
        for d in drafts:
            flags.append(QUEUED if d.queued else 0 if d.id else NAMELESS)
            if self.file.agent and self.file.source.format == "codex" and d.role == "user":
                d.role = "task"
            if d.queued:
                d.id = sf.queued_id(owner, d.text, st.shown_time(d.at), d.queued)
            elif not d.id:
                d.id = sf.weak_id(owner, d.role, d.text, 0)
        sides = [(side, hash(text) if side else None) for text, _, side in more]
        first = self.store.add(self.pile, line, st.with_ids(drafts, owner), ranks, flags, [st.utc_second(d.at) for d in drafts],
                               sides, self.file.source.format == "codex")
        self.drafts.put_away([(k, n, length) for n, (k, (_, length, _)) in enumerate(zip(keys, more, strict=True), first) if k])
        self.reader.let_go(drafts)

    def finish(self, handle: BinaryIO, size: int) -> None:
        """What is known only at the end; the reading then holds messages that stand for all of them."""
        reader, reading, store = self.reader, self.reading, self.store
        if hasattr(reader, "summaries"):
            summaries, reader.summaries = reader.summaries, {}
            if not reading.title and summaries:
                there = records_there(handle, size, summaries)
                titles = [title for leaf, title in summaries.items() if leaf in there]
                reading.title = titles[-1] if titles else ""
                reader.shapes |= {"summary of another"} if len(there) < len(summaries) else set()
            reader.settle(b"")
            self.run(last=True)
        else:
            self.run(last=True)
            count, prompts = store.drop_said_twice(self.pile, reader.events, reading.before)
            reading.before -= count
            reader.shapes |= {"in the person's role, but no event"} if prompts else set()
            reader.messages = []
            reader.settle()
        own = self.file.agent
        reading.main, found = [], dict.fromkeys(reading.agents)
        for line, ident in self.idents.items():
            start = self.base if reading.start and (not line or ident == own) else 0
            store.give_ids(self.pile, line, ident or self.session, start)
            found[ident] = None
        reading.agents = {ident: [sf.Draft("", "assistant", "", "")] if store.has(self.pile, st.agent_name(ident)) else []
                          for ident in found if ident}
        reading.main = stand_ins(store, self.pile)


def stand_ins(store: Store, pile: int) -> list[sf.Draft]:
    """A few drafts from which the same follows as from all of a main line: who spoke first, and from when to when."""
    this = "from row where pile=? and line=''"
    asked = (f"select n {this} order by major limit 1", f"select n {this} and not flags&{NAMELESS} order by major limit 1",
             f"select n {this} and role='user' order by major limit 1", f"select n {this} and moment<>'' order by moment limit 1",
             f"select n {this} and moment<>'' order by moment desc limit 1",
             f"select n {this} and moment<>'' order by major desc limit 1",
             f"select n {this} and moment<>'' and role='user' order by major desc limit 1")
    found = {n for sql in asked if (n := store.one(sql, pile)) is not None}
    drafts = []
    for n, ident, flags, moment in store.ask(f"select n, id, flags, moment {this} and n in ({','.join(map(str, found))}) "
                                             "order by major", (pile,)).fetchall() if found else ():
        m = store.message(n)
        drafts.append(sf.Draft("" if flags & NAMELESS else ident, m.role, moment, m.text))
    return drafts


def records_there(handle: BinaryIO, size: int, idents: Any) -> set[str]:
    """Those of the ids under which a record of the file stands."""
    wanted = {i.encode("utf-8", "replace"): i for i in idents if i}
    pattern = re.compile(rb'"uuid" {0,4}: {0,4}"(' + b"|".join(map(re.escape, wanted)) + rb')')
    longest, at, found = max(map(len, wanted), default=0) + 20, 0, set()
    while wanted and at < size:
        data = os.pread(handle.fileno(), CHUNK + longest, at)
        found |= {wanted[m[1]] for m in pattern.finditer(data)}
        at += CHUNK
    return found


class Remembered(dict):
    """A reader's drafts by record id: those it still holds, and of those in the store a stand-in when it is asked for, so that
    a record that comes again changes the message as it would have."""

    def __init__(self, store: Store, line: str = ""):
        super().__init__()
        self.store, self.names, self.late = store, Names(store, ""), []
        self.total = 0

    def get(self, key: str, default: Any = None) -> Any:
        draft = dict.get(self, key)
        if draft is None and self.names.perhaps(key) and (row := self.store.seen(key)):
            n, length = row
            text = "\0" * length
            draft = self[key] = sf.Draft(key, "assistant", "", text)
            self.late.append((n, draft, text))
        return default if draft is None else draft

    def __len__(self) -> int:
        return self.total + dict.__len__(self)

    def put_away(self, rows: list[tuple[str, int, int]]) -> None:
        for key, _, _ in rows:
            self.names.add(key)
            self.total += self.pop(key, None) is not None
        self.store.see(rows)

    def bring_up_to_date(self) -> None:
        """Give the messages in the store what their stand-ins were given."""
        for n, draft, text in self.late:
            if draft.text is not text or draft.calls:
                length, longer = len(draft.text), draft.text is not text
                st.clean_drafts([draft])
                m, tools = self.store.message(n), st.with_ids([draft], "")[0].tools
                self.store.change(n, replace(m, text=draft.text if longer else m.text, tools=(*m.tools, *tools)))
                self.store.see([(draft.id, n, length)])
            dict.pop(self, draft.id, None)
        self.late.clear()


class Names(dict):
    """Words that were there: a dict of those that are in use, and of all others a mark that costs a few bits."""

    def __init__(self, store: Store, kind: str):
        super().__init__()
        self.store, self.kind = store, kind
        self.bits = bytearray(REMEMBERED // 8)

    def perhaps(self, word: str) -> bool:
        h = hash(self.kind + word)
        a, b = h & (REMEMBERED - 1), (h >> 30) & (REMEMBERED - 1)
        return bool(self.bits[a >> 3] & 1 << (a & 7) and self.bits[b >> 3] & 1 << (b & 7))

    def add(self, word: str) -> None:
        h = hash(self.kind + word)
        for bit in (h & (REMEMBERED - 1), (h >> 30) & (REMEMBERED - 1)):
            self.bits[bit >> 3] |= 1 << (bit & 7)

    def __contains__(self, word: object) -> bool:
        return dict.__contains__(self, word) or self.perhaps(str(word)) and self.store.seen(self.kind + str(word)) is not None

    def let_go(self, words: list[str]) -> None:
        for word in words:
            self.add(word)
            self.pop(word, None)
        self.store.see([(self.kind + word, 0, 0) for word in words])


class Chain(dict):
    """Which subagent a record of an inline sidechain belongs to: the last thousands here, the others in the store."""
    HELD = 20_000

    def __init__(self, store: Store):
        super().__init__()
        self.store = store

    def __setitem__(self, key: str, line: str) -> None:
        dict.__setitem__(self, key, line)
        if len(self) > self.HELD:
            self.store.remember_lines(self.items())
            self.clear()

    def get(self, key: str, default: Any = None) -> Any:
        line = dict.get(self, key)
        return line or self.store.line_of(key) or default


# ---------------------------------------------------------------- the file

def file_away(store: Store, out: st.Outcome, old: wl.Conversation | None, head: str | None, agents: tuple[wl.Agent, ...],
              readings: list[tuple[st.File, sf.Reading]]) -> None:
    """session_transcripts.file_away() of what the store holds, or the verdict that there is nothing."""
    if not store.has(FINAL, ""):
        out.verdict = "empty" if not agents else "nothing"
        return
    st.file_away(out, old, head, wl.Transcript(heads_of(store)), readings)
    if agents:
        store.add_heading("", 1 << 60, "## Subagents\n")
    for agent in agents:
        title = wl.one_line(agent.title, 120)
        store.add_heading(agent.id, -2, f"### Agent {agent.id}{' · ' + title if title else ''}\n")
    store.show(FINAL)
    out.parts, messages, secrets = cut_in_parts(store)
    out.meta["messages"] = messages
    out.meta |= {"redactions": dict(sorted(secrets.items()))} if secrets else {}


def heads_of(store: Store) -> tuple[wl.Message, ...]:
    """The first prompt, the first message with a time, and the first prompt that asks something."""
    this = "from row where pile=? and line=''"
    found = [store.one(f"select n {this} and role='user' order by major limit 1", FINAL),
             store.one(f"select n {this} and time<>'' order by major limit 1", FINAL)]
    for n, in store.ask(f"select n {this} and role='user' order by major", (FINAL,)):
        if st.asks(store.message(n).text):
            found.append(n)
            break
    order = [n for n, in store.ask(f"select n {this} and n in ({','.join(str(n) for n in found if n is not None) or -1}) "
                                   "order by major", (FINAL,)).fetchall()]
    return tuple(store.message(n) for n in order)


def cut_in_parts(store: Store) -> tuple[Parts, int, Counter]:
    """The parts as session_transcripts.cut_in_parts() would cut them, how many messages have words, which secrets were
    taken out."""
    starts, load, messages, secrets = [1], -1, 0, Counter()
    for p, head, at, length, chars, boundary, flags, line in store.heads():
        if load >= st.PART_CHARACTERS and boundary:
            starts.append(p)
            load = -1
        load += 1 + len(head) + chars
        messages += bool(flags & WORDED) and not line
        if flags & SECRETS:
            secrets.update(re.findall(r"\[REDACTED:([a-z0-9-]+)\]", store.body(at, length).decode()))
        last = p
    return Parts(store, [*starts, last + 1]), messages, secrets


class Parts:
    """The texts of a transcript's files, read from the store when they are asked for: parts[0] as text, blocks(0) as bytes."""

    def __init__(self, store: Store, starts: list[int]):
        self.store, self.starts = store, starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> str:
        return b"".join(self.blocks(range(len(self))[number])).decode()

    def blocks(self, number: int) -> Iterator[bytes]:
        yield from self.store.blocks(self.starts[number], self.starts[number + 1] - 1)

    def close(self) -> None:
        self.store.close()
