"""The doors to the disk: atomic writes, locks, Wiki, state, configuration.

Nothing else in the suite writes a page or keeps a lock.
"""
from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from wiki_conversation import Conversation, parse_conversation
from wiki_repo import refuse_unfinished, teach
from wiki_settings import check_general, check_seam
from wiki_text import (
    STATIONS,
    TYPE_FOLDERS,
    Busy,
    PageError,
    ToolError,
    WikiError,
    WikiPage,
    as_list,
    load_yaml,
    parse_page,
    parse_words,
    render_page,
    render_page_index,
    render_words,
    sha,
)
from wiki_tools import git_env, run_tool

SCRIPTS = Path(__file__).resolve().parent
CHECKOUT = SCRIPTS.parent
WIKI_DIR = Path(os.environ.get("WIKI_DIR") or CHECKOUT).absolute()
STAGING_DIR, ARCHIVE_DIR = WIKI_DIR / "staging", WIKI_DIR / "archive"
LOCK_WAIT_SECONDS = 10                   # how long a write waits for another writer before it gives up
SYNC_EACH = 32                           # files synced one by one; more of them by one sync of the whole machine
DRY_RUN = False                          # set by the script layer from --dry-run; apply and commit then only print

PROGRAM = Path(sys.argv[0]).name or "memex"


# ---------------------------------------------------------------- 10a saying things (used by the doors below)

problems: list[str] = []                 # every warn() of this run; a run with problems exits 1


def say(line: str) -> None:
    """One line a change, on stdout and in the run log."""
    print(line, flush=True)
    log(line)


def log(line: str) -> None:
    """Append to the run log that wiki-maintain.sh named; nothing where there is none."""
    if path := os.environ.get("MEMEX_LOG"):
        # A full disk under the log must not keep the run from what it still can do; the line itself was printed.
        with contextlib.suppress(OSError), open(path, "a", encoding="utf-8", errors="replace") as out:
            out.write(f"{line}\n")


def note(line: str) -> None:
    """Progress for a person: stderr, only on a terminal."""
    if sys.stderr.isatty():
        print(line, file=sys.stderr, flush=True)


def warn(subject: str, what: str) -> None:
    """'script: subject: what happened; what to do' on stderr; the run goes on and ends with exit 1."""
    from wiki_redact import redact  # late: nearly no run has a problem
    line = redact(f"{PROGRAM}: {subject}: {what}")[0]      # what failed may be named after a secret
    if line in problems:      # the same file read twice is one problem
        return
    problems.append(line)
    print(line, file=sys.stderr, flush=True)
    log(line)


def now() -> str:
    """This moment in UTC, '2026-04-12T09:13:05Z'; under WIKI_TODAY noon of that day."""
    if day := os.environ.get("WIKI_TODAY"):
        return f"{day}T12:00:00Z"
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def today() -> date:
    """The day it is: WIKI_TODAY, else the clock in wiki.yaml's timezone (UTC when none is set)."""
    if day := os.environ.get("WIKI_TODAY"):
        try:
            return date.fromisoformat(day)
        except ValueError as error:
            raise WikiError(f"WIKI_TODAY: {day!r} is not a day; write it as 2026-04-12") from error
    return datetime.now(timezone()).date()


@functools.cache
def timezone() -> Any:
    name = str(config().get("timezone") or "UTC")
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise WikiError(f"wiki.yaml: timezone: {name!r} is not known here; use a name such as Europe/Vienna") from error


# ---------------------------------------------------------------- 6 disk

def cache_dir() -> Path:
    """$XDG_CACHE_HOME/memex, else ~/.cache/memex, else a private folder under the temporary one; made when absent."""
    base = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("HOME") and os.path.join(os.environ["HOME"], ".cache"))
    for folder in filter(None, (base and Path(base) / "memex", Path(os.environ.get("TMPDIR") or "/tmp") / f"memex-{os.getuid()}")):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue      # a HOME that is absent or read-only: the next place serves
        if os.access(folder, os.W_OK):
            return folder
    raise WikiError("cache: no folder can be written; set XDG_CACHE_HOME to one that can")


