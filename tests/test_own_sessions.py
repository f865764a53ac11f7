"""M9: sessions that our own model calls left behind are never mined, and nobody else's is taken for one. Each mark alone."""
from __future__ import annotations

import wiki_lib as wl

import gc
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import session_marks as marks
import sessions
import wiki_model
from conftest import SCRIPTS
from loopback_api import LoopbackApi, claude_env, structured
from model_backends import claude

extract = importlib.import_module("extract-sessions")
LEDGERED = "5c1d2e3f-0000-4000-8000-00000000abcd"


@pytest.fixture
def mined(home, monkeypatch):
    """`mined()` runs the miner here and returns {session id: text of its transcript}."""
    def run(*args: str) -> dict[str, str]:
        for value in vars(wl.wiki_disk).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
        monkeypatch.setattr(sys, "argv", ["extract-sessions.py", *args])
        try:
            assert not extract.main() and not wl.problems
        finally:
            gc.enable()
        found = {}
        for path in home.wiki.glob("conversations/*/*.md"):
            text = path.read_text(encoding="utf-8")
            found[str(wl.parse_conversation("x", text).meta["session_id"])] = text
        return found
    return run


def seen(run_script) -> int:
    return json.loads(run_script("wiki-status.py", "--json").stdout)["own_sessions_seen"]


def ledger(home, session: str, machine: str = "0a0b0c0d") -> None:
    folder = home.wiki / "reports/ledger"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{machine}-2026-04.jsonl").write_text(json.dumps({"usd": 0.1, "outcome": "timeout", "session": session}) + "\n")


def a_chat(home, seed: str = "s", prompt: str = "Why does the retry wait?", **fields) -> sessions.Claude:
    return sessions.Claude(home.claude, seed=seed, entrypoint="sdk-cli", **fields).user(prompt, promptSource="sdk").assistant("So.")


def in_folder(home):
    ours = a_chat(home)
    ours.cwd = str(home.cache / "memex" / wl.QUESTION_FOLDER)
    return a_again(ours)


def a_again(chat: sessions.Claude) -> sessions.Claude:
    """The chat with its cwd or id changed on every record: its records are made anew."""
    made = sessions.Claude(chat.folder, chat.project, chat.seed, chat.day, **chat.fields)
    made.cwd, made.session = chat.cwd, chat.session
    return made.user("Why does the retry wait?", promptSource="sdk").assistant("So.")


def with_id(home):
    ours = a_chat(home)
    ours.session = claude.new_session_id()
    return a_again(ours)


def with_prompt(home):
    return a_chat(home, prompt=wiki_model.marked("The conversation"))


def with_ledger(home):
    ours = a_chat(home)
    ours.session = LEDGERED
    ledger(home, LEDGERED)
    return a_again(ours)


@pytest.mark.parametrize("make", [in_folder, with_prompt, with_id, with_ledger])
def test_each_mark_alone_is_enough(make, home, mined, run_script):
    """M9"""
    make(home).write()
    stranger = a_chat(home, seed="stranger")
    stranger.write()
    assert list(mined()) == [stranger.session]
    assert seen(run_script) == 1
    (home.wiki / ".mine-state.json").unlink()
    assert list(mined()) == [stranger.session], "refused again when what was remembered is lost"


@pytest.mark.parametrize("make", [in_folder, with_prompt, with_id, with_ledger])
def test_what_is_appended_to_a_session_of_ours_its_forks_and_its_subagents_are_refused(make, home, mined):
    """M9"""
    ours = make(home)
    ours.write()
    assert mined() == {}
    ours.user("And what else?").assistant("More.").write()
    agent = sessions.Claude(home.claude, seed="agent", isSidechain=True, agentId="a1")
    agent.session, agent.cwd = ours.session, "/home/dev/api"
    agent.user("Look around").assistant("Seen.").write(ours.path.with_suffix("") / "subagents" / "agent-a1.jsonl")
    fork = ours.folder / "projects" / "-home-dev-api" / f"{sessions.uuid('fork')}.jsonl"
    ours.write(fork)                                 # the records of the session it was resumed from come first
    assert mined() == {}


def test_a_codex_session_that_begins_with_our_prompt_is_refused(home, mined):
    """M9"""
    sessions.Codex(home.codex, "api", seed="q").user(wiki_model.marked("The conversation")).assistant("{}").write()
    other = sessions.Codex(home.codex, "api", seed="o").user("Hello").assistant("Hi")
    other.write()
    assert list(mined()) == [other.session]


