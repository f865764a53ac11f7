"""wiki-sync.sh, run as a person or cron runs it: what it commits, where it pushes, what it says when it cannot."""
from __future__ import annotations

import wiki_lib as wl

import fcntl
import os
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest
import wikis
from conftest import Home

BODY = "# P\n\n- one\n"


@pytest.fixture
def sync(run_script):
    def run(*words, machine: Path | None = None, **options):
        return run_script("wiki-sync.sh", *words, env={"WIKI_DIR": machine} if machine else None, **options)
    return run


@pytest.fixture
def remote(home: Home, git) -> Path:
    folder = home.path / "my remote.git"
    git("init", "-q", "--bare", "-b", "main", folder, cwd=home.path)
    return folder


@pytest.fixture
def two(home: Home, sync, remote, git) -> tuple[Path, Path]:
    """Two machines in step, with one page."""
    sync("--commit")
    wikis.page(home.wiki, "wiki/patterns/p.md", BODY)
    sync("--remote", remote, "full")
    other = home.path / "other machine"
    git("clone", "-q", remote, other, cwd=home.path)
    sync("--remote", remote, machine=other)
    return home.wiki, other


def heads(git, repository: Path) -> str:
    return git("for-each-ref", "--format=%(refname) %(objectname)", cwd=repository)


# ---------------------------------------------------------------- where it pushes

def test_a_clone_of_the_program_does_not_move_the_remote_it_came_from(home, sync, git, remote):
    """M42"""
    seed = home.path / "seed"
    git("clone", "-q", remote, seed, cwd=home.path)
    (seed / "scripts").mkdir()
    (seed / "scripts/tool.py").write_text("print(1)\n")
    git("add", "-A", cwd=seed)
    git("commit", "-qm", "the program", cwd=seed)
    git("push", "-q", "origin", "HEAD", cwd=seed)
    git("clone", "-q", remote, home.wiki, cwd=home.path)
    before = heads(git, remote)
    wikis.page(home.wiki, "wiki/patterns/p.md", BODY)
    done = sync("full")
    assert "committed here, not pushed: no remote is named" in done.stdout
    assert heads(git, remote) == before
    assert "wiki/patterns/p.md" in git("ls-files")


def test_naming_a_remote_pushes_there_and_leaves_the_tracking_of_origin_as_it_is(home, sync, git, remote, two):
    """M41 M42"""
    here, there = two
    wikis.page(here, "wiki/patterns/q.md", BODY)
    sync("full")
    git("pull", "-q", "--ff-only", cwd=there)
    assert (there / "wiki/patterns/q.md").exists()
    assert git("config", "branch.main.remote", cwd=there).strip() == "origin"
    assert git("rev-parse", "HEAD", cwd=here) == git("rev-parse", "main", cwd=remote)


def test_without_a_network_the_work_is_committed_and_said_to_be_not_pushed(home, sync, git):
    """M42"""
    sync("--remote", home.path / "nowhere.git")
    wikis.page(home.wiki, "wiki/patterns/p.md", BODY)
    done = sync("full")
    assert "committed here, not pushed: " in done.stdout and "nowhere.git" in done.stdout
    assert git("status", "--porcelain") == ""


def test_a_remote_that_refuses_is_a_failure_and_the_work_is_committed(home, sync, git, remote, two):
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho quota exceeded >&2\nexit 1\n")
    hook.chmod(0o755)
    wikis.page(home.wiki, "wiki/patterns/q.md", BODY)
    done = sync("full", check=False)
    assert done.returncode == 1 and "committed here, not pushed" in done.stderr
    assert git("status", "--porcelain") == ""


