"""Prompts that a hook captured while real sessions ran, against the transcripts of those sessions."""

from __future__ import annotations

import wiki_lib as wl

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

AGENTS = {"Claude Code": "projects/-p/{}.jsonl", "Codex": "sessions/2026/01/01/rollout-2026-01-01T00-00-00-{}.jsonl"}


class Slice(NamedTuple):
    """A session at one moment, and what had been asked by then."""
    agent: str
    session: str
    file: Path
    prompts: tuple[str, ...]


def slices(corpus: Path) -> list[Slice]:
    found = []
    for meta in sorted(corpus.glob("oracle/entire/**/metadata.json")):
        facts, full, asked = json.loads(meta.read_text()), meta.parent / "full.jsonl", meta.parent / "prompt.txt"
        if facts.get("agent") in AGENTS and full.exists() and asked.exists():
            session = re.sub(r"^\d{4}-\d\d-\d\d-", "", facts["session_id"])
            prompts = tuple(p for p in re.split(r"\n\n---\n\n", asked.read_text(errors="replace")) if p.strip())
            found.append(Slice(facts["agent"], session, full, prompts))
    return found


def rounds(found: list[Slice]) -> list[list[Slice]]:
    """Each moment of a session in a round of its own."""
    count: Counter = Counter()
    lists: dict[int, list[Slice]] = {}
    for one in found:
        lists.setdefault(count[one.agent, one.session], []).append(one)
        count[one.agent, one.session] += 1
    return list(lists.values())


def strings(value: object) -> Iterator[str]:
    """Every string inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def words(text: str) -> str:
    """White space and backslash escapes aside."""
    return " ".join(text.replace("\\", "").split())


def everywhere(file: Path) -> list[str]:
    found = []
    for line in file.read_bytes().splitlines():
        try:
            found += [words(s) for s in strings(json.loads(line))]
        except ValueError:
            continue
    return found


@pytest.fixture
def mined_slices(corpus, home, run_script):
    """(slice, its transcript or None) of every captured moment, each mined by the program itself."""
    done: list[tuple[Slice, wl.Transcript | None]] = []
    for number, one_round in enumerate(rounds(slices(corpus))):
        base = home.path / f"round-{number}"
        for s in one_round:
            place = base / ("cc" if s.agent == "Claude Code" else "cx") / AGENTS[s.agent].format(s.session)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(s.file)
        run_script("extract-sessions.py", env={
            "WIKI_DIR": base / "wiki", "CLAUDE_CONFIG_DIR": base / "cc", "CODEX_HOME": base / "cx"})
        held: dict[str, wl.Transcript] = {}
        forks: dict[str, str] = {}
        for path in base.glob("wiki/conversations/*/*.md"):
            c = wl.parse_conversation("x", path.read_text(encoding="utf-8"))
            whole = held.get(c.session_id, wl.Transcript())
            held[c.session_id] = wl.Transcript((*whole.messages, *c.read().messages), whole.agents + c.read().agents)
            forks[c.session_id] = str(c.meta.get("forked_from") or "")
        done += [(s, with_parents(s.session, held, forks)) for s in one_round]
    return done


def with_parents(session: str, held: dict[str, wl.Transcript], forks: dict[str, str]) -> wl.Transcript | None:
    """A session's transcript with those of the sessions it shares messages with."""
    found, seen = held.get(session), {session}
    while found and (session := forks.get(session, "")) and session in held and session not in seen:
        seen.add(session)
        found = wl.Transcript(held[session].messages + found.messages, held[session].agents + found.agents)
    return found


def test_every_captured_prompt_whose_words_stand_in_the_file_stands_in_the_transcript(mined_slices):
    """M1 M10: verbatim, as the user's words; but what a program put there in the user's name, which the hook also saw, stands
    with the tool traffic."""
    tally: Counter = Counter()
    lost: list[str] = []
    for s, transcript in mined_slices:
        said = [words(m.text) for m in transcript.said if m.role == "user"] if transcript else []
        file: list[str] = []
        for prompt in s.prompts:
            tally["captured"] += 1
            asked = words(prompt)
            if any(asked in text for text in said):
                tally["said"] += 1
                continue
            file = file or everywhere(s.file)
            around = [text for text in file if asked in text]
            tools = [words(t) for m in transcript.said for t in m.tools] if transcript else []
            if not around:
                tally["nowhere in the file"] += 1
                print(f"nowhere in {s.file}: {prompt[:100]!r}")
            elif all(text.startswith("<task-notification>") for text in around) and any(asked[:2000] in t for t in tools):
                tally["of a background task"] += 1
                print(f"a background task's in {s.file}: {prompt[:60]!r}")
            else:
                lost.append(f"{s.file}: {prompt[:100]!r}")
    print(dict(tally))
    assert not lost
    assert tally["captured"] > 50 and tally["nowhere in the file"] <= 0.03 * tally["captured"]


