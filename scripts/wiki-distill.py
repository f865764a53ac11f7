#!/usr/bin/env python3
"""Roll up the topics of new conversations, each with its whole history, into pages that wait in staging/.

Due are the topics of today's conversations and of every conversation since the first run began that is not yet in the
ledger (.distill-state.json). Each topic brings every conversation of the history that has it; their facts, discoveries
and advice become a page of cited bullets, or a proposal to change the page the wiki has. A group that a page covers at
its present evidence costs nothing. Nothing reaches wiki/ before a person says yes (wiki-staging.py).

  wiki-distill.py                    what is due
  wiki-distill.py --first-run        the last week before the newest conversation; again: the groups that were left
  wiki-distill.py --topic sqlite     one topic, whatever its dates
  wiki-distill.py --dry-run          what would happen, thin topics included
  wiki-distill.py --pending --json   the groups that wait, for an agent
"""

import wiki_lib as wl

import argparse
import contextlib
import datetime
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from distilling import evidence as ev
from distilling import groups as gr
from distilling import pages as pg
from distilling.pending import pending
from distilling.shelf import Shelf

LEDGER = ".distill-state.json"


@dataclass(frozen=True)
class Outcome:
    """What came of one subject. word: staged | refreshed | covered | rejected | conflict."""

    word: str
    topics: tuple[str, ...]
    page: wl.WikiPage | None = None  # to be written, when staged or refreshed
    told: str = ""

    @property
    def line(self) -> str:
        return f"{self.word} {self.told}"


# --- citations


class Citations:
    """Finds the message a bullet cites: in the conversation's file, its continuations, or the session it forked."""

    def __init__(self, wiki: wl.Wiki, conversations: Sequence[wl.Conversation]):
        self.wiki = wiki
        self.by_session = {c.session_id: c for c in conversations if c.session_id}
        self.by_path = {c.path: c for c in conversations}
        self.known: dict[str, set[str]] = {}

    def resolve(self, evidence: ev.Evidence) -> ev.Evidence | None:
        """The evidence with the places its citations stand at; None when none of them exists."""
        places = tuple(p for c in evidence.bullet.cites if (p := self.place(evidence.path, c)))
        also = tuple(a for a in (self.resolve(a) for a in evidence.also if a.path != evidence.path) if a)
        return replace(evidence, places=places, also=also) if places else None

    def place(self, path: str, ident: str) -> str:
        seen: set[str] = set()
        conversation = self.by_path.get(path)
        while conversation and conversation.path not in seen:
            seen.add(conversation.path)
            for part in self.parts(conversation.path):
                if ident in self.ids(part):
                    return f"{part}#{ident}"
            conversation = self.by_session.get(str(conversation.meta.get("forked_from") or ""))
        return ""

    def parts(self, path: str) -> list[str]:
        found, number = [path], 2
        while (self.wiki.root / (part := f"{path[:-3]}.{number}.md")).exists():
            found.append(part)
            number += 1
        return found

    def ids(self, path: str) -> set[str]:
        if path not in self.known:
            text = (self.wiki.text(path) or "").rpartition("\n## Transcript\n")[2]
            self.known[path] = set(re.findall(r"^#{3,4} (?:User|Assistant|Task) · (?:[\d :-]+ · )?#([0-9a-f]{8,12})$", text, re.M))
        return self.known[path]


# --- from a subject to its outcome


@dataclass
class Desk:
    """What a proposal is decided on, beside its subject."""

    shelf: Shelf
    ledger: gr.Ledger
    today: datetime.date
    citations: Citations

    def keys(self, paths: Iterable[str]) -> dict[str, str]:
        """{conversation path: path@evidence-digest} of those that exist."""
        known = self.citations.by_path
        return {p: gr.evidence_key(known[p]) for p in paths if p in known}