def test_a_push_that_lost_the_race_is_merged_and_tried_again(two, sync, git, home, remote, fake_bin):
    """M42: another machine pushes between our fetch and our push."""
    here, there = two
    for machine, name in ((here, "q"), (there, "r")):
        wikis.page(machine, f"wiki/patterns/{name}.md", BODY)
    script = Path(wl.__file__).with_name("wiki-sync.sh")
    real = subprocess.run(["sh", "-c", "command -v git"], capture_output=True, text=True).stdout.strip()
    fake_bin("git", f"""#!/bin/sh
case "$*" in *" push "*) if mkdir "{home.path}/once" 2>/dev/null; then
  PATH="${{PATH#*:}}" WIKI_DIR="{there}" "{script}" full >/dev/null 2>&1; fi ;; esac
exec {real} "$@"
""")
    sync("full")
    assert (home.path / "once").is_dir()
    sync("--pull", machine=there)
    assert git("rev-parse", "HEAD", cwd=here) == git("rev-parse", "HEAD", cwd=there)
    assert {p.name for p in (there / "wiki/patterns").iterdir()} >= {"p.md", "q.md", "r.md"}


def test_two_wikis_without_a_common_beginning_become_one(home, sync, git, remote, two):
    newcomer = home.path / "new"
    sync("--commit", machine=newcomer)
    wikis.page(newcomer, "wiki/patterns/p.md", BODY.replace("one", "two"))
    sync("--remote", remote, "full", machine=newcomer)
    sync("full")
    text = (home.wiki / "wiki/patterns/p.md").read_text()
    assert "- one" in text and "- two" in text
    assert text == (newcomer / "wiki/patterns/p.md").read_text()


def test_under_cron_with_nothing_new_and_no_remote_nothing_is_said_and_a_person_is_told(home, sync):
    """M40 M42"""
    assert "committed here, not pushed" in sync("full").stdout      # the new wiki's first commit
    done = sync("full")
    assert (done.stdout, done.stderr) == ("", "")
    script = Path(wl.__file__).with_name("wiki-sync.sh")
    reader, terminal = os.openpty()
    subprocess.run([script, "full"], env=home.environ, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal, check=True)
    os.close(terminal)
    assert b"committed here, not pushed: no remote is named" in os.read(reader, 4096)


def test_naming_a_remote_says_what_will_go_there_or_that_it_does_not_answer_and_a_push_says_so(home, sync, remote):
    """M42"""
    sync("--commit")
    wikis.talk(home.wiki, "2026-04-12", ["retry-policy"], fact=["Retries use full jitter."])
    sync("--commit")
    done = sync("--remote", home.path / "nowhere.git")
    assert done.returncode == 0 and "nowhere.git does not answer now: " in done.stdout and not done.stderr
    assert f"1 transcript goes to {remote} at the next sync; read some first" in sync("--remote", remote).stdout
    assert f"pushed 2 commits to {remote}\n" in sync("full").stdout
    assert sync("--remote", remote).stdout == ""
    secret = f"file://me:hunter2@localhost{remote}"
    assert "hunter2" not in "".join((done := sync("--remote", secret)).stdout + done.stderr)


def test_what_comes_without_a_merge_is_told_as_well(two, sync):
    here, there = two
    wikis.page(here, "wiki/patterns/q.md", BODY)
    sync("full", machine=here)
    assert sync("full", machine=there).stdout.splitlines()[0] == "sync: from elsewhere: 1 page"


# ---------------------------------------------------------------- what it commits

def test_an_absent_wiki_is_made_and_without_an_identity_the_commit_is_ours(home, sync, git):
    sync("full")
    assert git("log", "--format=%ae").split() == ["memex@localhost"]
    assert git("symbolic-ref", "--short", "HEAD").strip() == "main"


def test_a_persons_edits_in_the_data_folders_are_committed_and_nothing_elsewhere(home, sync, git):
    """M42"""
    sync("--commit")
    wikis.page(home.wiki, "wiki/patterns/p.md", BODY)
    wikis.talk(home.wiki, "2026-04-12", ["retry-policy"], fact=["Retries use full jitter."])
    wikis.put(home.wiki, "notes.txt", "mine")
    wikis.put(home.wiki, "scripts/tool.py", "mine")
    assert sync("--commit").stdout == "sync: 1 conversation, 1 page\n"
    assert git("log", "-1", "--format=%s").strip() == "sync: 1 conversation, 1 page"
    assert git("status", "--porcelain").split("\n")[:-1] == ["?? notes.txt", "?? scripts/"]
    assert "(patterns/p.md)" in git("show", "HEAD:wiki/index.md")
    (home.wiki / "wiki/patterns/p.md").unlink()
    sync("--commit")
    assert git("status", "--porcelain", "wiki") == "" and "p.md" not in git("ls-files", "wiki")


