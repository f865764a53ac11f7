"""The meaning of a merge: what two machines made of one file, from its three versions. Pure, and the same whichever side asks.

`merge_text` settles one path, `merge_stations` a page that may have moved between wiki/ and archive/. A version that is not
there is None; one that a plain union merge damaged goes through wiki_heal first. `today` tells which dates are too late to
be true.
"""
from __future__ import annotations

import wiki_lib as wl

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from wiki_blocks import merge_bodies, merge_lines, survivors

Meta = Mapping[str, Any]

DATES = {"created", "last_compiled", "last_verified", "staged_at", "archived_at", "date", "ended", "fetched_at"}
LISTS = {"aliases", "wings", "topics", "sources", "related", "supersedes", "models", "halls"}
COMMA_LISTS = {"distill_source_conversations"}
TRUST = ("last_verified", "verified_by", "confidence")               # one value, by maximum
SUMMARY_KEYS = ("status", "summary_of", "summarized_by", "topics", "halls", "related")
GONE = ("Merged into", "Superseded by")                              # archived so: no program brings them back

_STATE = re.compile(r"\.[\w-]+-state\.json$")
_PAGE = re.compile(r"(wiki|archive|staging)/([^/]+)/([^/]+)\.md$")
_CONVERSATION = re.compile(r"conversations/[^/]+/[^/]+\.md$")
_GENERATED = re.compile(r"(<!-- (memex:[\w-]+) -->)(?:.*?)(<!-- /\2 -->)", re.S)
_MISSING: Any = object()


def kind_of(path: str) -> str:
    """What a path holds: state, page, conversation, generated, counts, raw, lines, prose or other."""
    name = path.rsplit("/", 1)[-1]
    if path in ("conversations/index.md", "staging/index.md", "archive/index.md", "context/raw-extractions.md"):
        return "generated"
    if path == "context/wake-up.md" or path.startswith("context/wake-up/"):
        return "generated"
    if _PAGE.match(path):
        return "page"
    if _CONVERSATION.match(path):
        return "conversation"
    if _STATE.match(path):
        return "state"
    if path.startswith("context/use/") and name.endswith(".json"):
        return "counts"
    if path.startswith("raw/"):
        return "raw"
    if name.endswith(".jsonl") or name in (".gitignore", ".gitattributes"):
        return "lines"
    return "prose" if name.endswith(".md") else "other"


def merge_text(path: str, base: str | None, ours: str | None, theirs: str | None, today: date) -> dict[str, str | None]:
    """{path: what it is to hold, None = nothing}; a second path where two whole files must both be kept."""
    if ours == theirs or theirs == base:
        return {path: ours}
    if ours == base:
        return {path: theirs}
    if ours is None or theirs is None:                # an edit wins over a removal
        return {path: ours if theirs is None else theirs}
    a, b = sorted((ours, theirs))
    kind = kind_of(path)
    if kind == "conversation" and not (is_talk(path, a) and is_talk(path, b)):      # a person's own file, or one he broke
        if is_talk(path, a) or is_talk(path, b):
            whole, other = (a, b) if is_talk(path, a) else (b, a)
            return {path: whole, beside(path, other): other}
        kind, base = "page", None if base is None or is_talk(path, base) else base
    if kind in _MERGERS:
        return {path: _MERGERS[kind](path, base, a, b, today)}
    if kind == "generated":
        return {path: a}
    return {path: a, beside(path, b): b}


def beside(path: str, text: str, known: str = "") -> str:
    """The second name of a file whose first name is taken: x.md -> x-<hash8>.md. `known`: a hash that it has already."""
    stem, dot, ending = path.rpartition(".")
    mark = (known or wl.sha(text))[:8]
    return f"{stem}-{mark}.{ending}" if dot and "/" not in ending and stem and stem[-1] != "/" else f"{path}-{mark}"


# ---------------------------------------------------------------- frontmatter

def merge_meta(base: Meta | None, a: Meta, b: Meta, today: date, person: str = "") -> dict[str, Any]:
    """Two frontmatters as one. `person`: 'a' or 'b' when only that side was written by a person."""
    out: dict[str, Any] = {}
    for key in _key_order(base, a, b):
        was = _MISSING if base is None else base.get(key, _MISSING)
        value = _merge_value(key, was, a.get(key, _MISSING), b.get(key, _MISSING), today, person, base is not None)
        if value is not _MISSING:
            out[key] = value
    if any(k in out for k in TRUST):
        out.update(_merge_trust(base, a, b, today))
    return out


