#!/usr/bin/env python3
"""How fast wiki-search.py answers over 10,000 conversations, and how much of LoCoMo's evidence it finds.

    python tests/bench/bench_search.py             # speed: minimum of the runs, whole processes
    python tests/bench/bench_search.py --recall    # R@5 and R@10, in process, where ../shared/locomo (or --data) is there

The conversations are made here from a seed, of words put together from syllables with the frequencies of a language.
Speed is of the whole process, both interpreter starts and the look at every file included; `python -c pass`, measured
in the same run, is the yardstick. Everything lies in a scratch folder.
"""
from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEARCH = ROOT / "scripts" / "wiki-search.py"
WINGS, PER_WING = 20, 500
LIMIT_MS = 200
MONTHS = "January February March April May June July August September October November December".split()


# ---------------------------------------------------------------- speed

def vocabulary(pick: random.Random, size: int = 20_000) -> list[str]:
    syllables = [c + v for c in "b c d f g h k l m n p r s t v w z br cr st tr pl".split() for v in "aeiou"]
    return list(dict.fromkeys("".join(pick.choices(syllables, k=pick.randint(2, 4))) for _ in range(size)))


def make_wiki(root: Path, wings: int = WINGS, each: int = PER_WING, seed: int = 1) -> list[str]:
    """Conversations of 6 to 16 messages of 10 to 60 words; returns the vocabulary, most frequent first."""
    pick = random.Random(seed)
    every = vocabulary(pick)
    heavy, total = [], 0.0
    for place in range(len(every)):
        total += 1 / (place + 5)
        heavy.append(total)

    def some(count: int) -> str:
        return " ".join(pick.choices(every, cum_weights=heavy, k=count))

    for wing in range(wings):
        folder = root / "conversations" / f"wing-{wing:02}"
        folder.mkdir(parents=True)
        for number in range(each):
            day, ident, title = f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}", f"{wing:04x}{number:04x}", some(5)
            said = "\n".join(f"### {('User', 'Assistant')[i % 2]} · {day} 10:{i:02} · #{i:08x}\n{some(pick.randint(10, 60))}\n"
                             for i in range(pick.randint(6, 16)))
            (folder / f"{day}-{title.replace(' ', '-')}-{ident}.md").write_text(
                f"---\ntitle: {title}\nsession_id: {ident}\nwing: {folder.name}\ndate: '{day}'\n"
                f"topics: [{some(1)}, {some(1)}]\n---\n"
                f"# {title}\n\n## Summary\n{some(60)}\n\n## Facts\n- {some(15)}\n- {some(15)}\n\n## Transcript\n\n{said}")
    return every


def least_ms(command: list[str], env: dict[str, str], runs: int) -> float:
    best = float("inf")
    for _ in range(runs):
        begin = time.perf_counter()
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - begin)
    return best * 1000


def speed(runs: int, keep: Path | None) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        home = keep or Path(scratch)
        wiki = home / "wiki"
        env = {"HOME": str(home / "home"), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "WIKI_DIR": str(wiki),
               "XDG_CACHE_HOME": str(home / "cache")}
        every = vocabulary(random.Random(1)) if wiki.exists() else make_wiki(wiki)
        begin = time.perf_counter()
        subprocess.run([SEARCH, "--update"], env=env, check=True)
        print(f"index of {WINGS * PER_WING:,} conversations, first time: {time.perf_counter() - begin:.1f} s")
        size = sum(f.stat().st_size for f in (home / "cache").rglob("index-*"))
        text = sum(f.stat().st_size for f in wiki.rglob("*.md"))
        print(f"index {size / 1e6:.0f} MB, markdown {text / 1e6:.0f} MB")
        questions = {
            "rare words": [every[4000], every[9000]],
            "a question": ["what", "did", "we", "decide", "about", *(every[i] for i in (150, 400, 1200, 3000))],
            "common words": [every[i] for i in (0, 1, 2, 3, 5, 8)],
            "a question in one wing": [every[150], every[1200], every[3000], "--wing", "wing-07"],
        }
        base = least_ms(["python3", "-c", "pass"], env, runs)
        print(f"python3 -c pass: {base:.0f} ms")
        worst = 0.0
        for name, words in questions.items():
            took = least_ms([str(SEARCH), *words, "--json"], env, runs)
            worst = max(worst, took)
            print(f"wiki-search.py, {name}: {took:.0f} ms ({took / base:.1f} x python3 -c pass)")
        return worst <= LIMIT_MS