def wiki_key(root: Path | None = None) -> str:
    """12 hex digits that stand for this wiki in the cache."""
    return sha(os.path.realpath(root or WIKI_DIR))[:12]


def atomic_write(path: Path, text: str | Iterable[bytes], durable: bool = False) -> None:
    """Write UTF-8 text, or bytes that come in blocks, so that a reader sees the old file or the new one, never a part. `durable`
    also syncs it to the disk: for what cannot be derived again."""
    folder, name = os.path.split(path)
    temp = os.path.join(folder, f".{name[:80]}.{os.getpid()}.tmp")
    blocks = [text.encode("utf-8", "replace")] if isinstance(text, str) else text
    try:
        try:
            out = open(temp, "wb", buffering=0)
        except FileNotFoundError:       # asked only when it is missing: nearly always the folder is there
            os.makedirs(folder or ".", exist_ok=True)
            out = open(temp, "wb", buffering=0)
        with out:
            for data in blocks:
                written = out.write(data)
                while written < len(data):
                    written += out.write(data[written:])
            if durable:      # before it takes the old one's place: after a power cut there is the one or the other
                os.fsync(out.fileno())
        os.replace(temp, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temp)
        raise


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file's bytes, read a block at a time; '' where there is none."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def holds(path: Path | str, blocks: Iterable[bytes]) -> bool:
    """Does a file hold these bytes and no others?"""
    try:
        with open(path, "rb") as file:
            return all(file.read(len(block)) == block for block in blocks) and not file.read(1)
    except FileNotFoundError:
        return False


def reach_the_disk(paths: Iterable[Path | str]) -> None:
    """Return when these files, and the folders that name them, would survive a power cut: to be called before anything is
    written that relies on them. Each is synced by itself, many by one sync of all that waits."""
    files = [os.fspath(p) for p in paths]
    folders = {os.path.dirname(p) for p in files}
    folders |= {os.path.dirname(f) for f in folders}      # the folders themselves may be new
    if len(files) > SYNC_EACH and sys.platform == "linux":
        os.sync()
        return
    for path in (*files, *sorted(folders)):
        with contextlib.suppress(FileNotFoundError):      # moved away meanwhile by a person: not ours to keep
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


@contextlib.contextmanager
def locked(name: str, wait: float = LOCK_WAIT_SECONDS, root: Path | None = None) -> Iterator[None]:
    """Hold the lock `name` of this wiki (a flock in the cache: freed by death). Busy after `wait` seconds."""
    folder = cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{wiki_key(root)}.{name}", "a") as handle:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise Busy(f"{root or WIKI_DIR}: another run holds the {name} lock; try again when it is done") from error
                time.sleep(0.05)
        yield


@contextlib.contextmanager
def run_lock() -> Iterator[None]:
    """The batch lock of the outermost process; a child of a run that holds it passes through."""
    if os.environ.get("MEMEX_RUN") == wiki_key():
        yield
        return
    with locked("run", wait=0):
        sweep(WIKI_DIR)
        os.environ["MEMEX_RUN"] = wiki_key()
        try:
            yield
        finally:
            del os.environ["MEMEX_RUN"]


_FOR_ALL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE)      # not of one file: of the disk, the process
_TEMP = re.compile(r"\..+?(?:\.(\d+))?\.tmp$")