def _key_order(base: Meta | None, a: Meta, b: Meta) -> list[str]:
    """The order in which unknown keys are written: the base's, then by name. Known ones have their own."""
    kept = [k for k in base or a if k in a or k in b]
    return kept + sorted((set(a) | set(b)) - set(kept))


def _merge_value(key: str, was: Any, a: Any, b: Any, today: date, person: str, based: bool) -> Any:
    if a == b and type(a) is type(b):
        return a
    if key in DATES and _MISSING not in (a, b):
        return later(a, b, today)
    if key == "version" and _MISSING not in (a, b):
        return max(a, b, key=lambda v: (isinstance(v, int), v if isinstance(v, int) else str(v)))
    if based and b == was:
        return a
    if based and a == was:
        return b
    if a is _MISSING or b is _MISSING:
        return a if b is _MISSING else b
    if key in LISTS or isinstance(a, list) or isinstance(b, list):
        return join_lists(wl.as_list(was) if was is not _MISSING else None, wl.as_list(a), wl.as_list(b))
    if key in COMMA_LISTS:
        return ", ".join(join_lists(None if was is _MISSING else _commas(was), _commas(a), _commas(b)))
    if isinstance(a, dict) and isinstance(b, dict):
        return {k: _merge_value(k, _MISSING, a.get(k, _MISSING), b.get(k, _MISSING), today, person, False)
                for k in sorted({**a, **b})}
    if person:
        return a if person == "a" else b
    return max(a, b, key=_canonical)


def _commas(value: Any) -> list[str]:
    return [part.strip() for part in str(value or "").split(",") if part.strip()]


def _canonical(value: Any) -> tuple[bool, bool, float, str]:
    """An order that every machine agrees on; something before nothing, numbers by size."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value not in (None, "", [], {}), number, value if number else 0, json.dumps(value, sort_keys=True, default=str)


def too_late(meta: Meta, today: date) -> str:
    """The dates of a frontmatter that are after tomorrow, being a clock's mistake: 'created 2031-01-01'; '' when there is none."""
    late = [k for k in meta if k in DATES and (day := wl.as_date(meta[k])) and day > today + timedelta(days=1)]
    return ", ".join(f"{k} {meta[k]}" for k in late)


def later(a: Any, b: Any, today: date) -> Any:
    """The later of two dates; one after tomorrow loses, being a clock's mistake."""
    def rank(value: Any) -> tuple[bool, str]:
        day = wl.as_date(value)
        return bool(day and day <= today + timedelta(days=1)), str(value or "") if day else ""
    return max(a, b, key=lambda v: (*rank(v), _canonical(v)))


def join_lists(base: Sequence[str] | None, a: Sequence[str], b: Sequence[str]) -> list[str]:
    """The union of two lists minus what one side removed from the base; an order that one side chose is kept."""
    kept = survivors(base, a, b)
    whole = sorted(side for side in (list(dict.fromkeys(a)), list(dict.fromkeys(b))) if set(side) == kept)
    if whole:
        return whole[0]
    first = [x for x in dict.fromkeys(base or ()) if x in kept]
    return first + sorted(kept - set(first))


def _merge_trust(base: Meta | None, a: Meta, b: Meta, today: date) -> dict[str, Any]:
    """(last_verified, verified_by, confidence) of the side that was verified later, else more firmly. Where both say the
    same, the confidence that one side changed, else the higher one."""
    def rank(meta: Meta) -> tuple[bool, str, int]:
        day = wl.as_date(meta.get("last_verified"))
        by = meta.get("verified_by")
        return (bool(day and day <= today + timedelta(days=1)), str(meta.get("last_verified") or ""),
                wl.VERIFIERS.index(by) if by in wl.VERIFIERS else -1)

    if rank(a) != rank(b):
        best = a if rank(a) > rank(b) else b
        other = b if best is a else a
    else:
        was = base.get("confidence") if base else None
        def steps(meta: Meta) -> tuple[bool, int, str]:
            value = meta.get("confidence")
            known = wl.CONFIDENCES.index(value) if value in wl.CONFIDENCES else len(wl.CONFIDENCES)
            return base is not None and value != was, -known, str(value)
        best, other = sorted((a, b), key=steps, reverse=True)
    return {k: best.get(k, other.get(k)) for k in TRUST if k in best or k in other}


