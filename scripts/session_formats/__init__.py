"""Session files of the agents, read into values: one module an agent, one policy for all.

A format module has
    NAME                       what `agent:` says in a transcript
    KNOWN, knows(), place()    the tables of what it knows; the rest is counted by the agent's version (session_canary.py)
    sources(folder, files)     the session files among those found in a folder (session_files), as Source values
    session_of(source, head)   an Owner: whose words a file holds, by its name or, if need be, its first bytes: head()
    parse(data, start, ...)    a Reading of the bytes from `start`, which is 0 or a Reading's `restart`
    superseded(said, session)  ids of messages that another record of the same utterance stands for by now
Adding an agent is adding a file and naming it in FORMATS.

What becomes a message (the policy, the same for every agent)
- One message for each prompt a person gave, one for each record of assistant text. Its id is the record's own.
- A person's words are also taken where they hide: prompts queued while the agent worked (`queue-operation`,
  `queued_command`), the reason given when a tool was refused. A queued prompt and its delivery are one message.
- A slash command reads `/name args`, a shell line `! command`, a memory `# text`, an image `[image]`. What a command was
  expanded to is a program's where the record says so (`isMeta`); a prompt of Codex's own library, or a plan that was
  accepted and sent, is the prompt: no other record says what the person gave, and hooks saw it as theirs.
- Never a person's words, so left out: what says so itself (isMeta, isCompactSummary, origin other than human,
  promptSource system), system reminders, hook output, task notifications, caveats, what the IDE has open, output of
  local commands and of `!` lines, skills' texts, summaries of compaction, notices of interruption and of unknown
  commands, environment, permission and instruction blocks (AGENTS.md), another agent's messages, and what this wiki
  itself put in (`<memex-wake-up>`). What a plug-in types into the terminal is typed: no record tells it apart.
- Never the assistant's: "No response requested." of the model `<synthetic>`. Its other notices (API errors) stay.
- A task notification, a background subagent's report, stands with the tool traffic, in full.
- What was recalled from this wiki is no evidence for it: of a call that searches or reads it the command stays and the
  output goes, and so does what search printed or a page of the wiki in any other output (recalled.py).
- Thinking and progress are left out. Unknown records are skipped and counted.
- Tool calls stand under the assistant message they follow; one without any opens a message without text.
- A subagent's messages are filed under its id; the prompt its parent gave it has the role `task`.
Order is the file's order, never that of the timestamps, which step backwards in most long sessions.
"""
from __future__ import annotations

import wiki_lib as wl

import functools
import importlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from session_formats import recalled

FORMATS = ("claude_code", "codex")     # modules of this package, in the order in which a strange file is offered to them
MAX_OUTPUT_CHARACTERS = 20_000         # of one tool call, whatever the number of lines
ARGUMENT_CHARACTERS = 500              # of a call's telling argument, which stands on one line
QUEUED_ALIKE = 5                       # prompts of the same words, queued in one minute, that are told apart
ODD_KINDS, ODD_CHARACTERS = 30, 60     # kinds of one file that no table knows, and of one of their names
SPARE_CHARACTERS = 8_000               # read beyond a cut, so that no secret is cut in two: twice the longest one

SHAPES = frozenset({"several values on a line", "rewritten"})     # of files, whichever agent wrote them

# Blocks a program put around or into a person's words.
INJECTED = re.compile(r"<(system-reminder|memex-wake-up)>.*?</\1>\s*", re.S)

TAG = re.compile(r"<([A-Za-z][\w-]*)[\s>]")
# Names of elements that people paste; any other tag at the start of a prompt may be a new wrapper of the agent's.
MARKUP = frozenset("a abbr article aside b body br button canvas code details dialog div dl em fieldset figure footer form h1 h2 "
                   "h3 h4 head header hr html i iframe img input label li link main meta nav object ol option p path pre script "
                   "section select span strong style sub summary svg table tbody td textarea template th thead title tr ul "
                   "video xml".split())


