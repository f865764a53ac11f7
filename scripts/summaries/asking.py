"""The same summary asked of a model: the question, and what must hold before its answer is taken.

A conversation that is too long for one question is asked about in pieces, each with the summary of what came before it,
and once more at the end, to join what was found. What a model says is data: each bullet must cite messages that exist and
say what they say.
"""
from __future__ import annotations

import wiki_lib as wl

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wiki_budget import CHARACTERS_A_TOKEN, Cost, tokens_of

from summaries.chunks import ALLOWANCE, LEAST_CHARACTERS, cut, items, pieces, size_of
from summaries.extractive import Summary
from summaries.thinning import thinned
from summaries.vocabulary import NEVER

ROOMS_SHOWN = 200             # of the wiki's rooms, so that the same subject gets the same name
PAGES_SHOWN = 40              # live pages that may be named as related
MOST_TOPICS = 8               # rooms a conversation may have
PIECE_CHARACTERS = 240_000    # of one question; a longer transcript is asked about in pieces
BESIDE_SHARE = 4              # rooms and pages may be as long as a piece in so many, and so may what came before it
SO_FAR_CHARACTERS = 6_000     # of what came before a piece
MOST_BESIDE = 14_000          # characters beside a piece: rooms, pages and what came before it
JOINED_TOKENS = 4_000         # about what the joining question holds
DROPPED = "dropped"           # in an answer that was mended: how many bullets were left out
UNSUPPORTED_SHARE = 0.5       # of an answer's bullets; with more of them it is not to be trusted at all
SCHEMA: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["title", "summary", "bullets", "topics"],
    "properties": {
        "title": {"type": "string", "maxLength": 200},
        "summary": {"type": "string", "maxLength": 4000},
        "topics": {"type": "array", "items": {"type": "string", "maxLength": 80}, "maxItems": MOST_TOPICS},
        "related": {"type": "array", "items": {"type": "string", "maxLength": 300}, "maxItems": 10},
        "bullets": {"type": "array", "maxItems": 60, "items": {
            "type": "object", "additionalProperties": False, "required": ["hall", "text", "cites"],
            "properties": {
                "hall": {"enum": list(wl.HALLS)}, "text": {"type": "string", "maxLength": 1000},
                "cites": {"type": "array", "items": {"type": "string", "maxLength": 20}, "minItems": 1, "maxItems": 12}}}},
    },
}


@dataclass(frozen=True)
class Known:
    """What the wiki has already: rooms, the most used first, {path: title} of its live pages, and {session id: what it was
    about} of its conversations."""
    rooms: Sequence[str] = ()
    pages: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Piece:
    """What one question is about. `before`: the summary of the pieces before this one; `found`: for the joining question,
    what all of them gave."""
    conversation: wl.Conversation
    transcript: wl.Transcript
    known: Known
    number: int = 1
    of: int = 1
    before: str = ""
    found: tuple[wl.Bullet, ...] = ()
    topics: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prompts:
    """The system prompts: of a whole conversation or a piece of one, and of the joining at the end."""
    summarise: str
    join: str

    @classmethod
    def read(cls, folder: Path, name: str) -> Prompts:
        return cls((folder / name).read_text(encoding="utf-8"), (folder / "join.md").read_text(encoding="utf-8"))


# ---------------------------------------------------------------- asking

def told(conversation: wl.Conversation, transcript: wl.Transcript, known: Known, backend: str, prompts: Prompts,
         long_threshold: int, most: int = 0) -> Summary | wl.Deferred:
    """The summary a backend gives of a conversation, in as many questions as it takes, each about at most `most` characters
    (0: what the backend can take). ModelError when one of its answers could not be used: half a summary is none."""
    size = "large" if len(transcript.said) > long_threshold else "small"
    most = most or piece_characters(backend, prompts)
    return _asked(_About(conversation, _by_id(transcript), known, backend, prompts, size),
                  thinned(transcript), most)


