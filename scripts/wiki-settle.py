#!/usr/bin/env python3
"""The meaning of a merge: recomputes what two machines both changed from its three versions, and mends what a plain merge
doubled. wiki-sync.sh calls it with --commit, --pull and --push; alone it puts right what lies in WIKI_DIR and commits it.

Nothing is asked and nothing is dropped: lists are joined, dates and versions take the later one, bodies are merged by
section and bullet, transcripts by message, state by union; an edit wins over a removal, a person over a program.
"""
from __future__ import annotations

import wiki_lib as wl

import hashlib
import os
import random
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wiki_blocks import disagreements
from wiki_heal import heal, settle
from wiki_merge import beside, kind_of, merge_stations, read, settle_twins, too_late

DATA = ("wiki", "conversations", "raw", "staging", "archive", "context", "reports")
REMOTE = "wiki"                      # what git calls the remote that --remote names
PROBE_SECONDS = 10                   # how long --remote waits to see whether the remote can be reached
FETCH_SECONDS = 60                   # how long a remote may take to answer before the machine counts as offline
LOCK_SECONDS = 3600                  # a lock file of git's older than this was left by a crash; git never works so long
PUSH_TRIES = 12                      # a push that lost the race is merged and tried again so often
PUSH_JITTER_SECONDS = 0.4            # spread of the wait before the first new try; it grows with every one
SETTLED = "refs/memex/settled"       # the last commit that was looked over for what plain merges leave

_TEMP = re.compile(r"(?:^|/)\.[^/]*\.(\d+)\.tmp$")
_OWN = re.compile(r"\.[\w-]+-state\.json$|wiki\.yaml$")
_PLACE = re.compile(r"(wiki|archive)/([^/]+/[^/]+\.md)$")

Tree = Mapping[str, str]             # path -> blob id


@dataclass(frozen=True)
class Blob:
    """A file as git keeps it, byte for byte: what cannot be merged as text."""
    ident: str
    mode: str = "100644"


Results = dict[str, "str | Blob | None"]      # path -> what it is to hold; None = nothing


def main() -> int | None:
    parser = wl.parser(__doc__)
    parser.add_argument("--commit", action="store_true", help="commit what changed in the data folders, whoever changed it")
    parser.add_argument("--pull", action="store_true", help="commit, then merge what the remote has")
    parser.add_argument("--push", action="store_true", help="commit, then push; a lost race is merged and tried again")
    parser.add_argument("--status", action="store_true", help="say how things stand; writes nothing, asks no network")
    parser.add_argument("--remote", metavar="URL", help="the remote of this wiki, from now on: a private one")
    parser.add_argument("--quiet", action="store_true", help="say nothing of a remote that is missing or away")
    args = parser.parse_args()
    wiki = wl.Wiki()
    if args.status:
        return status(wiki)
    with wl.run_lock():
        fresh = wiki.init()
        if not wiki.has_git:
            raise wl.WikiError(f"{wiki.root}: is not a git repository; make it one with: git -C {wiki.root} init -b main")
        if args.remote:
            name_remote(wiki, args.remote)
            if not (args.commit or args.pull or args.push):
                return probe(wiki)
        sync(wiki, args.pull, args.push, args.quiet, fresh)
    return None


def sync(wiki: wl.Wiki, pull: bool = True, push: bool = True, quiet: bool = False, fresh: bool = False) -> None:
    """Finish what was left half-done, commit what is here, and exchange it. `fresh`: the wiki was made in this run. That
    nothing is pushed is said where something was committed, and to a person who asked."""
    wiki.ready_to_commit(merging=True)
    branch = git_ok(wiki, "symbolic-ref", "-q", "--short", "HEAD")
    if not branch:
        raise wl.WikiError(f"{wiki.root}: no branch is checked out; go back to it with: git -C {wiki.root} checkout main")
    free_dead_locks(wiki)
    finish_merge(wiki, resumed=True)
    wiki.apply([wl.Write(path=name, text=(wl.CHECKOUT / name).read_text(), why="what stays on one machine, and how git merges")
                for name in ignore_files(wiki) if not (wiki.root / name).exists() and (wl.CHECKOUT / name).exists()])
    committed = commit(wiki) or fresh
    if pull or push:
        exchange(wiki, branch, pull, push, not committed and (quiet or not sys.stdout.isatty()))