def test_a_second_sync_writes_nothing_and_says_nothing(home, sync, two, snapshot):
    before = snapshot(home.wiki)
    done = sync("full")
    assert (done.stdout, done.stderr) == ("", "")
    assert snapshot(home.wiki) == before


def test_what_a_killed_process_left_half_written_is_not_committed(home, sync, git):
    sync("--commit")
    wikis.put(home.wiki, "wiki/patterns/.p.md.999999999.tmp", "half")
    wikis.page(home.wiki, "wiki/patterns/p.md", BODY)
    sync("--commit")
    assert not list((home.wiki / "wiki/patterns").glob(".*.tmp"))
    assert git("status", "--porcelain") == ""


def test_status_writes_nothing_not_even_a_wiki(home, sync, two, snapshot):
    """M41"""
    nowhere = home.path / "nowhere"
    assert "no wiki here yet" in sync("--status", machine=nowhere).stdout
    assert not nowhere.exists()
    wikis.page(home.wiki, "wiki/patterns/q.md", BODY)
    before = snapshot(home.wiki, but=())
    said = sync("--status").stdout
    assert "to commit: 1 page" in said and "my remote.git" in said
    assert snapshot(home.wiki, but=()) == before


# ---------------------------------------------------------------- what it finds

def both_edit(two: tuple[Path, Path]) -> None:
    for machine, word in zip(two, ("here", "there"), strict=True):
        wikis.page(machine, "wiki/patterns/p.md", BODY + f"- {word}\n", last_verified=f"2026-05-0{len(word)}")


def test_a_merge_that_was_left_half_done_is_finished_and_what_was_written_into_it_kept(two, sync, git):
    """M41"""
    here, there = two
    both_edit(two)
    sync("full", machine=there)
    sync("--commit")
    (here / ".git/info/attributes").write_text("*.md -merge\n")      # conflicts, as where .gitattributes was lost
    git("fetch", "-q", "wiki", cwd=here)
    git("merge", "-q", "wiki/main", cwd=here, check=False)
    page = here / "wiki/patterns/p.md"
    assert (here / ".git/MERGE_HEAD").exists()
    page.write_text(page.read_text() + "- by hand\n")
    sync("full")
    body = page.read_text()
    assert all(body.count(f"- {w}\n") == 1 for w in ("one", "here", "there", "by hand")), body
    assert "last_verified: 2026-05-05" in body
    assert git("status", "--porcelain") == "" and len(git("log", "-1", "--format=%P").split()) == 2


def test_a_plain_union_merge_made_elsewhere_is_put_right_at_the_next_sync(two, sync, git):
    """M41"""
    here, there = two
    both_edit(two)
    sync("full", machine=there)
    sync("--commit")
    git("pull", "-q", "--no-rebase", "--no-edit", "wiki", "main", cwd=here)
    assert (here / "wiki/patterns/p.md").read_text().count("last_verified:") == 2
    sync("full")
    text = (here / "wiki/patterns/p.md").read_text()
    assert text.count("last_verified: 2026-05-05") == text.count("last_verified:") == 1
    assert "- here" in text and "- there" in text


def test_a_conflict_in_a_file_that_is_not_the_wikis_own_is_left_to_the_person(two, sync, git):
    here, there = two
    for machine, word in zip(two, ("here", "there"), strict=True):
        wikis.put(machine, "notes.txt", word)
        git("add", "notes.txt", cwd=machine)
        git("commit", "-qm", "notes", cwd=machine)
    sync("full", machine=there)
    done = sync("full", check=False)
    assert done.returncode == 1 and "notes.txt: both sides changed it" in done.stderr
    assert git("status", "--porcelain") == "" and not (here / ".git/MERGE_HEAD").exists()