@dataclass(frozen=True)
class _About:
    """What all the questions about one conversation share."""
    conversation: wl.Conversation
    messages: Mapping[str, wl.Message]
    known: Known
    backend: str
    prompts: Prompts
    size: str

    def ask(self, piece: Piece, join: str = "") -> Summary | wl.Deferred:
        """Ask about a piece, or with `join` (what sets this question apart from other such) to join what was found."""
        system = self.prompts.join if join else self.prompts.summarise
        about = question(piece, system, self.messages, self.size)
        if join:
            about = replace(about, kind="join", subject=piece.conversation.path + join.removeprefix("all"))
        answer = wl.ask(about, self.backend)
        return answer if isinstance(answer, wl.Deferred) else answered(answer, self.messages, piece.known)


def _asked(about: _About, thin: wl.Transcript, most: int) -> Summary | wl.Deferred:
    """Piece by piece, each with the summaries of those before it; what is too long for the model is cut smaller from there on."""
    parts, gone = pieces(thin, most), 0
    done: list[Summary] = []
    while parts:
        known = within(about.known, most // BESIDE_SHARE)
        piece = Piece(about.conversation, parts[0], known, len(done) + 1, len(done) + len(parts), so_far(done, most))
        try:
            answer = about.ask(piece)
        except wl.TooLong as error:
            most = shrunk(size_of(parts[0]), error, tokens_of(about.prompts.summarise))
            if not most:
                raise
            parts = pieces(thin, most, gone)
            continue
        if isinstance(answer, wl.Deferred):
            return answer
        done.append(answer)
        gone += items(parts.pop(0))
    return done[0] if len(done) == 1 else _joined(about, done, most)


def _joined(about: _About, done: list[Summary], most: int, join: str = "all") -> Summary | wl.Deferred:
    """One summary of several; where they are too many for one question, of their halves first."""
    found = tuple(bullet for summary in done for bullet in summary.bullets)
    topics = tuple(dict.fromkeys(topic for summary in done for topic in summary.topics))
    piece = Piece(about.conversation, wl.Transcript(), within(about.known, most // BESIDE_SHARE), before=so_far(done, most),
                  found=found, topics=topics)
    try:
        answer = about.ask(piece, join)
        left_out = sum(summary.dropped for summary in done)
        return answer if isinstance(answer, wl.Deferred) else replace(answer, dropped=answer.dropped + left_out)
    except wl.TooLong:
        if len(done) <= 2:
            raise
    halves: list[Summary] = []
    for number, half in enumerate((done[:len(done) // 2], done[len(done) // 2:]), 1):
        answer = half[0] if len(half) == 1 else _joined(about, half, most, f"{join}#half{number}")
        if isinstance(answer, wl.Deferred):
            return answer
        halves.append(answer)
    return _joined(about, halves, most, join)


def so_far(done: Sequence[Summary], most: int) -> str:
    """What the pieces before were about, one after the other: a model that forgets the first of them loses nothing."""
    told = "\n".join(f"Part {number}: {summary.text}" for number, summary in enumerate(done, 1))
    return cut(told, min(SO_FAR_CHARACTERS, most // BESIDE_SHARE))


def within(known: Known, most: int) -> Known:
    """As much of the rooms and pages as so many characters hold: a small context is for the transcript."""
    def first(values: Collection[Any], length: Callable[[Any], int]) -> list[Any]:
        ends = itertools.accumulate(length(value) + 4 for value in values)
        return [value for value, end in zip(values, ends, strict=True) if end <= most // 2]
    return replace(known, rooms=first(known.rooms, len),
                   pages=dict(first(known.pages.items(), lambda page: len(page[0]) + len(page[1]))))


def piece_characters(backend: str, prompts: Prompts) -> int:
    """How long a piece may be: what a server says of its context is known before it refuses anything."""
    if backend != "llama-server" or not (context := (server := wl.backend_module(backend)).context()):
        return PIECE_CHARACTERS
    room = (context - server.answer_tokens() - tokens_of(prompts.summarise)) * CHARACTERS_A_TOKEN
    return max(LEAST_CHARACTERS, min(PIECE_CHARACTERS, int(max(room * BESIDE_SHARE / (BESIDE_SHARE + 2), room - MOST_BESIDE))))


def shrunk(longest: int, error: wl.TooLong, ours: int) -> int:
    """How long a piece may be, from what the server said of the one it refused; 0 where a smaller one would say nothing.
    `ours`: tokens of the system prompt, which stays as long as it is."""
    if longest <= LEAST_CHARACTERS + ALLOWANCE:
        return 0
    room = error.most * 2 // 3 - ours      # a third is the answer's
    return int(longest * min(0.75, 0.9 * room / (error.tokens - ours))) if error.tokens > error.most and room > 0 else longest // 2


def expected(conversations: Iterable[tuple[wl.Conversation, wl.Transcript]], known: Known, backend: str, prompts: Prompts,
             long_threshold: int) -> Cost:
    """What asking about conversations may cost, from the very questions that would be asked."""
    total = Cost()
    for conversation, transcript in conversations:
        size = "large" if len(transcript.said) > long_threshold else "small"
        parts = pieces(thinned(transcript), piece_characters(backend, prompts))
        model = wl.backend_module(backend).model(size) if backend in ("claude", "llama-server") else backend
        for number, part in enumerate(parts, 1):
            text = render(Piece(conversation, part, known, number, len(parts)))
            total += wl.expected_cost(backend, model, tokens_of(text) + tokens_of(prompts.summarise))
        if len(parts) > 1:
            total += wl.expected_cost(backend, model, tokens_of(prompts.join) + JOINED_TOKENS)
    return total


def question(piece: Piece, system: str, messages: Mapping[str, wl.Message], size: str) -> wl.Question:
    """The question about a piece of a conversation."""
    part = f"#{piece.number}" if piece.of > 1 else ""
    return wl.Question(
        kind="summarise", subject=piece.conversation.path + part, material=piece, schema=SCHEMA, system=system,
        render=render, size=size, same=render(replace(piece, known=Known())),
        check=lambda value: trouble(value, messages, piece.conversation.wing),
        mend=lambda value: supported(value, messages, piece.conversation.wing))


def render(piece: Piece) -> str:
    """What a model sees of a piece."""
    known = piece.known
    talk = piece.conversation
    head = [f"Title: {talk.title}\nProject: {talk.wing}\nDay: {talk.date}",
            f"Existing rooms: {', '.join(known.rooms[:ROOMS_SHOWN]) or 'none'}"]
    if known.pages:
        head.append("Existing pages:\n" + "\n".join(f"- {p}: {t}" for p, t in list(known.pages.items())[:PAGES_SHOWN]))
    if parent := known.sessions.get(str(talk.meta.get("forked_from") or "")):
        head.append(f"It began as a copy of another conversation, which is remembered there:\n{parent}")
    if piece.of > 1:
        head.append(f"This is part {piece.number} of {piece.of} of the conversation.")
    if piece.before:
        head.append(f"Summary of what came before:\n{piece.before}" if piece.of > 1 else f"Summary:\n{piece.before}")
    if piece.topics:
        head.append(f"Rooms found: {', '.join(piece.topics)}")
    if piece.found:
        return "\n\n".join(head) + "\n\nFound in the parts:\n" + "\n".join(f"- {b.hall}: {b.line[2:]}" for b in piece.found)
    return "\n\n".join(head) + "\n\n" + wl.render_transcript(piece.transcript)


# ---------------------------------------------------------------- what must hold

# What a bullet must have from the messages it cites, letter by letter: code in backticks, paths, flags, names of code (snake_case,
# lowerCamel, a.b.c, THREE_HumpNames, call()), numbers with their dots and commas.
_EXACT = re.compile(
    r"`([^`]+)`|(?<![\w/.-])((?:[~.]{0,2}/)?[\w.@-]+(?:/[\w.@*-]+)+/?)|(?<![\w-])(--?[a-zA-Z][\w-]*)|(?<![\w.])(\w+_\w+|[a-z]+[A-Z]\w*"
    r"|(?:[A-Z][a-z]+){3,}|\w+\(\)|[A-Za-z]\w*(?:\.[A-Za-z]\w+)+)|(?<![\w.,])(\d+(?:[.,]\d+)*)(?!\w)")
_PLAIN_SLASH = re.compile(r"[A-Za-z]+(?:/[A-Za-z]+)")      # 'and/or', 'read/write': words, not a path, if both are said
TROUBLES_TOLD = 6             # of an answer, so that one repair can mend them all


def _by_id(transcript: wl.Transcript) -> dict[str, wl.Message]:
    """{short id: message}; of one that stands in the main line and with a subagent, too, the main line's."""
    return {wl.short(m.id): m for m in reversed(transcript.all_said)}


def ids(cites: Sequence[str]) -> list[str]:
    return [c.strip("#[] ,") for c in cites]


def trouble(value: dict[str, Any], messages: Mapping[str, wl.Message], given: str = "") -> str:
    """What is wrong with an answer, so that it can be asked again once; '' when it can be used. `given`: words that need no
    message, such as the project's name."""
    found = []
    for bullet in value["bullets"]:
        told = repr(wl.one_line(bullet["text"], 80))
        if unknown := [c for c in ids(bullet["cites"]) if c not in messages]:
            found.append(f"no message has the id {', '.join(unknown)}, cited for {told}")
        elif missing := unsupported(bullet["text"], [messages[c] for c in ids(bullet["cites"])], given):
            found.append(f"the messages cited for {told} do not say {missing}")
    more = [f"and {len(found) - TROUBLES_TOLD} more such"] if len(found) > TROUBLES_TOLD else []
    return "; ".join(found[:TROUBLES_TOLD] + more)


def supported(value: dict[str, Any], messages: Mapping[str, wl.Message], given: str = "") -> dict[str, Any] | None:
    """An answer without the bullets that what they cite does not support, and how many those were; None when it is not to be
    trusted: an id that does not exist, or too many such bullets."""
    bullets = value["bullets"]
    if any(c not in messages for b in bullets for c in ids(b["cites"])):
        return None
    kept = [b for b in bullets if not unsupported(b["text"], [messages[c] for c in ids(b["cites"])], given)]
    dropped = len(bullets) - len(kept)
    return None if len(kept) < len(bullets) * UNSUPPORTED_SHARE else {**value, "bullets": kept, DROPPED: dropped}


def unsupported(text: str, cited: Sequence[wl.Message], given: str = "") -> str:
    """What a bullet says that the messages it cites do not: '' when half of its content words and every number, path and
    identifier stand in them, and each of them has a word of it."""
    said = " ".join([given, given.replace("-", " "), *(" ".join((m.text, *m.tools)) for m in cited)]).lower()
    plain = " ".join(said.replace("`", "").split())
    for match in _EXACT.finditer(text):
        token = " ".join(next(filter(None, match.groups())).lower().split())
        if not (_stands(token, plain) or _PLAIN_SLASH.fullmatch(token) and all(w in plain for w in token.split("/"))):
            return match[0]
    words = wl.content_words(text)
    known = set(wl.content_words(said))
    if sum(w in known for w in words) * 2 < len(words):
        return "half of its words"
    silent = [m.id for m in cited if words and not set(words) & set(wl.content_words(" ".join((m.text, *m.tools))))]
    return f"any of its words in #{wl.short(silent[0])}" if silent else ""


def _stands(token: str, said: str) -> bool:
    """Does a number, path or name stand in a text, not as a part of a longer one? A call or a path also without what ends it."""
    bare = token.removesuffix("()").rstrip("/.") or token
    left, right = (r"(?<![\w])" if bare[0].isalnum() else ""), (r"(?![\w])" if bare[-1].isalnum() else "")
    if re.fullmatch(r"[\d.,]+", bare):
        left, right = r"(?<!\d)(?<!\d[.,])", r"(?![.,]?\d)"
    return re.search(left + re.escape(bare) + right, said) is not None


def answered(answer: wl.Answer, messages: Mapping[str, wl.Message], known: Known) -> Summary:
    """A checked answer as a Summary."""
    value = answer.value
    bullets = tuple(wl.Bullet(b["hall"], plain(b["text"]), tuple(dict.fromkeys(ids(b["cites"]))))
                    for b in value["bullets"])
    topics = [t for t in dict.fromkeys(wl.topic_name(t) for t in value["topics"]) if t and t not in NEVER]
    related = tuple(p for p in dict.fromkeys(value.get("related") or ()) if p in known.pages)
    return Summary(plain(value["summary"]), bullets, tuple(topics[:MOST_TOPICS]), answer.by,
                   wl.one_line(plain(value["title"]), 200), related, value.get(DROPPED, 0))


def plain(text: str) -> str:
    """A model's words as one line that is no heading and drives no terminal."""
    return " ".join(wl.verbatim(" ".join(text.split())).lstrip("# ").split())
