#!/usr/bin/env python3
"""Summarise conversations: what each was about, what is worth keeping in six halls, and what it relates to.

Takes the transcripts under conversations/ that have no summary yet, or whose session has grown since. Every bullet cites
the messages it rests on. Without a model the sentences are the session's own, chosen by cue and salience; with --claude a
model writes them. A session whose last message is less than half an hour old is left for the next run.
"""
from __future__ import annotations

import wiki_lib as wl  # first: it steps into the environment

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:      # imported where they are used: their patterns take 0.2 s to compile, which --help need not pay
    from summaries.extractive import Summary
    from summaries.topics import Rooms

CLAUDE_LONG_THRESHOLD = 200   # messages; beyond it the larger model reads the conversation
MINE_PROMPT_FILE = "summarize.md"   # in scripts/prompts/: what a model is asked
BACKEND = None                # claude | llama-server | agent | extractive; None: extractive, until a model is named
IDLE_MINUTES = 30             # a session that was spoken in since then may still grow
OTHERS_AFTER_DAYS = 3         # the machine that mined a conversation summarises it; others step in after this long


@dataclass(frozen=True)
class Due:
    """A conversation to summarise and why."""
    path: str
    why: str                  # new | grown | forced


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


def why_due(conversation: wl.Conversation, digest: str, force: bool) -> str:
    """new, grown or forced; '' when its summary is still what its transcript says."""
    if not conversation.summarized:
        return "new"
    if conversation.meta.get("summary_of") != digest:
        return "grown"
    return "forced" if force else ""


def summarised(conversation: wl.Conversation, summary: Summary, digest: str, related: list[str]) -> str:
    """The whole file with its summary; the transcript's bytes stay as they are."""
    meta = {**conversation.meta, "status": "summarized", "summary_of": digest, "summarized_by": summary.by,
            "topics": list(summary.topics), "halls": summary.halls, "related": related}
    return wl.render_conversation(meta, wl.render_summary(summary.text, summary.bullets), conversation.transcript or "")


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


def find_due(wiki: wl.Wiki, heads: Iterable[wl.Conversation], seen: Seen, force: bool) -> Iterator[Due]:
    """The conversations to summarise now, by path."""
    now, machine = wl.now(), wiki.machine if (wiki.root / "conversations").is_dir() else ""
    for head in heads:
        if head.summarized and not force and seen.unchanged(head.path):
            continue
        if not is_idle(head, now) or not is_ours(head, machine, now):
            continue
        _, transcript = whole(wiki, head.path)
        if why := why_due(head, wl.transcript_digest(transcript), force):
            yield Due(head.path, why)
        else:
            seen.remember(head.path)


# ------------------------------------------------------------------ doing

def summarise(wiki: wl.Wiki, due: list[Due], heads: list[wl.Conversation], backend: str, seams: dict) -> dict[str, Summary]:
    """{path: summary} of what is due. What a model was paid for is written at once; what it cannot do now is deferred."""
    from summaries import extractive
    from summaries.topics import Rooms
    pages = wiki.pages("wiki")
    waiting = {d.path for d in due}
    rooms = Rooms.of(h for h in heads if h.path not in waiting)
    done: dict[str, Summary] = {}
    for item in wl.progress(due, "summarising"):
        conversation, transcript = whole(wiki, item.path)
        if backend == "extractive":
            done[item.path] = extractive.summarise(conversation, transcript, rooms, pages)
            continue
        answer = ask(conversation, transcript, rooms, backend, seams)
        if isinstance(answer, wl.Deferred):
            wl.say(f"deferred: {len(due) - len(done)} conversations: {answer.reason}")
            break
        if answer is not None:
            done[item.path] = answer
            write(wiki, {item.path: answer}, [item], heads)
    return done


def ask(conversation: wl.Conversation, transcript: wl.Transcript, rooms: Rooms, backend: str, seams: dict
        ) -> Summary | wl.Deferred | None:
    """The summary a model gives; None when what it said could not be used (warned about, asked again next time)."""
    from summaries import asking
    prompt = wl.SCRIPTS / "prompts" / Path(str(seams["MINE_PROMPT_FILE"])).name
    names = [rooms.named[k] for k in sorted(rooms.counts, key=lambda k: (-rooms.counts[k], k))]
    try:
        answer = wl.ask(asking.question(conversation, transcript, names, prompt, int(seams["CLAUDE_LONG_THRESHOLD"])), backend)
    except wl.ModelError as error:
        wl.warn(conversation.path, str(error))
        return None
    return answer if isinstance(answer, wl.Deferred) else asking.answered(answer)


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
            text = summarised(conversation, summary, wl.transcript_digest(transcript), relations.of(path))
            told = f"{why[path]}, {len(summary.bullets)} bullets" + (f", {', '.join(summary.topics[:4])}" if summary.topics else "")
            yield wl.Write(path=path, text=text, why=told, expect=conversation.read_hash)

    return [wl.target_of(edit) for edit in wiki.apply(edits(), quiet=quiet)]


def main() -> int | None:
    parser = wl.parser(__doc__)
    parser.add_argument("--project", metavar="WING", help="only this wing's conversations")
    parser.add_argument("--force", action="store_true", help="summarise again what is summarised already")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N conversations")
    parser.add_argument("--backend", choices=("claude", "llama-server", "agent", "extractive"), help="who summarises")
    parser.add_argument("--claude", action="store_true", help="the same as --backend claude")
    parser.add_argument("--dry-run", action="store_true", help="list what would be summarised and why; write nothing, ask nothing")
    args = parser.parse_args()
    seams = wl.seams("summarize-conversations", {
        "CLAUDE_LONG_THRESHOLD": CLAUDE_LONG_THRESHOLD, "MINE_PROMPT_FILE": MINE_PROMPT_FILE, "BACKEND": BACKEND})
    backend = "claude" if args.claude else args.backend or seams["BACKEND"] or "extractive"
    wl.dry_run(args.dry_run)
    wiki = wl.Wiki()
    with wl.run_lock():
        heads = wiki.conversations()
        mine = [h for h in heads if args.project in (None, h.wing)]
        seen = Seen(wiki)
        due = list(find_due(wiki, mine, seen, args.force))[: args.limit]
        if args.dry_run:
            for item in due:
                wl.say(f"would summarise {item.path}: {item.why}, by {backend}")
            return None
        done = summarise(wiki, due, heads, backend, seams) if due else {}
        for path in write(wiki, done, due, heads, quiet=backend != "extractive"):
            seen.remember(path)
        seen.now |= {p: s for p, s in seen.known.items() if p not in seen.now and args.project and f"/{args.project}/" not in p}
        seen.save()
    return None


if __name__ == "__main__":
    wl.run(main)
