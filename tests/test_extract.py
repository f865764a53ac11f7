"""Sessions become transcripts: the whole program on session files of the tests' own making, and on real ones."""

from __future__ import annotations

import wiki_lib as wl

import gc
import importlib
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import session_formats as sf
import session_sources
import sessions
import wiki_model

extract = importlib.import_module("extract-sessions")
filing = importlib.import_module("session_transcripts")


@pytest.fixture
def mine(home, monkeypatch, capsys):
    """`mine("--force")` runs the program's main here, as in a process of its own, and returns what it printed."""
    def run(*args) -> str:
        for value in vars(wl.wiki_disk).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()                    # wiki.yaml may have changed
        monkeypatch.setattr(sys, "argv", ["extract-sessions.py", *map(str, args)])
        capsys.readouterr()
        try:
            assert not extract.main() and not wl.problems
        finally:
            wl.dry_run(False)
            gc.enable()
        return capsys.readouterr().out
    return run


@pytest.fixture
def mine_real(run_script):
    """The same in a process of its own: for the real sessions, which it reads with two."""
    return lambda *args: run_script("extract-sessions.py", *args).stdout


def transcripts(home) -> dict[str, str]:
    """{session id: text of its transcript}"""
    found = {}
    for path in home.wiki.glob("conversations/*/*.md"):
        text = path.read_text(encoding="utf-8")
        ident = str(wl.parse_conversation("x", text).meta["session_id"])
        assert ident not in found, f"two transcripts of {ident}"
        found[ident] = text
    return found


def only(home) -> wl.Conversation:
    [path] = home.wiki.glob("conversations/*/*.md")
    return wl.parse_conversation(path.relative_to(home.wiki).as_posix(), path.read_text(encoding="utf-8"))


def a_chat(home, **fields) -> sessions.Claude:
    c = sessions.Claude(home.claude, **fields).user("Why does the retry test fail?")
    c.assistant("The clock is not frozen.").bash("pytest -q", "1 failed\n").assistant("Confirmed.")
    return c


# ---------------------------------------------------------------- what a transcript holds

def test_a_session_becomes_a_transcript_with_all_that_is_known_of_it(home, mine_real):
    """M1 M2"""
    c = a_chat(home)
    c.write()
    assert mine_real() == "write conversations/api/2026-04-12-why-does-the-retry-test-fail-" + wl.id8(c.session) + \
        ".md: 3 messages, new\n"
    found = only(home)
    assert found.meta == {
        "title": "Why does the retry test fail?", "session_id": c.session, "agent": "claude-code", "wing": "api",
        "date": "2026-04-12", "started": "2026-04-12T09:00:30Z", "ended": "2026-04-12T09:02:30Z", "messages": 3,
        "models": ["claude-sonnet-4-5"], "branch": "main", "machine": wl.Wiki(home.wiki).machine,
        "redactor": wl.REDACTOR_VERSION, "status": "extracted"}
    said = found.read().said
    assert [(m.role, m.time, m.text) for m in said] == [
        ("user", "2026-04-12 09:00", "Why does the retry test fail?"),
        ("assistant", "2026-04-12 09:01", "The clock is not frozen."), ("assistant", "2026-04-12 09:02", "Confirmed.")]
    assert said[1].tools == ("- **Bash** `pytest -q`\n  ```text\n  1 failed\n  ```",)
    assert [m.id for m in said] == [wl.id8(sessions.uuid("a", "api", n)) for n in (1, 2, 5)]


def test_codex_is_mined_the_same_way(home, mine):
    """M10"""
    c = sessions.Codex(home.codex, "web").user("Make it blue").assistant("It is blue.")
    c.write()
    mine()
    found = only(home)
    assert found.path.startswith("conversations/web/2026-04-12-make-it-blue-") and found.meta["agent"] == "codex"
    assert [(m.role, m.text) for m in found.read().said] == [("user", "Make it blue"), ("assistant", "It is blue.")]


def test_what_is_kept_of_tools_is_set_in_wiki_yaml(home, mine):
    """M2"""
    c = sessions.Claude(home.claude).user("Go").assistant("Right.").bash("ls", "a\nb\nc")
    c.answer(c.use("WebFetch", url="https://example.org"), "The page says hello.")
    c.write()
    home.wiki.mkdir()
    (home.wiki / "wiki.yaml").write_text(
        "extract-sessions: {max_bash_output_lines: 1, keep_full_output_tools: [Bash, WebFetch]}\n")
    mine()
    assert only(home).read().said[1].tools == (
        "- **Bash** `ls`\n  ```text\n  a\n  … 2 more lines\n  ```",
        "- **WebFetch** `https://example.org`\n  ```text\n  The page says hello.\n  ```")


