"""What git would say of a folder (which repository, cloned from where), read from its files: no process is started.

Reads `.git`, the person's git configuration and ssh aliases, and nothing else; writes nothing.
"""
from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import unquote

from wiki_redact import redact

MAX_CONFIG = 1_000_000           # bytes of a configuration file that are looked at
MAX_PATH = 4_096                 # of a path that can be on a disk
HOPS = 4                         # clones of clones, and includes of includes, that are followed

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(?:[^/]*@)?(\[[^\]/]*\]|[^/:@]+)(?::\d*)?/(.+)", re.I | re.S)
_SCP = re.compile(r"(?:[^/\s]*@)?(\[[^\]/]*\]|[A-Za-z0-9][\w.-]+):(?!:)(.+)", re.S)      # git@host:path; one letter is a drive
# One service under several addresses; the last is how people name ssh aliases (github.com-work) by habit.
_HOSTS = ((re.compile(r"(?:www|ssh|altssh)\.((?:github|gitlab)\.com|bitbucket\.org|dev\.azure\.com)"), r"\1"),
          (re.compile(r"vs-ssh\.visualstudio\.com"), "dev.azure.com"),
          (re.compile(r"((?:github|gitlab)\.com|bitbucket\.org)[-_.].+"), r"\1"))


# ---------------------------------------------------------------- addresses

@functools.lru_cache(4096)
def remote_key(url: str) -> str:
    """host/owner/repo of a git remote, however it is written; '' for a path or what is no address. Without credentials, port,
    query and .git: nothing in it is secret."""
    url = url.strip()
    if match := _URL.fullmatch(url):
        scheme, host, path = match[1].lower(), match[2], match[3]
    elif "://" not in url and (match := _SCP.fullmatch(url)):
        scheme, host, path = "ssh", match[1], match[2]
    else:
        return ""
    path = re.split(r"[?#]", path, maxsplit=1)[0]
    if scheme.startswith("http"):
        path = unquote(path)
    path = re.sub(r"/{2,}", "/", re.sub(r"[\s\0-\x1f]+", " ", path)).strip("/ ")
    # An '@' so late: a password with a slash in it. Secrets are looked for before lower case, in which no rule knows them.
    if scheme == "file" or "@" in path or redact(f"{host}/{path}")[1]:
        return ""
    path = path.lower().removesuffix(".git").strip("/ ")
    if not path:
        return ""
    return "/".join(_one_address(host.lower(), path, scheme.startswith("http")))


def _one_address(host: str, path: str, web: bool) -> tuple[str, str]:
    """The host and path of a service that has several ways to say the same."""
    for pattern, plain in _HOSTS:
        if pattern.fullmatch(host):
            host = pattern.sub(plain, host)
    if match := re.fullmatch(r"([\w-]+)\.visualstudio\.com", host):
        host, path = "dev.azure.com", f"{match[1]}/{path.removeprefix('defaultcollection/')}"
    if host == "dev.azure.com":
        path = path.removeprefix("v3/").replace("/_git/", "/")
    elif web and re.fullmatch(r"scm/[^/]+/[^/]+", path):      # Bitbucket's own server
        path = path.removeprefix("scm/")
    return host, path


def repository_name(key: str) -> str:
    """The last word of host/owner/repo."""
    return key.rsplit("/", 1)[-1]


# ---------------------------------------------------------------- folders

_DRIVE = re.compile(r"([A-Za-z]):(?:[\\/]|$)")
_WSL = re.compile(r"[\\/]{2}wsl(?:\$|\.localhost)[\\/][^\\/]+", re.I)


