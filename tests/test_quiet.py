"""session_quiet: a run in which nothing is new is over at once, and only such a run."""
from __future__ import annotations

import wiki_lib as wl

import gc
import importlib
import json
import os
import sys
from pathlib import Path

import pytest
import session_mining
import session_retention
import sessions
import wiki_redact
from conftest import snapshot

extract = importlib.import_module("extract-sessions")


@pytest.fixture
def mine(home, monkeypatch):
    """`mine("--force")` runs the miner here; returns True where it looked at what is known of each session."""
    def run(*args: str) -> bool:
        looked: list[bool] = []
        for value in vars(wl.wiki_disk).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["extract-sessions.py", *args])
            patch.setattr(session_mining, "mine", lambda *given: looked.append(True) or real(*given))
            try:
                extract.main()
            finally:
                wl.dry_run(False)
                gc.enable()
        return bool(looked)
    real = session_mining.mine
    return run


@pytest.fixture
def mined(home, mine) -> sessions.Claude:
    """A session that was mined, in a wiki where nothing is new."""
    c = sessions.Claude(home.claude).user("Why does the build fail?").assistant("A test is missing.")
    c.write()
    sessions.Claude(home.claude, seed="other").user("And the lint?").assistant("Clean.").write()
    assert mine() and not mine()
    return c


def test_a_run_with_nothing_new_is_over_at_once_and_changes_nothing(home, mine, mined):
    before = snapshot(home.wiki)
    assert not mine() and snapshot(home.wiki) == before
    assert json.loads(session_retention.memory_path(wl.Wiki()).read_text())["last"], "it counts as a mining"


def grow(home, c):
    c.user("And now?").assistant("It passes.").write()


def touch(home, c):
    os.utime(c.path, (1, 1))


def another(home, c):
    sessions.Claude(home.claude, "-home-dev-new", seed="new").user("Hello").assistant("Hi").write()


def take_away(home, c):
    Path(c.path).unlink()


def lose_the_state(home, c):
    (home.wiki / ".mine-state.json").unlink()


def break_the_state(home, c):
    (home.wiki / ".mine-state.json").write_text("{")


def change_the_settings(home, c):
    (home.wiki / "wiki.yaml").write_text("exclude: [web]\n")


def hear_of_a_session(home, c):
    inbox = home.wiki / "context" / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    (inbox / "20260412T091305Z-0badcafe.json").write_text("{}")


def report_trouble(home, c):
    (home.wiki / "reports").mkdir(exist_ok=True)
    (home.wiki / "reports" / "mine-errors.md").write_text("# What could not be mined\n\n- extract: `/gone`: broken\n")


def await_a_session(home, c):
    path = session_retention.memory_path(wl.Wiki())
    memory = json.loads(path.read_text())
    memory["unmined"][str(c.path)] = {"size": 1, "mtime": 0, "session": c.session, "project": "-home-dev-web"}
    path.write_text(json.dumps(memory))


def lose_the_cache(home, c):
    session_retention.memory_path(wl.Wiki()).unlink()


@pytest.mark.parametrize("change", [grow, touch, another, take_away, lose_the_state, break_the_state, change_the_settings,
                                    hear_of_a_session, report_trouble, await_a_session, lose_the_cache])
def test_whatever_a_run_looks_at_is_noticed_when_it_changes(home, mine, mined, change):
    change(home, mined)
    assert mine()
    mine()
    assert not mine(), "and then nothing is new again"


def test_newer_rules_are_noticed(home, mine, mined, monkeypatch):
    monkeypatch.setattr(wiki_redact, "REDACTOR_VERSION", wiki_redact.REDACTOR_VERSION + 1)
    monkeypatch.setattr(wl, "REDACTOR_VERSION", wiki_redact.REDACTOR_VERSION, raising=False)
    assert mine() and not mine()


def test_what_could_not_be_read_is_tried_again_each_time(home, mine, mined):
    bad = Path(mined.path).with_name("bad.jsonl")
    bad.write_bytes(b"\0" * 10_000)
    assert mine() and mine()


@pytest.mark.parametrize("options", [("--force",), ("--dry-run",), ("--project", "web")])
def test_who_asks_for_more_is_given_more(mine, mined, options):
    assert mine(*options)


def test_a_paused_wiki_says_so_each_time(home, mine, mined):
    (home.wiki / "wiki.yaml").write_text("paused: true\n")
    assert mine() and mine()
