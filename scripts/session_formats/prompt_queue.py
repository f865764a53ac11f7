"""Claude Code's prompts that were typed while the agent worked: queued first, delivered later by another record, or never."""
from __future__ import annotations

import wiki_lib as wl

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import session_formats as sf


@dataclass(slots=True, eq=False)
class Queued:
    """A prompt that waits. `seen`: what was taken off the queue since; `popped`: it went back into the input line, to be sent
    as it was, with more, or not at all; `missed`: prompts since that were not it."""
    draft: sf.Draft
    words: str
    seen: set[str] = field(default_factory=set)
    number: int = 1            # among equals of its minute
    popped: bool = False
    missed: int = 0


class Queue:
    """Prompts queued while the agent worked, until a record with an id of its own delivers them.

    A prompt taken off by `dequeue` arrives as a user record, one taken off by `remove` as an attachment, or (before 2.1.101)
    not at all. Several may arrive as one, in lines; after `popAll` with whatever the person typed around them."""

    def __init__(self) -> None:
        self.open: list[Queued] = []
        self.alike: Counter = Counter()    # prompts so far, by their words and minute
        self.depth = 0                     # entries on the queue, programs' own among them

    def put(self, draft: sf.Draft, popped: bool = False) -> bool:
        """True when a person's words were put on the queue."""
        self.depth += not popped
        if draft.text:
            self.alike[key := (sf.normalised(draft.text), draft.at[:16])] += 1
            self.open.append(Queued(draft, bare(draft.text), number=min(self.alike[key], sf.QUEUED_ALIKE), popped=popped))
        return bool(draft.text)

    def operation(self, name: str) -> None:
        if name in ("dequeue", "remove"):
            self.depth = max(0, self.depth - 1)
            for entry in self.open:
                entry.seen.add(name)

    def taken_back(self, text: str) -> bool:
        """Back into the input line: the entry of these words, all without any; False when these words were never queued."""
        back = [e for e in self.open if holds(text, e.draft.text)] if text else self.open
        for entry in back:
            entry.popped = True
        self.depth = max(0, self.depth - len(back)) if text else 0
        return bool(back) or not text

    def delivered(self, text: str, queued: bool) -> list[sf.Draft]:
        """The drafts that a record of this text delivers; `queued`: that record says so itself."""
        if not self.open:
            return []
        words = bare(text)
        due = [e for e in self.open if queued or e.popped or self.depth or e.seen != {"remove"}]
        found = [e for e in due if words in (e.words, f"! {e.words}")][:1] or [
            e for e in due if holds(text, e.draft.text) or e.popped and f" {e.words} " in f" {words} "]
        for entry in self.open if not queued else ():
            entry.missed += 1
        self.open = [e for e in self.open if e not in found and (queued or not self.given_up(e))]
        return [e.draft for e in found]

    def given_up(self, entry: Queued) -> bool:
        """Will no record deliver it any more? Then it stays as it was queued."""
        return entry.popped or not self.depth and bool(entry.seen) and (entry.seen == {"remove"} or entry.missed > 2)


def bare(text: str) -> str:
    """The words of a prompt without the marks of its images, which queue and delivery set differently."""
    return sf.normalised(text.replace("[image]", " "))


def holds(text: str, part: str) -> bool:
    """Does a text have the lines of another among its lines?"""
    lines = [sf.normalised(line) for line in part.replace("[image]", " ").split("\n") if line.strip()]
    every = [sf.normalised(line) for line in text.replace("[image]", " ").split("\n")]
    whole = "\n".join(line for line in every if line)
    return bool(lines) and "\n" + "\n".join(lines) + "\n" in f"\n{whole}\n"


def superseded(said: Sequence[wl.Message], session: str) -> set[str]:
    """Ids of the prompts of a transcript that were only queued when they were read, and that another message delivers."""
    waiting = [m for m in said if m.role == "user" and sf.waits(session, m.text, m.time, m.id)]
    there = [m for m in said if m.role == "user" and m not in waiting] if waiting else []
    gone: set[str] = set()
    used: set[tuple[str, str]] = set()             # a message delivers one of several prompts of its words
    for m in sorted(waiting, key=lambda m: (m.time, number(session, m))):
        later = [d for d in there if d.time >= m.time or not d.time]
        words = bare(m.text)
        same = [d for d in later if bare(d.text) == words]
        by = next((d for d in same[number(session, m) - 1:] if (words, d.id) not in used), None) or next(
            (d for d in later if d not in same and holds(d.text, m.text)), None)
        for d in later[:2] if by is None else ():      # taken back and sent with more; one before it may be of the same minute
            first = f" {bare(d.text)} "
            if d not in same and (first.startswith(f" {words} ") or words.count(" ") > 1 and f" {words} " in first):
                by = by or d
        if by is not None:
            gone.add(m.id)
            used.add((words, by.id))
    return gone


def number(session: str, m: wl.Message) -> int:
    """Which of the prompts of its words and minute this is, from 1."""
    short = wl.short(m.id)[-8:]
    return next((n for n in range(1, sf.QUEUED_ALIKE + 1) if wl.id8(sf.queued_id(session, m.text, m.time, n)) == short), 1)