# ---------------------------------------------------------------- pages

def _merge_page(path: str, base: str | None, a: str, b: str, today: date) -> str:
    merged = merge_pages(None if base is None else read(path, base), read(path, a), read(path, b), today)
    return wl.render_page(merged) if merged.meta else merged.body


def read(path: str, text: str) -> wl.WikiPage:
    """A page; one whose frontmatter does not parse is kept whole, as its body, for a person to mend."""
    try:
        return wl.parse_page(path, text)
    except wl.PageError:
        return wl.WikiPage(path, {}, text)


def merge_pages(base: wl.WikiPage | None, a: wl.WikiPage, b: wl.WikiPage, today: date) -> wl.WikiPage:
    """One page from two (already in canonical order) that grew out of `base`."""
    by_hand = [p.edited or p.meta.get("origin") == "human" for p in (a, b)]
    person = "" if by_hand[0] == by_hand[1] else "a" if by_hand[0] else "b"
    meta = merge_meta(base.meta if base else None, a.meta, b.meta, today, person)
    heads = [wl.heading(p.body) for p in (a, b)]
    title, lost = _title(wl.heading(base.body) if base else None, *heads, str(meta.get("title") or ""), person)
    body = merge_bodies(base.body if base else None, a.body, b.body, title)
    if lost and lost not in wl.as_list(meta.get("aliases")):
        meta["aliases"] = [*wl.as_list(meta.get("aliases")), lost]
    if "compiled_hash" in meta:
        meta["compiled_hash"] = _compiled_hash(body, a, b)
    return wl.WikiPage(a.path, meta, body)


def _title(was: str | None, a: str, b: str, wanted: str, person: str) -> tuple[str | None, str]:
    """(the heading to use, the one that was lost and becomes an alias). None: nothing to decide."""
    if a == b or not a or not b:
        return None, ""
    if was is not None and was in (a, b):
        return (b if a == was else a), ""
    best = wanted if wanted in (a, b) else (a if person == "a" else b if person == "b" else max(a, b))
    return best, b if best == a else a


def _compiled_hash(body: str, a: wl.WikiPage, b: wl.WikiPage) -> str:
    """What keeps a page that a person edited looking so, and one that only programs wrote not."""
    now = wl.page_content_hash(body)
    if not any(p.edited or not p.meta.get("compiled_hash") for p in (a, b)):
        return now
    for side in (a, b):
        if side.meta.get("compiled_hash") and wl.page_content_hash(side.body) == now:
            return str(side.meta["compiled_hash"])
    known = sorted(str(p.meta["compiled_hash"]) for p in (a, b) if p.meta.get("compiled_hash"))
    return next((h for h in known if h != now), known[-1])


# ---------------------------------------------------------------- a page between wiki/ and archive/

def merge_stations(name: str, base: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str],
                   today: date) -> dict[str, str | None]:
    """A page known by `<folder>/<slug>.md` on three sides, each {station: text}: what its paths are to hold.

    An archiving and an edit move the edit along; an edit wins over a removal; both stations are kept only where they
    hold two different pages. A base that is only staged serves the text, not the place."""
    a, b = sorted((ours, theirs), key=lambda side: sorted(side.items()))
    if any(_two_pages(name, side) for side in (base, a, b)):
        return _station_by_station(name, base, a, b, today)
    place_of, text_of = {}, {}
    for which, side in (("base", base), ("a", a), ("b", b)):
        place_of[which], text_of[which] = _as_one(name, side, today)
    if text_of["a"] is None or text_of["b"] is None:
        which = "b" if text_of["a"] is None else "a"
        place, text = place_of[which], text_of[which]
    else:
        place = _place(place_of["base"], place_of["a"], place_of["b"])
        path = f"{place}/{name}"
        text = merge_text(path, text_of["base"], text_of["a"], text_of["b"], today)[path]
    out: dict[str, str | None] = {f"{station}/{name}": None for station in ("wiki", "archive")}
    if text is not None:
        out[f"{place}/{name}"] = _at_home(f"{place}/{name}", text)
    return out


