"""Forks: sessions that begin with the messages of another one, each of which is to stand once.

A session that was resumed or forked into a file of its own repeats what was said before. Sessions that share their
beginning are a family, and a family has an order that does not depend on which of them was mined first. What an earlier
one of it holds, a later one keeps as a line: `shared with <id8>: #first .. #last`. To fold is to put such lines in, to
unfold is to take the messages back. Pure: which transcripts there are, and what they hold, is given.
"""
from __future__ import annotations

import wiki_lib as wl

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import session_formats as sf

Line = Sequence[wl.Message | wl.Shared]
Members = Sequence[tuple[str, wl.Transcript]]      # sessions with what they hold, in the family's order


@dataclass(frozen=True)
class Kin:
    """What tells of a session where it came from. `first`: the short id of its first message, where that is an id of the
    agent's own making; `named`: the session that its file says it was forked from."""
    session: str
    first: str = ""
    named: str = ""


def families(kin: Iterable[Kin], touched: Iterable[str]) -> list[list[str]]:
    """The families of more than one session that a touched one belongs to, each in its order: whom a session names comes
    before it, else the first by id. Sessions that name each other in a circle are taken by id."""
    known = {k.session: k for k in sorted(kin, key=lambda k: k.session)}
    near: dict[str, set[str]] = {}
    alike: dict[str, str] = {}
    for k in known.values():
        other = alike.setdefault(k.first, k.session) if k.first else k.session
        for relative in (r for r in {other, k.named} - {k.session} if r in known):
            near.setdefault(k.session, set()).add(relative)
            near.setdefault(relative, set()).add(k.session)
    found, seen = [], set()
    for session in sorted(touched):
        if session in near and session not in seen:
            family = _connected(session, near)
            seen |= family
            found.append(_ordered([known[s] for s in sorted(family)]))
    return found


def _connected(session: str, near: Mapping[str, set[str]]) -> set[str]:
    family, more = {session}, [session]
    while more:
        more = [s for m in more for s in near[m] if s not in family and not family.add(s)]      # type: ignore[func-returns-value]
    return family


def _ordered(family: Sequence[Kin]) -> list[str]:
    left = {k.session: k.named for k in family}
    children: dict[str, list[str]] = {}
    for k in family:
        children.setdefault(k.named, []).append(k.session)
    ready = [s for s, named in left.items() if named not in left or named == s]
    heapq.heapify(ready)
    order: list[str] = []
    while left:
        session = heapq.heappop(ready) if ready else min(left)      # only a circle is left: it begins somewhere
        if session not in left:
            continue
        del left[session]
        order.append(session)
        for child in children.get(session, ()):
            heapq.heappush(ready, child)
    return order


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


def folded(transcript: wl.Transcript, earlier: Members, named: str = "") -> wl.Transcript:
    """The transcript (unfolded) without what the earlier ones of its family hold; `named`: the one it says it came from."""
    held = [(wl.id8(session), m) for session, t in earlier for m in t.said]
    places = _by_id(transcript.messages, held)
    if any(session == named for session, _ in earlier):
        places = _by_words(transcript.messages, held, _places_of(named, earlier), places)
    line: list[wl.Message | wl.Shared] = []
    last = -2
    for i, message in enumerate(transcript.messages):
        at = places.get(i, -2)
        if at < 0:
            line.append(message)
        elif at == last + 1 and held[at][0] == held[last][0]:
            line[-1] = replace(line[-1], last=wl.short(held[at][1].id))      # type: ignore[call-arg]
        else:
            ident = wl.short(held[at][1].id)
            line.append(wl.Shared(held[at][0], ident, ident))
        last = at
    agents = {a.id: a for _, t in earlier for a in t.agents}
    return wl.Transcript(tuple(line), tuple(a for a in transcript.agents if not _agent_held(a, agents.get(a.id))))


def came_from(transcript: wl.Transcript, named: str, earlier: Members) -> str:
    """The session a folded transcript shares messages with: the one it names, else that of its last shared run; '' for none."""
    owners = [m.parent for m in transcript.messages if isinstance(m, wl.Shared)]
    if not owners or any(session == named for session, _ in earlier):
        return named
    return next((session for session, _ in reversed(earlier) if wl.id8(session) == owners[-1]), named)


def _by_id(messages: Line, held: Sequence[tuple[str, wl.Message]]) -> dict[int, int]:
    """{place in a fork's line: place of the same message in what is held}."""
    known: dict[str, list[int]] = {}
    for i, (_, m) in enumerate(held):
        known.setdefault(wl.short(m.id)[-8:], []).append(i)
    found = ((i, next((at for at in known.get(wl.short(m.id)[-8:], ()) if holds(held[at][1], m)), -1))
             for i, m in enumerate(messages) if isinstance(m, wl.Message))
    return {i: at for i, at in found if at >= 0}


def _places_of(session: str, members: Members) -> list[int]:
    """All that was said in a session, by its places in what the members hold."""
    starts, lines, at = {}, {}, 0
    for name, transcript in members:
        starts[wl.id8(name)], lines[wl.id8(name)] = at, [m.id for m in transcript.said]
        at += len(transcript.said)
    places, own = [], starts[wl.id8(session)]
    for item in dict(members)[session].messages:
        if isinstance(item, wl.Message):
            places.append(own)
            own += 1
        elif item.parent in lines and item.first in (ids := lines[item.parent]) and item.last in ids:
            places += range(starts[item.parent] + ids.index(item.first), starts[item.parent] + ids.index(item.last) + 1)
    return places


def _by_words(messages: Line, held: Sequence[tuple[str, wl.Message]], above: Sequence[int], known: Mapping[int, int]
              ) -> dict[int, int]:
    """`known`, with those messages at a fork's beginning whose ids were made of their words: told by the words, in the order
    of `above`, the line it was forked from. One alone must be of the same minute: two sessions may begin with the same words."""
    places, by_words, step = dict(known), 0, -1
    for i, m in enumerate(messages):
        step = above.index(places[i]) if i in places and places[i] in above else step + 1
        if i in places:
            continue
        if step >= len(above) or not isinstance(m, wl.Message) or not _same_words(m, held[above[step]][1]):
            break
        places[i] = above[step]
        by_words += 1
    alone = len(places) == by_words == 1 and getattr(messages[0], "time", "") != held[above[0]][1].time
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
