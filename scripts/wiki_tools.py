"""The one door to other programs: run_tool, and the environment git runs in. Nothing else in the suite starts a process."""
from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wiki_repo import EMAIL, NAME
from wiki_text import ToolError, one_line

if TYPE_CHECKING:
    import subprocess

QUESTION_VARIABLE = "MEMEX_QUESTION"  # set inside a model call: hooks and programs of this suite that find it leave at once

# ---------------------------------------------------------------- 8 tools

@dataclass(frozen=True)
class Completed:
    rc: int
    stdout: str
    stderr: str


class NotStarted(ToolError):
    """The other program was never started: it is missing, or this one is about to end."""


def run_tool(argv: Sequence[str], *, input: str | None = None, timeout: float = 60, check: bool = True,
             env: Mapping[str, str] | None = None, cwd: Path | str | None = None) -> Completed:
    """Run another program in its own process group and wait for it; the whole group is killed on timeout, ^C or SIGTERM.

    ToolError when it is missing, takes longer than `timeout` seconds or (with `check`) fails."""
    import subprocess  # late, as all that not every run needs
    name = Path(argv[0]).name
    with _starting:
        if _closed:
            raise NotStarted(f"{name}: not started; this run is being stopped")
        try:
            process = subprocess.Popen(list(argv), stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, start_new_session=True,
                                       env=None if env is None else dict(env))
        except FileNotFoundError as error:
            raise NotStarted(f"{name}: not found on PATH; install it or leave out what needs it") from error
        except OSError as error:
            raise NotStarted(f"{name}: {error.strerror}; check {argv[0]}") from error
        _running.add(process)
    try:
        out, err = process.communicate(input.encode("utf-8", "replace") if input is not None else None, timeout)
    except BaseException as error:
        _end(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise ToolError(f"{name}: no answer within {timeout:g} s; it was stopped") from error
        raise
    finally:
        _running.discard(process)
    stdout, stderr = out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
    if check and process.returncode:
        said = one_line(stderr or stdout, 300) or "it said nothing"
        raise ToolError(f"{name} {argv[-1] if len(argv) > 1 else ''}: exit {process.returncode}: {said}",
                        process.returncode, stderr)
    return Completed(process.returncode, stdout, stderr)


_starting = threading.Lock()
_running: set[subprocess.Popen] = set()
_closed: list[bool] = []


def _end(process: subprocess.Popen) -> None:
    """End a process and its group: a moment to put things right, or git leaves its locks; then by force."""
    import subprocess
    for sign, seconds in ((signal.SIGTERM, 1.0), (signal.SIGKILL, 2.0)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=seconds)
    # What left the group may hold the pipes open for as long as it likes: nobody waits for that.
    for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
        with contextlib.suppress(OSError):
            pipe.close()
    process.wait()


@contextlib.contextmanager
def stopping() -> Iterator[None]:
    """Stop what other threads of this program have started and wait for (they see it end); nothing is started until this is
    left."""
    with _starting:
        _closed.append(True)
        for process in _running:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    try:
        yield
    finally:
        _closed.pop()


def git_env(root: Path | None) -> dict[str, str]:
    """The environment git runs in: never a prompt, C locale, and an identity of ours where git knows none."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in
            ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL",
             "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_SSL_CAINFO")}
    keep |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "GIT_OPTIONAL_LOCKS": "0"}
    return keep if _has_identity(str(root) if root else "") else keep | {
        "GIT_AUTHOR_NAME": NAME, "GIT_AUTHOR_EMAIL": EMAIL, "GIT_COMMITTER_NAME": NAME, "GIT_COMMITTER_EMAIL": EMAIL}


@functools.cache
def _has_identity(root: str) -> bool:
    if not root:
        return True       # `git init` needs none
    if os.environ.get("GIT_AUTHOR_EMAIL") and os.environ.get("GIT_COMMITTER_EMAIL"):
        return True
    try:
        return run_tool(["git", "-C", root, "config", "user.email"], check=False, timeout=20).rc == 0
    except ToolError:
        return False


def installed(program: str) -> bool:
    import shutil
    return shutil.which(program) is not None
