"""B6: what was seen and is gone before it was mined raises an alert; what endangers sessions does so before they are lost."""
from __future__ import annotations

import wiki_lib as wl

import gc
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import session_batches
import session_retention as retention
import sessions
import wiki_alerts
import wiki_model
from conftest import SCRIPTS, snapshot
from session_transcripts import Outcome

extract = importlib.import_module("extract-sessions")


@pytest.fixture
def mine(home, monkeypatch):
    """`mine("--force", day="2026-05-04")` runs the miner here; returns its exit code."""
    def run(*args: str, day: str = "") -> int:
        for value in vars(wl.wiki_disk).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
        monkeypatch.setattr(sys, "argv", ["extract-sessions.py", *map(str, args)])
        if day:
            monkeypatch.setenv("WIKI_TODAY", day)
        try:
            return extract.main()
        finally:
            wl.dry_run(False)
            wl.problems.clear()
            gc.enable()
    monkeypatch.setattr(retention, "MANAGED_SETTINGS", ())
    return run


def chat(home, project: str = "api", seed: str = "a", **fields) -> sessions.Claude:
    return sessions.Claude(home.claude, project, seed, **fields).user("Why does the retry wait?").assistant("The clock stands.")


def alert(home) -> str:
    file = home.wiki / "context/alert.md"
    return file.read_text() if file.exists() else ""


def settings(home, text: str = "") -> None:
    home.wiki.mkdir(exist_ok=True)
    (home.wiki / "wiki.yaml").write_text(text)


def another(home) -> None:
    """A session that stays: the folder is not empty."""
    chat(home, "web", seed="stays").write()


def gone(home) -> list[str]:
    text = (home.wiki / "reports/mine-errors.md").read_text() if (home.wiki / "reports/mine-errors.md").exists() else ""
    return [line for line in text.splitlines() if line.startswith("- gone: ")]


# ---------------------------------------------------------------- seen, and gone

def test_a_session_that_was_mined_and_then_deleted_is_the_normal_course(home, mine):
    another(home)
    file = chat(home).write()
    assert mine() == 0
    file.unlink()
    assert mine() == 0 and alert(home) == "" and gone(home) == []


def test_a_session_seen_while_mining_was_paused_and_then_deleted_is_an_alarm_until_a_person_saw_it(home, mine, capsys, run_script):
    """B6"""
    another(home)
    mine()
    file = chat(home).write()
    settings(home, "paused: true\n")
    mine()
    settings(home)
    assert alert(home) == ""
    file.unlink()
    capsys.readouterr()
    assert mine() == 0
    assert "1 session vanished before being mined" in alert(home) and alert(home).count("\n") == 1
    said = capsys.readouterr()
    assert said.out == "" and str(file) in said.err and "while mining was paused" in said.err
    [line] = gone(home)
    assert str(file) in line
    before = snapshot(home.wiki)
    assert mine() == 0 and snapshot(home.wiki) == before and capsys.readouterr().err == "", "said once, and it stays"
    found = json.loads(run_script("wiki-status.py", "--json").stdout)
    assert "vanished before being mined" in found["alerts"][0]
    assert "1 session" in run_script("wiki-status.py", "--seen").stdout
    assert alert(home) == "" and gone(home) == []
    assert mine() == 0 and alert(home) == "" and json.loads(run_script("wiki-status.py", "--json").stdout)["alerts"] == []


def test_deleting_the_line_says_that_it_was_seen_too(home, mine):
    another(home)
    mine()
    settings(home, "paused: true\n")
    file = chat(home).write()
    mine()
    file.unlink()
    mine()
    assert alert(home), "also while mining is paused"
    (home.wiki / "reports/mine-errors.md").write_text("# What could not be mined\n\n")
    settings(home)
    mine()
    assert alert(home) == "" and not (home.wiki / "reports/mine-errors.md").exists()


