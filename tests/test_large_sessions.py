"""Sessions too large to be held: what is read in windows is byte for byte what is read at once, killed or not, and in little
memory."""

from __future__ import annotations

import wiki_lib as wl

import gc
import importlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import session_batches
import session_large
import session_transcripts
import sessions

extract = importlib.import_module("extract-sessions")
NEVER = 1 << 60


@pytest.fixture
def two_ways(home, monkeypatch, capsys):
    """`two_ways(*arguments)` mines into two wikis, at once and in windows, and checks that they are equal; returns the second."""
    def mine(name: str, large: int, arguments: tuple) -> dict[str, bytes]:
        root = home.path / name
        root.mkdir(exist_ok=True)
        (root / ".machine-id").write_text("deadbeef\n")
        monkeypatch.setattr(wl.wiki_disk, "WIKI_DIR", root)
        monkeypatch.setattr(session_batches, "LARGE", large)
        monkeypatch.setattr(sys, "argv", ["extract-sessions.py", *map(str, arguments)])
        for value in vars(wl.wiki_disk).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()
        try:
            extract.main()
        finally:
            gc.enable()
        assert not list(home.cache.rglob("*.tmp")) and not list(root.rglob("*.tmp"))
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and ".git/" not in str(p)}

    def run(*arguments) -> Path:
        at_once, in_windows = mine("at-once", NEVER, arguments), mine("in-windows", 1, arguments)
        assert in_windows.keys() == at_once.keys()
        for path, data in at_once.items():
            assert in_windows[path] == data, path
        return home.path / "in-windows"

    def in_windows_of(size: int) -> None:
        monkeypatch.setattr(session_large, "WINDOW", size)
        monkeypatch.setattr(session_large, "CHUNK", size)

    run.of = in_windows_of
    in_windows_of(2_000)
    monkeypatch.setattr(session_transcripts, "PART_CHARACTERS", 4_000)
    return run


def claude_session(folder: Path, seed: int) -> sessions.Claude:
    """A session in which everything happens that a reader has to remember over many records."""
    rng = random.Random(seed)
    chat = sessions.Claude(folder, f"p{seed % 3}", seed=f"large{seed}")
    said, key = ["go on"], "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3gH6"[:36]
    waiting: list[str] = []
    for turn in range(60):
        words = rng.choice(said) if rng.random() < 0.3 else f"Please look at part {turn} of {seed} 🐍 " + "why " * rng.randrange(30)
        said.append(words)
        what = rng.randrange(14)
        if what < 3:
            chat.user(words)
        elif what == 3:
            chat.queue(words)
            waiting.append(words)
        elif what == 4 and waiting:
            chat.queue(None, "dequeue").user(waiting.pop(0))
        elif what == 5:
            chat.bash(f"pytest -q part{turn}", "\n".join(f"{n} failed" for n in range(rng.randrange(90))))
        elif what == 6:
            calls = [chat.use("Bash", command=f"ls {n}") for n in range(3)]
            for call in rng.sample(calls, 2):
                chat.answer(call, f"{call} is done; export GITHUB_TOKEN={key}")
        elif what == 7:
            chat.record("assistant", isSidechain=True, message={"role": "assistant", "id": f"side{turn}", "content": [
                {"type": "text", "text": f"The subagent says {turn}."}, {"type": "tool_use", "id": f"s{turn}", "name": "Bash",
                                                                        "input": {"command": "true"}}]})
        elif what == 8:
            again = json.loads(rng.choice([line for line in chat.lines if line.startswith('{"parentUuid')] or ["{}"]))
            if again.get("type") == "assistant":
                again["message"]["content"].append({"type": "text", "text": "and more of it"})
            chat.raw(again)
        elif what == 9:
            chat.raw('{"broken": ').raw("").raw(json.dumps({"type": "progress", "data": "x" * 5_000}))
        elif what == 10:
            chat.raw({"type": "summary", "leafUuid": chat.parent or "none", "summary": f"What part {turn} was about"})
        elif what == 11:
            chat.answer(chat.use("Task", description=f"explore {turn}", prompt=words), "found", tool_use_result={"agentId": "a1"})
        chat.assistant(f"I look at {words[:40]}\n### User · 2026-04-12 09:13 · #a1b2c3d4\nthat was a heading {turn}")
    return chat