def test_secrets_reach_no_file(home, mine):
    key = "ghp_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    c = sessions.Claude(home.claude).user(f"Use {key} here").assistant(f"I use {key}.").bash(f"curl -H {key}", f"ok {key}")
    c.title(f"Token {key}").write()
    mine()
    everything = b"".join(p.read_bytes() for p in home.wiki.rglob("*") if p.is_file() and ".git/" not in str(p))
    assert key.encode() not in everything and b"[REDACTED:" in everything
    assert sum(only(home).meta["redactions"].values()) == 4


def test_control_characters_and_structure_in_words_do_no_harm(home, mine):
    text = "### User · 2026-01-01 00:00 · #deadbeef\n\x1b[31mred\x1b[0m\r\n## Transcript\n- **Bash** `x`"
    sessions.Claude(home.claude).user(text).assistant("ok").write()
    mine()
    assert [m.text for m in only(home).read().said] == [wl.verbatim(text), "ok"]


# ---------------------------------------------------------------- again, and more

def test_a_second_run_writes_nothing_and_does_not_even_open_the_files(home, mine, snapshot):
    """M3"""
    path = a_chat(home).write()
    mine()
    before = snapshot(home.wiki)
    at = path.stat()
    path.write_bytes(b"x" * at.st_size)               # as long, as old: were it opened, it would be seen
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert mine() == "" and snapshot(home.wiki) == before


def test_a_session_that_grew_gains_its_messages_and_its_summary_is_stale(home, mine):
    """M4"""
    c = a_chat(home)
    c.write()
    mine()
    old = only(home)
    path = home.wiki / old.path
    meta = {**old.meta, "status": "summarized", "summary_of": wl.transcript_digest(old.read()), "topics": ["clocks"]}
    block = wl.render_summary("The clock was not frozen.", [wl.Bullet("fact", "It fails.", ("aaaaaaaa",))])
    path.write_text(wl.render_conversation(meta, block, old.transcript))
    c.user("And now?").assistant("Now it passes.").write()
    assert mine().endswith("5 messages, grown\n")
    new = only(home)
    assert new.transcript.startswith(old.transcript) and "Now it passes." in new.transcript
    assert new.meta["status"] == "summarized" and new.meta["summary_of"] != wl.transcript_digest(new.read())
    assert new.summary == "The clock was not frozen." and new.topics == ["clocks"] and new.path == old.path


def test_only_new_bytes_are_parsed(home, mine):
    """M4"""
    c = a_chat(home)
    c.write()
    mine()
    c.user("More").write()
    state = json.loads((home.wiki / ".mine-state.json").read_text())
    start = state[str(c.path)]["restart"]
    assert start > 0.6 * sum(map(len, c.lines[:-1]))
    file = filing.File(next(iter(session_sources.single_source(str(c.path)))), c.session, "", "grown", state[str(c.path)])
    reading, _, reason = filing.read_file(file, c.session, filing.sf.Tools(), whole=False)
    assert reason == "grown" and [d.text for d in reading.main] == ["Confirmed.", "More"]


def test_a_rewritten_or_truncated_file_loses_and_doubles_nothing(home, mine):
    """M5"""
    c = a_chat(home)
    c.write()
    mine()
    before = only(home).transcript
    c.write(lines=2)
    assert mine() == "" and only(home).transcript == before
    c.lines[0] = c.lines[0].replace("Why does", "Why, oh why, does")
    c.write()
    assert mine().endswith(", rewritten\n")
    assert [m.text for m in only(home).read().said] == [
        "Why, oh why, does the retry test fail?", "The clock is not frozen.", "Confirmed."]


def test_losing_the_state_changes_no_byte(home, mine, snapshot):
    """M5"""
    a_chat(home).write()
    sessions.Codex(home.codex).user("yes").assistant("ok").user("yes").write()
    mine()
    before = snapshot(home.wiki, but=(".git", ".mine-state.json"))
    (home.wiki / ".mine-state.json").unlink()
    assert mine() == "" and snapshot(home.wiki, but=(".git", ".mine-state.json")) == before
    (home.wiki / ".mine-state.json").write_text("{ broken")
    assert mine() == "" and snapshot(home.wiki, but=(".git", ".mine-state.json")) == before


