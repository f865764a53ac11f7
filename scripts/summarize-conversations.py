#!/usr/bin/env python3
"""Summarise conversations: what each was about, what is worth keeping in six halls, and what it relates to.

Takes the transcripts under conversations/ that have no summary yet, or whose session has grown since. Every bullet cites
the messages it rests on. A session whose last message is less than half an hour old is left for the next run.

Who writes them: a llama-server where one answers; else they are the session's own sentences, chosen by cue and salience, and
written anew when a model is there. Only --claude, --backend or wiki.yaml asks another model.

  summarize-conversations.py                     what is new or has grown
  summarize-conversations.py --claude --estimate what the backlog would cost, without asking
  summarize-conversations.py --claude --since 2026-04-01 --max-usd 2 --jobs 4
  summarize-conversations.py --backend agent     questions for the agent of an interactive session, in context/questions/;
                                                 until they are answered, the session's own sentences stand there
"""
from __future__ import annotations

import wiki_lib as wl  # first: it steps into the environment

import argparse
import functools
import json
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:      # imported where they are used: their patterns take 0.2 s to compile, which --help need not pay
    from summaries.asking import Known, Prompts
    from summaries.extractive import Summary

CLAUDE_LONG_THRESHOLD = 200   # messages; beyond it the larger model reads the conversation
MINE_PROMPT_FILE = "summarize.md"   # in scripts/prompts/: what a model is asked
BACKEND = None                # claude | llama-server | agent | extractive; None: llama-server where one answers, else extractive
IDLE_MINUTES = 30             # a session that was spoken in since then may still grow
QUESTION_KINDS = ("summarise", "join")   # of the questions this script asks
OTHERS_AFTER_DAYS = 3         # the machine that mined a conversation summarises it; others step in after this long


@dataclass(frozen=True)
class Due:
    """A conversation to summarise and why."""
    path: str
    why: str                  # new | grown | forced | upgrade: by a model, of what was extracted without one
    date: str = ""


# ------------------------------------------------------------------ deciding

def is_idle(conversation: wl.Conversation, now: str) -> bool:
    """Has the session been quiet long enough? A clock more than a day behind the session says nothing, so it counts."""
    try:
        ended = datetime.fromisoformat(str(conversation.meta.get("ended")).replace("Z", "+00:00"))
        quiet = datetime.fromisoformat(now.replace("Z", "+00:00")) - (ended if ended.tzinfo else ended.replace(tzinfo=UTC))
    except ValueError:
        return True
    return quiet >= timedelta(minutes=IDLE_MINUTES) or quiet < -timedelta(days=1)


def is_ours(conversation: wl.Conversation, machine: str, now: str) -> bool:
    """Is it this machine's turn to summarise? The one that mined it first, any other after OTHERS_AFTER_DAYS."""
    mined_by = str(conversation.meta.get("machine") or "")
    if mined_by in ("", machine):
        return True
    ended = wl.as_date(conversation.meta.get("ended") or conversation.date)
    return ended is None or (wl.as_date(now) - ended).days >= OTHERS_AFTER_DAYS


def why_due(conversation: wl.Conversation, digest: str, force: bool, by_model: bool) -> str:
    """new, grown, forced or upgrade; '' when its summary is still what its transcript says and as good as can be had."""
    if not conversation.summarized:
        return "new"
    if conversation.meta.get("summary_of") != digest:
        return "grown"
    return "forced" if force else "upgrade" if by_model and is_extractive(conversation) else ""


def is_extractive(conversation: wl.Conversation) -> bool:
    return conversation.meta.get("summarized_by") == "extractive"


def in_order(due: Iterable[Due], by_model: bool, waiting: Container[str] = ()) -> list[Due]:
    """By path; where a model is asked, what it may not come to in this run is what is old, and what has a summary already.
    `waiting`: what an agent was asked about before; its answers are taken up first."""
    ordered = sorted(due, key=lambda d: d.path)
    if by_model:
        ordered.sort(key=lambda d: d.date, reverse=True)
        ordered.sort(key=lambda d: (d.path not in waiting, d.why == "upgrade"))
    return ordered


