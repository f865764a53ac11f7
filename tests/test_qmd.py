"""qmd beside our own index: what is asked of it, when it is left alone, and the real one."""

from __future__ import annotations

import wiki_lib as wl

import json
import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest
import wiki_qmd
from conftest import CHECKOUT, SCRIPTS

EXAMPLES = CHECKOUT / "examples" / "sessions"

# It keeps collections as `name=folder` lines, notes what it was asked, and prints what the real one prints.
FAKE_QMD = """#!/bin/sh
kept="$HOME/qmd-collections"
touch "$kept"
echo "$*" >> "$HOME/qmd-asked"
shift 2
case "$1 $2" in
  "collection list")
    echo "Collections ($(wc -l < "$kept")):"
    while IFS='=' read -r name folder; do
      printf '\\n%s (qmd://%s/)\\n  Pattern:  *.md\\n  Files:    1\\n' "$name" "$name"
    done < "$kept" ;;
  "collection show")
    printf 'Collection: %s\\n  Path:     %s\\n  Pattern:  *.md\\n' "$4" "$(sed -n "s/^$4=//p" "$kept")" ;;
  "collection add") echo "$5=$3" >> "$kept" ;;
  "collection remove") grep -v "^$4=" "$kept" > "$kept.new"; mv "$kept.new" "$kept" ;;
esac
"""


@pytest.fixture
def wiki(home) -> Path:
    """Two wings and a live page."""
    for path in ("conversations/api/2026-04-12-retry-0000000a.md", "conversations/web/2026-04-12-lint-0000000b.md",
                 "wiki/patterns/jitter.md"):
        (home.wiki / path).parent.mkdir(parents=True)
        (home.wiki / path).write_text("---\ntitle: A\n---\n# A\n\nwords\n")
    return home.wiki


@pytest.fixture
def asked(home, wiki, fake_bin):
    """A qmd and a node that is new enough; asked() is what qmd was asked since the last call, without --index."""
    fake_bin("node", "#!/bin/sh\necho v22.0.0\n")
    fake_bin("qmd", FAKE_QMD)
    log = home.path / "qmd-asked"

    def take() -> list[str]:
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        prefix = f"--index memex-{wl.wiki_key(wiki)} "
        assert all(line.startswith(prefix) for line in lines)
        return [line.removeprefix(prefix) for line in lines]
    return take


# -- what is decided --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("line, node", [
    ("#!/usr/bin/env node\n", "node"), ("#!/opt/node-24/bin/node\n", "/opt/node-24/bin/node"), ("#!/bin/sh\n", "node"),
    ("", "node"),
])
def test_the_node_that_counts_is_the_one_qmd_would_run_with(line, node):
    assert wiki_qmd.node_behind(line) == node


@pytest.mark.parametrize("version, enough", [
    ("v24.19.0\n", True), ("v22.0.0", True), ("v21.9.1", False), ("v20.20.2", False), ("v9.1.0", False), ("", False),
    ("1.2.3", False),
])
def test_node_22_is_new_enough(version, enough):
    assert wiki_qmd.new_enough(version) is enough


def test_a_collection_is_called_as_its_wing_and_none_as_another():
    wings = ["api", "my-app-2", "wiki", "-home-x", "my.proj", "MyProj", "my proj", "数据", "index"]
    names = [wiki_qmd.collection_name(wing) for wing in wings]
    assert names[:2] == ["api", "my-app-2"] and names[-1] == "index"
    assert len({*names, wiki_qmd.PAGES}) == len(wings) + 1
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) for name in names)


def test_a_folder_that_a_person_called_otherwise_is_not_added_again():
    wanted = wiki_qmd.collections("/w", ["api", "web"], pages=True)
    assert [c.name for c in wanted] == ["api", "web", "wiki"]
    assert [c.name for c in wiki_qmd.missing(wanted, {"mine": "/w/conversations/api", "wiki": "/w/wiki"})] == ["web"]


