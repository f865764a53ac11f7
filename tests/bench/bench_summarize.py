#!/usr/bin/env python3
"""How fast the extractive summaries and the conversation index are.

    python tests/bench/bench_summarize.py                 # over the real sessions, where they are
    python tests/bench/bench_summarize.py --index 10000   # the index over that many made conversations

Whole processes, minimum of three runs; every summary is written in each run. Everything lies in a scratch folder.
"""
from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
CORPUS = Path(os.environ.get("MEMEX_CORPUS") or ROOT.parent / "shared" / "corpus" / "sessions.tar.xz")
RUNS = 3
WORDS = "queue retry cache index parser token schema build release worker upload proxy batch lock export migration".split()


def environment(scratch: Path) -> dict[str, str]:
    return {"HOME": str(scratch), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "WIKI_DIR": str(scratch / "wiki"),
            "CLAUDE_CONFIG_DIR": str(scratch / "claude"), "CODEX_HOME": str(scratch / "codex"),
            "XDG_CACHE_HOME": str(scratch / "cache")}


def seconds(argv: list, env: dict[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run([str(a) for a in argv], env=env, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"{argv[0]} ended with {done.returncode}\n{done.stderr}")
    return time.perf_counter() - start


def unpacked(scratch: Path) -> Path:
    if CORPUS.is_dir():
        return CORPUS
    if not CORPUS.is_file():
        sys.exit(f"no real sessions: {CORPUS} is absent; set MEMEX_CORPUS to the archive or to its unpacked folder")
    subprocess.run(["tar", "-xf", CORPUS, "-C", scratch], check=True)
    return scratch


def summaries(scratch: Path) -> None:
    corpus, env = unpacked(scratch), environment(scratch)
    seconds([SCRIPTS / "extract-sessions.py", "--sessions", corpus / "claude", "--sessions", corpus / "codex"], env)
    fresh = scratch / "fresh"
    shutil.copytree(scratch / "wiki", fresh)
    files = list(fresh.glob("conversations/*/*.md"))
    size = sum(f.stat().st_size for f in files) / 1e6
    first, again = [], []
    for _ in range(RUNS):
        shutil.rmtree(scratch / "wiki")
        shutil.copytree(fresh, scratch / "wiki")
        first.append(seconds([SCRIPTS / "summarize-conversations.py"], env))
        again.append(seconds([SCRIPTS / "summarize-conversations.py"], env))
    print(f"{len(files)} transcripts, {size:.1f} MB: {min(first):.2f} s, "
          f"{size / min(first):.1f} MB/s; a second run {min(again):.2f} s")


def index(scratch: Path, count: int) -> None:
    pick, env = random.Random(1), environment(scratch)
    for n in range(count):
        folder = scratch / "wiki" / "conversations" / f"wing-{n % 20:02}"
        folder.mkdir(parents=True, exist_ok=True)
        day = f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}"
        bullets = "".join(f"- The {' '.join(pick.choices(WORDS, k=12))} failed. [#{n:08x}]\n" for _ in range(6))
        said = f"### User · {day} 10:00 · #{n:08x}\n" + " ".join(pick.choices(WORDS, k=300)) + "\n"
        (folder / f"{day}-talk-{n:08x}.md").write_text(
            f"---\ntitle: Talk {n}\nsession_id: {n:032x}\nwing: {folder.name}\ndate: {day}\nstatus: summarized\n"
            f"topics: [{', '.join(pick.sample(WORDS, 3))}]\n---\n# Talk {n}\n\n## Discoveries\n{bullets}\n## Transcript\n\n{said}")
    seconds([SCRIPTS / "wiki-search.py", "--update"], env)
    first = seconds([SCRIPTS / "update-conversation-index.py"], env)
    again = min(seconds([SCRIPTS / "update-conversation-index.py"], env) for _ in range(RUNS))
    print(f"index of {count} conversations: first run {first:.2f} s, nothing new {again:.2f} s (search update included)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=int, metavar="N", help="measure the index over N made conversations instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        index(Path(folder), args.index) if args.index else summaries(Path(folder))


if __name__ == "__main__":
    main()