def summarised(conversation: wl.Conversation, summary: Summary, digest: str, related: list[str]) -> str:
    """The whole file with its summary; the transcript's bytes stay as they are."""
    meta = {**conversation.meta, "status": "summarized", "summary_of": digest, "summarized_by": summary.by,
            "topics": list(summary.topics), "halls": summary.halls, "related": related}
    if summary.title and conversation.title == first_line(conversation):      # the agent's own title is left as it is
        meta["title"] = summary.title
    return wl.render_conversation(meta, wl.render_summary(summary.text, summary.bullets), conversation.transcript or "")


def first_line(conversation: wl.Conversation) -> str:
    """The title of a conversation whose agent gave none."""
    prompts = (m.text for m in conversation.read().said if m.role == "user")
    return next((wl.one_line(line, 200) for p in prompts for line in p.strip().split("\n")[:1] if wl.one_line(line, 200)
                 == conversation.title), "")


# ------------------------------------------------------------------ reading

def whole(wiki: wl.Wiki, path: str) -> tuple[wl.Conversation, wl.Transcript]:
    """A conversation and its transcript, continuation files (.2.md, .3.md ...) included."""
    conversation = wiki.conversation(path)
    transcript = conversation.read()
    number = 2
    while (text := wiki.text(f"{path.removesuffix('.md')}.{number}.md")) is not None:
        more = wl.parse_conversation(path, text).read()
        transcript = wl.Transcript(transcript.messages + more.messages, transcript.agents + more.agents)
        number += 1
    return conversation, transcript


class Seen:
    """Which files were found in step with their summary, by size and time, so that a quiet night opens none of them.
    Kept in the cache; without it everything is read once more."""

    def __init__(self, wiki: wl.Wiki):
        self.root = wiki.root
        self.path = wl.cache_dir() / f"summarised-{wl.wiki_key(wiki.root)}.json"
        try:
            known = json.loads(self.path.read_text())
        except (OSError, ValueError):
            known = {}
        self.known: dict[str, list[int]] = known if isinstance(known, dict) else {}
        self.now: dict[str, list[int]] = {}

    def mark(self, path: str) -> list[int]:
        state = []
        for part in [self.root / path, *sorted(self.root.glob(f"{path.removesuffix('.md')}.[0-9]*.md"))]:
            stat = part.stat()
            state += [stat.st_size, stat.st_mtime_ns]
        return state

    def unchanged(self, path: str) -> bool:
        state = self.mark(path)
        if self.known.get(path) != state:
            return False
        self.now[path] = state
        return True

    def remember(self, path: str) -> None:
        self.now[path] = self.mark(path)

    def save(self) -> None:
        if self.now != self.known:
            wl.atomic_write(self.path, json.dumps(self.now))


def find_due(wiki: wl.Wiki, heads: Iterable[wl.Conversation], seen: Seen, force: bool, by_model: bool) -> Iterator[Due]:
    """The conversations to summarise now."""
    now, machine = wl.now(), wiki.machine if (wiki.root / "conversations").is_dir() else ""
    for head in heads:
        settled = head.summarized and not force and not (by_model and is_extractive(head))
        if settled and seen.unchanged(head.path):
            continue
        if not is_idle(head, now) or not is_ours(head, machine, now):
            continue
        _, transcript = whole(wiki, head.path)
        if why := why_due(head, wl.transcript_digest(transcript), force, by_model):
            yield Due(head.path, why, head.date)
        else:
            seen.remember(head.path)


# ------------------------------------------------------------------ doing

