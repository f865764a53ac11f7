"""The same summary asked of a model: the question, and what must hold before its answer is taken."""
from __future__ import annotations

import wiki_lib as wl

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from summaries.extractive import Summary
from summaries.vocabulary import NEVER

ROOMS_SHOWN = 200             # of the wiki's rooms, so that the same subject gets the same name
MOST_TOPICS = 8               # rooms a conversation may have
SHOWN_CHARACTERS = 300_000    # of a transcript; beyond it the middle is left out, and the question says so
SCHEMA: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["summary", "bullets", "topics"],
    "properties": {
        "summary": {"type": "string"},
        "topics": {"type": "array", "items": {"type": "string"}, "maxItems": MOST_TOPICS},
        "related": {"type": "array", "items": {"type": "string"}},
        "bullets": {"type": "array", "items": {
            "type": "object", "additionalProperties": False, "required": ["hall", "text", "cites"],
            "properties": {"hall": {"enum": list(wl.HALLS)}, "text": {"type": "string"},
                           "cites": {"type": "array", "items": {"type": "string"}, "minItems": 1}}}},
    },
}


def question(conversation: wl.Conversation, transcript: wl.Transcript, rooms: Sequence[str], system: Path,
             long_threshold: int) -> wl.Question:
    """The question about one conversation; the larger model above `long_threshold` messages."""
    messages = {m.id: m for m in transcript.said}
    return wl.Question(
        kind="summarise", subject=conversation.path, material=(conversation, transcript, tuple(rooms)), schema=SCHEMA,
        system=system.read_text(encoding="utf-8"), render=render,
        size="large" if len(transcript.said) > long_threshold else "small",
        check=lambda value: trouble(value, messages))


def render(material: tuple[wl.Conversation, wl.Transcript, Sequence[str]]) -> str:
    """The conversation as the model sees it; head and tail stay when it is too long, and the cut is announced."""
    conversation, transcript, rooms = material
    text = wl.render_transcript(transcript)
    if len(text) > SHOWN_CHARACTERS:
        half = SHOWN_CHARACTERS // 2
        text = f"{text[:half]}\n\n[{len(text) - SHOWN_CHARACTERS} characters of the middle are left out here]\n\n{text[-half:]}"
    return f"Title: {conversation.title}\nExisting rooms: {', '.join(rooms[:ROOMS_SHOWN]) or 'none'}\n\n{text}"


def trouble(value: dict[str, Any], messages: dict[str, wl.Message]) -> str:
    """What is wrong with an answer, so that it can be asked again once; '' when it can be used."""
    for bullet in value["bullets"]:
        cites = [c.strip("#[] ") for c in bullet["cites"]]
        if unknown := [c for c in cites if c not in messages]:
            return f"no message has the id {unknown[0]}"
        if missing := unsupported(bullet["text"], [messages[c] for c in cites]):
            return f"the messages cited for {wl.one_line(bullet['text'], 80)!r} do not say {missing}"
    return ""


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


def answered(answer: wl.Answer) -> Summary:
    """A checked answer as a Summary."""
    value = answer.value
    bullets = tuple(wl.Bullet(b["hall"], " ".join(b["text"].split()), tuple(c.strip("#[] ") for c in b["cites"]))
                    for b in value["bullets"])
    topics = [t for t in dict.fromkeys(wl.topic_name(t) for t in value["topics"]) if t and t not in NEVER]
    return Summary(" ".join(value["summary"].split()), bullets, tuple(topics[:MOST_TOPICS]), answer.by)
