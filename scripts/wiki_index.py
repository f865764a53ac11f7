"""The search index: SQLite FTS5 in the cache, derived from the markdown and nothing else.

    hits = answer(wiki_dir, query="why did the retry test fail", wing="api", n=5)     # what is new is read first
    changed = update(wiki_dir)

One row of `files` a file, one row of `parts` a stretch of it (a section, some neighbouring messages), whose words are
in `words` (contentless FTS5: the text itself is kept once, compressed, in `parts`). Deleting the index costs the time
to make it anew and changes no answer. Ranking is in wiki_rank.py.

wiki_lib is not imported here: loading it takes longer than a search may. What both need to agree on (the cache folder,
the wiki's key in it) is held together by tests/test_search.py.
"""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import re
import sqlite3
import sys
import zlib
from array import array
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence

import wiki_rank as rank
import wiki_words

ROWS = 1                    # raised when the same files would come out as other rows: an older index is made anew
PART_CHARS = 2000           # messages are indexed together up to about this size
CANDIDATES = 40             # files that are ranked closely, of those the index finds
CANDIDATE_PARTS = 8         # parts of a file that are looked at closely
POSTINGS = 10_000           # places looked up for a question, rarest words first; what is more common only ranks
WAIT_SECONDS = 60           # for another process that writes the index
STRONG = 0.5                # what stands for a word with at least this share is looked up in the index
ALIKE_CHARS, ALIKE_TAIL = 5, 3      # words that share their beginning, and differ in no more letters at the end,
ALIKE_SHARE = 0.5           # count so much for one another (political, politics)
SNIPPET_CHARS = 240
BEHIND = 0.5                # factor on the score of archived and superseded pages
STATIONS = {"conversations": "conversation", "wiki": "page", "staging": "staged", "archive": "archived"}
KINDS = tuple(STATIONS.values())
HALLS = {"Facts": "fact", "Discoveries": "discovery", "Preferences": "preference", "Advice": "advice",
         "Events": "event", "Tooling": "tooling"}      # heading in a summary: hall
SCRIPTS = os.path.dirname(os.path.realpath(__file__))

_SHIFT = 16                 # rowid of a part = file id << 16 | its number in the file
TOKENIZER = "tokenize = 'porter unicode61 remove_diacritics 2'"
_SCHEMA = """
PRAGMA application_id = 1835363704;
CREATE TABLE files(id INTEGER PRIMARY KEY, path TEXT UNIQUE, size INT, mtime INT, kind TEXT, wing TEXT, wings TEXT,
  title TEXT, date TEXT, topics TEXT, halls TEXT, head TEXT, superseded INT, length INT, parts INT);
CREATE TABLE parts(id INTEGER PRIMARY KEY, section TEXT, message TEXT, spoken INT, text BLOB);
CREATE TABLE kept(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(text, content='', TOKENIZER);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab(words, row);
""".replace("TOKENIZER", TOKENIZER)
_VERSION = zlib.crc32(f"{ROWS}{_SCHEMA}".encode()) & 0x7FFFFFFF


# Plain tuples: `typing` would be loaded for its NamedTuple alone.
Hit = namedtuple("Hit", "path wing title kind date section message snippet score")
Hit.__doc__ = """What a search found, all strings but: `message` the short id of a transcript's message or None, `score` a number,
about 1.0 for the best there is here. `date` is ISO or '', `kind` one of KINDS."""

Row = namedtuple("Row", "path size mtime kind wing wings title date topics halls head superseded length parts")
Row.__doc__ = """A file as the index knows it: the columns after id. `size` in bytes, `mtime` in ns; `wings`, `topics` and
`halls` JSON lists (no wings: counts everywhere), `head` what can be found of title, topics, aliases, wing and day,
`superseded` 0 or 1, `length` in words, roughly, `parts` how many rows of `parts` it has."""

