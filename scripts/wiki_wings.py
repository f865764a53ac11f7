"""Which wing a folder belongs to: PROJECT_MAP, else the repository it lies in (see wiki_origin), else what earlier sessions there
were filed under, else its name.

Pure but for reading `.git`; used where sessions are mined and where a search asks for the wing it stands in. What names a wing
on every machine is host/owner/repo alone: paths stay on the machine they belong to.
"""
from __future__ import annotations

import fnmatch
import functools
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from wiki_origin import MAX_PATH, Clone, Clones, plain_path, remote_key, repository_name
from wiki_redact import redact_name
from wiki_text import sha, slug

STATE = ".wings-state.json"

# A worktree belongs to the project it was made from. Agents and people put theirs into these folders inside it ...
_INSIDE = re.compile(r"(.*?[^/])/(?:\.worktrees|\.git-worktrees|\.trees|\.claude/worktrees|\.git/worktrees|\.conductor)/.")
# ... or agents keep all of them in a folder of their own, under the project's name.
_APART = re.compile(r".*?/(?:worktrees/[0-9a-f]{4,40}|\.cursor/worktrees|\.claude-worktrees|\.superset/worktrees"
                    r"|conductor/workspaces)/([^/]+)")
_PROJECT_WORKTREE = re.compile(r"--(?:claude-)?worktrees-.*")        # the same in a project folder's name, '/' and '.' as '-'
_PROJECT_HOME = re.compile(r"^(?:-(?:Users|home|mnt-[a-z]-Users)|[A-Za-z]--Users)-[^-]+(?:-|$)|^-root(?:-|$)")
_HOME = re.compile(r"(?:(?:/mnt/[a-z])?/(?:Users|home)/[^/]+|(?:/var)?/root)(?=/|$)")
_ANY_CASE = re.compile(r"/mnt/[a-z]/|/Users/")                       # Windows' and macOS's disks take a name in any case
_OURS = ("home", "unknown")                                          # wings of sessions that are in no project


# ---------------------------------------------------------------- names

@functools.lru_cache(4096)
def wing_name(text: str) -> str:
    """A project's name as a wing; the same whichever way a file system spells its accents. It holds no secret."""
    name = slug(redact_name(unicodedata.normalize("NFC", text)))
    return f"{name}-project" if name in _OURS else name


@functools.lru_cache(4096)
def names_of(key: str) -> tuple[str, ...]:
    """The wings that host/owner/repo may have, the shortest first; the last one it shares with no other."""
    words = key.split("/")
    return (wing_name(words[-1]), wing_name("-".join(words[-2:])), wing_name(key), f"{slug(key, 51)}-{sha(key)[:8]}")


def repository_wings(known: Iterable[str] | Mapping[str, Iterable[str]]) -> dict[str, str]:
    """{host/owner/repo: wing}: the repository's name; owner-repo where several projects share one, whichever came first.

    `known` may be what .wings-state.json holds: {host/owner/repo: its wings so far and other addresses of the project}."""
    first = projects(known)
    level = dict.fromkeys(first.values(), 0)
    while True:
        named: dict[str, list[str]] = {}
        for key, at in level.items():
            named.setdefault(names_of(key)[at], []).append(key)
        # Of those that clash the longest names give way: what has a short name of its own keeps it.
        up = {key for keys in named.values() if len(keys) > 1 for key in keys
              if level[key] == max(level[k] for k in keys) < 3}
        if not up:
            return {key: names_of(one)[level[one]] for key, one in sorted(first.items())}
        for key in up:
            level[key] += 1


def projects(known: Iterable[str] | Mapping[str, Iterable[str]]) -> dict[str, str]:
    """{host/owner/repo: the first address, by name, of the same project}; addresses are joined only where the repository's name
    is the same."""
    first = {key: key for key in known}

    def find(key: str) -> str:
        while first.setdefault(key, key) != key:
            key = first[key]
        return key

    for key, words in known.items() if isinstance(known, Mapping) else ():
        for other in words:
            if "/" in other and repository_name(other) == repository_name(key):
                low, high = sorted((find(key), find(other)))
                first[high] = low
    return {key: find(key) for key in first}


def folder_wing(cwd: str, project: str = "") -> str:
    """A wing from a folder's path alone (it need not be on this machine), else from the agent's name for it."""
    path, project = redact_name(plain_path(cwd)), redact_name(project)      # whole: a secret may hold a '/'
    if not path.strip("/."):
        bare = _PROJECT_HOME.sub("", _PROJECT_WORKTREE.sub("", project)).strip("-")
        return wing_name(bare) if bare else "home" if _PROJECT_HOME.match(project) else "unknown"
    path = project_folder(path)
    return "home" if is_home(path) else wing_name(path.rsplit("/", 1)[-1])


def project_folder(path: str) -> str:
    """The path without the folders that worktrees stand in: /code/api for /code/api/.claude/worktrees/fix/src."""
    if (match := _INSIDE.match(path)) and not is_home(match[1]):
        return match[1]
    return match[0] if (match := _APART.match(path)) else path


def is_home(path: str) -> bool:
    return bool(path) and path == home_of(path)


