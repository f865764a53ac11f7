#!/usr/bin/env python3
"""How long planning takes over a large history, and how long a full queue takes to list.

    tests/bench/bench_distill.py [CONVERSATIONS [PAGES [STAGED]]]      default: 10000 2000 1000

Makes a wiki of that size in a temporary folder (two years of days, 400 topics of skewed frequency), then runs the
scripts as whole processes. Each figure is the best of three.
"""

from __future__ import annotations

import datetime
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import wikis  # noqa: E402

TODAY = datetime.date(2026, 4, 14)
STARTS = "bel cor dan fir gol hur jam kel lim mor nil pon ras sel tor ulm var wen yor zin".split()
WORDS = [start + end for start in STARTS for end in ("ter", "gan", "dil", "fen", "mas")]


def main() -> None:
    talks, pages, staged = (int(a) for a in (sys.argv[1:] + ["10000", "2000", "1000"][len(sys.argv) - 1 :])[:3])
    with tempfile.TemporaryDirectory(prefix="bench-distill-") as folder:
        root = Path(folder) / "wiki"
        make(root, talks, pages, staged)
        for command in ("init -q", "add -A", "-c user.name=x -c user.email=x@localhost commit -qm all"):
            subprocess.run(["git", "-C", root, *command.split()], check=True)
        print(f"{talks:,} conversations, {pages:,} pages, {staged:,} staged")
        env = {"HOME": folder, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "WIKI_DIR": str(root)}
        env |= {"WIKI_TODAY": TODAY.isoformat(), "XDG_CACHE_HOME": f"{folder}/cache", "XDG_CONFIG_HOME": folder}
        for command in (
            "wiki-distill.py --help",
            "wiki-distill.py --no-compile",
            "wiki-distill.py --dry-run",
            "wiki-distill.py",
            "wiki-staging.py --list --json",
            "wiki-staging.py --stats --json",
        ):
            print(f"{command:34} {best(command, env):6.2f} s")
        print(f"{'wiki-staging.py --promote-all':34} {best('wiki-staging.py --promote-all', env, times=1):6.2f} s, once, with git")


def best(command: str, env: dict[str, str], times: int = 3) -> float:
    def once() -> float:
        started = time.perf_counter()
        subprocess.run(
            [ROOT / "scripts" / command.split()[0], *command.split()[1:]], env=env, check=True, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - started

    return min(once() for _ in range(times))


def make(root: Path, talks: int, pages: int, staged: int) -> None:
    """A wiki whose topics are as unevenly used as real ones are; a tenth of the talks is of the last week and not distilled."""
    dice = random.Random(7)
    topics = [f"{WORDS[n % 100]}-{WORDS[(n * 7 + n // 100) % 100]}" for n in range(400)]
    weights = [1 / (n + 3) for n in range(400)]
    for n in range(talks):
        day = TODAY - datetime.timedelta(days=n % 7 if n % 10 == 0 else 8 + n % 720)
        mine = list(dict.fromkeys(dice.choices(topics, weights, k=4)))
        claims = [
            f"The {t.replace('-', ' ')} keeps {dice.choice(WORDS)} under {dice.randrange(1000)} {dice.choice(WORDS)}s, not more."
            for t in mine
        ]
        wikis.talk(root, day.isoformat(), mine, name=f"talk {n} about {mine[0]}", wing=f"wing{n % 9}",
                   fact=claims[:2], discovery=claims[2:3], advice=claims[3:])  # fmt: skip
    for n in range(pages + staged):
        body = f"# {WORDS[n % 100].title()} {n}\n\nIt holds. (source: conversations/a/b.md#12345678)\n"
        write, station = (wikis.page, "wiki") if n < pages else (wikis.staged, "staging")
        write(root, f"{station}/concepts/page-{n}.md", body, topics=[topics[n % 400] if n % 2 else f"own-{n}"])


if __name__ == "__main__":
    main()