@dataclass(frozen=True, slots=True)
class Source:
    """One session file. `kind` is main or agent (a subagent's file); `project` the folder the agent keeps it in."""
    path: str
    format: str
    kind: str = "main"
    project: str = ""
    size: int = 0
    mtime: int = 0             # nanoseconds


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose words a file holds. `agent`: the subagent's id, '' for the session itself; `stands_in`: such a file is the
    session where that has none of its own."""
    session: str
    agent: str = ""
    stands_in: bool = False


class Draft:
    """A message as read, before secrets are taken out. `at`: the ISO time of its record or ''; `calls`: its tool calls."""
    __slots__ = ("id", "role", "at", "text", "calls", "queued")

    def __init__(self, ident: str, role: str, at: str, text: str):
        self.id, self.role, self.at, self.text = ident, role, at, text
        self.calls: list[Call] = []
        self.queued = 0                # waits to be delivered, by what has an id of its own: number among equals of its minute


class Call:
    """A tool call; `output` is None until it is known, and stays so where the policy keeps none."""
    __slots__ = ("name", "argument", "output", "given", "recalls")

    def __init__(self, name: str, argument: str, given: Any):
        self.name, self.argument, self.given = name, argument, given
        self.output: str | None = None
        self.recalls = False           # it asked this wiki: what came of it is not kept


@dataclass(slots=True)
class Reading:
    """What a stretch of a session file says."""
    cwd: str = ""
    remote: str = ""                   # of the repository it was in, where the agent says so
    branch: str = ""
    entrypoint: str = ""               # how the agent was started: cli, sdk-cli, exec ...
    title: str = ""                    # the agent's own title
    models: dict[str, None] = field(default_factory=dict)
    forked_from: str = ""
    first_time: str = ""               # of any record: for sessions whose messages carry none
    main: list[Draft] = field(default_factory=list)
    agents: dict[str, list[Draft]] = field(default_factory=dict)
    agent_titles: dict[str, str] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)          # {version of the agent: records of it}
    strange: dict[str, Counter] = field(default_factory=dict)      # {version: {what no table of the format knows: how often}}
    version: str = ""                  # in force at the last record
    count: int = 0                     # records of that version, not yet in `records`
    read_to: int = 0                   # records before this offset were counted by an earlier reading
    broken: int = 0                    # lines that are no JSON; each costs only itself
    start: int = 0                     # where this reading began
    end: int = 0                       # where it ended: at the end of the last whole line
    restart: int = 0                   # where a later reading may start: nothing before it is still open
    before: int = 0                    # main-line messages before `restart`
    memory: dict[str, Any] = field(default_factory=dict)   # what parse() must be given again at `restart`

    @property
    def unknown(self) -> Counter:
        """What no table of the format knows, of all versions together."""
        return sum(self.strange.values(), Counter())

    def odd(self, what: str) -> None:
        """Count something that no table knows, such as 'record: new-type'."""
        seen = self.strange.setdefault(self.version, Counter())
        what = plain(brief(what, ODD_CHARACTERS))
        seen[what if what in seen or len(seen) < ODD_KINDS else "(others)"] += 1

    def in_version(self, version: str) -> None:
        """From this record on another version of the agent writes; what came before the first one is counted to it."""
        version = plain(brief(version, ODD_CHARACTERS))
        version = version if version in self.records or len(self.records) < ODD_KINDS else "(others)"
        if self.version:
            self.settle_counts()
        elif "" in self.strange:
            self.strange[version] = self.strange.pop("") + self.strange.get(version, Counter())
        self.version = version

    def settle_counts(self) -> None:
        self.records[self.version] = self.records.get(self.version, 0) + self.count
        self.count = 0

    def count_anew(self) -> None:
        """Here begins what no earlier reading has counted."""
        self.read_to = self.count = 0
        self.records.clear()
        self.strange.clear()


def plain(word: str) -> str:
    """A word of a file as it may be said in a terminal."""
    return word if word.isprintable() else "".join(c if c.isprintable() else "?" for c in word)


@functools.cache
def module(name: str) -> Any:
    """The format module of a Source.format."""
    return importlib.import_module(f"session_formats.{name}")


# ---------------------------------------------------------------- lines

def _integer(digits: str) -> int | float:
    """Python turns no more than some thousand digits into an int; nothing here counts that far."""
    return int(digits) if len(digits) < 1_000 else float(digits)


_DECODER = json.JSONDecoder(strict=False, parse_int=_integer)


def whole_lines(data: bytes, start: int) -> int:
    """The end of the last whole line: after the last newline, or of the file where its last line is complete JSON."""
    end = data.rfind(b"\n", start) + 1 or start
    tail = data[end:].strip()
    if not tail:
        return len(data) if end else end
    return len(data) if tail[:1] == b"{" and decoded(tail) else end


def decoded(line: bytes) -> list[Any]:
    """The JSON values on a line: one, several glued together, or none when it is broken.

    Slow and tolerant: for lines that orjson refuses (lone surrogates, bytes that are not UTF-8, a BOM, NULs, control characters
    in strings, NaN, huge numbers)."""
    text = line.decode("utf-8", "replace").strip("\ufeff\0\r\n\t ")
    found, at = [], 0
    while at < len(text):
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return []
        found.append(value)
        while at < len(text) and text[at] in " \t\r\0":
            at += 1
    return found


def read_records(data: bytes, start: int, reading: Reading, take: Callable[[dict, int], None], base: int = 0) -> None:
    """Give every record from `start` to `take(record, offset of its line)`; count broken lines; set reading.end. `base`: where
    in the file the data begins."""
    end = whole_lines(data, start)
    reading.end = base + end
    view, find, loads, at = memoryview(data), data.find, orjson.loads, start
    while at < end:
        stop = find(b"\n", at, end)
        if stop < 0:
            stop = end
        try:
            record = loads(view[at:stop])
        except ValueError:
            _take_odd(data[at:stop], base + at, reading, take)
        else:
            if type(record) is dict:
                take(record, base + at)
            else:
                reading.odd("line: not a record")
        at = stop + 1


def _take_odd(line: bytes, at: int, reading: Reading, take: Callable[[dict, int], None]) -> None:
    """A line that is not one JSON value: nothing, several, or broken."""
    if not line.strip(b"\0\r\t \xef\xbb\xbf"):
        return
    values = decoded(line)
    reading.broken += not values
    if len(values) > 1 and "several values on a line" not in SHAPES:
        reading.odd("shape: several values on a line")
    for value in values:
        if isinstance(value, dict):
            take(value, at)


# ---------------------------------------------------------------- ids

def full_id(ident: Any) -> str:
    """A record's own id, '' when it has none. Eight or twelve characters would pass for a short id, so those are hashed."""
    if not isinstance(ident, str) or not ident:
        return ""
    return ident if len(ident) > 12 else wl.sha(ident)