# -- what qmd is asked ------------------------------------------------------------------------------------------------

def test_each_wing_and_the_live_pages_get_a_collection_once_and_then_only_update(wiki, asked, run_script, snapshot):
    """M20: FTS5, and qmd where it is usable; no word when nothing changed."""
    assert run_script("wiki-search.py", "--update").stdout == "indexed: 3 files\n"
    assert asked() == [
        "collection list",
        f"collection add {wiki}/conversations/api --name api --mask *.md",
        f"collection add {wiki}/conversations/web --name web --mask *.md",
        f"collection add {wiki}/wiki --name wiki --mask */*.md",
        "update",
    ]
    before = snapshot(wiki)
    done = run_script("wiki-search.py", "--update")
    assert (done.stdout, done.stderr, snapshot(wiki)) == ("", "", before)
    assert asked() == ["collection list", "update"]


def test_a_vanished_wing_is_removed_before_update_and_a_persons_own_collection_stays(home, wiki, asked, run_script):
    run_script("wiki-search.py", "--update")
    with open(home.path / "qmd-collections", "a") as kept:
        kept.write("notes=/elsewhere/that/is/not/mounted\n")
    (wiki / "conversations" / "web").rename(wiki / "conversations" / "site")
    asked()
    run_script("wiki-search.py", "--update")
    assert asked() == [
        "collection list", "collection show -- web", "collection show -- notes", "collection remove -- web",
        f"collection add {wiki}/conversations/site --name site --mask *.md", "update",
    ]


def test_of_a_wiki_that_is_not_mounted_qmd_forgets_nothing(wiki, asked, run_script):
    run_script("wiki-search.py", "--update")
    asked()
    wiki.rename(wiki.with_name("unmounted"))
    wiki.mkdir()
    run_script("wiki-search.py", "--update")
    assert asked() == []


def test_while_a_folder_cannot_be_read_qmd_is_not_updated(wiki, asked, monkeypatch, capfd):
    really = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("/web") and really(path, mode))
    assert wiki_qmd.update(wiki) is False
    assert "conversations/web: cannot be read" in capfd.readouterr().err
    assert asked() == []


def test_a_search_never_reaches_qmd(wiki, asked, run_script):
    run_script("wiki-search.py", "words", "--json")
    run_script("wiki-search.py", "words", "--rebuild")
    assert asked() == []


# -- where it cannot be used ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("node", ["#!/bin/sh\necho v20.20.2\n", "#!/bin/sh\nexit 139\n"])
def test_with_an_old_or_broken_node_nothing_is_asked_and_a_night_is_silent(node, wiki, asked, fake_bin, run_script):
    fake_bin("node", node)
    done = run_script("wiki-search.py", "--update")
    assert (done.stdout, done.stderr, asked()) == ("indexed: 3 files\n", "", [])


def test_with_an_old_node_a_terminal_hears_why(home, wiki, asked, fake_bin):
    fake_bin("node", "#!/bin/sh\necho v20.20.2\n")
    master, slave = pty.openpty()
    done = subprocess.run([SCRIPTS / "wiki-search.py", "--update"], env=home.environ, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=slave, timeout=60)
    os.close(slave)
    said = os.read(master, 4096).decode() if select.select([master], [], [], 1)[0] else ""
    os.close(master)
    assert (done.returncode, said.strip()) == (0, "qmd needs node 22 or newer; skipped")


def test_without_qmd_nothing_is_said(wiki, run_script):
    done = run_script("wiki-search.py", "--update")
    assert (done.stdout, done.stderr) == ("indexed: 3 files\n", "")


# -- where it fails ---------------------------------------------------------------------------------------------------