def propose(subject: gr.Subject, desk: Desk) -> Outcome:
    """What becomes of a subject: a staged page, a refreshed one, or the reason there is none. Writes nothing."""
    found = desk.shelf.bearing(subject)
    live = found if found and found.station == "wiki" else None
    target = gr.live_path(found) if found else ""
    waiting = desk.shelf.waiting.get(target)
    if reason := locked_because(subject, live, waiting):
        return reason
    base = desk.shelf.taken.get(target) or base_of(subject, live, waiting)
    if base is not None:
        known = known_to(base, live, waiting, desk.ledger.get(target, ()))
        read = {p for p, key in desk.keys(e.path for e in subject.evidence).items() if key in known}
        subject = unsaid(subject, base, read)
    total = len(subject.evidence)
    subject, lost = pg.usable(subject, desk.citations.resolve)
    if not subject.evidence:
        return Outcome("covered", subject.topics, None, f"{target}: nothing new to say about {subject.topics[0]}")
    made = written(subject, base, waiting, desk, note_of(subject, total, lost))
    if base is None and (twin := desk.shelf.taken.get(gr.live_path(made))):  # two topics of one file name
        made = written(unsaid(subject, twin, set()), twin, waiting, desk, note_of(subject, total, lost))
    return settled(replace(made, read_hash=waiting.read_hash if waiting else ""), waiting, live, subject, desk.ledger)


def base_of(subject: gr.Subject, live: wl.WikiPage | None, waiting: wl.WikiPage | None) -> wl.WikiPage | None:
    """The page that new bullets go into: the live one, or the one that waits; None where all is written anew.

    A waiting page is written anew only from all it rests on: when the subject has all of its topics, and no model or
    person wrote it. A proposal for a live page that has changed since is made again from that page."""
    if waiting is None:
        return live
    of_live = set(live.words("topics")) if live else set()
    whole = set(waiting.words("topics")) - of_live <= set(subject.topics) and waiting.meta.get("compiled_by") == "extractive"
    outdated = live is not None and waiting.meta.get("modifies_hash") != wl.page_content_hash(live.body)
    return live if whole or outdated else waiting


def known_to(base: wl.WikiPage, live: wl.WikiPage | None, waiting: wl.WikiPage | None, ledger: Iterable[str]) -> set[str]:
    """The path@evidence the base was written from. While a proposal for a live page waits, the ledger knows what that
    proposal rests on, which the live page does not."""
    if base is live:
        return set() if waiting else {k for k in ledger if k.rpartition("@")[0] in base.words("sources")}
    return set(ledger) if base is waiting else set()


def written(subject: gr.Subject, base: wl.WikiPage | None, waiting: wl.WikiPage | None, desk: Desk, note: str) -> wl.WikiPage:
    keys = desk.keys({*pg.rests_on(subject.evidence), *(base.words("sources") if base else ())})
    return pg.compile_extractive(subject, base, keys, desk.today, desk.shelf.related(subject.topics), note, waiting)


def note_of(subject: gr.Subject, total: int, lost: int) -> str:
    sources = len(pg.rests_on(subject.evidence))
    note = f"{len(subject.evidence)} of {count(total, 'bullet')} on the topic, from {count(sources, 'conversation')}, "
    return note + "chosen verbatim without a model" + (f"; {lost} left out: what they cite is not there" if lost else "")


def locked_because(subject: gr.Subject, live: wl.WikiPage | None, waiting: wl.WikiPage | None) -> Outcome | None:
    """A page a person edited or pinned is never rewritten, and another program's proposal is not replaced."""
    told = f"{count(len(subject.evidence), 'bullet')} about {subject.topics[0]} are in its conversations"
    for page in (live, waiting):
        if page is not None and (page.edited or page.pinned):
            did = "pinned" if page.pinned else "edited"
            return Outcome("conflict", subject.topics, None, f"{page.path}: a person {did} it; {told}")
    if waiting is not None and waiting.meta.get("staged_by") != "wiki-distill":
        by = waiting.meta.get("staged_by") or "a person"
        return Outcome("conflict", subject.topics, None, f"{waiting.path}: a proposal of {by} waits there; {told}")
    return None


