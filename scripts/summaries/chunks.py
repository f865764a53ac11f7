"""A transcript in pieces that a model can take, along message boundaries. Pure."""
from __future__ import annotations

import wiki_lib as wl

from collections.abc import Iterator
from dataclasses import replace

LEAST_CHARACTERS = 4_000      # a piece smaller than this holds nothing that a model could make sense of


def pieces(transcript: wl.Transcript, most: int) -> list[wl.Transcript]:
    """The transcript in pieces of at most about `most` characters as rendered; a subagent's words come after the main line.
    A message longer than a piece is a piece of its own, with its middle left out."""
    most = max(most, LEAST_CHARACTERS)
    found: list[wl.Transcript] = []
    line: list[wl.Message | wl.Shared] = []
    agents: list[wl.Agent] = []
    load = 0
    for item, size in _items(transcript, most):
        if load and load + size > most:
            found.append(wl.Transcript(tuple(line), tuple(agents)))
            line, agents, load = [], [], 0
        (agents if isinstance(item, wl.Agent) else line).append(item)       # type: ignore[arg-type]
        load += size
    return [*found, wl.Transcript(tuple(line), tuple(agents))] if line or agents or not found else found


def _items(transcript: wl.Transcript, most: int) -> Iterator[tuple[wl.Message | wl.Shared | wl.Agent, int]]:
    """Each message of the main line, then each subagent, cut to fit, with its size as rendered."""
    for item in transcript.messages:
        yield (item, 80) if isinstance(item, wl.Shared) else _fitting(item, most)
    for agent in transcript.agents:
        messages = tuple(_fitting(m, most // max(1, len(agent.messages)))[0] for m in agent.messages)
        yield replace(agent, messages=messages), sum(m.size + 60 for m in messages)


def _fitting(message: wl.Message, most: int) -> tuple[wl.Message, int]:
    room = most - 200
    if message.size > room:
        tools = "\n".join(message.tools)
        if len(tools) > room // 2:
            message = replace(message, tools=(cut(tools, room // 2),))
        message = replace(message, text=cut(message.text, room - sum(map(len, message.tools))))
    return message, message.size + 60


def cut(text: str, most: int) -> str:
    """A text with its middle left out, and how much that was."""
    if len(text) <= most:
        return text
    half = max(0, most - 60) // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters are left out here …\n{text[len(text) - half:]}"
