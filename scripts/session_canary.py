"""The canary for format drift: what share of an agent's records the readers know, version by version.

A reader counts every record with the version of the agent that wrote it, and by name what none of its tables has
(session_formats/*.py, KNOWN). .mine-state.json keeps that a file; here it is added up. What a reader has learnt since is no
longer strange, and the files that held it are read again.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import session_formats as sf

LEAST_KNOWN = 0.98           # share of records below which a version's transcripts are in doubt
ENOUGH_RECORDS = 100         # for a share to say anything
GUESSED = ("tag: ", "output tag: ")      # a person may have pasted it: told when several sessions have it
SEVERAL = 3
NAMES_SHOWN = 5


@dataclass
class Seen:
    """What the session files of one agent's version held."""
    files: int = 0
    records: int = 0
    strange: dict[str, list[int]] = field(default_factory=dict)      # name -> [how often, in how many files]

    @property
    def known(self) -> float:
        """Share of the records that every table knows."""
        odd = sum(n for n, _ in self.strange.values())
        return 1.0 if not self.records else max(0.0, 1 - odd / self.records)

    @property
    def news(self) -> list[str]:
        """The names worth telling, the most frequent first."""
        told = [(-n, name) for name, (n, files) in self.strange.items() if files >= SEVERAL or not name.startswith(GUESSED)]
        return [name for _, name in sorted(told)]


def seen(state: dict[str, dict[str, Any]]) -> dict[tuple[str, str], Seen]:
    """{(agent, its version): Seen} of all files in .mine-state.json."""
    found: dict[tuple[str, str], Seen] = {}
    for path, entry in state.items():
        records, strange = entry.get("records"), entry.get("strange")
        if not isinstance(records, dict):
            continue
        format = sf.module(format_of(path, entry))
        for version, count in records.items():
            at = found.setdefault((format.NAME, version), Seen())
            at.files += 1
            at.records += count if isinstance(count, int) else 0
        for version, names in strange.items() if isinstance(strange, dict) else ():
            at = found.setdefault((format.NAME, version), Seen())
            for name, count in names.items() if isinstance(names, dict) else ():
                if not format.knows(name) and isinstance(count, int):
                    was = at.strange.setdefault(name, [0, 0])
                    at.strange[name] = [was[0] + count, was[1] + 1]
    return found


def format_of(path: str, entry: dict[str, Any]) -> str:
    """The module name of the format a file was read as."""
    return "codex" if entry.get("format") == "codex" else "claude_code"


def trouble(found: dict[tuple[str, str], Seen]) -> dict[str, str]:
    """{'claude-code 2.2.0': what is wrong with it}: versions that bring what no reader knows. Without counts, which grow."""
    told = {}
    for (agent, version), at in sorted(found.items()):
        news = at.news
        if news:
            more = f" and {len(news) - NAMES_SHOWN} more" if len(news) > NAMES_SHOWN else ""
            told[f"{agent} {version or '(no version)'}"] = (
                f"its session files hold what is not known here ({', '.join(news[:NAMES_SHOWN])}{more}); that was left out of the "
                f"transcripts, the rest was read; a newer memex may know it, see wiki-status.py --json")
        elif at.records >= ENOUGH_RECORDS and at.known < LEAST_KNOWN:
            told[f"{agent} {version or '(no version)'}"] = (
                f"under {LEAST_KNOWN:.0%} of its records are of known kinds; see wiki-status.py --json")
    return told


def learnt(entry: dict[str, Any], format: Any) -> bool:
    """Does the reader by now know something that was strange to it when it read this file?"""
    strange = entry.get("strange")
    return bool(strange) and isinstance(strange, dict) and any(
        format.knows(name) for names in strange.values() if isinstance(names, dict) for name in names)


def table(found: dict[tuple[str, str], Seen]) -> dict[str, dict[str, dict[str, Any]]]:
    """For a program: {agent: {version: {files, records, known (a share), unknown: {name: how often}}}}."""
    told: dict[str, dict[str, dict[str, Any]]] = {}
    for (agent, version), at in sorted(found.items(), key=lambda item: (item[0][0], version_key(item[0][1]))):
        told.setdefault(agent, {})[version] = {
            "files": at.files, "records": at.records, "known": round(at.known, 5),
            "unknown": {name: n for name, (n, _) in sorted(at.strange.items())}}
    return told


def lines(formats: dict[str, dict[str, dict[str, Any]]]) -> Iterable[str]:
    """For a person: a line an agent, from its table."""
    for agent, versions in formats.items():
        records = sum(v["records"] for v in versions.values())
        odd = sum(sum(v["unknown"].values()) for v in versions.values())
        names = [v for v in versions if v]
        span = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}" if names else "no version named"
        yield f"{agent} {span}: {max(0.0, 1 - odd / records) if records else 1:.2%} of {records:,} records are of known kinds"


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Versions in their order: 2.1.9 before 2.1.42."""
    return tuple((int(part), "") if part.isdigit() and len(part) < 10 else (0, part) for part in version.split("."))
