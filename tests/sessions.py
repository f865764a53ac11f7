"""Session files of a test's own making, in both agents' formats: records as values, files from records.

    chat = sessions.Claude(home.claude, "api")
    chat.user("Why does it fail?"); chat.assistant("The clock is not frozen."); chat.bash("pytest -q", "1 failed")
    chat.write()                                   # projects/-home-dev-api/<session>.jsonl
    sessions.Codex(home.codex, "api").user("Hello").assistant("Hi").write()

Ids and times are counted up from `seed`, so that the same calls give the same bytes.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import sys
from pathlib import Path
from typing import Any


def mine(*args: object) -> int:
    """extract-sessions.py in this process, for many short runs, on a wiki without git; its exit status."""
    import wiki_disk
    if not wiki_disk.WIKI_DIR.exists():
        wiki_disk.WIKI_DIR.mkdir(parents=True)
        (wiki_disk.WIKI_DIR / "wiki.yaml").write_text("{}\n")     # no empty folder: none is made a repository of
    for value in vars(wiki_disk).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()                    # wiki.yaml, the machine's id and their like, of another test
    was, sys.argv = sys.argv, ["extract-sessions.py", *map(str, args)]
    try:
        return importlib.import_module("extract-sessions").main() or 0
    finally:
        sys.argv = was
        wiki_disk.DRY_RUN = False
        gc.enable()


def uuid(*words: object) -> str:
    """A stable UUID of some words."""
    h = hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-8{h[17:20]}-{h[20:32]}"


class _Session:
    def __init__(self, folder: Path, project: str, seed: str, day: str):
        self.folder, self.project, self.seed, self.day = folder, project, seed, day
        self.session = uuid("session", seed, project)
        self.cwd = f"/home/dev/{project}"
        self.lines: list[str] = []
        self.count = 0

    def tick(self) -> str:
        """The time of the next record, half a minute after the last one."""
        self.count += 1
        return f"{self.day}T{9 + self.count // 120:02}:{self.count // 2 % 60:02}:{self.count % 2 * 30:02}.{self.count:03}Z"

    def raw(self, line: str | dict) -> Any:
        """A line as it is, or a record."""
        self.lines.append(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False))
        return self

    def write(self, path: Path | None = None, lines: int | None = None, end: str = "\n") -> Path:
        """Write the file (its first `lines` lines) and return its path."""
        path = path or self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join(self.lines[:lines])
        path.write_bytes((text + end).encode("utf-8", "surrogatepass"))
        return path

    @property
    def path(self) -> Path:
        raise NotImplementedError


class Claude(_Session):
    """A Claude Code session. Every method returns self but those that say otherwise."""

    def __init__(self, folder: Path, project: str = "api", seed: str = "a", day: str = "2026-04-12", **fields: Any):
        super().__init__(folder, project, seed, day)
        self.fields = fields                           # on every record: isSidechain, agentId, entrypoint ...
        self.parent: str | None = None
        self.calls = 0

    @property
    def path(self) -> Path:
        return self.folder / "projects" / f"-home-dev-{self.project}" / f"{self.session}.jsonl"

    def record(self, kind: str, **fields: Any) -> str:
        """Add a record of a type; returns its uuid."""
        at = self.tick()
        ident = fields.pop("uuid", uuid(self.seed, self.project, self.count))
        self.raw({"parentUuid": self.parent, "isSidechain": False, "userType": "external", "cwd": self.cwd,
                  "sessionId": self.session, "version": "2.1.42", "gitBranch": "main", "type": kind, "uuid": ident,
                  "timestamp": at, **self.fields, **fields})
        self.parent = ident
        return ident

    def user(self, content: Any, **fields: Any) -> Claude:
        self.record("user", message={"role": "user", "content": content}, **fields)
        return self

    def assistant(self, *content: Any, model: str = "claude-sonnet-4-5", message: str = "", **fields: Any) -> Claude:
        """Texts (str) and blocks (dict) of one record; `message` is the API message it is a part of."""
        blocks = [{"type": "text", "text": c} if isinstance(c, str) else c for c in content]
        self.record("assistant", message={"id": message or f"msg_{self.seed}{self.count}", "type": "message", "model": model,
                                          "role": "assistant", "content": blocks}, **fields)
        return self

    def use(self, name: str, **given: Any) -> str:
        """A record with one tool call; returns the call's id."""
        self.calls += 1
        key = f"toolu_{self.seed}{self.calls:04}"
        self.assistant({"type": "tool_use", "id": key, "name": name, "input": given})
        return key

    def answer(self, key: str, output: Any, **fields: Any) -> Claude:
        """The result of a call; `tool_use_result` stands beside the message, as the CLI writes it."""
        beside = {"toolUseResult": fields.pop("tool_use_result")} if "tool_use_result" in fields else {}
        block = {"tool_use_id": key, "type": "tool_result", "content": output, **fields}
        return self.user([block], **beside)

    def bash(self, command: str, output: str) -> Claude:
        return self.answer(self.use("Bash", command=command, description="run it"), output)

    def queue(self, content: Any, operation: str = "enqueue") -> Claude:
        return self.raw({"type": "queue-operation", "operation": operation, "timestamp": self.tick(),
                         "sessionId": self.session, "content": content})

    def title(self, text: str, kind: str = "ai-title", key: str = "aiTitle") -> Claude:
        return self.raw({"type": kind, key: text, "sessionId": self.session})


