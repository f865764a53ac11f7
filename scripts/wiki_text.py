"""The vocabulary, the errors, text and pages: values and pure functions (no disk, clock or process).

Imported through wiki_lib by every script. Formats: docs/ARCHITECTURE.md.
"""
from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

# ---------------------------------------------------------------- 1 vocabulary

HALLS = ("fact", "discovery", "preference", "advice", "event", "tooling")
HALL_HEADINGS = {
    "fact": "Facts", "discovery": "Discoveries", "preference": "Preferences",
    "advice": "Advice", "event": "Events", "tooling": "Tooling",
}
HIGH_SIGNAL_HALLS = ("fact", "discovery", "advice")
TYPE_FOLDERS = {"pattern": "patterns", "decision": "decisions", "concept": "concepts", "environment": "environments"}
PAGE_TYPES = tuple(TYPE_FOLDERS)
CONFIDENCES = ("high", "medium", "low", "stale")          # best first
VERIFIERS = ("mention", "check", "human")                 # weakest first
STATIONS = {"wiki": "page", "staging": "staged", "archive": "archived"}   # folder -> kind

PAGE_KEYS = (
    "title", "type", "aliases", "wings", "topics", "confidence", "origin", "created", "last_compiled",
    "last_verified", "verified_by", "confidence_compiled", "version", "pinned", "compiled_hash", "sources",
    "sources_digest", "related", "supersedes", "superseded_by",
)
STAGED_KEYS = (
    "status", "staged_by", "staged_at", "modifies", "modifies_hash", "distill_topic",
    "distill_source_conversations", "harvest_source", "fetch_method", "compiled_by", "compilation_notes",
)
ARCHIVE_KEYS = ("archived_at", "archived_from", "archived_reason")
CONVERSATION_KEYS = (
    "title", "session_id", "agent", "wing", "date", "started", "ended", "messages", "models", "branch", "machine",
    "forked_from", "redactor", "redactions", "status", "summary_of", "summarized_by", "topics", "halls", "related",
)
RAW_KEYS = ("source_url", "final_url", "fetched_at", "fetch_method", "content_hash", "etag", "title", "supersedes")


# ---------------------------------------------------------------- 2 errors

class WikiError(Exception):
    """Something a person can act on; prints as one line, exit 1."""


class PageError(WikiError):
    """A file that does not parse as what its place says it is."""


class ToolError(WikiError):
    """Another program was missing, failed or took too long. Carries .rc (None: never started or killed) and .stderr."""

    def __init__(self, message: str, rc: int | None = None, stderr: str = ""):
        super().__init__(message)
        self.rc, self.stderr = rc, stderr


class ModelError(WikiError):
    """A model was reached and what came back cannot be used."""


class Busy(WikiError):
    """Another run holds the lock; exit 75."""


# ---------------------------------------------------------------- 3 text

_WORD = re.compile(r"[a-z0-9]+")
_TOPIC_WORD = re.compile(r"[^\W_]+")
# Names that a file system (Windows devices) or the qmd indexer (build, dist, vendor) would not give back.
_RESERVED = {"con", "prn", "aux", "nul", "build", "dist", "vendor", "index"} | {
    f"{d}{n}" for d in ("com", "lpt") for n in range(10)}


