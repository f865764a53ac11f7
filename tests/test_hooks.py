"""The session hooks: what a new session is told, and what is noted when one ends. Real sh, real files, real CLI."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SCRIPTS, Home
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback_api import LoopbackApi, claude_env

HOOKS = SCRIPTS / "hooks"
MANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EVENT_KEYS = ["kind", "session_id", "transcript_path", "cwd", "text", "time"]
NASTY = (
    'say "no"\n\\ and \\n and C:\\new\\',
    "tab\there, return\r, bell\a, escape\x1b[31m, unit\x1f, delete\x7f",
    "é 日本語 🙂 \u2028 \ufeff",
    "%s %d & \\& $HOME `id` $(id) 'single' </x> [a] * ?",
    "\n\nlines\n\n\nbetween\n",
    " leading and trailing spaces  ",
)


@pytest.fixture
def hook(home: Home) -> Callable[..., subprocess.CompletedProcess]:
    """`hook("session-start", {"cwd": ...})` runs that hook as the agent would; the answer's streams are bytes."""

    def run(name: str, said: dict | bytes = b"{}", **env: str) -> subprocess.CompletedProcess:
        said = said if isinstance(said, bytes) else json.dumps(said, ensure_ascii=False).encode()
        done = subprocess.run(
            [HOOKS / name], input=said, capture_output=True, env={**home.environ, **env}, cwd=home.path, timeout=20
        )
        assert done.returncode == 0
        return done

    return run


def told(done: subprocess.CompletedProcess) -> str:
    """The wake-up inside a session-start hook's answer, without its markers; "" where the hook said nothing."""
    if not done.stdout:
        return ""
    answer = json.loads(done.stdout)["hookSpecificOutput"]
    assert answer["hookEventName"] == "SessionStart"
    context = answer["additionalContext"]
    assert context.startswith("<memex-wake-up>\n") and context.endswith("\n</memex-wake-up>")
    return context.removeprefix("<memex-wake-up>\n").removesuffix("\n</memex-wake-up>")


def build(home: Home, path: str, text: str) -> None:
    target = home.wiki / "context" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode())


def clone(folder: Path, remote: str) -> Path:
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").write_text(f'[core]\n\tbare = false\n[remote "origin"]\n\turl = {remote}\n')
    return folder


def inbox(home: Home) -> list[dict]:
    return [json.loads(path.read_bytes()) for path in sorted((home.wiki / "context" / "inbox").glob("*.json"))]


# ---- session-start ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", NASTY)
def test_a_new_session_is_told_the_wake_up_word_for_word(text, hook, home):
    build(home, "wake-up.md", text)
    assert told(hook("session-start")) == text.rstrip("\n")


@MANY
@given(text=st.text())
def test_whatever_the_wake_up_holds_the_answer_is_json(text, hook, home):
    build(home, "wake-up.md", text)
    assert told(hook("session-start")) == text.replace("\0", "").rstrip("\n")


def test_a_wake_up_that_quotes_our_markers_cannot_close_them(hook, home):
    build(home, "wake-up.md", "before </memex-wake-up> after <memex-wake-up>")
    assert told(hook("session-start")) == "before (/memex-wake-up) after (memex-wake-up)"


def test_where_nothing_was_built_nothing_is_said(hook, home):
    assert hook("session-start").stdout == b""
    build(home, "wake-up.md", "\n")
    assert hook("session-start").stdout == b""


def test_what_is_wrong_is_said_before_the_wake_up(hook, home):
    build(home, "alert.md", "alert: nothing was mined for 3 days\n")
    assert told(hook("session-start")) == "alert: nothing was mined for 3 days"
    build(home, "wake-up.md", "# Focus\n")
    assert told(hook("session-start")) == "alert: nothing was mined for 3 days\n\n# Focus"


@pytest.mark.parametrize(
    "remote", ["git@example.com:acme/api.git", "https://me:pw@example.com/acme/api", "ssh://git@example.com:2222/acme/api.git/"]
)
def test_a_session_in_a_project_is_told_its_own_wings_wake_up(remote, hook, home):
    build(home, "wake-up.md", "everything")
    build(home, "wake-up/acme-api.md", "the wing")
    deep = clone(home.path / "any name", remote) / "src" / "deep"
    deep.mkdir(parents=True)
    assert told(hook("session-start", {"cwd": str(deep)})) == "everything"
    (home.wiki / ".wings-state.json").write_text('{\n"example.com/acme/api": ["acme-api"],\n"": []}\n')
    assert told(hook("session-start", {"cwd": str(deep)})) == "the wing"


def test_a_project_not_mined_yet_is_known_by_its_remotes_or_folders_name(hook, home):
    build(home, "wake-up/web.md", "web")
    assert told(hook("session-start", {"cwd": str(clone(home.path / "x", "git@example.com:acme/web.git"))})) == "web"
    (home.path / "web").mkdir()
    assert told(hook("session-start", {"cwd": str(home.path / "web")})) == "web"
    assert told(hook("session-start", {"cwd": "/nowhere/at/all"})) == ""


def test_a_worktree_is_its_clones_wing(hook, home, git):
    build(home, "wake-up/web.md", "web")
    repo = home.path / "first"
    git("init", "-q", repo, cwd=home.path)
    git("remote", "add", "origin", "git@example.com:acme/web.git", cwd=repo)
    git("commit", "-q", "--allow-empty", "-m", "one", cwd=repo)
    git("worktree", "add", "-q", home.path / "second", cwd=repo)
    assert told(hook("session-start", {"cwd": str(home.path / "second")})) == "web"


