#!/usr/bin/env python3
"""Records the sessions under examples/sessions anew: the real claude CLI, answered from a script on loopback.

The stories (stories_*.py) say what a person asks, which tools the agent uses and what it says. Every claude session is
a real recording: the CLI runs those tools for real, in scratch repositories, and writes its own session file. No model
is asked and nothing outside the scratch folder is read. Afterwards three things are changed in the files, so that they
are the same wherever they are made: the scratch folder's path becomes /home/dev, ids and times become those of the
story (each turn begins at its fixed minute, its records follow at PACE_SECONDS), and the CLI's own listings of agents
and skills are emptied. The codex session is not recorded but written here, in the layout of a rollout, with
commands that were really run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from loopback_api import LoopbackApi, Reply, ToolUse, claude_env  # noqa: E402  (found through the line above)
from stories_api import API, DATABASE_IS_LOCKED, FLAKY_RETRY_TEST, LOSSY_BACKUP, RETRY_STORM  # noqa: E402
from stories_web_deploy import (  # noqa: E402
    CHARGED_TWICE,
    COUNTDOWN_AT_NIGHT,
    DEPLOY,
    DEPLOY_ORDER,
    FAILED_ROLLBACK,
    WEB,
)
from story import Edit, Read, Repo, Run, Story, Turn, Write  # noqa: E402

REPOS = (API, WEB, DEPLOY)
STORIES = (  # in order of time: each finds the repositories as the one before left them
    FLAKY_RETRY_TEST,
    DATABASE_IS_LOCKED,
    CHARGED_TWICE,
    DEPLOY_ORDER,
    RETRY_STORM,
    COUNTDOWN_AT_NIGHT,
    LOSSY_BACKUP,
    FAILED_ROLLBACK,
)
PACE_SECONDS = {"assistant": 7, "user": 1}  # what a record takes; a scripted agent thinks for no time at all
NAMESPACE = uuid.UUID("5d0d1a52-7a6c-5c0e-9a3e-0c9f6a2f7b11")  # makes the same ids in every recording
SCRATCH_HOME = "home/dev"  # below the scratch folder; with that folder's path removed it reads /home/dev
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
API_ID = re.compile(r"\b(msg|toolu)_[0-9a-f]{24}\b")


class RecordingError(Exception):
    """The CLI did not do what the story says."""


# ---- scratch repositories ---------------------------------------------------------------------------------------


def git_env(at: str) -> dict[str, str]:
    """Commits of a story are made by its person and in its time, and so have the same hashes in every recording."""
    who = {"NAME": "Dev", "EMAIL": "dev@example.com", "DATE": f"{at}:30Z"}
    return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}


def make_repo(home: Path, repo: Repo) -> None:
    folder = home / repo.name
    for path, content in repo.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    env = {"PATH": os.environ["PATH"], "HOME": str(home), **git_env("2026-03-02T09:00")}
    for command in (
        ["init", "-q", "-b", "main"],
        ["remote", "add", "origin", repo.remote],
        ["add", "-A"],
        ["commit", "-q", "-m", f"The {repo.name} as it was"],
    ):
        subprocess.run(["git", *command], cwd=folder, env=env, check=True)


# ---- claude: recorded -------------------------------------------------------------------------------------------


def session_id(story: Story) -> str:
    return str(uuid.uuid5(NAMESPACE, story.name))


def tool_use(step: Run | Read | Write | Edit, folder: Path) -> ToolUse:
    """A step as the agent's own tool call; its paths are absolute, as the CLI demands."""
    if isinstance(step, Run):
        return ToolUse("Bash", {"command": step.command, "description": step.why})
    path = {"file_path": str(folder / step.path)}
    if isinstance(step, Write):
        return ToolUse("Write", {**path, "content": step.content})
    if isinstance(step, Edit):
        return ToolUse("Edit", {**path, "old_string": step.old, "new_string": step.new})
    return ToolUse("Read", path)


def replies(turn: Turn, folder: Path) -> list[Reply]:
    asked = [Reply(step.say, tools=(tool_use(step, folder),)) for step in turn.steps]
    return [*asked, Reply(turn.answer)]


def record_turn(claude: str, story: Story, turn: Turn, home: Path, first: bool) -> None:
    folder = home / story.repo
    script = replies(turn, folder)
    which = ["--session-id" if first else "--resume", session_id(story)]
    command = [claude, "-p", "--model", story.model, "--allowedTools", "Bash,Read,Write,Edit", *which]
    with LoopbackApi(script) as api:
        env = claude_env(home, api, PYTHONDONTWRITEBYTECODE="1", **git_env(turn.at))
        done = subprocess.run(
            command, input=turn.prompt, cwd=folder, env=env, capture_output=True, text=True, timeout=120
        )
    if done.returncode or len(api.requests) != len(script):
        heard = f"{len(api.requests)} requests of {len(script)}, exit {done.returncode}"
        raise RecordingError(f"{story.name} {turn.at}: {heard}: {(done.stdout + done.stderr)[-500:]}")