@functools.lru_cache(16_384)
def plain_path(path: str) -> str:
    """A folder in one dress, as WSL has it: C:\\code\\api is /mnt/c/code/api, \\\\wsl$\\Ubuntu\\home\\me is /home/me."""
    path = path.removeprefix("\\\\?\\")
    if match := _DRIVE.match(path):
        path = f"/mnt/{match[1].lower()}/{path[3:]}".replace("\\", "/")
    elif match := _WSL.match(path):
        path = path[match.end():].replace("\\", "/")
    elif match := re.match(r"(?:/cygdrive)?/([A-Za-z])/(?=Users/)", path):      # Git Bash
        path = f"/mnt/{match[1].lower()}/{path[match.end():]}"
    elif path.startswith("\\\\"):
        path = path.replace("\\", "/")
    return path.rstrip("/") if path.strip("/") else path[:1]


def real_path(path: str) -> str:
    """The folder without links, '' for what is no absolute path."""
    if not path.startswith("/") or len(path) > MAX_PATH:
        return ""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):      # NUL, lone surrogates: it is on no disk
        return ""


@dataclass(frozen=True, slots=True)
class Clone:
    """A repository as its files tell it. `root`: where its main working tree is, '' when that cannot be told; `name`: what
    it is called where it has no address; `key`: host/owner/repo, '' without; `same`: other addresses of this project (its
    upstream, mirrors, where it was cloned from)."""
    root: str
    name: str
    key: str = ""
    same: frozenset[str] = frozenset()


