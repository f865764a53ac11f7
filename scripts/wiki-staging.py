#!/usr/bin/env python3
"""A person's yes or no to what waits in staging/. No model is asked.

A page is named by its id (from --list), its path or its file name. Promoting moves it to wiki/, takes off what only a
waiting page carries, rewrites links to it, regenerates both indexes and commits: `git revert` of that commit brings the
former tree back. A change to a page that has changed since the proposal was made is refused. Rejecting deletes the page
and remembers why; the same evidence is not proposed again.

  wiki-staging.py --list                      what waits, the oldest first
  wiki-staging.py --review                    one after the other: accept, reject, skip
  wiki-staging.py --promote 3fa2c1            yes; --promote-all says yes to everything
  wiki-staging.py --reject 3fa2c1 --reason "too vague"
"""

import wiki_lib as wl

import argparse
import contextlib
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

DISTILL_LEDGER, HARVEST_LEDGER = ".distill-state.json", ".harvest-state.json"
NO_REASON = "no reason given"
SHORTEST_ID = 6  # hex digits of an id; more where two pages share them
LARGEST_PAGE = 1_000_000  # bytes of a staged file; what is larger was not made for reading
MOST_VALUES = 5_000  # values in a frontmatter, counted as if written out: an alias bomb ends here
AT_ONCE = 200  # pages one commit of --promote-all takes: what git is given on one command line
STAGED_PATH = re.compile(r"staging/(?P<folder>[a-z]+)/(?P<slug>[a-z0-9-]+)\.md")
LIVE_PATH = re.compile(r"wiki/(?P<folder>[a-z]+)/[^/]+\.md")
FOLDER_TYPES = {folder: type_ for type_, folder in wl.TYPE_FOLDERS.items()}


class Refused(wl.WikiError):
    """A staged page that cannot be promoted as it is, or a name that fits none or several."""


# --- the queue


@dataclass(frozen=True)
class Queue:
    """What waits, oldest first; `odd`: {path: why it cannot be judged}."""

    pages: list[wl.WikiPage]
    odd: dict[str, str]

    def ids(self) -> dict[str, str]:
        """{path: id}: the first hex digits of the path's hash, as few as tell the pages apart."""
        hashes = sorted((wl.sha(p.path), p.path) for p in self.pages)
        found = {}
        for at, (mine, path) in enumerate(hashes):
            size = SHORTEST_ID
            for other in (hashes[at - 1][0] if at else "", hashes[at + 1][0] if at + 1 < len(hashes) else ""):
                while mine[:size] == other[:size]:
                    size += 1
            found[path] = mine[:size]
        return found

    def named(self, name: str) -> wl.WikiPage:
        """The one page an id, a path or a file name means; Refused when none or several do."""
        wanted = name.strip().removeprefix("./")
        for path, why in self.odd.items():
            if wanted in (path, path.rsplit("/", 1)[-1].removesuffix(".md")):
                raise Refused(f"{path}: {why}")
        found = [p for p in self.pages if wanted in (p.path, p.path.removeprefix("staging/"), p.slug, p.slug + ".md")]
        if not found and re.fullmatch(r"[0-9a-f]{4,64}", wanted):
            found = [p for p in self.pages if wl.sha(p.path).startswith(wanted)]
        if len(found) == 1:
            return found[0]
        if found:
            raise Refused(f"{name}: means {' and '.join(p.path for p in found)}; name one by its path")
        raise Refused(f"{visible(name)}: nothing of this name waits in staging/; --list shows what does")


def read_queue(wiki: wl.Wiki) -> Queue:
    """Every file in staging/<type>/; one that is no page we may touch is set apart with the reason."""
    pages, odd = [], {}
    for path in sorted(p.relative_to(wiki.root).as_posix() for p in wiki.root.glob("staging/*/*") if p.name[:1] != "."):
        if not path.endswith(".md") and not (wiki.root / path).is_symlink():
            continue
        try:
            pages.append(read_staged(wiki, path))
        except (wl.WikiError, OSError) as error:
            odd[path] = wl.one_line(str(error).removeprefix(f"{path}: "), 300)
    return Queue(sorted(pages, key=lambda p: (str(p.meta.get("staged_at") or "9"), p.path)), odd)