QUOTED = wiki_model.marked("The conversation")


@pytest.mark.parametrize("prompt", [
    "Why does <memex-question> stand in my log?",
    "<memex-question>\nWhat is that line for?",
    f"Look at this prompt:\n\n{QUOTED}\n\nIs its fence safe?",
    "<memex-question>\n<data-0123456789abcdef>\nit never closes",
    QUOTED.replace("</data-", "</data-f"),
])
def test_who_quotes_or_discusses_our_mark_is_mined(prompt, home, mined, run_script):
    """M9: people work on this project itself."""
    chat = a_chat(home, prompt=prompt).user(QUOTED).assistant("I see.")
    chat.write()
    assert list(mined()) == [chat.session]
    assert seen(run_script) == 0


def test_a_mark_that_comes_later_is_no_mark_also_when_only_the_new_part_is_read(home, mined):
    """M9: what is decided does not depend on when the session was mined."""
    chat = a_chat(home)
    chat.write()
    mined()
    chat.user(QUOTED).assistant("Noted.").write()
    assert "Noted." in mined()[chat.session]


@pytest.mark.parametrize("cwd, ours", [
    ("/home/dev/memex", False), ("/home/dev/memex/scripts", False), ("/srv/.cache/memex", False), ("", False),
    ("/home/dev/memex-questions", False), ("/home/dev/memex/questions", False),
    ("/home/dev/.cache/memex/memex-questions", True), ("/Users/dev/.cache/memex/memex-questions", True),
    ("/Users/dev/Library/Caches/memex/memex-questions/x", True), ("/tmp/memex-501/memex-questions", True),
    ("/here/memex/anything", True), ("/here/memexes", False),
])
def test_only_our_own_folder_is_ours(cwd, ours):
    """M9: on this machine and, by the name that only we give it, on another."""
    assert marks.is_our_folder(cwd, "/here/memex") == ours


def test_a_cache_behind_a_link_is_known_by_where_it_leads(tmp_path):
    (tmp_path / "real/memex").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert marks.is_our_folder(str(tmp_path / "real/memex/x"), str(tmp_path / "link/memex"))


def test_ids_are_uuids_of_ours_and_no_random_one_is():
    import uuid
    made = {claude.new_session_id() for _ in range(200)}
    assert len(made) == 200 and all(marks.is_our_id(i) and uuid.UUID(i).version == 8 for i in made)
    assert not any(marks.is_our_id(str(uuid.uuid4())) for _ in range(200))


def test_a_call_that_never_answered_stands_in_the_ledger_by_its_id(home, fake_bin):
    """M9: killed by the clock, the call has named no session; the door made the id up itself."""
    fake_bin("claude", '#!/bin/sh\ncat >/dev/null\nprintf "%s\\n" "$@" > "$HOME/argv"\necho no json\n')
    home.wiki.mkdir()
    driver = (f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\nimport wiki_model as m\n"
              "q = m.Question('x', 'y.md', '', {'type': 'object'}, 'S', str)\n"
              "try: m.ask(q, 'claude')\nexcept m.ModelError: pass\n")
    subprocess.run([sys.executable, "-c", driver], env=home.environ, check=True, timeout=60)
    [session] = marks.ledgered(wl.Wiki(home.wiki))
    argv = (home.path / "argv").read_text().split("\n")
    assert argv[argv.index("--session-id") + 1] == session and marks.is_our_id(session)


def test_the_session_in_which_a_persons_agent_answered_is_theirs(home, mined):
    """M9: its id may stand in the ledger, too."""
    chat = a_chat(home)
    chat.write()
    ledger(home, chat.session)
    file = home.wiki / "reports/ledger/0a0b0c0d-2026-04.jsonl"
    file.write_text(file.read_text().replace("{", '{"backend": "agent", ', 1) + "not json\n")
    assert list(mined()) == [chat.session]


def test_a_session_of_ours_that_was_mined_all_the_same_is_seen(home, mined, run_script):
    """M9: the count must be 0 and is not: by the ledger that another machine's sync brought later."""
    chat = a_chat(home)
    chat.write()
    mined()
    assert seen(run_script) == 0
    ledger(home, chat.session, "ffffffff")
    assert seen(run_script) == 1


# ---------------------------------------------------------------- inside a call

@pytest.mark.parametrize("program", ["extract-sessions.py", "mine-conversations.sh", "wiki-maintain.sh"])
def test_inside_a_call_of_ours_nothing_is_mined(program, home, run_script):
    """M9: no recursion, and a word on why."""
    a_chat(home).write()
    done = run_script(program, env={"MEMEX_QUESTION": claude.new_session_id()})
    assert done.stdout == "" and "inside a model call" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not home.wiki.exists()


