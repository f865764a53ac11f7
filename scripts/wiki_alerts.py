"""What is wrong and a person must know: one line in context/alert.md, which session-start prints before the wake-up.

Any program may raise alerts, each under its own name:

    raise_alerts(wiki, "extract-sessions", [Alert(LOST, "2 sessions vanished before they were mined")])

What a program raised stands until the same program says otherwise; with nothing wrong anywhere the file is gone. The line
tells the most serious thing, how many more there are, and the command that tells them all (wiki-status.py).
"""
from __future__ import annotations

import wiki_lib as wl

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ALERT = "context/alert.md"
TELLS_MORE = "scripts/wiki-status.py"
# How serious, the worst first: something is lost, something will be lost, something does not run, something should be looked at.
LOST, IN_DANGER, BROKEN, ODD = range(4)


class Alert(NamedTuple):
    rank: int            # LOST .. ODD
    text: str            # one line, without a full stop at its end; the same as long as the same is wrong


def raise_alerts(wiki: wl.Wiki, program: str, alerts: Iterable[Alert]) -> None:
    """Say what is wrong now, in place of what this program said before; an empty list takes its alerts back."""
    if not wiki.root.is_dir() or wl.wiki_disk.DRY_RUN:
        return
    known = _read(wiki)
    said = {**known, program: sorted(Alert(a.rank, wl.redact(wl.one_line(a.text, 400))[0]) for a in alerts)}
    said = {name: found for name, found in said.items() if found}
    if said != known:
        wl.atomic_write(_memory(wiki), json.dumps(said, ensure_ascii=False) + "\n")
    line = render(sorted(a for found in said.values() for a in found))
    old = wiki.text(ALERT)
    if line and line != old:
        wiki.apply([wl.Write(path=ALERT, text=line, why="something is wrong")], quiet=True)
    elif not line and old is not None:
        wiki.apply([wl.Remove(ALERT, "nothing is wrong any more")], quiet=True)


def raised(wiki: wl.Wiki) -> list[str]:
    """Everything that is wrong, the most serious first; where only the line itself is left, the line."""
    alerts = [a.text for a in sorted(a for found in _read(wiki).values() for a in found)]
    line = (wiki.text(ALERT) or "").strip()
    return (alerts or [line]) if line else []


def render(alerts: list[Alert]) -> str:
    """The line, '' when there is nothing to say."""
    if not alerts:
        return ""
    more = f" (and {len(alerts) - 1} more)" if len(alerts) > 1 else ""
    return f"memex: {alerts[0].text}{more}; see {TELLS_MORE}\n"


def _memory(wiki: wl.Wiki) -> Path:
    """In the cache, since what is wrong here is wrong on this machine alone; lost, each program says its part again."""
    return wl.cache_dir() / f"alerts-{wl.wiki_key(wiki.root)}.json"


def _read(wiki: wl.Wiki) -> dict[str, list[Alert]]:
    try:
        said = json.loads(_memory(wiki).read_text(encoding="utf-8"))
        return {str(name): sorted(Alert(int(rank), str(text)) for rank, text in found) for name, found in said.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}      # nothing raised yet, or not to be read: each program says its part again