LONG = 1_000_000           # characters from which a text is gone through in pieces
_SPACE = re.compile(r"\s")


def normalised(text: str) -> str:
    """What two records of one utterance share: their words."""
    if len(text) < LONG:
        return " ".join(text.split())
    # A word costs ten times its letters while it is one of many: a long text is gone through in pieces that end between words.
    cuts = [0, *(m.start() for at in range(LONG, len(text), LONG) if (m := _SPACE.search(text, at))), len(text)]
    return " ".join(words for a, b in zip(cuts, cuts[1:], strict=False) if (words := " ".join(text[a:b].split())))


def weak_id(session: str, role: str, text: str, ordinal: int | str) -> str:
    """The id of a message whose record has none: of what was said, and how often it had been said before."""
    return wl.sha(f"{session}\0{role}\0{normalised(text)}\0{ordinal}")


def queued_id(session: str, text: str, time: str, number: int = 1) -> str:
    """The id of a prompt that waits to be delivered; `time` as a transcript shows it, `number` among equals of that minute. The
    message goes when its delivery is there."""
    return weak_id(session, "queued", text, f"{time} {number}")


def waits(session: str, text: str, time: str, ident: str) -> bool:
    """Is this the id of a prompt that waits to be delivered?"""
    short = wl.short(ident)[-8:]
    return any(wl.id8(queued_id(session, text, time, number)) == short for number in range(1, QUEUED_ALIKE + 1))


# ---------------------------------------------------------------- what a person said

def own_words(text: str) -> str:
    """The text without the blocks that programs put into it."""
    if "<system-reminder>" in text or "<memex-wake-up>" in text:
        text = INJECTED.sub("", text)
    return text


# ---------------------------------------------------------------- tools

@dataclass(frozen=True)
class Tools:
    """How tool traffic is kept: the seams of extract-sessions."""
    keep: frozenset[str] = frozenset({"Bash", "Skill"})
    summarize: frozenset[str] = frozenset({"Edit", "Write", "MultiEdit", "NotebookEdit"})
    max_lines: int = 200

    def call(self, name: str, given: Any) -> Call:
        call = Call(name, self._argument(name, given), given if name in self.summarize else None)
        if name in self.keep or name in self.summarize:
            command = given.get("command") if isinstance(given, dict) else None
            call.recalls = recalled.by_call(name, command if isinstance(command, str) else "")
        return call

    def answer(self, call: Call, text: str) -> None:
        """Join a call with what came of it."""
        if call.recalls:
            call.given = None
        elif call.name in self.keep:
            call.output = cut_output(recalled.left_out(own_words(text)), self.max_lines)
        elif call.name in self.summarize:
            if call.name not in _CHANGED and (said := brief(own_words(text), 160)):
                call.argument = f"{call.argument}: {said}" if call.argument else said
            call.given = None
        elif call.name == "TaskNotification":
            call.output = cut_output(own_words(text), self.max_lines)
        elif call.name == "AskUserQuestion" and text:
            call.argument = brief(text.removeprefix("User has answered your questions: "), ARGUMENT_CHARACTERS)

    def _argument(self, name: str, given: Any) -> str:
        if not isinstance(given, dict):
            return _short(given)
        if name == "Bash":
            return _short(given.get("command"))
        if name in _CHANGED:
            path = _short(given.get("file_path") or given.get("notebook_path") or given.get("path"))
            change = _CHANGED[name](given) if name in self.summarize else ""
            return f"{path}: {change}" if change else path
        if name in ("Grep", "Glob") and given.get("path"):
            return f"{_short(given.get('pattern'))} in {_short(given['path'])}"
        for key in TELLING:
            if value := given.get(key):
                return _short(value)
        return next((_short(v) for v in given.values() if isinstance(v, str) and v), "")


