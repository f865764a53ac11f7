"""Sessions vanish: what was seen of them and is not mined yet is remembered, and an alert raised where it is gone.

The agents delete their session files after some weeks. A file that was mined and then deleted is the normal course. One that
was seen (by the miner while it was paused, killed, or could not read it; by a hook at a session's end) and is gone before it
was mined is lost, and that is said until a person has seen it. What endangers sessions before they are lost is said as well:
a `cleanupPeriodDays` too short for the pace at which this machine mines, a folder of sessions that is no longer there.

The memory is one file in the cache: what this machine has seen is nobody else's, and an undisturbed night writes nothing
into the wiki. Losing it loses no session, only the knowledge of those not mined at that moment.
"""
from __future__ import annotations

import wiki_lib as wl

import fnmatch
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import session_marks
from wiki_alerts import IN_DANGER, LOST, Alert, raise_alerts

if TYPE_CHECKING:
    import session_formats as sf

ERRORS = "reports/mine-errors.md"
PROGRAM = "extract-sessions"
TAIL_BYTES = 4_096           # of a half-written last line; more than that is a message that was never mined
WARM_UP_BYTES = 4_096        # of a subagent's file; as small are the warm-ups of sessions in which nothing was ever said
HEAD_BYTES = 65_536          # of a session that is not read yet: enough to know whose it is
CLEANUP_DAYS = 30            # Claude Code's cleanupPeriodDays where no setting says otherwise
GAP_DAYS = 366               # a longer gap between minings is a clock that jumped, or a machine that was put away
MANAGED_SETTINGS = ("/etc/claude-code/managed-settings.json", "/Library/Application Support/ClaudeCode/managed-settings.json")

Entry = Mapping[str, Any]
_GONE = re.compile(r"- gone: `(.*)`: ")


# ---------------------------------------------------------------- what is remembered

@dataclass
class Memory:
    """What this machine knows. `unmined`: {path: {size, mtime, session, project, paused?, part?}} of files not mined up to the
    end at which they were seen; `inbox`: the newest event looked at; `last`: the time of the last mining, `gaps`: {month: the
    longest time between two minings that ended in it, in days}; `mark`: by which session_quiet knows that nothing is new."""
    unmined: dict[str, dict[str, Any]] = field(default_factory=dict)
    inbox: str = ""
    last: str = ""
    gaps: dict[str, float] = field(default_factory=dict)
    mark: str = ""


def memory_path(wiki: wl.Wiki) -> Path:
    return wl.cache_dir() / f"sessions-{wl.wiki_key(wiki.root)}.json"


def load(wiki: wl.Wiki) -> Memory:
    try:
        said = json.loads(memory_path(wiki).read_bytes())
        unmined, gaps = said["unmined"], said["gaps"]
        return Memory({str(p): n for p, n in unmined.items() if isinstance(n, dict)}, str(said["inbox"]), str(said["last"]),
                      {str(m): float(days) for m, days in gaps.items()}, str(said.get("mark") or ""))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return Memory()      # the first run, or a cache that was lost


def save(wiki: wl.Wiki, memory: Memory) -> None:
    wl.atomic_write(memory_path(wiki), json.dumps(vars(memory), separators=(",", ":")) + "\n")


# ---------------------------------------------------------------- the run's part