# ---------------------------------------------------------------- what git knows

def git_ok(wiki: wl.Wiki, *args: str) -> str | None:
    """git's stdout without its last newline, None when it says no."""
    try:
        return wiki.git(*args).removesuffix("\n")
    except wl.ToolError as error:
        if error.rc is None:
            raise
        return None


def tree(wiki: wl.Wiki, commit: str) -> Tree:
    """{path: blob id} of a commit; links and submodules are none of ours."""
    found = {}
    for entry in wiki.git("ls-tree", "-r", "-z", commit).split("\0"):
        if entry and entry.startswith("100"):
            head, path = entry.split("\t", 1)
            found[path] = head.split()[2]
    return found


def blobs(wiki: wl.Wiki, ids: Iterable[str]) -> dict[str, str]:
    """{blob id: text} in one process. A nonce starts each header, so that no content can be taken for one."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    nonce = os.urandom(16).hex()
    out = wl.run_tool(["git", "-C", str(wiki.root), "cat-file", f"--batch={nonce} %(objectname)"], timeout=120,
                      input="".join(f"{i}\n" for i in wanted)).stdout
    parts = (part.split("\n", 1) for part in out.split(f"{nonce} ")[1:])
    return {ident: text.removesuffix("\n") for ident, text in parts}


def is_data(path: str) -> bool:
    """Whether a path is the suite's own: the data folders, the state files, wiki.yaml."""
    return (path.split("/", 1)[0] in DATA) if "/" in path else bool(_OWN.match(path))


def own_paths(wiki: wl.Wiki) -> list[str]:
    """Pathspecs of what is committed, and nothing else."""
    return [*DATA, ":(glob).*-state.json", "wiki.yaml", *ignore_files(wiki)]


def ignore_files(wiki: wl.Wiki) -> list[str]:
    """What tells git how to treat the data; only where the wiki is a repository of its own, for else they are the program's."""
    return [] if wiki.root.resolve() == wl.CHECKOUT else [".gitignore", ".gitattributes"]


def tops(paths: Iterable[str]) -> list[str]:
    """The folders and files at the root that hold these paths."""
    return sorted({p.split("/", 1)[0] for p in paths})


def changes(wiki: wl.Wiki) -> dict[str, str]:
    """{path: git's two letters} of the data that differ from the last commit."""
    out = wiki.git("status", "--porcelain", "-z", "-uall", "--no-renames", "--", *own_paths(wiki))
    return {entry[3:]: entry[:2] for entry in out.split("\0") if entry}


# ---------------------------------------------------------------- committing

def commit(wiki: wl.Wiki) -> bool:
    """Look over what changed, bring the indexes in step, commit it; True when there was something to commit."""
    changed = {p: how for p, how in changes(wiki).items() if not dead_temp(wiki, p)}
    head = git_ok(wiki, "rev-parse", "-q", "--verify", "HEAD")
    settled = git_ok(wiki, "rev-parse", "-q", "--verify", SETTLED)
    if not changed and head and head == settled:
        return False
    news = since(wiki, settled, head) if head != settled else set()
    look_over(wiki, news | set(changed))
    done = False
    if changed := changes(wiki):
        done = wiki.commit(tops(changed), diary(changed))
        if done:
            wl.say(diary(changed))
    wiki.git("update-ref", SETTLED, "HEAD")
    return done


def since(wiki: wl.Wiki, old: str | None, new: str | None) -> set[str]:
    """The paths that changed between two commits; all of `new` where the old one is not known."""
    if not new:
        return set()
    found = old and git_ok(wiki, "diff", "--name-only", "--no-renames", "-z", old, new)
    return {p for p in (found if found is not None else wiki.git("ls-files", "-z")).split("\0") if p}


def dead_temp(wiki: wl.Wiki, path: str) -> bool:
    """Whether this is the half-written file of a process that was killed; it is taken away."""
    match = _TEMP.search(path)
    if not match:
        return False
    try:
        os.kill(int(match[1]), 0)
    except ProcessLookupError:
        (wiki.root / path).unlink(missing_ok=True)
    except OSError:
        pass              # somebody else's process: it lives
    return True