def sweep(root: Path) -> None:
    """Take away the temporary files that killed programs left in a wiki and in the cache: those of processes that are gone, and
    after an hour all (a hook's carry no number, and a number may be another process's by now). Called by who holds the run lock."""
    stack = [os.path.join(root, name) for name in (*STATIONS, "conversations", "context", "reports", "raw")]
    left: list[os.DirEntry[str]] = []
    for top in (root, cache_dir()):
        with contextlib.suppress(OSError), os.scandir(top) as entries:
            left += [e for e in entries if e.name.endswith(".tmp")]
    while stack:
        with contextlib.suppress(OSError), os.scandir(stack.pop()) as entries:
            # Ten thousand pages are asked nothing but their names.
            others = [e for e in entries if not e.name.endswith(".md")]
            left += [e for e in others if e.name.endswith(".tmp")]
            stack += [e.path for e in others if e.is_dir(follow_symlinks=False)]
    for entry in left:
        with contextlib.suppress(OSError):      # gone meanwhile, or a disk that cannot be written: the next run
            match = _TEMP.fullmatch(entry.name)
            if match and (not _alive(match[1]) or time.time() - entry.stat().st_mtime > 3600):
                os.unlink(entry.path)


def _alive(pid: str | None) -> bool:
    """May what has this number still write? Without one nobody knows."""
    try:
        os.kill(int(pid or "no number"), 0)
        with open(f"/proc/{pid}/stat", "rb") as file:      # one that was killed keeps its number until its parent has asked
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except (ProcessLookupError, OverflowError):
        return False
    except FileNotFoundError:
        return not os.path.exists("/proc/self/stat")      # gone between the two questions; or a system without /proc
    except (OSError, ValueError, IndexError):
        return True       # somebody else's process


@dataclass(frozen=True)
class Write:
    """Put `page` (a WikiPage, or ready text at `path`) on disk. `expect`: sha of the file this was decided on, '' = must be new,
    None = whatever is there. `blocks`: gives the file's bytes piece by piece, for what is too large to be held as text."""
    page: WikiPage | None = None
    why: str = ""
    path: str = ""
    text: str = ""
    expect: str | None = None
    blocks: Callable[[], Iterable[bytes]] | None = None

    @property
    def target(self) -> str:
        return self.page.path if self.page else self.path

    @property
    def content(self) -> str:
        return render_page(self.page) if self.page else self.text


@dataclass(frozen=True)
class Move:
    """Take the file at `source` away and put `page` where it says, as one step."""
    source: str
    page: WikiPage
    why: str = ""
    expect: str | None = None            # sha of the source file this was decided on; None = page.read_hash when known


@dataclass(frozen=True)
class Remove:
    path: str
    why: str = ""
    expect: str | None = None


Edit = Write | Move | Remove


@dataclass(frozen=True)
class Finding:
    """What a check saw. With a fix it is certain and repaired, without one it goes to a human."""
    path: str
    rule: str
    message: str
    fix: Edit | None = None


