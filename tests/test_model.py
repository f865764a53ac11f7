"""The model door: one lean call of the claude CLI, budgets before it, a ledger line after it, nothing believed unseen."""
from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from loopback_api import LoopbackApi, Reply, claude_env, error, prompt_of, structured

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
SCHEMA = {"type": "object", "required": ["summary"], "additionalProperties": False,
          "properties": {"summary": {"type": "string"}}}
DRIVER = f"""
import sys; sys.path.insert(0, {str(SCRIPTS)!r})
import json, os, wiki_disk, wiki_model as m
def check(value): return "" if "retry" in value["summary"] else "the summary does not speak of the retry"
text = sys.stdin.read()
for number in range(int(os.environ.get("TIMES", "1"))):
    asked = text + f" ({{number}})" * (number > 0)      # the same question is not paid for twice
    question = m.Question("summary", "conversations/api/x.md", asked, {SCHEMA!r}, "You summarise.", str, check=check)
    try:
        answer = m.ask(question, "claude")
    except wiki_disk.WikiError as error:
        answer = type(error).__name__ + ": " + str(error)
    print(json.dumps(answer if isinstance(answer, str) else repr(answer)))
"""
# A claude that logs what it was given and prints one reply a call from replies/.
FAKE = """#!/bin/sh
n=$(ls "$HOME/calls" | wc -l)
cat > "$HOME/calls/$n"
env > "$HOME/env"
printf '%s\\n' "$@" > "$HOME/argv"
cat "$HOME/replies/$n"
"""


@pytest.fixture
def ask_fake(home, fake_bin):
    """ask_fake(reply, ..., text=..., times=...): the door's answers (as printed) with a fake claude on PATH."""
    import subprocess

    def run(*replies: dict | str, text: str = "the retry failed", times: int = 1, **env: str) -> list[str]:
        fake_bin("claude", FAKE)
        (home.path / "calls").mkdir(exist_ok=True)
        (home.path / "replies").mkdir(exist_ok=True)
        for number, reply in enumerate(replies):
            (home.path / "replies" / str(number)).write_text(reply if isinstance(reply, str) else json.dumps(reply))
        home.wiki.mkdir(exist_ok=True)
        done = subprocess.run([sys.executable, "-c", DRIVER], input=text, text=True, capture_output=True,
                              env={**home.environ, "TIMES": str(times), **env}, timeout=60)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    run.calls = lambda: [p.read_text() for p in sorted((home.path / "calls").iterdir(), key=lambda p: int(p.name))]
    return run


def said(value: object, usd: float = 0.01, **more: object) -> dict:
    return {"type": "result", "is_error": False, "result": json.dumps(value), "total_cost_usd": usd,
            "usage": {"input_tokens": 10, "output_tokens": 5}, "session_id": "abc", **more}


def ledger(home) -> list[dict]:
    return [json.loads(line) for p in (home.wiki / "reports/ledger").glob("*.jsonl") for line in p.read_text().splitlines()]


def test_an_answer_that_fits_comes_back_as_a_value_with_its_price_in_the_ledger(home, ask_fake):
    """B4: a ledger line a call. W7: the question goes in on stdin, never as an argument."""
    [answer] = ask_fake(said({"summary": "the retry"}))
    assert "'summary': 'the retry'" in answer and "claude" in answer
    [line] = ledger(home)
    assert (line["subject"], line["usd"], line["outcome"]) == ("conversations/api/x.md", 0.01, "answered")
    assert "the retry failed" in ask_fake.calls()[0] and "the retry failed" not in (home.path / "argv").read_text()


def test_a_leaked_variable_of_the_outer_session_is_not_passed_on(home, ask_fake):
    ask_fake(said({"summary": "the retry"}), CLAUDECODE="1", CLAUDE_CODE_CHILD_SESSION="1", ANTHROPIC_API_KEY="dummy", MY_OWN="x")
    passed = (home.path / "env").read_text()
    assert "CLAUDECODE" not in passed and "CHILD_SESSION" not in passed and "MY_OWN" not in passed
    assert "ANTHROPIC_API_KEY=dummy" in passed and "MAX_THINKING_TOKENS=0" in passed


def test_prose_is_asked_again_once_with_the_error_and_then_set_aside(home, ask_fake):
    """M16, M24: half a result is never written."""
    [answer] = ask_fake(said(0) | {"result": "I think so"}, said(0) | {"result": "still prose"})
    assert answer.startswith("ModelError") and "set aside" in answer
    first, second = ask_fake.calls()
    assert "not JSON" in second and "not JSON" not in first
    assert len(list((home.wiki / "context/questions/failed").iterdir())) == 1
    assert len(ledger(home)) == 2


def test_an_answer_outside_the_schema_is_repaired_by_quoting_what_is_wrong(ask_fake):
    [answer] = ask_fake(said({"summary": 3}), said({"summary": "the retry"}))
    assert "the retry" in answer and "summary" in ask_fake.calls()[1].split("could not be used")[1]


def test_the_questions_own_check_counts_like_the_schema(ask_fake):
    [answer] = ask_fake(said({"summary": "nothing"}), said({"summary": "the retry"}))
    assert "the retry" in answer and "does not speak of the retry" in ask_fake.calls()[1]


