#!/usr/bin/env python3
"""How long extraction takes, as a whole process, against one bare orjson pass over the same lines (the limit).

    tests/bench/bench_extract.py [FOLDER]      default: the real sessions' claude/ folder, else sessions made up here

FOLDER holds Claude Code projects at any depth. Both figures are the best of three, taken in turns in one run: the machine
is the same for both. The first run starts without a wiki, so that making one is counted; the second finds nothing to do.
Ends with status 1 where extraction takes more than five times the limit.
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
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import orjson  # noqa: E402
import sessions  # noqa: E402

AT_MOST = 5
ARCHIVE = Path(os.environ.get("MEMEX_CORPUS") or ROOT.parent / "shared" / "corpus" / "sessions.tar.xz")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="bench-extract-") as folder:
        base = Path(folder)
        source = Path(sys.argv[1]) if sys.argv[1:] else given(base)
        link(source, base / "claude" / "projects")
        files = sorted(base.glob("claude/projects/**/*.jsonl"))
        print(f"{len(files)} files, {sum(f.stat().st_size for f in files) / 1e6:.0f} MB of {source}")
        limit(files)                                                     # the files come from the disk once, for both
        limits, firsts, seconds = [], [], []
        for _ in range(3):
            limits.append(limit(files))
            shutil.rmtree(base / "wiki", ignore_errors=True)
            firsts.append(extract(base))
            seconds.append(extract(base))
        ratio = min(firsts) / min(limits)
        print(f"limit {min(limits):.3f} s, extraction {min(firsts):.3f} s = {ratio:.2f} times, "
              f"again {min(seconds):.3f} s, {len(list(base.glob('wiki/conversations/*/*-*.md')))} transcripts")
        return ratio > AT_MOST


def given(base: Path) -> Path:
    """The real sessions where they are, else as many made-up ones."""
    if (ARCHIVE / "claude").is_dir():
        return ARCHIVE / "claude"
    if ARCHIVE.is_file():
        subprocess.run(["tar", "-xf", ARCHIVE, "-C", base, "claude"], check=True)
        return base / "claude"
    for number in range(150):
        c = sessions.Claude(base / "made", f"p{number % 9}", seed=str(number))
        for turn in range(40):
            c.user(f"Please look at part {turn}.").assistant("I look at it, and then I will say what I found. " * 4)
            c.bash(f"grep -rn part{turn} src", "\n".join(f"src/module_{n}.py:{n}: part{turn} = {n}" for n in range(120)))
        c.write()
    return base / "made" / "projects"


def link(source: Path, projects: Path) -> None:
    for number, folder in enumerate(sorted({f.parent for f in source.rglob("*.jsonl")})):
        place = projects / f"{number}{folder.name}"
        place.mkdir(parents=True)
        for file in folder.glob("*.jsonl"):
            (place / file.name).symlink_to(file)


def limit(files: list[Path]) -> float:
    started = time.perf_counter()
    for path in files:
        with open(path, "rb") as file:
            for line in file:
                try:
                    orjson.loads(line)
                except ValueError:
                    pass          # the same lines, the same work: what does not decode counts too
    return time.perf_counter() - started


def extract(base: Path) -> float:
    env = {"HOME": str(base), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "WIKI_DIR": str(base / "wiki"),
           "CLAUDE_CONFIG_DIR": str(base / "claude"), "CODEX_HOME": str(base / "none"), "XDG_CACHE_HOME": str(base / "cache")}
    started = time.perf_counter()
    subprocess.run([ROOT / "scripts" / "extract-sessions.py"], env=env, check=False, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