def test_no_program_speaks_in_the_users_name_in_a_transcript(mined_slices):
    """B2"""
    injected = re.compile(r"<(?:system-reminder|task-notification|local-command-|command-(?:name|message)|bash-(?:stdout|stderr)"
                          r"|user-prompt-submit-hook|environment_context|user_instructions|ide_|teammate-message|memex-wake-up)"
                          r"|Caveat: The messages below|\[Request interrupted by user|This session is being continued from"
                          r"|# AGENTS\.md instructions|Base directory for this skill:|Stop hook feedback:")
    found = [m.text[:100] for _, transcript in mined_slices if transcript for m in transcript.said
             if m.role == "user" and injected.match(m.text.lstrip())]
    assert not found


# -- a second, plainest way of reading --------------------------------------------------------------------------------

def records(path: Path) -> Iterator[dict]:
    for line in path.read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def plain_claude(path: Path) -> tuple[list[str], list[str], list[str]]:
    """(what a person typed, what the assistant said, outputs of Bash): no commands, no queue, no subagents."""
    asked, told, outputs, seen, shells = [], [], [], set(), set()
    for r in records(path):
        message, ident = r.get("message"), r.get("uuid")
        if r.get("isSidechain") or ident in seen or not isinstance(message, dict):
            continue
        seen.add(ident)
        content = message.get("content")
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        texts = [b["text"] for b in blocks if b.get("type") == "text"]
        if r.get("type") == "assistant":
            told += ["\n\n".join(texts)] if "".join(texts).strip() else []
            shells |= {b["id"] for b in blocks if b.get("type") == "tool_use" and b.get("name") == "Bash"}
        elif r.get("type") == "user":
            outputs += [b["content"] for b in blocks if b.get("tool_use_id") in shells and isinstance(b.get("content"), str)]
            plain = [t for t in texts if t.strip() and not re.match(r"\s*(?:<[a-z]|\[Request interrupted)", t)]
            pictures = any(b.get("type") == "image" for b in blocks)
            if plain and not r.get("isMeta") and not r.get("isCompactSummary") and not pictures:
                asked.append("\n".join(plain))
    return asked, told, outputs


def plain_codex(path: Path) -> tuple[list[str], list[str], list[str]]:
    asked, told, outputs, shells = [], [], [], set()
    for r in records(path):
        p = r["payload"] if isinstance(r.get("payload"), dict) else r
        if p.get("type") == "user_message" and p.get("message"):
            asked.append(p["message"])
        elif p.get("type") == "message" and p.get("role") == "assistant":
            told.append("\n\n".join(b["text"] for b in p["content"] if b.get("text")))
        elif p.get("type") == "function_call" and p.get("name") in ("shell", "exec_command", "shell_command"):
            shells.add(p["call_id"])
        elif p.get("type") == "function_call_output" and p.get("call_id") in shells and isinstance(p.get("output"), str):
            outputs.append(p["output"].split("Output:\n", 1)[-1])
    return asked, told, outputs


def shown(text: str) -> str:
    """As a transcript shows it."""
    return wl.redact(wl.verbatim(re.sub(r"<system-reminder>.*?</system-reminder>", "", text, flags=re.S)))[0]


def test_a_second_reading_finds_every_prompt_answer_and_output(corpus, home, run_script):
    """M1 M2 M10: 30 real sessions of Claude Code and all genuine ones of Codex, record by record in the plainest way."""
    claude = sorted((corpus / "claude" / "entireio+git-sync").glob("*/*.jsonl"), key=lambda p: p.name)[:30]
    rollouts = sorted((corpus / "codex" / "entireio+git-sync").rglob("rollout-*.jsonl"))
    for path in claude:
        place = home.claude / "projects" / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path)
    (home.codex / "sessions").mkdir(parents=True)
    (home.codex / "sessions" / "x").symlink_to(corpus / "codex" / "entireio+git-sync")
    run_script("extract-sessions.py")
    held: dict[str, list[str]] = {}
    for path in home.wiki.glob("conversations/*/*.md"):
        c = wl.parse_conversation("x", path.read_text(encoding="utf-8"))
        read = c.read()
        every = [*read.said, *(m for agent in read.agents for m in agent.messages)]
        held.setdefault(c.session_id, []).extend(t for m in every for t in (m.text, *m.tools))
    whole = {session: words("\n".join(texts)) for session, texts in held.items()}
    tally: Counter = Counter()
    lost: list[str] = []
    for path, walk in [*((p, plain_claude) for p in claude), *((p, plain_codex) for p in rollouts)]:
        agent = walk.__name__.removeprefix("plain_")
        head = path.read_text(errors="replace")[:3_000]
        text = whole.get(path.stem) or "".join(t for session, t in whole.items() if session in head)
        for kind, wanted in zip(("prompts", "answers", "outputs"), walk(path), strict=True):
            for one in wanted:
                tally[agent, kind] += 1
                if one == "No response requested." or kind == "outputs" and (len(one) > 19_000 or one.startswith("{")):
                    continue      # of no model; cut; a form of its own
                lines = [x for x in shown(one).splitlines()[:200] if x.strip()][::10] if kind == "outputs" else [shown(one)]
                lost += [f"{path.name} {kind}: {line[:100]!r}" for line in lines if words(line) not in text][:1]
    print({f"{agent} {kind}": n for (agent, kind), n in sorted(tally.items())})
    assert tally["claude", "answers"] > 300 and tally["codex", "answers"] > 100
    assert not lost, lost[:20]
