#!/usr/bin/env python3
"""What the model door adds to a call, and whether calls side by side are made side by side.

  tests/bench/bench_door.py [CALLS]

A fake claude that answers at once: `ask` with all that it does (redaction, budget, the answer kept and the ledger line synced to
the disk, the schema) against the same process started with the same arguments and nothing around it. Median and worst of CALLS
calls; then 4 and 16 calls of one second with --jobs 4. Everything lies in a scratch folder.
"""
from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
OVERHEAD_MS, FOUR_SECONDS = 20, 1.5
TEXT = "Why does the retry of the export worker wait for the queue? The clock is not frozen there.\n"
SCHEMA = {"type": "object", "required": ["summary"], "additionalProperties": False, "properties": {
    "summary": {"type": "string", "maxLength": 4000},
    "bullets": {"type": "array", "maxItems": 60, "items": {"type": "object", "required": ["hall"], "properties": {
        "hall": {"enum": ["fact", "discovery"]}, "text": {"type": "string"}}}}}}
REPLY = {"is_error": False, "structured_output": {"summary": "It waits.", "bullets": [{"hall": "fact", "text": "It waits."}] * 20},
         "total_cost_usd": 0.0, "usage": {"input_tokens": 100, "output_tokens": 10}}


def scratch_environment(folder: Path) -> None:
    for name in [n for n in os.environ if n.startswith(("CLAUDE", "ANTHROPIC", "MEMEX", "WIKI_", "XDG_", "LLAMA_"))]:
        del os.environ[name]
    (folder / "bin").mkdir()
    (folder / "wiki").mkdir()
    (folder / "wiki/wiki.yaml").write_text("budget: {calls: null, usd: null, usd_day: null}\n")
    os.environ.update(HOME=str(folder), WIKI_DIR=str(folder / "wiki"), XDG_CACHE_HOME=str(folder / "cache"),
                      PATH=f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")


def fake(folder: Path, seconds: float) -> None:
    program = folder / "bin" / "claude"
    wait = f"sleep {seconds}\n" if seconds else ""
    program.write_text(f"#!/bin/sh\ncat > /dev/null\n{wait}echo '{json.dumps(REPLY)}'\n")
    program.chmod(0o755)


def question(name: str, size: int):
    import wiki_model as m
    return m.Question("bench", f"conversations/api/{name}.md", TEXT * (size // len(TEXT) + 1) + name, SCHEMA, "You summarise.", str)


def overhead(calls: int, size: int) -> list[float]:
    """Milliseconds that ask takes beyond the bare process, a call; the two take turns."""
    import wiki_model as m
    from model_backends import claude
    added = []
    for number in range(calls + 1):
        asked = question(f"{size}-{number}", size)
        prompt, argv, env = m.marked(asked.material), claude.command(asked, claude.new_session_id()), claude.environment("x")
        began = time.perf_counter()
        subprocess.run(argv, input=prompt.encode(), env=env, capture_output=True, check=True, start_new_session=True)
        bare = time.perf_counter() - began
        began = time.perf_counter()
        assert isinstance(m.ask(asked, "claude"), m.Answer)
        added.append((time.perf_counter() - began - bare) * 1000)
    return added[1:]      # the first one loads what the door needs: once a run


def side_by_side(calls: int) -> float:
    import wiki_model as m
    began = time.perf_counter()
    for _, answer in m.side_by_side(lambda n: m.ask(question(f"side-{calls}-{n}", 2_000), "claude"), range(calls), 4, "claude"):
        assert isinstance(answer, m.Answer)
    return time.perf_counter() - began


def main() -> None:
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)
        return
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as folder:
        scratch_environment(Path(folder))
        sys.path.insert(0, str(SCRIPTS))
        fake(Path(folder), 0)
        slow = False
        for size in (2_000, 50_000):
            added = overhead(calls, size)
            slow |= statistics.median(added) > OVERHEAD_MS
            print(f"a question of {size // 1000} KB: {statistics.median(added):.1f} ms beyond the process (worst {max(added):.1f}; "
                  f"may be {OVERHEAD_MS})")
        fake(Path(folder), 1)
        took = side_by_side(4)
        print(f"4 calls of 1 s, 4 at a time: {took:.2f} s (may be {FOUR_SECONDS}); 16: {side_by_side(16):.2f} s")
    sys.exit(slow or took > FOUR_SECONDS)


if __name__ == "__main__":
    main()