def read_staged(wiki: wl.Wiki, path: str) -> wl.WikiPage:
    """A staged page as this program may handle it; WikiError says why it may not."""
    match = STAGED_PATH.fullmatch(path)
    if not match or match["folder"] not in FOLDER_TYPES or wl.slug(match["slug"]) != match["slug"]:
        raise Refused(f"{path}: not staging/<type>/<name>.md with a plain lower-case name; rename it by hand")
    file = wiki.resolve(path)
    if not file.is_file() or file.stat().st_size > LARGEST_PAGE:
        raise Refused(f"{path}: no file, or larger than {LARGEST_PAGE // 1000} KB; look at it by hand")
    page = wiki.page(path)
    if page.type not in wl.PAGE_TYPES:
        raise Refused(f"{path}: type {wl.one_line(page.type, 40)!r} does not exist; one of {', '.join(wl.PAGE_TYPES)}")
    if wl.TYPE_FOLDERS[page.type] != match["folder"]:
        raise Refused(f"{path}: its type is {page.type}; it belongs in staging/{wl.TYPE_FOLDERS[page.type]}/")
    if values(page.meta, MOST_VALUES) <= 0:
        raise Refused(f"{path}: its frontmatter is nested or repeated out of all measure; mend it by hand")
    modifies = page.meta.get("modifies")
    if modifies and not (isinstance(modifies, str) and (m := LIVE_PATH.fullmatch(modifies)) and m["folder"] == match["folder"]):
        raise Refused(f"{path}: would change {wl.one_line(str(modifies), 60)!r}, which is no page of wiki/{match['folder']}/")
    return page


def values(value: object, left: int) -> int:
    """How many values may still come; counts as if aliases were written out, and stops at 0."""
    left -= 1
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        if left <= 0:
            break
        left = values(part, left)
    return left


# --- showing it


def visible(text: str) -> str:
    """Text that cannot drive a terminal or hide its words: controls, escapes and bidi marks are spelled out."""

    def shown(char: str) -> str:
        return char if char.isprintable() or char == "\n" else "    " if char == "\t" else f"\\u{ord(char):04x}"

    return "".join(map(shown, text))


def age(page: wl.WikiPage) -> int:
    """Days the page has waited, 0 where it does not say since when."""
    since = page.day("staged_at")
    return max(0, (wl.today() - since).days) if since else 0


def listing(queue: Queue) -> list[dict]:
    ids = queue.ids()
    return [
        {
            "id": ids[p.path],
            "path": p.path,
            "title": p.title,
            "type": p.type,
            "staged_by": str(p.meta.get("staged_by") or "") or None,
            "staged_at": str(p.meta.get("staged_at") or "") or None,
            "modifies": p.meta.get("modifies") or None,
            "topic": topic_of(p),
            "sources": p.words("sources"),
            "age_days": age(p),
        }
        for p in queue.pages
    ]


def topic_of(page: wl.WikiPage) -> str | None:
    return str(page.meta.get("distill_topic") or "") or (page.words("topics") or [None])[0]


def print_list(queue: Queue) -> None:
    for one in listing(queue):
        kind = f"changes {one['modifies']}" if one["modifies"] else one["type"]
        waits = "today" if not one["age_days"] else f"{one['age_days']} d"
        count = len(one["sources"])
        sources = f"{count} source{'' if count == 1 else 's'}"
        wl.say(visible(f"{one['id']}  {wl.one_line(one['title'], 50):<50}  {kind}, {sources}, {waits}"))
    if queue.pages:
        wl.note("read one in staging/, or all with --review; then --promote ID or --reject ID --reason WHY")