class Clones:
    """The repositories of this machine, each read once."""

    def __init__(self) -> None:
        self.home = os.environ.get("HOME", "").rstrip("/")
        self.real_path = functools.cache(real_path)
        self.here: dict[str, Clone | None] = {}          # folder -> the repository whose top it is
        self.above: dict[str, Clone | None] = {}         # folder -> the repository it lies in

    def of(self, path: str) -> Clone | None:
        """The repository that a folder lies in, as git sees it (through links); the folder itself may be gone."""
        folder = self.real_path(path)
        chain: list[str] = []
        found = None
        # The home folder's own repository (dotfiles) says nothing of the projects below it.
        while folder not in ("", "/") and not (chain and folder in (self.home, self.real_home)):
            if folder in self.above:
                found = self.above[folder]
                break
            chain.append(folder)
            if found := self.at(folder):
                break
            folder = os.path.dirname(folder)
        for folder in chain:
            self.above[folder] = found
        return found

    @functools.cached_property
    def real_home(self) -> str:
        return self.real_path(self.home)

    def at(self, folder: str, hops: int = HOPS) -> Clone | None:
        """The repository whose top, or whose bare self, a folder is."""
        if folder not in self.here:
            self.here[folder] = None                     # a clone of itself ends here
            self.here[folder] = self.read(folder, hops)
        return self.here[folder]

    def read(self, folder: str, hops: int) -> Clone | None:
        bare = folder.endswith((".git", ".bare")) and _there(folder, "HEAD")
        git = folder if bare else os.path.join(folder, ".git")
        pointed = "" if bare else self.pointed(git, folder)
        if pointed and not _there(pointed, "HEAD"):
            return self.lost(pointed, hops)
        git = pointed or git
        if not _there(git, "HEAD"):
            return None
        said = _text(os.path.join(git, "commondir"), 4096).strip()
        common = os.path.normpath(os.path.join(git, said)) if said else git
        clone = named_after(common, folder if not said and not bare else "")
        return self.with_address(clone, common, hops)

    def pointed(self, git: str, folder: str) -> str:
        """Where a `.git` that is a file points; '' where it is none."""
        try:
            if not stat.S_ISREG(os.stat(git).st_mode):
                return ""
        except (OSError, ValueError):
            return ""
        text = _text(git, 4096)
        target = plain_path(text.partition("gitdir:")[2].strip())
        return os.path.normpath(os.path.join(folder, target)) if text.startswith("gitdir:") and target else ""

    def lost(self, pointed: str, hops: int) -> Clone | None:
        """A working tree whose repository no longer knows it, or is gone: what the way to it says."""
        common, tree, _ = pointed.partition("/worktrees/")
        if not tree and "/.git/modules/" not in pointed:
            return None
        clone = named_after(common, "")
        if tree and hops and _there(common, "HEAD"):
            return self.with_address(clone, common, hops)
        return clone

    # --- addresses

    def with_address(self, clone: Clone, common: str, hops: int) -> Clone:
        """The clone with its remotes' addresses: origin's, else upstream's, else that of the first by name."""
        config = list(settings_of(os.path.join(common, "config"), common))
        urls: dict[str, str] = {}
        for section, key, value in config:
            if section.startswith("remote.") and key == "url" and value:
                urls.setdefault(section[7:], value)
        order = sorted(urls, key=lambda name: (name != "origin", name != "upstream", name))
        keys = [key for name in order if (key := self.address(urls[name], config, common))]
        if not keys:
            return self.of_path(clone, urls[order[0]], hops) if order and hops else clone
        first = _text(os.path.join(common, "logs", "HEAD"), 4096).split("\n", 1)[0]
        if came := self.address(first.partition("\tclone: from ")[2], config, common):
            keys.append(came)
        same = frozenset(k for k in keys[1:] if repository_name(k) == repository_name(keys[0])) - {keys[0]}
        return replace(clone, key=keys[0], same=same)

    def of_path(self, clone: Clone, url: str, hops: int) -> Clone:
        """A clone of a repository on this machine is the same project."""
        path = plain_path(unquote(url[7:]) if url.startswith("file://") else url).removesuffix("/.git")
        if os.path.isabs(path) or path.startswith("."):
            path = os.path.normpath(os.path.join(clone.root, path))
            source = self.at(path, hops - 1) or self.at(path + ".git", hops - 1)
            if source:
                return replace(source, root=clone.root)
            return replace(clone, name=os.path.basename(path).removesuffix(".git") or clone.name)
        return clone

    def address(self, url: str, config: list[tuple[str, str, str]], common: str) -> str:
        """host/owner/repo of a remote of this machine: nicknames (insteadOf, ssh's Host) are told only here, so they are undone.
        A whole address stays as it is: that it is fetched through a mirror does not make it another project."""
        key = remote_key(url)
        host, _, path = key.partition("/")
        if not url.strip() or host in WELL_KNOWN:
            return key
        if "." not in host:
            known = rewrites([*config, *self.personal(common)])
            for short, long in sorted(known, key=lambda pair: (-len(pair[0]), pair)):
                if url.startswith(short) and (better := remote_key(long + url[len(short):])):
                    key = better
                    host, _, path = key.partition("/")
                    break
        real = self.aliases.get(host, "")
        return remote_key(f"ssh://{real}/{path}") if real and ("." not in host or real in WELL_KNOWN) else key

    def personal(self, common: str) -> list[tuple[str, str, str]]:
        """The person's own git configuration, as it counts for a repository."""
        base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(self.home, ".config")
        named = os.environ.get("GIT_CONFIG_GLOBAL")
        files = [named] if named else [os.path.join(self.home, ".gitconfig"), os.path.join(base, "git", "config")]
        return [entry for file in [*files, "/etc/gitconfig"] for entry in settings_of(file, common)]

    @functools.cached_property
    def aliases(self) -> dict[str, str]:
        """{alias: host} of ~/.ssh/config; patterns are left out."""
        found: dict[str, str] = {}
        hosts: list[str] = []
        for line in _text(os.path.join(self.home, ".ssh", "config"), MAX_CONFIG).splitlines():
            word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
            if word.lower() in ("host", "match"):
                hosts = [h.lower() for h in rest.split() if not set(h) & set("*?!")] if word.lower() == "host" else []
            elif word.lower() == "hostname" and "%" not in rest:
                for host in hosts:
                    found.setdefault(host, rest.strip().strip('"').lower())
        return {alias: host for alias, host in found.items() if alias != host and re.fullmatch(r"[\w.-]+", host)}


