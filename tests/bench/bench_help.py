#!/usr/bin/env python3
"""How long `--help` of every script takes, against `python -c pass` in the same run. Minimum of N.

  tests/bench/bench_help.py [N]
"""
from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "scripts"
LIMIT_MS = 100          # over a bare interpreter


def seconds(argv: list[str], times: int) -> float:
    """The quickest of `times` runs of a whole process."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - began)
    return best


def main() -> int:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    bare = seconds(["python3", "-c", "pass"], times)
    print(f"{'python3 -c pass':<30} {bare * 1000:7.1f} ms")
    worst = 0.0
    for script in sorted(p for p in SCRIPTS.iterdir() if "-" in p.name and os.access(p, os.X_OK) and p.is_file()):
        over = (seconds([str(script), "--help"], times) - bare) * 1000
        worst = max(worst, over)
        print(f"{script.name:<30} {over:+7.1f} ms")
    print(f"worst {worst:.1f} ms over a bare interpreter; at most {LIMIT_MS}")
    return worst > LIMIT_MS


if __name__ == "__main__":
    sys.exit(main())