def free_dead_locks(wiki: wl.Wiki) -> None:
    """Take away the lock files that a git which was killed has left, or nothing would ever be committed again."""
    folder = wiki.root / ".git"
    for lock in [*folder.glob("*.lock"), *(folder / "refs").rglob("*.lock")]:
        try:
            if time.time() - lock.stat().st_mtime > LOCK_SECONDS:
                lock.unlink()
                wl.say(f"removed .git/{lock.relative_to(folder)}, left by a git that was killed")
        except FileNotFoundError:
            continue          # its owner lives after all


KINDS = (  # what the diary calls a path, in the order in which it tells of them
    (r"conversations/.*/.*\.md$", "conversation", "conversations"),
    (r"wiki/.*/.*\.md$", "page", "pages"),
    (r"staging/.*/.*\.md$", "proposal", "proposals"),
    (r"archive/.*/.*\.md$", "archived page", "archived pages"),
    (r"raw/", "source", "sources"),
    (r"reports/", "report", "reports"),
)


def diary(changed: Iterable[str]) -> str:
    """The commit's subject: 'sync: 2 conversations, 1 page, 1 archived page'."""
    counts = dict.fromkeys((one for _, one, _ in KINDS), 0)
    for path in changed:
        for pattern, one, _ in KINDS:
            if re.match(pattern, path):
                counts[one] += 1
                break
    told = [f"{counts[one]} {one if counts[one] == 1 else many}" for _, one, many in KINDS if counts[one]]
    return "sync: " + (", ".join(told) or "what the programs remember")


def from_elsewhere(news: Iterable[str]) -> str:
    return diary(news).replace("sync:", "sync: from elsewhere:", 1)


# ---------------------------------------------------------------- looking over a tree

def look_over(wiki: wl.Wiki, paths: Iterable[str]) -> None:
    """Put right what plain merges left in these files, settle pages that stand in two places, and regenerate the indexes."""
    paths = sorted(p for p in paths if is_data(p))
    today = wl.today()
    edits: list[wl.Edit] = []
    for path in paths:
        text = wiki.text(path) if kind_of(path) in ("page", "prose", "conversation", "state") else None
        if text is not None and (healed := heal(path, text, today)) != text:
            edits.append(wl.Write(path=path, text=healed, why="mended after a plain merge"))
        if text is not None and kind_of(path) == "page" and (late := too_late(read(path, text).meta, today)):
            wl.say(f"{path}: {late} is after tomorrow; put it right, or merges pass it over")
    wiki.apply(edits)
    if talks := [p for p in paths if kind_of(p) == "conversation"]:
        from session_forks import fold_what_came
        wiki.apply(fold_what_came(wiki, talks))
    for name in sorted({m[2] for p in paths if (m := _PLACE.match(p))}):
        wiki.apply(twins(wiki, name))
    regenerate(wiki, {p.split("/", 1)[0] for p in paths})


def twins(wiki: wl.Wiki, name: str) -> list[wl.Edit]:
    """The edits that settle a page which stands both in wiki/ and in archive/."""
    here = {s: text for s in ("wiki", "archive") if (text := wiki.text(f"{s}/{name}")) is not None}
    if len(here) < 2:
        return []
    settled = settle_twins(name, here, wl.today())
    return ([wl.Write(path=f"{s}/{name}", text=t, why="stood in two places") for s, t in settled.items() if t != here[s]]
            + [wl.Remove(f"{s}/{name}", why="stood in two places") for s in here if s not in settled])


def regenerate(wiki: wl.Wiki, folders: set[str]) -> None:
    """The generated files, from the files in these folders that they are made of; never merged."""
    if folders & {"wiki", "archive"}:
        folders |= {"wiki", "archive"}
    wiki.apply([wiki.page_index(s) for s in wl.STATIONS if s in folders], quiet=True)
    script = wl.SCRIPTS / "update-conversation-index.py"
    if folders & {"conversations", "context", "wiki", "wiki.yaml"} and script.exists() and wiki.files("conversations"):
        done = wl.run_tool([sys.executable, str(script)], timeout=600, check=False,
                           env={**os.environ, "WIKI_DIR": str(wiki.root)})
        if done.rc:
            wl.warn("conversation index", f"{wl.one_line(done.stderr, 200)}; run {script.name} by hand")