# ---------------------------------------------------------------- recall

def locomo(data: Path, wiki: Path) -> list[tuple[str, str, set[str]]]:
    """Each session as a conversation page, one wing a file; (wing, question, the sessions that hold its evidence)."""
    questions = []
    for source in sorted(data.glob("*.json")):
        told, wing = json.loads(source.read_text()), f"w{source.stem}"
        folder = wiki / "conversations" / wing
        folder.mkdir(parents=True)
        for number, turns in ((m[1], v) for k, v in told.items() if (m := re.fullmatch(r"session_(\d+)", k)) and v):
            day, month, year = re.search(r"(\d+) (\w+), (\d{4})", told[f"session_{number}_date_time"]).groups()
            date, ident = f"{year}-{MONTHS.index(month) + 1:02}-{int(day):02}", f"{int(source.stem):04x}{int(number):04x}"
            said = "".join(
                f"### {'User' if t['speaker'] == told['speaker_a'] else 'Assistant'} · {date} 10:{i % 60:02} · #{i:08x}\n"
                f"{t['speaker']}: {t.get('text', '')} {t.get('blip_caption', '')}\n\n" for i, t in enumerate(turns))
            summary = told.get(f"session_{number}_summary", "")
            (folder / f"{date}-session-{ident}.md").write_text(
                f"---\ntitle: Session {number}\nwing: {wing}\ndate: {date}\n---\n# Session {number}\n\n## Summary\n{summary}\n\n"
                f"## Transcript\n\n{said}")
        for asked in told["qa"]:
            evidence = {f"{int(source.stem):04x}{int(x):04x}" for e in asked.get("evidence", [])
                        for x in re.findall(r"D(\d+)", str(e))}
            if evidence:
                questions.append((wing, asked["question"], evidence))
    return questions


def recall(data: Path) -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CACHE_HOME"] = scratch
        import wiki_index
        wiki = Path(scratch) / "wiki"
        questions = locomo(data, wiki)
        index = wiki_index.Index(str(wiki), wiki_index.index_path(str(wiki)))
        index.update()
        for scope in ("within its wing", "among all wings"):
            found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0])
            for wing, asked, evidence in questions:
                hits = index.search(asked, wing=wing if scope == "within its wing" else None, n=10)
                ids = [h.path[-11:-3] for h in hits]
                for key in (wing, "all"):
                    found[key][0] += len(evidence & set(ids[:5])) / len(evidence)
                    found[key][1] += len(evidence & set(ids)) / len(evidence)
                    found[key][2] += 1
            print(f"LoCoMo, {len(questions)} questions, each {scope}:")
            for key, (five, ten, count) in sorted(found.items()):
                print(f"  {key:4} R@5 {five / count:.3f}  R@10 {ten / count:.3f}  ({count} questions)")


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--runs", type=int, default=3, help="runs of each command; the least counts (default: 3)")
    p.add_argument("--recall", action="store_true", help="measure recall instead of speed")
    p.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "locomo", help="where LoCoMo's files are")
    p.add_argument("--keep", type=Path, help="make the wiki and its index here, or use those that are here")
    args = p.parse_args()
    if not args.recall:
        return 0 if speed(args.runs, args.keep) else 1
    if not args.data.is_dir():
        print(f"skipped: {args.data} is absent; --data names LoCoMo's files")
        return 0
    recall(args.data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