def test_a_half_written_last_line_waits_for_the_next_run(home, mine):
    """M6"""
    c = a_chat(home).user("Half of me")
    text = "\n".join(c.lines)
    c.path.parent.mkdir(parents=True)
    c.path.write_text(text[:-20])
    mine()
    assert "Half of me" not in only(home).transcript and not (home.wiki / "reports/mine-errors.md").exists()
    c.path.write_text(text)
    mine()
    assert "Half of me" in only(home).transcript


def test_broken_lines_are_counted_and_reported_until_they_are_mended(home, mine):
    """M6 W4"""
    c = a_chat(home).raw('{"type": broken').user("After it")
    c.write()
    mine()
    report = home.wiki / "reports/mine-errors.md"
    assert f"`{c.path}`: 1 broken line; the rest was read" in report.read_text() and "After it" in only(home).transcript
    c.lines.pop(-2)
    c.write()
    mine()
    assert not report.exists()


@pytest.mark.parametrize("seed", range(6))
def test_however_a_session_grows_the_transcript_ends_the_same(home, mine, seed):
    """M4 M5 M7"""
    dice = random.Random(seed)
    kinds = (sessions.Claude(home.claude, seed="g"), sessions.Codex(home.codex, seed="g"))
    for c in kinds:
        for n in range(12):
            c.user(dice.choice(["yes", "go on", f"Question {n}?"]))
            for _ in range(dice.randrange(3)):
                c.assistant(dice.choice(["Done.", f"Answer {n}."]))
            if isinstance(c, sessions.Claude):
                for _ in range(dice.randrange(3)):
                    c.bash("ls", f"out {n}")
                if dice.random() < 0.4:
                    c.queue(f"steer {n}")
                    if dice.random() < 0.5:
                        c.user(f"steer {n}")
            else:
                for _ in range(dice.randrange(3)):
                    c.call("exec_command", {"cmd": "ls"}, f"out {n}")
    texts = [("\n".join(c.lines) + "\n").encode() for c in kinds]
    for c, text in zip(kinds, texts, strict=True):
        c.path.parent.mkdir(parents=True)
        c.path.write_bytes(text)
    (home.wiki / ".machine-id").parent.mkdir()
    (home.wiki / ".machine-id").write_text("0badcafe\n")
    mine()
    at_once = transcripts(home)
    subprocess.run(["rm", "-rf", home.wiki / "conversations", home.wiki / ".mine-state.json"], check=True)
    for share in sorted(dice.random() for _ in range(8)) + [1.0]:
        for c, text in zip(kinds, texts, strict=True):
            c.path.write_bytes(text[:int(len(text) * share)])
            os.utime(c.path, ns=(int(share * 1e9), int(share * 1e9)))
        mine()
    assert transcripts(home) == at_once


# ---------------------------------------------------------------- subagents

def test_subagents_are_filed_inside_their_session(home, mine):
    """M8"""
    c = sessions.Claude(home.claude).user("Look around")
    key = c.use("Agent", description="explore the suite", prompt="Find the tests")
    c.answer(key, "three", tool_use_result={"agentId": "a1f3"}).assistant("Three.").write()
    for name, folder in (("a1f3", c.path.with_suffix("") / "subagents"), ("b2c4", c.path.parent)):
        sub = sessions.Claude(home.claude, seed=name, isSidechain=True, agentId=name)
        sub.session = c.session
        sub.user("Find the tests").assistant(f"{name} found three.").write(folder / f"agent-{name}.jsonl")
    mine()
    found = only(home)
    assert found.meta["messages"] == 2 and [(a.id, a.title) for a in found.read().agents] == [
        ("a1f3", "explore the suite"), ("b2c4", "")]
    assert [(m.role, m.text) for m in found.read().agents[0].messages] == [
        ("task", "Find the tests"), ("assistant", "a1f3 found three.")]
    assert mine() == ""