def test_a_rate_limit_stops_all_further_calls_of_the_run(home, ask_fake):
    limited = {"is_error": True, "result": "Request rejected (429)", "api_error_status": 429}
    assert all(a.startswith("Deferred") for a in ask_fake(limited, said({"summary": "the retry"}), times=3))
    assert len(ask_fake.calls()) == 1


def test_a_bad_key_fails_this_call_and_says_so(home, ask_fake):
    [answer] = ask_fake({"is_error": True, "result": "Invalid API key", "api_error_status": 401})
    assert answer.startswith("ModelError") and "Invalid API key" in answer


def test_the_budget_is_looked_at_before_the_call(home, ask_fake):
    """B4: spent means deferred, not failed."""
    home.wiki.mkdir()
    (home.wiki / "wiki.yaml").write_text("budget: {calls: 2}\n")
    answers = ask_fake(*[said({"summary": "the retry"})] * 4, times=4)
    assert [a.split("(")[0] for a in answers] == ["Answer", "Answer", "Deferred", "Deferred"]
    assert len(ask_fake.calls()) == 2


def test_another_machines_spending_counts_for_the_day(home, ask_fake):
    folder = home.wiki / "reports/ledger"
    folder.mkdir(parents=True)
    (folder / "ffffffff-2026-05.jsonl").write_text('{"time": "2026-05-04T01:00:00Z", "usd": 3.5}\n')
    [answer] = ask_fake(said({"summary": "the retry"}), WIKI_TODAY="2026-05-04")
    assert answer.startswith("Deferred") and "day's budget" in answer
    assert ask_fake.calls() == []


def test_no_claude_on_path_is_deferred(home):
    import subprocess
    home.wiki.mkdir()
    done = subprocess.run([sys.executable, "-c", DRIVER], input="x", text=True, capture_output=True, env=home.environ)
    assert "Deferred" in done.stdout and "not on PATH" in done.stdout, done.stderr


def test_a_secret_is_taken_out_before_it_is_sent_and_after_it_comes_back(ask_fake):
    """B5: gated before and after a model."""
    key = "AKIA" + "Q3EGRTZ7WXKLMNB2"
    [answer] = ask_fake(said({"summary": f"the retry {key}"}), text=f"the key is {key}")
    assert key not in ask_fake.calls()[0] and key not in answer and "REDACTED" in answer


@pytest.fixture
def ask_real(home, claude_cli):
    """ask_real(api, text): the door's answers with the real claude CLI against a loopback API, and canaries in the way."""
    import subprocess

    def run(api: LoopbackApi, text: str = "the retry failed", times: int = 1) -> list[str]:
        (home.bin / "claude").unlink(missing_ok=True)
        (home.bin / "claude").symlink_to(claude_cli)
        home.wiki.mkdir(exist_ok=True)
        home.claude.mkdir(exist_ok=True)
        (home.claude / "CLAUDE.md").write_text("CANARY-HOME")
        (home.path / "CLAUDE.md").write_text("CANARY-CWD")
        lines = {**home.environ, **claude_env(home.path, api), "PATH": home.environ["PATH"]}
        done = subprocess.run([sys.executable, "-c", DRIVER], input=text, text=True, capture_output=True, timeout=100,
                              env={**lines, "TIMES": str(times)}, cwd=home.path)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]
    return run


def test_the_real_cli_sends_a_lean_request_and_leaves_no_session(home, ask_real):
    """M9 (source side): the real claude CLI through ask(); one schema tool, no canary, no session file."""
    with LoopbackApi(reply=lambda body: structured({"summary": "the retry waits"})) as api:
        [answer] = ask_real(api)
    assert "the retry waits" in answer
    [body] = [b for b in api.requests if "<memex-question>" in prompt_of(b)]
    size = len(json.dumps({k: v for k, v in body.items() if k not in ("messages", "system")}).encode())
    assert size <= 2500 and len(body.get("tools") or []) <= 1
    assert "CANARY" not in json.dumps(body) and "You summarise." in json.dumps(body["system"])
    assert not list(home.claude.rglob("*.jsonl")), "a session file was left behind: it would be mined next"


def test_the_real_cli_takes_a_question_of_300_kb(ask_real):
    """W7: over the limit of an argument."""
    with LoopbackApi(reply=lambda body: structured({"summary": "the retry"})) as api:
        [answer] = ask_real(api, text="retry " * 50_000)
    assert answer.startswith("Answer") and len(prompt_of(api.requests[-1])) > 290_000


@pytest.mark.parametrize("reply, outcome", [
    (Reply(text="just prose"), "ModelError"),
    (error(401, "invalid x-api-key"), "ModelError"),
    (error(429, "slow down"), "Deferred"),
])
def test_what_the_real_cli_makes_of_trouble_ends_as_the_contract_says(home, ask_real, reply, outcome):
    with LoopbackApi(reply=lambda body: reply) as api:
        [answer] = ask_real(api)
    assert answer.startswith(outcome)
    assert not list(home.claude.rglob("*.jsonl"))