class Watch:
    """Keeps watch over one run's session files.

    `folders`: those the run answers for, so that a file missing from them is gone; none where it only looked at a part.
    `excluded(known, source)`: is a session with this state entry not to be mined at all?"""

    def __init__(self, wiki: wl.Wiki, folders: Sequence[str], excluded: Callable[[dict, sf.Source], bool], patterns: Sequence[str]):
        self.wiki, self.folders, self.excluded, self.patterns = wiki, folders, excluded, patterns
        self.memory = load(wiki)

    def see(self, files: Iterable[Any], paused: bool = False) -> None:
        """Before reading: remember what is about to be read (File values), in case that this run ends before it was.
        `paused`: it will not be read, so look whose it is."""
        seen = {}
        for file in files:
            source, path = file.source, file.source.path
            known = self.memory.unmined.get(path)
            note = {"size": source.size, "mtime": source.mtime, "session": file.session, "project": source.project}
            note |= {"agent": file.agent} if file.agent else {}
            note |= {"part": True} if file.entry.get("offset") else {}
            note |= {"paused": True} if paused else {}
            if file.reason == "forced" or note == known or wl.redact_name(path) != path:
                continue
            if file.agent and source.size <= WARM_UP_BYTES:
                continue
            if paused and not known and self.is_not_mined(file):
                continue
            seen[path] = note
        if seen:
            self.memory.unmined |= seen
            save(self.wiki, self.memory)

    def is_not_mined(self, file: Any) -> bool:
        """Is a session that nobody has read yet our own, excluded, or headless where those are not mined? By its first bytes."""
        try:
            with open(file.source.path, "rb", buffering=0) as handle:
                head = handle.read(HEAD_BYTES)
        except OSError:
            return False
        cwd, entrypoint = first_said(head, "cwd"), first_said(head, "entrypoint")
        if (session_marks.is_our_id(file.session) or session_marks.is_our_folder(cwd, str(wl.cache_dir()))
                or f"{wl.QUESTION_MARK}\\n<data-".encode() in head):
            return True
        known = {"cwd": cwd} | ({"entrypoint": entrypoint} if entrypoint.startswith("sdk") else {})
        return self.excluded(known, file.source)

    def close(self, state: Mapping[str, Entry], transcripts: Callable[[], dict[str, list[str]]], mining: bool,
              mark: Callable[[], str] = str) -> None:
        """After reading: forget what was mined, say what is gone. `transcripts`: {id8: transcripts that may be a session's};
        `mining`: this was a whole mining of the agents' own folders; `mark`: asked for where nothing is left to be mined."""
        if not self.wiki.root.is_dir():
            return
        memory = self.memory
        self.hear_hooks()
        missing: dict[str, int] = {}
        gone: dict[str, dict[str, Any]] = {}
        elsewhere: dict[tuple[str, str], set[str]] | None = None
        for path, note in list(memory.unmined.items()):
            if settled(state.get(path), note, lambda e, p=path: self.excluded(dict(e), unread(p))):
                del memory.unmined[path]
                continue
            if (state.get(path) or {}).get("offset"):
                note["part"] = True
            if os.path.lexists(path) or not (folder := next((f for f in self.folders if path.startswith(f + "/")), "")):
                continue
            elif not os.path.isdir(folder) or not os.listdir(folder):
                missing[folder] = missing.get(folder, 0) + 1
            else:
                elsewhere = mined_sessions(state) if elsewhere is None else elsewhere
                del memory.unmined[path]
                if not self.is_elsewhere(path, note, elsewhere, transcripts):
                    gone[path] = note
        write_gone(self.wiki, gone)
        memory.mark = mark() if not memory.unmined and not (self.wiki.root / ERRORS).exists() else ""
        finish(self.wiki, memory, mining, missing)

    def is_elsewhere(self, path: str, note: Entry, mined: Mapping[tuple[str, str], set[str]],
                     transcripts: Callable[[], dict[str, list[str]]]) -> bool:
        """Is a file that is gone no loss: excluded by its folder's name, moved, or mined by another machine?"""
        session, agent = str(note.get("session")), str(note.get("agent") or "")
        if any(fnmatch.fnmatchcase(str(note.get("project")), encoded(p)) for p in self.patterns):
            return True
        if mined.get((session, agent), set()) - {path}:
            return True
        if any(n.get("session") == session and os.path.lexists(p) for p, n in self.memory.unmined.items() if p != path):
            return True
        return not note.get("part") and any(
            f"session_id: {session}" in (self.wiki.text(p) or "")[:4096] for p in transcripts().get(wl.id8(session), ()))

    def hear_hooks(self) -> None:
        """What the hooks saw at a session's end. Their events stay: they are deleted only after they were learnt from."""
        new = [n for n in events(self.wiki) if n[:16] >= self.memory.inbox[:16]]
        for name in new:
            event = event_of(self.wiki.text(f"context/inbox/{name}") or "")
            path, session, cwd = (str(event.get(k) or "") for k in ("transcript_path", "session_id", "cwd"))
            size = event.get("bytes")
            # A session that was opened and closed without a word ends, too, and never had a file.
            if not (path.startswith("/") and session and isinstance(size, int) and size > 0) or path in self.memory.unmined:
                continue
            if not (session_marks.is_our_id(session) or self.excluded({"cwd": cwd}, unread(path))
                    or wl.redact_name(path) != path):
                self.memory.unmined[path] = {"size": size, "mtime": 0, "session": session,
                                             "project": os.path.basename(os.path.dirname(path))}
        self.memory.inbox = max([self.memory.inbox, *new])