def sha(text: str) -> str:
    """SHA-256 of text as UTF-8, 64 hex digits; lone surrogates count as U+FFFD."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def digest(text: str) -> str:
    """The first 12 hex digits of the SHA-256."""
    return sha(text)[:12]


def slug(text: str, limit: int = 60) -> str:
    """A file name: lower-case ASCII words joined by '-', at most `limit` characters, never empty or reserved."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    out = "-".join(_WORD.findall(plain))
    if len(out) > limit:
        cut = out[: limit + 1].rfind("-")
        out = out[: cut if cut > limit // 2 else limit].strip("-")
    if not out:
        return "page-" + sha(text)[:8]
    return out + "-page" if out in _RESERVED else out


def topic_name(text: str) -> str:
    """A room's name: NFKC, lower case, words of any script joined by '-'; '' when nothing is left."""
    return "-".join(_TOPIC_WORD.findall(unicodedata.normalize("NFKC", text).lower()))


_HEX = re.compile(r"[0-9a-f]*")


@functools.lru_cache(20_000)      # the ids of a session are asked for often; those of a long run would fill the memory
def id8(ident: str, size: int = 8) -> str:
    """The short form of an id: its last `size` hex digits; of its SHA-256 where it is not hexadecimal."""
    bare = ident.replace("-", "").lower()
    if len(bare) < size or not _HEX.fullmatch(bare):
        bare = sha(ident)
    return bare[-size:]


STOP_WORDS = frozenset("""
a about above after again against all also am an and any are aren as at be because been before being below between
both but by can cannot could couldn did didn do does doesn doing don down during each few for from further had hadn has
hasn have haven having he her here hers herself him himself his how i if in into is isn it its itself just ll let me
more most my myself no nor not now of off on once only or other our ours ourselves out over own please re s same she
should shouldn so some such t than that the their theirs them themselves then there these they this those through to
too under until up us ve very was wasn we were weren what when where which while who whom why will with won would
wouldn you your yours yourself yourselves d m o
""".split())
_CONTENT = re.compile(r"[^\W_]+(?:[._/'-][^\W_]+)*")


def content_words(text: str) -> list[str]:
    """The words of a text that carry meaning, lower case, in order; compounds (a.b, a-b, a/b) stay whole."""
    return [w for w in (m.lower() for m in _CONTENT.findall(text)) if w not in STOP_WORDS and len(w) > 1]


def one_line(text: str, limit: int = 200) -> str:
    """White space folded; cut with … after `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


_C0 = {i: 0x2400 + i for i in range(32) if i not in (9, 10)} | {i: 0xFFFD for i in range(0xD800, 0xE000)}
_ODD = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff]")


def verbatim(text: str) -> str:
    """Text as it may stand in a file: CR LF and CR are LF, other C0 controls but TAB their U+2400 pictures,
    lone surrogates U+FFFD; nothing else changes."""
    if not _ODD.search(text):
        return text
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_C0)


# ---------------------------------------------------------------- 4 pages

@dataclass(frozen=True)
class WikiPage:
    """A page as it lies on disk. `path` is relative to the wiki, with '/'; `body` starts after the closing '---' line."""
    path: str
    frontmatter: dict[str, Any]
    body: str
    raw_yaml: str = ""
    read_hash: str = field(default="", compare=False)    # sha of the whole file as Wiki.page() read it; '' = not from disk

    @property
    def meta(self) -> dict[str, Any]:
        return self.frontmatter

    @property
    def station(self) -> str:
        """wiki | staging | archive: the directory says it, never a field."""
        return self.path.split("/", 1)[0]

    @property
    def slug(self) -> str:
        return self.path.rsplit("/", 1)[-1].removesuffix(".md")

    @property
    def title(self) -> str:
        return str(self.meta.get("title") or "") or heading(self.body) or self.slug

    @property
    def type(self) -> str:
        return str(self.meta.get("type") or "")

    @property
    def confidence(self) -> str:
        return str(self.meta.get("confidence") or "")

    @property
    def pinned(self) -> bool:
        return self.meta.get("pinned") is True

    @property
    def edited(self) -> bool:
        """A person changed the body since a program last wrote it."""
        known = self.meta.get("compiled_hash")
        return bool(known) and known != page_content_hash(self.body)

    def words(self, key: str) -> list[str]:
        """A list-valued key as strings; a scalar counts as a list of one, nothing as the empty list."""
        return as_list(self.meta.get(key))

    def day(self, key: str) -> date | None:
        return as_date(self.meta.get(key))

    def age(self, today: date) -> int:
        """Days since last_verified (else last_compiled, else created); 0 when no date is known."""
        for key in ("last_verified", "last_compiled", "created"):
            if day := self.day(key):
                return (today - day).days
        return 0

    def with_meta(self, **changes: Any) -> WikiPage:
        return replace(self, frontmatter={**self.frontmatter, **changes})

    def without(self, keys: Iterable[str]) -> WikiPage:
        gone = set(keys)
        return replace(self, frontmatter={k: v for k, v in self.frontmatter.items() if k not in gone})

    def with_body(self, body: str) -> WikiPage:
        return replace(self, body=body)

    def at(self, path: str) -> WikiPage:
        return replace(self, path=path, read_hash="")


def as_list(value: Any) -> list[str]:
    if value is None or value == "":
        return []
    return [str(v) for v in value if v is not None] if isinstance(value, (list, tuple)) else [str(value)]


def as_date(value: Any) -> date | None:
    """An ISO day from a frontmatter value ('2026-04-12', '2026-04-12T09:13:05Z'), None when it is no date."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def heading(body: str) -> str:
    """The text of the first '# ' line, '' when there is none."""
    match = re.search(r"^# +(.+?)\s*$", body, re.M)
    return match[1] if match else ""


def page_content_hash(body: str) -> str:
    """The body digest: first 12 hex digits of the SHA-256 of the body without trailing white space."""
    return digest(body.rstrip())


def page_path(station: str, type_: str, name: str) -> str:
    """wiki/patterns/<slug>.md and the like; PageError for a type that does not exist."""
    if type_ not in TYPE_FOLDERS:
        raise PageError(f"{name}: no such page type {type_!r}; one of {', '.join(PAGE_TYPES)}")
    return f"{station}/{TYPE_FOLDERS[type_]}/{slug(name)}.md"


_LINK = re.compile(r"\[\[([^\]|#\n]+)(?:#[^\]|\n]*)?(?:\|[^\]\n]*)?\]\]|\]\((?!\w+:)([^)#\s]+\.md)(?:#[^)\s]*)?\)")


def page_links(body: str) -> list[str]:
    """Targets of [[name]] and [text](path.md) links, in order, as written."""
    return [a or b for a, b in _LINK.findall(body)]


_INT, _BOOL, _NULL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})$"), re.compile(r"(?:true|false)$"), re.compile(r"(?:null|~|)$")