def _station_by_station(name: str, base: Mapping[str, str], a: Mapping[str, str], b: Mapping[str, str],
                        today: date) -> dict[str, str | None]:
    out: dict[str, str | None] = {}
    for station in ("wiki", "archive"):
        path = f"{station}/{name}"
        out |= merge_text(path, base.get(station), a.get(station), b.get(station), today)
    return out


def _place(was: str | None, a: str | None, b: str | None) -> str:
    """Where a page goes that is in two places: where the side took it that moved it; live when that says nothing."""
    if a == b or b == was:
        return a or "wiki"
    return b or "wiki" if a == was else "wiki"


def _as_one(name: str, side: Mapping[str, str], today: date) -> tuple[str | None, str | None]:
    """(station, text) of one side; a page in two places is settled to one first."""
    if len(settled := settle_twins(name, side, today)) > 1:
        settled = {k: v for k, v in settled.items() if k != "staging"} or settled
    for station in ("wiki", "archive", "staging"):
        if settled.get(station) is not None:
            return station, settled[station]
    return None, None


def _two_pages(name: str, side: Mapping[str, str]) -> bool:
    """Whether the live and the archived page of one name are two pages: the archived one was put there by a program, and
    the live one was begun on another day."""
    if not ("wiki" in side and "archive" in side):
        return False
    live, old = (_meta(f"{s}/{name}", side[s]) for s in ("wiki", "archive"))
    return bool(old.get("archived_at")) and str(live.get("created")) != str(old.get("created"))


def settle_twins(name: str, side: Mapping[str, str], today: date) -> dict[str, str]:
    """One side's {station: text} with a page that stands both in wiki/ and in archive/ in one of them only: the live one,
    unless it was merged or superseded."""
    if not ("wiki" in side and "archive" in side) or _two_pages(name, side):
        return dict(side)
    reason = str(_meta(f"archive/{name}", side["archive"]).get("archived_reason") or "")
    place = "archive" if reason.startswith(GONE) else "wiki"
    path = f"{place}/{name}"
    bare = {s: wl.render_page(read(path, side[s]).without(wl.ARCHIVE_KEYS)) for s in ("wiki", "archive")}
    text = merge_text(path, None, bare["wiki"], bare["archive"], today)[path]
    if place == "archive":
        kept = {k: v for k, v in _meta(path, side["archive"]).items() if k in wl.ARCHIVE_KEYS}
        text = wl.render_page(read(path, text).with_meta(**kept))
    return {**{s: t for s, t in side.items() if s == "staging"}, place: str(text)}


def _at_home(path: str, text: str) -> str:
    """A live page says nothing of an archiving."""
    if path.startswith("archive/") or not (set(_meta(path, text)) & set(wl.ARCHIVE_KEYS)):
        return text
    return wl.render_page(wl.parse_page(path, text).without(wl.ARCHIVE_KEYS))


def _meta(path: str, text: str) -> dict[str, Any]:
    try:
        return wl.parse_page(path, text).meta
    except wl.PageError:
        return {}


# ---------------------------------------------------------------- conversations

@dataclass(frozen=True)
class Talk:
    """A conversation's file: frontmatter, the summariser's block, the messages."""
    meta: dict[str, Any]
    block: str
    transcript: wl.Transcript

    @property
    def complete(self) -> tuple[int, str]:
        return len(self.transcript.ids()), str(self.meta.get("ended") or "")


def read_talk(path: str, text: str) -> Talk:
    """A conversation's file in its three parts; PageError when its frontmatter does not parse."""
    parts = wl.split_frontmatter(text)
    head, mark, rest = (parts[1] if parts else text).partition("\n## Transcript\n")
    meta = wl.load_yaml(parts[0], path) if parts else {}
    block = head.split("\n", 1)[1].strip() if head.startswith("# ") and "\n" in head else ""
    return Talk(meta if isinstance(meta, dict) else {}, block, wl.parse_transcript(rest if mark else ""))


def is_talk(path: str, text: str) -> bool:
    """Whether a file below conversations/ is a transcript that can be read."""
    try:
        return "\n## Transcript\n" in text and bool(read_talk(path, text).meta)
    except wl.PageError:
        return False