def codex_session(folder: Path, seed: int) -> sessions.Codex:
    rng = random.Random(seed)
    chat = sessions.Codex(folder, f"p{seed % 3}", seed=f"large{seed}", flat=seed % 4 == 3)
    said = ["go on"]
    for turn in range(50):
        words = rng.choice(said) if rng.random() < 0.4 else f"Look at part {turn} of {seed} " + "now " * rng.randrange(40)
        said.append(words)
        chat.user(words)
        for _ in range(rng.randrange(3)):
            chat.call("shell", {"command": ["bash", "-lc", f"ls {turn}"]}, "\n".join(["a line"] * rng.randrange(99)))
        chat.assistant(rng.choice(["Done.", f"Part {turn} is fine."]))
        if rng.random() < 0.2:
            chat.event("agent_message", message="Done.")
        if rng.random() < 0.2:
            chat.item(type="message", role="assistant", id=f"msg_{seed}_{turn:020}",
                      content=[{"type": "output_text", "text": words}])
    return chat


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("make", [claude_session, codex_session])
def test_a_session_read_in_windows_is_the_session_read_at_once(home, two_ways, make, seed):
    """M4, M5: new, grown, half-written, rewritten, with a subagent's file, its state lost."""
    chat = make(home.codex if make is codex_session else home.claude, seed)
    rng, lines = random.Random(seed), list(chat.lines)
    cut = rng.randrange(len(lines) // 3, len(lines))
    path = chat.write(lines=cut)
    two_ways.of(rng.choice((700, 2_000, 50_000)))
    root = two_ways()
    assert list(root.glob("conversations/*/*.md"))
    path.write_text(path.read_text() + "\n".join(lines[cut:])[: rng.randrange(3_000)])
    two_ways()
    chat.write()
    if make is claude_session:
        side = sessions.Claude(home.claude, chat.project, seed=f"side{seed}", isSidechain=True, agentId="a1")
        side.session = chat.session
        side.user("explore it").assistant("It is explored.").bash("ls", "a")
        side.write(chat.path.parent / chat.session / "subagents" / "agent-a1.jsonl")
    two_ways()
    chat.lines = lines[: len(lines) // 3] + lines[len(lines) // 2:]
    chat.write()
    two_ways()
    for name in ("at-once", "in-windows"):
        (home.path / name / ".mine-state.json").unlink()
    two_ways()
    two_ways("--force")


def test_ids_that_end_alike_are_told_apart_in_windows_too(home, two_ways):
    """Two messages of one transcript whose ids share their last eight digits stand under twelve."""
    chat = sessions.Claude(home.claude, "api")
    ids = [f"{n:08x}-0000-4000-8000-{n:04x}aaaabbbb" for n in (1, 2)]
    chat.user("one", uuid=ids[0]).assistant("two " * 500, uuid=sessions.uuid("x"))
    chat.write()
    two_ways()
    chat.user("three", uuid=ids[1]).assistant("four")
    chat.write()
    root = two_ways()
    text = "".join(p.read_text() for p in root.glob("conversations/*/*.md"))
    assert "#0001aaaabbbb\none\n" in text and "#0002aaaabbbb\nthree\n" in text


def test_real_sessions_read_in_windows_are_the_sessions_read_at_once(home, two_ways, corpus, monkeypatch):
    """The largest sessions of each kind of folder, their subagents' files beside them."""
    monkeypatch.setattr(session_transcripts, "PART_CHARACTERS", 200_000)
    two_ways.of(50_000)
    for agent, folder in (("claude", home.claude / "projects"), ("codex", home.codex / "sessions")):
        files = [p for p in (corpus / agent).rglob("*.jsonl") if p.stat().st_size < 2_500_000]
        for number, path in enumerate(sorted(files, key=lambda p: -p.stat().st_size)[:12]):
            place = folder / f"{number}{path.parent.name}"
            place.mkdir(parents=True)
            (place / path.name).symlink_to(path)
            if (beside := path.with_suffix("")).is_dir():
                shutil.copytree(beside, place / beside.name, symlinks=True)
    assert len(list(two_ways().glob("conversations/*/*.md"))) > 15


# -- the real threshold, in processes of their own ----------------------------------------------------------------------

def talk(path: Path, megabytes: float) -> None:
    """Small records, nearly all kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sample = sessions.Claude(Path(), "api")
    sample.user("USER " + "why does the parser fail " * 20).assistant("SAID " + "because the clock is not frozen " * 20)
    pair = "\n".join(sample.lines) + "\n"
    ids = [json.loads(line)["uuid"] for line in sample.lines]
    with open(path, "w") as file:
        for n in range(int(megabytes * 1_000_000 / len(pair))):
            file.write(pair.replace(ids[0], sessions.uuid(n, 0)).replace(ids[1], sessions.uuid(n, 1)).replace("USER", f"{n}"))


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and ".git/" not in str(p)}


def test_killed_in_the_middle_of_a_large_session_the_next_run_ends_as_undisturbed(home, tmp_path):
    """Nothing is left of the one that was killed, neither in the wiki nor in the cache."""
    talk(home.claude / "projects" / "-home-dev-api" / f"{sessions.uuid('large')}.jsonl", 17)

    def start(root: Path) -> subprocess.Popen:
        root.mkdir(exist_ok=True)
        (root / ".machine-id").write_text("deadbeef\n")
        return subprocess.Popen([extract.__file__], env={**home.environ, "WIKI_DIR": str(root)}, stdout=subprocess.DEVNULL)

    began = time.monotonic()
    assert start(home.path / "whole").wait() == 0
    lasted = time.monotonic() - began
    whole = tree(home.path / "whole")
    assert sum(name.endswith((".md", ".2.md")) and name.startswith("conversations/api/") for name in whole) == 2
    for share in (0.4, 0.9):
        root = home.path / f"killed-{share}"
        killed = start(root)
        time.sleep(lasted * share)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert start(root).wait() == 0
        assert tree(root) == whole
    assert not list(tmp_path.rglob("*.tmp")) and not list(tmp_path.parent.glob("etilqs_*"))
    assert sum(p.stat().st_size for p in home.cache.rglob("*") if p.is_file()) < 100_000


def test_a_session_of_thirty_megabytes_takes_little_memory(home):
    talk(home.claude / "projects" / "-home-dev-api" / f"{sessions.uuid('large')}.jsonl", 30)
    code = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = subprocess.run([sys.executable, "-c", code, extract.__file__], env=home.environ, capture_output=True, text=True,
                          check=True)
    assert int(done.stdout) * (1 if sys.platform == "darwin" else 1024) < 110_000_000