def test_a_qmd_that_fails_is_one_warning_and_exit_1_and_our_own_search_goes_on(wiki, asked, fake_bin, run_script):
    fake_bin("qmd", "#!/bin/sh\necho 'database is malformed' >&2\nexit 1\n")
    done = run_script("wiki-search.py", "--update", check=False)
    assert done.returncode == 1 and done.stdout == "indexed: 3 files\n"
    assert re.fullmatch(r"wiki-search\.py: qmd: .*database is malformed; .*\n", done.stderr)
    found = run_script("wiki-search.py", "words", "--update", "--json", check=False)
    assert found.returncode == 1 and len(json.loads(found.stdout)) == 3


HANGING_QMD = '#!/bin/sh\nsleep 300 &\necho $! > "$HOME/pid.new"\nmv "$HOME/pid.new" "$HOME/pid"\nwait\n'


def ended(pid_file: Path) -> bool:
    """Is the process gone? One that only waits for its end to be taken note of is."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", pid_file.read_text().strip()], capture_output=True, text=True)
    return state.stdout.strip()[:1] in ("", "Z")


def test_a_qmd_that_hangs_is_stopped_with_all_it_started(home, wiki, asked, fake_bin, monkeypatch, capfd):
    fake_bin("qmd", HANGING_QMD)
    monkeypatch.setattr(wiki_qmd, "LOOK_SECONDS", 1)
    assert wiki_qmd.update(wiki) is False
    err = capfd.readouterr().err
    assert err.count("\n") == 1 and "no answer within 1 s" in err
    assert ended(home.path / "pid")


def test_qmd_ends_with_the_script_that_is_told_to_end(home, wiki, asked, fake_bin):
    fake_bin("qmd", HANGING_QMD)
    pid = home.path / "pid"
    with subprocess.Popen([SCRIPTS / "wiki-search.py", "--update"], env=home.environ, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(200):
            if pid.exists():
                break
            time.sleep(0.05)
        process.terminate()
        assert process.wait(timeout=20) == 143
    assert ended(pid)


def test_while_another_run_updates_qmd_this_one_leaves_it(wiki, asked):
    with wl.locked("qmd", wait=0, root=wiki):
        assert wiki_qmd.update(wiki) is True
    assert asked() == []


# -- the real one -----------------------------------------------------------------------------------------------------

def test_the_real_qmd_finds_what_was_mined_and_a_second_run_changes_nothing(qmd, home, run_script, snapshot):
    """M20, M40: phase 3 with the real qmd."""
    env = {"PATH": f"{qmd}{os.pathsep}{home.environ['PATH']}"}

    def search(word: str, *more: str) -> list[str]:
        said = subprocess.run(["qmd", "--index", f"memex-{wl.wiki_key(home.wiki)}", "search", word, "--format", "json", *more],
                              env={**home.environ, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60, check=True).stdout
        return [hit["file"] for hit in json.loads(said)]

    run_script("wiki-maintain.sh", "--sessions", EXAMPLES, env=env)
    assert any(file.startswith("qmd://api/2026-") for file in search("backup"))
    assert search("backup", "-c", "web") == []
    before = snapshot(home.wiki)
    again = run_script("wiki-maintain.sh", "--sessions", EXAMPLES, env=env)
    assert (again.stdout, again.stderr) == ("", "") and snapshot(home.wiki) == before

    run_script("wiki-staging.py", "--promote-all", env=env)
    (home.wiki / "conversations" / "web").rename(home.wiki / "conversations" / "wiki")      # a wing called as the pages are
    run_script("wiki-search.py", "--update", env=env)
    assert any(file.startswith("qmd://wiki/") for file in search("backup", "-c", "wiki"))
    assert search("countdown", "-c", wiki_qmd.collection_name("wiki"))
    done = subprocess.run(["qmd", "--index", f"memex-{wl.wiki_key(home.wiki)}", "collection", "list"], capture_output=True,
                          env={**home.environ, **env}, stdin=subprocess.DEVNULL, text=True, timeout=60, check=True).stdout
    assert sorted(wiki_qmd.listed(done)) == sorted(["api", "deploy", "wiki", wiki_qmd.collection_name("wiki")])
