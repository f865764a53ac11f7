"""The block of active-concerns.md that holds the larger picture: found, left out, put in its place. Pure."""
from __future__ import annotations

import wiki_lib as wl

import re

PATH = "context/active-concerns.md"
OPEN, CLOSE = "<!-- memex:synthesis", "<!-- /memex:synthesis -->"
_BLOCK = re.compile(rf"{OPEN} ([0-9a-f]{{12}}) by (\S+) -->\n(.*?){re.escape(CLOSE)}\n*", re.S)


def inputs_digest(extractions: str, concerns: str) -> str:
    """Of what a picture is made from: raw-extractions.md, and active-concerns.md without the picture itself."""
    return wl.digest(f"{extractions}\0{' '.join(without(concerns).split())}")


def without(text: str) -> str:
    """active-concerns.md without the picture, and without what a merge of two pictures left."""
    return re.sub(rf"^{re.escape(OPEN)}[^\n]*-->\n?|^{re.escape(CLOSE)}\n*", "", _BLOCK.sub("", text), flags=re.M)


def blocks(text: str) -> list[tuple[str, str]]:
    """(inputs' digest, the block as it stands) of the pictures in a text; one that a merge has run into another is none."""
    return [(m[1], m[0].rstrip("\n") + "\n") for m in _BLOCK.finditer(text) if OPEN not in m[3]]


def placed(text: str, block: str, before: str) -> str:
    """active-concerns.md with this block ('' for none) as its only picture, in front of the generated concerns."""
    rest = without(text)
    if not block:
        return rest
    head, mark, tail = rest.partition(before)
    return f"{head.rstrip()}\n\n{block}\n{mark}{tail}" if mark else f"{rest.rstrip()}\n\n{block}"


def one_picture(text: str, before: str) -> str:
    """The same text where it holds one picture or none; of several, which only a merge leaves, the first by digest stays."""
    found = sorted(set(blocks(text)))
    if text.count(OPEN) == text.count(CLOSE) == len(found) <= 1:
        return text
    return placed(text, found[0][1] if found else "", before)
