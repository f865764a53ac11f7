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
            "properties": {"hall": {"enum": list(wl.HALLS)}, "text": {"type": "string", "maxLength": 1000},
                           "cites": {"type": "array", "items": {"type": "string", "maxLength": 20}, "minItems": 1, "maxItems": 12}}}},
    },
}


@dataclass(frozen=True)
class Known:
    """What the wiki has already: rooms, the most used first, and {path: title} of its live pages."""
    rooms: Sequence[str] = ()
    pages: Mapping[str, str] = field(default_factory=dict)


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

def ids(cites: Sequence[str]) -> list[str]:
    return [c.strip("#[] ,") for c in cites]


def trouble(value: dict[str, Any], messages: Mapping[str, wl.Message]) -> str:
    """What is wrong with an answer, so that it can be asked again once; '' when it can be used."""
    for bullet in value["bullets"]:
        if unknown := [c for c in ids(bullet["cites"]) if c not in messages]:
            return f"no message has the id {unknown[0]}"
        if missing := unsupported(bullet["text"], [messages[c] for c in ids(bullet["cites"])]):
            return f"the messages cited for {wl.one_line(bullet['text'], 80)!r} do not say {missing}"
    return ""


def supported(value: dict[str, Any], messages: Mapping[str, wl.Message]) -> dict[str, Any] | None:
    """An answer without the bullets that what they cite does not support; None when it is not to be trusted: an id that does
    not exist, or too many such bullets."""
    bullets = value["bullets"]
    if any(c not in messages for b in bullets for c in ids(b["cites"])):
        return None
    kept = [b for b in bullets if not unsupported(b["text"], [messages[c] for c in ids(b["cites"])])]
    return None if len(kept) < len(bullets) * UNSUPPORTED_SHARE else {**value, "bullets": kept}


def unsupported(text: str, cited: Sequence[wl.Message]) -> str:
    """What a bullet says that the messages it cites do not: '' when half of its content words and every number, path and
    identifier stand in them."""
    said = " ".join(f"{m.text} {' '.join(m.tools)}" for m in cited).lower()
    for exact in re.findall(r"`([^`]+)`|(\S*[/_]\w\S*\w)|(?<![\w.])(\d[\d.]*\d|\d)(?![\w.])", text):
        token = next(filter(None, exact))
        if token.lower() not in said:
            return token
    words = wl.content_words(text)
    known = set(wl.content_words(said))
    return "" if sum(w in known for w in words) * 2 >= len(words) else "half of its words"


def answered(answer: wl.Answer, messages: Mapping[str, wl.Message], known: Known) -> Summary:
    """A checked answer as a Summary."""
    value = answer.value
    bullets = tuple(wl.Bullet(b["hall"], " ".join(b["text"].split()), tuple(ids(b["cites"]))) for b in value["bullets"])
    topics = [t for t in dict.fromkeys(wl.topic_name(t) for t in value["topics"]) if t and t not in NEVER]
    related = tuple(p for p in dict.fromkeys(value.get("related") or ()) if p in known.pages)
    return Summary(" ".join(value["summary"].split()), bullets, tuple(topics[:MOST_TOPICS]), answer.by,
                   wl.one_line(value["title"], 200), related)