# ---------------------------------------------------------------- merging

@dataclass(frozen=True)
class Sides:
    """The trees of a merge, and what their blobs say."""
    base: Tree
    ours: Tree
    theirs: Tree
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def both_changed(self) -> list[str]:
        paths = {**self.ours, **self.theirs, **self.base}
        return sorted(p for p in paths if len({t.get(p) for t in (self.base, self.ours, self.theirs)}) > 1
                      and self.base.get(p) != self.ours.get(p) != self.theirs.get(p) != self.base.get(p))

    @property
    def both_touched(self) -> list[str]:
        """Names of pages (folder/slug.md) whose whereabouts or words both sides changed."""
        names = {m[2] for p in {**self.ours, **self.theirs} if (m := _PLACE.match(p))}
        return sorted(n for n in names if self._where(self.base, n) != self._where(self.ours, n)
                      != self._where(self.theirs, n) != self._where(self.base, n))

    @staticmethod
    def _where(side: Tree, name: str) -> tuple[str | None, ...]:
        return tuple(side.get(f"{s}/{name}") for s in ("wiki", "archive"))

    def text(self, side: Tree, path: str) -> str | None:
        return self.texts.get(side.get(path, ""))

    def stations(self, side: Tree, name: str, staged: bool = False) -> dict[str, str]:
        """{station: text} of a page; of the base, its proposal counts where there was no page yet."""
        found = {s: t for s in ("wiki", "archive") if (t := self.text(side, f"{s}/{name}")) is not None}
        proposal = self.text(side, f"staging/{name}")
        return {"staging": proposal} if staged and not found and proposal is not None else found


def merge(wiki: wl.Wiki, other: str) -> bool:
    """Bring `other` into this branch; False when all of it was here. One merge commit, or a step forward."""
    if git_ok(wiki, "merge-base", "--is-ancestor", other, "HEAD") is not None:
        return False
    old = wiki.git("rev-parse", "HEAD").strip()
    if git_ok(wiki, "merge-base", "--is-ancestor", "HEAD", other) is not None:
        news = since(wiki, old, other)
        wiki.git("merge", "-q", "--ff-only", other)
        wl.say(from_elsewhere(news))
        look_over(wiki, news)
        if changed := changes(wiki):
            wiki.commit(tops(changed), f"sync: settled {len(changed)} files")
        wiki.git("update-ref", SETTLED, "HEAD")
        return True
    try:
        # Moves are followed by merge_stations, which knows what a page is; git would guess. (-X no-renames would still
        # move a new page along with a folder that seems renamed.)
        wiki.git("-c", "merge.renames=false", "-c", "merge.directoryRenames=false", "merge", "-q", "--no-commit", "--no-ff",
                 "--allow-unrelated-histories", other)
    except wl.ToolError:
        if not merge_heads(wiki):
            raise
    finish_merge(wiki)
    return True


def merge_heads(wiki: wl.Wiki) -> list[str]:
    """The commits that a merge under way brings in; none when there is no such merge."""
    place = wiki.root / wiki.git("rev-parse", "--git-path", "MERGE_HEAD").strip()
    return place.read_text().split() if place.exists() else []


def finish_merge(wiki: wl.Wiki, resumed: bool = False) -> None:
    """Recompute all that both sides changed and commit the merge; nothing to do where none is under way. `resumed`: it was
    found half-done, and what a person has written into it since is kept."""
    heads = merge_heads(wiki)
    if not heads:
        return
    if len(heads) > 1:
        raise wl.WikiError(f"{wiki.root}: a merge of {len(heads) + 1} branches is under way; finish it by hand with git commit")
    sides = read_sides(wiki, heads[0])
    results = recompute(sides)
    results |= misplaced(wiki, sides, results)
    if resumed:
        results = {p: with_later_words(wiki, sides, p, t) for p, t in results.items()}
    results |= undecided(wiki, results)
    results = clear_of_folders(results, {**sides.ours, **sides.theirs})
    if stuck := sorted(set(unmerged(wiki)) - set(results)):
        if not resumed:
            wiki.git("merge", "--abort")
        raise wl.WikiError(f"{stuck[0]}: both sides changed it and it is not the wiki's own; "
                           f"merge it by hand with: git merge {heads[0][:10]}")
    write(wiki, results)
    look_over(wiki, {p for p in {**sides.ours, **sides.theirs} if sides.ours.get(p) != sides.theirs.get(p)} | set(results))
    wiki.git("add", "-A", "--", *tops([*changes(wiki), *results]))
    news = [p for p, i in sides.theirs.items() if i not in (sides.base.get(p), sides.ours.get(p))]
    subject = from_elsewhere(news or sides.theirs)
    wiki.git("commit", "-q", "--no-verify", "-m", subject, *(["-m", settled_note(results)] if results else []))
    wiki.git("update-ref", SETTLED, "HEAD")
    wl.say(subject)
    for line in told(sides, results):
        wl.say(line)