# The keys whose value says most about a call, the most telling first.
TELLING = ("file_path", "notebook_path", "path", "skill", "description", "subject", "query", "url", "command", "cmd",
           "pattern", "question", "title", "name", "prompt", "taskId", "task_id", "id")


def _short(value: Any) -> str:
    if isinstance(value, str):
        return cut(value, 2 * ARGUMENT_CHARACTERS)
    if isinstance(value, (list, tuple)):
        return cut(" ".join(_short(v) for v in value[:40]), 2 * ARGUMENT_CHARACTERS)
    return "" if value is None else cut(str(value), ARGUMENT_CHARACTERS)


def cut(text: str, limit: int) -> str:
    """The first `limit` characters. Secrets are taken out before the cut: half a secret is known by no rule."""
    if len(text) <= limit:
        return text
    clean = wl.redact(text[:limit + SPARE_CHARACTERS])[0]
    # What is cut off here may be a half, too; it is among the last characters.
    return clean[:limit if len(text) <= limit + SPARE_CHARACTERS else min(limit, max(0, len(clean) - SPARE_CHARACTERS // 2))]


def brief(text: str, limit: int) -> str:
    """wl.one_line(), free of secrets before the cut."""
    return wl.one_line(wl.redact(cut(text, 8 * limit))[0], limit)


def _lines(text: Any) -> int:
    return text.count("\n") + (not text.endswith("\n")) if isinstance(text, str) and text else 0


def _first_line(text: Any) -> str:
    first = text[:SPARE_CHARACTERS].strip().split("\n", 1)[0] if isinstance(text, str) else ""
    return brief(first, 100) if len(first) > 100 else wl.one_line(first, 100)      # what is not cut is cleaned with the rest


def _edit(given: dict) -> str:
    old, new = given.get("old_string"), given.get("new_string", given.get("new_source"))
    return f"-{_lines(old)} +{_lines(new)} lines: {_first_line(new) or _first_line(old)}"


def _edits(given: dict) -> str:
    edits = [e for e in edits if isinstance(e, dict)] if isinstance(edits := given.get("edits"), list) else []
    old, new = sum(_lines(e.get("old_string")) for e in edits), sum(_lines(e.get("new_string")) for e in edits)
    return f"{len(edits)} edits, -{old} +{new} lines: {_first_line(edits[0].get('new_string')) if edits else ''}"


def _write(given: dict) -> str:
    return f"{_lines(given.get('content'))} lines: {_first_line(given.get('content'))}"


def patch_summary(patch: str) -> str:
    """The files of an apply_patch text with the lines each loses and gains: 'src/a.py: -1 +3 lines'."""
    files: list[list] = []
    for line in patch.split("\n"):
        if line.startswith("*** ") and (m := re.match(r"\*\*\* (Add|Update|Delete) File: (.+)", line)):
            files.append([m[2].strip(), 0, 0, m[1]])
        elif files and line[:1] in ("-", "+"):
            files[-1][1 if line[0] == "-" else 2] += 1
    return "; ".join(f"{p}: {'deleted' if verb == 'Delete' else f'-{old} +{new} lines'}" for p, old, new, verb in files)


_CHANGED: dict[str, Callable[[dict], str]] = {
    "Edit": _edit, "NotebookEdit": _edit, "MultiEdit": _edits, "Write": _write}


def cut_output(text: str, max_lines: int) -> str:
    """At most max_lines lines and MAX_OUTPUT_CHARACTERS characters, then how much was cut."""
    lines = text.count("\n") + (not text.endswith("\n"))
    if lines <= max_lines and len(text) <= MAX_OUTPUT_CHARACTERS:
        return text
    kept = "\n".join(text.split("\n", max_lines)[:max_lines])
    if len(kept) > MAX_OUTPUT_CHARACTERS:
        kept = kept[:kept.rfind("\n", 0, MAX_OUTPUT_CHARACTERS + 1)] if "\n" in kept[:MAX_OUTPUT_CHARACTERS + 1] else ""
    if not kept:
        return f"{cut(text, MAX_OUTPUT_CHARACTERS)}\n… {len(text) - MAX_OUTPUT_CHARACTERS} more characters"
    return f"{kept}\n… {lines - kept.count(chr(10)) - 1} more lines"