def extract(wiki: wl.Wiki, due: list[Due], heads: list[wl.Conversation]) -> list[str]:
    """Summarise what is due without a model; the paths that were written."""
    from summaries import extractive
    from summaries.topics import Rooms
    pages, waiting = wiki.pages("wiki"), {d.path for d in due}
    rooms = Rooms.of(h for h in heads if h.path not in waiting)
    done = {item.path: extractive.summarise(*whole(wiki, item.path), rooms, pages) for item in wl.progress(due, "summarising")}
    return write(wiki, done, due, heads)


@dataclass
class Asking:
    """How a model is asked for summaries in this run."""
    wiki: wl.Wiki
    backend: str
    heads: list[wl.Conversation]
    long_threshold: int
    prompt: str
    stopped: wl.Deferred | None = field(default=None, init=False)

    @functools.cached_property
    def known(self) -> Known:
        """What the wiki has already; read when it is first asked for."""
        from summaries import asking
        from summaries.topics import Rooms
        rooms = Rooms.of(self.heads)
        names = [rooms.named[k] for k in sorted(rooms.counts, key=lambda k: (-rooms.counts[k], k))]
        about = {h.session_id: f"{h.title}. {h.summary}".strip() for h in self.heads if h.session_id}
        return asking.Known(names, {p.path: p.title for p in self.wiki.pages("wiki")}, about)

    @functools.cached_property
    def prompts(self) -> Prompts:
        from summaries import asking
        return asking.Prompts.read(wl.SCRIPTS / "prompts", Path(self.prompt).name)

    def told(self, item: Due) -> Summary | wl.Deferred | wl.ModelError:
        """What came of asking about one conversation; once nothing more can be asked, nothing more is tried."""
        from model_backends import agent
        from summaries import asking
        if self.stopped:
            return self.stopped
        try:
            conversation, transcript = whole(self.wiki, item.path)
            answer = asking.told(conversation, transcript, self.known, self.backend, self.prompts, self.long_threshold)
        except wl.ModelError as error:
            return error
        if isinstance(answer, wl.Deferred) and (answer.all or answer.reason == agent.FULL):
            self.stopped = answer
        return answer


def ask(asking: Asking, due: list[Due], jobs: int) -> list[str]:
    """Have a model summarise what is due; each summary is written as soon as it is there. What cannot be asked now is
    deferred, and said."""
    from wiki_budget import spending
    written: list[str] = []
    deferred: Counter[str] = Counter()
    results = wl.side_by_side(asking.told, due, jobs, asking.backend)
    for item, told in wl.progress(results, "asking", len(due), spending.told):
        if isinstance(told, wl.ModelError):
            wl.warn(item.path, str(told).removeprefix(f"{item.path}: "))
        elif isinstance(told, wl.Deferred):
            deferred[_reason(told, item)] += 1
        else:
            written += write(asking.wiki, {item.path: told}, [item], asking.heads)
    for reason, count in deferred.items():
        wl.say(f"deferred: {count} conversation{'s' * (count > 1)}: {reason}")
    return written


def _reason(deferred: wl.Deferred, item: Due) -> str:
    """Why something was deferred, without the name of what it was, so that the same reasons count together."""
    return re.sub(rf"^{re.escape(item.path)}(?:#\d+)?: ", "", deferred.reason)


def by_agent(asking: Asking, due: list[Due]) -> list[str]:
    """Take up what an agent has answered and put down what it is to be asked. Until an answer is there, a new conversation
    has the session's own sentences."""
    written = ask(asking, due, 1)
    left = [d for d in due if d.why in ("new", "grown") and d.path not in written]
    return written + (extract(asking.wiki, left, asking.wiki.conversations()) if left else [])


def questions(wiki: wl.Wiki, answered: bool = False) -> dict[Path, str]:
    """{file of a question that waits for an agent: the conversation it is about}; with `answered` those that have an answer."""
    from model_backends import agent
    heads = {path: agent.head(path) for path in (agent.answered if answered else agent.waiting)(wiki.root)}
    return {path: str(h.get("subject")).partition("#")[0] for path, h in heads.items() if h.get("kind") in QUESTION_KINDS}


