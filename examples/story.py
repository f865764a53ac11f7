"""What a story is made of: the prompts of a person, the tools an agent really runs, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Run:
    """A shell command; `say` is what the agent says before it."""

    command: str
    why: str = ""
    say: str = ""


@dataclass(frozen=True)
class Read:
    path: str
    say: str = ""


@dataclass(frozen=True)
class Write:
    path: str
    content: str
    say: str = ""


@dataclass(frozen=True)
class Edit:
    path: str
    old: str
    new: str
    say: str = ""


@dataclass(frozen=True)
class Turn:
    """One prompt and all that follows from it. `at` is its minute in UTC: "2026-04-13T09:12"."""

    at: str
    prompt: str
    steps: tuple[Run | Read | Write | Edit, ...]
    answer: str


@dataclass(frozen=True)
class Story:
    """One session in the repository `repo`; agent is claude (recorded) or codex (written in its layout)."""

    name: str
    repo: str
    turns: tuple[Turn, ...]
    agent: str = "claude"
    model: str = "claude-sonnet-4-5"


@dataclass(frozen=True)
class Repo:
    """A project as it was before the first story: its remote and its files."""

    name: str
    remote: str
    files: dict[str, str] = field(default_factory=dict)