def test_a_subagent_waits_for_its_session(home, mine):
    """M8"""
    c = sessions.Claude(home.claude).user("Look around").assistant("Yes.")
    sub = sessions.Claude(home.claude, seed="s", isSidechain=True, agentId="a1f3")
    sub.session = c.session
    sub.user("Find the tests").assistant("Three.").write(c.path.parent / "agent-a1f3.jsonl")
    assert mine() == "" and "would wait for the session of" in mine("--dry-run")
    assert not list(home.wiki.glob("conversations/*/*.md"))
    c.write()
    mine()
    assert [a.id for a in only(home).read().agents] == ["a1f3"] and mine() == ""


def test_the_same_session_in_two_folders_is_one_transcript(home, mine):
    """M7"""
    c = a_chat(home)
    c.write()
    c.user("Only here")
    c.write(home.claude / "projects" / "-elsewhere" / c.path.name)
    mine()
    assert only(home).meta["messages"] == 4 and "Only here" in only(home).transcript
    c.user("And more").write()
    mine()
    assert only(home).meta["messages"] == 5 and mine() == ""


# ---------------------------------------------------------------- whose sessions

def test_our_own_model_calls_are_never_mined_and_strangers_are(home, mine):
    """M9"""
    ours = sessions.Claude(home.claude, seed="o")
    ours.cwd = str(home.cache / "memex" / "claude")
    ours.user("Summarise this").assistant("{}").write()
    marked = sessions.Claude(home.claude, seed="m").user(wiki_model.marked("Summarise")).assistant("{}")
    marked.write()
    stranger = sessions.Claude(home.claude, seed="s", entrypoint="sdk-cli").user("Hello", promptSource="sdk").assistant("Hi")
    stranger.write()
    mine()
    assert list(transcripts(home)) == [stranger.session]
    marked.user("More").write()
    assert mine() == ""


def test_headless_sessions_excluded_folders_and_a_pause_are_heeded(home, mine):
    """M9"""
    sessions.Claude(home.claude, "api", seed="h", entrypoint="sdk-cli").user("Headless").assistant("x").write()
    sessions.Claude(home.claude, "secret-plans").user("Hidden").assistant("x").write()
    shown = sessions.Claude(home.claude, "web").user("Shown").assistant("x")
    shown.write()
    home.wiki.mkdir()
    config = home.wiki / "wiki.yaml"
    config.write_text("mine_headless: false\nexclude: ['*/secret-*']\npaused: true\n")
    assert mine() == ""
    config.write_text("mine_headless: false\nexclude: ['*/secret-*']\n")
    mine()
    assert list(transcripts(home)) == [shown.session] and mine() == ""
    config.write_text("")
    mine()
    assert len(transcripts(home)) == 3


# ---------------------------------------------------------------- wings

