"""Codex: `sessions/YYYY/MM/DD/rollout-<time>-<id>.jsonl`. Today every record is an envelope {timestamp, type, payload};
until September 2025 the payloads stood bare, after a header without `type`."""
from __future__ import annotations

import wiki_lib as wl

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
from session_files import Found

import session_formats as sf

NAME = "codex"

_ID = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.jsonl$")
_STEM = re.compile(r"rollout-(?:\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-)?(.+)\.jsonl$")
COPY_SECONDS = 0.3         # a subagent's rollout begins with its parent's history, written in one go
SHELLS = frozenset({"shell", "shell_command", "exec_command", "local_shell", "container.exec", "exec", "functions.exec",
                    "unified_exec", "write_stdin", "bash"})

# What a program says in the person's role.
_NOT_SAID = re.compile(
    r"\s*(?:<(?:environment_context|user_instructions|subagent_notification|turn_aborted|recommended_plugins|user_action"
    r"|INSTRUCTIONS|permissions|skills?_instructions|skill|apps_instructions|plugins_instructions|collaboration_mode"
    r"|app-context|model_switch|personality_spec|multi_agent_mode|hook_prompt|local_context)\b"
    r"|# AGENTS\.md instructions|Another language model started to solve this problem and produced a summary)")
_EDITOR = re.compile(r"\s*# Context from my IDE setup:\n.*?^## My request for Codex:\s*", re.S | re.M)    # what the IDE has open
_CWD = re.compile(r"<cwd>(.*?)</cwd>|Current working directory: (.+)")
_SHELL = re.compile(r"\s*<user_shell_command>\s*<command>(.*?)</command>", re.S)
_COMMAND_ECHO = re.compile(r"Command: .*?\n(?=Chunk ID: |Wall time)", re.S)
_PREAMBLE = re.compile(r"(?:Chunk ID: .*\n|Wall time:? .*\n|Process (?:exited with code|running with session ID) .*\n"
                       r"|Original token count: .*\n|Exit code: .*\n|Script (?:completed|running|failed).*\n"
                       r"|Total output lines: .*\n)*Output:\n")
# What this reader knows, by what it is about: everything else is counted as unknown, with the version that wrote it. Seen in
# real rollouts of 0.57.0 to 0.145.0; `shape` are traits of whole files.
KNOWN: dict[str, frozenset[str]] = {
    "record": frozenset({"session_meta", "turn_context", "response_item", "event_msg", "compacted", "world_state",
                         "inter_agent_communication_metadata"}),
    "item": frozenset({
        "message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "local_shell_call",
        "local_shell_call_output", "web_search_call", "reasoning", "ghost_snapshot", "agent_message"}),
    "event": frozenset({
        "user_message", "agent_message", "thread_name_updated", "token_count", "agent_reasoning", "agent_reasoning_section_break",
        "exec_command_begin", "exec_command_end", "patch_apply_begin", "patch_apply_end", "mcp_tool_call_begin",
        "mcp_tool_call_end", "web_search_begin", "web_search_end", "dynamic_tool_call_request", "dynamic_tool_call_response",
        "task_started", "task_complete", "turn_aborted", "turn_diff", "context_compacted", "plan_update", "error",
        "thread_settings_applied", "entered_review_mode", "exited_review_mode", "sub_agent_activity", "collab_waiting_end",
        "collab_agent_spawn_end", "collab_agent_interaction_end", "collab_close_end", "status_update", "tool_call"}),
    "role": frozenset({"user", "assistant", "developer", "system", "function", "tool"}),
    "user block": frozenset({"input_text", "input_image", "text", "image"}),
    "assistant block": frozenset({"output_text", "text"}),
    "output": frozenset({"str", "list", "dict", "NoneType"}),
    "output block": frozenset({"input_text", "output_text", "text", "input_image", "image"}),
    "subagent": frozenset({"review", "thread_spawn"}),
    # Wrappers at the start of what is said in a person's name.
    "tag": frozenset({
        "environment_context", "user_instructions", "subagent_notification", "turn_aborted", "recommended_plugins", "user_action",
        "INSTRUCTIONS", "permissions", "skill", "skills_instructions", "skill_instructions", "apps_instructions",
        "plugins_instructions", "collaboration_mode", "app-context", "model_switch", "personality_spec", "multi_agent_mode",
        "hook_prompt", "local_context", "user_shell_command", "image", "system-reminder", "memex-wake-up"}),
    "shape": frozenset({"flat", "said twice", "another session's head", "session resumed"}),
    "place": frozenset({"rollout-"}),
}


