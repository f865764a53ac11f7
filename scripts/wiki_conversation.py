"""Conversations: a transcript as a set of messages, its rendering and its parsing, the summary block above it. Pure.

A conversation file is frontmatter, '# title', the summariser's block, '## Transcript', messages, '## Subagents'.
Structure is known by the start of a line alone: a line of a message that would read as structure carries one
backslash in front, so `parse_transcript(render_transcript(t)) == t` for any Unicode.
"""
from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wiki_text import (
    CONVERSATION_KEYS,
    HALL_HEADINGS,
    HIGH_SIGNAL_HALLS,
    PageError,
    as_list,
    digest,
    id8,
    load_yaml,
    one_line,
    serialize_frontmatter,
    slug,
    split_frontmatter,
)

# ---------------------------------------------------------------- 5 conversations

ROLES = {"user": "User", "assistant": "Assistant", "task": "Task"}   # task: what a parent agent asks of a subagent
_ROLE_OF = {head: role for role, head in ROLES.items()}


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `id` full (uuid) when fresh from a session, short (8 or 12 hex digits) when read back from a transcript;
    `time` 'YYYY-MM-DD HH:MM' in UTC or ''; `tools` rendered tool traffic, see tool_block()."""
    id: str
    role: str
    time: str
    text: str
    tools: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return len(self.text) + sum(map(len, self.tools))


def short(ident: str) -> str:
    """The short form of a message id: itself where it is one (8 or 12 digits), else its id8."""
    return ident if len(ident) in (8, 12) else id8(ident)


@dataclass(frozen=True, slots=True)
class Shared:
    """Stands in a fork's transcript for a run of messages its parent holds."""
    parent: str      # id8 of the parent session
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Agent:
    """A subagent's work, filed inside the parent."""
    id: str
    title: str
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    messages: tuple[Message | Shared, ...] = ()
    agents: tuple[Agent, ...] = ()

    @property
    def said(self) -> list[Message]:
        """The main line's own messages (no shared runs, no subagents)."""
        return [m for m in self.messages if isinstance(m, Message)]

    @property
    def all_said(self) -> list[Message]:
        """The main line's own messages, then the subagents'."""
        return [m for part in (self.said, *(a.messages for a in self.agents)) for m in part]

    def ids(self) -> list[str]:
        """Short ids in order, main line then subagents."""
        return [short(m.id) for m in self.all_said]

    def with_messages(self, change: Callable[[Message], Message]) -> Transcript:
        """The same transcript with every message changed."""
        def line(messages: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(m if isinstance(m, Shared) else change(m) for m in messages)
        return Transcript(line(self.messages), tuple(replace(a, messages=line(a.messages)) for a in self.agents))


@dataclass(frozen=True)
class Bullet:
    """One memory: a hall, one line of text, and the short ids of the messages it rests on."""
    hall: str
    text: str
    cites: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        return f"- {self.text} [{' '.join('#' + c for c in self.cites)}]" if self.cites else f"- {self.text}"


@dataclass(frozen=True)
class Conversation:
    """A conversation file. `summary` is the prose under '## Summary'; `transcript` the raw text after '## Transcript',
    None when only the head was read."""
    path: str
    meta: dict[str, Any]
    heading: str = ""
    summary: str = ""
    bullets: tuple[Bullet, ...] = ()
    transcript: str | None = field(default=None, compare=False)
    read_hash: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        return str(self.meta.get("title") or self.heading or self.path.rsplit("/", 1)[-1])

    @property
    def wing(self) -> str:
        return str(self.meta.get("wing") or self.path.split("/")[-2])

    @property
    def date(self) -> str:
        return str(self.meta.get("date") or self.path.rsplit("/", 1)[-1][:10])

    @property
    def session_id(self) -> str:
        return str(self.meta.get("session_id") or "")

    @property
    def topics(self) -> list[str]:
        return as_list(self.meta.get("topics"))

    @property
    def related(self) -> list[str]:
        return as_list(self.meta.get("related"))

    @property
    def summarized(self) -> bool:
        return self.meta.get("status") == "summarized"

    @property
    def evidence(self) -> tuple[Bullet, ...]:
        """The bullets that pages may rest on: facts, discoveries, advice."""
        return tuple(b for b in self.bullets if b.hall in HIGH_SIGNAL_HALLS)

    @property
    def digest(self) -> str:
        """The evidence digest: of the sorted bullets under Facts, Discoveries, Advice."""
        return digest("\n".join(sorted(f"{b.hall}: {b.text}" for b in self.evidence)))

    def read(self) -> Transcript:
        """The parsed transcript; empty when only the head was read."""
        return parse_transcript(self.transcript or "")


# --- lines

_STRUCTURE = r"(?:#{3,4} (?:User|Assistant|Task) · |### Agent |## (?:Subagents|Transcript)$|shared with |- \*\*[^*\s]+\*\*(?: `|$))"
_ESCAPE = re.compile(r"^(?=\\*" + _STRUCTURE + ")", re.M)
_UNESCAPE = re.compile(r"^\\(?=\\*" + _STRUCTURE + ")", re.M)
_TOOL = re.compile(r"^- \*\*[^*\s]+\*\*(?: `|$)", re.M)
_PART = re.compile(
    r"^(?:(?P<level>#{3,4}) (?P<role>User|Assistant|Task) · (?:(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d) · )?#(?P<id>[0-9a-f]{8,12})"
    r"|### Agent (?P<agent>\S+)(?: · (?P<title>.*))?"
    r"|(?P<subagents>## Subagents)"
    r"|shared with (?P<parent>[0-9a-f]{8,12}): #(?P<first>[0-9a-f]{8,12}) \.\. #(?P<last>[0-9a-f]{8,12}))$", re.M)


def escape_structure(text: str) -> str:
    """One backslash in front of every line that would read as the file's structure."""
    return _ESCAPE.sub(r"\\", text) if _ESCAPE.search(text) else text


def unescape_structure(text: str) -> str:
    return _UNESCAPE.sub("", text) if "\\" in text else text


@functools.cache
def _tool_name(name: str) -> str:
    return re.sub(r"[*`]|[^!-~]+", "-", name) or "tool"


def tool_block(name: str, argument: str = "", output: str | None = None) -> str:
    """One tool call as it stands in a transcript: '- **Bash** `argument`', its output in an indented fence.

    `argument` is folded to one line; `output` must already be cut to size and verbatim() safe."""
    head = f"- **{_tool_name(name)}**"
    if argument := one_line(argument, 500):
        head += f" `{argument}`"
    if output is None or not output.strip():
        return head
    fence = "```"
    while fence in output:
        fence += "`"
    body = "\n".join(["  " + line if line else "" for line in output.rstrip("\n").split("\n")])
    return f"{head}\n  {fence}text\n{body}\n  {fence}"


# --- rendering

def render_message(message: Message, ident: str, marks: str = "###") -> str:
    head = f"{marks} {ROLES[message.role]} · {message.time + ' · ' if message.time else ''}#{ident}\n"
    text = escape_structure(message.text) + "\n" if message.text or not message.tools else ""
    return head + text + ("\n" + "\n".join(message.tools) + "\n" if message.tools else "")


def render_transcript(transcript: Transcript) -> str:
    """The text after '## Transcript'; '' for an empty transcript."""
    names = short_ids(transcript)
    parts = [render_message(m, names[m.id]) if isinstance(m, Message) else f"shared with {m.parent}: #{m.first} .. #{m.last}\n"
             for m in transcript.messages]
    if transcript.agents:
        parts.append("## Subagents\n")
        for agent in sorted(transcript.agents, key=lambda a: a.id):
            title = one_line(agent.title, 120)
            parts.append(f"### Agent {agent.id}{' · ' + title if title else ''}\n")
            parts += [render_message(m, names[m.id], "####") for m in agent.messages]
    return "\n".join(parts)


def short_ids(transcript: Transcript) -> dict[str, str]:
    """{message id: short id}: 8 hex digits, 12 for ids of one file that share their last 8."""
    ids = [m.id for m in transcript.all_said]
    names = {i: short(i) for i in ids}
    if len(set(names.values())) == len(names):
        return names
    seen: dict[str, list[str]] = {}
    for ident, s in names.items():
        seen.setdefault(s, []).append(ident)
    return {i: names[i] if len(seen[names[i]]) == 1 or len(i) in (8, 12) else id8(i, 12) for i in ids}


def parse_transcript(text: str) -> Transcript:
    """The inverse of render_transcript; text before the first heading is ignored."""
    text += "\n"
    found = list(_PART.finditer(text))
    main: list[Message | Shared] = []
    agents: list[tuple[str, str, list[Message]]] = []
    for match, following in zip(found, [*found[1:], None], strict=False):
        if match["role"]:
            chunk = text[match.end() + 1: following.start() if following else len(text)]
            message = _parse_message(match, chunk.removesuffix("\n").removesuffix("\n"))
            (agents[-1][2] if match["level"] == "####" and agents else main).append(message)
        elif match["agent"]:
            agents.append((match["agent"], match["title"] or "", []))
        elif match["parent"]:
            main.append(Shared(match["parent"], match["first"], match["last"]))
    return Transcript(tuple(main), tuple(Agent(a, t, tuple(m)) for a, t, m in agents))


def _parse_message(head: re.Match[str], content: str) -> Message:
    tools: tuple[str, ...] = ()
    if first := _TOOL.search(content):
        starts = [m.start() for m in _TOOL.finditer(content, first.start())]
        tools = tuple(content[a:b].removesuffix("\n") for a, b in zip(starts, [*starts[1:], len(content)], strict=True))
        content = content[: max(0, first.start() - 2)]
    return Message(head["id"], _ROLE_OF[head["role"]], head["time"] or "", unescape_structure(content), tools)


def merge_messages(old: Sequence[Message | Shared], new: Sequence[Message | Shared]) -> tuple[Message | Shared, ...]:
    """The union of two states of one line of messages, keyed by short id, in the order of `new`.

    A message only `old` has keeps its place: after the message it followed. Same id, other content: the longer text wins,
    ties by the smaller bytes. A shared run whose messages stand themselves is left out."""
    def key(m: Message | Shared) -> Any:
        return m if isinstance(m, Shared) else short(m.id)

    fresh = {key(m): m for m in new}
    known = {key(m): m for m in old}
    after: dict[Any, list[Any]] = {}
    last = None
    for k in known:
        if k in fresh:
            last = k
        else:
            after.setdefault(last, []).append(k)
    order = list(after.get(None, []))
    for k in fresh:
        order += [k, *after.get(k, [])]
    return spelt_out([_longer(known[k], fresh[k]) if k in known and k in fresh else fresh.get(k) or known[k] for k in order])


def _longer(a: Message | Shared, b: Message | Shared) -> Message | Shared:
    """Commutative choice between two versions of one message; keeps a full id where one is known."""
    if isinstance(a, Shared) or isinstance(b, Shared):
        return a
    best = min(a, b, key=lambda m: (-m.size, m.text, m.tools, m.time, m.role))
    full = max(a.id, b.id, key=lambda i: (len(i), i))
    return best if best.id == full else replace(best, id=full)


def spelt_out(messages: Sequence[Message | Shared]) -> tuple[Message | Shared, ...]:
    """A line of messages without the shared runs whose both ends stand in it as messages."""
    runs = [m for m in messages if isinstance(m, Shared)]
    if not runs:
        return tuple(messages)
    ends = {short(m.id)[-8:] for m in messages if isinstance(m, Message)}
    gone = {m for m in runs if m.first[-8:] in ends and m.last[-8:] in ends}
    return tuple(m for m in messages if m not in gone)


def merge_transcripts(old: Transcript, new: Transcript) -> Transcript:
    """The union of two states of one session; agents by id, the longer title kept."""
    agents = {a.id: a for a in old.agents}
    for a in new.agents:
        was = agents.get(a.id)
        agents[a.id] = a if was is None else Agent(
            a.id, max(was.title, a.title, key=lambda t: (len(t), t)), merge_messages(was.messages, a.messages))
    return Transcript(merge_messages(old.messages, new.messages), tuple(agents[i] for i in sorted(agents)))


# --- two messages of one file whose ids share their last eight digits

def same_message(a: Message, b: Message) -> bool:
    """Are two messages whose ids end alike one message? A record keeps its role, and its time or how its words begin."""
    if a.role != b.role:
        return False
    one, two = sorted((" ".join(a.text.split()), " ".join(b.text.split())), key=len)
    return a.time == b.time or two.startswith(one)


def in_doubt(old: Transcript, new: Transcript) -> bool:
    """Does `new` hold a message, known by its full id, that the eight digits of another one in `old` would hide?"""
    known = {m.id: m for m in old.all_said if len(m.id) == 8}
    return any((was := known.get(id8(m.id))) is not None and not same_message(was, m)
               for m in new.all_said if len(m.id) > 12)


def told_apart(old: Transcript, new: Transcript) -> tuple[Transcript, Transcript, dict[str, str]]:
    """Two states of one session with ids under which a message of both is the same and two messages are two; {short id: longer
    one} of the messages of `old` that are known by twelve digits now."""
    long = [{s[-8:]: [] for s in short_ids(t).values() if len(s) == 12} for t in (old, new)]
    if not any(long) and not in_doubt(old, new):
        return old, new, {}
    names = [short_ids(t) for t in (old, new)]
    for table, shorts, t in zip(long, names, (old, new), strict=True):
        for m in t.all_said:
            if len(shorts[m.id]) == 12:
                table[shorts[m.id][-8:]].append(replace(m, id=shorts[m.id]))
    known = {m.id: m for m in old.all_said if len(m.id) == 8}
    renamed: dict[str, str] = {}

    def as_in(table: dict[str, list[Message]], m: Message) -> str:
        return next((o.id for o in table.get(m.id[-8:], ()) if same_message(o, m)), m.id)

    def of_old(m: Message) -> Message:
        if len(m.id) != 8 or (ident := as_in(long[1], m)) == m.id:
            return m
        renamed[m.id] = ident
        return replace(m, id=ident)

    def of_new(m: Message) -> Message:
        if len(m.id) == 8:
            return replace(m, id=as_in(long[0], m))
        twelve = id8(m.id, 12)
        hidden = (was := known.get(twelve[-8:])) is not None and not same_message(was, m)
        two = len(names[1][m.id]) == 12 or any(o.id == twelve for o in long[0].get(twelve[-8:], ()))
        return replace(m, id=twelve) if hidden or two else m

    return old.with_messages(of_old), new.with_messages(of_new), renamed


def transcript_digest(transcript: Transcript) -> str:
    """summary_of: of the ordered message ids."""
    return digest("\n".join(transcript.ids()))


# --- the file

_CITES = re.compile(r"\s*\[((?:#[0-9a-f]{8,12}[ ,]*)+)\]\s*$")
_HEAD_END = re.compile(r"^## Transcript$", re.M)
_HALL_OF = {h.lower(): hall for hall, h in HALL_HEADINGS.items()}


def conversation_path(wing: str, day: str, first_prompt: str, session_id: str, part: int = 1) -> str:
    """conversations/<wing>/<day>-<slug>-<id8>.md: a pure function of the session's beginning."""
    tail = f".{part}" if part > 1 else ""
    name = slug(one_line(first_prompt, 300)) if first_prompt.strip() else "session"
    return f"conversations/{slug(wing)}/{day}-{name}-{id8(session_id)}{tail}.md"


def parse_bullet(hall: str, line: str) -> Bullet:
    """A '- text [#id #id]' line (with or without the dash and the citation)."""
    text = line.strip().removeprefix("- ").strip()
    match = _CITES.search(text)
    if not match:
        return Bullet(hall, text)
    return Bullet(hall, text[: match.start()].strip(), tuple(c.strip("# ,") for c in match[1].replace(",", " ").split()))


def parse_conversation_halls(text: str) -> dict[str, list[Bullet]]:
    """{hall: bullets} of a summary block (the text between the title and '## Transcript'); unknown sections are left out."""
    halls: dict[str, list[Bullet]] = {}
    hall = ""
    for line in text.split("\n"):
        if line.startswith("## "):
            hall = _HALL_OF.get(line[3:].strip().lower(), "")
        elif hall and line.startswith("- "):
            halls.setdefault(hall, []).append(parse_bullet(hall, line))
    return halls


def high_signal_halls(conversation: Conversation) -> dict[str, list[Bullet]]:
    """The halls whose bullets pages may rest on."""
    return {h: b for h in HIGH_SIGNAL_HALLS if (b := [x for x in conversation.bullets if x.hall == h])}


def parse_conversation(path: str, text: str) -> Conversation:
    """A conversation from its text (whole file, or only the head up to '## Transcript'). PageError when the frontmatter fails."""
    parts = split_frontmatter(text)
    meta = load_yaml(parts[0], path) if parts else {}
    if meta is None:
        meta = {}
    if not isinstance(meta, dict):
        raise PageError(f"{path}: frontmatter is not a mapping; mend it by hand")
    body = parts[1] if parts else text
    cut = _HEAD_END.search(body)
    head = body[: cut.start()] if cut else body
    summary = re.search(r"^## Summary\n(.*?)(?=^## |\Z)", head, re.M | re.S)
    title = re.search(r"^# (.*)$", head, re.M)
    bullets = tuple(b for group in parse_conversation_halls(head).values() for b in group)
    rest = body[cut.end():].removeprefix("\n").removeprefix("\n") if cut else None
    return Conversation(path, {str(k): v for k, v in meta.items()}, title[1] if title else "",
                        summary[1].strip() if summary else "", bullets, rest)


def render_summary(summary: str, bullets: Iterable[Bullet]) -> str:
    """The summariser's block: '## Summary' and the halls that are not empty; '' when there is nothing."""
    parts = [f"## Summary\n{escape_structure(summary.strip())}\n"] if summary.strip() else []
    listed = list(bullets)
    for hall, head in HALL_HEADINGS.items():
        mine = [b.line for b in listed if b.hall == hall]
        if mine:
            parts.append(f"## {head}\n" + "\n".join(mine) + "\n")
    return "\n".join(parts)


def render_conversation(meta: Mapping[str, Any], summary_block: str, transcript: str) -> str:
    """The whole file from its three parts; `transcript` as render_transcript gave it."""
    title = one_line(str(meta.get("title") or "Session"), 200)
    block = f"\n{summary_block.strip()}\n" if summary_block.strip() else ""
    return f"{serialize_frontmatter(meta, CONVERSATION_KEYS)}# {title}\n{block}\n## Transcript\n\n{transcript}"