@functools.cache
def _yaml() -> tuple[Any, Any, Any]:
    """(yaml, Loader, Dumper): safe, and resolving only null, true/false and plain integers, so that dates, versions and
    odd ids stay the strings they were written as. Imported late: yaml costs 15 ms that `--help` need not pay."""
    import yaml
    base_loader, base_dumper = getattr(yaml, "CSafeLoader", yaml.SafeLoader), getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Loader(base_loader):
        yaml_implicit_resolvers: dict = {}

    class Dumper(base_dumper):
        yaml_implicit_resolvers: dict = {}

        def ignore_aliases(self, data: Any) -> bool:
            return True

    for cls in (Loader, Dumper):
        cls.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-0123456789"))
        cls.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("tf"))
        cls.add_implicit_resolver("tag:yaml.org,2002:null", _NULL, ["~", "n", ""])
        cls.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<$"), ["<"])
    Dumper.add_representer(type(None), lambda d, _: d.represent_scalar("tag:yaml.org,2002:null", ""))
    Dumper.add_representer(list, lambda d, v: d.represent_sequence("tag:yaml.org,2002:seq", v, flow_style=True))
    Dumper.add_representer(tuple, lambda d, v: d.represent_sequence("tag:yaml.org,2002:seq", v, flow_style=True))
    Dumper.add_representer(_Flow, lambda d, v: d.represent_mapping("tag:yaml.org,2002:map", v.items(), flow_style=True))
    return yaml, Loader, Dumper


class _Flow(dict):
    """A nested mapping, written on one line."""