def home_of(path: str) -> str:
    """The home folder that a path lies in or is: this person's, or one that looks like it; '' for none."""
    own = os.environ.get("HOME", "").rstrip("/")
    if own and (path + "/").startswith(own + "/"):
        return own
    return match[0] if (match := _HOME.match(path)) else ""


# ---------------------------------------------------------------- what a person wrote

def is_called(name: str, pattern: str) -> bool:
    """Does a pattern that a person wrote mean this wing, or this host/owner/repo?"""
    bare = not set(pattern) & set("/\\~*?[")
    return fnmatch.fnmatchcase(name, pattern.lower()) or bare and name == slug(pattern)


def matches(cwd: str, pattern: str) -> bool:
    """Does a glob match a folder, or a folder above it? `~` is the home folder, on whatever machine the path was written; a bare
    name matches any folder so called below the home folder."""
    path, pattern = plain_path(cwd), plain_path(pattern)
    if not path or not pattern:
        return False
    home = home_of(path)
    patterns = [os.path.expanduser(pattern), home + pattern[1:] if home and pattern.startswith("~/") else pattern]
    if _ANY_CASE.match(path):
        path, patterns = path.lower(), [p.lower() for p in patterns]
    named = "/" not in pattern
    while len(path) > (len(home) if named else 0):
        if any(fnmatch.fnmatchcase(path.rsplit("/", 1)[-1] if named else path, p) for p in patterns):
            return True
        path = path.rpartition("/")[0]
    return False


# ---------------------------------------------------------------- one run

