"""A run of mining: what is to be read is read, its transcripts are written, and that it was done is remembered.

Between what the script was asked (extract-sessions.py) and the modules that know which files there are (session_sources), what
to read of them (session_plan), how one session is read (session_transcripts) and where forks belong (session_forks).
"""
from __future__ import annotations

import wiki_lib as wl

import contextlib
import functools
import itertools
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import session_batches
import session_canary
import session_formats as sf
import session_lineage as lineage
import session_marks
import session_quiet
import session_retention
from session_files import Listing, default_folders, listed
from session_forks import fold, kin_of
from session_plan import plan
from session_retention import ERRORS, Watch
from session_sources import find_sources, named_folders, read_head, single_source
from session_state import KEPT_OF_LEFT_OUT, load_state, named_again, nothing_new, save_state
from session_transcripts import File, Group, Outcome, Setting, part_path
from wiki_rescan import is_due, rescan
from wiki_wings import STATE as WINGS_STATE
from wiki_wings import Wings

TELLTALE_SIZE = 4_096            # a larger file without one message is a failure, not a success
INIT_BYTES = 4_000_000           # what making the wiki costs, in session bytes


# ---------------------------------------------------------------- the run

def mine(args: Any, seams: dict[str, Any], found: list[Listing] | None = None) -> int:
    """Mine what the script was asked to (`args`, its options; `seams`, its capitals); returns the exit status. `found`: the
    files of the agents' own folders, where they were listed already."""
    settings = wl.config()
    single = single_source(args.transcript) if args.transcript else []
    folders = [p for folder in args.sessions for p in named_folders(folder)] or default_folders()
    if found is None:
        found = [] if single else listed(folders)
    seen = len(single) + sum(len(files) for _, _, files in found)
    if not seen:
        wl.note("no sessions were found; try it on the examples: extract-sessions.py --sessions examples/sessions")
    wiki = wl.Wiki()
    run = begin(wiki, args.project, settings, seams)
    sources = single or ([] if not args.force and nothing_new(found, run.state) else find_sources(found))
    named_again(run.state, sources)
    made = plan(sources, run.state, args.force, run.left_out, lambda session: wl.id8(session) in run.setting.paths())
    watch = watch_of(run, args, folders)
    unread = [*(f for g in made.groups for f in g.files), *made.waiting,
              *(File(s, "", "", "new", {}) for s in sources if s.path in made.failed)]
    if settings.get("paused"):
        wl.note("paused: true in wiki.yaml; nothing was mined")
        if not args.dry_run and wiki.root.is_dir():
            watch.see(unread, paused=True)
            watch.close(run.state, run.setting.paths, mining=False)
        return 0
    if not args.dry_run:
        watch.see(unread)
    run.errors |= made.failed
    run.failures += len(made.failed)
    for file in made.waiting:
        run.wait(file)
    # First, so that nothing is joined with what older rules let stand.
    rescanned = rescan(wiki, run.state)
    read_and_write(run, made.groups, save=bool(made.waiting) or rescanned)
    wiki.apply(run.report(), quiet=not args.dry_run)
    for file in made.waiting if args.dry_run else ():
        wl.say(f"would wait for the session of {wl.redact_name(file.source.path)}")
    if not args.dry_run:
        close(run, watch, args, found)
    tell(run, seen, len(made.waiting))
    return wl.EXIT_FAILED if run.failures else 0


def close(run: Run, watch: Watch, args: Any, found: list[Listing]) -> None:
    """Say what is gone; and where nothing is left to be read, let the next run know it by a mark."""
    events = session_retention.events(run.wiki)

    def mark() -> str:
        done = session_quiet.is_whole(args) and not run.failures and not wl.problems
        return session_quiet.mark_of(run.wiki, found, events) if done and not is_due(run.state) and nothing_new(
            found, run.state) else ""
    watch.close(run.state, run.setting.paths, not (args.sessions or args.transcript or args.project), mark)


def watch_of(run: Run, args: Any, folders: Sequence[tuple[str, str]]) -> Watch:
    """Who keeps watch over what this run sees; only of folders that it looks at as a whole can be said what is missing."""
    whole = [] if args.project or args.transcript else [os.path.abspath(folder) for _, folder in folders]
    return Watch(run.wiki, whole, replace(run, project="").left_out, run.exclude)