def knows(what: str) -> bool:
    """Is 'group: name', as a Reading counts it, in the tables (by now)?"""
    group, _, name = what.partition(": ")
    return name in KNOWN.get(group, ()) or group == "shape" and name in sf.SHAPES


def place(path: str) -> str:
    """How a session file is called; see KNOWN["place"]."""
    name = path.rsplit("/", 1)[-1]
    return "rollout-" if name.startswith("rollout-") else "(another name)"


def sources(folder: str, files: Iterable[Found]) -> list[sf.Source]:
    """Rollout files of a `sessions` folder (or any folder that holds such files); `files`: what is there."""
    return [sf.Source(path, "codex", "main", "", info.st_size, info.st_mtime_ns)
            for path, info in files if path.rsplit("/", 1)[-1].startswith("rollout-")]


def recognises(head: bytes) -> bool:
    """Does a file of unknown name begin as a rollout?"""
    return b'"session_meta"' in head or b'"payload"' in head or b'"record_type"' in head or b'"instructions"' in head


def session_of(source: sf.Source, head: Callable[[], bytes]) -> sf.Owner:
    """A subagent's rollout belongs to the session of its parent. A review may have no other file than its own
    (`codex exec review`): then it is that session."""
    match = _ID.search(source.path) or _STEM.search(source.path)
    named = match[1] if match else source.path.rsplit("/", 1)[-1].removesuffix(".jsonl")
    meta = _first_meta(head())
    own = _text(meta.get("id")) or named
    parent = _parent(meta)
    if parent and parent != named:
        return sf.Owner(parent, own, stands_in=meta["source"].get("subagent") == "review")
    return sf.Owner(parent or own)


def agent_title(source: sf.Source) -> str:
    return ""              # it stands in the rollout itself


def _first_meta(head: bytes) -> dict:
    try:
        record = orjson.loads(head.split(b"\n", 1)[0])
    except ValueError:
        return _clipped_meta(head.split(b"\n", 1)[0])
    record = record if isinstance(record, dict) else {}
    payload = record.get("payload")
    return payload if isinstance(payload, dict) else record


def _clipped_meta(line: bytes) -> dict:
    """The ids of a first line longer than what was read of the file."""
    found = {k: m[1].decode("utf-8", "replace") for k in ("id", "parent_thread_id", "forked_from_id")
             if (m := re.search(rb'"' + k.encode() + rb'":\s*"([^"]+)"', line))}
    if b'"subagent"' in line:
        found["source"] = {"subagent": "review" if re.search(rb'"subagent":\s*"review"', line) else {}}
    return found