def unsaid(subject: gr.Subject, page: wl.WikiPage, read: set[str]) -> gr.Subject:
    """The subject with what the page does not say yet, of conversations it was not written from (`read`)."""
    old = pg.said(page.body)
    fresh = (e for e in subject.evidence if e.path not in read)
    return replace(subject, evidence=tuple(e for e in fresh if not any(ev.same(o, e.text) for o in old)))


def settled(
    made: wl.WikiPage, waiting: wl.WikiPage | None, live: wl.WikiPage | None, subject: gr.Subject, ledger: gr.Ledger
) -> Outcome:
    """The outcome of a finished proposal: rejected before, no different from what waits, or to be written."""
    name = f"{made.path}: {made.title}"
    marks = [f"{t}@{made.meta[key]}" for t in subject.topics for key in ("sources_digest", "compiled_hash")]
    if any("rejected" in ledger.get(mark, ()) for mark in marks):
        return Outcome("rejected", subject.topics, None, f"{name}, the same evidence was rejected before")
    if waiting and (waiting.body, waiting.meta.get("sources_digest")) == (made.body, made.meta["sources_digest"]):
        return Outcome("covered", subject.topics, None, f"{name}, waits at its present evidence")
    sources = len(made.words("sources"))
    if live is not None:
        grown = f"+{sources - len(live.words('sources'))} sources, {len(made.body) - len(live.body):+d} chars"
        told = f"{name}, v{pg.version(live)} -> v{made.meta['version']}: {grown}"
        return Outcome("refreshed", subject.topics, made, told)
    told = f"{name}, v1, {count(len(subject.evidence), 'bullet')} from {count(sources, 'source')}"
    return Outcome("refreshed" if waiting else "staged", subject.topics, made, told)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# --- one run


@dataclass
class Run:
    """What a run decided: outcomes to act on and words to remember."""

    groups: list[gr.TopicGroup]
    outcomes: list[Outcome]
    words: dict[str, set[str]]


def decide(groups: list[gr.TopicGroup], desk: Desk) -> Run:
    """Every group to its outcome, and what the ledger shall remember of it."""
    shelf, ledger = desk.shelf, desk.ledger
    run = Run(groups, [], defaultdict(set))
    for group in groups:
        remember(run.words, group, group.thin, "thin:")
        remember(run.words, group, group.scattered, "scattered:")
        if group.verdict == "covered":
            remember(run.words, group, group.topics, "", ledger)
        elif group.verdict == "left":
            remember(run.words, group, [t for s in group.subjects for t in s.topics], "left:")
        elif group.verdict == "due":
            for subject in group.subjects:
                outcome = propose(subject, desk)
                if outcome.page is not None and (first := shelf.taken.get(gr.live_path(outcome.page))):
                    run.outcomes = [o for o in run.outcomes if o.page is not first]  # one proposal serves both
                run.outcomes.append(outcome)
                remember(
                    run.words,
                    group,
                    subject.topics,
                    {"rejected": "skipped:", "conflict": "conflict:"}.get(outcome.word, ""),
                )
                if outcome.page is not None:
                    path = gr.live_path(outcome.page)
                    shelf.taken[path] = outcome.page
                    run.words[path].update(group.keys)
    return run


def remember(
    words: dict[str, set[str]], group: gr.TopicGroup, topics: Iterable[str], prefix: str, settled: gr.Ledger | None = None
) -> None:
    """Note the topics under each conversation of the group that has them, but not what a ledger given has settled."""
    for conversation in group.conversations:
        key = gr.evidence_key(conversation)
        done = gr.seen_topics(settled.get(key, ())) if settled else set()
        mine = {prefix + t for t in topics if t in conversation.topics and t not in done}
        if mine:
            words[key].update(mine)