def record_claude(claude: str, story: Story, home: Path) -> list[list[dict]]:
    """The session's records, a list for each turn."""
    turns: list[list[dict]] = []
    for number, turn in enumerate(story.turns):
        record_turn(claude, story, turn, home, first=number == 0)
        [file] = (home / ".claude" / "projects").glob(f"*/{session_id(story)}.jsonl")
        lines = file.read_text(encoding="utf-8").splitlines()
        fresh = lines[sum(map(len, turns)) :]
        refused = next((line for line in fresh if "<tool_use_error>" in line), None)
        if refused:
            raise RecordingError(f"{story.name} {turn.at}: the CLI refused a tool: {refused[:600]}")
        turns.append([json.loads(line) for line in fresh])
    return turns


def own_clock(turn: Turn, records: list[dict]) -> list[dict]:
    """The records of a turn, from its minute on, one after another."""
    now, moved = datetime.fromisoformat(f"{turn.at}:05+00:00"), []
    for record in records:
        now += timedelta(seconds=PACE_SECONDS.get(record["type"], 0))
        moved.append({**record, "timestamp": stamp(now)} if "timestamp" in record else record)
    return moved


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def without_listings(record: dict) -> dict:
    """An attachment that lists the CLI's agents or skills, emptied: it is the CLI's text and not part of the story."""
    attachment = record.get("attachment", {})
    if attachment.get("type") not in ("agent_listing_delta", "skill_listing"):
        return record
    emptied = {key: type(value)() if isinstance(value, str | list) else value for key, value in attachment.items()}
    return {**record, "attachment": {**emptied, "type": attachment["type"]}}


def own_ids(text: str, session: str) -> str:
    """The text with every id replaced by one that depends on the session and its order of appearance alone."""
    seen: dict[str, str] = {session: session}

    def own(match: re.Match) -> str:
        found = match.group()
        fresh = uuid.uuid5(NAMESPACE, f"{session}/{len(seen)}")
        prefix = match.group(1) + "_" if match.re is API_ID else ""
        return seen.setdefault(found, prefix + fresh.hex[:24] if prefix else str(fresh))

    return API_ID.sub(own, UUID.sub(own, text))


def claude_lines(story: Story, turns: list[list[dict]], scratch: Path) -> str:
    records = [without_listings(r) for turn, rs in zip(story.turns, turns, strict=True) for r in own_clock(turn, rs)]
    text = "".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in records)
    return own_ids(text.replace(str(scratch), ""), session_id(story))


# ---- codex: written in its layout -------------------------------------------------------------------------------


def codex_id(story: Story) -> str:
    """A UUIDv7, as codex makes them: the first turn's time in milliseconds, then digits of the story's own."""
    begin = datetime.fromisoformat(f"{story.turns[0].at}:00+00:00")
    clock, rest = f"{int(begin.timestamp() * 1000):012x}", hashlib.sha256(story.name.encode()).hexdigest()
    return f"{clock[:8]}-{clock[8:]}-7{rest[:3]}-8{rest[3:6]}-{rest[6:18]}"


def patch(step: Write | Edit) -> str:
    if isinstance(step, Write):
        head, lines = f"*** Add File: {step.path}", ["+" + line for line in step.content.splitlines()]
    else:
        head = f"*** Update File: {step.path}"
        lines = ["@@", *("-" + o for o in step.old.splitlines()), *("+" + n for n in step.new.splitlines())]
    return "\n".join(["*** Begin Patch", head, *lines, "*** End Patch", ""])


def codex_step(step: Run | Read | Write | Edit, folder: Path, call_id: str, env: dict[str, str]) -> list[dict]:
    """Does the step and returns its call and its output as codex writes them."""
    if isinstance(step, Write | Edit):
        target = folder / step.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(step.content if isinstance(step, Write) else target.read_text().replace(step.old, step.new))
        letter = "A" if isinstance(step, Write) else "M"
        result = {
            "output": f"Success. Updated the following files:\n{letter} {step.path}\n",
            "metadata": {"exit_code": 0},
        }
        call = {"type": "custom_tool_call", "status": "completed", "call_id": call_id, "name": "apply_patch"}
        done = {"type": "custom_tool_call_output", "call_id": call_id, "output": json.dumps(result)}
        return [{**call, "input": patch(step)}, done]
    command = step.command if isinstance(step, Run) else f"cat {step.path}"
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    ended = f"Process exited with code {ran.returncode}"
    said = f"Chunk ID: {call_id[-6:]}\nWall time: 0.0000 seconds\n{ended}\nOutput:\n{ran.stdout}"
    arguments = json.dumps({"cmd": command, "workdir": str(folder), "yield_time_ms": 1000})
    call = {"type": "function_call", "name": "exec_command", "arguments": arguments, "call_id": call_id}
    return [call, {"type": "function_call_output", "call_id": call_id, "output": said}]