class Wings:
    """The wings of one run.

    `known`: what .wings-state.json holds. learn() adds the repositories of this run first, so that two of one name are told
    apart whichever came first. `earlier`: the entries of .mine-state.json ({cwd, wing, root}), read only where a folder is gone.
    """

    def __init__(self, project_map: Mapping[str, str], known: Mapping[str, Iterable[str]] | Iterable[str] = (),
                 earlier: Callable[[], Iterable[Mapping[str, Any]]] = lambda: ()):
        self.project_map = project_map
        self.known = {k: set(known[k]) if isinstance(known, Mapping) else set() for k in known}
        self.stored = {key: frozenset(words) for key, words in self.known.items()}
        self.earlier = earlier
        self.clones = Clones()
        self.seen: dict[str, set[str]] = {}              # folder -> wings of its transcripts
        self.told: dict[str, set[str]] = {}              # folder -> what a session in it said that it is a clone of
        self._settled: dict[tuple[str, str, str], str] = {}
        self._places: dict[str, tuple[str, ...]] = {}
        self._excluded: dict[tuple, bool] = {}

    def learn(self, sessions: Iterable[tuple[str, str] | str]) -> None:
        """Take in the repositories of sessions that are going to be filed: their cwds, or (cwd, the remote they recorded)."""
        for cwd, remote in sorted({(s, "") if isinstance(s, str) else s for s in sessions}):
            key, clone = ("", None) if self.mapped(cwd) else self.repository(cwd, remote)
            if key and clone and clone.key == key:
                self.known.setdefault(key, set()).update(clone.same)
            elif key:
                self.known.setdefault(key, set())
                self.told.setdefault(plain_path(cwd), set()).add(key)
        self.forget()

    def remember(self, filed: Iterable[tuple[str, str | None]]) -> None:
        """Take in what transcripts tell of their sessions' folders: (cwd, wing)."""
        for cwd, wing in filed:
            if cwd and wing:
                self.seen.setdefault(plain_path(cwd), set()).add(wing)

    def forget(self) -> None:
        """Drop what was settled with less knowledge."""
        self._settled.clear()
        for name in ("wings", "once"):
            self.__dict__.pop(name, None)

    @functools.cached_property
    def wings(self) -> dict[str, str]:
        return repository_wings(self.known)

    @functools.cached_property
    def once(self) -> dict[str, set[str]]:
        """{wing: the repositories filed under it at one time or another}."""
        found: dict[str, set[str]] = {}
        for key, words in self.known.items():
            for word in words:
                found.setdefault(word, set()).add(key)
        return found

    # --- asking

    def of(self, cwd: str, project: str = "", remote: str = "") -> str:
        """The wing of a session that started in `cwd`; `project` is the agent's name for the folder, `remote` the address that
        the session itself recorded."""
        ask = (cwd, project, remote)
        if ask not in self._settled:
            self._settled[ask] = self.decide(*ask)
        return self._settled[ask]

    def decide(self, cwd: str, project: str, remote: str) -> str:
        if wing := self.mapped(cwd):
            return wing
        key, clone = self.repository(cwd, remote)
        if key:
            return self.wings.get(key) or repository_wings({**self.known, key: ()})[key]
        if wing := self.before(cwd):
            return wing
        return wing_name(clone.name) if clone else folder_wing(cwd, project)

    def all_of(self, cwd: str) -> list[str]:
        """The wing of a folder and those that its earlier sessions may be in, today's first."""
        wing = self.of(cwd)
        key, _ = self.repository(cwd)
        return list(dict.fromkeys([wing, *sorted(w for w in self.known.get(key, ()) if "/" not in w)]))

    def repository(self, cwd: str, remote: str = "") -> tuple[str, Clone | None]:
        """(host/owner/repo, '' without; the clone that the folder lies in). A folder that is gone is in the repository that a
        session in it recorded, or in the wing of its earlier sessions, before it is in what now stands around its place."""
        clone = self.clones.of(plain_path(cwd))
        found = clone.key if clone else ""
        if found and self.is_here(cwd):
            return found, clone
        said = remote_key(remote) or min(self.told.get(plain_path(cwd), ()), default="")
        return said or ("" if self.before(cwd) else found), clone

    @staticmethod
    def is_here(cwd: str) -> bool:
        return len(cwd) <= MAX_PATH and os.path.isdir(plain_path(cwd))

    # --- what earlier sessions tell of folders that are gone

    @functools.cached_property
    def _earlier(self) -> dict[str, tuple[set[str], str]]:
        """{folder: (wings of its sessions, the working tree it was a worktree of)}."""
        found: dict[str, tuple[set[str], str]] = {}
        for entry in self.earlier():
            if (cwd := entry.get("cwd")) and (wing := entry.get("wing")):
                words, root = found.get(path := plain_path(cwd), (set(), ""))
                found[path] = (words | {wing}, root or entry.get("root") or "")
        return found

    def before(self, cwd: str) -> str:
        """The wing of earlier sessions of a folder that is gone; a repository's folder speaks for those below it."""
        if not cwd or self.is_here(cwd):
            return ""
        path = plain_path(cwd)
        words = self.heard(path)
        while not words and (path := path.rpartition("/")[0]):
            words = self.heard(path) & self.once.keys()
        return max(sorted({self.today(word) for word in words}), key=len, default="")

    def heard(self, path: str) -> set[str]:
        return self._earlier.get(path, (set(), ""))[0] | self.seen.get(path, set())

    def today(self, word: str) -> str:
        """The wing that a repository filed under `word` has now; the word itself where none or several were."""
        wings = {self.wings[key] for key in self.once.get(word, ())}
        return wings.pop() if len(wings) == 1 else word

    def root(self, cwd: str) -> str:
        """The working tree that a folder is a worktree of, where that stands elsewhere; '' otherwise."""
        clone = self.clones.of(plain_path(cwd)) if self.is_here(cwd) else None
        if clone is None:
            return self._earlier.get(plain_path(cwd), ((), ""))[1]
        here = self.clones.real_path(plain_path(cwd)) + "/"
        return "" if not clone.root or here.startswith(clone.root + "/") else clone.root

    def where(self, cwd: str, remote: str) -> dict[str, str]:
        """What .mine-state.json notes of a session beside its folder, for when that is gone; values may be ''."""
        key = remote_key(remote)
        return {"root": redact_name(self.root(cwd)), "remote": key and f"https://{key}"}

    # --- what a person wrote

    def places(self, cwd: str) -> tuple[str, ...]:
        """The paths that stand for a folder: as it is said, without links, and that of the project it is a worktree of."""
        if cwd not in self._places:
            real = self.clones.real_path(plain_path(cwd))
            self._places[cwd] = tuple(dict.fromkeys(filter(None, [cwd, real, self.root(cwd)])))
        return self._places[cwd]

    def mapped(self, cwd: str) -> str:
        """What PROJECT_MAP says of a folder, or of the project it is a worktree of; '' for nothing."""
        for pattern, wing in self.project_map.items():
            if self.matches(cwd, str(pattern)):
                return slug(str(wing))
        return ""

    def matches(self, cwd: str, pattern: str) -> bool:
        """matches(), whichever of its ways a folder or the pattern is said."""
        plain = os.path.expanduser(plain_path(pattern))
        real = self.clones.real_path(plain) if plain.startswith("/") and not set(plain) & set("*?[") else ""
        return any(matches(place, p) for p in {pattern, real} - {""} for place in self.places(cwd))

    def excluded(self, cwd: str, wing: str, patterns: Sequence[str], remote: str = "") -> bool:
        """Is a session of this folder and wing one that is never mined? A pattern is a path, a glob, or a wing (also one that its
        repository would have if others of that name were known)."""
        if not patterns:
            return False
        ask = (cwd, wing, tuple(patterns), remote)
        if ask not in self._excluded:
            # Every repository that it may be of: what is gone must not come in because it is gone.
            clones = [self.clones.of(plain_path(place)) for place in self.places(cwd)]
            keys = {remote_key(remote), *(clone.key for clone in clones if clone)} - {""}
            names = {wing, *keys, *(name for key in keys for name in names_of(key))} - {""}
            self._excluded[ask] = any(is_called(name, p) for name in names for p in patterns) or any(
                self.matches(cwd, p) for p in patterns)
        return self._excluded[ask]

    # --- what is remembered

    def memory(self) -> dict[str, list[str]]:
        """What .wings-state.json gains: today's wing of each repository, and the other addresses of its project."""
        more = {key: (words | {self.wings[key]}) - self.stored.get(key, frozenset()) for key, words in self.known.items()}
        return {key: sorted(words) for key, words in more.items() if words}