def told(sides: Sides, results: Results) -> list[str]:
    """What a person should know of a merge: verdicts that differed, and files of which both versions were kept."""
    lines = []
    for path in sides.base:
        live = "wiki/" + path.removeprefix("staging/")
        there = [side for side in (sides.ours, sides.theirs) if live in side]
        if (path.startswith("staging/") and len(there) == 1 and live not in sides.base
                and not any(path in side for side in (sides.ours, sides.theirs))):
            lines.append(f"{live}: accepted on one machine, rejected on another; the yes stands")
    for path, kept in results.items():
        if kept is not None and not any(path in side for side in (sides.base, sides.ours, sides.theirs)):
            lines.append(f"{path}: both machines had a version of this file; both are kept, remove the one that is not wanted")
        versions = [sides.text(side, path) for side in (sides.base, sides.ours, sides.theirs)]
        if isinstance(kept, str) and None not in versions and kind_of(path) in ("page", "prose"):
            for line in disagreements(*(read(path, str(text)).body for text in versions)):
                lines.append(f"{path}: two machines worded {wl.one_line(line, 80)!r} anew, each its way; both stand, choose one")
    return lines


def write(wiki: wl.Wiki, results: Results) -> None:
    """Put the recomputed files on disk; WikiError where that failed, and the merge stays open for the next sync to finish."""
    for path in filter(os.path.islink, (os.path.join(wiki.root, p) for p in results)):
        os.unlink(path)       # one side made a link of it: the file stands
    texts = {p: t for p, t in results.items() if not isinstance(t, Blob)}
    wiki.apply([wl.Write(path=p, text=t) if t is not None else wl.Remove(p) for p, t in texts.items()], quiet=True)
    for path, text in texts.items():
        place = wiki.root / path
        if (place.read_bytes() if os.path.lexists(place) else None) != (None if text is None else text.encode("utf-8", "replace")):
            raise wl.WikiError(f"{path}: could not be written; the merge is finished by the next sync")
    for path, blob in results.items():
        if isinstance(blob, Blob):
            wiki.git("update-index", "--add", "--cacheinfo", f"{blob.mode},{blob.ident},{path}")
            wiki.git("checkout-index", "-f", "--", path)


def settled_note(results: Iterable[str]) -> str:
    listed = sorted(results)
    more = [f"and {len(listed) - 20} more"] if len(listed) > 20 else []
    return "\n".join(["Both sides had changed:", *(f"- {p}" for p in listed[:20]), *more])


def unmerged(wiki: wl.Wiki) -> dict[str, dict[str, Blob]]:
    """{path: {'2' (ours) or '3' (theirs): blob}} of what git left to a person."""
    found: dict[str, dict[str, Blob]] = {}
    for entry in filter(None, wiki.git("ls-files", "-u", "-z").split("\0")):
        head, path = entry.split("\t", 1)
        mode, ident, stage = head.split()
        found.setdefault(path, {})[stage] = Blob(ident, mode)
    return {path: {s: b for s, b in stages.items() if s != "1"} for path, stages in found.items()}


def undecided(wiki: wl.Wiki, results: Results) -> Results:
    """What git left open and no trees tell of (links, a file where the other side has a folder): an edit wins over a removal,
    and of two versions both stay. A repository inside the wiki is a person's business."""
    out: Results = {}
    for path, stages in unmerged(wiki).items():
        if wanted_path(path) and path not in results and not any(b.mode == "160000" for b in stages.values()):
            out |= both_kept(path, *sorted(set(stages.values()), key=lambda b: (b.ident, b.mode)))
    return out