def withdraw(wiki: wl.Wiki, asked: Container[str]) -> None:
    """Take away the questions that nobody asks any more: the conversation is gone, was summarised by a model meanwhile, or
    was asked about in another way. `asked`: conversations that this run put to the agent."""
    from model_backends import agent
    waiting = questions(wiki)
    there = set(wiki.files("conversations")) if waiting else set()
    for path, about in waiting.items():
        if path.stem in agent.asked_now:
            continue
        if about in asked or about not in there or not _may_be_asked(wiki, about):
            agent.withdraw(path)
            wl.say(f"withdrew the question about {wl.one_line(wl.verbatim(about))}: nothing is to be asked there any more")


def _may_be_asked(wiki: wl.Wiki, path: str) -> bool:
    try:
        conversation, transcript = whole(wiki, path)
    except wl.PageError:      # the run says so where it reads it
        return True
    return bool(why_due(conversation, wl.transcript_digest(transcript), force=False, by_model=True))


def estimate(asking: Asking, due: list[Due]) -> dict[str, float | str]:
    """What asking about all that is due would cost, and how long it may take."""
    from summaries.asking import expected
    from wiki_budget import seconds_a_call
    cost = expected((whole(asking.wiki, d.path) for d in due), asking.known, asking.backend, asking.prompts, asking.long_threshold)
    return {"backend": asking.backend, "conversations": len(due), "calls": cost.calls, "tokens": cost.tokens,
            "usd": round(cost.usd, 4), "seconds": round(cost.calls * seconds_a_call(asking.backend))}


def estimated(cost: dict[str, float | str], jobs: int) -> str:
    """An estimate for a person."""
    minutes = float(cost["seconds"]) / 60 / jobs
    return (f"{cost['conversations']} conversation{'s' * (cost['conversations'] != 1)}: {cost['calls']} calls, about "
            f"{cost['tokens']:,} tokens, {cost['usd']:.2f} USD, {minutes:.0f} minutes with {jobs} at a time ({cost['backend']})")


def write(wiki: wl.Wiki, done: dict[str, Summary], due: list[Due], heads: list[wl.Conversation], quiet: bool = False) -> list[str]:
    """Put summaries on disk, with what they relate to; the paths that were written."""
    if not done:
        return []
    from summaries.related import Relations
    topics = {h.path: h.topics for h in heads} | {path: list(s.topics) for path, s in done.items()}
    relations = Relations(topics, wiki.pages("wiki"))
    why = {d.path: d.why for d in due}

    def edits() -> Iterator[wl.Write]:
        for path, summary in sorted(done.items()):
            conversation, transcript = whole(wiki, path)
            related = list(dict.fromkeys([*summary.related, *relations.of(path)]))
            text = summarised(conversation, summary, wl.transcript_digest(transcript), related)
            told = f"{why[path]}, {len(summary.bullets)} bullets" + (f", {', '.join(summary.topics[:4])}" if summary.topics else "")
            told += f"; {summary.dropped} without evidence left out" if summary.dropped else ""
            yield wl.Write(path=path, text=text, why=told, expect=conversation.read_hash)

    return [wl.target_of(edit) for edit in wiki.apply(edits(), quiet=quiet)]


def chosen_backend(args: argparse.Namespace, seams: dict) -> str:
    """Who is asked: the command line over wiki.yaml over a llama-server that answers over nobody."""
    if named := "claude" if args.claude else args.backend or seams["BACKEND"]:
        return named
    from model_backends import llama_server as server  # not through the door, which a quiet night need not open
    if server.unready() and server.named_url():
        wl.note(f"{server.unready()}; until it answers, the sessions' own sentences are taken")
    return "extractive" if server.unready() else "llama-server"


