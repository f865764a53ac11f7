#!/usr/bin/env python3
"""Runs a script of scripts/ and disturbs it at the n-th thing that it does to the disk.

    disturbed.py kill N SCRIPT ARGUMENT...       SIGKILL to itself, before the n-th one (after half of a write)
    disturbed.py inside N SCRIPT ARGUMENT...     SIGKILL to the n-th program that it starts and to itself, MEMEX_DELAY seconds later
    disturbed.py ENOSPC N SCRIPT ARGUMENT...     the n-th one fails with that error; a write that fails wrote half
    disturbed.py ENOSPC N- SCRIPT ARGUMENT...    the n-th and all after it
    disturbed.py count 0 SCRIPT ARGUMENT...      disturbs nothing

What counts: opening for writing, write, fsync, rename, mkdir, unlink, utime and starting another program. MEMEX_EVENTS names
a file that gets one line for each; MEMEX_ONLY, a regular expression, says which of those lines count.
"""
from __future__ import annotations

import builtins
import errno
import io
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Disturber:
    """Counts what is done to the disk; strikes at the n-th."""

    def __init__(self, mode: str, number: str, only: str, log: str):
        self.mode, self.ever_after, self.number = mode, number.endswith("-"), int(number.rstrip("-"))
        self.only, self.count = re.compile(only), 0
        self.out = open(log, "a") if log else None

    def strikes(self, what: str) -> bool:
        if not self.only.search(what):
            return False
        self.count += 1
        if self.out:
            print(self.count, what, file=self.out, flush=True)
        return self.mode not in ("count", "inside") and (self.count == self.number or self.ever_after and self.count > self.number)

    def strike(self, path: Any) -> None:
        if self.mode == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        code = getattr(errno, self.mode)
        raise OSError(code, os.strerror(code), os.fspath(path) if isinstance(path, (str, os.PathLike)) else None)

    def before(self, what: str, path: Any) -> None:
        if self.strikes(f"{what} {path}"):
            self.strike(path)

    def wrapped(self, what: str, real: Callable) -> Callable:
        def call(path: Any = "", *args: Any, **more: Any) -> Any:
            self.before(what, path)
            return real(path, *args, **more)
        return call


def disturb(by: Disturber) -> None:
    """Put the disturber in front of what Python does to the disk."""
    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            if by.strikes(f"write {self.name}"):
                super().write(bytes(data)[: len(data) // 2])
                by.strike(self.name)
            return super().write(data)

    real_open, real_os_open, real_popen = builtins.open, os.open, subprocess.Popen

    def opened(path: Any, mode: str = "r", buffering: int = -1, *args: Any, **more: Any) -> Any:
        if isinstance(path, int) or not set(mode) & set("wax+") or path == os.devnull:
            return real_open(path, mode, buffering, *args, **more)
        by.before("open", path)
        return Raw(path, mode) if buffering == 0 else real_open(path, mode, buffering, *args, **more)

    def os_opened(path: Any, flags: int, *args: Any, **more: Any) -> int:
        if flags & WRITING and path != os.devnull:
            by.before("open", path)
        return real_os_open(path, flags, *args, **more)

    class Started(real_popen):
        def __init__(self, argv: Any, *args: Any, **more: Any):
            by.before("start", " ".join(map(str, argv)))
            super().__init__(argv, *args, **more)
            if by.mode == "inside" and by.count == by.number:
                time.sleep(float(os.environ["MEMEX_DELAY"]))
                os.killpg(self.pid, signal.SIGKILL)
                os.kill(os.getpid(), signal.SIGKILL)

    builtins.open, os.open, subprocess.Popen = opened, os_opened, Started
    for name in ("mkdir", "unlink", "remove", "rename", "replace", "utime", "rmdir", "truncate", "symlink", "link", "fsync",
                 "sync"):
        setattr(os, name, by.wrapped(name, getattr(os, name)))


def main() -> None:
    mode, number, script, *args = sys.argv[1:]
    sys.argv = [script, *args]
    sys.path[0] = os.path.dirname(script)
    disturb(Disturber(mode, number, os.environ.pop("MEMEX_ONLY", ""), os.environ.pop("MEMEX_EVENTS", "")))
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