def both_kept(path: str, *versions: Blob) -> Results:
    """The first version under its name, the second beside it."""
    first = versions[0] if versions else None
    return {path: first, **{beside(path, blob.ident, blob.ident): blob for blob in versions[1:]}}


def clear_of_folders(results: Results, paths: Iterable[str]) -> Results:
    """No file is put where a folder with files has to stand: it goes beside."""
    living = {p for p in paths if results.get(p, "") is not None} | {p for p, t in results.items() if t is not None}
    folders = {p[:at] for p in living for at in range(len(p)) if p[at] == "/"}
    return {beside(p, b) if p in folders and isinstance(b := t if isinstance(t, str) else t and t.ident, str) else p: t
            for p, t in results.items() if t is not None or p not in folders}


def read_sides(wiki: wl.Wiki, other: str) -> Sides:
    """The three trees, with the texts of all that both sides changed."""
    bases = (git_ok(wiki, "merge-base", "--all", "HEAD", other) or "").split()
    ours, theirs = tree(wiki, "HEAD"), tree(wiki, other)
    base, joined = common_base(wiki, [tree(wiki, b) for b in sorted(bases)])
    sides = Sides(base, ours, theirs)
    wanted = {p for p in sides.both_changed if wanted_path(p)}
    wanted |= {f"{s}/{n}" for n in sides.both_touched for s in (*wl.STATIONS,)}
    ids = {side[p] for side in (base, ours, theirs) for p in wanted if p in side}
    return Sides(base, ours, theirs, {**blobs(wiki, ids - set(joined)), **joined})


def common_base(wiki: wl.Wiki, bases: list[Tree]) -> tuple[Tree, dict[str, str]]:
    """One base of several: a file they differ on is their merge, under a name of its own."""
    if len(bases) < 2:
        return (bases or [{}])[0], {}
    base = {p: i for b in bases for p, i in b.items()}
    joined: dict[str, str] = {}
    for path in base:
        ids = sorted({b[path] for b in bases if path in b})
        if len(ids) > 1 and wanted_path(path):
            texts = blobs(wiki, ids)
            text: str | None = None
            for ident in ids:
                text = texts[ident] if text is None else settle(path, None, text, texts[ident], wl.today())[path]
            base[path] = "+".join(ids)
            joined[base[path]] = str(text)
    return base, joined


def wanted_path(path: str) -> bool:
    """Whether a file is recomputed rather than left to git: the data, and the files that say how git treats them."""
    return is_data(path) or path in (".gitignore", ".gitattributes")


def recompute(sides: Sides) -> Results:
    """{path: what it is to hold} for all that both sides changed, from the three versions alone."""
    today = wl.today()
    results: Results = {}
    raw = {name: bytewise(sides, [f"{s}/{name}" for s in ("wiki", "archive")]) for name in sides.both_touched}
    for path in sides.both_changed:
        if not wanted_path(path) or _PLACE.match(path):
            continue
        versions = [sides.text(side, path) for side in (sides.base, sides.ours, sides.theirs)]
        results |= bytewise(sides, [path]) or settle(path, *versions, today)
    for name in sides.both_touched:
        if raw[name]:
            results |= raw[name]
            continue
        three = [{s: heal(f"{s}/{name}", t, today) for s, t in sides.stations(side, name, side is sides.base).items()}
                 for side in (sides.base, sides.ours, sides.theirs)]
        results |= merge_stations(name, *three, today)
    return results


def bytewise(sides: Sides, paths: Iterable[str]) -> Results:
    """Files of which a version is not text, by whole files: the one that changed, and both where both did. Nothing where all
    are text."""
    three = (sides.base, sides.ours, sides.theirs)
    if all(is_text(sides.texts, side[p]) for p in paths for side in three if p in side):
        return {}
    out: Results = {}
    for path in paths:
        was, one, two = (side.get(path) for side in three)
        new = {i for i in (one, two) if i and i != was} or {i for i in (one, two) if i and one == two}
        out |= both_kept(path, *map(Blob, sorted(new)))
    return out