def test_inside_a_call_of_ours_no_model_is_asked(monkeypatch):
    monkeypatch.setenv("MEMEX_QUESTION", "x")
    question = wiki_model.Question("x", "y.md", "", {"type": "object"}, "S", str)
    assert "inside a model call" in wiki_model.ask(question, "claude").reason


@pytest.mark.parametrize("hook", ["session-start", "session-end", "pre-compact"])
def test_inside_a_call_of_ours_hooks_say_and_note_nothing(hook, home):
    (home.wiki / "context").mkdir(parents=True)
    (home.wiki / "context/wake-up.md").write_text("# Focus\n")
    done = subprocess.run([SCRIPTS / "hooks" / hook], input=b'{"session_id": "s"}', capture_output=True, timeout=20,
                          env={**home.environ, "MEMEX_QUESTION": "x"})
    assert (done.returncode, done.stdout) == (0, b"") and not (home.wiki / "context/inbox").exists()


# ---------------------------------------------------------------- the real CLI

def asked(home, claude_cli, api, prompt: str = "Why does it wait?", cwd: str = "", session: str = "", fork: str = "") -> Path:
    """A real session file: `claude -p` without the option that keeps none, with only the marks that are named."""
    folder = Path(cwd or home.path / "project")
    folder.mkdir(parents=True, exist_ok=True)
    before = set(home.claude.rglob("*.jsonl"))
    argv = [claude_cli, "-p", "--model", "haiku", "--output-format", "json", "--tools", "", "--system-prompt", "S",
            "--setting-sources", "", "--strict-mcp-config", *(("--session-id", session) if session else ()),
            *(("--resume", fork, "--fork-session") if fork else ())]
    done = subprocess.run(argv, input=prompt, text=True, capture_output=True, timeout=60, cwd=folder,
                          env=claude_env(home.path, api, CLAUDE_CONFIG_DIR=str(home.claude)))
    assert done.returncode == 0, done.stdout + done.stderr
    [made] = set(home.claude.rglob("*.jsonl")) - before
    return made


@pytest.mark.real
def test_real_session_files_of_our_calls_are_refused_for_each_mark_alone_and_a_strangers_is_mined(home, claude_cli, mined):
    """M9, with the files that the real CLI writes."""
    with LoopbackApi(reply=lambda body: "Because it must.") as api:
        stranger = asked(home, claude_cli, api)
        records = [json.loads(line) for line in stranger.read_text().splitlines()]
        assert {r.get("entrypoint") for r in records if r["type"] in ("user", "assistant")} == {"sdk-cli"}
        ledgered = asked(home, claude_cli, api, prompt="And this one?")
        marked = asked(home, claude_cli, api, prompt=wiki_model.marked("The conversation"))
        asked(home, claude_cli, api, prompt="Go on", fork=marked.stem)
        asked(home, claude_cli, api, cwd=str(home.cache / "memex" / wl.QUESTION_FOLDER))
        asked(home, claude_cli, api, session=claude.new_session_id())
        ledger(home, ledgered.stem)
    assert list(mined()) == [stranger.stem]


@pytest.mark.real
def test_our_own_call_is_refused_when_the_cli_keeps_its_session_all_the_same(home, claude_cli, mined, fake_bin, run_script):
    """M9: the door as it is, and a claude that does not heed `--no-session-persistence`."""
    fake_bin("claude", f"""#!{sys.executable}
import os, sys
os.execv({str(claude_cli)!r}, ["claude", *(a for a in sys.argv[1:] if a != "--no-session-persistence")])
""")
    driver = (f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\nimport wiki_model as m\n"
              "q = m.Question('x', 'y.md', 'the words', {'type': 'object'}, 'S', str)\nprint(m.ask(q, 'claude'))\n")
    home.wiki.mkdir()
    with LoopbackApi(reply=lambda body: structured({"summary": "x"})) as api:
        env = {**home.environ, **claude_env(home.path, api), "PATH": home.environ["PATH"]}
        done = subprocess.run([sys.executable, "-c", driver], env=env, capture_output=True, text=True, timeout=60)
    assert "Answer" in done.stdout, done.stderr
    [kept] = home.claude.rglob("*.jsonl")
    assert marks.is_our_id(kept.stem) and mined() == {} and seen(run_script) == 1
    os.unlink(kept)
    assert seen(run_script) == 0