def read_and_write(run: Run, groups: list[Group], save: bool) -> None:
    """Read the groups batch by batch, write their transcripts, then remember that it was done."""
    wiki, dry = run.wiki, wl.wiki_disk.DRY_RUN
    fresh = not wiki.root.exists() or not any(wiki.root.iterdir())
    lists = session_batches.batches(groups)
    if len(lists) > 1:
        run.look_ahead(groups)
    for number, batch in enumerate(lists):
        begin = wiki.init if not number else lambda: None
        outcomes = session_batches.read_all(batch, run.setting, begin, INIT_BYTES if fresh and not number else 0)
        edits = list(run.edits(outcomes))
        for out in outcomes:
            if isinstance(out.parts, list):
                out.parts = []      # the edits hold what it said
        # Before the transcripts: a repository is learnt of from sessions that are not filed yet, and after a crash they would be.
        if not dry and (learnt := run.wings.memory()):
            wiki.save_state(WINGS_STATE, learnt)
        done = {id(edit) for edit in wiki.apply(edits)}
        if not dry:
            run.forget({e.path for e in edits if id(e) not in done and isinstance(e, wl.Write) and wiki.changes(e)}, outcomes)
        # Pages first, then the memory of them: a crash in between repeats work and loses none. A power cut, too: session files
        # vanish, and one that counts as read while its transcript was not yet on the disk would be lost.
        if not dry and (batch or save):
            wiki.apply(run.report(), quiet=True)      # a file that counts as read is not complained of again
            wl.reach_the_disk(wiki.root / e.path for e in edits if id(e) in done)
            save_state(wiki, run.state)
        for out in outcomes:
            if not isinstance(out.parts, list):
                out.parts.close()


def begin(wiki: wl.Wiki, project: str, settings: dict[str, Any], seams: dict[str, Any]) -> Run:
    tools = sf.Tools(frozenset(seams["KEEP_FULL_OUTPUT_TOOLS"] or ()), frozenset(seams["SUMMARIZE_TOOLS"] or ()),
                     int(seams["MAX_BASH_OUTPUT_LINES"]))
    state = load_state(wiki)
    wings = Wings(seams["PROJECT_MAP"] or {}, wiki.state(WINGS_STATE), state.values)
    setting = Setting(wiki, tools, str(wl.cache_dir()), functools.cache(lambda: known_transcripts(wiki)),
                      functools.cache(lambda: session_marks.known(wiki, state)))
    return Run(wiki, state, wings, setting, project, tuple(wl.as_list(settings.get("exclude"))),
               settings.get("mine_headless") is not False, state_was_lost=not state)


def tell(run: Run, seen: int, waiting: int) -> None:
    """The closing line for a person at a terminal."""
    parts = [f"{run.tally['transcript']} sessions read", f"{seen} files seen"]
    parts += [f"{n} {word}" for word, n in (("left out", run.tally["left out"]), ("of our own", run.tally["own"]),
                                            ("waiting for their session", waiting), ("failed", run.failures)) if n]
    wl.note(f"extract: {', '.join(parts)}")


# ---------------------------------------------------------------- what one run knows

