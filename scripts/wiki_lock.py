#!/usr/bin/env python3
"""Holds the run lock and becomes the command it is given. Started by run_locked in wiki_lib.sh, not by hand.

The lock is a flock on an open file that the command inherits, so the kernel frees it with the last process that
runs. 75 when another run holds it: silently where there is no terminal, because cron would mail it every time.
"""
from __future__ import annotations

import wiki_env

wiki_env.enter()

import fcntl  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from datetime import UTC, datetime  # noqa: E402

import wiki_disk  # noqa: E402

BUSY = 75


def take_run_lock() -> bool:
    """Take the lock for this process and all that it becomes or starts; False when another run holds it."""
    folder = wiki_disk.cache_dir() / "locks"          # the same file as wiki_disk.locked("run")
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / f"{wiki_disk.wiki_key()}.run", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    os.set_inheritable(handle, True)
    os.environ.update(MEMEX_RUN=wiki_disk.wiki_key(), MEMEX_RUN_PID=str(os.getpid()),
                      MEMEX_RUN_STARTED=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}")      # one run, one budget for models
    return True


def main(command: list[str]) -> int:
    if os.environ.get("MEMEX_RUN") != wiki_disk.wiki_key() and not take_run_lock():
        wiki_disk.note(f"{os.path.basename(command[1])}: {wiki_disk.WIKI_DIR}: another run is at work; try again later")
        return BUSY
    wiki_disk.Wiki()      # a folder or settings that no phase could use are said once, here, and not by every phase
    wiki_disk.config()
    wiki_disk.today()
    wiki_disk.sweep(wiki_disk.WIKI_DIR)
    os.environ["MEMEX_RUN_FOR"] = os.environ.get("WIKI_DIR", "")
    os.execv(command[0], command)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (wiki_disk.WikiError, OSError) as error:
        sys.exit(f"{os.path.basename(sys.argv[2])}: {error}")