def _flow(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _Flow((k, _flow(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ["null" if v is None else _flow(v) for v in value]
    return value


def load_yaml(text: str, name: str = "yaml") -> Any:
    """Parse YAML with our resolvers (dates stay strings); PageError names `name`."""
    yaml, loader, _ = _yaml()
    try:
        found = yaml.load(text, loader)
        if "&" in text and "*" in text:
            _refuse_cycles(found, (), set())
        return found
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise PageError(f"{name}: {error.problem or error.context}{line} of the YAML; mend it by hand") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PageError(f"{name}: {one_line(str(error), 160)}; mend the YAML by hand") from error


def _refuse_cycles(value: Any, above: tuple[int, ...], done: set[int]) -> None:
    """ValueError for a value that holds itself, as an alias inside its own anchor does: nothing could ever write it."""
    if not isinstance(value, (dict, list)) or id(value) in done:
        return
    if id(value) in above:
        raise ValueError("a value that holds itself")
    for inner in value.values() if isinstance(value, dict) else value:
        _refuse_cycles(inner, (*above, id(value)), done)
    done.add(id(value))


def split_frontmatter(text: str) -> tuple[str, str] | None:
    """(yaml, body) of a text that starts with a '---' block; None when there is none or it is never closed."""
    if not text.startswith("---\n"):
        return None
    if text.startswith("---\n---\n"):
        return "", text[8:]
    head, mark, body = text[4:].partition("\n---\n")
    if mark:
        return head + "\n", body
    return (text[4:-3], "") if text.endswith("\n---") else None


def parse_page(path: str, text: str) -> WikiPage:
    """A page from its text. A page without frontmatter is all body; PageError when the frontmatter does not parse."""
    parts = split_frontmatter(text)
    if parts is None:
        return WikiPage(path, {}, text)
    meta = load_yaml(parts[0], path)
    if meta is None:
        meta = {}
    if not isinstance(meta, dict):
        raise PageError(f"{path}: frontmatter is not a mapping; mend it by hand")
    return WikiPage(path, {str(k): v for k, v in meta.items()}, parts[1], parts[0])


def serialize_frontmatter(meta: Mapping[str, Any], order: Iterable[str] = ()) -> str:
    """The '---' block with the keys in canonical order (known keys first, unknown ones after, as they came)."""
    known = tuple(order) or (CONVERSATION_KEYS if "session_id" in meta else
                             RAW_KEYS if "source_url" in meta else PAGE_KEYS + STAGED_KEYS + ARCHIVE_KEYS)
    ordered = {k: meta[k] for k in known if k in meta} | dict(meta)
    return "".join(["---\n", *[_plain_line(k, v) or _yaml_line(k, v) for k, v in ordered.items()], "---\n"])


# What YAML writes as it stands, in a block and in [a, list]: most values, at a fiftieth of the emitter's time.
_NAME = r"(?!(?:true|false|null)$|-?[0-9]+$)[A-Za-z0-9_/]"
_PLAIN = re.compile(_NAME + r"(?:[ -~]*[!-~])?")
_LISTED = re.compile(_NAME + r"(?:[A-Za-z0-9 _./()+-]*[A-Za-z0-9_./()+-])?")


def _plain_line(key: str, value: Any) -> str:
    """`key: value` where nothing needs quoting, else ''. Says the same as _yaml_line, only sooner."""
    if not _LISTED.fullmatch(key):
        return ""
    if type(value) is str:
        plain = _PLAIN.fullmatch(value) and ": " not in value and " #" not in value and value[-1] != ":"
        return f"{key}: {value}\n" if plain else ""
    if type(value) is int and abs(value) < 10**15:
        return f"{key}: {value}\n"
    if type(value) is list and all(type(v) is str and _LISTED.fullmatch(v) for v in value):
        return f"{key}: [{', '.join(value)}]\n"
    return ""


def _yaml_line(key: str, value: Any) -> str:
    yaml, _, dumper = _yaml()
    return yaml.dump({key: _flow(value)}, Dumper=dumper, sort_keys=False, allow_unicode=True, width=10**9,
                     default_flow_style=False)


def render_page(page: WikiPage) -> str:
    """The page's whole text; a body that ends without a newline gains one."""
    body = page.body if page.body.endswith("\n") or not page.body else page.body + "\n"
    return serialize_frontmatter(page.meta) + body


INDEX_OPEN, INDEX_CLOSE = "<!-- memex:index -->", "<!-- /memex:index -->"
_INDEX_TITLES = {"wiki": "Wiki", "staging": "Staging: waiting for a yes", "archive": "Archive"}


def render_page_index(station: str, pages: Iterable[WikiPage], old: str = "") -> str:
    """wiki/index.md, staging/index.md or archive/index.md: sorted links by type inside a marked block; what a person wrote
    outside the block in `old` survives (wiki only; the other two are wholly generated)."""
    lines: list[str] = []
    ordered = sorted(pages, key=lambda p: (p.path.split("/")[1:2], p.title.lower(), p.path))
    for folder in TYPE_FOLDERS.values():
        mine = [p for p in ordered if p.path.startswith(f"{station}/{folder}/")]
        if mine:
            lines += ["", f"## {folder.capitalize()}", ""]
            lines += [f"- [{one_line(p.title, 120)}]({p.path.split('/', 1)[1]}){_index_note(p)}" for p in mine]
    block = "\n".join([INDEX_OPEN, *(lines[1:] or ["Nothing here yet."]), INDEX_CLOSE])
    if station == "wiki" and INDEX_OPEN in old and INDEX_CLOSE in old:
        before, rest = old.split(INDEX_OPEN, 1)
        return before + block + rest.split(INDEX_CLOSE, 1)[1]
    human = f"{old.rstrip()}\n\n" if station == "wiki" and old.strip() else f"# {_INDEX_TITLES[station]}\n\n"
    return human + block + "\n"


def _index_note(page: WikiPage) -> str:
    if page.station == "staging":
        return f" · {page.meta.get('staged_by') or '?'} · {page.meta.get('staged_at') or '?'}" + (
            f" · changes {page.meta['modifies']}" if page.meta.get("modifies") else "")
    if page.station == "archive":
        return f" · {one_line(str(page.meta.get('archived_reason') or '?'), 80)}"
    return f" · {page.confidence or '?'}"


# -------------------------------------------------------------- state: words remembered under keys

def parse_words(text: str) -> dict[str, set[str]]:
    """A synced state file: {key: words}. Duplicate keys are joined (what merge=union leaves); ValueError when it is not JSON."""
    import json
    pairs = json.loads(text, object_pairs_hook=list)
    if not isinstance(pairs, list) or any(not isinstance(p, tuple) for p in pairs):
        raise ValueError("not an object")
    found: dict[str, set[str]] = {}
    for key, words in pairs:
        if key:
            found.setdefault(key, set()).update(str(w) for w in (words if isinstance(words, list) else [words]))
    return found


def render_words(words: Mapping[str, Iterable[str]]) -> str:
    """One record a line, each ending in a comma, a constant last line; a '!max' key keeps only its maximum."""
    import json
    lines = []
    for key in sorted(words):
        kept = sorted(set(words[key]))
        if kept:
            kept = kept[-1:] if key.endswith("!max") else kept
            lines.append(f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(kept, ensure_ascii=False)},\n")
    return "{\n" + "".join(lines) + '"": []}\n'