def is_text(texts: Mapping[str, str], ident: str) -> bool:
    """Whether a blob was read as it is: written back, these words would give the same bytes."""
    text = texts[ident]
    if "\0" in text:
        return False
    if "\ufffd" not in text or "+" in ident:      # a base joined from several is our own text
        return True
    data = text.encode("utf-8", "replace")
    kind = hashlib.sha1 if len(ident) == 40 else hashlib.sha256
    return kind(b"blob %d\0" % len(data) + data).hexdigest() == ident


def misplaced(wiki: wl.Wiki, sides: Sides, results: Results) -> Results:
    """What git's merge did to files that one side alone changed: it follows moves by guessing, whatever it is told, and puts
    new files into folders that seem renamed."""
    index = {}
    for entry in wiki.git("ls-files", "-s", "-z").split("\0"):
        if entry:
            head, path = entry.split("\t", 1)
            mode, ident, stage = head.split()
            index[path] = ident if stage == "0" else "unmerged" if mode.startswith("100") else "no file"
    known = {*sides.ours.values(), *sides.theirs.values(), "unmerged"}
    wrong: dict[str, str | None] = {
        p: None for p, i in index.items() if i in known and p not in sides.ours and p not in sides.theirs and p not in sides.base}
    for path in {**sides.base, **sides.ours, **sides.theirs}:
        base, ours, theirs = (side.get(path) for side in (sides.base, sides.ours, sides.theirs))
        expected = ours if theirs in (base, ours) else theirs if ours == base else index.get(path)
        if index.get(path) != expected:
            wrong[path] = expected
    wrong = {p: i for p, i in wrong.items() if is_data(p) and p not in results}
    needed = {i for side in (sides.base, sides.ours, sides.theirs) for p in wrong if (i := side.get(p))}
    sides.texts.update(blobs(wiki, needed - set(sides.texts)))
    return {p: i and (sides.texts[i] if is_text(sides.texts, i) else Blob(i)) for p, i in wrong.items()}


def with_later_words(wiki: wl.Wiki, sides: Sides, path: str, text: str | Blob | None) -> str | Blob | None:
    """The recomputed file, with the lines that somebody wrote into the half-merged one on disk."""
    now = wiki.text(path)
    if now is None or isinstance(text, Blob):
        return text
    known = {line for side in (sides.base, sides.ours, sides.theirs) for line in (sides.text(side, path) or "").split("\n")}
    new = [x for x in now.split("\n") if x not in known and not re.match(r"<<<<<<< |=======$|>>>>>>> |\|{7} ", x)]
    if not new or (text is None and kind_of(path) == "generated"):
        return text
    return heal(path, now, wl.today()) if text is None else settle(path, None, text, now, wl.today())[path]


# ---------------------------------------------------------------- the remote

def name_remote(wiki: wl.Wiki, url: str) -> None:
    """Remember the remote of this wiki. A git remote of its own: `origin` stays where the program or the clone came from."""
    name = git_ok(wiki, "config", "--get", "memex.remote") or REMOTE
    if git_ok(wiki, "remote", "get-url", name) == url:
        wiki.git("config", "memex.remote", name)
        return
    taken = git_ok(wiki, "remote", "get-url", name) is not None
    wiki.git("remote", "set-url" if taken else "add", name, url)
    wiki.git("config", "memex.remote", name)
    wl.say(f"remote: {shown(url)}")


def probe(wiki: wl.Wiki) -> None:
    """Say whether the remote answers, and what the next sync will send there: once sent, a transcript cannot be called back."""
    remote = wiki.git("config", "--get", "memex.remote").strip()
    url = shown(wiki.git("remote", "get-url", remote).strip())
    try:
        heads = wiki.git("ls-remote", "--heads", remote, timeout=PROBE_SECONDS)
    except wl.ToolError as error:
        wl.say(f"{url} does not answer now: {reason(error)}; it is remembered, and the next sync tries again")
        return
    there: set[str] = set()
    for ident in {line.split()[0] for line in heads.splitlines()}:
        there |= set(tree(wiki, ident)) if git_ok(wiki, "cat-file", "-e", f"{ident}^{{commit}}") is not None else set()
    if count := len(set(wiki.files("conversations")) - there):
        wl.say(f"{plural(count, 'transcript')} {'goes' if count == 1 else 'go'} to {url} at the next sync; read some first")


def plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def shown(url: str) -> str:
    """A URL without the password in it."""
    return re.sub(r"://[^/@]*@", "://", url)