@dataclass
class Run:
    """One run: what it was asked, what it knows, what came of it."""
    wiki: wl.Wiki
    state: dict[str, dict]
    wings: Wings
    setting: Setting
    project: str = ""
    exclude: tuple[str, ...] = ()
    headless: bool = True
    tally: Counter = field(default_factory=Counter)
    errors: dict[str, str] = field(default_factory=dict)         # path -> what went wrong
    mended: set[str] = field(default_factory=set)                # paths read without trouble
    failures: int = 0
    taken: set[str] = field(default_factory=set)                 # names given to transcripts in this run
    state_was_lost: bool = False                                 # or there never was one

    @functools.cached_property
    def machine(self) -> str:
        return self.wiki.machine

    def left_out(self, known: dict, source: sf.Source, wing: str = "") -> bool:
        """True for a session that is not to be mined: ours, excluded, headless, or of another wing than --project. `wing`: its
        own, where that is settled already."""
        if known.get("own"):
            return True
        cwd, was, remote = (known.get(key, "") for key in ("cwd", "wing", "remote"))
        if not cwd and not was:
            return False
        if self.project or self.exclude:
            # A session that is not filed has no wing for good: a changed project_map may move it.
            wing = wing or (known.get("path") or not cwd) and was or self.wings.of(cwd, source.project, remote)
            if self.project and wl.slug(self.project) != wing or self.wings.excluded(cwd, wing, self.exclude, remote):
                return True
        return not self.headless and "entrypoint" in known

    def learn(self, outcomes: list[Outcome]) -> None:
        """Take in the repositories of what will be filed, and of nothing else: their names travel to other machines."""
        self.wings.remember((o.cwd, o.meta.get("wing")) for o in outcomes if o.path)
        self.wings.learn((o.cwd, o.remote) for o in outcomes if o.verdict == "transcript" and not o.path and not (
            self.wings.excluded(o.cwd, "", self.exclude, o.remote)
            or not self.headless and any("entrypoint" in e for e in o.entries.values())))

    def look_ahead(self, groups: list[Group]) -> None:
        """The same from the heads of the files, where they are read in several batches: two repositories of one name are told
        apart in the first one, too. One session of a project folder of Claude Code speaks for the others."""
        first = {os.path.dirname(f.source.path) if f.source.format == "claude_code" else f.source.path: f.source.path
                 for g in groups for f in g.files if not f.entry and not f.agent}
        for path in first.values():
            with contextlib.suppress(OSError, ValueError):
                head = read_head(path)
                said = [json.loads(m[1]) if (m := re.search(rb'"%b":\s*("(?:[^"\\]|\\.)*")' % key, head)) else ""
                        for key in (b"cwd", b"repository_url")]
                if said[0] and not self.wings.excluded(said[0], "", self.exclude, said[1]):
                    self.wings.learn([(said[0], said[1])])

    def edits(self, outcomes: list[Outcome]) -> Iterable[wl.Edit]:
        """The transcripts to write; notes the failures and fills in the state."""
        self.learn(outcomes)
        for out in outcomes:
            wing = out.meta.get("wing") or self.wings.of(out.cwd, out.group.files[0].source.project, out.remote)
            for path, entry in out.entries.items():
                source = next(f.source for f in out.group.files if f.source.path == path)
                if not out.verdict == "own":
                    entry |= {"wing": wing} | {k: v for k, v in self.wings.where(out.cwd, out.remote).items() if v}
                if self.left_out(entry, source, wing):
                    self.state[path] = {k: v for k, v in entry.items() if k in KEPT_OF_LEFT_OUT}
                    out.verdict = "own" if out.verdict == "own" else "left out"
            self.tally[out.verdict] += 1
            self.note_trouble(out)
            out.meta["wing"] = wing
        talks = [out for out in outcomes if out.verdict == "transcript"]
        for out in (*talks, *self.fold_forks(talks)):
            yield from self.writes(out, out.meta["wing"])

    def fold_forks(self, outs: list[Outcome]) -> list[Outcome]:
        """Take out of every fork what the session it came from holds; returns the transcripts to be written anew for that,
        beside those that were read."""
        if not outs:
            return []
        paths = {e["session"]: e["path"] for e in self.state.values() if "path" in e and not e.get("agent")}
        fresh = {out.group.session: out for out in outs}
        kin = self.kin([e for out in outs for e in out.entries.values()])
        return fold(self.wiki, kin, functools.cache(lambda s: paths.get(s) or self.find_transcript(s)), fresh, fresh)

    def kin(self, fresh: Iterable[dict]) -> list[lineage.Kin]:
        """What is known of where each session came from."""
        found: dict[str, lineage.Kin] = {k.session: k for k in self.kin_on_disk}
        for entry in (*self.state.values(), *fresh):
            if ("first" in entry or "from" in entry) and not entry.get("agent"):
                found[entry["session"]] = lineage.Kin(entry["session"], entry.get("first", ""), entry.get("from", ""))
        return list(found.values())

    @functools.cached_property
    def kin_on_disk(self) -> list[lineage.Kin]:
        """The same from the transcripts, where the state was lost: their session files may be gone by now."""
        paths = [p for ps in self.setting.paths().values() for p in ps] if self.state_was_lost else []
        return [k for p in paths if (k := kin_of(self.wiki, p))]

    def find_transcript(self, session: str) -> str:
        """The path of a session's transcript that the state does not know: of another machine's mining; '' for none."""
        return next((p for p in self.setting.paths().get(wl.id8(session), ())
                     if (k := kin_of(self.wiki, p)) and k.session == session), "")

    def writes(self, out: Outcome, wing: str) -> Iterable[wl.Edit]:
        """The edits that put a transcript's files on disk."""
        path = out.path or self.free_path(wl.conversation_path(wing, out.day, out.first_prompt, out.group.session), out)
        meta = {**out.meta, "wing": wing, "machine": out.meta.get("machine") or self.machine}
        for source, entry in out.entries.items():
            self.state[source] = {**entry, "path": path}
        why = f"{meta['messages']} messages, {out.reason}"
        brief = {k: meta[k] for k in ("title", "session_id", "agent", "wing", "date", "machine") if k in meta}
        if not isinstance(out.parts, list):
            # The first part last: a message that moves on to a later one is never in none, whenever a run is killed.
            for number in range(len(out.parts), 1, -1):
                yield streamed(part_path(path, number), brief, "", out.parts, number, f"part {number}")
            yield streamed(path, meta, out.summary_block, out.parts, 1, why, out.expect)
        else:
            text = wl.render_conversation(meta, out.summary_block, out.parts[0])
            yield wl.Write(path=path, text=text, why=why, expect=out.expect)
            for number, part in enumerate(out.parts[1:], 2):
                yield wl.Write(path=part_path(path, number), text=wl.render_conversation(brief, "", part), why=f"part {number}")
        number = len(out.parts) + 1
        while out.path and os.path.exists(os.path.join(self.wiki.root, rest := part_path(path, number))):
            yield wl.Remove(rest, "the transcript is shorter now")
            number += 1

    def free_path(self, path: str, out: Outcome) -> str:
        """The path, with four digits more of the session's id where another session has it."""
        if path in self.taken or os.path.exists(os.path.join(self.wiki.root, path)):
            ident = out.group.session
            path = path.removesuffix(f"-{wl.id8(ident)}.md") + f"-{wl.id8(ident, 12)}.md"
        self.taken.add(path)
        return path

    def note_trouble(self, out: Outcome) -> None:
        for path, what in out.failed.items():
            self.errors[path] = what
            self.failures += 1
        for path, entry in out.entries.items():
            lines, size = out.broken.get(path, 0), entry["size"]
            if out.verdict == "empty" and size > TELLTALE_SIZE:
                # Its cursor stays: the next run, which may know the format, reads it again.
                self.state.pop(path, None)
                self.errors[path] = f"{size} bytes and not one message; is it a session of {out.group.format}?"
                self.failures += 1
            elif lines:
                self.errors[path] = f"{lines} broken {'line' if lines == 1 else 'lines'}; the rest was read"
            else:
                self.mended.add(path)
            waits = out.verdict == "waiting" or out.verdict == "nothing" and "agent" in entry      # its session may yet say a word
            if out.verdict == "nothing" and not waits or out.verdict == "empty" and size <= TELLTALE_SIZE:
                self.state[path] = entry
            elif waits:
                self.wait(next(f for f in out.group.files if f.source.path == path))

    def forget(self, unwritten: set[str], outcomes: list[Outcome]) -> None:
        """The sessions whose transcript could not be written count as not read: the next run reads them again."""
        for out in outcomes if unwritten else ():
            for path in out.entries:
                if re.sub(r"\.\d+\.md$", ".md", self.state.get(path, {}).get("path", "")) in {
                        re.sub(r"\.\d+\.md$", ".md", p) for p in unwritten}:
                    del self.state[path]

    def wait(self, file: File) -> None:
        """Remember a subagent's file whose session is not here."""
        self.state[file.source.path] = {"size": file.source.size, "mtime": file.source.mtime, "session": file.session,
                                        "agent": file.agent, "waiting": True}

    def report(self) -> list[wl.Edit]:
        """The edit that brings reports/mine-errors.md up to date: a line a file, gone when it could be read."""
        old = self.wiki.text(ERRORS) or ""
        lines = {m[1]: line for line in old.splitlines() if (m := re.match(r"- extract: `(.*)`: ", line))}
        mended = set(map(wl.redact_name, self.mended)) if lines else ()
        drift = session_canary.trouble(session_canary.seen(self.state)) if any(
            "strange" in e for e in self.state.values()) else {}
        errors = {wl.redact_name(p): wl.redact(what)[0] for p, what in {**drift, **self.errors}.items()}
        kept = {p: line for p, line in lines.items() if p not in mended and ("[REDACTED:" in p or os.path.exists(p))}
        kept |= {name: f"- extract: `{name}`: {what}" for name, what in errors.items()}
        others = [line for line in old.splitlines() if line.startswith("- ") and not line.startswith("- extract: ")]
        if not kept and not others:
            return [wl.Remove(ERRORS, "nothing is wrong any more")] if old else []
        text = "# What could not be mined\n\n" + "\n".join([*(kept[p] for p in sorted(kept)), *others]) + "\n"
        for name, what in errors.items():
            if kept[name] != lines.get(name):      # what is new is said once; then the report and the status say it
                print(f"extract-sessions.py: {name}: {what}; listed in {ERRORS}", file=sys.stderr)
        return [wl.Write(path=ERRORS, text=text, why=f"{len(kept)} to look at")] if text != old else []


def streamed(path: str, meta: dict[str, Any], block: str, parts: Any, number: int, why: str, expect: str | None = None) -> wl.Write:
    """The edit that writes a part of a large session's transcript without holding it."""
    head = wl.render_conversation(meta, block, "").encode("utf-8", "replace")
    return wl.Write(path=path, why=why, expect=expect, blocks=lambda: itertools.chain([head], parts.blocks(number - 1)))


def known_transcripts(wiki: wl.Wiki) -> dict[str, list[str]]:
    """{id8: transcripts whose name ends so}; read only where the state does not know a session's transcript."""
    found: dict[str, list[str]] = {}
    root = wiki.root / "conversations"
    for wing in sorted(os.listdir(root)) if root.is_dir() else ():
        for name in sorted(os.listdir(root / wing)) if (root / wing).is_dir() else ():
            if m := re.search(r"-[0-9a-f]{0,4}([0-9a-f]{8})\.md$", name):
                found.setdefault(m[1], []).append(f"conversations/{wing}/{name}")
    return found
