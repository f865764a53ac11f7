"""The orchestrators: what each flag selects, what a person reads at the end, and the silence of a night with nothing to say."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import CHECKOUT, SCRIPTS

EXAMPLES = CHECKOUT / "examples" / "sessions"
# A script of the suite that only says that it ran, and how: the orchestrators are tested on what they start.
ECHO = '#!/bin/sh\necho "$(basename "$0") $*"\nexit ${FAIL_%s:-0}\n'
CHILDREN = (
    "extract-sessions.py",
    "summarize-conversations.py",
    "update-conversation-index.py",
    "wiki-distill.py",
    "wiki-hygiene.py",
    "wiki-search.py",
    "wiki-status.py",
)


@pytest.fixture
def run_stubbed(home, tmp_path):
    """run_stubbed("wiki-maintain.sh", ..., FAIL_wiki_distill="1"): (exit code, the children started) in a copy of the checkout
    whose Python scripts only echo their arguments."""
    scripts = tmp_path / "copy" / "scripts"
    scripts.mkdir(parents=True)
    for source in SCRIPTS.iterdir():
        if source.suffix == ".sh" or re.fullmatch(r"wiki_\w+\.py", source.name):
            (scripts / source.name).symlink_to(source)
    for name in ("mine-conversations.sh", "wiki-maintain.sh"):
        (scripts / name).unlink()
        (scripts / name).write_bytes((SCRIPTS / name).read_bytes())
        (scripts / name).chmod(0o755)
    for name in CHILDREN:
        (scripts / name).write_text(ECHO % name.removesuffix(".py").replace("-", "_"))
        (scripts / name).chmod(0o755)
    (scripts / "wiki_lib.sh").unlink()
    (scripts / "wiki_lib.sh").write_bytes((SCRIPTS / "wiki_lib.sh").read_bytes())
    (tmp_path / "copy" / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "copy" / ".venv" / "bin" / "python").symlink_to(sys.executable)

    def run(name: str, *args: str, **env: str) -> tuple[int, list[str]]:
        done = subprocess.run([scripts / name, *args], env={**home.environ, **env}, capture_output=True, text=True, timeout=60)
        return done.returncode, [line for line in done.stdout.splitlines() if not line.startswith("wiki-status.py --after")]

    return run


MINE = ["extract-sessions.py", "summarize-conversations.py", "update-conversation-index.py"]


@pytest.mark.parametrize(
    "flags, phases",
    [
        ([], [*MINE, "wiki-distill.py", "wiki-hygiene.py", "wiki-search.py"]),
        (["--no-mine"], ["wiki-distill.py", "wiki-hygiene.py", "wiki-search.py"]),
        (["--no-distill"], [*MINE, "wiki-hygiene.py", "wiki-search.py"]),
        (["--no-harvest", "--no-reindex"], [*MINE, "wiki-distill.py", "wiki-hygiene.py"]),
        (["--distill-only"], ["wiki-distill.py", "wiki-search.py"]),
        (["--harvest-only"], ["wiki-search.py"]),
        (["--hygiene-only"], ["wiki-hygiene.py", "wiki-search.py"]),
        (["--hygiene-only", "--no-reindex"], ["wiki-hygiene.py"]),
    ],
)
def test_each_flag_selects_what_it_names(run_stubbed, flags, phases):
    """M40."""
    code, ran = run_stubbed("wiki-maintain.sh", *flags)
    assert code == 0 and [line.split()[0] for line in ran] == phases


def test_full_dry_run_and_project_reach_the_children_and_a_dry_run_leaves_the_index_alone(run_stubbed):
    """M40."""
    code, ran = run_stubbed("wiki-maintain.sh", "--full", "--dry-run", "--project", "api", "--claude", "--sessions", "/a b")
    assert code == 0
    assert ran == [
        "extract-sessions.py --project api --sessions /a b --dry-run",
        "summarize-conversations.py --project api --claude --dry-run",
        "update-conversation-index.py --dry-run",
        "wiki-distill.py --project api --dry-run",
        "wiki-hygiene.py --full --dry-run",
    ]


def test_distill_first_run_is_passed_on(run_stubbed):
    assert run_stubbed("wiki-maintain.sh", "--distill-only", "--distill-first-run")[1][0] == "wiki-distill.py --first-run"


def test_a_failing_phase_leaves_the_others_running_and_shows_in_the_exit_code(run_stubbed):
    """M40."""
    code, ran = run_stubbed("wiki-maintain.sh", FAIL_wiki_distill="1")
    assert code == 1 and [line.split()[0] for line in ran][-2:] == ["wiki-hygiene.py", "wiki-search.py"]


@pytest.mark.parametrize(
    "flag, ran",
    [
        ("--extract-only", ["extract-sessions.py"]),
        ("--summarize-only", ["summarize-conversations.py"]),
        ("--index-only", ["update-conversation-index.py"]),
    ],
)
def test_an_only_flag_touches_only_what_it_names(run_stubbed, flag, ran):
    """M14."""
    code, lines = run_stubbed("mine-conversations.sh", flag)
    assert code == 0 and [line.split()[0] for line in lines] == ran


def test_project_backend_and_dry_run_pass_through(run_stubbed):
    """M14."""
    _, lines = run_stubbed("mine-conversations.sh", "--project", "api", "--backend", "llama-server", "--dry-run")
    assert lines == [
        "extract-sessions.py --project api --dry-run",
        "summarize-conversations.py --project api --backend llama-server --dry-run",
        "update-conversation-index.py --dry-run",
    ]


@pytest.mark.parametrize("name", ["wiki-maintain.sh", "mine-conversations.sh", "wiki-cron.sh"])
def test_an_unknown_option_is_a_usage_error_of_one_line(run_script, name):
    done = run_script(name, "--nonsense", check=False)
    assert done.returncode == 2 and "--nonsense" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_second_instance_leaves_with_75_silently_without_a_terminal(home, run_script):
    """M40."""
    hold = "import wiki_disk, time\nwith wiki_disk.run_lock(): print(1, flush=True); time.sleep(60)"
    code = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); {hold}"
    holder = subprocess.Popen([sys.executable, "-c", code], env=home.environ, stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        done = run_script("wiki-maintain.sh", check=False)
        assert (done.returncode, done.stdout, done.stderr) == (75, "", "")
    finally:
        holder.kill()
        holder.wait()


@pytest.fixture
def maintained(home, run_script) -> subprocess.CompletedProcess:
    return run_script("wiki-maintain.sh", "--sessions", EXAMPLES)


def test_the_loop_walks_on_the_examples(home, maintained, run_script, snapshot):
    """The first run mines, stages cited pages and says what waits; the second prints not one byte and changes nothing."""
    staged = list((home.wiki / "staging").glob("*/*.md"))
    cites = [
        (path, ident)
        for page in staged
        for path, ident in re.findall(r"(conversations/[^\s#)\]]+\.md)#([0-9a-f]{8,12})", page.read_text())
    ]
    assert staged and cites
    for path, ident in cites:
        assert f"#{ident}" in (home.wiki / path).read_text().split("## Transcript")[-1]
    assert re.search(r"mined \d+ sessions, staged \d+ pages; \d+ s", maintained.stdout)
    assert "wiki-staging.py --list" in maintained.stdout.splitlines()[-1]
    before = snapshot(home.wiki)
    again = run_script("wiki-maintain.sh", "--sessions", EXAMPLES)
    assert (again.stdout, again.stderr) == ("", "") and snapshot(home.wiki) == before


def test_a_dry_run_on_a_bare_machine_leaves_no_wiki(home, run_script):
    run_script("wiki-maintain.sh", "--dry-run", "--sessions", EXAMPLES)
    assert not home.wiki.exists()


def test_without_any_session_a_night_is_silent(home, run_script):
    done = run_script("wiki-maintain.sh", env={"HOME": None})
    assert (done.stdout, done.stderr) == ("", "")


def on_a_terminal(home, *argv, seconds: float = 100) -> str:
    """What a person sees: the command in a pseudo-terminal, its output as text."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(str(argv[0]), [str(a) for a in argv], {**home.environ, "TERM": "xterm"})
    seen, deadline = b"", time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            if select.select([master], [], [], 0.5)[0]:
                try:
                    data = os.read(master, 65536)
                except OSError:
                    break
                if not data:
                    break
                seen += data
    finally:
        os.close(master)
        if time.monotonic() >= deadline:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return seen.decode("utf-8", "replace").replace("\r\n", "\n")


