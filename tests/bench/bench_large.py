#!/usr/bin/env python3
"""How much memory, and how long, extraction takes for session files too large to be held.

    tests/bench/bench_large.py [MEGABYTES] [KIND...]       default: 1000 MB of each kind

    claude      mostly tool results and progress, as real sessions are
    codex       the same of the other agent
    talk        small records, nearly all kept: a million messages of about a kilobyte
    talk-codex  the same of the other agent
    lines       lines of 50 MB, of which nothing is kept
    open        a call that is never answered at the beginning, so that a later reading could start nowhere

Each file is made, read by a whole process of its own (the peak of its memory is what the kernel says of it), read again
unchanged, and read after it grew. Ends with status 1 where a reading takes more than 150 MB (of long lines: 200, since the
decoder holds a line three times).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

import sessions  # noqa: E402

AT_MOST = 150_000_000
OF_LONG_LINES = 200_000_000
SESSION = "3de77ea9-3685-4e06-8d85-29c7b6592474"


def words(rng: random.Random, size: int) -> str:
    """About `size` characters of text."""
    some = "the clock retry queue parser state which because then we saw failing again under load it was not frozen".split()
    return " ".join(rng.choices(some, k=max(1, size // 6)))


def claude(rng: random.Random) -> Iterator[dict]:
    big = words(rng, 60_000)
    while True:
        c = sessions.Claude(Path(), "api", seed=str(rng.random()))
        c.user(words(rng, 300)).assistant(words(rng, 700))
        for _ in range(6):
            c.raw({"type": "progress", "data": {"output": big[:rng.randrange(4_000)]}, "timestamp": c.tick()})
            c.answer(c.use("Read", file_path=f"src/module_{rng.randrange(99)}.py"), big[:rng.randrange(20_000)])
        c.bash("pytest -q", "\n".join(words(rng, 60) for _ in range(60)))
        yield from map(json.loads, c.lines)


def talk(rng: random.Random) -> Iterator[dict]:
    at = 0
    while True:
        at += 1
        c = sessions.Claude(Path(), "api", seed=f"{rng.random()}")
        text = f"{at} {words(rng, 550)}"
        yield from map(json.loads, (c.user(text) if at % 2 else c.assistant(text)).lines)


def codex(rng: random.Random) -> Iterator[dict]:
    big = words(rng, 60_000)
    head = sessions.Codex(Path(), "api")
    yield json.loads(head.lines[0])
    while True:
        c = sessions.Codex(Path(), "api", seed=str(rng.random()))
        c.user(words(rng, 300)).assistant(words(rng, 700))
        for _ in range(6):
            c.event("exec_command_end", output=big[:rng.randrange(10_000)])
            c.call("shell", {"command": ["bash", "-lc", "cat x"]}, big[:rng.randrange(9_000)])
        yield from map(json.loads, c.lines[1:])


def talk_codex(rng: random.Random) -> Iterator[dict]:
    head = sessions.Codex(Path(), "api")
    yield json.loads(head.lines[0])
    at = 0
    while True:
        at += 1
        c = sessions.Codex(Path(), "api", seed=str(rng.random()))
        text = f"{at} {words(rng, 700)}"
        lines = (c.user(text) if at % 2 else c.assistant(text)).lines[1:]
        yield from (r for line in lines if (r := json.loads(line))["type"] != "event_msg" or r["payload"]["type"] == "user_message")


def lines(rng: random.Random) -> Iterator[dict]:
    big = words(rng, 50_000_000)
    while True:
        c = sessions.Claude(Path(), "api", seed=str(rng.random()))
        c.user(words(rng, 300)).answer(c.use("Read", file_path="src/all.py"), big).assistant("It is long.")
        yield from map(json.loads, c.lines)


def never(rng: random.Random) -> Iterator[dict]:
    c = sessions.Claude(Path(), "api", seed="never", isSidechain=True, agentId="a1")
    c.use("Bash", command="sleep inf")
    yield from map(json.loads, c.lines)
    yield from talk(rng)


KINDS = {"claude": claude, "codex": codex, "talk": talk, "talk-codex": talk_codex, "lines": lines, "open": never}


def main() -> int:
    given = sys.argv[1:]
    size = int(given.pop(0)) * 1_000_000 if given and given[0].isdigit() else 1_000_000_000
    late = False
    for kind in given or KINDS:
        with tempfile.TemporaryDirectory(prefix="bench-large-") as folder:
            base = Path(folder)
            agent = "codex/sessions/2026/04/12" if "codex" in kind else "claude/projects/-home-dev-api"
            name = f"rollout-2026-04-12T09-00-00-{SESSION}.jsonl" if "codex" in kind else f"{SESSION}.jsonl"
            path = base / agent / name
            path.parent.mkdir(parents=True)
            records = KINDS[kind](random.Random(kind))
            fill(path, records, size)
            for what in ("first", "again", "grown"):
                if what == "grown":
                    fill(path, records, path.stat().st_size + size // 100)
                seconds, peak = extract(base)
                late |= peak > (OF_LONG_LINES if kind == "lines" else AT_MOST)
                kept = sum(p.stat().st_size for p in base.glob("wiki/conversations/*/*.md"))
                left = [p for p in base.rglob("*.tmp")]
                print(f"{kind:10} {what:6} {path.stat().st_size / 1e6:6.0f} MB: {seconds:6.1f} s, peak {peak / 1e6:4.0f} MB; "
                      f"{kept / 1e6:.0f} MB of transcript{'; LEFT ' + str(left) if left else ''}", flush=True)
    return late


def fill(path: Path, records: Iterator[dict], size: int) -> None:
    """Append records until the file has the size."""
    have = path.stat().st_size if path.exists() else 0
    with open(path, "ab", buffering=1 << 20) as file:
        while have < size:
            have += file.write(json.dumps(next(records)).encode() + b"\n")


def extract(base: Path) -> tuple[float, int]:
    """(seconds, bytes of memory at the peak) of a whole process."""
    env = {"HOME": str(base), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "WIKI_DIR": str(base / "wiki"),
           "CLAUDE_CONFIG_DIR": str(base / "claude"), "CODEX_HOME": str(base / "codex"), "XDG_CACHE_HOME": str(base / "cache")}
    # In a process of its own, since the kernel tells the peak of all children together.
    code = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, ROOT / "scripts" / "extract-sessions.py"], env=env, check=True,
                          capture_output=True, text=True)
    seconds = time.perf_counter() - started
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, int(done.stdout.split()[-1]) * unit


if __name__ == "__main__":
    sys.exit(main())
