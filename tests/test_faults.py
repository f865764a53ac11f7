"""A disk that is full, broken, read-only or not there, files that cannot be read, limits, and others at work at the same time:
one clear line, nothing lost, and the next run ends as if nothing had happened."""

from __future__ import annotations

import wiki_lib as wl

import os
import re
import resource
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import scenes
import sessions
from conftest import Home

ERRORS = ("ENOSPC", "EIO", "EACCES", "EROFS", "EDQUOT", "EMFILE")
FOR_ALL = ("ENOSPC", "EROFS", "EDQUOT", "EMFILE")                # where it fails once, nothing else would fare better
POINTS = {"first": 8, "grown": 7}                              # spread over the run; marked `real`: each of them
SHARES = 20                                                     # in which each of them is done


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    base = tmp_path_factory.mktemp("scenes")
    return lambda name: scenes.made(name, base)


def complaints(done: subprocess.CompletedProcess) -> list[str]:
    """The lines of stderr but those that a scene's broken session gives."""
    return [line for line in done.stderr.splitlines() if "broken line" not in line]


def fails_well(done: subprocess.CompletedProcess, lines: int = 1) -> None:
    """One clear line (at most so many) that names a subject and what happened; status 1; never a traceback."""
    said = complaints(done)
    assert done.returncode == 1 and 1 <= len(said) <= lines, (done.returncode, done.stderr)
    assert [line for line in said if not re.fullmatch(r"extract-sessions\.py: \S.*: .+", line)] == []


def finished(home: Home, scene: scenes.Scene) -> None:
    done = scene.run(home)
    assert (done.returncode, complaints(done)) == (0, []) and scene.wrongs(home) == []
    done = scene.run(home)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def fault_at(home: Home, scene: scenes.Scene, number: int, error: str, ever_after: str = "") -> None:
    scene.set(home)
    done = scene.run(home, error, f"{number}{ever_after}")
    if done.returncode == 0:                                    # what failed could be done without: then all was done
        assert complaints(done) == [] and scene.wrongs(home) == [], scene.events[number - 1]
    else:
        fails_well(done, lines=99 if ever_after and error not in FOR_ALL else 1)
    finished(home, scene)


# ---------------------------------------------------------------- one thing fails

@pytest.mark.parametrize(("name", "point"), [(name, p) for name, points in POINTS.items() for p in range(points)])
def test_whatever_fails_is_one_line_and_the_next_run_ends_undisturbed(home, scene, name, point):
    here = scene(name)
    number = 1 + point * len(here.events) // POINTS[name]
    fault_at(home, here, number, ERRORS[number % len(ERRORS)], ever_after="-" if point % 3 == 0 else "")