class Codex(_Session):
    """A Codex rollout in today's envelope; `flat=True` in the form of before September 2025."""

    def __init__(self, folder: Path, project: str = "api", seed: str = "a", day: str = "2026-04-12", flat: bool = False,
                 **meta: Any):
        super().__init__(folder, project, seed, day)
        self.session, self.flat, self.calls = uuid("codex", seed, project), flat, 0
        if flat:
            self.raw({"id": self.session, "timestamp": self.tick(), "instructions": None, "git": {}, **meta})
            self.item(type="message", role="user", content=[{"type": "input_text", "text":
                      f"<environment_context>\nCurrent working directory: {self.cwd}\n</environment_context>"}])
        else:
            self.envelope("session_meta", {"id": self.session, "timestamp": f"{day}T09:00:00Z", "cwd": self.cwd,
                                           "originator": "codex-tui", "cli_version": "0.130.0", "source": "cli",
                                           "git": {"branch": "main"}, **meta})

    @property
    def path(self) -> Path:
        y, m, d = self.day.split("-")
        return self.folder / "sessions" / y / m / d / f"rollout-{self.day}T09-00-00-{self.session}.jsonl"

    def envelope(self, kind: str, payload: dict, at: str = "") -> Codex:
        return self.raw({"timestamp": at or self.tick(), "type": kind, "payload": payload})

    def item(self, **payload: Any) -> Codex:
        if not self.flat:
            return self.envelope("response_item", payload)
        self.raw(payload)
        return self.raw({"record_type": "state"})

    def event(self, kind: str, **payload: Any) -> Codex:
        return self if self.flat else self.envelope("event_msg", {"type": kind, **payload})

    def user(self, text: str) -> Codex:
        """A turn's beginning and its prompt, said twice as Codex does."""
        if not self.flat:
            self.event("task_started").envelope("turn_context", {"cwd": self.cwd, "model": "gpt-5.4"})
        self.item(type="message", role="user", content=[{"type": "input_text", "text": text}])
        return self.event("user_message", message=text, images=[])

    def assistant(self, text: str) -> Codex:
        self.event("agent_message", message=text)
        return self.item(type="message", role="assistant", content=[{"type": "output_text", "text": text}])

    def call(self, name: str, arguments: Any, output: Any, kind: str = "function_call") -> Codex:
        self.calls += 1
        key = f"call_{self.seed}{self.calls:04}"
        given = {"input": arguments} if kind == "custom_tool_call" else {"arguments": json.dumps(arguments)}
        self.item(type=kind, name=name, call_id=key, **given)
        return self.item(type=f"{kind}_output", call_id=key, output=output)
