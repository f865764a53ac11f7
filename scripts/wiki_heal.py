"""What a merge=union merge made elsewhere, or one left half-done, doubled or marked: put right again. Pure.

`heal` gives back a file that shows no such damage to the byte; `settle` merges three versions, healing each first.
"""
from __future__ import annotations

import wiki_lib as wl

import re
from dataclasses import replace
from datetime import date
from functools import reduce

from wiki_blocks import TITLE, cut, render
from wiki_merge import kind_of, merge_meta, merge_text, read_talk, read_words, single

_KEY = re.compile(r"^([A-Za-z_][\w-]*):", re.M)
_KNOWN = "|".join((*wl.PAGE_KEYS, *wl.STAGED_KEYS, *wl.ARCHIVE_KEYS))
_STRAY = re.compile(rf"^(?P<open>---\n)?(?P<yaml>(?:(?:{_KNOWN}):(?: .*)?\n(?:[ -] .*\n)*)+)---\n", re.M)
_SAID = re.compile(r"^#{3,4} (?:User|Assistant|Task) · .*#[0-9a-f]{8,12}$", re.M)
_CONFLICT = re.compile(r"^<<<<<<< [^\n]*\n(.*?)(?:^\|{7} [^\n]*\n.*?)?^=======\n(.*?)^>>>>>>> [^\n]*\n", re.M | re.S)


def heal(path: str, text: str, today: date) -> str:
    """A file as it was before a merge=union (or a half-made) merge doubled its keys, frontmatter or headings, or left
    conflict markers; any other file unchanged, to the byte."""
    kind = kind_of(path)
    if kind == "state":
        return _healed_state(text)
    if kind == "conversation":
        return _healed_conversation(path, text, today)
    if kind not in ("page", "prose"):
        return text
    if sides := _conflict_sides(text):
        one, two = (heal(path, side, today) for side in sides)
        return str(merge_text(path, None, one, two, today)[path])
    text = heal_frontmatter(path, text, today)
    return _heal_body(path, text, today) if kind == "page" else text


def settle(path: str, base: str | None, ours: str | None, theirs: str | None, today: date) -> dict[str, str | None]:
    """merge_text over healed versions."""
    versions = (None if text is None else heal(path, text, today) for text in (base, ours, theirs))
    return merge_text(path, *versions, today)


def _conflict_sides(text: str) -> tuple[str, str] | None:
    """The two files that conflict markers stand for; None without markers (those quoted in a fence are not ours)."""
    if "<<<<<<< " not in text:
        return None
    def outside(match: re.Match[str]) -> bool:
        return len(re.findall(r"^ {0,3}(?:```|~~~)", text[: match.start()], re.M)) % 2 == 0
    if not any(outside(m) for m in _CONFLICT.finditer(text)):
        return None
    first, second = (_CONFLICT.sub(lambda m, n=n: m[n] if outside(m) else m[0], text) for n in (1, 2))
    return first, second


def heal_frontmatter(path: str, text: str, today: date) -> str:
    """The text with every frontmatter key once."""
    parts = wl.split_frontmatter(text)
    if not parts:
        return text
    keys = _KEY.findall(parts[0])
    if len(set(keys)) == len(keys):
        return text
    starts = [m.start() for m in _KEY.finditer(parts[0])]
    layers: list[list[str]] = []
    seen: dict[str, int] = {}
    for start, end in zip(starts, [*starts[1:], len(parts[0])], strict=True):
        key = _KEY.match(parts[0], start)[1]                      # type: ignore[index]
        seen[key] = layer = seen.get(key, -1) + 1
        layers += [[]] if layer == len(layers) else []
        layers[layer].append(parts[0][start:end])
    try:
        metas = [wl.load_yaml("".join(layer), path) for layer in layers]
    except wl.PageError:
        return text
    meta = reduce(lambda a, b: merge_meta(None, *sorted((a, b), key=repr), today), metas)
    return wl.serialize_frontmatter(meta) + parts[1]


def _heal_body(path: str, text: str, today: date) -> str:
    """A page whose body holds the frontmatter of another version, or its heading twice."""
    parts = wl.split_frontmatter(text)
    if not parts:
        return text
    stray = next((m for m in _STRAY.finditer(parts[1]) if _outside_fences(parts[1], m.start())), None)
    if stray:
        try:
            meta, other = wl.load_yaml(parts[0], path), wl.load_yaml(stray["yaml"], path)
        except wl.PageError:
            return text
        halves = [wl.WikiPage(path, meta, parts[1][: stray.start()]),
                  wl.WikiPage(path, {**meta, **other}, parts[1][stray.end():])]
        one, two = sorted(heal(path, wl.render_page(half), today) for half in halves)
        return str(merge_text(path, None, one, two, today)[path])
    heads = re.findall(r"^# +\S.*$", _bare(parts[1]), re.M)
    if len({h.rstrip() for h in heads}) == len(heads):
        return text
    joined = cut(parts[1])
    head = next(k for k in joined if k[-1] == TITLE)
    unique = {b.head: b for b in reversed(joined[head].blocks)}
    joined[head] = replace(joined[head], blocks=tuple(b for b in joined[head].blocks if unique.get(b.head) is b))
    return f"---\n{parts[0]}---\n{render(joined)}"


def _outside_fences(body: str, at: int) -> bool:
    return len(re.findall(r"^ {0,3}(?:```|~~~)", body[:at], re.M)) % 2 == 0


def _bare(body: str) -> str:
    """The body without its fenced blocks."""
    return re.sub(r"^ {0,3}(```+|~~~+).*?(?:^ {0,3}\1[`~]*\s*$|\Z)", "", body, flags=re.M | re.S)


def _healed_state(text: str) -> str:
    """Lines in order, each key once. A file that holds no record at all is left for its owner to set aside."""
    found = read_words(text)
    return wl.render_words(found) if found else text


def _healed_conversation(path: str, text: str, today: date) -> str:
    healed = heal_frontmatter(path, text, today)
    head = healed.partition("\n## Transcript\n")[0]
    for names in (_SAID.findall(healed), sections := re.findall(r"^## .*$", head, re.M)):
        if len(set(names)) != len(names):
            break
    else:
        return healed             # told from the headings alone: parsing every long transcript would take its time
    try:
        talk = read_talk(path, healed)
    except wl.PageError:
        return text
    transcript, block = single(talk.transcript), talk.block
    if len(set(sections)) != len(sections):
        conversation = wl.parse_conversation(path, healed)
        block = wl.render_summary(conversation.summary, dict.fromkeys(conversation.bullets))
    elif transcript == talk.transcript:
        return healed
    return wl.render_conversation(talk.meta, block, wl.render_transcript(transcript))