WELL_KNOWN = frozenset({"github.com", "gitlab.com", "bitbucket.org", "codeberg.org", "dev.azure.com"})


def named_after(common: str, top: str) -> Clone:
    """The repository with this common directory; `top` is its working tree where it is known."""
    name = os.path.basename(common)
    if not top and name.startswith("."):                 # /code/api/.git, /code/api/.bare
        top = os.path.dirname(common)
    return Clone(top, os.path.basename(top) if top else name.removesuffix(".git") or name)


def _there(*parts: str) -> bool:
    return os.path.lexists(os.path.join(*parts))


def _text(path: str, limit: int) -> str:
    """The beginning of a regular file, '' where there is none to read. Never waits, as opening a pipe would."""
    with contextlib.suppress(OSError, ValueError):
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(handle, limit).decode("utf-8", "replace").removeprefix("\ufeff")
        finally:
            os.close(handle)
    return ""


# ---------------------------------------------------------------- git's configuration

_SECTION = re.compile(r'\[\s*([\w.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]')
_ENTRY = re.compile(r"([A-Za-z][\w-]*)\s*(?:=\s*(.*))?$", re.S)


def settings_of(path: str, git: str, hops: int = HOPS) -> Iterator[tuple[str, str, str]]:
    """(section, key, value) of a configuration file and of those it includes for the repository `git`; what is broken is left
    out. A section is 'remote.origin'; only its part before the first dot and the key are lower case."""
    text = _text(path, MAX_CONFIG)
    for section, key, value in parse_settings(text):
        yield section, key, value
        if key == "path" and hops and included(section, git, path):
            value = os.path.expanduser(value)
            yield from settings_of(os.path.join(os.path.dirname(path), value), git, hops - 1)


def parse_settings(text: str) -> Iterator[tuple[str, str, str]]:
    """(section, key, value) of a configuration's text."""
    section = ""
    for raw in re.sub(r"\\\r?\n", "", text).split("\n"):
        line = raw.strip()
        while match := _SECTION.match(line):
            name, sub = match[1].lower(), match[2]
            section = name if sub is None else f"{name.split('.', 1)[0]}." + re.sub(r"\\(.)", r"\1", sub)
            line = line[match.end():].lstrip()
        if line[:1] not in ("", "#", ";", "[") and (match := _ENTRY.match(line)):
            yield section, match[1].lower(), unquoted(match[2] or "")


def unquoted(value: str) -> str:
    """A value without quotes, escapes and comments."""
    if not set(value) & set('"\\#;'):
        return value.strip()
    out, inside, escaped = "", False, False
    for char in value:
        if escaped:
            out, escaped = out + {"n": "\n", "t": "\t", "b": ""}.get(char, char), False
        elif char == "\\":
            escaped = True
        elif char == '"':
            inside = not inside
        elif char in "#;" and not inside:
            break
        else:
            out += char
    return out.strip()


def included(section: str, git: str, path: str) -> bool:
    """Does an [include] or [includeIf "gitdir:..."] section count for a repository?"""
    import fnmatch
    name, _, condition = section.partition(".")
    if name != "includeif":
        return name == "include"
    kind, _, pattern = condition.partition(":")
    if kind not in ("gitdir", "gitdir/i") or not git:
        return False
    pattern = os.path.expanduser(pattern)
    if pattern.startswith("./"):
        pattern = os.path.dirname(path) + pattern[1:]
    pattern = (pattern if pattern.startswith("/") else f"**/{pattern}") + ("**" if pattern.endswith("/") else "")
    if kind == "gitdir/i":
        git, pattern = git.lower(), pattern.lower()
    return fnmatch.fnmatchcase(git, pattern) or fnmatch.fnmatchcase(git + "/", pattern)


def rewrites(config: list[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    """(short, long) of every url.<long>.insteadOf = <short>."""
    for section, key, value in config:
        if section.startswith("url.") and key == "insteadof" and value:
            yield value, section[4:]