def test_a_file_that_is_back_takes_its_line_along(home, mine):
    another(home)
    settings(home, "paused: true\n")
    mine()
    file = chat(home).write()
    mine()
    kept = file.read_bytes()
    file.unlink()
    mine()
    assert len(gone(home)) == 1
    file.write_bytes(kept)
    settings(home)
    mine()
    assert gone(home) == [] and alert(home) == ""


def test_a_file_that_held_no_message_is_missed_when_it_goes(home, mine):
    """B6, M13"""
    another(home)
    file = home.claude / "projects/-home-dev-api" / f"{sessions.uuid('odd')}.jsonl"
    file.parent.mkdir()
    file.write_text('{"type": "progress"}\n' * 500)
    assert mine() == 1
    file.unlink()
    assert mine() == 0 and "1 session vanished" in alert(home)


def test_a_file_that_could_not_be_read_is_missed_when_it_goes(home, mine, monkeypatch):
    another(home)
    file = chat(home).write()

    def refuse(group, setting):
        if file.stem != group.session:
            return real(group, setting)
        return Outcome(group, "failed", failed={f.source.path: "Permission denied" for f in group.files})
    real = session_batches.read_safely
    monkeypatch.setattr(session_batches, "read_safely", refuse)
    assert mine() == 1
    file.unlink()
    mine()
    assert "1 session vanished" in alert(home)


def test_a_subagents_file_whose_session_never_came_is_missed_when_it_goes(home, mine):
    another(home)
    agent = sessions.Claude(home.claude, isSidechain=True, agentId="a1").user("Look around").assistant("Seen. " * 1000)
    file = agent.write(agent.path.with_suffix("") / "subagents" / "agent-a1.jsonl")
    warm = sessions.Claude(home.claude, seed="w", isSidechain=True, agentId="a2").user("Warmup").assistant("I'm ready to help.")
    warm_up = warm.write(warm.path.with_name("agent-a2.jsonl"))
    mine()
    file.unlink()
    warm_up.unlink()
    mine()
    assert "1 session vanished" in alert(home) and agent.session in gone(home)[0]


def test_what_was_new_in_a_session_mined_before_is_missed(home, mine):
    another(home)
    grown = chat(home)
    file = grown.write()
    mine()
    grown.user("And now?").assistant("Now, too.").write()
    settings(home, "paused: true\n")
    mine()
    file.unlink()
    settings(home)
    mine()
    assert "what was new in it" in gone(home)[0]


def test_a_half_written_tail_of_many_bytes_is_missed_a_few_are_not(home, mine):
    another(home)
    small, large = chat(home, seed="small"), chat(home, seed="large")
    small.write(end='\n{"type": "user", "message": {"content": "wo')
    large.write(end='\n{"type": "user", "message": {"content": "' + "words " * 2000)
    mine()
    small.path.unlink()
    large.path.unlink()
    mine()
    assert len(gone(home)) == 1 and large.session in gone(home)[0]


def test_sessions_a_run_was_killed_before_it_came_to_are_missed(home, mine, monkeypatch):
    """B6: noted before they are read."""
    another(home)
    mine()
    file = chat(home).write()

    def killed(*_args):
        raise KeyboardInterrupt
    monkeypatch.setattr(session_batches, "read_all", killed)
    with pytest.raises(KeyboardInterrupt):
        mine()
    monkeypatch.undo()
    monkeypatch.setattr(sys, "argv", ["extract-sessions.py"])
    for name, value in home.environ.items():
        monkeypatch.setenv(name, value)
    for module in ("wiki_disk", "wiki_lib"):
        monkeypatch.setattr(sys.modules[module], "WIKI_DIR", home.wiki)
    file.unlink()
    mine()
    assert "1 session vanished" in alert(home)