def _merge_conversation(path: str, base: str | None, a: str, b: str, today: date) -> str:
    was, one, two = (None if text is None or not is_talk(path, text) else read_talk(path, text) for text in (base, a, b))
    assert one and two
    transcript, redactor = _merge_redacted(one, two)
    fuller = max(one, two, key=lambda t: (t.complete, _canonical(t.meta.get("title"))))
    meta = merge_meta(was.meta if was else None, one.meta, two.meta, today)
    meta["title"] = fuller.meta.get("title") or meta.get("title")
    if "started" in one.meta and "started" in two.meta:
        meta["started"] = min(str(one.meta["started"]), str(two.meta["started"]))
    if redactor is not None:
        meta["redactor"] = redactor
    meta["messages"] = sum(bool(m.text) for m in transcript.said)
    summary = _summary(was, one, two, wl.transcript_digest(transcript))
    meta = {k: v for k, v in meta.items() if k not in SUMMARY_KEYS} | {
        k: summary.meta[k] for k in SUMMARY_KEYS if k in summary.meta}
    return wl.render_conversation(meta, summary.block, wl.render_transcript(transcript))


def _merge_redacted(one: Talk, two: Talk) -> tuple[wl.Transcript, Any]:
    """The messages of both; where newer rules read one side, its words stand, and the file counts as read by the older
    rules as long as it holds a message that only they have seen."""
    versions = [t.meta.get("redactor") for t in (one, two)]
    if versions[0] == versions[1] or not all(isinstance(v, int) for v in versions):
        return merge_transcripts(one.transcript, two.transcript), versions[0] if versions[0] == versions[1] else None
    newer, older = (one, two) if versions[0] > versions[1] else (two, one)
    merged = merge_transcripts(newer.transcript, older.transcript, trusted=newer.transcript)
    seen = set(newer.transcript.ids())
    return merged, max(versions) if set(merged.ids()) <= seen else min(versions)


def _summary(was: Talk | None, one: Talk, two: Talk, digest: str) -> Talk:
    """The side whose summary stands: the one that fits the messages, then the one that is new, then a model's, then the
    larger digest."""
    def told(talk: Talk) -> tuple[str, Any]:
        return talk.block, {k: talk.meta.get(k) for k in SUMMARY_KEYS}

    def rank(talk: Talk) -> tuple[Any, ...]:
        by = str(talk.meta.get("summarized_by") or "")
        return (talk.meta.get("status") == "summarized", talk.meta.get("summary_of") == digest,
                bool(was) and told(talk) != told(was), bool(by) and by != "extractive",
                wl.sha(talk.block), _canonical(told(talk)[1]))
    return max(one, two, key=rank)


def single(transcript: wl.Transcript) -> wl.Transcript:
    """A transcript with every message once: a union merge may have left two versions of one."""
    agents: dict[str, wl.Agent] = {}
    for agent in transcript.agents:
        was = agents.get(agent.id, wl.Agent(agent.id, agent.title))
        agents[agent.id] = wl.Agent(agent.id, max(was.title, agent.title), _once((*was.messages, *agent.messages)))
    return wl.Transcript(_once(transcript.messages), tuple(agents.values()))


def _once(line: Sequence[Any]) -> tuple[Any, ...]:
    kept: dict[Any, Any] = {}
    for message in line:
        key = _ident(message)
        kept[key] = _longer(kept[key], message) if key in kept else message
    return tuple(kept.values())


def _ident(message: Any) -> Any:
    return message if isinstance(message, wl.Shared) else wl.short(message.id)


def merge_transcripts(a: wl.Transcript, b: wl.Transcript, trusted: wl.Transcript | None = None) -> wl.Transcript:
    """The union of two states of one session; the same whichever comes first. `trusted`: whose wording stands where the
    two differ (else the longer, then the smaller bytes)."""
    a, b, _ = wl.told_apart(a, b)
    known = {_ident(m): m for part in (trusted.said, *(x.messages for x in trusted.agents)) for m in part} if trusted else {}
    agents: dict[str, wl.Agent] = {}
    for agent in (*a.agents, *b.agents):
        was = agents.get(agent.id, wl.Agent(agent.id, agent.title))
        title = max(was.title, agent.title, key=lambda t: (len(t), t))
        agents[agent.id] = wl.Agent(agent.id, title, tuple(merge_line(was.messages, agent.messages, known)))
    return wl.Transcript(tuple(merge_line(a.messages, b.messages, known)), tuple(agents[i] for i in sorted(agents)))


