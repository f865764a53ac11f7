#!/usr/bin/env python3
"""What extraction costs where there are many sessions: a session of a first run, and a second run with nothing new.

    tests/bench/bench_many.py [COUNT...]       default: 100 1000 10000

The sessions are small and made up here, over forty projects. All figures are wall times of the whole process. The second
run's limit is what `python -c pass` costs it (nothing) plus 150 ms plus twice a bare, recursive os.scandir pass over the
same folders, the best of five each, in turns. Ends with status 1 where a second run takes longer than that, or where a
session of the largest number costs more than one and a half times what it costs in the middle.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

import sessions  # noqa: E402

PROJECTS = 40
ROUNDS = 5
GRACE = 0.150                # seconds a second run may take besides two passes over the folders


def main() -> int:
    counts = [int(word) for word in sys.argv[1:]] or [100, 1_000, 10_000]
    costs, late = [], False
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="bench-many-") as folder:
            base = Path(folder)
            make(base, count)
            firsts = []
            for _ in range(3 if count < 5_000 else 1):
                shutil.rmtree(base / "wiki", ignore_errors=True)
                firsts.append(extract(base))
            passes, again = [], []
            for _ in range(ROUNDS):
                passes.append(scan(base))
                again.append(extract(base))
            limit = GRACE + 2 * min(passes)
            costs.append(min(firsts) / count)
            late |= min(again) > limit
            print(f"{count} sessions: first run {min(firsts):.2f} s = {1000 * costs[-1]:.2f} ms a session; again "
                  f"{1000 * min(again):.0f} ms, limit {1000 * limit:.0f} (a pass of os.scandir {1000 * min(passes):.0f})",
                  flush=True)
    return late or len(costs) > 2 and costs[-1] > 1.5 * costs[-2]


def make(base: Path, count: int) -> None:
    for number in range(count):
        c = sessions.Claude(base / "claude", f"p{number % PROJECTS}", seed=str(number), day=f"2026-04-{1 + number % 28:02}")
        c.user(f"Why does part {number} of the parser fail?").assistant(f"It fails because of case {number}.")
        c.bash(f"pytest -q tests/test_{number}.py", f"{number} failed")
        c.assistant("The clock is not frozen; I freeze it.").user("Thanks, commit it.").assistant("Done.")
        c.write()


def scan(base: Path) -> float:
    """A bare pass over every folder, in a process of its own would cost its start: here only the pass itself counts."""
    started = time.perf_counter()
    stack = [str(base / "claude" / "projects")]
    while stack:
        with os.scandir(stack.pop()) as entries:
            stack += [entry.path for entry in entries if entry.is_dir()]
    return time.perf_counter() - started


def extract(base: Path) -> float:
    env = {"HOME": str(base), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "WIKI_DIR": str(base / "wiki"),
           "CLAUDE_CONFIG_DIR": str(base / "claude"), "CODEX_HOME": str(base / "none"), "XDG_CACHE_HOME": str(base / "cache")}
    started = time.perf_counter()
    subprocess.run([ROOT / "scripts" / "extract-sessions.py"], env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
