"""The recorded example sessions: whole, about nobody's machine, and in step with the stories they were made from."""

import json
import re
import sys
from functools import cache
from pathlib import Path

import pytest
from conftest import CHECKOUT

EXAMPLES = CHECKOUT / "examples"
SESSIONS = EXAMPLES / "sessions"
CLAUDE = sorted(SESSIONS.glob("claude/projects/*/*.jsonl"))
CODEX = sorted(SESSIONS.glob("codex/sessions/*/*/*/rollout-*.jsonl"))
MAX_BYTES = 400_000  # everybody who clones the project carries them
MACHINE = re.compile(r"/(?:work|root|tmp|var|opt|mnt|Users|private)/|/home/(?!dev\b)|127\.0\.0\.1|localhost")
SECRET = re.compile(r"sk-[A-Za-z0-9]{8}|gh[pousr]_[A-Za-z0-9]{8}|AKIA[0-9A-Z]{8}|PRIVATE KEY|eyJ[\w-]{8,}\.|xox[abp]-")


def records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def claude_said(path: Path) -> list[tuple[str, str]]:
    """(role, text) of every prompt and answer of a claude session, in order."""
    said = []
    for record in records(path):
        content = record.get("message", {}).get("content", [])
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        said += [(record["type"], block["text"]) for block in blocks if block["type"] == "text"]
    return said


def codex_said(path: Path) -> list[tuple[str, str]]:
    roles = {"user_message": "user", "agent_message": "assistant"}
    events = [record["payload"] for record in records(path) if record["type"] == "event_msg"]
    return [(roles[event["type"]], event["message"]) for event in events if event["type"] in roles]


@cache
def recorder():
    sys.path.insert(0, str(EXAMPLES))
    try:
        import record
    finally:
        sys.path.remove(str(EXAMPLES))
    return record


def test_there_are_sessions_of_both_agents_and_of_several_projects():
    assert len(CLAUDE) >= 6 and CODEX
    assert {path.parent.name for path in CLAUDE} == {"-home-dev-api", "-home-dev-web", "-home-dev-deploy"}


def test_the_examples_stay_small():
    assert sum(path.stat().st_size for path in SESSIONS.rglob("*") if path.is_file()) < MAX_BYTES


@pytest.mark.parametrize("path", CLAUDE + CODEX, ids=lambda path: path.stem[-12:])
def test_an_example_is_about_nobodys_machine_and_holds_no_secret(path):
    text = path.read_text(encoding="utf-8")
    assert not MACHINE.findall(text) and not SECRET.findall(text)


@pytest.mark.parametrize("path", CLAUDE, ids=lambda path: path.stem[-12:])
def test_a_recorded_session_is_whole(path):
    lines = records(path)
    known = {line["uuid"] for line in lines if "uuid" in line}
    assert {line["parentUuid"] for line in lines if line.get("parentUuid")} <= known
    assert {line["sessionId"] for line in lines} == {path.stem}
    results = [b for line in lines for b in line.get("message", {}).get("content", []) if "tool_use_id" in b]
    assert results and not any("tool_use_error" in json.dumps(result) for result in results)


def test_every_story_is_recorded_word_for_word():
    said = [claude_said(path) for path in CLAUDE] + [codex_said(path) for path in CODEX]
    for story in recorder().STORIES:
        script = []
        for turn in story.turns:
            comments = [("assistant", step.say) for step in turn.steps if step.say]
            script += [("user", turn.prompt), *comments, ("assistant", turn.answer)]
        assert script in said, story.name
    assert len(said) == len(recorder().STORIES)


def test_the_recorder_explains_itself(run_script):
    assert "real claude CLI" in run_script("../examples/record.py", "--help").stdout


def test_without_the_cli_the_recorder_says_what_to_do_and_changes_nothing(run_script, home):
    out = home.path / "out"
    done = run_script("../examples/record.py", "--claude", "no-such-claude", "--out", out, check=False)
    assert done.returncode == 1 and "npm install" in done.stderr and not out.exists()


@pytest.mark.real
def test_recording_again_gives_the_same_conversations(run_script, claude_cli, home):
    out = home.path / "out"
    run_script("../examples/record.py", "--claude", claude_cli, "--out", out)
    assert [claude_said(out / path.relative_to(SESSIONS)) for path in CLAUDE] == [claude_said(path) for path in CLAUDE]
