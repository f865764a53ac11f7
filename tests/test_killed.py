"""Killed at any moment, with all that it started: the next run leaves the wiki as if nothing had happened. wiki-maintain.sh at
random moments; extract-sessions.py, which must not lose what will be gone in a month, before each thing it does to the disk."""

from __future__ import annotations

import contextlib
import difflib
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import scenes
from conftest import CHECKOUT, SCRIPTS, Home, make_home, share

MOMENTS = 8                 # one in each eighth of the run
MACHINE = "0a1b2c3d"
DAY = "2026-05-10"          # two days after the newest example
COMMAND = [str(SCRIPTS / "wiki-maintain.sh"), "--sessions", str(CHECKOUT / "examples" / "sessions")]


def begin(home: Home) -> None:
    """A wiki of the same machine in every run: it stands in each transcript."""
    home.wiki.mkdir()
    (home.wiki / ".machine-id").write_text(f"{MACHINE}\n")


def start(home: Home) -> subprocess.Popen:
    return subprocess.Popen(COMMAND, env={**home.environ, "WIKI_TODAY": DAY}, stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def finish(home: Home) -> tuple[int | None, str]:
    process = start(home)
    said = process.communicate(timeout=60)[1]
    return process.returncode, said


def family(first: int) -> set[int]:
    """The process and all that it started which have not ended; what one runs through run_tool has a group, not a session, of
    its own."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(ppid) for pid, ppid, state in (line.split() for line in listed.splitlines()) if state[0] != "Z"}
    ours = {first}
    while more := {pid for pid, ppid in parents.items() if ppid in ours} - ours:
        ours |= more
    return ours & set(parents)


def kill(process: subprocess.Popen) -> None:
    """SIGKILL to the script and all that it started, at one moment: none may start another while the others die."""
    stopped: set[int] = set()
    while more := family(process.pid) - stopped:
        for pid in more:
            with contextlib.suppress(ProcessLookupError):          # it ended by itself
                os.kill(pid, signal.SIGSTOP)
        stopped |= more
    for pid in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=10)


def content(wiki: Path) -> dict[str, bytes]:
    """{path: bytes} of all but git's own and this machine's memory of where the session files lie."""
    return {path.relative_to(wiki).as_posix(): path.read_bytes() for path in sorted(wiki.rglob("*"))
            if path.is_file() and ".git" not in path.relative_to(wiki).parts and path.name != ".mine-state.json"}


def changes(path: str, before: bytes, after: bytes) -> list[str]:
    texts = [data.decode("utf-8", "replace").splitlines() for data in (before, after)]
    return list(difflib.unified_diff(*texts, path, "after being killed", n=0, lineterm=""))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[dict[str, bytes], float]:
    """The tree that a run nobody disturbs leaves (and the run after it does not change), and how long it took."""
    home = make_home(tmp_path_factory.mktemp("undisturbed") / "home")
    begin(home)
    began = time.monotonic()
    assert finish(home) == (0, "")
    took = time.monotonic() - began
    tree = content(home.wiki)
    assert finish(home) == (0, "") and content(home.wiki) == tree
    return tree, took


@pytest.mark.parametrize("seed", share(range(MOMENTS), plain=3))
def test_a_run_killed_at_any_moment_is_finished_by_the_next(home, undisturbed, seed):
    """M18 without a model: nothing lost, nothing doubled, no temporary file left, and then nothing more to do. In each eighth
    of the run; most of them are marked `real`."""
    tree, took = undisturbed
    dice = random.Random(seed)
    begin(home)
    for _ in range(dice.choice((1, 1, 2))):
        process = start(home)
        time.sleep((seed + dice.random()) / MOMENTS * took)
        kill(process)
    assert finish(home) == (0, "")
    after = content(home.wiki)
    assert sorted(after) == sorted(tree)
    assert [line for path in tree if after[path] != tree[path] for line in changes(path, tree[path], after[path])] == []
    assert finish(home) == (0, "") and content(home.wiki) == tree


# ---------------------------------------------------------------- extraction, before each thing that it does to the disk

POINTS = {"first": 13, "grown": 7}                              # spread over the run; marked `real`: each of them
SHARES = 20                                                     # in which each of them is done
INSIDE = [(n, ms) for n in (1, 8, 10) for ms in (1, 3)]         # within git init, add and commit


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    base = tmp_path_factory.mktemp("scenes")
    return lambda name: scenes.made(name, base)


def finished(home: Home, scene: scenes.Scene, again: bool = True) -> None:
    """The next run leaves the tree of an undisturbed one; the one after it has nothing to do."""
    done = scene.run(home)
    assert done.returncode == 0 and "Traceback" not in done.stderr and scene.wrongs(home) == []
    if again:
        tree = scenes.content(home.wiki)
        done = scene.run(home)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "") and scenes.content(home.wiki) == tree


def killed_at(home: Home, scene: scenes.Scene, number: int) -> None:
    scene.set(home)
    assert scene.run(home, "kill", number).returncode == -signal.SIGKILL, scene.events[number - 1]
    finished(home, scene, again=number % 4 == 0)


@pytest.mark.parametrize(("name", "point"), [(name, p) for name, points in POINTS.items() for p in range(points)])
def test_extraction_killed_anywhere_is_finished_by_the_next_run(home, scene, name, point):
    """M5 M18"""
    here = scene(name)
    killed_at(home, here, 1 + point * len(here.events) // POINTS[name])


@pytest.mark.real
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", list(POINTS))
def test_extraction_killed_before_each_thing_it_does_is_finished_by_the_next_run(home, scene, name, share):
    here = scene(name)
    for number in range(1 + share, len(here.events) + 1, SHARES):
        for folder in (home.wiki, home.cache):
            shutil.rmtree(folder, ignore_errors=True)
        killed_at(home, here, number)


@pytest.mark.parametrize(("program", "ms"), INSIDE)
def test_a_wiki_whose_making_was_killed_within_git_is_made_to_the_end(home, scene, program, ms):
    here = scene("first")
    done = here.run(home, "inside", program, MEMEX_ONLY="^start git", MEMEX_DELAY=str(ms / 1000))
    assert done.returncode == -signal.SIGKILL
    finished(home, here, again=False)


@pytest.mark.real
@pytest.mark.parametrize("seed", range(40))
def test_extraction_killed_at_any_moment_is_finished_by_the_next_run(home, scene, seed):
    """With all that it started, whatever it is doing; a third of them twice in a row."""
    here, dice = scene(("first", "grown")[seed % 2]), random.Random(seed)
    here.set(home)
    for _ in range(dice.choice((1, 1, 2))):
        process = subprocess.Popen(here.argv(), env=here.environ(home), stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        time.sleep(dice.uniform(0.04, 0.25))
        kill(process)
    finished(home, here)
