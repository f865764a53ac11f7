"""Machines that edit one wiki at random, and what must hold after they have synced. Used by test_two_machines.py.

A history is a function of its seed. Everything written carries a token; the ledger knows which tokens must still be found
at the end and which were taken out on purpose.
"""
from __future__ import annotations

import wiki_lib as wl

import random
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import wikis
import yaml

SESSIONS = 3                      # conversations that grow while machines mine them
PAGES = 7                         # slugs that machines write under, so that two of them pick the same one


@dataclass
class Ledger:
    """What the end must show."""
    alive: set[str] = field(default_factory=set)              # tokens that stand somewhere
    verified: dict[str, str] = field(default_factory=dict)    # slug -> latest last_verified
    state: set[str] = field(default_factory=set)              # words of .distill-state.json
    mined: dict[int, int] = field(default_factory=dict)       # session -> messages that some machine has mined


class History:
    """One random history: `act()` does one thing on one machine, `sync` is what exchanges a machine's wiki."""

    def __init__(self, seed: int, folder: Path, sync, git):
        self.random = random.Random(seed)
        self.seed, self.folder, self.sync, self.git = seed, folder, sync, git
        self.ledger, self.count = Ledger(), 0
        self.machines = [folder / f"m{n}" for n in range(self.random.randint(2, 4))]
        self.said = [0] * SESSIONS
        self.remote = folder / "remote.git"
        self._begin()

    def _begin(self) -> None:
        first = self.machines[0]
        self.git("init", "-q", "--bare", "-b", "main", self.remote, cwd=self.folder)
        wl.Wiki(first).init()
        for n in range(3):
            self._new_page(first, f"p-{n}")
        self.git("remote", "add", "wiki", self.remote, cwd=first)
        self.git("config", "memex.remote", "wiki", cwd=first)
        self.sync(first)
        for machine in self.machines[1:]:
            self.git("clone", "-q", "-o", "wiki", self.remote, machine, cwd=self.folder)
            self.git("config", "memex.remote", "wiki", cwd=machine)

    def token(self) -> str:
        self.count += 1
        return f"t{self.seed}n{self.count}z"

    def written(self) -> str:
        token = self.token()
        self.ledger.alive.add(token)
        return token

    # --- what machines do

    def act(self) -> None:
        machine = self.random.choice(self.machines)
        acts = ([self.add_bullet] * 4 + [self.reword_bullet, self.drop_bullet, self.add_section] + [self.verify] * 3
                + [self.widen] * 2 + [self.create] * 2 + [self.move_to_archive] * 2 + [self.archive, self.restore]
                + [self.stage] * 2 + [self.promote, self.reject, self.edit_proposal]
                + [self.mine] * (4 if self.seed % 2 else 0)      # without conversations a sync has one program less to start
                + [self.remember] * 2 + [self.write_prose] + [self.sync] * 3)
        self.random.choice(acts)(machine)

    def _pages(self, machine: Path, station: str = "wiki") -> list[Path]:
        return sorted((machine / station / "patterns").glob("*-*.md"))

    def _page(self, machine: Path, station: str = "wiki") -> Path | None:
        pages = self._pages(machine, station)
        return self.random.choice(pages) if pages else None

    def _new_page(self, machine: Path, slug: str, station: str = "wiki") -> None:
        body = f"# {slug.upper()}\n\nThe claim of {slug}.\n\n- point {self.written()}\n\n## Why\n\n- reason {self.written()}\n"
        staged = {"status": "pending", "staged_by": "wiki-distill", "staged_at": "2026-04-01"} if station == "staging" else {}
        wikis.page(machine, f"{station}/patterns/{slug}.md", body, created=f"2026-01-0{self.random.randint(1, 9)}",
                   last_verified=f"2026-03-{self.random.randint(10, 28)}", verified_by="mention",
                   version=self.random.randint(1, 4), sources=[f"conversations/w/{self.token()}.md"], **staged)

    def add_bullet(self, machine: Path) -> None:
        if file := self._page(machine):
            text = file.read_text()
            bullet = f"- point {self.written()}\n"
            if "\n## Why" in text and self.random.random() < 0.6:
                text = text.replace("\n## Why", f"{bullet}\n## Why", 1).replace(f"\n\n{bullet}", f"\n{bullet}", 1)
            else:
                text = text.rstrip("\n") + "\n" + bullet
            file.write_text(text)

    def _bullet(self, file: Path) -> str | None:
        found = re.findall(r"^- (?:point|reason) t\w+$", file.read_text(), re.M)
        return self.random.choice(found) if found else None

    def reword_bullet(self, machine: Path) -> None:
        if (file := self._page(machine)) and (bullet := self._bullet(file)):
            self.ledger.alive.discard(bullet.split()[-1])      # taken out on purpose; it may stand where another edited it
            file.write_text(file.read_text().replace(f"{bullet}\n", f"- point {self.written()} (reworded)\n", 1))

    def drop_bullet(self, machine: Path) -> None:
        if (file := self._page(machine)) and (bullet := self._bullet(file)):
            self.ledger.alive.discard(bullet.split()[-1])
            file.write_text(file.read_text().replace(f"{bullet}\n", "", 1))

    def add_section(self, machine: Path) -> None:
        if file := self._page(machine):
            file.write_text(f"{file.read_text().rstrip()}\n\n## Seen {self.written()}\n\nProse of {self.written()}.\n")

    def verify(self, machine: Path) -> None:
        if file := self._page(machine):
            page = wl.parse_page("wiki/patterns/x.md", file.read_text())
            day = max(str(page.meta["last_verified"]), f"2026-0{self.random.randint(4, 9)}-1{self.random.randint(0, 9)}")
            self.ledger.verified[file.stem] = max(day, self.ledger.verified.get(file.stem, ""))
            confidence = self.random.choice(wl.CONFIDENCES)
            file.write_text(wl.render_page(page.with_meta(last_verified=day, confidence=confidence)))

    def widen(self, machine: Path) -> None:
        if file := self._page(machine):
            page = wl.parse_page("wiki/patterns/x.md", file.read_text())
            more = [*page.words("sources"), f"conversations/w/{self.written()}.md"]
            file.write_text(wl.render_page(page.with_meta(sources=more, version=page.meta["version"] + 1)))

    def create(self, machine: Path) -> None:
        slug = f"p-{self.random.randint(3, PAGES)}"
        if not (machine / "wiki/patterns" / f"{slug}.md").exists():
            self._new_page(machine, slug)

    def move_to_archive(self, machine: Path) -> None:
        if file := self._page(machine):
            goal = machine / "archive/patterns" / file.name
            if not goal.exists():
                goal.parent.mkdir(parents=True, exist_ok=True)
                file.rename(goal)

    def archive(self, machine: Path) -> None:
        """As hygiene does: with the fields."""
        if (file := self._page(machine)) and not (machine / "archive/patterns" / file.name).exists():
            page = wl.parse_page(f"archive/patterns/{file.name}", file.read_text()).with_meta(
                archived_at="2026-10-01", archived_from=f"wiki/patterns/{file.name}", archived_reason="Stale: quiet")
            wikis.put(machine, page.path, wl.render_page(page))
            file.unlink()

    def restore(self, machine: Path) -> None:
        if (file := self._page(machine, "archive")) and not (machine / "wiki/patterns" / file.name).exists():
            page = wl.parse_page(f"wiki/patterns/{file.name}", file.read_text()).without(wl.ARCHIVE_KEYS)
            wikis.put(machine, page.path, wl.render_page(page))
            file.unlink()

    def stage(self, machine: Path) -> None:
        slug = f"s-{self.random.randint(0, 3)}"
        if not any((machine / s / "patterns" / f"{slug}.md").exists() for s in wl.STATIONS):
            self._new_page(machine, slug, "staging")

    def promote(self, machine: Path) -> None:
        if (file := self._page(machine, "staging")) and not (machine / "wiki/patterns" / file.name).exists():
            page = wl.parse_page(f"wiki/patterns/{file.name}", file.read_text()).without(wl.STAGED_KEYS)
            wikis.put(machine, page.path, wl.render_page(page))
            file.unlink()

    def reject(self, machine: Path) -> None:
        """The proposal goes, the reason is remembered; its tokens may live on where another machine promoted it."""
        if file := self._page(machine, "staging"):
            self.ledger.alive -= set(re.findall(r"t\d+n\d+z", file.read_text()))
            self._remember(machine, f"{file.stem}@evidence", "rejected")
            file.unlink()

    def edit_proposal(self, machine: Path) -> None:
        if file := self._page(machine, "staging"):
            file.write_text(file.read_text() + f"- point {self.written()}\n")

    def mine(self, machine: Path) -> None:
        """The session has gone on; this machine has a part of it, reads what it has into what it knows, and summarises."""
        number = self.random.randrange(SESSIONS)
        self.said[number] += self.random.randint(0, 4)
        upto = self.random.randint(0, self.said[number])
        if not upto:
            return
        self.ledger.mined[number] = max(upto, self.ledger.mined.get(number, 0))
        messages = tuple(spoken(number, n) for n in range(upto))
        path = f"conversations/api/2026-04-12-session-{number}-{number:08x}.md"
        file = machine / path
        known = wl.parse_conversation(path, file.read_text()).read() if file.exists() else wl.Transcript()
        transcript = wl.merge_transcripts(known, wl.Transcript(messages))
        by = self.random.choice(["extractive", "claude/haiku"])
        bullet = wl.Bullet("fact", f"Said by {by} of {len(transcript.said)}.", (messages[-1].id,))
        meta = {"title": f"Session {number}", "session_id": f"{number:032x}", "agent": "claude-code", "wing": "api",
                "date": "2026-04-12", "started": "2026-04-12T09:00:00Z", "ended": f"2026-04-12T09:{len(transcript.said):02}:00Z",
                "messages": len(transcript.said), "status": "summarized", "summary_of": wl.transcript_digest(transcript),
                "summarized_by": by, "topics": ["retry-policy"], "halls": ["fact"], "related": []}
        wikis.put(machine, path, wl.render_conversation(
            meta, wl.render_summary("They talked.", [bullet]), wl.render_transcript(transcript)))

    def remember(self, machine: Path) -> None:
        token = self.token()
        self.ledger.state.add(token)
        self._remember(machine, f"conversations/w/c{self.random.randint(0, 4)}.md@{'ab'[self.random.randint(0, 1)] * 12}", token)

    def _remember(self, machine: Path, key: str, word: str) -> None:
        file = machine / ".distill-state.json"
        words = wl.parse_words(file.read_text()) if file.exists() else {}
        words.setdefault(key, set()).add(word)
        file.write_text(wl.render_words(words))

    def write_prose(self, machine: Path) -> None:
        file = machine / "wiki/index.md"
        file.write_text(f"{file.read_text().rstrip()}\n\nA word about {self.written()}.\n")

    # --- the end

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.act()
        with ThreadPoolExecutor(len(self.machines)) as pool:      # all at once: all but one lose the race
            list(pool.map(self.sync, self.machines))
        for _ in range(2):
            for machine in self.machines:
                self.sync(machine)

    def wrongs(self) -> list[str]:
        """What does not hold; empty when all is well."""
        trees = []
        for machine in self.machines:
            files = subprocess.run(["git", "ls-files", "-z"], cwd=machine, capture_output=True, text=True).stdout.split("\0")
            trees.append({f: (machine / f).read_text() for f in files if f and (machine / f).is_file()})
        wrong = [f"{m.name} is not clean: {dirt}" for m in self.machines
                 if (dirt := self.git("status", "--porcelain", cwd=m).strip())]
        first = trees[0]
        for tree, machine in zip(trees, self.machines, strict=True):
            wrong += [f"{machine.name} differs in {f}" for f in sorted({*tree, *first}) if tree.get(f) != first.get(f)]
        everything = "\n".join(first.values())
        wrong += [f"{t} is lost" for t in sorted(self.ledger.alive) if t not in everything]
        wrong += [f"a marker in {f}" for f, text in first.items() if re.search(r"^(<<<<<<<|>>>>>>>) ", text, re.M)]
        for path, text in first.items():
            if re.match(r"(wiki|archive|staging)/patterns/", path):
                wrong += [f"{path}: {what}" for what in page_wrongs(path, text, self.ledger)]
        return wrong + self._state_wrongs(first) + self._talk_wrongs(first) + self._index_wrongs(first)

    def _state_wrongs(self, tree: dict[str, str]) -> list[str]:
        try:
            words = set().union(*wl.parse_words(tree.get(".distill-state.json", '{"": []}')).values())
        except ValueError as error:
            return [f"the state does not parse: {error}"]
        return [f"the state lost {word}" for word in sorted(self.ledger.state - words)]

    def _talk_wrongs(self, tree: dict[str, str]) -> list[str]:
        wrong = []
        for number, upto in self.ledger.mined.items():
            path = f"conversations/api/2026-04-12-session-{number}-{number:08x}.md"
            talk = wl.parse_conversation(path, tree.get(path, ""))
            if [m.id for m in talk.read().said] != [spoken(number, n).id for n in range(upto)]:
                wrong.append(f"{path}: messages {[m.id[-2:] for m in talk.read().said]} instead of {upto}")
            if len(talk.bullets) != 1 or tree.get(path, "").count("## Summary") != 1:
                wrong.append(f"{path}: {len(talk.bullets)} bullets in its summary")
            if talk.meta.get("messages") != upto:
                wrong.append(f"{path}: says {talk.meta.get('messages')} messages")
        return wrong

    def _index_wrongs(self, tree: dict[str, str]) -> list[str]:
        pages = [wl.parse_page(f, t) for f, t in tree.items() if re.match(r"wiki/patterns/", f)]
        fresh = wl.render_page_index("wiki", pages, tree["wiki/index.md"])
        return [] if fresh == tree["wiki/index.md"] else ["wiki/index.md is not what the pages make it"]


