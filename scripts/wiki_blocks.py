"""Markdown bodies merged by section and bullet. Pure: three texts in, one text out.

A body is cut into sections (a heading with all above it), a section into blocks: a bullet with what hangs under it, a
paragraph, a table row, a fenced block. A block is known by its text. One that either side added stays, one that either
side removed goes, one that both changed stands twice, side by side; so no line that somebody wrote is dropped, and none
is doubled.
"""
from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

K = TypeVar("K", bound=Hashable)

_HEADING = re.compile(r"(#{1,6}) +\S")
_BULLET = re.compile(r" {0,3}(?:[-*+]|\d{1,9}[.)])(?: +\S| *$)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
TITLE = "# "                              # the key of a body's first top heading, whatever it says


@dataclass(frozen=True)
class Block:
    """Some lines that stay together. `gap`: blank lines above it; `after`: the block above it, as (text, ordinal)."""
    kind: str                             # bullet | row | text | fence
    head: str                             # a bullet's first line, else all of it
    rest: tuple[str, ...] = ()            # what hangs under a bullet
    gap: int = 0
    after: tuple[str, int] | None = None


@dataclass(frozen=True)
class Section:
    """A heading line ('' above the first one) and the blocks under it."""
    heading: str
    blocks: tuple[Block, ...] = ()
    gap: int = 0


Sections = dict[tuple[str, ...], Section]


# ---------------------------------------------------------------- cutting

def cut(body: str) -> Sections:
    """A body as {chain of headings: section}, in order. Sections with one chain are joined into the first."""
    sections: Sections = {}
    chain: list[str] = []
    key: tuple[str, ...] = ("",)
    lines: list[str] = []
    heading, gap, fence = "", 0, ""

    def close() -> None:
        found = Section(heading, _blocks(lines), gap)
        if key in sections:
            sections[key] = replace(sections[key], blocks=_numbered([*sections[key].blocks, *found.blocks]))
        elif heading or found.blocks:
            sections[key] = found

    for line in body.rstrip().split("\n"):
        fence = _in_fence(fence, line)
        level = _HEADING.match(line) if not fence else None
        if not level:
            lines.append(line)
            continue
        blank = 0
        while lines and not lines[-1].strip():
            lines.pop()
            blank += 1
        close()
        depth = len(level[1])
        first = depth == 1 and not any(TITLE in k for k in sections)
        name = TITLE if first or line.rstrip() == _title_line(sections) else line.rstrip()
        chain = [*chain[: depth - 1], *[""] * (depth - 1 - len(chain)), name]
        key, heading, gap, lines = tuple(chain), line.rstrip(), blank, []
    close()
    return sections


def _title_line(sections: Sections) -> str:
    return next((s.heading for k, s in sections.items() if k[-1] == TITLE), "")


def _in_fence(fence: str, line: str) -> str:
    """The mark of the fence that is open after this line, '' outside. A closing line still counts as inside."""
    mark = _FENCE.match(line)
    if fence.endswith("."):               # closed by the line before
        fence = ""
    if not mark:
        return fence
    if not fence:
        return mark[1]
    return fence + "." if mark[1].startswith(fence) and not line.strip().strip(mark[1][0]) else fence


def _blocks(lines: Sequence[str]) -> tuple[Block, ...]:
    found: list[Block] = []
    gap, fence, at = 0, "", 0
    while at < len(lines):
        if not lines[at].strip():
            gap, at = gap + 1, at + 1
            continue
        start, kind = at, _kind(lines[at])
        at += 1
        if kind == "fence":
            fence = _in_fence("", lines[start])
            while at < len(lines) and not fence.endswith("."):
                fence, at = _in_fence(fence, lines[at]), at + 1
        else:
            while at < len(lines) and _belongs(kind, lines, at):
                at += 1
        piece = [line.rstrip() for line in lines[start:at]]
        cut_at = 1 if kind == "bullet" else len(piece)
        found.append(Block(kind, "\n".join(piece[:cut_at]), tuple(piece[cut_at:]), gap))
        gap = 0
    return _numbered(found)


def _kind(line: str) -> str:
    return ("fence" if _FENCE.match(line) else "bullet" if _BULLET.match(line) else
            "row" if line.startswith("|") else "text")


def _belongs(kind: str, lines: Sequence[str], at: int) -> bool:
    """Whether the line at `at` goes on with a block of this kind."""
    line = lines[at]
    if kind == "row":
        return False
    if kind == "bullet":
        if line.strip():
            return line.startswith(("  ", "\t")) or _kind(line) == "text"
        following = next((x for x in lines[at:] if x.strip()), "")
        return following.startswith(("  ", "\t"))
    return bool(line.strip()) and _kind(line) == "text"


def _numbered(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Each block told what stands above it."""
    listed = list(blocks)
    keys = keyed(block.head for block in listed)
    return tuple(replace(block, after=above) for block, above in zip(listed, [None, *keys], strict=False))


def keyed(items: Iterable[str]) -> list[tuple[str, int]]:
    """Each text with its ordinal among equals: ('a', 0), ('b', 0), ('a', 1)."""
    seen: dict[str, int] = {}
    out = []
    for item in items:
        seen[item] = seen.get(item, -1) + 1
        out.append((item, seen[item]))
    return out


# ---------------------------------------------------------------- weaving

def survivors(base: Iterable[K] | None, a: Iterable[K], b: Iterable[K]) -> set[K]:
    """The union of two sets, minus what one of them took out of the base."""
    here, there = set(a), set(b)
    return (here | there) - ((set(base or ()) - here) | (set(base or ()) - there))


def weave(base: Sequence[K] | None, a: Sequence[K], b: Sequence[K], alive: set[K]) -> list[K]:
    """The living keys of two sequences in one order: what both have as the side that reordered it has it, what one
    side has alone after what it follows there; where both have something, the smaller one first."""
    a, b = [k for k in a if k in alive], [k for k in b if k in alive]
    both = set(a) & set(b)
    spine = a
    if base is not None and [k for k in a if k in both] == [k for k in base if k in both]:
        spine = b
    runs_a, runs_b = _runs(a, both), _runs(b, both)
    out: list[K] = []
    for anchor in (None, *(k for k in spine if k in both)):
        if anchor is not None:
            out.append(anchor)
        for run in sorted(filter(None, (runs_a.get(anchor), runs_b.get(anchor))), key=repr):
            out += run
    return out


def _runs(keys: Sequence[K], both: set[K]) -> dict[K | None, list[K]]:
    """What one side has alone, by the common key that it follows."""
    runs: dict[K | None, list[K]] = {}
    anchor: K | None = None
    for key in keys:
        if key in both:
            anchor = key
        else:
            runs.setdefault(anchor, []).append(key)
    return runs


def merge_lines(base: Sequence[str] | None, a: Sequence[str], b: Sequence[str]) -> list[str]:
    """Two lists of lines as one, nothing dropped and nothing doubled."""
    if a == b or b == base:
        return list(a)
    if a == base:
        return list(b)
    was = None if base is None else keyed(base)
    ours, theirs = keyed(a), keyed(b)
    return [text for text, _ in weave(was, ours, theirs, survivors(was, ours, theirs))]


# ---------------------------------------------------------------- merging

def merge_bodies(base: str | None, a: str, b: str, title: str | None = None) -> str:
    """One body from two that grew out of `base` (None: they have nothing in common). Symmetrical in a and b.
    `title`: the '# ' line to use where the two differ."""
    if a == b or b == base:
        return a
    if a == base:
        return b
    a, b = sorted((a, b))
    was, ours, theirs = (None if base is None else cut(base)), cut(a), cut(b)
    sections: Sections = {}
    alive = survivors(was, ours, theirs)
    for key in {**ours, **theirs}:
        merged = _merge_section((was or {}).get(key) if was is not None else None, ours.get(key), theirs.get(key),
                                fresh=was is None)
        if merged.blocks or key in alive:
            sections[key] = merged
    if title and (head := next((k for k in sections if k[-1] == TITLE), None)):
        sections[head] = replace(sections[head], heading=f"# {title}")
    order = weave(None if was is None else list(was), list(ours), list(theirs), set(sections))
    return render({key: sections[key] for key in _nested(order)})


def disagreements(base: str, a: str, b: str) -> list[str]:
    """The lines of the base that both sides worded anew, each in its own way, so that both wordings stand."""
    was, ours, theirs = cut(base), cut(a), cut(b)
    found = []
    for section in was:
        heads = [[k for k in _keyed_blocks(side.get(section))] for side in (was, ours, theirs)]
        both = set(heads[1]) & set(heads[2])
        old, one, two = (_runs(side, both) for side in heads)
        known = set(heads[0])
        for anchor, run in old.items():
            gone = [k for k in run if k not in heads[1] and k not in heads[2]]
            if gone and set(one.get(anchor, ())) - known and set(two.get(anchor, ())) - known:
                found += [k[0] for k in gone]
    return found


def _nested(order: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Sections in order, each under the heading it belongs to, whatever was woven in between."""
    children: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    known = set(order)
    for key in order:
        parent = next((key[:n] for n in range(len(key) - 1, 0, -1) if key[:n] in known), ())
        children.setdefault(parent, []).append(key)

    def walk(parent: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
        for key in children.get(parent, ()):
            yield key
            yield from walk(key)
    return list(walk(()))


def _merge_section(was: Section | None, a: Section | None, b: Section | None, fresh: bool) -> Section:
    ours, theirs = _keyed_blocks(a), _keyed_blocks(b)
    known = None if fresh else _keyed_blocks(was)
    alive = survivors(known, ours, theirs)
    # A bullet that one side removed while the other wrote something under it: the edit wins.
    alive |= {k for side in (ours, theirs) for k, block in side.items() if known and k in known and block.rest != known[k].rest}
    order = weave(None if known is None else list(known), list(ours), list(theirs), alive)
    blocks = [_merge_block((known or {}).get(k), ours.get(k), theirs.get(k)) for k in order]
    first = a or b
    assert first is not None
    heading = first.heading
    if a and b and a.heading != b.heading and was:        # the title, changed on one side
        heading = b.heading if a.heading == was.heading else a.heading
    return Section(heading, _spaced(blocks, order), first.gap)


def _keyed_blocks(section: Section | None) -> dict[tuple[str, int], Block]:
    blocks = section.blocks if section else ()
    return dict(zip(keyed(b.head for b in blocks), blocks, strict=True))


def _merge_block(was: Block | None, a: Block | None, b: Block | None) -> Block:
    if a is None or b is None:
        one = a or b
        assert one is not None
        return one
    if a.rest == b.rest:
        return a
    return replace(a, rest=tuple(merge_lines(was.rest if was else None, a.rest, b.rest)))


def _spaced(blocks: Sequence[Block], order: Sequence[tuple[str, int]]) -> tuple[Block, ...]:
    """Blank lines as they were where a block still follows what it followed; else none between bullets, one elsewhere."""
    out: list[Block] = []
    for number, block in enumerate(blocks):
        above = order[number - 1] if number else None
        gap = block.gap
        if above != block.after:
            alike = out and out[-1].kind == block.kind and block.kind in ("bullet", "row")
            gap = 0 if alike else 1
        out.append(replace(block, gap=gap))
    return tuple(out)


def render(sections: Sections) -> str:
    """The body of sections as cut() found them."""
    lines: list[str] = []
    for number, section in enumerate(sections.values()):
        if section.heading:
            lines += [""] * (section.gap if not number else max(section.gap, 1)) + [section.heading]
        for block in section.blocks:
            lines += [""] * (block.gap if lines or block.gap else 0) + [block.head, *block.rest]
    return "\n".join(lines) + "\n" if lines else ""
