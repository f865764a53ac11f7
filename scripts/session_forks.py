"""Families of forks as they stand on disk: who belongs to whom, and which transcripts are to be written anew so that
what they share stands once. Reads files and writes none; mining asks for it, and a sync that brought transcripts."""
from __future__ import annotations

import wiki_lib as wl

import functools
import re
from collections.abc import Callable, Iterable, Mapping

import session_lineage as lineage
from session_transcripts import Outcome, part_path, read_transcript, refiled, standing

HEAD_BYTES = 16_384              # of a transcript's file, read at a time until its first message's heading is there
MOST_HEAD_BYTES = 2_000_000      # of a file that has none
FIRST = re.compile(r"^(?:### (?:User|Assistant) · .*#|shared with [0-9a-f]+: #)([0-9a-f]{8,12})(?:$| \.\. )", re.M)


def kin_of(wiki: wl.Wiki, path: str) -> lineage.Kin | None:
    """What a transcript's file tells of where its session came from; None for what is no transcript."""
    head, found = "", None
    try:
        with open(wiki.root / path, encoding="utf-8", errors="replace") as file:
            while found is None and len(head) < MOST_HEAD_BYTES and (more := file.read(HEAD_BYTES)):
                head += more
                meta, mark, rest = head.partition("\n## Transcript\n")
                found = FIRST.search(rest[:rest.rfind("\n") + 1]) if mark else None
    except OSError:
        return None
    meta = head.partition("\n## Transcript\n")[0]
    session, named = (re.search(rf"^{key}: (.+)$", meta, re.M) for key in ("session_id", "forked_from"))
    return lineage.Kin(session[1].strip("'\""), found[1][-8:] if found else "",
                       named[1].strip("'\"") if named else "") if session else None


def fold(wiki: wl.Wiki, kin: Iterable[lineage.Kin], find: Callable[[str], str], fresh: Mapping[str, Outcome],
         touched: Iterable[str]) -> list[Outcome]:
    """Take out of every session of the touched families what an earlier one holds. `fresh`: {session: what was read of it and
    is about to be written}, changed in place; the transcripts to be written anew beside those are returned."""
    known = {k.session: k for k in kin}
    for session in [*fresh, *(k.named for k in known.values())]:      # Codex gives no first message an id
        known.setdefault(session, lineage.Kin(session))
    # One that was opened and has said nothing yet has no transcript, and is nobody's origin.
    known = {s: k for s, k in known.items() if s and (s in fresh or find(s))}
    more = []

    @functools.cache
    def as_it_was(session: str) -> wl.Transcript:
        return wl.parse_transcript("\n".join(fresh[session].parts)) if session in fresh else read_transcript(wiki, find(session))

    for family in lineage.families(known.values(), touched):
        lines = {}
        for session in family:
            lines.setdefault(wl.id8(session), []).append(as_it_was(session).said)
        earlier: list[tuple[str, wl.Transcript]] = []
        for session in family:
            was, named = as_it_was(session), known[session].named
            slim = lineage.folded(lineage.unfolded(was, lines), earlier, named)
            out = fresh.get(session) or standing(wiki, find(session), session)
            origin = lineage.came_from(slim, named, earlier)
            if slim != was or (out.meta.get("forked_from") or "") != origin:
                refiled(out, slim)
                out.meta = {k: v for k, v in out.meta.items() if k != "forked_from"} | ({"forked_from": origin} if origin else {})
                more += [] if session in fresh else [out]
            earlier.append((session, slim))
    return more


def fold_what_came(wiki: wl.Wiki, changed: Iterable[str]) -> list[wl.Edit]:
    """The edits that fold the families of transcripts which changed, other than by mining here."""
    firsts = [path for path in wiki.files("conversations") if not re.search(r"\.\d+\.md$", path)]
    heads = {path: kin for path in firsts if (kin := kin_of(wiki, path))}
    paths = {kin.session: path for path, kin in heads.items()}
    touched = [heads[first].session for path in changed if (first := re.sub(r"\.\d+\.md$", ".md", path)) in heads]
    return [edit for out in fold(wiki, heads.values(), lambda s: paths.get(s, ""), {}, touched) for edit in edits_of(wiki, out)]


def edits_of(wiki: wl.Wiki, out: Outcome) -> list[wl.Edit]:
    """A transcript that stands on disk, written anew."""
    brief = {k: out.meta[k] for k in ("title", "session_id", "agent", "wing", "date", "machine") if k in out.meta}
    edits: list[wl.Edit] = []
    for number, part in enumerate(out.parts, 1):
        meta, block = (out.meta, out.summary_block) if number == 1 else (brief, "")
        edits.append(wl.Write(path=part_path(out.path, number), text=wl.render_conversation(meta, block, part), why=out.reason,
                              expect=out.expect if number == 1 else None))
    number = len(out.parts) + 1
    while (wiki.root / part_path(out.path, number)).exists():
        edits.append(wl.Remove(part_path(out.path, number), why="the transcript is shorter now"))
        number += 1
    return edits