def news(words: dict[str, set[str]], ledger: gr.Ledger, prefix: str) -> list[str]:
    """Topics the ledger did not know under this prefix at their present evidence."""
    return sorted(
        {w.removeprefix(prefix) for k, ws in words.items() for w in ws if w.startswith(prefix) and w not in ledger.get(k, ())}
    )


def read(wiki: wl.Wiki) -> tuple[list[wl.Conversation], gr.Ledger, list[wl.WikiPage]]:
    """Everything a run looks at: the heads of summarised conversations, the ledger, live and staged pages."""
    conversations = [c for c in wiki.conversations() if c.summarized]
    return conversations, wiki.state(LEDGER), wiki.pages("wiki") + wiki.pages("staging")


def distill(wiki: wl.Wiki, args: argparse.Namespace) -> int:
    conversations, ledger, pages = read(wiki)
    known = {c.path: c for c in conversations}
    remnants = {p.path: p for p in pages if gr.cut_short(p, known, ledger)}
    pages = [p for p in pages if p.path not in remnants]
    topic = known_topic(args.topic, conversations) if args.topic else ""
    first = args.first_run or not (topic or gr.first_run_day(ledger))
    groups = gr.plan(
        conversations,
        ledger,
        pages,
        wl.today(),
        first=first,
        topics={topic} if topic else (),
        project=args.project,
        limit=args.limit,
    )
    if args.no_compile:
        print_roll_up(groups)
        return 0
    run = decide(groups, Desk(Shelf(pages), ledger, wl.today(), Citations(wiki, conversations)))
    if args.dry_run:
        return print_plan(run)
    if first and conversations and not args.project:
        run.words["first-run"].add(gr.window_start(conversations, wl.today()))
    return carry_out(wiki, run, ledger, remnants, explicit=bool(topic))


def carry_out(wiki: wl.Wiki, run: Run, ledger: gr.Ledger, remnants: Mapping[str, wl.WikiPage], explicit: bool) -> int:
    """Write the pages, then the memory of them, then one commit. A crash in between repeats work and loses none: `remnants` are
    the pages such a run left, each of which is what is to be written, or gives way to it."""
    written, paths = [], []
    for outcome in run.outcomes:
        if outcome.page is None:
            fresh_conflict = outcome.word == "conflict" and set(outcome.topics) & set(news(run.words, ledger, "conflict:"))
            (wl.say if explicit or fresh_conflict else wl.note)(outcome.line)
        elif (old := remnants.get(outcome.page.path)) and wl.render_page(old) == wl.render_page(outcome.page):
            written.append(old)
            paths.append(old.path)
        elif done := wiki.apply([wl.Write(outcome.page, expect=old.read_hash if old else outcome.page.read_hash)], quiet=True):
            wl.say(outcome.line)
            written += done
            paths.append(outcome.page.path)
        else:  # changed under our hands: not remembered, so that the next run looks again
            forget(run, outcome)
    if written:
        wiki.apply([wiki.page_index("staging")], quiet=True)
        paths.append("staging/index.md")
    report_rest(run, ledger)
    fresh = {k: w for k, w in run.words.items() if set(w) - set(ledger.get(k, ()))}
    if fresh:
        wiki.save_state(LEDGER, fresh)
    if written or fresh:
        wiki.commit(
            [*paths, LEDGER],
            f"distill: {len(written)} {'page' if len(written) == 1 else 'pages'}",
            "\n".join(o.line for o in run.outcomes if o.page is not None),
        )
    return 0


def forget(run: Run, outcome: Outcome) -> None:
    for words in run.words.values():
        words.difference_update(outcome.topics)
    run.words.pop(gr.live_path(outcome.page), None)