def _parent(meta: dict) -> str:
    source = meta.get("source")
    if not isinstance(source, dict) or "subagent" not in source:
        return ""
    spawned = source["subagent"]
    spawn = spawned.get("thread_spawn") if isinstance(spawned, dict) else None
    return (_text(meta.get("parent_thread_id")) or _text(spawn.get("parent_thread_id") if isinstance(spawn, dict) else "")
            or _text(meta.get("forked_from_id")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def reader(start: int, session: str, agent: str, tools: sf.Tools, memory: dict[str, Any]) -> _Reader:
    """What parse() reads with, for a file that is read in windows (session_large)."""
    return _Reader(agent or session, agent, tools, start, memory)


def parse(data: bytes, start: int, session: str, agent: str, tools: sf.Tools, memory: dict[str, Any]) -> sf.Reading:
    """Read the records from `start`. `memory`: {"events": True} where prompts came as events before."""
    reader = _Reader(agent or session, agent, tools, start, memory)
    sf.read_records(data, start, reader.reading, reader.take)
    reader.settle()
    return reader.reading


class _Reader:
    def __init__(self, own: str, agent: str, tools: sf.Tools, start: int, memory: dict[str, Any]):
        self.own, self.agent, self.tools, self.events = own, agent, tools, bool(memory.get("events"))
        self.reading = sf.Reading(start=start, restart=start, read_to=int(memory.get("read_to") or 0),
                                  version=_text(memory.get("version")))
        self.shapes: set[str] = set()
        self.messages: list[sf.Draft] = []
        self.open: sf.Draft | None = None
        self.calls: dict[str, sf.Call] = {}
        self.waiting: set[str] = set()
        self.twice: dict[int, str] = {}        # id(draft) -> item | event: drafts known from one side only
        self.metas = 1 if start else 0
        self.copied_until = 0.0                # records up to this moment are the parent's, copied

    def take(self, r: dict, offset: int) -> None:
        payload, kind, at, reading = r.get("payload"), r.get("type"), _text(r.get("timestamp")), self.reading
        if reading.read_to and offset >= reading.read_to:
            reading.count_anew()
        reading.count += 1
        if at and not self.reading.first_time:
            self.reading.first_time = at
        if self.copied_until and at:
            if kind != "session_meta" and _seconds(at) < self.copied_until:
                return
            self.copied_until = 0.0
        if isinstance(payload, dict):
            if not isinstance(kind, str) or kind not in KNOWN["record"]:
                reading.odd(f"record: {kind if isinstance(kind, str) else type(kind).__name__}")
            elif kind == "response_item":
                self.item(payload, at)
            elif kind == "event_msg":
                self.event(payload, at)
            elif kind == "session_meta":
                self.meta(payload, at)
            elif kind == "turn_context":
                self.turn(payload, offset)
        elif isinstance(kind, str):
            self.item(r, at)
        elif "id" in r and "record_type" not in r:
            self.shapes.add("flat")
            self.meta(r, at)                   # the header of the flat form
        elif "record_type" not in r:
            reading.odd("record: (none)")

    def meet(self, group: str, name: Any) -> None:
        """Count what no table knows."""
        if not isinstance(name, str) or name not in KNOWN[group]:
            self.reading.odd(f"{group}: {name if isinstance(name, str) else type(name).__name__}")

    # --- facts

    def meta(self, meta: dict, at: str) -> None:
        self.metas += 1
        own = _text(meta.get("id"))
        if self.metas > 1:
            self.shapes.add("session resumed" if own == self.own else "another session's head")
        if self.metas > 1 and own != self.own:             # a subagent's second line: its parent's, then the copied history
            if self.agent:                                 # a fork's copy stands until its parent's transcript is seen to hold it
                self.copied_until = _seconds(at) + COPY_SECONDS if at else 0.0
            return
        self.own, reading = own, self.reading
        if version := _text(meta.get("cli_version")) or ("" if "cwd" in meta else "flat"):
            reading.in_version(version)
        reading.cwd = reading.cwd or _text(meta.get("cwd"))
        git, source = meta.get("git"), meta.get("source")
        if isinstance(git, dict) and _text(git.get("branch")):
            reading.branch = git["branch"]
        if isinstance(git, dict):
            reading.remote = reading.remote or _text(git.get("repository_url"))
        if isinstance(source, str):
            reading.entrypoint = source
        elif isinstance(source, dict):
            spawned = source.get("subagent")
            for kind in spawned if isinstance(spawned, dict) else [spawned]:
                self.meet("subagent", kind)
        if self.agent and isinstance(source, dict):
            reading.agent_titles[self.agent] = _agent_title(meta, source)
        if not self.agent and _text(meta.get("forked_from_id")):
            reading.forked_from = meta["forked_from_id"]

    def turn(self, context: dict, offset: int) -> None:
        """Each turn states its setting; between turns nothing is open, so that a later reading may start here."""
        if model := _text(context.get("model")):
            self.reading.models[model] = None
        self.reading.cwd = self.reading.cwd or _text(context.get("cwd"))
        self.open = None
        if not self.waiting and not self.twice_open():
            self.reading.restart, self.reading.before = offset, len(self.messages)
            self.reading.memory = ({"events": True} if self.events else {}) | (
                {"version": self.reading.version} if self.reading.version else {})

    def twice_open(self) -> bool:
        """True while the last message may yet be said a second time by the other side."""
        return bool(self.messages) and id(self.messages[-1]) in self.twice and self.messages[-1].role == "user"

    # --- what is said

    def say(self, role: str, at: str, text: str, side: str, ident: str = "") -> None:
        """Add a message known from one side (item or event); the same words from the other side right after are it again."""
        last = self.messages[-1] if self.messages else None
        if last is not None and last.role == role and self.twice.get(id(last), side) != side and _bare(last.text) == _bare(text):
            del self.twice[id(last)]
            self.shapes.add("said twice")
            last.id, last.text = last.id or ident, max(last.text, text, key=len)      # only the item shows where images stood
            return
        draft = sf.Draft(ident, role, at, text)
        self.twice[id(draft)] = side
        self.messages.append(draft)
        self.open = draft if role == "assistant" else None

    def event(self, p: dict, at: str) -> None:
        kind = p.get("type")
        if not isinstance(kind, str) or kind not in KNOWN["event"]:
            self.meet("event", kind)
        elif kind == "user_message":
            self.events = True
            images = p.get("images") or p.get("local_images")
            text = _said(_text(p.get("message")))
            marks = "\n".join(["[image]"] * len(images)) if isinstance(images, list) and "[Image #" not in text else ""
            if whole := "\n".join(x for x in (text, marks) if x):
                self.meet_tag(whole)
                self.say("user", at, whole, "event")
        elif kind == "agent_message":
            if text := _text(p.get("message")):
                self.say("assistant", at, text, "event")
        elif kind == "thread_name_updated":
            self.reading.title = _text(p.get("thread_name")) or self.reading.title

    def item(self, p: dict, at: str) -> None:
        kind = p.get("type")
        if kind is None and p.get("role"):
            self.message(p, at)
        elif not isinstance(kind, str) or kind not in KNOWN["item"]:
            self.meet("item", kind)
        elif kind == "message":
            self.message(p, at)
        elif kind in ("function_call", "custom_tool_call", "local_shell_call", "web_search_call"):
            self.call(p, kind, at)
        elif kind in ("function_call_output", "custom_tool_call_output", "local_shell_call_output"):
            self.waiting.discard(_text(p.get("call_id")))
            self.meet_output(p.get("output"))
            if call := self.calls.get(_text(p.get("call_id"))):
                self.tools.answer(call, output_text(p.get("output")))

    def meet_output(self, output: Any) -> None:
        self.meet("output", type(output).__name__)
        for block in output if isinstance(output, list) else ():
            self.meet("output block", block.get("type") if isinstance(block, dict) else type(block).__name__)

    def message(self, p: dict, at: str) -> None:
        role, content, ident = p.get("role"), p.get("content"), sf.full_id(p.get("id"))
        blocks = content if isinstance(content, list) else [{"text": content}]
        for block in blocks if isinstance(content, list) and role in ("user", "assistant") else ():
            self.meet(f"{role} block", block.get("type") if isinstance(block, dict) else type(block).__name__)
        texts = [t for b in blocks if isinstance(b, dict) and (t := _block(b))]
        if role == "assistant":
            if text := "\n\n".join(texts):
                self.say("assistant", at, text, "item", ident)
        elif role == "user":
            if not self.reading.cwd:
                self.reading.cwd = next((m[1] or m[2] for t in texts if (m := _CWD.search(t))), "").strip()
            for text in texts:
                self.meet_tag(text)
            if text := "\n".join(words for t in texts if (words := _said(t))):
                self.say("user", at, text, "item", ident)
        else:
            self.meet("role", role)

    def meet_tag(self, start: str) -> None:
        if start[:1] == "<" and (tag := sf.TAG.match(start)) and tag[1] not in sf.MARKUP:
            self.meet("tag", tag[1])

    def call(self, p: dict, kind: str, at: str) -> None:
        if self.open is None:
            self.say("assistant", at, "", "both", sf.full_id(p.get("id")))
        name, given = _call(p, kind)
        call = self.tools.call(name, given)
        if name == "Edit" and isinstance(given, str):
            call.argument, call.given = sf.brief(sf.patch_summary(given), sf.ARGUMENT_CHARACTERS), None
        self.open.calls.append(call)
        key = _text(p.get("call_id"))
        if key and kind != "web_search_call":
            self.calls[key] = call
            self.waiting.add(key)

    # --- for a file that is read in windows

    def lines(self) -> dict[str, list[sf.Draft]]:
        """The list that holds what was read: '' or the subagent's id -> drafts."""
        return {self.agent: self.messages}

    def changing(self) -> set[int]:
        """id() of the drafts that a later record may change."""
        asked = {id(self.calls[key]) for key in self.waiting if key in self.calls}
        return {id(d) for d in (self.open, *self.messages[-1:]) if d} | {
            id(d) for d in self.messages if any(id(c) in asked for c in d.calls)}

    def side(self, draft: sf.Draft) -> str:
        return self.twice.get(id(draft), "")

    def let_go(self, drafts: list[sf.Draft]) -> None:
        """Forget what is kept for drafts that are done with."""
        gone = {id(c) for d in drafts for c in d.calls}
        self.calls = {key: call for key, call in self.calls.items() if id(call) not in gone}
        for draft in drafts:
            self.twice.pop(id(draft), None)

    def settle(self) -> None:
        """Where prompts came as events, items in the person's role are a program's; an event the items repeat later goes."""
        gone = one_sided(((id(d), d.role, self.twice.get(id(d), ""), d.text.strip()) for d in self.messages), self.events)
        kept: list[sf.Draft] = []
        dropped = 0
        for number, draft in enumerate(self.messages):
            if id(draft) in gone:
                if draft.calls and kept:
                    kept[-1].calls += draft.calls
                if draft.role == "user":
                    self.shapes.add("in the person's role, but no event")
                dropped += number < self.reading.before
                continue
            kept.append(draft)
        self.reading.before -= dropped
        if self.agent:
            for draft in kept:
                draft.role = "task" if draft.role == "user" else draft.role
            self.reading.agents[self.agent] = kept
        else:
            self.reading.main = kept
        if self.reading.read_to:
            self.reading.count_anew()
        for shape in self.shapes - KNOWN["shape"]:
            self.reading.odd(f"shape: {shape}")
        self.reading.settle_counts()


def one_sided(rows: Iterable[tuple[Any, str, str, Any]], events: bool) -> set[Any]:
    """Of messages in order (key, role, side it was heard from, words), the keys of those that go: an event that an item repeats
    later in the turn, the nearest one before it; and an item in the person's role where prompts came as `events`."""
    gone: set[Any] = set()
    heard: dict[Any, list[Any]] = {}
    for key, role, side, words in rows:
        if role == "user" and side == "item" and events:
            gone.add(key)
        elif role == "user":
            heard.clear()                  # a turn's answers are not said again in the next one
        elif side == "event":
            heard.setdefault(words, []).append(key)
        elif side == "item" and heard.get(words):
            gone.add(heard[words].pop())
    return gone


def superseded(said: Sequence[wl.Message], session: str) -> set[str]:
    """Ids of the messages of a transcript that were read from one side, without an id, and that the other side says with one."""
    alike: dict[tuple[str, str], list[wl.Message]] = {}
    for m in said:
        if m.text:
            alike.setdefault((m.role, sf.normalised(m.text)), []).append(m)
    gone: set[str] = set()
    for (role, words), messages in alike.items():
        if len(messages) < 2:
            continue
        weak = {wl.id8(sf.weak_id(session, role, words, n)) for n in range(len(messages))}
        named = [m for m in messages if wl.short(m.id)[-8:] not in weak]
        gone |= {m.id for m, _ in zip([m for m in messages if m not in named], named, strict=False)} if named else set()
    return gone


def _agent_title(meta: dict, source: dict) -> str:
    spawned = source["subagent"] if "subagent" in source else ""
    spawn = spawned.get("thread_spawn") if isinstance(spawned, dict) else None
    more = spawn if isinstance(spawn, dict) else meta
    words = [_text(more.get("agent_nickname")), _text(more.get("agent_role")), _text(spawned)]
    return " ".join(w for w in words if w)


def _seconds(at: str) -> float:
    try:
        return datetime.fromisoformat(at).timestamp()
    except ValueError:
        return 0.0


def _bare(text: str) -> str:
    """A prompt without the marks of its images, which items and events set differently."""
    return re.sub(r"</?image\b[^>]*>|\[image\]", "", text).strip()


def _block(block: dict) -> str:
    text = block.get("text")
    if isinstance(text, str) and text:
        return text
    return "[image]" if block.get("type") in ("input_image", "image") else ""


def _said(text: str) -> str:
    if "# Context from my IDE setup:" in text[:60]:
        text = _EDITOR.sub("", text, count=1)
    if "<" in text:
        text = sf.own_words(text)
        if shell := _SHELL.match(text):
            return f"! {shell[1].strip()}"
    return "" if not text.strip() or _NOT_SAID.match(text) else text


def _call(p: dict, kind: str) -> tuple[str, Any]:
    """(name, what it was given) in the house's words: a shell call is Bash, apply_patch is Edit."""
    name = _text(p.get("name")) or kind.removesuffix("_call")
    given: Any = p.get("arguments", p.get("input", p.get("action")))
    if isinstance(given, str) and given[:1] == "{":
        try:
            given = orjson.loads(given)
        except ValueError:
            pass          # not JSON after all: the text itself is what it was given
    bare = name.split("<|")[0].rsplit("__", 1)[-1]
    if bare == "apply_patch":
        return "Edit", given.get("input") or given.get("patch") or "" if isinstance(given, dict) else _text(given)
    if bare in SHELLS or (isinstance(given, dict) and isinstance(given.get("command"), list)):
        return "Bash", {"command": _command(given)}
    if _text(p.get("namespace")):
        name = f"{p['namespace']}::{name}"
    return name, given


def _command(given: Any) -> str:
    if not isinstance(given, dict):
        return _text(given)
    command = given.get("command") or given.get("cmd") or given.get("chars") or given.get("source") or ""
    if isinstance(command, list):
        words = [str(w) for w in command]
        if len(words) == 3 and words[0].rsplit("/", 1)[-1] in ("bash", "sh", "zsh") and words[1] in ("-lc", "-c"):
            return words[2]
        return " ".join(words)
    return str(command)


def output_text(output: Any) -> str:
    """The text of one of the some twenty forms a call's output comes in."""
    if isinstance(output, list):
        output = "\n".join(_block(b) for b in output if isinstance(b, dict))
    elif isinstance(output, dict):
        output = output.get("content") or output.get("output") or ""
    if not isinstance(output, str):
        return "" if output is None else orjson.dumps(output).decode()
    if output.startswith('{"') and '"output"' in output[:200] or output.startswith('{"metadata"'):
        try:
            inner = orjson.loads(output)
        except ValueError:
            return output
        if isinstance(inner, dict) and isinstance(inner.get("output"), str):
            output = inner["output"]
    return _without_preamble(output)


def _without_preamble(output: str) -> str:
    echo = _COMMAND_ECHO.match(output)
    head = _PREAMBLE.match(output, echo.end() if echo else 0)
    if not head:
        return output
    code = re.search(r"(?:exited with code|Exit code:) (-?[1-9]\d*)", head[0])
    return (f"exit code {code[1]}\n" if code else "") + output[head.end():]
