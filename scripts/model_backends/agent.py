"""Questions as files, for the agent of an interactive session: what no model is at hand for is written down under
context/questions/, answered there through the skill `wiki-questions`, and taken up by the next run.

A question is `<name>.md`, its answer `<name>.answer.json` beside it. The name stands for what is asked about, so that a
question which changed replaces the one that waited. An answer that could not be used is kept beside the question, which then
says what was wrong with it, as `<name>.refused.json`.
"""
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from wiki_disk import PROGRAM, Wiki, atomic_write
from wiki_text import WikiError, load_yaml, sha, slug, split_frontmatter

NAME = "agent"
FOLDER = "context/questions"
ANSWER, REFUSED = ".answer.json", ".refused.json"
ANSWER_BYTES = 500_000        # a longer answer is none
HEAD_CHARACTERS = 20_000      # of a question, in which its frontmatter stands
MOST_WAITING = 40             # questions at a time; an agent answers no more in a day
TAKEN_UP_BY = {"compress": "update-conversation-index.py --compress --backend agent"}     # for other kinds by who asked
FULL = f"{MOST_WAITING} questions wait for an agent's answer already"
asked_now: set[str] = set()   # names of the questions that this run came upon


def question_name(kind: str, subject: str) -> str:
    """The file of a question, without its ending."""
    return f"{kind}-{slug(subject.rsplit('/', 1)[-1].removesuffix('.md'))}-{sha(subject)[:6]}"


def path_of(kind: str, subject: str) -> Path:
    """Where the question about a subject stands; WikiError when that is a link, or leads out of the wiki."""
    return Wiki().resolve(f"{FOLDER}/{question_name(kind, subject)}.md")


def waiting(root: Path) -> list[Path]:
    """The questions that wait for an answer, by name; what is no plain file is none."""
    return sorted(p for p in (root / FOLDER).glob("*.md") if p.is_file() and not p.is_symlink())


def answered(root: Path) -> list[Path]:
    """Those of them that have an answer beside them."""
    return [p for p in waiting(root) if os.path.lexists(p.with_suffix(ANSWER))]


def is_full() -> bool:
    """Do as many questions wait as an agent is to be given?"""
    return len(waiting(Wiki().root)) >= MOST_WAITING


def head(path: Path) -> dict[str, Any]:
    """What the file of a question says of it: {kind, subject, key, attempt, answer}; {} where it cannot be read. Anybody may
    have written it: a subject is looked up, never opened."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            parts = split_frontmatter(file.read(HEAD_CHARACTERS))
        meta = load_yaml(parts[0]) if parts else None
    except (OSError, WikiError):
        return {}
    return meta if isinstance(meta, dict) else {}


def asked(kind: str, subject: str) -> dict[str, Any]:
    """head() of the question that waits about a subject, {} where none does."""
    asked_now.add(question_name(kind, subject))
    return head(path_of(kind, subject))


def put(question: Any, prompt: str, key: str, attempt: int = 1, trouble: str = "") -> None:
    """Write a question down; whatever waited under its name is replaced. An answer that was refused stays at hand."""
    path = path_of(question.kind, question.subject)
    answer, refused = path.with_suffix(ANSWER), path.with_suffix(REFUSED)
    again = (f"\n**The last answer could not be used:** {trouble}\nIt stands in `{refused.name}`: mend what is wrong there and "
             f"leave the rest. An answer that cannot be used a second time is set aside.\n") if trouble else ""
    by = TAKEN_UP_BY.get(question.kind, f"{PROGRAM} --backend agent")
    text = (f"---\nkind: {question.kind}\nsubject: {json.dumps(question.subject, ensure_ascii=False)}\nkey: {key}\n"
            f"attempt: {attempt}\nanswer: {answer.name}\ntaken_up_by: {by}\n---\n# A question of the wiki\n{again}\n"
            f"{question.system.strip()}\n\n"
            f"Write the JSON object, and nothing else, to `{answer.name}` beside this file. It has this schema:\n\n"
            f"```json\n{json.dumps(question.schema)}\n```\n\n{prompt}\n")
    _remove(refused, answer)
    atomic_write(path, text)


def refuse(question: Any, prompt: str, key: str, said: str, trouble: str) -> None:
    """Ask again, with what was wrong with the answer and the answer itself."""
    put(question, prompt, key, 2, trouble)
    atomic_write(path_of(question.kind, question.subject).with_suffix(REFUSED), said)


def taken(kind: str, subject: str) -> str | None:
    """The text of an answer, None where there is none (yet). What is no plain file, or far too large, is an empty answer:
    refused like any other."""
    path = Wiki().root / FOLDER / f"{question_name(kind, subject)}{ANSWER}"
    if not os.path.lexists(path) or path.is_dir() and not path.is_symlink():
        return None
    if path.is_symlink() or not path.is_file() or path.stat().st_size > ANSWER_BYTES:
        return ""
    return path.read_text(encoding="utf-8-sig", errors="replace")


def done(kind: str, subject: str) -> None:
    """Take a question away, with its answer."""
    withdraw(Wiki().root / FOLDER / f"{question_name(kind, subject)}.md")


def withdraw(question: Path) -> None:
    """Take the file of a question away, with its answer."""
    _remove(*(question.with_suffix(ending) for ending in (".md", ANSWER, REFUSED)))


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