@pytest.mark.real
@pytest.mark.parametrize("ever_after", ["", "-"], ids=["once", "from-then-on"])
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", list(POINTS))
def test_each_thing_that_may_fail_is_one_line_and_the_next_run_ends_undisturbed(home, scene, name, share, ever_after):
    here = scene(name)
    for number in range(1 + share, len(here.events) + 1, SHARES * (2 if ever_after else 1)):
        for folder in (home.wiki, home.cache):
            shutil.rmtree(folder, ignore_errors=True)
        fault_at(home, here, number, ERRORS[number // SHARES % len(ERRORS)], ever_after)


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("what", ["fsync", "replace"])
def test_a_sync_or_a_rename_that_fails_lets_no_session_count_as_read(home, scene, what, error):
    here = scene("grown")
    count = sum(event.startswith(what) for event in here.events)
    assert count >= 4
    for number in range(1, count + 1, max(1, count // 2)):
        shutil.rmtree(home.wiki, ignore_errors=True)
        here.set(home)
        fails_well(here.run(home, error, number, MEMEX_ONLY=f"^{what} "))
        done = here.run(home)
        assert (done.returncode, complaints(done)) == (0, []) and here.wrongs(home) == []


# ---------------------------------------------------------------- what real disks and systems do

def mounted(place: Path, *options: str) -> bool:
    place.mkdir(parents=True, exist_ok=True)
    return subprocess.run(["mount", *options, str(place)], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(home):
    """`small_disk("64k")` puts the wiki on a disk of that size; skips where this is not allowed."""
    places = []

    def make(size: str) -> Path:
        if os.geteuid() or not shutil.which("mount") or not mounted(home.wiki, "-t", "tmpfs", "-o", f"size={size}", "memex-test"):
            pytest.skip("a small disk can be made by root alone, where mounting is allowed")
        places.append(home.wiki)
        return home.wiki
    yield make
    for place in places:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("kilobytes", [32, 100, 160])
def test_a_full_disk_is_one_line_and_with_room_again_nothing_is_missing(home, scene, small_disk, kilobytes):
    here = scene("first")
    disk = small_disk(f"{kilobytes}k")
    done = here.run(home)
    assert done.returncode == 1 and "No space left" in done.stderr and "Traceback" not in done.stderr
    assert len(complaints(done)) == 1
    subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
    finished(home, here)


def test_a_disk_that_is_read_only_is_one_line(home, scene, small_disk):
    here = scene("grown")
    disk = small_disk("20m")
    shutil.copytree(here.before, disk, dirs_exist_ok=True, symlinks=True)
    before = scenes.content(disk)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    fails_well(here.run(home))
    assert scenes.content(disk) == before
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    finished(home, here)


def limited(what: int, amount: int):
    return lambda: resource.setrlimit(what, (amount, resource.getrlimit(what)[1]))


def run_limited(here: scenes.Scene, home: Home, what: int, amount: int, *args: str) -> subprocess.CompletedProcess:
    return subprocess.run([*here.argv(), *args], env=here.environ(home), stdin=subprocess.DEVNULL, text=True, check=False,
                          capture_output=True, timeout=scenes.SECONDS, preexec_fn=limited(what, amount))


@pytest.mark.parametrize("size", [40, 400, 2_000])
def test_a_limit_that_hardly_any_file_meets_is_said_and_loses_nothing(home, scene, size):
    here = scene("grown")
    here.set(home)
    fails_well(run_limited(here, home, resource.RLIMIT_FSIZE, size), lines=9)
    finished(home, here)


def test_a_limit_on_the_size_of_files_costs_the_large_ones_alone(home, run_script):
    long = sessions.Claude(home.claude, "api").user("A long one")
    for n in range(60):
        long.assistant(f"Answer {n}: " + "words " * 40)
    long.write()
    sessions.Claude(home.claude, "web").user("A short one").assistant("Yes").write()
    here = scenes.Scene("limits", home)
    done = run_limited(here, home, resource.RLIMIT_FSIZE, 6_000)
    assert done.returncode == 1 and "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1
    assert "File too large" in done.stderr and [p.parent.name for p in home.wiki.glob("conversations/*/*.md")] == ["web"]
    run_script("extract-sessions.py")
    assert sorted(p.parent.name for p in home.wiki.glob("conversations/*/*.md")) == ["api", "web"]


@pytest.mark.parametrize("files", [6, 16])
def test_too_few_open_files_are_one_line_or_enough(home, scene, files):
    here = scene("grown")
    here.set(home)
    done = run_limited(here, home, resource.RLIMIT_NOFILE, files)
    assert done.returncode in (0, 1)
    if done.returncode == 0:
        assert here.wrongs(home) == []
    finished(home, here)


@pytest.mark.parametrize("megabytes", [60, 120])
def test_too_little_memory_loses_nothing(home, scene, megabytes):
    here = scene("grown")
    here.set(home)
    run_limited(here, home, resource.RLIMIT_AS, megabytes * 1_000_000)
    finished(home, here)


def test_a_wiki_dir_that_is_a_file_is_one_line(home, scene):
    home.wiki.write_text("I am a file\n")
    fails_well(scene("first").run(home))
    assert home.wiki.read_text() == "I am a file\n"
    home.wiki.unlink()
    (home.path / "file").write_text("x")
    fails_well(scene("first").run(home, WIKI_DIR=str(home.path / "file" / "wiki"), mode="count"))


@pytest.mark.parametrize("folder", ["conversations", "conversations/api", "reports", ".mine-state.json", ".machine-id"])
def test_a_thing_of_the_wrong_kind_in_the_wiki_is_one_line_each_and_costs_no_session(home, scene, folder):
    """A file where a folder belongs, a folder where a file belongs."""
    here = scene("first")
    place = home.wiki / folder
    place.parent.mkdir(parents=True)
    if place.suffix or place.name.startswith("."):
        place.mkdir()
    else:
        place.write_text("x\n")
    (home.wiki / "keep").touch()
    done = here.run(home)
    assert done.returncode == 1 and "Traceback" not in done.stderr and complaints(done), done.stderr
    assert all(line.startswith("extract-sessions.py: ") for line in complaints(done))
    place.unlink() if place.is_file() else place.rmdir()
    done = here.run(home)
    assert (done.returncode, complaints(done)) == (0, [])
    wanted = {p for p in here.after if p.startswith("conversations/")}
    assert {p for p in scenes.content(home.wiki) if p.startswith("conversations/")} == wanted


@pytest.mark.parametrize("env", [{"XDG_CACHE_HOME": "file"}, {"XDG_CACHE_HOME": "/proc/none"}, {"HOME": "/nonexistent"},
                                 {"HOME": ""}, {"XDG_CACHE_HOME": "", "HOME": "/proc/none"}])
def test_no_home_and_no_cache_of_its_own_are_borne(home, scene, env):
    """The lock is kept elsewhere then."""
    here = scene("grown")
    here.set(home)
    (home.path / "file").write_text("x")
    env = {k: str(home.path / "file") if v == "file" else v for k, v in env.items()}
    done = here.run(home, "count", **env)
    assert (done.returncode, complaints(done)) == (0, []) and here.wrongs(home) == []


def test_a_file_that_cannot_be_read_is_one_line_and_loses_nothing_of_what_was_read_before(home, run_script):
    c = sessions.Claude(home.claude).user("Hello").assistant("Hi")
    path = c.write()
    run_script("extract-sessions.py")
    [transcript] = home.wiki.glob("conversations/*/*.md")
    text = transcript.read_bytes()
    path.rename(home.path / "aside")
    path.symlink_to("/proc/self/mem")                           # a file that cannot be read, even by root
    if not path.is_file():
        pytest.skip("no /proc here: an unreadable file cannot be made")
    done = run_script("extract-sessions.py", check=False)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and transcript.read_bytes() == text
    path.unlink()
    (home.path / "aside").rename(path)
    c.user("More").write()
    run_script("extract-sessions.py")
    assert b"More" in transcript.read_bytes() and not (home.wiki / "reports/mine-errors.md").exists()


def test_a_session_file_that_vanishes_or_shrinks_while_it_is_read_costs_nothing(home, run_script):
    """An agent writes and a person cleans up while the night runs."""
    chats = [sessions.Claude(home.claude, seed=str(n)).user(f"Number {n}").assistant("Yes. " * 200) for n in range(30)]
    for c in chats:
        c.write()
    stop = threading.Event()

    def meddle() -> None:
        n = 0
        while not stop.is_set():
            c = chats[n % 30]
            c.path.unlink(missing_ok=True)
            c.write(lines=1 + n % 2, end="" if n % 3 else "\n")
            c.write()
            n += 1
    meddler = threading.Thread(target=meddle)
    meddler.start()
    try:
        for _ in range(3):
            done = run_script("extract-sessions.py", check=False)
            assert "Traceback" not in done.stderr and done.returncode in (0, 1)
    finally:
        stop.set()
        meddler.join()
    for c in chats:
        c.write()
    run_script("extract-sessions.py")
    found = [wl.parse_conversation("x", p.read_text()).read().said for p in home.wiki.glob("conversations/*/*.md")]
    assert sorted(len(said) for said in found) == [2] * 30


# ---------------------------------------------------------------- others at work

def test_of_two_runs_at_once_one_leaves_with_75_and_in_silence(home, scene):
    here = scene("first")
    both = [subprocess.Popen(here.argv(), env=here.environ(home), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for _ in range(4)]
    done = [(*p.communicate(timeout=scenes.SECONDS), p.returncode) for p in both]
    codes = [code for _, _, code in done]
    assert set(codes) <= {0, 75} and 0 in codes
    assert all((out, err) == ("", "") for out, err, code in done if code == 75)
    finished(home, here)


def test_a_run_beside_another_waits_for_no_lock_of_the_dead(home, scene):
    here = scene("first")
    process = subprocess.Popen(here.argv("EIO", 999), env=here.environ(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.08)
    process.send_signal(signal.SIGSTOP)
    stopped = here.run(home).returncode
    process.kill()
    process.wait()
    assert stopped in (0, 75)                                   # it may not have come to its lock
    finished(home, here)


def test_what_a_person_edits_while_a_run_reads_is_theirs_and_the_session_is_read_again(home, monkeypatch, capsys):
    """The transcript is no longer what the run decided on: refused, said, and done by the next run, on top of the edit."""
    import importlib
    import sys
    extract = importlib.import_module("extract-sessions")
    c = sessions.Claude(home.claude).user("Hello").assistant("Hi")
    c.write()
    monkeypatch.setattr(sys, "argv", ["extract-sessions.py"])
    assert not extract.main()
    [path] = home.wiki.glob("conversations/*/*.md")
    c.user("More").write()
    real = wl.Wiki.apply

    def edited_meanwhile(self, edits, quiet=False):
        edits = list(edits)
        if any(getattr(e, "path", "").startswith("conversations/") for e in edits):
            path.write_text(path.read_text().replace("title: Hello", "title: My own title"))
        return real(self, edits, quiet)
    with monkeypatch.context() as patch:
        patch.setattr(wl.Wiki, "apply", edited_meanwhile)
        extract.main()
    assert "changed since it was read" in capsys.readouterr().err and "More" not in path.read_text()
    assert "title: My own title" in path.read_text()
    wl.problems.clear()
    assert not extract.main()
    assert "title: My own title" in path.read_text() and "More" in path.read_text()


def test_a_run_while_git_packs_its_things_away(home, scene, git):
    here = scene("first")
    assert here.run(home).returncode == 0
    for n in range(40):
        (home.wiki / "wiki" / f"n{n}.md").write_text(f"{n}\n" * 500)
    git("add", "wiki")
    git("commit", "-qm", "pages")
    packing = subprocess.Popen(["git", "gc", "-q", "--aggressive", "--prune=now"], cwd=home.wiki, env=home.environ)
    for path in (home.wiki / "conversations").glob("*/*.md"):
        path.unlink()
    (home.wiki / ".mine-state.json").unlink()
    done = here.run(home)
    assert (done.returncode, complaints(done)) == (0, [])
    assert packing.wait(timeout=60) == 0
    wanted = {p: b for p, b in here.after.items() if p.startswith("conversations/")}
    assert {p: b for p, b in scenes.content(home.wiki).items() if p.startswith("conversations/")} == wanted
    git("fsck", "--strict")


# ---------------------------------------------------------------- the power fails

def test_nothing_counts_as_read_before_its_transcript_has_reached_the_disk(home, scene):
    """Session files vanish after a month: state that is on the disk while the transcript is not would lose one."""
    for name in ("first", "grown"):
        events = scene(name).events
        state = next(n for n, e in enumerate(events) if e.startswith("replace") and ".mine-state.json" in e)
        written = [e.split("/conversations/")[1] for e in events if e.startswith("replace") and "/conversations/" in e]
        synced = [e for e in events[:state] if e.startswith("fsync")]
        assert len(written) >= 5 and len(synced) >= len(written) + 2
        assert max(n for n, e in enumerate(events) if "/conversations/" in e and not e.startswith("fsync")) < state


def test_what_takes_the_place_of_a_transcript_is_synced_before_it_does(scene):
    """Else a power cut leaves an empty file where messages stood that no session file holds any more."""
    events = scene("grown").events
    for number, event in enumerate(events):
        if event.startswith("replace") and "what-grows" in event:
            assert events[number - 1].startswith("fsync")
            return
    raise AssertionError(events)


@pytest.mark.parametrize("ruin", [b"", b"\0" * 500, b"---\ntitle: Hel"])
def test_a_transcript_that_a_disk_ruined_is_written_anew_where_the_session_is_still_there(home, run_script, ruin):
    """What a power cut may leave of a file on a disk that loses what was synced. With the state gone too, all is read again."""
    c = sessions.Claude(home.claude).user("Hello").assistant("Hi")
    c.write()
    run_script("extract-sessions.py")
    [path] = home.wiki.glob("conversations/*/*.md")
    text = path.read_bytes()
    path.write_bytes(ruin)
    (home.wiki / ".mine-state.json").unlink()
    assert run_script("extract-sessions.py", check=False).returncode in (0, 1)
    assert text in [p.read_bytes() for p in home.wiki.glob("conversations/*/*.md")]