def merge_line(a: Sequence[Any], b: Sequence[Any], trusted: Mapping[str, Any] | None = None) -> list[Any]:
    """Two lines of messages as one: what both have in the order of the longer one, what one has alone after the message
    that it followed, by time where both have something there."""
    a, b = sorted((list(a), list(b)), key=lambda line: (-len(line), [str(_ident(m)) for m in line]))
    ours, theirs = {_ident(m): m for m in a}, {_ident(m): m for m in b}
    both = set(ours) & set(theirs)

    def runs(line: Mapping[Any, Any]) -> dict[Any, list[Any]]:
        out: dict[Any, list[Any]] = {}
        anchor = None
        for key, message in line.items():
            if key in both:
                anchor = key
            else:
                out.setdefault(anchor, []).append(message)
        return out

    mine, yours = runs(ours), runs(theirs)
    merged: list[Any] = []
    for anchor in (None, *(k for k in ours if k in both)):
        if anchor is not None:
            merged.append((trusted or {}).get(anchor) or _longer(ours[anchor], theirs[anchor]))
        merged += _by_time(mine.get(anchor, []), yours.get(anchor, []))
    return list(wl.spelt_out(merged))


def _longer(a: Any, b: Any) -> Any:
    if a == b or isinstance(a, wl.Shared):
        return a
    return min(a, b, key=lambda m: (-m.size, m.text, m.tools, m.time, m.role))


def _by_time(a: list[Any], b: list[Any]) -> list[Any]:
    """Two runs zipped by (time, id), each in its own order."""
    out, a, b = [], list(a), list(b)
    while a and b:
        out.append((a if _when(a[0]) <= _when(b[0]) else b).pop(0))
    return out + a + b


def _when(message: Any) -> tuple[str, str]:
    return ("", repr(message)) if isinstance(message, wl.Shared) else (message.time, message.id)


# ---------------------------------------------------------------- everything else

def _merge_state(path: str, base: str | None, a: str, b: str, today: date) -> str:
    joined = read_words(a)
    for key, words in read_words(b).items():
        joined.setdefault(key, set()).update(words)
    return wl.render_words(joined)


def read_words(text: str) -> dict[str, set[str]]:
    """A state file's words; of one that does not parse, those of its whole lines."""
    try:
        return wl.parse_words(text)
    except (ValueError, RecursionError):
        found: dict[str, set[str]] = {}
        for line in text.split("\n"):
            try:
                record = wl.parse_words("{" + line.strip().rstrip(",") + "}")
            except (ValueError, RecursionError):
                continue          # a conflict marker, a brace, half a line: no record of ours
            for key, words in record.items():
                found.setdefault(key, set()).update(words)
        return found


def _merge_counts(path: str, base: str | None, a: str, b: str, today: date) -> str:
    """Counts by maximum."""
    try:
        one, two = json.loads(a), json.loads(b)
    except ValueError:
        return max(a, b)
    return json.dumps(_most(one, two), indent=0, sort_keys=True, ensure_ascii=False) + "\n"


def _most(a: Any, b: Any) -> Any:
    if isinstance(a, dict) and isinstance(b, dict):
        return {k: _most(a[k], b[k]) if k in a and k in b else a.get(k, b.get(k)) for k in sorted({**a, **b})}
    return max(a, b, key=_canonical)


def _merge_lines(path: str, base: str | None, a: str, b: str, today: date) -> str:
    """Records a line: both sides' lines."""
    return "".join(f"{line}\n" for line in merge_lines(None, a.splitlines(), b.splitlines()))


def _merge_prose(path: str, base: str | None, a: str, b: str, today: date) -> str:
    """What a person wrote around the generated blocks is merged; a block stands as one side had it, until it is generated
    anew."""
    bare = [None if text is None else _GENERATED.sub(r"\n\n\1\3\n\n", text) for text in (base, a, b)]
    merged = bare[1] if bare[1] == bare[2] else _merge_page(path, bare[0], *bare[1:], today)       # type: ignore[arg-type]
    blocks = {m[2]: m[0] for text in (a, b) for m in _GENERATED.finditer(text)}
    return _GENERATED.sub(lambda m: blocks[m[2]], re.sub(r"\n{3,}(?=<!-- memex:)", "\n\n", str(merged).lstrip("\n")))


_MERGERS = {"page": _merge_page, "prose": _merge_prose, "conversation": _merge_conversation,
            "state": _merge_state, "lines": _merge_lines, "counts": _merge_counts}