def exchange(wiki: wl.Wiki, branch: str, pull: bool, push: bool, quiet: bool) -> None:
    """Pull, push, and again as long as somebody else was quicker. Without a remote or a network: said, and no failure."""
    remote = git_ok(wiki, "config", "--get", "memex.remote")
    if not remote:
        return away(quiet, "no remote is named for this wiki; name one with wiki-sync.sh --remote URL")
    for attempt in range(PUSH_TRIES):
        if pull or attempt:
            try:
                wiki.git("fetch", "-q", "--no-tags", remote, timeout=FETCH_SECONDS)
            except wl.ToolError as error:
                return away(quiet, reason(error))
            theirs = f"refs/remotes/{remote}/{branch}"
            if git_ok(wiki, "rev-parse", "-q", "--verify", theirs):
                merge(wiki, theirs)
        if not push or pushed(wiki, remote, branch, quiet):
            return None
        time.sleep(random.uniform(0.05, PUSH_JITTER_SECONDS) * (attempt + 1))
    wl.warn(remote, f"others pushed first {PUSH_TRIES} times in a row; committed here, the next sync pushes it")


def pushed(wiki: wl.Wiki, remote: str, branch: str, quiet: bool) -> bool:
    """Push; False when the race was lost."""
    head, theirs = (git_ok(wiki, "rev-parse", "-q", "--verify", r) for r in ("HEAD", f"refs/remotes/{remote}/{branch}"))
    if head == theirs:
        return True
    upstream = [] if git_ok(wiki, "config", "--get", f"branch.{branch}.remote") else ["-u"]
    try:
        wiki.git("push", "-q", *upstream, remote, f"HEAD:refs/heads/{branch}", timeout=FETCH_SECONDS * 5)
    except wl.ToolError as error:
        if re.search(r"\[rejected\]|fetch first|non-fast-forward|cannot lock ref|failed to update ref|incorrect old value",
                     error.stderr):
            return False
        if "[remote rejected]" in error.stderr:
            raise wl.WikiError(f"{remote}: {reason(error)}; committed here, not pushed") from error
        away(quiet, reason(error))
        return True
    count = wiki.git("rev-list", "--count", "HEAD", *([f"^{theirs}"] if theirs else [])).strip()
    wl.say(f"pushed {plural(int(count), 'commit')} to {shown(wiki.git('remote', 'get-url', remote).strip())}")
    return True


def away(quiet: bool, why: str) -> None:
    if not quiet:
        wl.say(f"committed here, not pushed: {why}")


def reason(error: wl.ToolError) -> str:
    """The telling line of what git said, without what a URL may carry."""
    lines = [x.strip() for x in error.stderr.splitlines() if x.strip()] or [str(error)]
    telling = [x for x in lines if x.startswith(("fatal:", "error:", "ssh:", "! ["))] or lines
    return shown(wl.one_line(telling[0].removeprefix("fatal: "), 200))


# ---------------------------------------------------------------- status

def status(wiki: wl.Wiki) -> int | None:
    """How things stand, by what is known here."""
    if not wiki.has_git:
        wl.say(f"{wiki.root}: no wiki here yet" if not wiki.root.exists() else f"{wiki.root}: not a git repository")
        return None
    remote = git_ok(wiki, "config", "--get", "memex.remote")
    branch = git_ok(wiki, "symbolic-ref", "-q", "--short", "HEAD") or "(detached)"
    url = remote and git_ok(wiki, "remote", "get-url", remote)
    wl.say(f"wiki: {wiki.root} on {branch}")
    wl.say(f"remote: {shown(url)}" if url else "remote: none named for this wiki (wiki-sync.sh --remote URL); nothing is pushed")
    changed = changes(wiki)
    wl.say(f"to commit: {diary(changed).removeprefix('sync: ')}" if changed else "to commit: nothing")
    if merge_heads(wiki):
        wl.say("a merge is half-done; the next sync finishes it")
    counts = remote and git_ok(wiki, "rev-list", "--left-right", "--count", f"HEAD...refs/remotes/{remote}/{branch}")
    if counts:
        ahead, behind = counts.split()
        wl.say(f"since the last exchange: {ahead} commits to push, {behind} to merge")
    return None


if __name__ == "__main__":
    wl.run(main)
