"""Prose out of a message: its own sentences, without code, tables, headings, quotations and pasted logs.

A sentence keeps the message's words in their order; only markdown dress (list markers, **, link targets, leading
ornaments) is taken off.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

PASTE_CHARACTERS = 900        # a person's message beyond this holds something pasted: only its short ends are theirs
OWN_PARAGRAPH = 500           # a paragraph of such a message this short is still taken for the person's own words


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence as it stands in its message; `item` when it is the whole of, or in, a list item; `first` when it opens
    its paragraph or item (a sentence that does not may lean on the one before it)."""
    text: str
    item: bool = False
    first: bool = True


_FENCE = re.compile(r"^\s*(?:>\s*)?(```+|~~~+)")
_ITEM = re.compile(r"^\s*(?:[-*+•‣–]|\(?\d{1,3}[.)]|[❌✅☑✔✗✘⚠️🔴🟡🟢]+)\s+(?=\S)")
_SKIP = re.compile(r"^\s*(?:#{1,6}\s|>|\||<[/!A-Za-z]|\s*[-=*_─━]{3,}\s*$|@@ |[+-]{3} |diff --|\$ |❯|%\s|\[\w+:?[\w:-]*\]\s)")
_TABLE = re.compile(r"\S\s+\|\s+\S.*\s\|\s|^\s*\|")
_TITLE = re.compile(r"^\s*(?:\*\*|__)[^*_]+(?:\*\*|__):?\s*$")


def blocks(text: str) -> Iterator[tuple[str, bool]]:
    """(paragraph or list item on one line, whether it is an item), in order; everything that is not prose is left out."""
    parts: list[str] = []
    item = fence = False
    closing = ""
    blank = True
    for line in text.split("\n"):
        line = line.rstrip("\\ \t\r")
        mark = _FENCE.match(line)
        if fence:
            fence = not (mark and mark[1].startswith(closing) and line.strip() == mark[1])
            continue
        start = _ITEM.match(line)
        if mark or not line.strip() or _SKIP.match(line) or _TABLE.search(line) or _TITLE.match(line) or start:
            if parts:
                yield " ".join(parts), item
            parts, item = [], False
            if mark:
                fence, closing = True, mark[1]
            elif start:
                parts, item = [line[start.end():].strip()], True
            blank = not start
            continue
        if not parts and blank and line.startswith(("    ", "\t")):
            continue                                   # indented code
        parts.append(line.strip())
        blank = False
    if parts and not fence:
        yield " ".join(parts), item


_SHELL = re.compile(r"^\s*(?:❯|\$ |% |> |Usage:|error:|Error:|fatal:|Traceback|\[[\w:-]+\] )|^diff --git|^@@ ", re.M)


def own_words(text: str) -> str:
    """What a person wrote themselves in a prompt that also carries something pasted: the short paragraphs at both ends."""
    if len(text) <= PASTE_CHARACTERS and text.count("\n") < 25 and not _SHELL.search(text):
        return text
    paragraphs = [p for p in re.split(r"\n\s*\n", text) if p.strip() and not _SHELL.search(p)]
    ends = [p for p in (paragraphs[:1] + paragraphs[-1:]) if len(p) <= OWN_PARAGRAPH and p.count("\n") < 6]
    return "\n\n".join(dict.fromkeys(ends))


_SPAN = re.compile(r"`[^`\n]+`|https?://[^\s)>\]]+|\"[^\"\n]{1,80}\"|\([^()\n]{1,160}\)|[\w.-]*/[\w./:-]+|\b\w+\.\w[\w.:-]*")
_END = re.compile(r"(?<=[.!?…])[\"'”’)\]*]*\s+(?=[\"'“(\[*`]*(?:[A-Z0-9À-ÖØ-ÞА-ЯĀ-Ž`$\-]|\x00|[a-z]+[A-Z_/(]))|"
                  r"(?<=[a-z]{3}[.!?])\s+(?=[a-z])|(?<=[。！？])\s*")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|resp|incl|excl|no|fig|al|inc|ltd|mr|mrs|dr|st|ca|dept|min|max|esp|ver|ref|refs|sec|"
    r"ex|a\.k\.a|w\.r\.t|(?<!['’])[A-Za-z])\.|^\d+\.)[\"')*]*$", re.I)


def split_sentences(block: str) -> list[str]:
    """The sentences of one line of prose; code spans, URLs, paths and abbreviations do not end one."""
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        span = match[0]
        end = len(span.rstrip(".,;:!?")) if not span.endswith(("`", '"', ")")) else len(span)
        if end == 0:
            return span
        held.append(span[:end])
        return f"\x00{len(held) - 1}\x01{span[end:]}"

    flat = _SPAN.sub(hold, block)
    pieces: list[str] = []
    start = 0
    for match in _END.finditer(flat):
        if _ABBREVIATION.search(flat[start: match.start()]) and not re.search(r"\betc\.$", flat[start: match.start()]):
            continue
        pieces.append(flat[start: match.end()].strip())
        start = match.end()
    pieces.append(flat[start:].strip())

    def restore(piece: str) -> str:
        while "\x00" in piece:
            piece = re.sub("\x00(\\d+)\x01", lambda m: held[int(m[1])], piece)
        return piece

    return [restore(p) for p in pieces if p]


_LINK = re.compile(r"\[([^\]\n]+)\]\((?:[^()\s]|\([^()]*\))+\)")
_ORNAMENT = re.compile(r"^[\s\W_]*?(?=[\w`\"'“‘(\[$<~./@#-]|$)")
_EMPHASIS = re.compile(r"(?<![\w*`])(\*{1,3}|__)(?=[^\s*])([^*\n]*?[^\s*])\1(?![\w*`])")


def plain(sentence: str) -> str:
    """A sentence without its markdown dress; code spans keep their backticks."""
    out = _LINK.sub(r"\1", sentence)
    for _ in range(2):
        out = _EMPHASIS.sub(r"\2", out)
    out = _ORNAMENT.sub("", out.replace("**", "").strip(), count=1)
    return " ".join(out.split())


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a message, in order."""
    for block, item in blocks(text):
        for number, piece in enumerate(split_sentences(block)):
            if bare := plain(piece):
                yield Sentence(bare, item, number == 0)
