"""Many sessions read: in batches that memory holds, in two processes where that pays, the large ones in windows.

What reading one session means is session_transcripts' and session_large's; here is which of them reads it, and when.
"""
from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import session_formats as sf
import session_transcripts
from session_transcripts import Group, Outcome, Setting

LARGE = 16_000_000               # bytes of a session's files from which they are read in windows, by session_large
BATCH_BYTES = 32_000_000         # session bytes held in memory at once; state is saved after each batch
WORTH_A_FORK = 8_000_000         # session bytes from which a second process pays for itself


def batches(groups: list[Group]) -> list[list[Group]]:
    """Groups in lists of at most BATCH_BYTES, so that memory stays bounded; a session that is read in windows alone."""
    lists: list[list[Group]] = [[]]
    load = 0
    for group in groups:
        if lists[-1] and (load + group.size > BATCH_BYTES or is_large(group) or is_large(lists[-1][-1])):
            lists.append([])
            load = 0
        lists[-1].append(group)
        load += group.size
    return lists


def is_large(group: Group) -> bool:
    """Is it read in windows, by session_large?"""
    return group.size >= LARGE


def read_safely(group: Group, setting: Setting) -> Outcome:
    """What one session says, or what went wrong: one bad session must not keep the others from being mined."""
    try:
        if is_large(group):
            import session_large  # late: few sessions need it
            return session_large.read_group(group, setting)
        return session_transcripts.read_group(group, setting)
    except Exception as error:
        what = f"could not be read ({type(error).__name__}: {sf.brief(str(error), 120)})"
        return Outcome(group, "failed", failed={f.source.path: what for f in group.files})


# ---------------------------------------------------------------- two processes

def read_all(groups: list[Group], setting: Setting, before_reading: Callable[[], Any], early: int) -> list[Outcome]:
    """read_safely of each, half of it in a second process where that is worth it; `before_reading` runs in this one, as
    heavy as `early` bytes of sessions."""
    alone = sum(g.size for g in groups) < WORTH_A_FORK or cores() < 2 or any(map(is_large, groups))
    mine, other = (groups, []) if alone else halves(groups, early)
    child = Child(other, setting) if other else None
    before_reading()
    done = [read_safely(g, setting) for g in mine]
    if child:
        # A child that fell over (memory, a signal) costs time, not sessions.
        done += child.outcomes() or [read_safely(g, setting) for g in other]
    return done


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def halves(groups: list[Group], early: int) -> tuple[list[Group], list[Group]]:
    """Two lists of about the same number of bytes; the first one has `early` bytes to do already."""
    loads, lists = [early, 0], ([], [])
    for group in sorted(groups, key=lambda g: -g.size):
        side = loads.index(min(loads))
        lists[side].append(group)
        loads[side] += group.size + 10_000      # opening and rendering a file costs something, however small it is
    return lists


class Child:
    """A forked process that reads groups and sends the outcomes back through a pipe."""

    def __init__(self, groups: list[Group], setting: Setting):
        sys.stdout.flush()
        self.pipe, end = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(end)
            return
        code = 1
        try:
            import pickle
            os.close(self.pipe)
            with open(end, "wb") as out:
                pickle.dump([read_safely(g, setting) for g in groups], out, 5)
            code = 0
        finally:
            os._exit(code)

    def outcomes(self) -> list[Outcome] | None:
        """What the child found, None when it did not finish."""
        import pickle
        with open(self.pipe, "rb") as file:
            try:
                found = pickle.load(file)
            except (EOFError, pickle.UnpicklingError):      # it was stopped before or while it sent them
                found = None
        _, status = os.waitpid(self.pid, 0)
        return found if status == 0 else None