def test_a_cwd_with_quotes_and_backslashes_is_understood(hook, home):
    folder = clone(home.path / 'od"d \\ é', "git@example.com:acme/web.git")
    build(home, "wake-up/web.md", "web")
    said = {"prompt": 'not "cwd": "/elsewhere"', "cwd": str(folder)}
    assert told(hook("session-start", said)) == "web"


@pytest.mark.parametrize("said", [b"", b"not json", b'{"cwd": ', b"\xff\xfe\x00", b'{"cwd": 7}', b"{" * 100_000])
def test_whatever_the_agent_says_the_wake_up_is_told(said, hook, home):
    build(home, "wake-up.md", "everything")
    assert told(hook("session-start", said)) == "everything"


def test_a_paused_wiki_says_and_notes_nothing(hook, home):
    build(home, "wake-up.md", "everything")
    (home.wiki / "wiki.yaml").write_text("paused: true\n")
    assert hook("session-start").stdout == b""
    hook("session-end", {"session_id": "s"})
    assert inbox(home) == []


def test_hooks_start_no_python_and_make_no_environment(hook, home, fake_bin):
    for name in ("python", "python3", "uv"):
        fake_bin(name, '#!/bin/sh\ntouch "$HOME/python-was-started"\n')
    build(home, "wake-up.md", "everything")
    assert told(hook("session-start")) == "everything"
    hook("session-end")
    hook("pre-compact")
    assert not (home.path / "python-was-started").exists()


@pytest.mark.parametrize("name", ["session-start", "session-end", "pre-compact"])
def test_a_hook_answers_within_a_tenth_of_a_second(name, hook, home):
    """C1, D1. The best of ten: a slow machine is not what is measured."""
    build(home, "wake-up.md", "line\n" * 200)
    took = []
    for _ in range(10):
        started = time.perf_counter()
        hook(name, {"cwd": str(home.path), "prompt": "words " * 2000})
        took.append(time.perf_counter() - started)
    assert min(took) < 0.1


# ---- session-end, pre-compact -----------------------------------------------------------------------------------


def test_an_ended_session_leaves_one_file_that_names_it(hook, home):
    """C1, D1."""
    home.wiki.mkdir()
    said = {"session_id": "s-1", "transcript_path": '/h/é "x".jsonl', "cwd": "C:\\api", "reason": "exit"}
    hook("session-end", said)
    [event] = inbox(home)
    assert list(event) == EVENT_KEYS
    assert event.pop("time").endswith("Z")
    kept = {key: said[key] for key in ("session_id", "transcript_path", "cwd")}
    assert event == {"kind": "session-end", "text": "", **kept}


def test_a_compaction_keeps_what_the_person_asked_of_it(hook, home):
    home.wiki.mkdir()
    hook("pre-compact", {"session_id": "s-1", "trigger": "manual", "custom_instructions": "keep the\nplan"})
    [event] = inbox(home)
    assert (event["kind"], event["session_id"], event["text"]) == ("pre-compact", "s-1", "keep the\nplan")


@MANY
@given(said=st.binary() | st.text().map(lambda t: json.dumps({"session_id": t, "cwd": t}).encode()))
def test_whatever_is_said_the_note_is_json(said, hook, home):
    home.wiki.mkdir(exist_ok=True)
    before = len(inbox(home))
    hook("session-end", said)
    assert len(inbox(home)) == before + 1
    assert all(list(event) == EVENT_KEYS for event in inbox(home))


def test_a_hundred_ends_at_once_are_a_hundred_files(home):
    """C1."""
    home.wiki.mkdir()
    said = b'{"session_id": "s"}'
    ends = [subprocess.Popen([HOOKS / "session-end"], stdin=subprocess.PIPE, env=home.environ) for _ in range(100)]
    for end in ends:
        end.communicate(said, timeout=60)
    assert len(inbox(home)) == 100
    assert not [path for path in (home.wiki / "context" / "inbox").iterdir() if path.suffix != ".json"]


def test_a_hook_that_cannot_write_says_so_and_does_not_fail(hook, home):
    """D4."""
    assert b"no wiki there" in hook("session-end").stderr
    assert not home.wiki.exists()
    home.wiki.mkdir()
    (home.wiki / "context").write_text("a file where a folder belongs")
    done = hook("session-end")
    assert done.stdout == b"" and b"could not write" in done.stderr


# ---- the real CLI -----------------------------------------------------------------------------------------------


@pytest.mark.real
def test_the_first_request_of_the_real_claude_holds_the_wake_up_and_its_end_is_noted(claude_cli, home):
    """What was learnt last night is in the first request today (the loop closes), and the session's end is captured."""
    text = 'We decided on "full jitter" \\ not on a fixed pause.\n- é 日本'
    build(home, "wake-up/web.md", text)
    project = clone(home.path / "project", "git@example.com:acme/web.git")
    hooks = {
        event: [{"hooks": [{"type": "command", "command": f"'{HOOKS / name}'"}]}]
        for event, name in (("SessionStart", "session-start"), ("SessionEnd", "session-end"))
    }
    (project / ".claude").mkdir()
    (project / ".claude" / "settings.json").write_text(json.dumps({"hooks": hooks}))
    with LoopbackApi(["Good morning."]) as api:
        done = subprocess.run(
            [claude_cli, "-p"],
            input="Good morning!",
            text=True,
            capture_output=True,
            cwd=project,
            env=claude_env(home.path, api, WIKI_DIR=str(home.wiki)),
            timeout=60,
        )
    assert (done.returncode, done.stdout.strip()) == (0, "Good morning."), done.stderr
    assert json.dumps(f"<memex-wake-up>\n{text}\n</memex-wake-up>")[1:-1] in json.dumps(api.requests[0])
    [event] = inbox(home)
    assert Path(event["transcript_path"]).is_file() and event["session_id"] in event["transcript_path"]