def test_on_a_terminal_the_very_first_run_lists_the_wings_and_how_to_exclude_some(home):
    seen = on_a_terminal(home, SCRIPTS / "wiki-maintain.sh", "--sessions", EXAMPLES)
    wings = seen.index("Wings found:")
    assert "exclude:" in seen[wings:] and re.search(r"api +\d+ conversations", seen[wings:])
    assert wings < seen.index("-- summarise") and "1b harvest" in seen
    assert "Wings found:" not in on_a_terminal(home, SCRIPTS / "wiki-maintain.sh", "--sessions", EXAMPLES)


def test_on_a_terminal_without_any_session_the_examples_are_named(home):
    seen = on_a_terminal(home, SCRIPTS / "wiki-maintain.sh")
    assert "--sessions examples/sessions" in seen


def test_it_works_from_crons_bare_environment(home, run_script):
    """M40: PATH=/usr/bin:/bin and little else, from any folder."""
    env = {name: None for name in home.environ if name not in ("HOME", "WIKI_DIR", "CLAUDE_CONFIG_DIR", "CODEX_HOME")}
    done = run_script("wiki-maintain.sh", "--sessions", EXAMPLES, env={**env, "PATH": "/usr/bin:/bin"}, cwd="/")
    assert "mined" in done.stdout and (home.wiki / "conversations").is_dir()


def test_the_crontab_printer_names_the_hourly_the_nightly_and_the_weekly_job(run_script, home):
    moved = {"CODEX_HOME": None, "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None, "CLAUDE_CONFIG_DIR": "/tmp/it's claude"}
    lines = run_script("wiki-cron.sh", env={"WIKI_DIR": "/tmp/my wiki %", **moved}).stdout.splitlines()
    variables = r"WIKI_DIR='/tmp/my wiki \%' CLAUDE_CONFIG_DIR='/tmp/it'\''s claude' "
    jobs = [line.replace(f"{variables}'{SCRIPTS}'/", "") for line in lines if re.match(r"\d", line)]
    minute = jobs[0].split()[0]
    assert jobs == [
        f"{minute} 0-2,4-23 * * *  mine-conversations.sh --extract-only >/dev/null",
        f"{minute} 3 * * 1-6  wiki-maintain.sh; wiki-sync.sh full",
        f"{minute} 3 * * 0  wiki-maintain.sh --full; wiki-sync.sh full",
    ]


def test_a_run_leaves_its_words_in_the_run_log_and_no_file_of_its_own(home, maintained):
    assert not list(home.cache.glob("memex/run-*.log"))
    log = Path(SCRIPTS / ".maintain.log").read_text()
    assert str(home.wiki) in log