def test_a_page_accepted_here_and_rejected_there_stays_live_and_the_no_is_remembered(two, sync, run_script, git):
    """M41"""
    here, there = two
    proposal = wikis.staged(here, "staging/patterns/s.md", "# S\n\nRetries use full jitter, so that no herd forms.\n",
                            sources=["conversations/api/a.md"], distill_topic="s")
    for machine in (here, there):
        sync("full", machine=machine)
    run_script("wiki-staging.py", "--promote", proposal, env={"WIKI_DIR": here})
    run_script("wiki-staging.py", "--reject", proposal, "--reason", "vague", env={"WIKI_DIR": there})
    sync("full", machine=here)
    done = sync("full", machine=there)
    assert "wiki/patterns/s.md: accepted on one machine, rejected on another; the yes stands" in done.stdout
    sync("full", machine=here)
    for machine in (here, there):
        assert git("ls-files", "wiki/patterns/s.md", "staging/patterns", cwd=machine).split() == ["wiki/patterns/s.md"]
        assert "rejected" in (machine / ".distill-state.json").read_text() and git("status", "--porcelain", cwd=machine) == ""
        assert sync("full", machine=machine).stdout == ""


ENDINGS = {".md": b"# T\n\n- %s\n", ".txt": b"%s\n", ".png": b"\x00\x89PNG %s", "-latin.md": b"\xe4 %s\n", "": b"%s",
           "-d/.gitkeep": b"%s",
           ".yaml": b"a: %s\n", "-state.json": b"{%s"}
FATES = {"edited and removed": (b"old", b"new", None), "removed and edited": (b"old", None, b"new"),
         "added by both": (None, b"one", b"two"), "edited by both": (b"old", b"one", b"two"),
         "removed by both": (b"old", None, None)}


