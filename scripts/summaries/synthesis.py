"""What many sessions come to: everything the halls hold, and what is open, asked of a model as one larger picture.

The answer stands in a marked block that names a digest of its inputs; while that is what it was made from, nothing is asked.
Every sentence names the sessions it rests on, and is checked against what they say.
"""
from __future__ import annotations

import wiki_lib as wl

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wiki_budget import Cost, tokens_of

from summaries.asking import plain, unsupported
from summaries.picture import CLOSE, OPEN, PATH, inputs_digest, without

KIND = "compress"
PART_CHARACTERS = 160_000     # of one question; what is more is asked about in turn, each time with the picture so far
LEAST_CHARACTERS = 4_000      # a part smaller than this shows nothing larger
WORDS_SHARED = 3              # content words that each session must have in common with a sentence that names it
MOST_OPEN = 20_000            # characters of what is open
SCHEMA: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["themes"], "properties": {
        "themes": {"type": "array", "maxItems": 12, "items": {
            "type": "object", "additionalProperties": False, "required": ["name", "points"], "properties": {
                "name": {"type": "string", "maxLength": 120},
                "points": {"type": "array", "minItems": 1, "maxItems": 5, "items": {
                    "type": "object", "additionalProperties": False, "required": ["text", "sessions"], "properties": {
                        "text": {"type": "string", "maxLength": 600},
                        "sessions": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 12}}}}}}}},
}


@dataclass(frozen=True)
class Part:
    """What one question is about: conversations with their numbers, what is open, the picture so far."""
    numbered: Mapping[int, wl.Conversation]
    concerns: str = ""
    before: str = ""


# ---------------------------------------------------------------- the answer as a block

def rendered(answer: wl.Answer, digest: str, numbered: Mapping[int, wl.Conversation]) -> str:
    lines = [f"{OPEN} {digest} by {re.sub(r'[^!-~]|-->', '', answer.by) or 'model'} -->", "## The larger picture"]
    for theme in answer.value["themes"]:
        lines += ["", f"### {wl.one_line(plain(theme['name']), 120)}", ""]
        lines += [f"- {_safe(p['text'])} ({links(p['sessions'], numbered)})" for p in theme["points"]]
    if not answer.value["themes"]:
        lines += ["", "Nothing yet that is more than its sessions."]
    return "\n".join([*lines, CLOSE, ""])


def links(numbers: Sequence[int], numbered: Mapping[int, wl.Conversation]) -> str:
    found = [numbered[n] for n in dict.fromkeys(numbers)]
    return ", ".join(f"[{c.date}](../{c.path})" for c in found)


def _safe(text: str) -> str:
    """A sentence that opens and closes no block."""
    return plain(text).replace("<!--", "<! --").replace("-->", "-- >")


# ---------------------------------------------------------------- asking

def asked(conversations: Sequence[wl.Conversation], concerns: str, extractions: str, backend: str, prompt: Path,
          most: int = PART_CHARACTERS) -> str | wl.Deferred:
    """The block for these conversations (oldest first), in as many questions as it takes. ModelError when an answer could not
    be used."""
    numbered = dict(enumerate((c for c in conversations if c.bullets), 1))
    system, before, answer = prompt.read_text(encoding="utf-8"), "", None
    opened = without(concerns)[:MOST_OPEN]
    for number, part in enumerate(parts(numbered, most), 1):
        try:
            answer = wl.ask(question(Part(part, opened, before), numbered, system, number), backend)
        except wl.TooLong:
            if most <= LEAST_CHARACTERS:
                raise
            return asked(conversations, concerns, extractions, backend, prompt, most // 2)
        if isinstance(answer, wl.Deferred):
            return answer
        before = "\n".join(f"- {theme['name']}: {p['text']} [{' '.join(f's{n}' for n in p['sessions'])}]"
                           for theme in answer.value["themes"] for p in theme["points"])
    return rendered(answer, inputs_digest(extractions, concerns), numbered)


def expected(conversations: Sequence[wl.Conversation], concerns: str, backend: str, prompt: Path) -> Cost:
    """About what the larger picture may cost."""
    numbered = dict(enumerate((c for c in conversations if c.bullets), 1))
    system, opened = prompt.read_text(encoding="utf-8"), without(concerns)[:MOST_OPEN]
    model = wl.backend_module(backend).model("large") if backend in ("claude", "llama-server") else backend
    costs = [wl.expected_cost(backend, model, tokens_of(render(Part(part, opened))) + tokens_of(system))
             for part in parts(numbered, PART_CHARACTERS)]
    return sum(costs, Cost())


def parts(numbered: Mapping[int, wl.Conversation], most: int) -> list[dict[int, wl.Conversation]]:
    """The conversations in runs whose memories have at most about `most` characters."""
    found: list[dict[int, wl.Conversation]] = [{}]
    load = 0
    for n, c in numbered.items():
        size = len(memories(n, c))
        if found[-1] and load + size > most:
            found.append({})
            load = 0
        found[-1][n] = c
        load += size
    return found


def memories(number: int, conversation: wl.Conversation) -> str:
    head = f"[s{number}] {conversation.date} · {conversation.wing} · {conversation.title}"
    return "\n".join([head, *(f"- {b.hall}: {b.text}" for b in conversation.bullets)])


def render(part: Part) -> str:
    """What a model sees."""
    shown = [f"Your picture so far:\n{part.before}"] if part.before else []
    shown += [memories(n, c) for n, c in part.numbered.items()]
    return "\n\n".join([*shown, f"What is open:\n{part.concerns}"] if part.concerns.strip() else shown)


def question(part: Part, numbered: Mapping[int, wl.Conversation], system: str, number: int) -> wl.Question:
    return wl.Question(kind=KIND, subject=f"{PATH}#{number}", material=part, schema=SCHEMA, system=system, render=render,
                       size="large", check=lambda value: trouble(value, numbered), mend=lambda value: supported(value, numbered))


def wrong(point: Mapping[str, Any], numbered: Mapping[int, wl.Conversation]) -> str:
    """What is wrong with one sentence, '' when its sessions say it."""
    if unknown := [n for n in point["sessions"] if n not in numbered]:
        return f"there is no session s{unknown[0]}"
    said = [wl.Message(f"{n:08}", "user", "", memories(n, numbered[n])) for n in point["sessions"]]
    words = set(wl.content_words(point["text"]))
    for n, message in zip(point["sessions"], said, strict=True):
        own = words - set(wl.content_words(numbered[n].wing.replace("-", " ")))
        if len(own & set(wl.content_words(message.text))) < min(WORDS_SHARED, len(own)):
            return f"session s{n} says nothing of {wl.one_line(point['text'], 80)!r}"
    missing = unsupported(point["text"], said)
    return f"the sessions named for {wl.one_line(point['text'], 80)!r} do not say {missing}" if missing else ""


def trouble(value: dict[str, Any], numbered: Mapping[int, wl.Conversation]) -> str:
    found = [w for theme in value["themes"] for p in theme["points"] if (w := wrong(p, numbered))]
    return "; ".join(found[:6])


def supported(value: dict[str, Any], numbered: Mapping[int, wl.Conversation]) -> dict[str, Any] | None:
    """An answer without the sentences that their sessions do not support; None when half of them or more are so."""
    points = [p for theme in value["themes"] for p in theme["points"]]
    kept = [{**theme, "points": good} for theme in value["themes"]
            if (good := [p for p in theme["points"] if not wrong(p, numbered)])]
    return {"themes": kept} if sum(len(t["points"]) for t in kept) * 2 > len(points) else None
