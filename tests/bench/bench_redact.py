#!/usr/bin/env python3
"""How fast the redactor says that a text is clean, and how many lines of clean text it touches.

    tests/bench/bench_redact.py [FOLDER_OR_FILE.jsonl ...]

Reads every string of the session files given (default: the example sessions, repeated to 8 MB). Each figure is the
best of five runs; the ratio is to one bare `str.find` over the same texts in the same run.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from wiki_redact import redact, redact_many  # noqa: E402

SHORT = "The retry test failed because the clock was not frozen in CI."
ENOUGH = 8_000_000      # characters, so that a run takes long enough to be timed


def main() -> None:
    paths = [Path(arg) for arg in sys.argv[1:]] or [ROOT / "examples" / "sessions"]
    read = [text for path in paths for text in session_texts(path)]
    if not read:
        sys.exit(f"bench_redact.py: {', '.join(map(str, paths))}: no session text found; name a folder of .jsonl files")
    texts = read * (1 + ENOUGH // sum(map(len, read)))
    size = sum(map(len, texts))
    print(f"{len(texts):,} texts, {size / 1e6:.1f} M characters")

    bare = best(lambda: [text.find("-----BEGIN") for text in texts])
    for name, run in (("str.find", None), ("redact, a call a text", lambda: [redact(text) for text in texts]),
                      ("redact_many", lambda: redact_many(texts))):
        seconds = best(run) if run else bare
        print(f"{name:24} {seconds * 1e3:8.1f} ms {size / 1e6 / seconds:8.0f} MB/s {seconds / bare:8.1f} x str.find")

    shorts = [SHORT] * 20_000
    for name, run in (("redact", lambda: [redact(text) for text in shorts]), ("redact_many", lambda: redact_many(shorts))):
        print(f"{name} of {len(SHORT)} characters: {best(run) / len(shorts) * 1e6:.2f} us")

    counts: Counter[str] = Counter()
    for text in read:
        counts.update(redact(text)[1])
    lines = sum(text.count("\n") + 1 for text in read)
    print(f"{lines:,} lines, {sum(counts.values())} redactions ({sum(counts.values()) / lines:.4%}): {dict(counts)}")


def best(run: Callable[[], object], times: int = 5) -> float:
    def once() -> float:
        started = time.perf_counter()
        run()
        return time.perf_counter() - started
    return min(once() for _ in range(times))


def session_texts(path: Path) -> list[str]:
    """Every string with a space in it (no ids, no names of tools) of the records below a folder."""
    found: list[str] = []
    for file in sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]:
        for line in file.read_bytes().splitlines():
            try:
                values = [json.loads(line)]
            except ValueError:
                continue
            while values:
                value = values.pop()
                if isinstance(value, str):
                    found += [value] if " " in value else []
                else:
                    values += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return found


if __name__ == "__main__":
    main()