def finish(wiki: wl.Wiki, memory: Memory, mining: bool, missing: Mapping[str, int] | None = None) -> None:
    """Note when this machine mined, keep what it knows, and raise or take back its alerts; see alerts()."""
    if mining:
        remember_mining(memory, wl.now())
    if memory != load(wiki):
        save(wiki, memory)
    raise_alerts(wiki, PROGRAM, alerts(wiki, memory, missing or {}))


def events(wiki: wl.Wiki) -> list[str]:
    """The names of the hooks' events that wait to be learnt from, the oldest first."""
    try:
        with os.scandir(wiki.root / "context" / "inbox") as entries:
            return sorted(e.name for e in entries if e.name.endswith(".json") and not e.name.startswith("."))
    except OSError:
        return []


def event_of(text: str) -> dict[str, Any]:
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return {}      # for the one who learns from it to set aside
    return event if isinstance(event, dict) else {}


def first_said(head: bytes, key: str) -> str:
    """The first string a session's first bytes give for a key, '' for none."""
    found = re.search(rb'"%s": ?("(?:[^"\\]|\\.)*")' % key.encode(), head)
    try:
        return str(json.loads(found[1])) if found else ""
    except ValueError:
        return ""


def unread(path: str) -> sf.Source:
    """A file of which nothing is known but its name."""
    import session_formats as sf  # late: nearly no run misses a file
    return sf.Source(path, "")


def settled(entry: Entry | None, note: Entry, excluded: Callable[[Entry], bool]) -> bool:
    """Is there nothing left to mine of a file, as far as it was seen? By its state entry."""
    if not entry:
        return False
    if entry.get("own"):
        return True
    if "offset" not in entry:      # a subagent's whose session is missing, or left out: of another wing today, or for good
        return not entry.get("waiting") and excluded(entry)
    size, seen = int(entry.get("size") or 0), int(note.get("size") or 0)
    read = (size, entry.get("mtime")) == (seen, note.get("mtime")) if note.get("mtime") else size >= seen
    return read and size - int(entry.get("offset") or 0) <= TAIL_BYTES


def mined_sessions(state: Mapping[str, Entry]) -> dict[tuple[str, str], set[str]]:
    """{(session, agent): its files that were read}."""
    found: dict[tuple[str, str], set[str]] = {}
    for path, e in state.items():
        if "offset" in e or e.get("own"):
            found.setdefault((str(e.get("session")), str(e.get("agent") or "")), set()).add(path)
    return found


def encoded(pattern: str) -> str:
    """A glob of folders as it fits Claude Code's names for them: /home/dev/x.y is -home-dev-x-y."""
    return re.sub(r"[^A-Za-z0-9*?]", "-", os.path.expanduser(pattern).rstrip("/"))


# ---------------------------------------------------------------- what is said

def write_gone(wiki: wl.Wiki, gone: Mapping[str, Entry]) -> None:
    """List in reports/mine-errors.md what is lost; a line stays until a person takes it away, or its file is back."""
    import sys
    old = wiki.text(ERRORS) or ""
    lines = old.splitlines()
    listed = {m[1] for line in lines if (m := _GONE.match(line))}
    kept = [line for line in lines if not ((m := _GONE.match(line)) and os.path.lexists(m[1]))]
    for path, note in sorted(gone.items()):
        if path not in listed:
            what = "what was new in it" if note.get("part") else f"{-(-int(note.get('size') or 0) // 1000)} kB"
            when = ", seen while mining was paused" if note.get("paused") else ""
            said = f"session {note.get('session')}: the file vanished before {what} had been mined{when}"
            kept.append(f"- gone: `{path}`: {said}")
            print(f"extract-sessions.py: {path}: {said}; listed in {ERRORS}, wiki-status.py --seen takes it off", file=sys.stderr)
    if not any(line.startswith("- ") for line in kept):
        if old and kept != lines:
            wiki.apply([wl.Remove(ERRORS, "nothing is wrong any more")], quiet=True)
        return
    text = "\n".join(kept if lines else ["# What could not be mined", "", *kept]) + "\n"
    if text != old:
        wiki.apply([wl.Write(path=ERRORS, text=wl.redact(text)[0], why="sessions that vanished")], quiet=True)


