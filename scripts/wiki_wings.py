"""Which wing a folder belongs to: PROJECT_MAP, else the git remote (read from its files, no process), else its name.

Pure but for reading `.git`; used where sessions are mined and where a search asks for the wing it stands in.
"""
from __future__ import annotations

import wiki_lib as wl

import fnmatch
import functools
import os
import re
from collections.abc import Iterable, Mapping

STATE = ".wings-state.json"

# A worktree belongs to the project it was made from; agents put theirs into these folders.
_WORKTREE = re.compile(r"/(?:\.worktrees|\.claude/worktrees|\.git/worktrees|\.conductor)/.*")
_PROJECT_WORKTREE = re.compile(r"--(?:claude-)?worktrees-.*")        # the same in a project folder's name, '/' and '.' as '-'
_PROJECT_HOME = re.compile(r"^-(?:Users|home|mnt-c-Users)-[^-]+(?:-|$)|^-root(?:-|$)")
_HOME = re.compile(r"/(?:(?:Users|home)/[^/]+|root)/?$|[A-Za-z]:/Users/[^/]+/?$")


def remote_key(url: str) -> str:
    """host/owner/repo of a git remote, without credentials, port and .git; '' for a path or what is no address."""
    url = wl.redact(url.strip())[0]
    match = re.match(r"[a-z][a-z0-9+.-]*://(?:[^/]*@)?([^/:@]+)(?::\d+)?/(.+)", url, re.I)
    if not match and "://" not in url:
        match = re.match(r"(?:[^@/\s]+@)?([A-Za-z0-9][\w.-]+):(?![\\/])(.+)", url)      # the scp form; C:\ is a drive
    if not match or url.lower().startswith("file:"):
        return ""
    path = match[2].strip("/").removesuffix(".git").strip("/")
    return f"{match[1]}/{path}".lower() if path else ""


def _config_of(folder: str) -> str:
    """The text of the git configuration that counts in a folder: its own or, in a worktree, the one it was made from."""
    git = os.path.join(folder, ".git")
    try:
        if os.path.isfile(git):
            with open(git, encoding="utf-8", errors="replace") as file:
                git = os.path.join(folder, file.read(4096).partition("gitdir:")[2].strip())
        common = os.path.join(git, "commondir")
        if os.path.isfile(common):
            with open(common, encoding="utf-8", errors="replace") as file:
                git = os.path.join(git, file.read(4096).strip())
        with open(os.path.join(git, "config"), encoding="utf-8", errors="replace") as file:
            return file.read(100_000)
    except OSError:
        return ""


@functools.cache
def repository(cwd: str) -> str:
    """host/owner/repo of the repository a folder lies in (origin, else the first remote); '' where there is none here."""
    folder = os.path.normpath(cwd) if cwd.startswith("/") else ""
    while folder and folder != "/":
        if os.path.lexists(os.path.join(folder, ".git")):
            found = re.findall(r'\[remote "([^"]+)"\][^\[]*?^\s*url\s*=\s*(.+?)\s*$', _config_of(folder), re.M)
            urls = dict(reversed(found))
            return remote_key(urls.get("origin") or (found[0][1] if found else ""))
        folder = os.path.dirname(folder)
    return ""


def repository_wings(repositories: Iterable[str]) -> dict[str, str]:
    """{host/owner/repo: wing}: the repository's name; owner-repo where several share one, whichever came first."""
    known = sorted(set(repositories))
    names: dict[str, list[str]] = {}
    for key in known:
        names.setdefault(wl.slug(key.rsplit("/", 1)[-1]), []).append(key)
    wings = {}
    for name, keys in names.items():
        owners = {k: wl.slug("-".join(k.split("/")[-2:])) for k in keys}
        for key in keys:
            unique = len(set(owners.values())) == len(keys)
            wings[key] = name if len(keys) == 1 else owners[key] if unique else wl.slug(key)
    return wings


def folder_wing(cwd: str, project: str = "") -> str:
    """A wing from a folder's path alone (it need not be on this machine), else from the agent's name for it."""
    path, project = wl.redact_name(cwd.replace("\\", "/").rstrip("/")), wl.redact_name(project)
    if path:
        if _HOME.fullmatch(path) or path == os.environ.get("HOME", "").rstrip("/"):
            return "home"
        return wl.slug(_WORKTREE.sub("", path).rsplit("/", 1)[-1] or "unknown")
    bare = _PROJECT_HOME.sub("", _PROJECT_WORKTREE.sub("", project)).strip("-")
    return wl.slug(bare) if bare else "home" if project.startswith(("-Users-", "-home-", "-root")) else "unknown"


def mapped_wing(cwd: str, project_map: Mapping[str, str]) -> str:
    """What PROJECT_MAP says of a folder: its first glob that matches the folder or one above it; '' for none."""
    for pattern, wing in project_map.items():
        if matches(cwd, str(pattern)):
            return wl.slug(str(wing))
    return ""


def matches(cwd: str, pattern: str) -> bool:
    """Does a glob match a folder, or a folder above it? `~` is the home folder; a bare name matches any folder so called."""
    pattern = os.path.expanduser(pattern).rstrip("/")
    path = cwd.rstrip("/")
    while path:
        if fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path.rsplit("/", 1)[-1], pattern):
            return True
        path = path.rpartition("/")[0]
    return False


class Wings:
    """The wings of one run. `known`: the repositories of .wings-state.json; learn() adds those of this run first, so that
    two of one name are told apart whichever came first."""

    def __init__(self, project_map: Mapping[str, str], known: Iterable[str]):
        self.project_map = project_map
        self.known = set(known)
        self.new: set[str] = set()

    def learn(self, cwds: Iterable[str]) -> None:
        found = {key for cwd in set(cwds) if not mapped_wing(cwd, self.project_map) and (key := repository(cwd))}
        self.new |= found - self.known
        self.known |= found

    def of(self, cwd: str, project: str = "") -> str:
        """The wing of a session that started in `cwd`."""
        if wing := mapped_wing(cwd, self.project_map):
            return wing
        key = repository(cwd)
        return repository_wings(self.known | {key})[key] if key else folder_wing(cwd, project)

    def memory(self) -> dict[str, list[str]]:
        """What .wings-state.json gains."""
        wings = repository_wings(self.known)
        return {key: [wings[key]] for key in self.new}