def test_what_a_killed_run_saw_and_the_next_one_mined_is_forgotten(home, mine, monkeypatch):
    another(home)
    file = chat(home).write()
    with monkeypatch.context() as patch:
        patch.setattr(session_batches, "read_all", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            mine()
    assert str(file) in retention.load(wl.Wiki(home.wiki)).unmined or not home.wiki.exists()
    mine()
    assert retention.load(wl.Wiki(home.wiki)).unmined == {}


# ---------------------------------------------------------------- gone, and no loss

def seen_while_paused(home, mine, *made: sessions.Claude, more: str = "") -> None:
    another(home)
    settings(home, more)
    mine()
    for c in made:
        c.write()
    settings(home, "paused: true\n" + more)
    mine()
    settings(home, more)


def test_excluded_headless_and_our_own_sessions_are_not_missed(home, mine):
    secret = chat(home, "secret-plans")
    headless = chat(home, seed="h", entrypoint="sdk-cli")
    ours = sessions.Claude(home.claude, seed="o").user(wiki_model.marked("Words")).assistant("{}")
    seen_while_paused(home, mine, secret, headless, ours, more="exclude: ['*/secret-*']\nmine_headless: false\n")
    for c in (secret, headless, ours):
        c.path.unlink()
    mine()
    assert alert(home) == ""


def test_a_project_that_was_excluded_meanwhile_is_not_missed(home, mine):
    secret = chat(home, "secret-plans")
    seen_while_paused(home, mine, secret)
    secret.path.unlink()
    settings(home, "exclude: ['/home/*/secret-*']\n")
    mine()
    assert alert(home) == ""


def test_a_session_that_moved_is_not_missed(home, mine):
    moved = chat(home)
    seen_while_paused(home, mine, moved)
    (home.claude / "projects/-elsewhere").mkdir()
    moved.path.rename(home.claude / "projects/-elsewhere" / moved.path.name)
    mine()
    assert alert(home) == ""


def test_a_session_that_another_machine_mined_is_not_missed(home, mine):
    c = chat(home)
    seen_while_paused(home, mine, c)
    other = home.path / "other"
    c.write(other / "projects/-x" / c.path.name)
    c.path.unlink()
    state = home.wiki / ".mine-state.json"
    kept = state.read_bytes()
    mine("--sessions", other)
    state.write_bytes(kept)                            # its transcript came by sync
    mine()
    assert alert(home) == ""


def test_a_run_over_a_part_judges_nothing_else(home, mine):
    c = chat(home)
    seen_while_paused(home, mine, c)
    c.path.unlink()
    mine("--project", "web")
    mine("--transcript", chat(home, "web", seed="stays").path)
    examples = home.path / "some/projects/-x"
    chat(home, seed="e").write(examples / f"{sessions.uuid('e')}.jsonl")
    mine("--sessions", home.path / "some")
    mine("--dry-run")
    assert alert(home) == ""
    mine()
    assert alert(home)


def test_what_a_run_for_one_project_saw_of_others_is_missed(home, mine):
    another(home)
    file = chat(home).write()
    mine("--project", "web")
    file.unlink()
    mine()
    assert "1 session vanished" in alert(home)


def test_a_folder_that_is_not_there_is_said_instead_of_its_sessions(home, mine):
    """B6: a disk that is not mounted."""
    c = chat(home)
    seen_while_paused(home, mine, c)
    away = home.claude.with_name("away")
    home.claude.rename(away)
    mine()
    assert "the folder of sessions is gone or empty" in alert(home) and gone(home) == []
    (home.claude / "projects").mkdir(parents=True)     # the empty place where it is mounted
    mine()
    assert "the folder of sessions is gone or empty" in alert(home) and gone(home) == []
    shutil.rmtree(home.claude)
    away.rename(home.claude)
    mine()
    assert alert(home) == ""


def test_nothing_is_said_where_there_never_were_sessions(home, mine):
    home.wiki.mkdir()
    mine()
    assert alert(home) == ""


# ---------------------------------------------------------------- what the hooks saw

def ends(home, c: sessions.Claude, path: Path | None = None) -> dict:
    said = {"session_id": c.session, "transcript_path": str(path or c.path), "cwd": c.cwd}
    told = json.dumps(said, ensure_ascii=False).encode()
    subprocess.run([SCRIPTS / "hooks/session-end"], input=told, env=home.environ, check=True, timeout=20)
    newest = max((home.wiki / "context/inbox").iterdir(), key=lambda p: p.stat().st_mtime_ns)
    return json.loads(newest.read_text())


def test_a_session_that_a_hook_saw_end_and_that_vanished_is_missed(home, mine):
    """B6: ended after the last mining, deleted before the next one."""
    another(home)
    mine()
    c = chat(home, 'odd "name" \\ é')
    file = c.write()
    assert ends(home, c)["bytes"] == file.stat().st_size
    file.unlink()
    mine()
    assert c.session in gone(home)[0]


def test_a_session_without_a_word_ends_without_a_file_and_is_not_missed(home, mine):
    another(home)
    mine()
    assert "bytes" not in ends(home, chat(home))
    mine()
    assert alert(home) == ""


def test_events_stay_for_who_learns_from_them_and_what_was_mined_is_not_missed(home, mine):
    """D1: deleted only after it was learnt."""
    another(home)
    mine()
    c = chat(home)
    c.write()
    ends(home, c)
    mine()
    c.path.unlink()
    mine()
    assert alert(home) == "" and len(list((home.wiki / "context/inbox").iterdir())) == 1


@pytest.mark.parametrize("event", ["", "[]", "{", '{"transcript_path": 7, "bytes": 3}',
                                   '{"transcript_path": "/x", "bytes": "many"}'])
def test_an_odd_event_disturbs_nothing(event, home, mine):
    another(home)
    mine()
    (home.wiki / "context/inbox").mkdir(parents=True)
    (home.wiki / "context/inbox/20260504T000000Z-00.json").write_text(event)
    assert mine() == 0 and alert(home) == ""


# ---------------------------------------------------------------- before they are lost

def cleanup(home, value) -> None:
    home.claude.mkdir(exist_ok=True)
    (home.claude / "settings.json").write_text(json.dumps({"cleanupPeriodDays": value}))


@pytest.mark.parametrize("days, gap, said", [(30, "2026-04-16", False), (30, "2026-04-17", True), (99, "2026-04-17", False),
                                             (7, "2026-04-04", False), (7, "2026-04-06", True)])
def test_a_cleanup_period_shorter_than_twice_the_longest_gap_is_said(days, gap, said, home, mine):
    """B6"""
    another(home)
    cleanup(home, days)
    mine(day="2026-04-01")
    assert alert(home) == "", "never from the very first run"
    mine(day=gap)
    assert ("cleanupPeriodDays" in alert(home)) == said
    before = snapshot(home.wiki)
    mine(day=gap)
    assert snapshot(home.wiki) == before
    cleanup(home, 400)
    mine()
    assert alert(home) == ""


def test_without_a_setting_thirty_days_count(home, mine):
    another(home)
    mine(day="2026-04-01")
    mine(day="2026-04-20")
    assert "after 30 days, and once 19 days passed" in alert(home) and "38 or more" in alert(home)


def test_a_setting_of_zero_is_said_at_once(home, mine):
    another(home)
    cleanup(home, 0)
    mine()
    assert "keeps no sessions" in alert(home)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cleanupPeriodDays": "soon"}', '{"cleanupPeriodDays": -1}',
                                  '{"cleanupPeriodDays": true}'])