def alerts(wiki: wl.Wiki, memory: Memory, missing: Mapping[str, int]) -> list[Alert]:
    """What a person must know. `missing`: {folder that is not there (any more): sessions in it that were not mined}."""
    found = []
    lost = len(_GONE.findall(wiki.text(ERRORS) or ""))
    if lost:
        found.append(Alert(LOST, f"{lost} session{'s' if lost > 1 else ''} vanished before being mined, listed in {ERRORS} "
                                 "(seen it? scripts/wiki-status.py --seen)"))
    for folder, count in sorted(missing.items()):
        found.append(Alert(IN_DANGER, f"{folder}: the folder of sessions is gone or empty, and {count} in it "
                                      f"{'was' if count == 1 else 'were'} not mined; is a disk not mounted?"))
    days, where = cleanup_days()
    longest = max(memory.gaps.values(), default=0.0)
    if days == 0:
        found.append(Alert(IN_DANGER, f"{where}: cleanupPeriodDays is 0, so Claude Code keeps no sessions to mine"))
    elif days is not None and days < 2 * longest:
        found.append(Alert(IN_DANGER, f"Claude Code deletes sessions after {days:g} days, and once {whole(longest)} days passed "
                                      f"between minings here: set cleanupPeriodDays to {2 * whole(longest)} or more in {where}"))
    return found


def whole(days: float) -> int:
    return int(-(-days // 1))


def cleanup_days() -> tuple[float | None, str]:
    """(cleanupPeriodDays that counts, the settings file to change it in); None where there is no Claude Code here."""
    home = os.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(os.environ.get("HOME") or "/nonexistent", ".claude")
    own = os.path.join(home, "settings.json")
    if not os.path.isdir(os.path.join(home, "projects")):
        return None, own
    for path in (*MANAGED_SETTINGS, own):
        try:
            said = json.loads(Path(path).read_bytes())
            days = said.get("cleanupPeriodDays")
        except (OSError, ValueError, AttributeError):
            continue      # not there, or nothing Claude Code could read either
        if isinstance(days, (int, float)) and not isinstance(days, bool) and days >= 0:
            return days, path
    return CLEANUP_DAYS, own


# ---------------------------------------------------------------- how often this machine mines

def remember_mining(memory: Memory, now: str) -> None:
    """Note a mining at `now` (ISO, UTC): the time since the last one, a year back. Steps of the clock count as nothing."""
    gap = days_between(memory.last, now)
    if 0 < gap <= GAP_DAYS:
        memory.gaps[now[:7]] = max(memory.gaps.get(now[:7], 0.0), round(gap, 3))
    year = f"{int(now[:4]) - 1}{now[4:7]}"
    memory.gaps = {m: days for m, days in memory.gaps.items() if year <= m <= now[:7]}
    memory.last = now


def days_between(first: str, second: str) -> float:
    """Days from one ISO time to another; 0 where there is no first one."""
    try:
        return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds() / 86_400
    except (ValueError, TypeError):
        return 0.0


def last_mining(wiki: wl.Wiki) -> str:
    """The day of this machine's last mining, '' when there was none."""
    return load(wiki).last[:10]


def acknowledge(wiki: wl.Wiki) -> int:
    """A person has seen what is gone: its lines and the alert go. Returns how many lines there were."""
    memory = load(wiki)
    there = {p: n for p, n in memory.unmined.items() if os.path.lexists(p)}
    if there != memory.unmined:
        memory.unmined = there
        save(wiki, memory)
    old = wiki.text(ERRORS) or ""
    kept = [line for line in old.splitlines() if not _GONE.match(line)]
    if any(line.startswith("- ") for line in kept):
        wiki.apply([wl.Write(path=ERRORS, text="\n".join(kept) + "\n", why="seen")], quiet=True)
    elif old:
        wiki.apply([wl.Remove(ERRORS, "seen")], quiet=True)
    raise_alerts(wiki, PROGRAM, alerts(wiki, memory, {}))
    return len(old.splitlines()) - len(kept)