def report_rest(run: Run, ledger: gr.Ledger) -> None:
    """Thin and left topics, once: what the ledger knows already is not said again."""
    if thin := news(run.words, ledger, "thin:"):
        wl.say(
            f"thin {len(thin)} topics (under {gr.MIN_BULLETS} bullets or {gr.MIN_CHARACTERS} characters about them): "
            + listed(thin)
        )
    if scattered := news(run.words, ledger, "scattered:"):
        wl.say(f"scattered {len(scattered)} topics (bullets that have only the name in common): {listed(scattered)}")
    left = [g for g in run.groups if g.verdict == "left"]
    if left and news(run.words, ledger, "left:"):
        wl.say(f"left {len(left)} more groups: {listed([g.topic for g in left])}; `wiki-distill.py --first-run` takes them")


def listed(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def known_topic(name: str, conversations: Sequence[wl.Conversation]) -> str:
    """The topic as the conversations spell it; WikiError with the nearest ones when none has it."""
    topic, known = wl.topic_name(name), {t for c in conversations for t in c.topics}
    if topic in known:
        return topic
    from rapidfuzz import process

    near = [found[0] for found in process.extract(topic, sorted(known), limit=3, score_cutoff=60)]
    raise wl.WikiError(
        f"{name}: no conversation has this topic; "
        + (f"did you mean {', '.join(near)}?" if near else "see conversations/index.md for those there are")
    )


# --- printing


def print_plan(run: Run) -> int:
    for outcome in run.outcomes:
        wl.say(outcome.line if outcome.page is None else f"would be {outcome.line}")
    for group in run.groups:
        if group.verdict in ("covered", "left"):
            wl.say(f"{group.verdict} {', '.join(group.topics)}" + (f": by {group.page}" if group.verdict == "covered" else ""))
        for word, topics in (("thin", group.thin), ("scattered", group.scattered)):
            for topic in topics:
                wl.say(f"{word} {topic}")
    return 0


def print_roll_up(groups: Sequence[gr.TopicGroup]) -> None:
    """The groups as a model would be given them."""
    for group in groups:
        if group.verdict not in ("due", "left"):
            continue
        for subject in group.subjects:
            wl.say(
                f"{', '.join(subject.topics)}: {len(subject.evidence)} bullets, {len(group.conversations)} conversations, "
                f"{group.new} new{' (left)' if group.verdict == 'left' else ''}"
            )
            for one in subject.evidence:
                wl.say(f"  {one.bullet.hall}: {one.text} ({one.date} {', '.join(one.sources)})")


def main() -> int:
    parser = wl.parser(__doc__)
    parser.add_argument(
        "--first-run",
        action="store_true",
        help="the last days before the newest conversation, and what a first run left",
    )
    parser.add_argument("--topic", metavar="T", help="only this topic, whatever its dates and the ledger say")
    parser.add_argument(
        "--project",
        metavar="WING",
        default="",
        help="only topics of this wing's new conversations; their history stays whole",
    )
    parser.add_argument("--limit", metavar="N", type=int, help=f"at most so many topic groups (first run: {gr.FIRST_RUN_GROUPS})")
    parser.add_argument("--no-compile", action="store_true", help="print the roll-up: groups, bullets and sources; write nothing")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would be staged, and what is covered, thin or left; write nothing",
    )
    parser.add_argument("--pending", action="store_true", help="print what waits for a model or an agent; write nothing")
    parser.add_argument("--json", action="store_true", help="with --pending: for programs")
    args = parser.parse_args()
    if args.limit is not None and args.limit < 1:
        parser.error("--limit: wants a number from 1")
    wiki = wl.Wiki()
    wl.dry_run(args.dry_run or args.no_compile or args.pending)
    if args.pending:
        conversations, ledger, pages = read(wiki)
        waiting = pending(conversations, ledger, pages, wl.today())
        if args.json:
            wl.say(json.dumps(waiting, ensure_ascii=False, indent=1))
        else:
            for one in waiting["pending"]:
                wl.say(f"{one['topic']}: {len(one['bullets'])} bullets, {one['new_count']} new conversations")
        return 0
    with contextlib.nullcontext() if args.dry_run or args.no_compile else wl.run_lock():
        return distill(wiki, args)


if __name__ == "__main__":
    wl.run(main)