def test_nobody_is_ever_asked_about_a_data_folder_and_nothing_written_there_is_lost(two, sync, git):
    """M41: whatever two machines do to a file of any kind in any data folder."""
    here, there = two
    places = [(f"{folder}/{folder[:2]}-{fate.replace(' ', '-')}{ending}", text, versions)
              for folder in ("wiki/patterns", "staging/patterns", "archive/patterns", "conversations/api", "context", "reports",
                             "raw/harvested", "raw/mine", "wiki")
              for ending, text in ENDINGS.items() for fate, versions in FATES.items()]

    def put(machine: Path, at: int) -> None:
        for path, text, versions in places:
            place = machine / path
            if versions[at] is None:
                place.unlink(missing_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(text % versions[at])
    put(here, 0)
    wikis.put(here, "raw/file", "old\n")
    sync("full", machine=here)
    sync("full", machine=there)
    put(here, 1)
    put(there, 2)
    wikis.put(here, "raw/file", "edited\n")
    (there / "raw/file").unlink()
    wikis.put(there, "raw/file/inside.txt", "inside\n")
    wikis.put(here, "raw/other/inside.txt", "inside\n")
    wikis.put(there, "raw/other", "a file\n")
    (here / "context/link").symlink_to("one")
    (there / "context/link").symlink_to("two")
    for machine in (here, there, here, there):
        sync("full", machine=machine)
        assert git("status", "--porcelain", cwd=machine) == ""
    assert sync("full", machine=here).stdout == sync("full", machine=there).stdout == ""
    trees = [git("ls-tree", "-r", "HEAD", cwd=machine) for machine in two]
    assert trees[0] == trees[1]
    for path, text, versions in places:
        stem, _, ending = Path(path).name.rpartition(".") if "." in Path(path).name[1:] else (Path(path).name, "", "")
        named = re.compile(re.escape(stem) + r"(-[0-9a-f]{8})?" + re.escape(ending and f".{ending}"))
        kept = b"".join(p.read_bytes() for p in (here / path).parent.glob("*") if p.is_file() and named.fullmatch(p.name))
        for word in filter(None, versions[1:]):
            assert (text % word if b"\0" in text or b"\xe4" in text else word) in kept, (path, word, kept)
    raw = [p for p in git("ls-files", "raw", cwd=here).split() if p.startswith(("raw/file", "raw/other"))]
    assert {(here / p).read_text() for p in raw} == {"edited\n", "inside\n", "a file\n"}
    assert {os.readlink(p) for p in (here / "context").glob("link*")} == {"one", "two"}


def test_a_line_that_two_machines_worded_anew_and_a_date_to_come_are_told_with_the_page(two, sync):
    """M41"""
    here, there = two
    for machine, word in zip(two, ("here", "there"), strict=True):
        wikis.page(machine, "wiki/patterns/p.md", BODY.replace("one", f"one, {word}"))
    wikis.page(here, "wiki/patterns/q.md", BODY, created="2999-01-01")
    said = sync("full", machine=here).stdout
    assert "wiki/patterns/q.md: created 2999-01-01 is after tomorrow" in said
    said = sync("full", machine=there).stdout
    assert "wiki/patterns/p.md: two machines worded '- one' anew, each its way; both stand" in said
    assert sync("full", machine=there).stdout == ""


def test_a_locked_index_is_waited_for_and_then_reported_in_one_line(home, sync, git):
    sync("--commit")
    wikis.page(home.wiki, "wiki/patterns/p.md", BODY)
    lock = home.wiki / ".git/index.lock"
    lock.touch()
    done = sync("--commit", check=False)
    assert done.returncode == 1 and "index.lock" in done.stderr and len(done.stderr.splitlines()) == 1
    threading.Thread(target=lambda: (time.sleep(0.8), lock.unlink())).start()
    assert sync("--commit").stdout == "sync: 1 page\n"


def test_a_lock_that_a_killed_git_left_long_ago_is_taken_away(home, sync):
    sync("--commit")
    wikis.page(home.wiki, "wiki/patterns/p.md", BODY)
    lock = home.wiki / ".git/index.lock"
    lock.touch()
    os.utime(lock, (1, 1))
    assert "left by a git that was killed" in sync("--commit").stdout and not lock.exists()


def test_what_a_person_has_not_finished_is_not_committed_for_him(home, sync, git):
    """A half-made revert, cherry-pick or rebase that sync committed would take pages away."""
    sync("--commit")
    for word in ("one", "two", "three"):
        wikis.put(home.wiki, "notes.txt", word)
        git("add", "notes.txt")
        git("commit", "-qm", word)
    before = git("rev-parse", "HEAD")
    git("checkout", "-q", "-b", "other", "HEAD~1")
    git("commit", "-q", "--allow-empty", "-m", "elsewhere")
    wikis.put(home.wiki, "notes.txt", "four")
    git("commit", "-qam", "four")
    git("checkout", "-q", "main")
    for what, argument in (("revert", "HEAD~1"), ("cherry-pick", "other"), ("rebase", "other")):
        git(what, argument, check=False)
        wikis.page(home.wiki, "wiki/patterns/p.md", BODY)
        done = sync("full", check=False)
        assert done.returncode == 1 and f"a {what} is unfinished" in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1 and f"git {what} --abort" in done.stderr
        git(what, "--abort")
        assert git("rev-parse", "HEAD") == before
    assert sync("--commit").stdout == "sync: 1 page\n"


def test_a_person_without_a_git_identity_can_revert_by_hand_and_keeps_his_own_once_he_has_one(home, sync):
    def own_git(*words):
        return subprocess.run(["git", *words], cwd=home.wiki, env=home.environ, capture_output=True, text=True, check=True).stdout
    sync("--commit")
    wikis.page(home.wiki, "wiki/patterns/p.md", BODY)
    sync("--commit")
    own_git("revert", "--no-edit", "HEAD")
    assert own_git("log", "-1", "--format=%an %ae") == "memex memex@localhost\n"
    own_git("config", "--global", "user.name", "Ada")
    own_git("config", "--global", "user.email", "ada@example.org")
    wikis.page(home.wiki, "wiki/patterns/p.md", BODY)
    sync("--commit")
    assert own_git("log", "-1", "--format=%an %ae") == "Ada ada@example.org\n"


def test_without_a_branch_nothing_is_committed_and_the_way_back_is_named(home, sync, git):
    sync("--commit")
    git("checkout", "-q", "--detach")
    wikis.page(home.wiki, "wiki/patterns/p.md", BODY)
    done = sync("full", check=False)
    assert done.returncode == 1 and "no branch is checked out" in done.stderr
    assert "p.md" in git("status", "--porcelain", "-uall")


def test_what_stays_on_one_machine_is_ignored_in_a_repository_that_a_person_made(home, sync, git):
    home.wiki.mkdir()
    git("init", "-q", "-b", "main", home.wiki, cwd=home.path)
    wikis.page(home.wiki, "wiki/patterns/p.md", BODY)
    for mine in (".mine-state.json", ".machine-id", "context/alert.md"):
        wikis.put(home.wiki, mine, "mine")
    sync("--commit")
    assert {"wiki/patterns/p.md", ".gitattributes"} <= set(git("ls-files").split())
    assert not {".mine-state.json", ".machine-id", "context/alert.md"} & set(git("ls-files").split())


def test_while_another_run_is_at_work_sync_leaves_with_75_in_silence(home, sync):
    """M40"""
    sync("--commit")
    with open(home.cache / "memex/locks" / f"{wl.wiki_key(home.wiki)}.run", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = sync("full", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (75, "", "")


def test_it_runs_from_crons_bare_environment_and_from_any_folder(home, two, run_script):
    """M40"""
    script = Path(wl.__file__).with_name("wiki-sync.sh")
    done = subprocess.run([script, "full"], cwd="/", capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={"PATH": "/usr/bin:/bin", "WIKI_DIR": str(two[1]), "XDG_CACHE_HOME": str(home.cache)})
    assert (done.returncode, done.stderr) == (0, "")


def test_what_it_does_not_know_is_a_usage_error_in_one_line(sync):
    for words in (["--psuh"], [], ["--remote"]):
        done = sync(*words, check=False)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert sync("--help").stdout.startswith("Usage: wiki-sync.sh full")


# ---------------------------------------------------------------- wiki_lib.sh

def orchestrator(home: Home, body: str, *words: str, check: bool = True) -> subprocess.CompletedProcess:
    library = Path(wl.__file__).with_name("wiki_lib.sh")
    script = home.path / "a script.sh"
    script.write_text(f'#!/usr/bin/env bash\n# Usage: a script\n#\n# Does things.\n\n# Not the help.\n. "{library}"\n{body}\n')
    script.chmod(0o755)
    done = subprocess.run([script, *words], env=home.environ, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, done.stderr
    return done


def test_a_failing_phase_leaves_the_others_running_and_the_worst_status_is_returned(home):
    """M40"""
    done = orchestrator(home, 'phase one sh -c "exit 75"\nphase two sh -c "exit 1"\nphase three echo done\nphases\nfinish',
                        check=False)
    assert done.returncode == 1
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()[1:]] == [["one", "75"], ["two", "1"], ["three", "0"]]
    assert orchestrator(home, 'phase one sh -c "exit 75"\nfinish', check=False).returncode == 75


def test_the_help_is_the_header(home):
    assert orchestrator(home, "usage").stdout == "Usage: a script\n\nDoes things.\n"


def test_the_run_lock_passes_to_children_and_is_freed_by_death(home):
    """M40"""
    home.wiki.mkdir()
    body = ('run_locked "$@"\n[ "${1:-}" = "an inner" ] || phase inner "$0" "an inner"\n'
            'say "$* $(outermost && echo outermost)"\nfinish')
    assert orchestrator(home, body, "a b").stdout.splitlines() == ["an inner ", "a b outermost"]
    waiting = home.path / "waits.sh"
    waiting.write_text((home.path / "a script.sh").read_text().replace("phase inner", "phase sleeps sleep 30 #"))
    waiting.chmod(0o755)
    running = subprocess.Popen([waiting], env=home.environ)
    lock = home.cache / "memex/locks" / f"{wl.wiki_key(home.wiki)}.run"
    for _ in range(100):
        if _held(lock):
            break
        time.sleep(0.05)
    assert orchestrator(home, body, check=False).returncode == 75
    running.terminate()
    assert running.wait(timeout=10) == 143
    assert not _held(lock)


def _held(lock: Path) -> bool:
    if not lock.exists():
        return False
    with open(lock, "a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