def stats(queue: Queue) -> dict:
    """Counts by type and by source, and how long things have waited."""
    ages = sorted(age(p) for p in queue.pages)
    return {
        "total": len(queue.pages),
        "by_type": dict(sorted(Counter(p.type for p in queue.pages).items())),
        "by_source": dict(sorted(Counter(str(p.meta.get("staged_by") or "unknown") for p in queue.pages).items())),
        "changes": sum(bool(p.meta.get("modifies")) for p in queue.pages),
        "age_days": {"oldest": ages[-1], "median": ages[len(ages) // 2], "newest": ages[0]} if ages else None,
        "odd": len(queue.odd),
    }


def print_stats(found: dict) -> None:
    changes = f", {found['changes']} of them change{'s' * (found['changes'] == 1)} a page" if found["changes"] else ""
    wl.say(f"{found['total']} waiting{changes}")
    for label, key in (("type", "by_type"), ("source", "by_source")):
        for name, number in found[key].items():
            wl.say(visible(f"  {label} {name}: {number}"))
    if ages := found["age_days"]:
        oldest = ages["oldest"]
        wl.say(f"  oldest: {oldest} days; half of them wait {ages['median']} days or longer" if oldest else "  oldest: today")


# --- yes


@dataclass(frozen=True)
class Promotion:
    """A yes, thought through: the page as it will live, the edits in order, and every path the commit touches."""

    page: wl.WikiPage
    edits: list[wl.Edit]
    paths: list[str]
    why: str = ""  # the line of the commit
    done_before: bool = False  # a run that was killed had written the page already


def target_of(page: wl.WikiPage) -> str:
    return str(page.meta.get("modifies") or "") or "wiki/" + page.path.removeprefix("staging/")


def promoted(page: wl.WikiPage) -> wl.WikiPage:
    """The staged page as it will live: without the staging fields, links to itself as they will be. Nothing else changes."""
    live = replace(page.without(wl.STAGED_KEYS), path=target_of(page), read_hash="")
    return relinked(live, page.path, live.path) or live


def relinked(page: wl.WikiPage, old: str, new: str) -> wl.WikiPage | None:
    """The page with its references to `old` (a path) turned to `new`, in body and frontmatter; None when it has none."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(old)}(?![\w-])")
    body, meta = pattern.sub(new, page.body), _replaced(page.meta, pattern, new)
    if (body, meta) == (page.body, page.meta):
        return None
    if body != page.body and not page.edited and meta.get("compiled_hash"):
        meta["compiled_hash"] = wl.page_content_hash(body)  # ours, so that it does not read as a person's edit
    return replace(page, body=body, frontmatter=meta)


def _replaced(value, pattern: re.Pattern, new: str):
    if isinstance(value, str):
        return pattern.sub(new, value)
    if isinstance(value, list):
        return [_replaced(v, pattern, new) for v in value]
    return {k: _replaced(v, pattern, new) for k, v in value.items()} if isinstance(value, dict) else value


def plan_promotion(page: wl.WikiPage, live: wl.WikiPage | None, others: Iterable[wl.WikiPage]) -> Promotion:
    """What a yes to `page` does; Refused when the page it would change is not what it was. Writes nothing.

    `live`: the page at its target, if there is one. `others`: every page that may refer to it."""
    made = promoted(page)
    finished = live is not None and wl.render_page(live) == wl.render_page(made)
    if not finished:
        refuse_when_changed(page, live)
    edits: list[wl.Edit] = []
    if finished:
        edits.append(wl.Remove(page.path, expect=page.read_hash))
    elif live is None:
        edits.append(wl.Move(page.path, made, expect=page.read_hash))
    else:
        edits += [wl.Write(made, expect=live.read_hash), wl.Remove(page.path, expect=page.read_hash)]
    links = [wl.Write(new) for other in others if other.path not in (page.path, made.path)
             and (new := relinked(other, page.path, made.path))]  # fmt: skip
    indexes = ["wiki/index.md", "staging/index.md"]
    why = f"changes {made.path}" if page.meta.get("modifies") else f"new, staged by {page.meta.get('staged_by') or 'a person'}"
    return Promotion(made, [*edits, *links], [page.path, made.path, *(w.target for w in links), *indexes], why, finished)


def refuse_when_changed(page: wl.WikiPage, live: wl.WikiPage | None) -> None:
    again = f"; `wiki-distill.py --topic {topic_of(page)}` proposes it anew" if topic_of(page) else ""
    target = target_of(page)
    if not page.meta.get("modifies"):
        if live is not None:
            raise Refused(f"{page.path}: {target} is there already and says something else; merge them by hand{again}")
    elif live is None:
        raise Refused(f"{page.path}: {target}, which it would change, is gone; reject it, or take `modifies` off")
    elif live.pinned:
        raise Refused(f"{page.path}: {target} is pinned; unpin it first")
    elif page.meta.get("modifies_hash") != wl.page_content_hash(live.body):
        raise Refused(f"{page.path}: {target} has changed since this was proposed; not merged blindly{again}")


class References:
    """Which live and staged pages name which staged path; every file is read once, however many are promoted."""

    def __init__(self, wiki: wl.Wiki):
        self.wiki = wiki
        self.naming: dict[str, set[str]] = defaultdict(set)
        self.rewritten: set[str] = set()
        for path in (*wiki.files("wiki"), *wiki.files("staging")):
            self.note(path, wiki.text(path) or "")

    def note(self, path: str, text: str) -> None:
        for found in re.findall(r"staging/[^\s()\[\]\"'#,]+?\.md", text):
            self.naming[found].add(path)

    def to(self, path: str) -> list[wl.WikiPage]:
        """The pages that name a path; one that does not parse is left as it is."""
        found = []
        for other in sorted(self.naming.get(path, set()) - {path}):
            with contextlib.suppress(wl.WikiError):  # hygiene reports it; a promotion does not depend on it
                self.wiki.resolve(other)
                found.append(self.wiki.page(other))
        return found

    def moved(self, path: str, plan: Promotion) -> None:
        self.rewritten |= {plan.page.path, *(w.target for w in plan.edits if isinstance(w, wl.Write))}
        for places in self.naming.values():
            if path in places:
                places.discard(path)
                places.add(plan.page.path)


def promote(wiki: wl.Wiki, pages: Sequence[wl.WikiPage]) -> int:
    """Carry a yes out: edits, indexes, one commit; returns how many were promoted. What waited uncommitted is committed
    first, so that a revert of the promotion finds the former tree. A page that is refused does not keep the others."""
    links = References(wiki)
    plans: list[Promotion] = []
    wiki.commit([p.path for p in pages], f"staged: {named(pages)}")
    for page in pages:
        try:
            if plan := carried_out(wiki, page, links):
                plans.append(plan)
        except wl.Busy:
            raise
        except wl.WikiError as error:
            if len(pages) == 1:
                raise
            wl.warn(*str(error).split(": ", 1))
    if plans:
        wiki.apply([wiki.page_index("wiki"), wiki.page_index("staging")], quiet=True)
        body = "\n".join(f"{p.page.path}: {visible(p.why)}" for p in plans)
        wiki.commit([*dict.fromkeys(path for p in plans for path in p.paths)], f"promote: {named([p.page for p in plans])}", body)
    return len(plans)


def carried_out(wiki: wl.Wiki, page: wl.WikiPage, links: References) -> Promotion | None:
    """One promotion's edits on disk, and said; None when a file changed under our hands. Index and commit: the caller's."""
    if page.path in links.rewritten:
        page = read_staged(wiki, page.path)
    target = target_of(page)
    wiki.resolve(target)
    live = wiki.page(target) if wiki.text(target) is not None else None
    plan = plan_promotion(page, live, links.to(page.path))
    others = {w.target for w in plan.edits if isinstance(w, wl.Write) and w.target != target} - links.rewritten
    wiki.commit(sorted(others), f"staged: {named([page])}")
    for edit in plan.edits:
        if not wiki.apply([edit], quiet=True) and not isinstance(edit, wl.Write):
            return None
        if isinstance(edit, wl.Write) and edit.target == target and wiki.text(target) != edit.content:
            return None
    links.moved(page.path, plan)
    word = "finished" if plan.done_before else "promoted"
    wl.say(visible(wl.one_line(f"{word} {page.path} -> {plan.page.path}: {plan.page.title}")))
    return plan


def named(pages: Sequence[wl.WikiPage]) -> str:
    """What a commit says of pages: the title of one, how many of several."""
    return wl.one_line(visible(pages[0].title), 60) if len(pages) == 1 else f"{len(pages)} pages"


# --- no


def tombstones(page: wl.WikiPage, reason: str) -> dict[str, dict[str, list[str]]]:
    """{state file: {key: words}} that keep the same evidence from being proposed again, under whatever name."""
    words = ["rejected", f"reason: {wl.one_line(reason, 300)}"]
    if url := page.meta.get("harvest_source"):
        return {HARVEST_LEDGER: {str(url): words}}
    topics = dict.fromkeys([*filter(None, [page.meta.get("distill_topic")]), *page.words("topics")])
    evidence = [str(page.meta[k]) for k in ("sources_digest", "compiled_hash") if page.meta.get(k)]
    return {DISTILL_LEDGER: {f"{topic}@{mark}": words for topic in topics for mark in evidence}}


def reject(wiki: wl.Wiki, page: wl.WikiPage, reason: str) -> bool:
    """Carry a no out. The memory of it comes first: a crash in between leaves the page to be rejected once more."""
    marks = tombstones(page, reason)
    wiki.commit([page.path], f"staged: {wl.one_line(visible(page.title), 60)}")  # so that git can bring it back
    for name, words in marks.items():
        wiki.save_state(name, words)
    if not wiki.apply([wl.Remove(page.path, expect=page.read_hash)], quiet=True):
        return False
    wiki.apply([wiki.page_index("staging")], quiet=True)
    wl.say(visible(wl.one_line(f"rejected {page.path}: {page.title}: {reason}", 400)))
    title = wl.one_line(visible(page.title), 60)
    wiki.commit([page.path, "staging/index.md", *marks], f"reject: {title}", visible(reason))
    return True


# --- the index, and what a killed run left


def finish(wiki: wl.Wiki, queue: Queue) -> Queue:
    """Complete promotions that were killed half-way: the page stands in both places, or is moved and not committed."""
    left = []
    for page in queue.pages:
        text = wiki.text(target_of(page))
        if text is None or text != wl.render_page(promoted(page)) or not promote(wiki, [page]):
            left.append(page)
    if wiki.has_git:
        gone = wiki.git("ls-files", "-z", "--deleted", "--", "staging", check=False).split("\0")
        moved = [(g, t) for g in filter(STAGED_PATH.fullmatch, gone) if (wiki.root / (t := "wiki/" + g[8:])).exists()
                 and wiki.git("status", "--porcelain", "--", t, check=False).strip()]  # fmt: skip
        if moved:
            wiki.apply([wiki.page_index("wiki"), wiki.page_index("staging")], quiet=True)
            paths = [*(p for pair in moved for p in pair), "wiki/index.md", "staging/index.md"]
            wiki.commit(paths, f"promote: {', '.join(t for _, t in moved)}", "Completes a promotion that was cut short.")
    return replace(queue, pages=left)


def sync(wiki: wl.Wiki, queue: Queue) -> None:
    """Regenerate staging/index.md; one line for whatever it did not know."""
    edit = wiki.page_index("staging")
    old = set(re.findall(r"\]\(([^)]+\.md)\)", wiki.text("staging/index.md") or ""))
    new = set(re.findall(r"\]\(([^)]+\.md)\)", edit.text))
    for path in sorted(new - old):
        wl.say(f"drift staging/{path}: was not in the index")
    for path in sorted(old - new):
        wl.say(visible(f"drift staging/{path}: was in the index and is gone"))
    if wiki.apply([edit]):
        wiki.commit(["staging/index.md"], "staging: index")


# --- one after the other


def review(wiki: wl.Wiki, queue: Queue, reason: str) -> int:
    """Show every page, take a verdict a line from the terminal: a(ccept), r(eject), s(kip), q(uit)."""
    for number, page in enumerate(queue.pages, 1):
        print(visible(shown(wiki, page, f"{number} of {len(queue.pages)}")))
        answer = ask(f"a(ccept) r(eject) s(kip) q(uit) {page.path}> ")
        if answer == "q":
            break
        why = reason or (answer == "r" and input("why? ").strip()) or NO_REASON
        try:
            with judging(wiki):
                if answer == "a":
                    promote(wiki, [read_staged(wiki, page.path)])
                elif answer == "r":
                    reject(wiki, read_staged(wiki, page.path), why)
        except wl.WikiError as error:
            wl.warn(*str(error).split(": ", 1))
    return 0


def ask(prompt: str) -> str:
    """One of a, r, s, q; the end of the input is q."""
    while True:
        try:
            answer = input(prompt).strip().lower()[:1]
        except EOFError:
            return "q"
        if answer and answer in "arsq":
            return answer


def shown(wiki: wl.Wiki, page: wl.WikiPage, place: str) -> str:
    """The page as a person judges it: for a change, the difference from the live page."""
    head = f"--- {place} · {page.path} · {page.meta.get('staged_by') or '?'} · waits {age(page)} days"
    live = wiki.text(target_of(page)) if page.meta.get("modifies") else None
    if live is None:
        return f"{head}\n{page.body}"
    import difflib

    old = wl.parse_page(target_of(page), live).body
    lines = difflib.unified_diff(old.split("\n"), page.body.split("\n"), target_of(page), page.path, lineterm="", n=2)
    return f"{head} · changes {target_of(page)}\n" + "\n".join(lines)


def promote_each(wiki: wl.Wiki, pages: Sequence[wl.WikiPage]) -> None:
    """Every page by a commit of its own; one that is refused does not keep the others waiting."""
    for page in pages:
        try:
            promote(wiki, [page])
        except wl.Busy:
            raise
        except wl.WikiError as error:
            wl.warn(*str(error).split(": ", 1))


def main() -> int:
    parser = wl.parser(__doc__)
    act = parser.add_mutually_exclusive_group(required=True)
    act.add_argument("--list", action="store_true", help="what waits, the oldest first")
    act.add_argument("--stats", action="store_true", help="how much waits, by type and by source, and for how long")
    act.add_argument("--review", action="store_true", help="one after the other, on a terminal: a(ccept) r(eject) s(kip) q(uit)")
    act.add_argument("--promote", metavar="P", nargs="+", help="say yes to these pages")
    act.add_argument("--promote-all", action="store_true", help="say yes to every page that waits")
    act.add_argument("--reject", metavar="P", nargs="+", help="say no to these pages; --reason says why")
    act.add_argument("--sync", action="store_true", help="regenerate staging/index.md and say what it did not know")
    parser.add_argument("--reason", metavar="R", default="", help="why, for --reject: kept in the ledger and the commit")
    parser.add_argument("--json", action="store_true", help="with --list and --stats: for programs")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and write nothing")
    args = parser.parse_args()
    wl.dry_run(args.dry_run or args.list or args.stats)
    wiki = wl.Wiki()
    queue = read_queue(wiki)
    for path, why in queue.odd.items():
        print(visible(f"wiki-staging.py: {path}: {why}"), file=sys.stderr)
    return act_on(wiki, queue, args)


def act_on(wiki: wl.Wiki, queue: Queue, args: argparse.Namespace) -> int:
    if args.list or args.stats:
        if args.json:
            wl.say(json.dumps(listing(queue) if args.list else stats(queue), indent=1))
        else:
            print_list(queue) if args.list else print_stats(stats(queue))
        return 0
    if not args.dry_run:
        wiki.ready_to_commit()
    if args.review:
        return review(wiki, queue, args.reason)
    with judging(wiki):
        queue = read_queue(wiki)  # as it is now that no other verdict is being carried out
        if not args.dry_run:
            queue = finish(wiki, queue)
        if args.sync:
            sync(wiki, queue)
        elif args.promote_all:
            for start in range(0, len(queue.pages), AT_ONCE):
                promote(wiki, queue.pages[start : start + AT_ONCE])
        elif args.promote:
            promote_each(wiki, [queue.named(name) for name in args.promote])  # all names first: a typo changes nothing
        else:
            for page in [queue.named(name) for name in args.reject]:
                reject(wiki, page, args.reason.strip() or NO_REASON)
    return 0


def judging(wiki: wl.Wiki) -> contextlib.AbstractContextManager:
    """One verdict at a time: its edits and its commit belong together, whatever another review does meanwhile."""
    return wl.locked("staging", root=wiki.root)


if __name__ == "__main__":
    wl.run(main)
