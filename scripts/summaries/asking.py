"""The same summary asked of a model: the question, and what must hold before its answer is taken.

A conversation that is too long for one question is asked about in pieces, each with the summary of what came before it,
and once more at the end, to join what was found. What a model says is data: each bullet must cite messages that exist and
say what they say.
"""
from __future__ import annotations

import wiki_lib as wl

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wiki_budget import Cost, tokens_of

from summaries.chunks import LEAST_CHARACTERS, pieces
from summaries.extractive import Summary
from summaries.thinning import thinned
from summaries.vocabulary import NEVER

ROOMS_SHOWN = 200             # of the wiki's rooms, so that the same subject gets the same name
PAGES_SHOWN = 40              # live pages that may be named as related
MOST_TOPICS = 8               # rooms a conversation may have
PIECE_CHARACTERS = 240_000    # of one question; a longer transcript is asked about in pieces
TOKENS_BESIDE = 4_500         # of a model's context that are not the transcript's: our words, rooms and pages, the answer
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
         long_threshold: int, most: int = PIECE_CHARACTERS) -> Summary | wl.Deferred:
    """The summary a backend gives of a conversation, in as many questions as it takes. ModelError when one of its answers
    could not be used: half a summary is none."""
    size = "large" if len(transcript.said) > long_threshold else "small"
    thin = thinned(transcript)
    parts = pieces(thin, most)
    try:
        return _asked(conversation, transcript, thin, parts, known, backend, prompts, size)
    except wl.TooLong as error:
        longest = max(len(wl.render_transcript(p)) for p in parts)
        smaller = shrunk(longest, error)
        if smaller >= longest or longest <= LEAST_CHARACTERS:
            raise
        return told(conversation, transcript, known, backend, prompts, long_threshold, smaller)


def shrunk(longest: int, error: wl.TooLong) -> int:
    """How long a piece may be, from what the server said of the one it refused."""
    if error.tokens > error.most > TOKENS_BESIDE:
        return int(longest / error.tokens * (error.most - TOKENS_BESIDE) * 0.9)
    return longest // 2


def _asked(conversation: wl.Conversation, transcript: wl.Transcript, thin: wl.Transcript, parts: list[wl.Transcript],
           known: Known, backend: str, prompts: Prompts, size: str) -> Summary | wl.Deferred:
    messages = {wl.short(m.id): m for m in transcript.all_said}
    before, found, topics = "", [], []
    answer: Any = None
    for number, part in enumerate(parts, 1):
        piece = Piece(conversation, part, known, number, len(parts), before)
        answer = wl.ask(question(piece, prompts.summarise, messages, size), backend)
        if isinstance(answer, wl.Deferred):
            return answer
        summary = answered(answer, messages, known)
        before, found, topics = summary.text, [*found, *summary.bullets], [*topics, *summary.topics]
    if len(parts) == 1:
        return summary
    piece = Piece(conversation, wl.Transcript(), known, before=before, found=tuple(found), topics=tuple(dict.fromkeys(topics)))
    answer = wl.ask(replace(question(piece, prompts.join, messages, size), kind="join"), backend)
    return answer if isinstance(answer, wl.Deferred) else answered(answer, messages, known)


def expected(conversations: Iterable[tuple[wl.Conversation, wl.Transcript]], known: Known, backend: str, prompts: Prompts,
             long_threshold: int) -> Cost:
    """What asking about conversations may cost, from the very questions that would be asked."""
    total = Cost()
    for conversation, transcript in conversations:
        size = "large" if len(transcript.said) > long_threshold else "small"
        parts = pieces(thinned(transcript), PIECE_CHARACTERS)
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
        check=lambda value: trouble(value, messages), mend=lambda value: supported(value, messages))


def render(piece: Piece) -> str:
    """What a model sees of a piece."""
    known = piece.known
    head = [f"Title: {piece.conversation.title}", f"Existing rooms: {', '.join(known.rooms[:ROOMS_SHOWN]) or 'none'}"]
    if known.pages:
        head.append("Existing pages:\n" + "\n".join(f"- {p}: {t}" for p, t in list(known.pages.items())[:PAGES_SHOWN]))
    if parent := known.sessions.get(str(piece.conversation.meta.get("forked_from") or "")):
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


def ids(cites: Sequence[str]) -> list[str]:
    return [c.strip("#[] ,") for c in cites]


def trouble(value: dict[str, Any], messages: Mapping[str, wl.Message]) -> str:
    """What is wrong with an answer, so that it can be asked again once; '' when it can be used."""
    found = []
    for bullet in value["bullets"]:
        told = repr(wl.one_line(bullet["text"], 80))
        if unknown := [c for c in ids(bullet["cites"]) if c not in messages]:
            found.append(f"no message has the id {', '.join(unknown)}, cited for {told}")
        elif missing := unsupported(bullet["text"], [messages[c] for c in ids(bullet["cites"])]):
            found.append(f"the messages cited for {told} do not say {missing}")
    more = [f"and {len(found) - TROUBLES_TOLD} more such"] if len(found) > TROUBLES_TOLD else []
    return "; ".join(found[:TROUBLES_TOLD] + more)


def supported(value: dict[str, Any], messages: Mapping[str, wl.Message]) -> dict[str, Any] | None:
    """An answer without the bullets that what they cite does not support, and how many those were; None when it is not to be
    trusted: an id that does not exist, or too many such bullets."""
    bullets = value["bullets"]
    if any(c not in messages for b in bullets for c in ids(b["cites"])):
        return None
    kept = [b for b in bullets if not unsupported(b["text"], [messages[c] for c in ids(b["cites"])])]
    dropped = len(bullets) - len(kept)
    return None if len(kept) < len(bullets) * UNSUPPORTED_SHARE else {**value, "bullets": kept, DROPPED: dropped}


def unsupported(text: str, cited: Sequence[wl.Message]) -> str:
    """What a bullet says that the messages it cites do not: '' when half of its content words and every number, path and
    identifier stand in them."""
    said = " ".join(" ".join((m.text, *m.tools)) for m in cited).lower()
    plain = " ".join(said.replace("`", "").split())
    for match in _EXACT.finditer(text):
        token = " ".join(next(filter(None, match.groups())).lower().split())
        if not (_stands(token, plain) or _PLAIN_SLASH.fullmatch(token) and all(w in plain for w in token.split("/"))):
            return match[0]
    words = wl.content_words(text)
    known = set(wl.content_words(said))
    return "" if sum(w in known for w in words) * 2 >= len(words) else "half of its words"


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