def codex_said(text: str, phase: str) -> list[tuple[str, dict]]:
    """What the agent says stands twice, as an event and as an item of the conversation."""
    content = [{"type": "output_text", "text": text}]
    return [
        ("event_msg", {"type": "agent_message", "message": text, "phase": phase}),
        ("response_item", {"type": "message", "role": "assistant", "content": content, "phase": phase}),
    ]


def codex_turn(story: Story, turn: Turn, folder: Path, turn_id: str) -> Iterable[tuple[str, dict]]:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "PYTHONDONTWRITEBYTECODE": "1", **git_env(turn.at)}
    yield "event_msg", {"type": "task_started", "turn_id": turn_id, "collaboration_mode_kind": "default"}
    context = f"<environment_context>\n  <cwd>{folder}</cwd>\n  <shell>bash</shell>\n</environment_context>"
    yield "response_item", {"type": "message", "role": "user", "content": [{"type": "input_text", "text": context}]}
    yield "turn_context", {"turn_id": turn_id, "cwd": str(folder), "approval_policy": "never", "model": story.model}
    asked = [{"type": "input_text", "text": turn.prompt}]
    yield "response_item", {"type": "message", "role": "user", "content": asked}
    yield "event_msg", {"type": "user_message", "message": turn.prompt, "images": [], "text_elements": []}
    for number, step in enumerate(turn.steps):
        if step.say:
            yield from codex_said(step.say, "commentary")
        call_id = "call_" + hashlib.sha256(f"{turn_id}/{number}".encode()).hexdigest()[:24]
        yield from (("response_item", item) for item in codex_step(step, folder, call_id, env))
    yield from codex_said(turn.answer, "final_answer")
    yield "event_msg", {"type": "task_complete", "turn_id": turn_id, "last_agent_message": turn.answer}


def codex_lines(story: Story, repo: Repo, home: Path, scratch: Path) -> str:
    folder, ident = home / story.repo, codex_id(story)
    opened = stamp(datetime.fromisoformat(f"{story.turns[0].at}:00+00:00"))
    meta = {
        "id": ident,
        "timestamp": opened,
        "cwd": str(folder),
        "originator": "codex_cli_rs",
        "cli_version": "0.118.0",
        "source": "cli",
        "model_provider": "openai",
        "git": {"branch": "main", "repository_url": repo.remote},
    }
    records = [{"timestamp": opened, "type": "session_meta", "payload": meta}]
    for turn in story.turns:
        begin = datetime.fromisoformat(f"{turn.at}:05+00:00")
        turn_id = str(uuid.uuid5(NAMESPACE, f"{story.name}/{turn.at}"))
        for number, (kind, payload) in enumerate(codex_turn(story, turn, folder, turn_id)):
            when = stamp(begin + timedelta(seconds=number * PACE_SECONDS["user"]))
            records.append({"timestamp": when, "type": kind, "payload": payload})
    text = "".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in records)
    return text.replace(str(scratch), "")


# ---- all of it --------------------------------------------------------------------------------------------------


def record_all(claude: str, scratch: Path) -> dict[str, str]:
    """Plays every story in order. Returns the text of each session file by its path below examples/sessions."""
    home = scratch / SCRATCH_HOME
    for repo in REPOS:
        make_repo(home, repo)
    files = {}
    for story in STORIES:
        if story.agent == "codex":
            repo = next(repo for repo in REPOS if repo.name == story.repo)
            begin = datetime.fromisoformat(story.turns[0].at)
            name = f"rollout-{begin:%Y-%m-%dT%H-%M-%S}-{codex_id(story)}.jsonl"
            files[f"codex/sessions/{begin:%Y/%m/%d}/{name}"] = codex_lines(story, repo, home, scratch)
        else:
            turns = record_claude(claude, story, home)
            project = f"/{SCRATCH_HOME}/{story.repo}".replace("/", "-")
            files[f"claude/projects/{project}/{session_id(story)}.jsonl"] = claude_lines(story, turns, scratch)
    return files


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--claude", default="claude", metavar="PATH", help="the claude CLI (default: the one on PATH)")
    parser.add_argument("--out", type=Path, default=HERE / "sessions", help="folder to write (default: %(default)s)")
    args = parser.parse_args(argv)
    claude = shutil.which(args.claude)
    if not claude:
        print(
            f"record: {args.claude}: not found; npm install @anthropic-ai/claude-code and name it with --claude",
            file=sys.stderr,
        )
        return 1
    with tempfile.TemporaryDirectory() as folder:
        try:
            files = record_all(str(Path(claude).absolute()), Path(folder).resolve())
        except (RecordingError, subprocess.SubprocessError) as error:
            print(f"record: {error}; nothing was changed in {args.out}", file=sys.stderr)
            return 1
    for layout in ("claude", "codex"):
        shutil.rmtree(args.out / layout, ignore_errors=True)
    for path, text in files.items():
        (args.out / path).parent.mkdir(parents=True, exist_ok=True)
        (args.out / path).write_text(text, encoding="utf-8")
        print(f"{path}: {text.count(chr(10))} records, {len(text.encode()):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
