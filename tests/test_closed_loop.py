"""The whole loop on real sessions: mined, summarised, distilled, searched, told to the next session; then again, in silence."""
from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

NOT_HUMAN = re.compile(r"\s*(?:<[a-z-]+[ >]|\[Request interrupted|Caveat:|This session is being continued)")


def genuine(corpus: Path) -> list[Path]:
    """The corpus's files that its manifest calls recordings, where it has one beside the archive; else all of them."""
    manifest = next((p for p in (corpus / "MANIFEST.tsv", Path(__file__).parents[2] / "shared/corpus/MANIFEST.tsv")
                     if p.is_file()), None)
    if manifest is None:
        pytest.skip("no MANIFEST.tsv: which sessions are genuine is not known")
    with open(manifest, newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [corpus / row["path"] for row in rows if row["kind"] == "genuine" and (corpus / row["path"]).is_file()]


def says_something(path: Path) -> str:
    """The session id of a Claude file in which a plain reading finds a human prompt on the main line; '' otherwise."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if not isinstance(record, dict) or record.get("type") != "user" or record.get("isMeta") or record.get("isSidechain"):
            continue
        content = (record.get("message") or {}).get("content")
        texts = [content] if isinstance(content, str) else [
            b.get("text", "") for b in content or () if isinstance(b, dict) and b.get("type") == "text"]
        if not record.get("isCompactSummary") and any(t.strip() and not NOT_HUMAN.match(t) for t in texts):
            return str(record.get("sessionId") or "")
    return ""


@pytest.fixture
def sessions(corpus, home) -> list[Path]:
    """All genuine Claude sessions in the layout of ~/.claude/projects."""
    files = [p for p in genuine(corpus) if p.parts[len(corpus.parts)] == "claude"]
    for path in files:
        target = home.claude / "projects" / Path(*path.relative_to(corpus).parts[2:])
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return files


def test_the_loop_closes_on_real_sessions(sessions, home, run_script, snapshot):
    """M1, M3, M20, M25: every genuine session with a human prompt has its transcript, staging holds cited pages whose every
    citation resolves, a second run changes no byte and no mtime, a query finds, and the wake-up reaches the next session."""
    run_script("wiki-maintain.sh")
    mined = {m[1] for p in home.wiki.glob("conversations/*/2*.md")
             if (m := re.search(r"^session_id: '?([\w-]+)", p.read_text(), re.M))}
    expected = {p.name: ident for p in sessions if not p.name.startswith("agent-") and (ident := says_something(p))}
    assert len(expected) > 50 and not {name: i for name, i in expected.items() if i not in mined}

    staged = list(home.wiki.glob("staging/*/*.md"))
    cites = [c for p in staged for c in re.findall(r"(conversations/[^\s#)\]]+\.md)#([0-9a-f]{8,12})", p.read_text())]
    assert staged and cites
    assert all(f"#{ident}" in (home.wiki / path).read_text().split("## Transcript")[-1] for path, ident in cites)

    hits = json.loads(run_script("wiki-search.py", "batched bootstrap of a large repository", "--json", "-n", "5").stdout)
    assert any("bootstrap" in (home.wiki / hit["path"]).read_text().lower() for hit in hits[:3])

    told = run_script("hooks/session-start", input="{}").stdout
    assert (home.wiki / "context/wake-up.md").read_text().strip().splitlines()[0] in json.loads(told)["hookSpecificOutput"][
        "additionalContext"]

    before = snapshot(home.wiki)
    again = run_script("wiki-maintain.sh")
    assert (again.stdout, again.stderr) == ("", "") and snapshot(home.wiki) == before
