"""Messages of a session too large to be held: an index in a database without a name, their words in a file without one.

Both vanish with the process that made them, however it ends, and only what is clean of secrets reaches them. A message is a
row; rows lie in piles (what a transcript held, what each file says), a pile has lines ('' the main one, else a subagent's
name), and `major, minor` give the order in a line. What is decided of two states of a session is decided as in
wiki_conversation and session_transcripts, and by their functions wherever the messages in question are few.
"""
from __future__ import annotations

import wiki_lib as wl

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import session_formats as sf
import session_transcripts as st
from wiki_conversation import render_message

CACHE_KB = 8_000             # of the index that is held in memory
BLOCK_BYTES = 262_144        # written to a transcript at once
TWELVE = 1 << 60             # marks the key of an id of twelve digits
EIGHT = 0xFFFFFFFF           # the part of a key that is the last eight
OLD, FINAL = 0, 1            # piles: the transcript that is there, what it will be; those of the files follow

WORDED, SECRETS, NAMELESS, TOOLS, QUEUED = 1, 2, 4, 8, 16      # flags of a row; NAMELESS: its record has no id

_TABLES = """
create table row(n integer primary key, pile int, line text, major int, minor int, id text, key int, role text, time text,
  at int, length int, chars int, size int, sum int, words int, flags int, moment text, side text, bare int);
create table seen(h integer primary key, n int, length int);
create table chain(h integer primary key, line text);
create table asked(role text, words int, count int default 0, primary key(role, words)) without rowid;
create table named(tail integer primary key);
create table standing(role text, words int, k int, time text, id text, primary key(role, words, k)) without rowid;
create table weak(tail integer primary key);
create table shown(p integer primary key, n int, line text, role text, time text, name text, at int, length int, chars int,
  flags int);
"""