def test_settings_that_say_nothing_are_the_default(text, home, mine):
    another(home)
    (home.claude / "settings.json").write_text(text)
    mine()
    assert alert(home) == "" and retention.cleanup_days()[0] == 30


def test_a_person_with_codex_alone_is_not_told_of_claude(home, mine):
    sessions.Codex(home.codex).user("Hello").assistant("Hi").write()
    mine(day="2026-04-01")
    mine(day="2026-05-20")
    assert alert(home) == ""


def test_gaps_count_for_a_year_and_a_clock_that_jumps_makes_none():
    memory = retention.Memory()
    for now in ("2026-01-10T00:00:00Z", "2026-01-30T00:00:00Z", "2026-01-31T00:00:00Z"):
        retention.remember_mining(memory, now)
    assert memory.gaps == {"2026-01": 20.0}
    retention.remember_mining(memory, "2038-01-01T00:00:00Z")
    retention.remember_mining(memory, "2026-02-01T00:00:00Z")
    assert memory.gaps == {} and memory.last == "2026-02-01T00:00:00Z"
    retention.remember_mining(memory, "2026-02-06T00:00:00Z")
    retention.remember_mining(memory, "2026-02-05T00:00:00Z")
    assert memory.gaps == {"2026-02": 5.0}
    for month in range(3, 15):
        retention.remember_mining(memory, f"{2026 + (month > 12)}-{(month - 1) % 12 + 1:02}-05T00:00:00Z")
    assert "2026-02" in memory.gaps
    retention.remember_mining(memory, "2027-03-05T00:00:00Z")
    assert "2026-02" not in memory.gaps


