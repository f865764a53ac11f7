"""Questions as files, for the agent of an interactive session: what no model is at hand for is written down under
context/questions/, answered there through the skill `wiki-questions`, and taken up by the next run.

A question is `<name>.md`, its answer `<name>.answer.json` beside it. The name stands for what is asked about, so that a
question which changed replaces the one that waited.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wiki_disk import Wiki, atomic_write
from wiki_text import load_yaml, sha, slug, split_frontmatter

NAME = "agent"
FOLDER = "context/questions"


def question_name(kind: str, subject: str) -> str:
    """The file of a question, without its ending."""
    return f"{kind}-{slug(subject.rsplit('/', 1)[-1].removesuffix('.md'))}-{sha(subject)[:6]}"


def path_of(kind: str, subject: str, ending: str = ".md") -> Path:
    return Wiki().root / FOLDER / f"{question_name(kind, subject)}{ending}"


def waiting(root: Path) -> list[Path]:
    """The questions that wait for an answer, by name."""
    return sorted((root / FOLDER).glob("*.md"))


def asked(kind: str, subject: str) -> dict[str, Any]:
    """What the file of a question says of it: {key, attempt, trouble ...}; {} where none waits."""
    text = Wiki().text(f"{FOLDER}/{question_name(kind, subject)}.md")
    parts = split_frontmatter(text) if text else None
    meta = load_yaml(parts[0]) if parts else None
    return meta if isinstance(meta, dict) else {}


def put(question: Any, prompt: str, key: str, attempt: int = 1, trouble: str = "") -> Path:
    """Write a question down; whatever waited under its name is replaced."""
    path = path_of(question.kind, question.subject)
    answer = path_of(question.kind, question.subject, ".answer.json")
    again = f"\n**Your last answer could not be used:** {trouble}\n" if trouble else ""
    text = (f"---\nkind: {question.kind}\nsubject: {json.dumps(question.subject, ensure_ascii=False)}\nkey: {key}\n"
            f"attempt: {attempt}\nanswer: {answer.name}\n---\n# A question of the wiki\n{again}\n{question.system.strip()}\n\n"
            f"Write the JSON object, and nothing else, to `{answer.name}` beside this file. It has this schema:\n\n"
            f"```json\n{json.dumps(question.schema, indent=1)}\n```\n\n{prompt}\n")
    answer.unlink(missing_ok=True)
    atomic_write(path, text)
    return path


def taken(kind: str, subject: str) -> str | None:
    """The text of an answer, None where there is none (yet)."""
    try:
        return path_of(kind, subject, ".answer.json").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def done(kind: str, subject: str) -> None:
    """Take a question away, with its answer."""
    for ending in (".md", ".answer.json"):
        path_of(kind, subject, ending).unlink(missing_ok=True)