class Store:
    def __init__(self, folder: str):
        import tempfile
        os.environ.setdefault("SQLITE_TMPDIR", folder)      # before SQLite is loaded: where its nameless files lie
        import sqlite3
        self.spool = tempfile.TemporaryFile(dir=folder, buffering=0)
        self.end = 0
        self.db = sqlite3.connect("", isolation_level=None)
        self.ask = self.db.execute
        for pragma in ("journal_mode=off", "synchronous=off", f"cache_size=-{CACHE_KB}", "temp_store=file"):
            self.ask(f"pragma {pragma}")
        self.db.executescript(_TABLES)
        self.ask("begin")

    def close(self) -> None:
        self.db.close()
        self.spool.close()

    def one(self, sql: str, *values: Any) -> Any:
        """The first value of the first row, None where there is none."""
        row = self.ask(sql, values).fetchone()
        return row[0] if row else None

    # --- putting in and taking out

    def keep(self, body: bytes) -> int:
        """Append to the file of words; returns the place."""
        at, self.end = self.end, self.end + len(body)
        written = self.spool.write(body)
        while written < len(body):
            written += self.spool.write(body[written:])
        return at

    def body(self, at: int, length: int) -> bytes:
        parts = []
        while length and (part := os.pread(self.spool.fileno(), length, at)):
            parts.append(part)
            at, length = at + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def add(self, pile: int, line: str, messages: Sequence[wl.Message], majors: Iterable[int], flags: Sequence[int] = (),
            moments: Sequence[str] = (), sides: Sequence[tuple[str, int | None]] = (), all_words: bool = False) -> int:
        """Add messages, each at its place in the line; returns the number of the first row."""
        first = (self.one("select max(n) from row") or 0) + 1
        rows, bodies, at = [], [], self.end
        plain = [0] * len(messages), [""] * len(messages), [("", None)] * len(messages)
        for m, major, flag, moment, side in zip(messages, majors, flags or plain[0], moments or plain[1], sides or plain[2],
                                                strict=False):
            content = self._content(m, at)
            words = hash(sf.normalised(m.text)) if all_words or flag & NAMELESS or m.role == "user" else None
            rows.append((pile, line, major, 0, m.id, key_of(m.id), m.role, m.time, *content[:5], words, content[5] | flag, moment,
                         *side))
            bodies.append(content[6])
            at += content[1]
        self.keep(b"".join(bodies))
        self.db.executemany("insert into row(pile,line,major,minor,id,key,role,time,at,length,chars,size,sum,words,flags,moment,"
                            "side,bare) values(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", rows)
        return first

    def add_known(self, line: str, messages: Sequence[wl.Message], start: int, session: str) -> None:
        """Add messages of the transcript that is there, the first at the place `start`."""
        flags = [QUEUED if m.role == "user" and sf.waits(session, m.text, m.time, m.id) else 0 for m in messages]
        self.add(OLD, line, messages, range(start, start + len(messages)), flags, all_words=True)

    def has(self, pile: int, line: str) -> bool:
        return self.one("select 1 from row where pile=? and line=? limit 1", pile, line) is not None

    # --- what a reader was shown before

    def see(self, rows: Iterable[tuple[str, int, int]]) -> None:
        """Remember words: (word, number of a row, length of its text)."""
        self.db.executemany("insert or replace into seen values(?,?,?)", ((hash(word), n, length) for word, n, length in rows))

    def seen(self, word: str) -> tuple[int, int] | None:
        return self.ask("select n, length from seen where h=?", (hash(word),)).fetchone()

    def remember_lines(self, lines: Iterable[tuple[str, str]]) -> None:
        self.db.executemany("insert or replace into chain values(?,?)", ((hash(word), line) for word, line in lines))

    def line_of(self, word: str) -> str:
        return self.one("select line from chain where h=?", hash(word)) or ""

    def drop_said_twice(self, pile: int, events: bool, before: int) -> tuple[int, bool]:
        """Codex says things twice: where prompts came as events, items in the person's role are a program's; an event that an
        item repeats goes, and its calls stand under what was kept before it. Returns how many of the first `before` went, and
        whether any of them had the person's role."""
        rows = self.ask("select n, case role when 'task' then 'user' else role end, side, bare from row where pile=? "
                        "and (side in ('event', 'item') or role in ('user', 'task')) order by major, minor", (pile,))
        gone = sf.module("codex").one_sided(Batches(rows), events)
        self.ask("create table gone as select n, line, major, flags, role from row where 0")
        self.db.executemany("insert into gone select n, line, major, flags, role from row where n=?", ((n,) for n in sorted(gone)))
        working = self.ask("select n, line, major from gone where flags&? order by major", (TOOLS,)).fetchall()
        if working:
            self.ask("create index by_place on row(pile, line, major)")
        for n, line, major in working:
            kept = self.one("select n from row where pile=? and line=? and major<? and n not in (select n from gone) "
                            "order by major desc limit 1", pile, line, major)
            if kept is not None:
                m = self.message(kept)
                self.change(kept, replace(m, tools=(*m.tools, *self.message(n).tools)))
        count = self.one("select count(*) from gone where major<?", before)
        prompts = self.one("select 1 from gone where role<>'assistant' limit 1") is not None
        self.ask("delete from row where n in (select n from gone)")
        self.ask("drop table gone")
        self.ask("drop index if exists by_place")
        return count, prompts

    def _content(self, m: wl.Message, at: int) -> tuple:
        """at, length, chars, size, sum, flags, body of a message's words."""
        text = render_message(m, "").split("\n", 1)[1]
        body = text.encode("utf-8", "replace")
        flags = (WORDED if m.text else 0) | (SECRETS if b"[REDACTED:" in body else 0) | (TOOLS if m.tools else 0)
        return at, len(body), len(text), m.size, zlib.crc32(body), flags, body

    def add_heading(self, line: str, major: int, text: str) -> None:
        """Add a line of the transcript that is no message."""
        body = text.encode()
        self.ask("insert into row(pile,line,major,minor,id,key,role,time,at,length,chars,flags) values(?,?,?,0,'',-1,'heading','',"
                 "?,?,?,0)", (FINAL, line, major, self.keep(body), len(body), len(text)))

    def message(self, n: int) -> wl.Message:
        """A row as the value it stands for."""
        ident, role, time, at, length = self.ask("select id, role, time, at, length from row where n=?", (n,)).fetchone()
        body = self.body(at, length).decode()
        head = render_message(wl.Message("", role, time, "", ("",)), "0" * 8).split("\n", 1)[0]
        read = wl.parse_transcript(f"{head}\n{body}").messages[0]
        assert isinstance(read, wl.Message)
        return wl.Message(ident, role, time, read.text, read.tools)

    def change(self, n: int, m: wl.Message) -> None:
        """Put other words under a row."""
        at, length, chars, size, crc, flags, body = self._content(m, self.end)
        self.keep(body)
        self.ask("update row set id=?, key=?, role=?, time=?, at=?, length=?, chars=?, size=?, sum=?, flags=flags&20|? where n=?",
                 (m.id, key_of(m.id), m.role, m.time, at, length, chars, size, crc, flags, n))

    def rename(self, n: int, ident: str) -> None:
        self.ask("update row set id=?, key=? where n=?", (ident, key_of(ident), n))

    # --- ids of messages whose records have none: see session_transcripts.ids_by_words

    def give_ids(self, pile: int, line: str, session: str, start: int) -> None:
        """Correct the ids of a line's nameless messages, which were made as if each one's words were said once."""
        if not self.one("select 1 from row where pile=? and line=? and flags&4 limit 1", pile, line):
            return
        for table in ("asked", "named", "standing"):
            self.ask(f"delete from {table}")
        if self.one("select 1 from row where pile=? and line=? limit 1", OLD, line):
            self._look_up_known(pile, line, session, start)
        found = self.ask(
            "select r.n, r.role, r.words, r.time, r.k + ifnull(a.count, 0) from "
            "(select n, role, words, time, row_number() over (partition by role, words order by major) - 1 as k from row "
            "where pile=? and line=? and flags&4) r left join asked a using (role, words) where r.k > 0 or a.count > 0 "
            "or exists (select 1 from standing s where s.role=r.role and s.words=r.words) order by r.role, r.words, r.k",
            (pile, line))
        last, said = None, ("", "")
        there: list[tuple[str, str]] = []
        for n, role, words, time, count in Batches(found):
            if (role, words) != last:
                last, said = (role, words), self._said(n)
                there = self.ask("select time, id from standing where role=? and words=? order by k", (role, words)).fetchall()
            self.rename(n, st.of_its_time(there, time) if there else sf.weak_id(session, *said, count))

    def _said(self, n: int) -> tuple[str, str]:
        m = self.message(n)
        return m.role, m.text

    def _look_up_known(self, pile: int, line: str, session: str, start: int) -> None:
        self.ask("insert or ignore into asked(role, words) select role, words from row where pile=? and line=? and flags&4",
                 (pile, line))
        known = self.ask("select r.n, r.role, r.words, r.id from row r join asked using (role, words) "
                         "where r.pile=? and r.line=? and r.major<? order by r.major", (OLD, line, start))
        for n, role, words, ident in Batches(known):
            count = self.one("select count from asked where role=? and words=?", role, words)
            if ident in st.short_forms(sf.weak_id(session, *self._said(n), count)):
                self.ask("update asked set count=count+1 where role=? and words=?", (role, words))
        self.ask(f"insert or ignore into named select key&{EIGHT} from row where pile=? and line=? and not flags&4", (pile, line))
        self.ask("insert into standing select r.role, r.words, row_number() over (partition by r.role, r.words order by r.major) "
                 "- 1, r.time, r.id from row r join asked using (role, words) where r.pile=? and r.line=? and r.major>=? "
                 f"and not r.flags&{QUEUED} and r.key&{EIGHT} not in (select tail from named)", (OLD, line, start))

    # --- two states of one line: see wl.merge_messages

    def merge(self, known: int, fresh: int) -> None:
        """Join the pile `known` into `fresh`."""
        self.ask("create index if not exists by_key on row(pile, key, line)")
        self._once_each(known)
        self._once_each(fresh)
        self._longer(known, fresh)
        pairs = self.ask("select a.n, a.line, b.major from row a left join row b on b.pile=? and b.key=a.key and b.line=a.line "
                         "where a.pile=? order by a.line, a.major, a.minor", (fresh, known))
        line, last, place = None, -1, 0
        for n, of, at in Batches(pairs):
            if of != line:
                line, last, place = of, -1, 0
            if at is not None:
                last, place = at, 0
            else:
                place += 1
                self.ask("update row set pile=?, major=?, minor=? where n=?", (-1, last, place, n))
        self.ask("update row set pile=? where pile=-1", (fresh,))
        self.ask("delete from row where pile=?", (known,))
        self._number(fresh)

    def _number(self, pile: int) -> None:
        """Number the rows of every line anew, from 0."""
        moved = self.one("select 1 from row where pile=? and (minor or major<0) limit 1", pile)
        if moved:
            self.ask("create table place as select n, row_number() over (partition by line order by major, minor) - 1 as p "
                     "from row where pile=?", (pile,))
            self.ask("update row set major=place.p, minor=0 from place where place.n=row.n")
            self.ask("drop table place")

    def _once_each(self, pile: int) -> None:
        """Of rows of one key in one line the last one stays, in the place of the first."""
        twice = self.ask("select line, key from row where pile=? group by key, line having count(*) > 1", (pile,)).fetchall()
        for line, key in twice:
            rows = self.ask("select n, major, minor from row where pile=? and line=? and key=? order by major, minor",
                            (pile, line, key)).fetchall()
            self.ask("update row set major=?, minor=? where n=?", (*rows[0][1:], rows[-1][0]))
            self.db.executemany("delete from row where n=?", [row[:1] for row in rows[:-1]])

    def _longer(self, known: int, fresh: int) -> None:
        """Where both have a message and not alike, the longer one's words."""
        unlike = self.ask(
            "select a.n, b.n from row a join row b on b.pile=? and b.key=a.key and b.line=a.line where a.pile=? and ("
            "a.length<>b.length or a.sum<>b.sum or a.time<>b.time or a.role<>b.role or length(a.id)>=length(b.id) and a.id<>b.id) "
            "order by +a.n",
            (fresh, known))
        for a, b in Batches(unlike):
            self.change(b, wl.merge_messages([self.message(a)], [self.message(b)])[0])

    # --- ids that end alike: see wl.told_apart

    def contested(self, fresh: int) -> list[list[tuple[int, wl.Message]]]:
        """The messages of the transcript that is there and of the pile `fresh` whose last eight digits stand, or may stand,
        for two."""
        self.ask("create index if not exists by_key on row(pile, key, line)")
        tails = f"select distinct key&{EIGHT} from row where pile=? and key>={TWELVE}"
        clash = (f"select key&{EIGHT} from row where pile=? group by key&{EIGHT} having count(distinct id) > 1")
        doubt = ("select a.key from row a join row b on b.pile=? and b.key=a.key where a.pile=? and "
                 "(a.role<>b.role or a.time<>b.time)")
        self.ask("delete from weak")
        self.ask(f"insert or ignore into weak {tails} union {tails} union {clash} union {clash} union {doubt}",
                 (OLD, fresh, OLD, fresh, fresh, OLD))
        if not self.one("select 1 from weak limit 1"):
            return [[], []]
        return [[(n, self.message(n)) for n, in self.ask(
            f"select n from row where pile=? and key&{EIGHT} in (select tail from weak) order by line, major",
            (pile,)).fetchall()] for pile in (OLD, fresh)]

    # --- what another record supersedes: see session_transcripts.settled

    def settle(self, format: Any, session: str) -> None:
        """Leave out of the main line what the format says another message supersedes. It is asked with the messages alone that
        can matter."""
        rows = {n for n, in (*self._beside_queued(), *(self._of_two_kinds(session) if format.NAME == "codex" else ()))}
        if rows:
            said = [(n, self.message(n)) for n, in self.ask(
                "select n from row where pile=? and line='' order by major", (FINAL,)).fetchall() if n in rows]
            gone = format.superseded([m for _, m in said], session)
            self.db.executemany("delete from row where n=?", [(n,) for n, m in said if m.id in gone])

    def _beside_queued(self) -> Iterator[tuple[int]]:
        """Prompts that were queued, and those that may deliver one: of its words, of more lines, or the first one after it."""
        prompts = "from row where pile=? and line='' and role='user'"
        queued = {n: self.message(n) for n, in self.ask(f"select n {prompts} and flags&?", (FINAL, QUEUED)).fetchall()}
        after = dict(queued)
        for n, time in Batches(self.ask(f"select n, time {prompts} and ? order by major", (FINAL, bool(queued)))):
            due = [k for k, m in after.items() if n not in queued and (time >= m.time or not time)]
            for k in due:
                del after[k]
            text = "" if n in queued or due else sf.normalised(self.message(n).text)
            if n in queued or due or any(line in text for m in queued.values() if (
                    line := sf.normalised(m.text.replace("[image]", " ").strip().split("\n", 1)[0]))):
                yield (n,)

    def _of_two_kinds(self, session: str) -> Iterator[tuple[int]]:
        """Messages of the same words of which some have an id made of these words and some have not."""
        groups = self.ask("select role, words, count(*), min(n), sum(flags&4=0) from row where pile=? and line='' and flags&1 "
                          "group by role, words having count(*) > 1", (FINAL,))
        for role, words, count, n, named in Batches(groups):
            if not named:
                continue
            said = self._said(n)
            self.ask("delete from weak")
            self.db.executemany("insert or ignore into weak values(?)", (
                (int(wl.id8(sf.weak_id(session, *said, k)), 16),) for k in range(count)))
            group = "from row where pile=? and line='' and role=? and words=?"
            weak = self.one(f"select sum(key&{EIGHT} in (select tail from weak)) {group}", FINAL, role, words)
            if 0 < weak < count:
                yield from self.ask(f"select n {group}", (FINAL, role, words)).fetchall()

    # --- showing

    def show(self, pile: int) -> None:
        """Lay out the pile in the order of the transcript, each message under the id by which it will be known there."""
        self.ask("insert into shown(n, line, role, time, name, at, length, chars, flags) select n, line, role, time, "
                 "case when role='heading' then '' when key < ? then printf('%08x', key) else printf('%012x', key - ?) "
                 "end, at, length, chars, flags from row where pile=? order by line, major, minor", (TWELVE, TWELVE, pile))
        clash = self.ask("select key from row where pile=? and role<>'heading' group by key "
                         "having count(distinct id) > 1", (pile,)).fetchall()
        if clash:
            self.ask("create index place_of on shown(n)")
        for key, in clash:
            for n, ident in self.ask("select n, id from row where pile=? and key=?", (pile, key)).fetchall():
                self.ask("update shown set name=? where n=?", (ident if len(ident) in (8, 12) else wl.id8(ident, 12), n))

    def heads(self, first: int = 0, last: int = 1 << 60) -> Iterator[tuple[int, str, int, int, int, bool, int, str]]:
        """(p, heading, at, length, chars, may a part begin here, flags, line) of what is shown."""
        for p, _, line, role, time, name, at, length, chars, flags in self.ask(
                "select * from shown where p between ? and ?", (first, last)):
            said = role in wl.ROLES
            head = f"{'####' if line else '###'} {wl.ROLES[role]} · {time + ' · ' if time else ''}#{name}\n" if said else ""
            yield p, head, at, length, chars, not line if said else bool(line), flags, line

    def blocks(self, first: int, last: int) -> Iterator[bytes]:
        """The text of what is shown from `first` to `last`, in blocks."""
        held, load = [], 0
        for p, head, at, length, *_ in self.heads(first, last):
            held += [b"\n"] if p > first else []
            held += [head.encode(), self.body(at, length)]
            load += length
            if load > BLOCK_BYTES:
                yield b"".join(held)
                held, load = [], 0
        yield b"".join(held)


class Batches:
    """The rows of a query, which may be written to while they are gone through: they are taken out a few thousand at a time,
    from a copy."""
    SIZE = 5_000

    def __init__(self, cursor: Any):
        self.cursor = cursor

    def __iter__(self) -> Iterator[tuple]:
        while rows := self.cursor.fetchmany(self.SIZE):
            yield from rows


def key_of(ident: str) -> int:
    """The short form of an id as a number."""
    if len(ident) == 12:
        return int(ident, 16) + TWELVE
    return int(ident if len(ident) == 8 else wl.id8(ident), 16)