def options() -> argparse.Namespace:
    import wiki_budget
    parser = wl.parser(__doc__)
    parser.add_argument("--project", metavar="WING", help="only this wing's conversations")
    parser.add_argument("--since", metavar="DATE", help="only conversations of this day and later")
    parser.add_argument("--force", action="store_true", help="summarise again what is summarised already")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N conversations")
    parser.add_argument("--backend", choices=("claude", "llama-server", "agent", "extractive"), help="who summarises")
    parser.add_argument("--claude", action="store_true", help="the same as --backend claude")
    parser.add_argument("--dry-run", action="store_true", help="list what would be summarised and why; write nothing, ask nothing")
    parser.add_argument("--json", action="store_true", help="print --estimate as a JSON object")
    wiki_budget.options(parser)
    args = parser.parse_args()
    wiki_budget.apply_options(args)
    if args.since and wl.as_date(args.since) is None:
        parser.error(f"--since: {args.since} is not a day; write it as 2026-04-12")
    if args.limit is not None and args.limit < 0:
        parser.error(f"--limit: {args.limit} is no number of conversations")
    return args


def due_now(wiki: wl.Wiki, heads: list[wl.Conversation], seen: Seen, args: argparse.Namespace, backend: str) -> list[Due]:
    """What this backend is to summarise in this run, in its order."""
    by_model = backend != "extractive"
    asked = set(questions(wiki).values()) if backend == "agent" else set()
    return in_order(find_due(wiki, heads, seen, args.force, by_model), by_model, asked)[: args.limit]


def summarise(wiki: wl.Wiki, heads: list[wl.Conversation], seen: Seen, args: argparse.Namespace, asking: Asking) -> list[str]:
    """Summarise what is due; the paths that were written. Answers of an agent are taken up whoever is asked now."""
    withdraw(wiki, ())
    written: list[str] = []
    if asking.backend != "agent" and (answered := set(questions(wiki, answered=True).values())):
        mine = [h for h in heads if h.path in answered]
        written = by_agent(replace(asking, backend="agent"), due_now(wiki, mine, seen, args, "agent"))
        heads = [h for h in heads if h.path not in written]
    due = due_now(wiki, heads, seen, args, asking.backend)
    if asking.backend == "extractive":
        written += extract(wiki, due, asking.heads) if due else []
    elif asking.backend == "agent":
        written += by_agent(asking, due) if due else []
    elif due:
        written += ask(asking, due, args.jobs)
    withdraw(wiki, {d.path for d in due} if asking.backend == "agent" and not asking.stopped else ())
    return written


def main() -> int | None:
    args = options()
    seams = wl.seams("summarize-conversations", {
        "CLAUDE_LONG_THRESHOLD": CLAUDE_LONG_THRESHOLD, "MINE_PROMPT_FILE": MINE_PROMPT_FILE, "BACKEND": BACKEND})
    backend = chosen_backend(args, seams)
    wl.dry_run(args.dry_run or args.estimate)
    wiki = wl.Wiki()
    with wl.run_lock():
        heads = wiki.conversations()
        mine = [h for h in heads if args.project in (None, h.wing) and h.date >= (args.since or "")]
        seen = Seen(wiki)
        asking = Asking(wiki, backend, heads, int(seams["CLAUDE_LONG_THRESHOLD"]), str(seams["MINE_PROMPT_FILE"]))
        if args.estimate:
            cost = estimate(asking, due_now(wiki, mine, seen, args, backend))
            print(json.dumps(cost) if args.json else estimated(cost, args.jobs))
            return None
        if args.dry_run:
            for item in due_now(wiki, mine, seen, args, backend):
                wl.say(f"would summarise {item.path}: {item.why}, by {backend}")
            return None
        for path in summarise(wiki, mine, seen, args, asking):
            seen.remember(path)
        narrowed = bool(args.project or args.since)
        seen.now |= {p: s for p, s in seen.known.items() if p not in seen.now and narrowed}
        seen.save()
        wl.forget_old_answers()
    return None


if __name__ == "__main__":
    wl.run(main)