def test_a_map_then_the_remote_then_the_folder_names_the_wing(home, mine):
    """M11"""
    repo, tree = home.path / "renamed-folder", home.path / "tree"
    repo.mkdir()
    git = ["git", "-C", str(repo), "-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    subprocess.run([*git, "remote", "add", "origin", "https://user:token@git.example.org/acme/shop.git"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    subprocess.run([*git, "worktree", "add", "-q", str(tree)], check=True)
    (repo / "src").mkdir()
    folders = {str(repo / "src"): "shop", str(tree): "shop", "/Users/x/dev/web/.worktrees/3": "web", "/Users/x": "home",
               "/Users/x/dev/billing": "money"}
    for n, cwd in enumerate(folders):
        c = sessions.Claude(home.claude, seed=str(n))
        c.cwd = cwd
        c.user("Hello").assistant("Hi").write()
    (home.wiki / "wiki.yaml").parent.mkdir()
    (home.wiki / "wiki.yaml").write_text("project_map: {'*/dev/billing': Money}\n")
    mine()
    wings = {wl.parse_conversation("x", t).meta["wing"] for t in transcripts(home).values()}
    assert wings == set(folders.values())
    assert wl.Wiki(home.wiki).state(".wings-state.json") == {"git.example.org/acme/shop": {"shop"}}


def test_two_repositories_of_one_name_are_told_apart_whichever_came_first():
    """M11"""
    import wiki_wings
    keys = ["git.example.org/acme/api", "git.example.org/zoo/api", "git.example.org/acme/web"]
    expected = {keys[0]: "acme-api", keys[1]: "zoo-api", keys[2]: "web"}
    assert wiki_wings.repository_wings(keys) == wiki_wings.repository_wings(keys[::-1]) == expected


@pytest.mark.parametrize(("url", "key"), [
    ("git@git.example.org:Acme/api.git", "git.example.org/acme/api"),
    ("https://u:p@git.example.org/acme/api", "git.example.org/acme/api"),
    ("ssh://git@git.example.org:2222/a/b/api.git/", "git.example.org/a/b/api"),
    ("/srv/git/api.git", ""), ("file:///srv/api.git", ""), ("../api", ""), ("C:\\code\\api", "")])
def test_a_remote_is_known_without_its_credentials(url, key):
    """M11"""
    import wiki_wings
    assert wiki_wings.remote_key(url) == key


# ---------------------------------------------------------------- the command line

def test_one_file_of_either_agent_is_taken_by_name(home, mine):
    """W1"""
    a_chat(home).write()
    lone = home.path / "somewhere.jsonl"
    codex = sessions.Codex(home.codex).user("Hello").assistant("Hi")
    codex.write(lone)
    mine("--transcript", lone)
    assert only(home).session_id == codex.session
    mine("--transcript", a_chat(home).path)
    assert len(transcripts(home)) == 2


def test_a_dry_run_says_what_and_why_and_leaves_nothing(home, mine):
    """W2 M14"""
    c = a_chat(home)
    c.write()
    assert re.fullmatch(r"would write conversations/api/\S+\.md: 3 messages, new\n", mine("--dry-run"))
    assert not home.wiki.exists()
    mine()
    c.user("More").write()
    assert mine("--dry-run").endswith(": 4 messages, grown\n")
    assert mine().endswith(": 4 messages, grown\n")


def test_force_reads_all_again(home, mine):
    """W3"""
    c = a_chat(home)
    c.write()
    mine()
    path = home.wiki / only(home).path
    text = path.read_text()
    path.write_text(text.replace("1 failed", "1"))
    assert mine() == ""
    assert mine("--force").endswith(", forced\n") and path.read_text() == text


def test_one_bad_session_is_one_line_and_the_rest_is_done(home, mine, run_script):
    """W4"""
    a_chat(home).write()
    bad = home.claude / "projects" / "-home-dev-api" / "11111111-1111-4111-8111-111111111111.jsonl"
    bad.symlink_to("/proc/self/mem")                  # a file that cannot be read, even by root
    if not bad.is_file():
        pytest.skip("no /proc here: an unreadable file cannot be made")
    done = run_script("extract-sessions.py", check=False)
    assert done.returncode == 1 and len(transcripts(home)) == 1
    assert f"`{bad}`: " in (home.wiki / "reports/mine-errors.md").read_text()
    bad.unlink()
    assert run_script("extract-sessions.py").returncode == 0


def test_a_large_file_without_a_message_is_a_failure_that_is_tried_again(home, run_script):
    """M13"""
    c = sessions.Claude(home.claude)
    for _ in range(60):
        c.raw({"type": "format-of-tomorrow", "words": "x" * 100})
    c.write()
    for _ in range(2):
        done = run_script("extract-sessions.py", check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert "and not one message" in (home.wiki / "reports/mine-errors.md").read_text()
    assert str(c.path) not in json.loads((home.wiki / ".mine-state.json").read_text())
    c.user("I can be read").write()
    assert "new" in run_script("extract-sessions.py").stdout
    report = (home.wiki / "reports/mine-errors.md").read_text()
    assert "and not one message" not in report and "record: format-of-tomorrow" in report      # the canary's


def test_a_bad_session_is_said_once_and_then_stands_in_the_report(home, run_script):
    """W4: under cron, the first night sends one line and the next ones none."""
    bad = home.claude / "projects/-home-dev-x/11111111-2222-4333-8444-555555555555.jsonl"
    bad.parent.mkdir(parents=True)
    bad.write_bytes(bytes(range(256)) * 40)
    first, second = (run_script("extract-sessions.py", check=False) for _ in range(2))
    assert first.stderr == (f"extract-sessions.py: {bad}: 10240 bytes and not one message; is it a session of claude_code?; "
                            "listed in reports/mine-errors.md\n")
    assert (second.stderr, first.returncode, second.returncode) == ("", 1, 1)


def test_a_transcript_that_could_not_be_written_is_written_by_the_next_run(home, run_script):
    """Its session must not count as read: pages first, then the memory of them."""
    sessions.Claude(home.claude, "api").user("One").assistant("1").write()
    sessions.Claude(home.claude, "web").user("Two").assistant("2").write()
    (home.wiki / "conversations").mkdir(parents=True)
    (home.wiki / "conversations/web").write_text("a file where a folder belongs\n")
    done = run_script("extract-sessions.py", check=False)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and len(transcripts(home)) == 1
    (home.wiki / "conversations/web").unlink()
    run_script("extract-sessions.py")
    assert len(transcripts(home)) == 2


def test_a_folder_whose_name_is_no_text_is_mined_and_remembered(home, mine):
    """A lone surrogate in a record's cwd is no UTF-8, which the fast encoder refuses."""
    c = sessions.Claude(home.claude).user("One")
    for words in ("Two", "Three"):
        c.lines = [line.replace(c.cwd, "/x/\\ud800") for line in c.lines]
        c.write()
        assert "/x/\\ud800" in c.path.read_text()
        assert "write conversations/" in mine() and mine() == ""
        c.user(words)


@pytest.mark.parametrize("edits", [5, "x", None, [None, 7, {"new_string": [1]}]])
def test_a_tool_call_of_an_odd_shape_costs_only_itself(edits):
    assert isinstance(sf.Tools().call("MultiEdit", {"file_path": "a.py", "edits": edits}).argument, str)


@pytest.mark.parametrize("at", ["0000-00-00T00:00:00Z", "2026-13-45T99:99:99Z", "2026-02-30T10:00:00Z", "../../../../xTZ......Z",
                                "0001-01-01T00:00:00+14:00", "yesterday"])
def test_what_is_no_time_is_no_day(at):
    assert filing.utc_second(at) == ""


def test_project_touches_only_that_wing(home, mine):
    """M14"""
    sessions.Claude(home.claude, "api").user("One").assistant("1").write()
    sessions.Claude(home.claude, "web").user("Two").assistant("2").write()
    mine("--project", "web")
    assert only(home).wing == "web"
    mine()
    assert len(transcripts(home)) == 2


def test_sessions_elsewhere_are_recognised_in_every_layout(home, mine):
    elsewhere = home.path / "kept"
    claude = a_chat(home)
    codex = sessions.Codex(home.codex).user("Hello").assistant("Hi")
    claude.write(elsewhere / "claude" / "projects" / "-p" / claude.path.name)
    codex.write(elsewhere / "codex" / "sessions" / "2026" / "04" / "12" / codex.path.name)
    plain = sessions.Claude(home.claude, seed="p").user("Plain").assistant("Hi")
    plain.write(home.path / "flat" / plain.path.name)
    mine("--sessions", elsewhere, "--sessions", home.path / "flat")
    assert set(transcripts(home)) == {claude.session, codex.session, plain.session}


def test_where_there_is_nothing_nothing_is_said(home, run_script):
    for env in ({}, {"HOME": None, "CLAUDE_CONFIG_DIR": None, "CODEX_HOME": None}):
        done = run_script("extract-sessions.py", env=env)
        assert (done.stdout, done.stderr) == ("", "")
    assert run_script("extract-sessions.py", "--sessions", home.path / "absent", check=False).returncode == 1
    assert run_script("extract-sessions.py", "--transcript", home.path / "absent", check=False).returncode == 1


def test_names_that_clash_do_not_overwrite_each_other(home, mine):
    for head in ("0", "1"):
        c = sessions.Claude(home.claude, seed=head)
        c.session = f"{head * 8}-0000-4000-8000-{head * 4}00000001"
        c.user("Hello").assistant(f"Hi {head}").write()
    mine()
    assert len(transcripts(home)) == 2
    (home.wiki / ".mine-state.json").unlink()
    assert mine() == ""


def test_a_very_long_transcript_continues_in_a_second_file(home, mine, monkeypatch):
    monkeypatch.setattr(filing, "PART_CHARACTERS", 2_000)
    c = sessions.Claude(home.claude)
    for n in range(30):
        c.user(f"Question {n}?").assistant(f"Answer {n}, and some words to fill it. " * 5)
    c.write(lines=40)
    mine()
    c.write()
    mine()
    first = next(p for p in home.wiki.glob("conversations/api/*.md") if not re.search(r"\.\d\.md$", p.name))
    parts = [first, *sorted(home.wiki.glob("conversations/api/*.[0-9].md"))]
    assert len(parts) > 3 and all(p.stat().st_size < 3_000 for p in parts)
    said = [m for p in parts for m in wl.parse_conversation("x", p.read_text()).read().said]
    assert [m.id for m in said] == [wl.id8(sessions.uuid("a", "api", n + 1)) for n in range(60)]
    assert mine() == "" and mine("--force") == ""


# ---------------------------------------------------------------- real sessions

def link(corpus: Path, home, source: str) -> None:
    """The corpus's sessions of one source, where the agents keep theirs."""
    (home.claude / "projects").mkdir(parents=True)
    (home.codex / "sessions").mkdir(parents=True)
    for folder in (corpus / "claude" / source).glob("*"):
        (home.claude / "projects" / folder.name).symlink_to(folder)
    for folder in (corpus / "codex" / source).glob("*"):
        (home.codex / "sessions" / folder.name).symlink_to(folder)


def test_real_sessions_with_a_prompt_all_have_a_transcript_and_twice_is_once(home, mine_real, corpus, snapshot):
    """M1 M3"""
    link(corpus, home, "entireio+git-sync")
    mine_real()
    found = transcripts(home)
    human = re.compile(rb'"type":"user","message":\{"role":"user","content":"[^<\[]')
    with_prompt = {p.stem for p in (corpus / "claude" / "entireio+git-sync").glob("*/*.jsonl") if human.search(p.read_bytes())}
    assert len(with_prompt) > 30 and with_prompt <= set(found)
    for text in found.values():
        read = wl.parse_conversation("x", text).read()
        assert wl.render_transcript(read) == wl.parse_conversation("x", text).transcript
    before = snapshot(home.wiki)
    assert mine_real() == "" and snapshot(home.wiki) == before


def test_prompts_that_hooks_captured_stand_in_the_transcripts(home, mine_real, corpus):
    """M1"""
    best: dict[tuple[str, str], Path] = {}
    captured: list[tuple[str, str]] = []
    for meta in sorted(corpus.glob("oracle/entire/**/metadata.json")):
        facts, full = json.loads(meta.read_text()), meta.parent / "full.jsonl"
        if facts.get("agent") not in ("Claude Code", "Codex") or not full.exists():
            continue
        key = (facts["agent"], re.sub(r"^\d{4}-\d\d-\d\d-", "", facts["session_id"]))
        if key not in best or full.stat().st_size > best[key].stat().st_size:
            best[key] = full
        if (meta.parent / "prompt.txt").exists():
            captured += [(key[1], p) for p in (meta.parent / "prompt.txt").read_text(errors="replace").split("\n\n---\n\n")]
    for (agent, session), full in best.items():
        place = home.claude / "projects/-p" / f"{session}.jsonl" if agent == "Claude Code" else \
            home.codex / "sessions/2026/01/01" / f"rollout-2026-01-01T00-00-00-{session}.jsonl"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(full)
    mine_real()
    words = {session: " ".join(re.sub(r"[>`#\\*_]+", " ", text).split()) for session, text in transcripts(home).items()}
    wanted = [(s, " ".join(re.sub(r"[>`#\\*_]+", " ", p).split())) for s, p in captured if "REDACTED" not in p]
    wanted = [(s, p) for s, p in wanted if len(p) >= 4]
    hits = sum(p[:400] in words.get(s, "") for s, p in wanted)
    assert len(wanted) > 50 and hits / len(wanted) >= 0.975


def test_a_real_session_mined_as_it_grew_is_the_one_mined_at_once(home, mine, corpus):
    """M4 M5"""
    states = sorted(next((corpus / "snapshots" / "entireio+git-sync").glob("7673*")).glob("*.jsonl"))
    place = home.claude / "projects/-p" / f"{states[0].parent.name}.jsonl"
    place.parent.mkdir(parents=True)
    for state in (*states[::3], states[-1]):
        place.write_bytes(state.read_bytes())
        mine()
    grown = transcripts(home)
    for path in (home.wiki / "conversations").glob("*/*.md"):
        path.unlink()
    (home.wiki / ".mine-state.json").unlink()
    mine()
    assert transcripts(home) == grown


def test_a_session_that_begins_by_setting_up_the_agent_is_titled_by_what_is_asked(home, run_script):
    c = sessions.Claude(home.claude, "api").user("/model opus").user("Why does the retry wait?").assistant("Backoff.")
    c.write()
    run_script("extract-sessions.py")
    [text] = transcripts(home).values()
    assert "\ntitle: Why does the retry wait?\n" in text
