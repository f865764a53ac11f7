"""Status: what the wiki holds, what waits, what it cost, and the closing words of a run."""
from __future__ import annotations

import wiki_lib as wl

import json

import pytest
import wiki_model

TRANSCRIPT = "### User · 2026-04-12 09:13 · #a1b2c3d4\n{}\n"


@pytest.fixture
def wiki(home) -> wl.Wiki:
    made = wl.Wiki(home.wiki)
    made.init()
    return made


def conversation(wiki: wl.Wiki, wing: str = "api", text: str = "Why does it wait?", **meta) -> str:
    path = wl.conversation_path(wing, "2026-04-12", text, f"0000{len(wiki.files('conversations')):04x}-0000")
    front = {"title": "T", "session_id": "x", "wing": wing, "date": "2026-04-12", "status": "extracted", **meta}
    wiki.apply([wl.Write(path=path, text=wl.render_conversation(front, "", TRANSCRIPT.format(text)))], quiet=True)
    return path


def status(run_script, **env) -> dict:
    return json.loads(run_script("wiki-status.py", "--json", env=env).stdout)


def test_the_contracts_keys_are_there_on_an_absent_wiki(run_script):
    found = status(run_script)
    assert {"counts", "last_runs", "overdue", "queue", "costs", "alerts", "own_sessions_seen"} <= set(found)
    assert found["counts"]["conversations"] == 0


def test_it_counts_what_lies_there(wiki, run_script):
    conversation(wiki)
    conversation(wiki, "web", status="summarized")
    (wiki.root / "staging/patterns/x.md").write_text("---\ntitle: X\n---\n# X\n")
    counts = status(run_script)["counts"]
    assert counts == {"conversations": 2, "summarized": 1, "wings": 2, "pages": 0, "staged": 1, "archived": 0}


def test_a_session_of_our_own_model_calls_is_seen(wiki, run_script):
    """M9: the count must be 0, and is not where one slipped in."""
    conversation(wiki)
    assert status(run_script)["own_sessions_seen"] == 0
    conversation(wiki, "web", wiki_model.marked("summarise"))
    assert status(run_script)["own_sessions_seen"] == 1


def test_costs_are_the_sum_of_all_ledgers_and_a_broken_line_is_said(wiki, run_script):
    (wiki.root / "reports/ledger").mkdir()
    (wiki.root / "reports/ledger/aaaaaaaa-2026-04.jsonl").write_text('{"usd": 0.25, "input_tokens": 7}\n{"usd": 0.5}\n')
    (wiki.root / "reports/ledger/bbbbbbbb-2026-05.jsonl").write_text('{"usd": 1}\nnot json\n')
    done = run_script("wiki-status.py", "--json", check=False)
    assert json.loads(done.stdout)["costs"] == {"calls": 3, "input_tokens": 7, "output_tokens": 0, "usd": 1.75}
    assert done.returncode == 1 and "line 2 does not parse" in done.stderr


def test_a_hygiene_run_that_was_not_seen_for_days_is_overdue(wiki, run_script):
    run_script("wiki-hygiene.py", env={"WIKI_TODAY": "2026-04-01"})
    assert status(run_script, WIKI_TODAY="2026-04-03")["overdue"] == []
    assert status(run_script, WIKI_TODAY="2026-04-04")["overdue"] == ["hygiene"]


def test_what_could_not_be_mined_is_an_alert(wiki, run_script):
    (wiki.root / "reports/mine-errors.md").write_text("# What could not be mined\n\n- extract: x: broken\n")
    assert status(run_script)["alerts"] == ["extract: x: broken"]
    assert "! extract: x: broken" in run_script("wiki-status.py").stdout


def test_the_closing_words_count_what_was_mined_and_staged_and_repeat_what_was_deferred(script):
    log = ("write conversations/api/a.md: 12 messages, new\nwrite conversations/api/a.md: new, 3 bullets, retries\n"
           "staged staging/patterns/x.md: X, v1\nwrite conversations/index.md: index\n"
           "deferred: 4 conversations: the run's budget of 1 USD is spent\n")
    words = script("wiki-status").closing(log, 7, 3)
    assert words.splitlines() == [
        "mined 1 session, staged 1 page; 7 s",
        "3 pages wait for your yes: scripts/wiki-staging.py --list, then --promote ID or --reject ID --reason WHY",
        "deferred: 4 conversations: the run's budget of 1 USD is spent"]
