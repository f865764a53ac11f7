"""A transcript in pieces that a model can take, along message boundaries. Pure.

The pieces together hold every message once and in order, the main line first, then each subagent's. Nothing is left out
without a word: a message longer than a piece keeps its beginning and its end and says how much of its middle is gone.
"""
from __future__ import annotations

import wiki_lib as wl

from collections.abc import Iterable, Iterator
from dataclasses import replace

LEAST_CHARACTERS = 2_000      # a piece smaller than this holds nothing that a model could make sense of
ALLOWANCE = 500               # by which a piece may be longer than asked for: headings of subagents, ids of 12 digits

Item = wl.Message | wl.Shared


def pieces(transcript: wl.Transcript, most: int, after: int = 0) -> list[wl.Transcript]:
    """The transcript from its item number `after` on, in pieces of at most `most` characters as rendered (and ALLOWANCE); at
    least one, which is empty when nothing is left. `most` is taken as LEAST_CHARACTERS where it is less."""
    most = max(most, LEAST_CHARACTERS)
    found: list[list[tuple[int, Item]]] = [[]]
    load = 0
    for number, (owner, item) in enumerate(_line(transcript)):
        if number < after:
            continue
        item, size = _fitting(item, most)
        if found[-1] and load + size > most:
            found.append([])
            load = 0
        found[-1].append((owner, item))
        load += size
    return [_transcript(transcript, part) for part in found]


def items(transcript: wl.Transcript) -> int:
    """How many items a piece holds: messages and shared runs."""
    return len(transcript.messages) + sum(len(agent.messages) for agent in transcript.agents)


def size_of(transcript: wl.Transcript) -> int:
    return len(wl.render_transcript(transcript))


def _line(transcript: wl.Transcript) -> Iterator[tuple[int, Item]]:
    """All items in order, each with the number of the subagent it belongs to, -1 for the main line."""
    for item in transcript.messages:
        yield -1, item
    for number, agent in enumerate(transcript.agents):
        for message in agent.messages:
            yield number, message


def _transcript(whole: wl.Transcript, part: Iterable[tuple[int, Item]]) -> wl.Transcript:
    main: list[Item] = []
    agents: dict[int, list[wl.Message]] = {}
    for owner, item in part:
        if owner < 0 or isinstance(item, wl.Shared):
            main.append(item)
        else:
            agents.setdefault(owner, []).append(item)
    return wl.Transcript(tuple(main), tuple(replace(whole.agents[n], messages=tuple(m)) for n, m in agents.items()))


def _fitting(item: Item, most: int) -> tuple[Item, int]:
    """An item, cut to fit where it must be, and its size as rendered."""
    if isinstance(item, wl.Shared):
        return item, 80
    size, room = _size(item), most - 200
    if size <= most:
        return item, size
    tools = "\n".join(item.tools)
    while size > most:       # once, but for texts whose lines read as the file's structure: a backslash more for each
        kept = (cut(tools, max(room // 2, room - len(item.text))),) if tools else ()
        message = replace(item, tools=kept, text=cut(item.text, room - sum(map(len, kept))))
        size, room = _size(message), room * 3 // 4
    return message, size


def _size(message: wl.Message) -> int:
    return len(wl.render_transcript(wl.Transcript((message,)))) + 2


def cut(text: str, most: int) -> str:
    """A text with its middle left out, and how much that was."""
    if len(text) <= most:
        return text
    half = max(0, most - 60) // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters are left out here …\n{text[len(text) - half:]}"
