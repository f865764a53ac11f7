"""Forks: sessions that begin with the messages of another one, each of which is to stand once.

A session that was resumed or forked into a file of its own repeats what was said before. Its transcript keeps one line
for such a run, `shared with <id8>: #first .. #last`, as long as the transcript of the session it came from holds the
messages. To fold is to put such lines in, to unfold is to take the messages back. Pure: which transcripts there are, and
what they hold, is given.
"""
from __future__ import annotations

import wiki_lib as wl

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import session_formats as sf

Line = Sequence[wl.Message | wl.Shared]
Held = list[tuple[str, wl.Message]]          # messages with the id8 of the session in whose transcript each stands


@dataclass(frozen=True)
class Kin:
    """What tells of a session where it came from. `first`: the short id of its first message, where that is an id of the
    agent's own making; `named`: the session that its file says it was forked from."""
    session: str
    first: str = ""
    named: str = ""


def parents(kin: Iterable[Kin], is_there: Callable[[str], bool]) -> dict[str, str]:
    """{session: the one it shares its beginning with}, the same in whichever order the sessions came.

    That is the session it names, where that has a transcript; of sessions that begin with one message and name no other
    one, the first by id is taken for the origin."""
    known = {k.session: k for k in kin}
    parent = {k.session: k.named for k in known.values() if k.named and k.named != k.session and is_there(k.named)}
    for session in sorted(parent):
        _break_circle(session, parent)
    families: dict[str, list[Kin]] = {}
    for k in known.values():
        if k.first and k.session not in parent:
            families.setdefault(k.first, []).append(k)
    for family in families.values():
        origin = min(family, key=lambda k: (bool(k.named), k.session))
        parent |= {k.session: origin.session for k in family if k is not origin}
    return parent


def _break_circle(session: str, parent: dict[str, str]) -> None:
    """Sessions that name each other in a circle have an origin all the same: the first of them by id."""
    seen: list[str] = []
    while session in parent and session not in seen:
        seen.append(session)
        session = parent[session]
    if session in seen:
        del parent[min(seen[seen.index(session):])]


def ancestors(session: str, parent: Mapping[str, str]) -> Iterator[str]:
    """The sessions a session descends from, the nearest first."""
    while session := parent.get(session, ""):
        yield session


def descendants(sessions: Iterable[str], parent: Mapping[str, str]) -> list[str]:
    """The forks among `sessions` and all forks of them, parents before their children."""
    wanted = set(sessions)
    depth = {s: len(list(ancestors(s, parent))) for s in parent if s in wanted or not wanted.isdisjoint(ancestors(s, parent))}
    return sorted(depth, key=lambda s: (depth[s], s))


# ---------------------------------------------------------------- folding

def unfolded(transcript: wl.Transcript, lines: Mapping[str, Sequence[Sequence[wl.Message]]]) -> wl.Transcript:
    """The transcript with the messages of its shared runs; `lines`: {id8 of a session: what transcripts of that id hold}.
    A run whose messages are nowhere stays a line."""
    return replace(transcript, messages=wl.spelt_out([
        m for item in transcript.messages for m in (_run(item, lines) if isinstance(item, wl.Shared) else (item,))]))


def _run(shared: wl.Shared, lines: Mapping[str, Sequence[Sequence[wl.Message]]]) -> Line:
    for line in lines.get(shared.parent, ()):
        ids = [m.id for m in line]
        if shared.first in ids and shared.last in ids[ids.index(shared.first):]:
            return line[ids.index(shared.first):ids.index(shared.last) + 1]
    return (shared,)


def held_by(chain: Sequence[tuple[str, wl.Transcript]]) -> Held:
    """All that was said in a session, from its own transcript and those above it: [(session, transcript)], nearest first."""
    lines = {wl.id8(session): [transcript.said] for session, transcript in chain}
    owner = wl.id8(chain[0][0])
    held: Held = []
    for item in chain[0][1].messages:
        if isinstance(item, wl.Message):
            held.append((owner, item))
        else:
            held += [(item.parent, m) for m in _run(item, lines) if isinstance(m, wl.Message)]
    return held


def folded(transcript: wl.Transcript, chain: Sequence[tuple[str, wl.Transcript]]) -> wl.Transcript:
    """The transcript (unfolded) without what the sessions of `chain` hold: [(session, its transcript)], nearest first."""
    above = held_by(chain)
    places = _by_words(transcript.messages, above, _by_id(transcript.messages, above))
    line: list[wl.Message | wl.Shared] = []
    last = -2
    for i, message in enumerate(transcript.messages):
        at = places.get(i, -2)
        if at < 0:
            line.append(message)
        elif at == last + 1 and above[at][0] == above[last][0] and i - 1 in places:
            run = line[-1]
            assert isinstance(run, wl.Shared)
            line[-1] = replace(run, last=wl.short(above[at][1].id))
        else:
            ident = wl.short(above[at][1].id)
            line.append(wl.Shared(above[at][0], ident, ident))
        last = at
    agents = {a.id: a for _, t in chain for a in t.agents}
    return wl.Transcript(tuple(line), tuple(a for a in transcript.agents if not _agent_held(a, agents.get(a.id))))


def _by_id(messages: Line, above: Held) -> dict[int, int]:
    """{place in a fork's line: place of the same message in what is above it}."""
    known: dict[str, list[int]] = {}
    for i, (_, m) in enumerate(above):
        known.setdefault(wl.short(m.id)[-8:], []).append(i)
    found = ((i, next((at for at in known.get(wl.short(m.id)[-8:], ()) if holds(above[at][1], m)), -1))
             for i, m in enumerate(messages) if isinstance(m, wl.Message))
    return {i: at for i, at in found if at >= 0}


def _by_words(messages: Line, above: Held, places: dict[int, int]) -> dict[int, int]:
    """`places`, with those messages at a fork's beginning whose ids were made of their words: told by the words. One alone
    must be of the same minute: two sessions may begin with the same words."""
    places = dict(places)
    at, by_words = -1, 0
    for i, m in enumerate(messages):
        at = places.get(i, at + 1)
        if i in places:
            continue
        if at >= len(above) or not isinstance(m, wl.Message) or not _same_words(m, above[at][1]):
            break
        places[i] = at
        by_words += 1
    alone = len(places) == by_words == 1 and getattr(messages[0], "time", "") != above[0][1].time
    return {} if alone else places


def _same_words(m: wl.Message, known: wl.Message) -> bool:
    return m.role == known.role and sf.normalised(m.text) == sf.normalised(known.text) and set(m.tools) <= set(known.tools)


def holds(known: wl.Message, message: wl.Message) -> bool:
    """Is all that a message says in the other one?"""
    return known.role == message.role and known.text.startswith(message.text) and set(message.tools) <= set(known.tools)


def _agent_held(agent: wl.Agent, known: wl.Agent | None) -> bool:
    if known is None:
        return False
    there = {wl.short(m.id): m for m in known.messages}
    return all((was := there.get(wl.short(m.id))) is not None and holds(was, m) for m in agent.messages)