def spoken(number: int, n: int) -> wl.Message:
    """The n-th message of a session: the same on every machine."""
    ident = wl.sha(f"{number}/{n}")[:8]
    return wl.Message(ident, "assistant" if n % 2 else "user", f"2026-04-12 09:{n:02}", f"Message {n} of session {number}.")


class _Strict(yaml.SafeLoader):
    """A key that stands twice is an error."""


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict:
    keys = [loader.construct_object(k) for k, _ in node.value]
    if len(set(keys)) != len(keys):
        raise yaml.YAMLError(f"keys twice: {keys}")
    return yaml.SafeLoader.construct_mapping(loader, node)


_Strict.add_constructor("tag:yaml.org,2002:map", _mapping)


def page_wrongs(path: str, text: str, ledger: Ledger) -> list[str]:
    parts = wl.split_frontmatter(text)
    if parts is None:
        return ["no frontmatter"]
    try:
        meta = yaml.load(parts[0], _Strict)
    except yaml.YAMLError as error:
        return [f"frontmatter: {wl.one_line(str(error))}"]
    wrong = []
    if len(re.findall(r"^# ", parts[1], re.M)) != 1:
        wrong.append("not one heading")
    if re.search(r"^(?:confidence|last_verified|title|sources): ", parts[1], re.M):
        wrong.append("frontmatter in the body")
    bullets = re.findall(r"^- .*$", parts[1], re.M)
    wrong += [f"{b} stands twice" for b in sorted({b for b in bullets if bullets.count(b) > 1})]
    slug = path.rsplit("/", 1)[-1].removesuffix(".md")
    if path.startswith("wiki/") and str(meta.get("last_verified")) < ledger.verified.get(slug, ""):
        wrong.append(f"last_verified went back to {meta.get('last_verified')}")
    if path.startswith("wiki/") and set(meta) & set(wl.ARCHIVE_KEYS):
        wrong.append("a live page that says it is archived")
    if len(meta.get("sources", [])) != len(set(meta.get("sources", []))):
        wrong.append("a source twice")
    return wrong