Part = namedtuple("Part", "section message spoken text")
Part.__doc__ = """A stretch of a file; the section and the message (short id or None) it begins in; `spoken` 1 in a transcript."""


def warn(subject: str, what: str) -> None:
    print(f"{os.path.basename(sys.argv[0]) or 'memex'}: {subject}: {what}", file=sys.stderr, flush=True)


# ---------------------------------------------------------------- where it is

def index_path(wiki_dir: str) -> str | None:
    """The index of a wiki, where wl.cache_dir() and wl.wiki_key() say; None where no folder can be written."""
    key = hashlib.sha256(os.path.realpath(wiki_dir).encode("utf-8", "replace")).hexdigest()[:12]
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("HOME") and os.path.join(os.environ["HOME"], ".cache"))
    for folder in (base and os.path.join(base, "memex"), None):
        folder = folder or os.path.join(_temporary(), f"memex-{os.getuid()}")
        with contextlib.suppress(OSError):      # a HOME that is absent or read-only: the next place serves
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if os.access(folder, os.W_OK):
                return os.path.join(folder, f"index-{key}.sqlite")
    return None


def _temporary() -> str:
    import tempfile
    return tempfile.gettempdir()


# ---------------------------------------------------------------- reading files

_HEAD_END = re.compile(r"^## Transcript[ \t]*$", re.M)
_SUBAGENTS = re.compile(r"^## Subagents[ \t]*$", re.M)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Scan:
    """Every file that is searched, as it lies on disk: `names` relative to the wiki, `sizes` size and mtime (ns) of each in
    turn. Links are not followed."""

    def __init__(self, root: str):
        self.names: list[str] = []
        self.sizes: list[int] = []
        for base in ("", "local/"):
            for station in STATIONS:
                self._walk(os.path.join(root, base + station), f"{base}{station}/", top=True)

    def _walk(self, folder: str, prefix: str, top: bool = False) -> None:
        try:
            entries = os.scandir(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            warn(prefix, f"cannot be read ({error.strerror}); the rest is searched")
            return
        with entries:
            for entry in entries:
                name = entry.name
                if name[0] == ".":
                    continue
                if not name.endswith(".md"):
                    if entry.is_dir(follow_symlinks=False):
                        self._walk(entry.path, f"{prefix}{name}/")
                elif not (top and name == "index.md") and entry.is_file(follow_symlinks=False):
                    try:
                        at = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue      # it vanished meanwhile
                    self.names.append(prefix + name)
                    self.sizes += (at.st_size, at.st_mtime_ns)

    def fingerprint(self) -> str:
        """Equal means that nothing changed."""
        told = "\0".join(self.names).encode("utf-8", "surrogateescape") + array("q", self.sizes).tobytes()
        return hashlib.blake2b(told, digest_size=16).hexdigest()

    def files(self) -> dict[str, tuple[int, int]]:
        return dict(zip(self.names, zip(self.sizes[::2], self.sizes[1::2], strict=True), strict=True))


def read_file(root: str, path: str, size: int, mtime: int) -> tuple[Row, list[Part]]:
    """One file as the index keeps it. OSError when it cannot be read; nothing else: whatever a file holds is text."""
    with open(os.path.join(root, path), "rb") as file:
        text = file.read().decode("utf-8", "replace").replace("\r\n", "\n").replace("\0", " ").removeprefix("\ufeff")
    meta, body = _frontmatter(path, text)
    place = path.removeprefix("local/")
    kind = STATIONS[place.split("/", 1)[0]]
    parts = (_conversation_parts(body) if kind == "conversation" else _section_parts(body, ""))[: 1 << _SHIFT]
    heading = re.search(r"^# +(.*?)[ \t]*$", body, re.M)
    name = path.rsplit("/", 1)[-1].removesuffix(".md")
    title = _line(meta.get("title")) or (heading[1] if heading else "") or name
    wings = _words(meta.get("wing") or place.split("/")[1]) if kind == "conversation" else _words(meta.get("wings"))
    dates = (meta.get("date"), meta.get("last_compiled"), meta.get("staged_at"), meta.get("created"), name)
    date = next((m[0] for value in dates if (m := _DAY.search(str(value or "")))), "")
    topics = _words(meta.get("topics"))
    halls = {*_words(meta.get("halls")), *(HALLS[name] for name in rank.SECTION.findall(body) if name in HALLS)}
    head = "\n".join([title, *topics, *_words(meta.get("aliases")), *wings, _day_words(date)])
    row = Row(path, size, mtime, kind, wings[0] if wings else "", json.dumps(wings), title, date,
              json.dumps(sorted({_folded(t) for t in topics})), json.dumps(sorted(halls)), head,
              int(bool(meta.get("superseded_by")) or kind == "archived"), sum(len(p.text) for p in parts) // 6, len(parts))
    return row, parts


def _frontmatter(path: str, text: str) -> tuple[dict[str, object], str]:
    """A file whose frontmatter does not parse is searched all the same: as text without it."""
    import wiki_text
    split = wiki_text.split_frontmatter(text)
    if split is None:
        return {}, text
    try:
        meta = wiki_text.load_yaml(split[0], path)
    except wiki_text.WikiError:
        return {}, split[1]
    return {str(k): v for k, v in meta.items()} if isinstance(meta, dict) else {}, split[1]


def _line(value: object) -> str:
    return " ".join(str(value).split()) if isinstance(value, (str, int, float)) else ""


def _words(value: object) -> list[str]:
    return [w for v in (value if isinstance(value, list) else [value]) if (w := _line(v))]


def _folded(topic: str) -> str:
    return "-".join(rank.words(topic))


def _day_words(date: str) -> str:
    """'2026-04-12' -> '2026-04-12 12 April 2026': a month can be asked for by its name."""
    if not date or not 1 <= int(date[5:7]) <= 12:
        return date
    return f"{date} {int(date[8:])} {rank.MONTHS[int(date[5:7]) - 1]} {date[:4]}"


def _conversation_parts(body: str) -> list[Part]:
    cut = _HEAD_END.search(body)
    if not cut:
        return _section_parts(body, "")
    parts, told = _section_parts(body[: cut.start()], ""), body[cut.end():]
    agents = _SUBAGENTS.search(told)
    parts += _spoken_parts(told[: agents.start()] if agents else told, "Transcript")
    return parts + (_spoken_parts(told[agents.end():], "Subagents") if agents else [])


def _section_parts(body: str, section: str) -> list[Part]:
    """Sections in stretches of about PART_CHARS; each stretch names the section it begins in."""
    starts = [m.start() for m in rank.SECTION.finditer(body)]
    parts, held, name = [], "", section
    for a, b in zip([0, *starts], [*starts, len(body)], strict=True):
        piece = re.sub(r"^# .*\n?", "", body[a:b], count=1, flags=re.M) if a == 0 else body[a:b]
        for stretch in _stretches(piece):
            if held and len(held) + len(stretch) > PART_CHARS:
                parts.append(Part(name, None, 0, held))
                held, name = "", section
            held += stretch
            section = ([section] + rank.SECTION.findall(stretch))[-1]
    return [*parts, Part(name, None, 0, held)] if held.strip() or not parts else parts


def _spoken_parts(told: str, section: str) -> list[Part]:
    heads = list(rank.MESSAGE.finditer(told))
    starts = [m.start() for m in heads]
    parts, held, first, message = [], "", None, None
    for head, a, b in zip([None, *heads], [0, *starts], [*starts, len(told)], strict=True):
        for stretch in _stretches(told[a:b]):
            if held and len(held) + len(stretch) > PART_CHARS:
                parts.append(Part(section, first, 1, held))
                held, first = "", message
            held += stretch
            message = head["id"] if head else message
    return [*parts, Part(section, first, 1, held)] if held.strip() else parts


def _stretches(text: str) -> Iterator[str]:
    """A text in pieces of at most PART_CHARS, cut at line ends where there are any."""
    at = 0
    while len(text) - at > PART_CHARS:      # by position: a message of 50 MB is not copied for each of its pieces
        cut = text.rfind("\n", at + PART_CHARS // 2, at + PART_CHARS) + 1 or at + PART_CHARS
        yield text[at:cut]
        at = cut
    if at < len(text):
        yield text[at:]


# ---------------------------------------------------------------- the index

class Index:
    """The open index of one wiki; `place` None makes it in memory."""

    def __init__(self, root: str, place: str | None):
        self.root, self.place = root, place
        self.db = sqlite3.connect(place or ":memory:", timeout=WAIT_SECONDS, isolation_level=None)
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            self.close()
            raise sqlite3.DatabaseError("made by another version")
        if version == 0:
            self._make()

    def _make(self) -> None:
        if self.place:
            self.db.execute("PRAGMA journal_mode = WAL")
        with self._writing():
            if self.db.execute("PRAGMA user_version").fetchone()[0] == 0:      # else another process was first
                for statement in (*_SCHEMA.split(";"), f"PRAGMA user_version = {_VERSION}"):
                    self.db.execute(statement)

    def close(self) -> None:
        self.db.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        self.db.execute("PRAGMA synchronous = NORMAL")
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def update(self) -> int:
        """Read what is new or changed, drop what vanished; how many files that were. A file that cannot be read is said
        and left out."""
        scan = Scan(self.root)
        tree = scan.fingerprint()
        if self._kept("tree") == tree:
            return 0
        found, changed, unread = scan.files(), 0, False
        with self._writing():
            rows = self.db.execute("SELECT path, size, mtime FROM files")
            known = {path: (size, mtime) for path, size, mtime in rows}
            for path in [p for p in known if found.get(p) != known[p]]:
                self._drop(path)
                changed += path not in found
            for path, (size, mtime) in found.items():
                if known.get(path) == (size, mtime):
                    continue
                try:
                    self._add(*read_file(self.root, path, size, mtime))
                    changed += 1
                except OSError as error:
                    unread = True
                    warn(path, f"cannot be read ({error.strerror}); the rest is searched")
            self._keep("tree", "" if unread else tree)
            self._keep("parts", str(self.db.execute("SELECT sum(parts) FROM files").fetchone()[0] or 0))
        if changed > 1000:
            self.db.execute("INSERT INTO words(words) VALUES('optimize')")
        return changed

    def _kept(self, key: str) -> str:
        row = self.db.execute("SELECT value FROM kept WHERE key = ?", [key]).fetchone()
        return row[0] if row else ""

    def _keep(self, key: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO kept VALUES(?, ?)", [key, value])

    def _add(self, row: Row, parts: Sequence[Part]) -> None:
        number = self.db.execute(f"INSERT INTO files VALUES(NULL{', ?' * len(row)})", row).lastrowid
        for i, part in enumerate(parts):
            at = number << _SHIFT | i
            packed = zlib.compress(part.text.encode("utf-8", "replace"), 1)
            self.db.execute("INSERT INTO parts VALUES(?, ?, ?, ?, ?)", (at, *part[:3], packed))
            self.db.execute("INSERT INTO words(rowid, text) VALUES(?, ?)", (at, _indexed(part, "" if i else row.head)))

    def _drop(self, path: str) -> None:
        number, head = self.db.execute("SELECT id, head FROM files WHERE path = ?", [path]).fetchone()
        span = [number << _SHIFT, (number + 1 << _SHIFT) - 1]
        for at, part in self._parts("id BETWEEN ? AND ?", span):
            self.db.execute("INSERT INTO words(words, rowid, text) VALUES('delete', ?, ?)",
                            (at, _indexed(part, head if at == span[0] else "")))
        self.db.execute("DELETE FROM parts WHERE id BETWEEN ? AND ?", span)
        self.db.execute("DELETE FROM files WHERE id = ?", [number])

    def _parts(self, where: str, values: Sequence[int]) -> list[tuple[int, Part]]:
        rows = self.db.execute(f"SELECT * FROM parts WHERE {where} ORDER BY id", values)
        return [(at, Part(section, message, spoken, zlib.decompress(text).decode("utf-8", "replace")))
                for at, section, message, spoken, text in rows]

    # ------------------------------------------------------------ the question

    def search(self, query: str, wing: str | None = None, topic: str | None = None, hall: str | None = None,
               kind: str | None = None, n: int = 10, sections: bool = False) -> list[Hit]:
        """The n best files for a question (with `sections` the n best passages), best first; [] when nothing matches."""
        asked, named = rank.question_words(query), rank.days_named(query)
        stems = Stemmer()
        terms = self._terms(asked, stems)
        scoped = self._scope(wing, topic, hall, kind)
        ids = self.db.execute(f"SELECT id FROM {'scope' if scoped else 'files'} LIMIT {CANDIDATES + 1}").fetchall()
        places: dict[int, list[int]] = {number: [] for number, in ids}
        rarity = None
        if len(ids) > CANDIDATES:      # else every file is ranked closely
            found = _Found(self.db, terms, scoped)
            places, rarity = found.best(named), found.rarity
        candidates = [self._candidate(number, parts, hall) for number, parts in places.items()]
        ranked = rank.rank([c for c in candidates if c.units], terms, named, stems, rarity)
        return _hits(ranked, n, sections, terms, stems)

    def _scope(self, wing: str | None, topic: str | None, hall: str | None, kind: str | None) -> bool:
        """Fill the table `scope` with the files a question is put to; False when it is all. A page of no wing counts
        everywhere."""
        conditions = (
            (wing, "(wing = ?1 OR kind <> 'conversation' AND (wings = '[]' OR EXISTS "
                   "(SELECT 1 FROM json_each(wings) WHERE value = ?1)))"),
            (topic and _folded(topic), "EXISTS (SELECT 1 FROM json_each(topics) WHERE value = ?2)"),
            (hall, "EXISTS (SELECT 1 FROM json_each(halls) WHERE value = ?3)"),
            (kind, "kind = ?4"),
        )
        used = [condition for value, condition in conditions if value]
        self.db.execute("DROP TABLE IF EXISTS temp.scope")
        if used:
            self.db.execute("CREATE TEMP TABLE scope(id INTEGER PRIMARY KEY, date TEXT, parts INT)")
            self.db.execute(f"INSERT INTO scope SELECT id, date, parts FROM files WHERE {' AND '.join(used)} "
                            "AND ?1 IS ?1 AND ?2 IS ?2 AND ?3 IS ?3 AND ?4 IS ?4", [value for value, _ in conditions])
        return bool(used)

    def _terms(self, asked: Sequence[str], stems: Stemmer) -> list[rank.Term]:
        """A term for each word asked, with what may stand for it: irregular forms, neighbours in the thesaurus, words
        of the index that begin alike, and for a word the index has not at all those spelt nearly so."""
        near = wiki_words.lines_near(asked)
        stem_of = stems({*asked, *(w for _, heads, members in near for w in (*heads, *members))})
        terms = []
        for word in asked:
            stem = stem_of[word]
            stands = {stem: 1.0}
            for share, heads, members in near:
                if stem in (stem_of[h] for h in heads):
                    for member in members:
                        stands.setdefault(stem_of[member], share)
            for other, share in self._alike(stem):
                stands[other] = max(share, stands.get(other, 0.0))
            terms.append(rank.Term(stem, stands, rank.ASKING_WEIGHT if word in rank.ASKING_WORDS else 1.0))
        return terms

    def _alike(self, stem: str) -> Iterator[tuple[str, float]]:
        if len(stem) == 1 and rank.is_cjk(stem):      # a sign alone: every pair that begins with it
            yield from ((other, 1.0) for other in self._beginning(stem))
            return
        if len(stem) < ALIKE_CHARS or stem.isdigit():
            return
        longest = len(stem) + ALIKE_TAIL
        for other in self._beginning(stem[:ALIKE_CHARS]):
            common = len(os.path.commonprefix([stem, other]))
            if other != stem and common >= max(len(stem), len(other)) - ALIKE_TAIL and len(other) <= longest:
                yield other, ALIKE_SHARE
        if not self.db.execute("SELECT 1 FROM vocabulary WHERE term = ?", [stem]).fetchone():
            yield from ((other, ALIKE_SHARE) for other in self._beginning(stem[:2]) if rank.one_slip(stem, other))

    def _beginning(self, start: str) -> list[str]:
        return [t for t, in self.db.execute("SELECT term FROM vocabulary WHERE term >= ? AND term < ? LIMIT 5000",
                                            [start, start[:-1] + chr(ord(start[-1]) + 1)])]

    def _candidate(self, number: int, places: list[int], hall: str | None) -> rank.Candidate:
        """A file by its parts at those places, by all of them when none is given."""
        row = Row(*self.db.execute("SELECT * FROM files WHERE id = ?", [number]).fetchone()[1:])
        if not places:
            parts = self._parts("id BETWEEN ? AND ?", [number << _SHIFT, (number + 1 << _SHIFT) - 1])
        else:
            parts = self._parts(f"id IN ({', '.join('?' * len(places))})", places)
        units = [u for _, p in parts for u in rank.units(p.text, p.section, p.message, bool(p.spoken))
                 if not hall or HALLS.get(u.section) == hall]
        if not units and not hall:      # an empty file is still found by its title
            units = [rank.Unit("", None, row.title, 1.0)]
        return rank.Candidate(row.path, units, rank.words(rank.prepare(row.head)), row.date,
                              BEHIND if row.superseded else 1.0, row.length, row)


class _Found:
    """What the index itself knows of a question's terms: where they stand, and how rare they are in the scope."""

    def __init__(self, db: sqlite3.Connection, terms: Sequence[rank.Term], scoped: bool):
        self.db, self.scoped = db, scoped
        self.total = int(self._one("SELECT value FROM kept WHERE key = 'parts'"))
        self.here = self._one("SELECT sum(parts) FROM scope") if scoped else self.total
        self.known: dict[str, float] = {}      # stem: idf in the scope
        self.at: dict[int, dict[int, float]] = {}      # part: {term: what it scores there}
        self._look(terms)

    def _one(self, statement: str) -> int:
        return self.db.execute(statement).fetchone()[0]

    def _look(self, terms: Sequence[rank.Term]) -> None:
        strong = [(share < 1, self._everywhere(stem), stem, i) for i, t in enumerate(terms)
                  for stem, share in t.stands.items() if share >= STRONG]
        spent = 0
        for _, count, stem, i in sorted(strong):      # what was asked first, then what stands for it; rare words first
            if not count or spent and spent + count > POSTINGS:
                continue
            spent += count
            rows = self._rows(stem)
            self.known[stem] = rank.idf(len(rows), self.here)
            worth = self.known[stem] * terms[i].stands[stem] / max(1e-6, _fts_idf(count, self.total))
            for at, score in rows:
                scores = self.at.setdefault(at, {})
                scores[i] = max(scores.get(i, 0.0), -score * worth)

    def _rows(self, stem: str) -> list[tuple[int, float]]:
        scope = f" AND rowid >> {_SHIFT} IN (SELECT id FROM scope)" if self.scoped else ""
        return self.db.execute(f"SELECT rowid, bm25(words) FROM words WHERE words MATCH ?{scope}",
                               [f'"{stem}"']).fetchall()

    def _everywhere(self, stem: str) -> int:
        row = self.db.execute("SELECT doc FROM vocabulary WHERE term = ?", [stem]).fetchone()
        return row[0] if row else 0

    def rarity(self, stems: Iterable[str]) -> dict[str, float]:
        for stem in stems:
            if stem not in self.known and (count := self._everywhere(stem)):
                self.known[stem] = rank.idf(count, self.total)
        return {s: self.known[s] for s in stems if s in self.known}

    def best(self, named: Sequence) -> dict[int, list[int]]:
        """{file: its best parts} of the CANDIDATES best files, and of some from the time that was named."""
        files: dict[int, list[tuple[float, int]]] = {}
        whole: dict[int, dict[int, float]] = {}
        for at, scores in self.at.items():
            files.setdefault(at >> _SHIFT, []).append((sum(scores.values()), at))
            best = whole.setdefault(at >> _SHIFT, {})
            for i, score in scores.items():
                best[i] = max(best.get(i, 0.0), score)
        total = {f: max(p)[0] + sum(whole[f].values()) for f, p in files.items()}
        if named:
            top = max(total.values(), default=1.0)
            for number, date in self._of_time(named):
                total[number] = total.get(number, 0.0) + top * rank.nearness(named, date)
        chosen = self._first(total)
        found = {f: sorted(files.get(f, [(0.0, f << _SHIFT)]), reverse=True)[:CANDIDATE_PARTS] for f in chosen}
        return {f: [at for _, at in parts] for f, parts in found.items()}

    def _first(self, total: dict[int, float]) -> list[int]:
        """The CANDIDATES best; among equals the newest, so that ids, which tell how the index grew, decide nothing."""
        if len(total) <= CANDIDATES:
            return list(total)
        cut = sorted(total.values(), reverse=True)[CANDIDATES - 1]
        above = [f for f in total if total[f] > cut]
        equal = json.dumps([f for f in total if total[f] == cut])
        rest = self.db.execute("SELECT id FROM files WHERE id IN (SELECT value FROM json_each(?)) ORDER BY date DESC, path "
                               "LIMIT ?", [equal, CANDIDATES - len(above)])
        return above + [number for number, in rest]

    def _of_time(self, named: Sequence) -> list[tuple[int, str]]:
        table = "scope" if self.scoped else "files"
        days = [d for d, in self.db.execute(f"SELECT DISTINCT date FROM {table}") if rank.nearness(named, d) > 0.1]
        marks = ", ".join("?" * len(days))
        return self.db.execute(f"SELECT id, date FROM {table} WHERE date IN ({marks})", days).fetchall()


def _fts_idf(count: int, total: int) -> float:
    """SQLite's own, which its bm25() has in it."""
    return math.log((total - count + 0.5) / (count + 0.5)) if total > 2 * count else 1e-6


class Stemmer:
    """Stems exactly as the index has them: by SQLite's own tokenizer."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.execute(f"CREATE VIRTUAL TABLE w USING fts5(x, content='', {TOKENIZER})")
        self.db.execute("CREATE VIRTUAL TABLE v USING fts5vocab(w, instance)")

    def __call__(self, words: Iterable[str]) -> dict[str, str]:
        every = sorted(set(words))
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO w(rowid, x) VALUES(?, ?)", enumerate(every))
        stems = {every[doc]: term for doc, term in self.db.execute("SELECT doc, term FROM v WHERE offset = 0")}
        self.db.execute("INSERT INTO w(w) VALUES('delete-all')")
        self.db.execute("COMMIT")
        return {word: stems.get(word, word) for word in every}


# ---------------------------------------------------------------- what is shown

def _hits(ranked: Sequence[rank.Candidate], n: int, sections: bool, terms: Sequence[rank.Term],
          stems: Stemmer) -> list[Hit]:
    if not sections:
        return [_hit(c, c.passages[0][1] if c.passages else c.units[0], c.score, terms, stems) for c in ranked[:n]]
    top = max((p for c in ranked for p, _ in c.passages), default=1.0) or 1.0
    seen, found = set(), []
    for c in ranked:
        for score, unit in c.passages:
            if unit not in seen:      # two windows may show one unit
                seen.add(unit)
                found.append((c.score * score / top, c, unit))
    found.sort(key=lambda f: (-f[0], f[1].key))
    return [_hit(c, unit, score, terms, stems) for score, c, unit in found[:n]]


def _hit(c: rank.Candidate, unit: rank.Unit, score: float, terms: Sequence[rank.Term], stems: Stemmer) -> Hit:
    row: Row = c.row
    shown = snippet(unit.text, {s for t in terms for s in t.stands}, stems)
    return Hit(row.path, row.wing, row.title, row.kind, row.date, unit.section, unit.message, shown,
               round(score / (1 + rank.FILE_WEIGHT), 4))


def snippet(text: str, wanted: set[str], stems: Stemmer) -> str:
    """One line of at most SNIPPET_CHARS: where the text has most of what was asked."""
    flat = " ".join(text.split())
    if len(flat) <= SNIPPET_CHARS:
        return flat
    spots = [(m.start(), m[0].lower()) for m in re.finditer(rf"[{rank.CJK}]{{2}}|[^\W_]+", flat)]
    stem_of = stems({w for _, w in spots})
    marked = [(at, stem_of[w]) for at, w in spots if stem_of[w] in wanted]
    room = SNIPPET_CHARS - 30
    start = max((len({s for at, s in marked if a <= at < a + room}), -a) for a, _ in marked)[1] * -1 if marked else 0
    start = max(0, start - 25)
    if start:
        start = flat.find(" ", start, start + 25) + 1 or start
    end = start + SNIPPET_CHARS - 2
    if end < len(flat):
        end = max(flat.rfind(" ", start + SNIPPET_CHARS // 2, end), start + SNIPPET_CHARS // 2)
    return ("… " if start else "") + flat[start:end].strip() + (" …" if end < len(flat) else "")


# ---------------------------------------------------------------- opening

def answer(wiki_dir: str, **question: object) -> list[Hit]:
    """Search a wiki with an index brought up to date; a broken index is made anew, said in one line."""
    return _with_index(wiki_dir, lambda index: (index.update(), index.search(**question))[1])


def update(wiki_dir: str, rebuild: bool = False) -> int:
    """Bring the index of a wiki up to date (or make it anew); how many files were read or dropped."""
    place = index_path(wiki_dir)
    if rebuild and place:
        _remove(place)
    return _with_index(wiki_dir, Index.update)


def _with_index(wiki_dir: str, do: Callable[[Index], object]) -> object:
    place = index_path(wiki_dir)
    for _ in range(2 if place else 0):
        inode = _inode(place)
        try:
            with contextlib.closing(Index(wiki_dir, place)) as index:
                return do(index)
        except sqlite3.DatabaseError as error:
            if _cannot_write(error):
                warn("index", f"cannot be written ({error}); made in memory this time; see that {place} can be written")
                break
            warn("index", f"could not be used ({error}); made anew")
            _replace(place, inode)
    with contextlib.closing(Index(wiki_dir, None)) as index:
        return do(index)


def _replace(place: str, inode: int) -> None:
    """Remove an index that cannot be used, unless another process has replaced it meanwhile."""
    with open(place + ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _inode(place) == inode:
            _remove(place)


def _inode(place: str) -> int:
    try:
        return os.stat(place).st_ino
    except OSError:
        return 0


def _cannot_write(error: sqlite3.DatabaseError) -> bool:
    return isinstance(error, sqlite3.OperationalError) and any(
        sign in str(error) for sign in ("readonly", "unable to open", "disk", "full", "locked"))


def _remove(place: str) -> None:
    for tail in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(place + tail)


def _indexed(part: Part, head: str) -> str:
    """The words of a part as they go into the index; a title's words count twice."""
    text = rank.MESSAGE.sub("", part.text) if part.spoken else part.text
    return rank.prepare(f"{head}\n{head}\n{text}" if head else text)
