#!/usr/bin/env python3
"""What a model is sent of real sessions, before and after their tool traffic is thinned, and what of the evidence is left.

    python tests/bench/bench_thinning.py        # over the real sessions: MEMEX_CORPUS, an archive or its unpacked folder

Tokens by wiki_budget.tokens_of. Evidence: the paths that calls named, the lines of failed outputs that speak of trouble, and what
somebody in the conversation then said of an output: its paths, names of code and numbers.
"""
from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
CORPUS = Path(os.environ.get("MEMEX_CORPUS") or ROOT.parent / "shared" / "corpus" / "sessions.tar.xz")
_PATH = re.compile(r"(?<![\w/])(?:[\w.@~-]*/)+[\w.@-]*\w")
_EXACT = re.compile(r"(?<![\w/])(?:[\w.@~-]*/)+[\w.@-]*\w|\b\w+_\w+\b|\b[a-z]+[A-Z]\w+\b|\b\d{3,}\b|\b[0-9a-f]{7,40}\b")


def mined(scratch: Path) -> tuple[int, Path]:
    """(bytes of the session files that became conversations, the wiki)."""
    corpus = CORPUS
    if not corpus.exists():
        sys.exit(f"no real sessions: {corpus} is absent; set MEMEX_CORPUS to the archive or to its unpacked folder")
    if corpus.is_file():
        subprocess.run(["tar", "-xf", corpus, "-C", scratch], check=True)
        corpus = scratch
    folders = [corpus / "claude", corpus / "codex"]
    env = {"HOME": str(scratch), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "WIKI_DIR": str(scratch / "wiki"),
           "CLAUDE_CONFIG_DIR": str(scratch / "cc"), "CODEX_HOME": str(scratch / "cx"), "XDG_CACHE_HOME": str(scratch / "cache")}
    subprocess.run([SCRIPTS / "extract-sessions.py", *(word for f in folders for word in ("--sessions", f))], env=env, check=False,
                   capture_output=True)
    size = sum(p.stat().st_size for f in folders for p in f.rglob("*.jsonl"))
    return size, scratch / "wiki"


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size, wiki = mined(Path(folder))
        os.environ["WIKI_DIR"] = str(wiki)
        sys.path.insert(0, str(SCRIPTS))
        measure(size, wiki)


def measure(size: int, wiki: Path) -> None:
    import wiki_lib as wl

    from summaries import thinning
    from wiki_budget import tokens_of
    tokens, seconds, count, evidence = Counter(), 0.0, 0, Counter()
    for path in sorted(wiki.glob("conversations/*/*-????????.md")):
        whole = wl.parse_conversation(path.relative_to(wiki).as_posix(), path.read_text(encoding="utf-8")).read()
        begun = time.perf_counter()
        thin = thinning.thinned(whole)
        seconds += time.perf_counter() - begun
        count += 1
        tokens["before"] += tokens_of(wl.render_transcript(whole))
        tokens["after"] += tokens_of(wl.render_transcript(thin))
        tokens["said"] += sum(tokens_of(m.text) for m in whole.said)
        blocks = [b for m in whole.said for b in m.tools]
        left = "\n".join(b for m in thin.said for b in m.tools)
        heads = "\n".join(b.split("\n", 1)[0] for b in blocks)
        outputs = [b.split("\n")[2:-1] for b in blocks if "\n" in b]
        said = set(_EXACT.findall("\n".join(m.text for m in whole.said)))
        kinds = {"paths in calls": set(_PATH.findall(heads)),
                 "lines of trouble in failed outputs": {line.strip()[:200] for body in outputs if thinning._failed(body)
                                                        for line in body if thinning._TROUBLE.search(line)},
                 "what was said of an output": said & set(_EXACT.findall("\n".join(line for body in outputs for line in body)))}
        for kind, found in kinds.items():
            evidence[kind, "all"] += len(found)
            evidence[kind, "left"] += sum(what in left for what in found)
    mb = size / 1e6
    print(f"{count} conversations of {mb:.0f} MB of session files: {tokens['before'] / mb:,.0f} tokens a MB before, "
          f"{tokens['after'] / mb:,.0f} after ({tokens['after'] / tokens['before']:.0%}), of which {tokens['said'] / mb:,.0f} "
          f"were said; {seconds:.2f} s to thin them all")
    for kind in dict.fromkeys(kind for kind, _ in evidence):
        print(f"  {kind}: {evidence[kind, 'left']:,} of {evidence[kind, 'all']:,} are left "
              f"({evidence[kind, 'left'] / max(1, evidence[kind, 'all']):.0%})")


if __name__ == "__main__":
    main()