@dataclass
class Wiki:
    """One wiki on disk. Reads are lazy; apply() is the only way anything in it changes."""
    root: Path = field(default_factory=lambda: WIKI_DIR)

    def __post_init__(self) -> None:
        self.root = Path(self.root)
        if self.root.exists() and not self.root.is_dir():
            raise WikiError(f"{self.root}: is a file, not a folder; set WIKI_DIR to the wiki's folder")

    # --- reading

    def resolve(self, path: str) -> Path:
        """The absolute place of a wiki-relative path; WikiError when it would leave the wiki (.., absolute, links, odd names)."""
        bad = not path or path.startswith("/") or "\0" in path or any(p in ("", ".", "..") for p in path.split("/"))
        full = os.path.join(self.root, path)
        real = os.path.realpath(os.path.dirname(full))
        if bad or os.path.commonpath((real, self._real_root)) != self._real_root or os.path.islink(full):
            raise WikiError(f"{path}: outside {self.root} or a link; refusing to touch it")
        return Path(full)

    @functools.cached_property
    def _real_root(self) -> str:
        return os.path.realpath(self.root)

    def text(self, path: str) -> str | None:
        """A file's text (undecodable bytes as U+FFFD), None when it is not there."""
        try:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def files(self, folder: str, depth: int = 2) -> list[str]:
        """Wiki-relative paths of the .md files exactly `depth` levels below `folder`, sorted; indexes, hidden files and links
        left out: what a link names lies elsewhere and is not this wiki's."""
        found, folders = [], [folder]
        for level in range(depth):
            names = [e for f in folders for e in self._entries(f)]
            if level < depth - 1:
                folders = [path for path, entry in names if entry.is_dir(follow_symlinks=False)]
            else:
                found = [path for path, entry in names if entry.name.endswith(".md") and entry.name != "index.md"
                         and entry.is_file(follow_symlinks=False)]
        return sorted(found)

    def _entries(self, folder: str) -> list[tuple[str, os.DirEntry[str]]]:
        """(wiki-relative path, entry) of what lies in a folder; hidden files left out. A folder that is there and cannot be
        read is not empty: indexes made without it would forget what it holds, so that is a WikiError."""
        try:
            with os.scandir(os.path.join(self.root, folder)) as listed:
                return [(f"{folder}/{e.name}", e) for e in listed if not e.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise WikiError(f"{folder}: {error.strerror}; make it readable, or take it away") from error

    def page(self, path: str) -> WikiPage:
        text = self.text(path)
        if text is None:
            raise PageError(f"{path}: not there")
        return replace(parse_page(path, text), read_hash=sha(text))

    def pages(self, station: str = "wiki") -> list[WikiPage]:
        """All pages of a station (wiki, staging, archive); one that does not parse is warned about and left out."""
        return [p for path in self.files(station) if (p := self._try(self.page, path))]

    def conversation(self, path: str) -> Conversation:
        text = self.text(path)
        if text is None:
            raise PageError(f"{path}: not there")
        return replace(parse_conversation(path, text), read_hash=sha(text))

    def conversations(self, full: bool = False) -> list[Conversation]:
        """All conversations, by path. Only the heads are read unless `full`; continuation files (.2.md) are left out."""
        read = self.conversation if full else self._head
        return [c for path in self.files("conversations")
                if not re.search(r"\.\d+\.md$", path) and (c := self._try(read, path))]

    def _head(self, path: str) -> Conversation:
        with open(self.root / path, "rb") as file:
            data = b""
            while (block := file.read(16384)):
                data += block
                if b"\n## Transcript\n" in data:
                    break
        text = data.decode("utf-8", "replace")
        cut = text.find("\n## Transcript\n")
        return parse_conversation(path, text[: cut + 1] if cut >= 0 else text)

    def _try(self, read: Callable[[str], Any], path: str) -> Any:
        try:
            return read(path)
        except PageError as error:
            warn(*str(error).split(": ", 1)) if ": " in str(error) else warn(path, str(error))
        except OSError as error:
            warn(path, f"{error.strerror}; left out of this run")
        return None

    # --- writing: the one door

    def apply(self, edits: Iterable[Edit], quiet: bool = False) -> list[Edit]:
        """Carry out edits, one printed line each; returns those carried out. An edit that changes nothing is skipped
        without a word; one whose file changed since it was read is refused with a warning, the rest goes on."""
        done: list[Edit] = []
        with contextlib.ExitStack() as stack:
            held = False
            for edit in edits:
                self.resolve(target_of(edit))
                if not self.changes(edit):
                    continue
                if DRY_RUN:
                    say(f"would {describe(edit)}")
                    continue
                if not held:
                    stack.enter_context(locked("write", root=self.root))
                    held = True
                try:
                    self._carry_out(edit)
                except OSError as error:
                    if error.errno in _FOR_ALL:      # the next one would fare no better
                        raise WikiError(f"{target_of(edit)}: {error.strerror}; see to the disk, then run it again") from error
                    warn(target_of(edit), f"{error.strerror or error}; nothing was changed there")
                    continue
                except Stale as error:
                    warn(target_of(edit), str(error))
                    continue
                done.append(edit)
                if not quiet:
                    say(describe(edit))
        return done

    def changes(self, edit: Edit) -> bool:
        """Would an edit change anything?"""
        if isinstance(edit, Write):
            if edit.blocks:
                return not holds(self.root / edit.target, edit.blocks())
            return self.text(edit.target) != edit.content
        return True

    def _carry_out(self, edit: Edit) -> None:
        source = edit.source if isinstance(edit, Move) else target_of(edit)
        path = self.resolve(source)
        expect = edit.expect
        if expect is None and not isinstance(edit, Remove):
            expect = (edit.page.read_hash or None) if edit.page else None
        blocks = edit.blocks if isinstance(edit, Write) else None
        now = file_digest(path) if blocks and expect else self._hash_now(source, expect) if expect is not None else None
        if now != expect:
            raise Stale("changed since it was read; left alone, the next run sees it anew")
        if isinstance(edit, Write):
            # What takes the place of something that was read, words of a person or of a session, must be there in whole.
            atomic_write(path, blocks() if blocks else edit.content, durable=bool(expect))
        elif isinstance(edit, Move):
            goal = self.resolve(edit.page.path)
            if goal.exists() and edit.page.path != edit.source:
                raise Stale(f"{edit.page.path} is there already; not overwritten")
            # The new place first: killed in between, the thing stands twice and the next run removes the older one.
            atomic_write(goal, render_page(edit.page))
            path.unlink(missing_ok=True)
        else:
            path.unlink(missing_ok=True)

    def _hash_now(self, path: str, expect: str) -> str:
        """sha of the file as it is, '' when it is not there; where none is expected, that there is one says enough."""
        if not expect:
            return "there" if os.path.exists(os.path.join(self.root, path)) else ""
        text = self.text(path)
        return "" if text is None else sha(text)

    def page_index(self, station: str) -> Write:
        """The edit that regenerates wiki/, staging/ or archive/index.md."""
        old = self.text(f"{station}/index.md") or ""
        return Write(path=f"{station}/index.md", text=render_page_index(station, self.pages(station), old), why="index")

    # --- state: words remembered under keys

    def state(self, name: str) -> dict[str, set[str]]:
        """A synced state file as {key: words}; one that does not parse is set aside, reported, and read as empty."""
        text = self.text(name)
        if text is None:
            return {}
        try:
            return parse_words(text)
        except (ValueError, RecursionError):
            aside = f"{name}.broken-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
            if not DRY_RUN:
                os.replace(self.root / name, self.root / aside)
            warn(name, f"does not parse; set aside as {aside}, starting from what the pages say")
            return {}

    def save_state(self, name: str, words: Mapping[str, Iterable[str]]) -> None:
        """Join `words` into the state file on disk (union: another writer's words are kept)."""
        if DRY_RUN:
            return
        with locked("write", root=self.root):
            joined = self.state(name)
            for key, more in words.items():
                joined.setdefault(key, set()).update(more)
            text = render_words(joined)
            if text != self.text(name):
                atomic_write(self.root / name, text, durable=True)

    # --- git

    @property
    def has_git(self) -> bool:
        return (self.root / ".git").exists()

    def git(self, *args: str, check: bool = True, timeout: float = 120) -> str:
        """git's stdout, in the wiki, in plain C locale and without ever asking for a password."""
        return run_tool(["git", "-C", str(self.root), *args], timeout=timeout, check=check, env=git_env(self.root)).stdout

    def commit(self, paths: Sequence[str], subject: str, body: str = "") -> bool:
        """Commit exactly `paths`; False when there was nothing to commit or no git. index.lock is waited for once."""
        if DRY_RUN or not self.has_git or not paths:
            return False
        with locked("write", root=self.root):
            self.ready_to_commit()
            for attempt in (1, 2):
                try:
                    return self._commit(paths, subject, body)
                except ToolError as error:
                    if attempt == 2 or "index.lock" not in error.stderr:
                        raise
                    time.sleep(1)
        return False

    def ready_to_commit(self, merging: bool = False) -> None:
        """WikiError while a person's revert, rebase or (unless `merging`) merge waits to be finished; nothing without git."""
        if self.has_git:
            refuse_unfinished(self.root, self.git, merging)
            teach(self.root, self.git)

    def _has_something(self, path: str) -> bool:
        """Is there a file to commit at or below `path`, or one that git still knows there?"""
        full = self.root / path
        if full.is_dir():
            return any(p.is_file() for p in full.rglob("*")) or bool(self.git("ls-files", "--", path))
        return full.exists() or bool(self.git("ls-files", "--", path))

    def _commit(self, paths: Sequence[str], subject: str, body: str) -> bool:
        wanted = [p for p in dict.fromkeys(paths) if self._has_something(p)]
        if not wanted:
            return False
        self.git("add", "-A", "--", *wanted)
        if not self.git("diff", "--cached", "--name-only", "--", *wanted).strip():
            return False
        # Unsigned: under cron nobody is there to unlock a key.
        message = ["-m", subject, *(["-m", body] if body else [])]
        commit = ("-c", "commit.gpgSign=false", "commit", "-q", "--no-verify", *message)
        try:
            self.git(*commit, "--", *wanted)
        except ToolError as error:      # git cannot name a path that was a file and is a folder now; all that is staged, it can
            staged = [self.git("diff", "--cached", "--name-only", *paths) for paths in ((), ("--", *wanted))]
            if "commit checked out" not in error.stderr or staged[0] != staged[1]:
                raise
            self.git(*commit)
        return True

    # --- birth

    def init(self) -> bool:
        """Make an absent or empty folder a wiki: folders, ignore files, indexes, git on main, a first commit.
        True when it was made. A folder that holds something only gains the folders it lacks; one whose making was
        cut short (killed, a full disk) says so by a mark, and is made to the end."""
        begun = self.root / ".making"
        fresh = not self.root.exists() or not any(self.root.iterdir()) or begun.exists()
        if DRY_RUN:
            return False
        try:
            if fresh:
                self.root.mkdir(parents=True, exist_ok=True)
                begun.touch()
            for folder in (*(f"{s}/{t}" for s in STATIONS for t in TYPE_FOLDERS.values()),
                           "conversations", "raw/harvested", "context", "reports"):
                (self.root / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WikiError(f"{self.root}: {error.strerror}; set WIKI_DIR to a folder that can be written") from error
        if not fresh:
            return False
        for name in (".gitignore", ".gitattributes"):
            if (source := CHECKOUT / name).exists() and not (self.root / name).exists():
                atomic_write(self.root / name, source.read_text())
        for index in (self.page_index(s) for s in STATIONS):      # not through apply, which goes on where one fails
            if self.changes(index):
                atomic_write(self.root / index.path, index.text)
        for lock in (self.root / ".git").rglob("*.lock"):      # of a first run that was killed: nobody else knows this wiki
            lock.unlink(missing_ok=True)
        run_tool(["git", "init", "-q", str(self.root)], env=git_env(None))
        teach(self.root, self.git)
        self.git("symbolic-ref", "HEAD", "refs/heads/main")
        self.git("add", "-A", "--", ".gitignore", ".gitattributes", *STATIONS)
        if not self.git("rev-parse", "-q", "--verify", "HEAD", check=False):
            self.git("commit", "-q", "--allow-empty", "-m", "A new wiki")
        begun.unlink()
        return True

    @property
    def machine(self) -> str:
        """This machine's name in this wiki: 8 random hex digits in the gitignored .machine-id."""
        path = self.root / ".machine-id"
        known = (self.text(".machine-id") or "").strip()
        if not re.fullmatch(r"[0-9a-f]{8}", known):
            known = next(name for _ in range(99) if not (name := os.urandom(4).hex()).isdigit())      # YAML would quote those
            if not DRY_RUN:
                atomic_write(path, known + "\n")
        return known


class Stale(WikiError):
    """The file is no longer what the edit was decided on."""


def target_of(edit: Edit) -> str:
    return edit.target if isinstance(edit, Write) else edit.page.path if isinstance(edit, Move) else edit.path


def describe(edit: Edit) -> str:
    """The line that is the log: 'write wiki/patterns/x.md: why'."""
    tail = f": {edit.why}" if edit.why else ""
    if isinstance(edit, Move):
        return f"move {edit.source} -> {edit.page.path}{tail}"
    return f"{'write' if isinstance(edit, Write) else 'remove'} {target_of(edit)}{tail}"


def write_page(page: WikiPage, why: str = "") -> Write:
    """The edit that puts a page on disk as decided on what was read."""
    return Write(page, why)


def iter_live_pages(root: Path | None = None) -> Iterator[WikiPage]:
    return iter(Wiki(root or WIKI_DIR).pages("wiki"))


def iter_staging_pages(root: Path | None = None) -> Iterator[WikiPage]:
    return iter(Wiki(root or WIKI_DIR).pages("staging"))


def iter_archived_pages(root: Path | None = None) -> Iterator[WikiPage]:
    return iter(Wiki(root or WIKI_DIR).pages("archive"))


# ---------------------------------------------------------------- 7 configuration

GENERAL_KEYS = ("timezone", "project_map", "exclude", "mine_headless", "keep_raw", "wings", "budget", "backend", "models",
                "nightly", "skip_domain_patterns", "paused")


@functools.cache
def config() -> dict[str, Any]:
    """wiki.yaml of the wiki over the user's one, key by key; an unknown top-level key is an error that names the nearest."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.environ.get("HOME") or "/nonexistent", ".config")
    merged: dict[str, Any] = {}
    known = GENERAL_KEYS + tuple(sorted(p.stem for p in SCRIPTS.glob("*-*.py")))
    for path in (Path(base) / "memex" / "wiki.yaml", WIKI_DIR / "wiki.yaml"):
        try:
            text = path.read_bytes().decode("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            continue      # both files are optional
        except OSError as error:      # to go on as if nothing were excluded would be wrong
            raise WikiError(f"{path}: {error.strerror}; make it readable, or remove it") from error
        except UnicodeDecodeError as error:
            raise WikiError(f"{path}: is not UTF-8 text; write it anew, see docs/CUSTOMIZE.md") from error
        found = load_yaml(text, str(path)) or {}
        if not isinstance(found, dict):
            raise WikiError(f"{path}: is not a mapping; see docs/CUSTOMIZE.md")
        for key in found:
            check_key(str(path), str(key), known)
        check_general(str(path), found)
        for key, value in found.items():
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = {**merged[key], **value} if both else value
    return merged


def check_key(where: str, key: str, known: Sequence[str]) -> None:
    import difflib
    if key not in known:
        near = difflib.get_close_matches(key, known, 1, 0.3) or list(known[:1])
        raise WikiError(f"{where}: unknown key {key!r}; did you mean {near[0]!r}?")


def seams(script: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The script's seams with wiki.yaml's section over them: {'MAX_BASH_OUTPUT_LINES': 200}. A key of the section is a seam in
    lower case; a general key of the same name (project_map, backend ...) counts where the section is silent."""
    section = config().get(script) or {}
    if not isinstance(section, dict):
        raise WikiError(f"wiki.yaml: {script}: is not a mapping of seams; see docs/CUSTOMIZE.md")
    names = {name.lower(): name for name in defaults}
    for key in section:
        check_key(f"wiki.yaml: {script}", str(key), tuple(names))
    general = {k: v for k, v in config().items() if k in names}
    chosen = {k: v for k, v in {**general, **section}.items() if v is not None}
    for key, value in chosen.items():
        check_seam(f"wiki.yaml: {script}", key, value, defaults[names[key]])
    lists = {k: as_list(v) if isinstance(defaults[names[k]], (list, tuple)) else v for k, v in chosen.items()}
    return {**defaults, **{names[k]: v for k, v in lists.items()}}