def test_paused_nights_and_parts_are_no_minings(home, mine, run_script):
    another(home)
    mine(day="2026-04-01")
    settings(home, "paused: true\n")
    mine(day="2026-04-10")
    settings(home)
    mine("--project", "web", day="2026-04-11")
    mine("--dry-run", day="2026-04-12")
    assert retention.last_mining(wl.Wiki(home.wiki)) == "2026-04-01"
    found = json.loads(run_script("wiki-status.py", "--json", env={"WIKI_TODAY": "2026-04-12"}).stdout)
    assert found["last_runs"]["mining"] == "2026-04-01" and "mining" in found["overdue"]


# ---------------------------------------------------------------- alert.md

def test_the_line_tells_the_worst_and_how_many_more_and_goes_with_the_last_reason(home):
    wiki = wl.Wiki(home.wiki)
    wiki.init()
    odd, lost = wiki_alerts.Alert(wiki_alerts.ODD, "odd"), wiki_alerts.Alert(wiki_alerts.LOST, "lost")
    wiki_alerts.raise_alerts(wiki, "one", [odd])
    wiki_alerts.raise_alerts(wiki, "two", [lost])
    assert alert(home) == "memex: lost (and 1 more); see scripts/wiki-status.py\n"
    assert wiki_alerts.raised(wiki) == ["lost", "odd"]
    wiki_alerts.raise_alerts(wiki, "two", [])
    assert alert(home) == "memex: odd; see scripts/wiki-status.py\n"
    wiki_alerts.raise_alerts(wiki, "one", [])
    assert alert(home) == "" and wiki_alerts.raised(wiki) == []


def test_a_line_is_one_line_and_holds_no_secret(home):
    wiki = wl.Wiki(home.wiki)
    wiki.init()
    key = "AKIA" + "Q3EGRTZ7WXKLMNB2"
    wiki_alerts.raise_alerts(wiki, "one", [wiki_alerts.Alert(wiki_alerts.ODD, f"two\nlines of {key}")])
    assert alert(home).count("\n") == 1 and key not in alert(home)
    memory = "".join(p.read_text() for p in home.cache.rglob("alerts-*.json"))
    assert key not in memory


def test_a_new_session_is_told_what_is_lost(home, mine):
    """B6, B12: where the user looks."""
    c = chat(home)
    seen_while_paused(home, mine, c)
    c.path.unlink()
    mine()
    done = subprocess.run([SCRIPTS / "hooks/session-start"], input=b"{}", capture_output=True, env=home.environ, timeout=20)
    assert "1 session vanished before being mined" in json.loads(done.stdout)["hookSpecificOutput"]["additionalContext"]


def test_ten_thousand_sessions_are_watched_in_no_time(home):
    """An ordinary night: nothing unmined, ten thousand files in the state."""
    import time
    wiki = wl.Wiki(home.wiki)
    wiki.init()
    state = {f"/s/projects/-p/{n}.jsonl": {"size": 9, "mtime": 1, "offset": 9, "session": str(n)} for n in range(10_000)}
    watch = retention.Watch(wiki, ["/s/projects"], lambda known, source: False, ())
    began = time.perf_counter()
    watch.see([])
    watch.close(state, dict, mining=True)
    assert time.perf_counter() - began < 0.05
    assert not os.path.exists(home.wiki / "context/alert.md")
