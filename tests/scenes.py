"""Scenes of mining for the tests that disturb it: sessions, the wiki as it was before, and what a run that nobody disturbs
makes of both.

    scene = scenes.made("grown", folder)        'first': no wiki yet; 'grown': sessions went on, were rewritten, broke
    scene.set(home)                             puts the wiki as it was before where this test's home has it
    scene.run(home)                             extract-sessions.py; scene.run(home, "kill", 7) disturbed (tests/disturbed.py)
    assert scene.wrongs(home) == []             after the next run: nothing lost, nothing doubled, nothing left lying about
"""
from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import sessions
from conftest import SCRIPTS, Home, make_home

SCRIPT = SCRIPTS / "extract-sessions.py"
DISTURBED = Path(__file__).with_name("disturbed.py")
SECONDS = 60


@dataclass
class Scene:
    """`before`: the wiki that a run finds, None for none; `after`: {path: bytes} when nobody disturbed it; `events`: what that
    run did to the disk, a line each."""
    name: str
    sessions: Home
    before: Path | None = None
    after: dict[str, bytes] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    said: int = 0                 # its exit code

    def set(self, home: Home) -> None:
        if self.before:
            shutil.copytree(self.before, home.wiki, symlinks=True)

    def environ(self, home: Home) -> dict[str, str]:
        return {**home.environ, "CLAUDE_CONFIG_DIR": str(self.sessions.claude), "CODEX_HOME": str(self.sessions.codex)}

    def argv(self, mode: str = "", number: int | str = 0) -> list[str]:
        return [sys.executable, str(DISTURBED), mode, str(number), str(SCRIPT)] if mode else [str(SCRIPT)]

    def run(self, home: Home, mode: str = "", number: int | str = 0, **env: str) -> subprocess.CompletedProcess:
        return subprocess.run(self.argv(mode, number), env={**self.environ(home), **env}, stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=SECONDS, check=False)

    def wrongs(self, home: Home) -> list[str]:
        """What does not hold now that a run has ended undisturbed."""
        found = content(home.wiki)
        wrong = [f"{path} is {'gone' if path in self.after else 'new'}" for path in sorted(set(self.after) ^ set(found))]
        wrong += [f"{path} differs" for path in self.after if path in found and found[path] != self.after[path]]
        wrong += [f"{path} is left" for folder in (home.wiki, home.cache) for path in folder.rglob("*")
                  if path.suffix in (".tmp", ".lock") or path.name == ".making"]
        if not self.before:
            told = subprocess.run(["git", "-C", home.wiki, "log", "--format=%s", "--name-only"], env=home.environ,
                                  capture_output=True, text=True, check=False)
            if told.stdout.splitlines() != FIRST_COMMIT:
                wrong.append(f"git: {told.stdout}{told.stderr}")
        return wrong


FIRST_COMMIT = ["A new wiki", "", ".gitattributes", ".gitignore", "archive/index.md", "staging/index.md", "wiki/index.md"]


def content(wiki: Path) -> dict[str, bytes]:
    """{path: bytes} of all but git's own, this machine's name and its memory of where the session files lie."""
    names = (".mine-state.json", ".machine-id")
    files = [p for p in sorted(wiki.rglob("*")) if p.is_file() and ".git" not in p.relative_to(wiki).parts and p.name not in names]
    return {p.relative_to(wiki).as_posix(): re.sub(rb"^machine: '?[0-9a-f]{8}'?$", b"machine: ours", p.read_bytes(), flags=re.M)
            for p in files}


def begun(home: Home) -> dict[str, sessions.Claude | sessions.Codex]:
    """Sessions of both agents as they are at first."""
    made: dict[str, sessions.Claude | sessions.Codex] = {
        name: sessions.Claude(home.claude, "api", seed=name) for name in ("grows", "rewritten", "stays", "breaks", "mends")}
    cloned = {"repository_url": "https://example.com/acme/web.git"}
    made["codex"] = sessions.Codex(home.codex, "web", git=cloned).user("Make it blue").assistant("It is blue.")
    for name, c in made.items():
        if isinstance(c, sessions.Claude):
            c.user(f"What {name}?").assistant("We shall see.").bash("pytest -q", "1 failed\n").assistant(f"It {name}.")
    made["mends"].raw('{"type": broken')
    sub = sessions.Claude(home.claude, seed="sub", isSidechain=True, agentId="a1f3")
    sub.session = made["stays"].session
    sub.user("Find the tests").assistant("Three.").write(made["stays"].path.with_suffix("") / "subagents" / "agent-a1f3.jsonl")
    for c in made.values():
        c.write()
    return made


def gone_on(home: Home, made: dict[str, sessions.Claude | sessions.Codex]) -> None:
    """The same sessions a day later, and a new one."""
    made["grows"].user("And now?").assistant("It grew.")
    made["codex"].user("And green").assistant("It is green.")
    made["rewritten"].lines[1] = made["rewritten"].lines[1].replace("We shall see", "We shall look at it closely")
    made["breaks"].raw('{"type": broken').user("After it")
    made["mends"].lines.pop()
    made["new"] = sessions.Claude(home.claude, "tools", seed="new").user("Something new").assistant("Indeed.")
    for c in made.values():
        c.write()


@functools.cache
def made(name: str, folder: Path) -> Scene:
    """The scene of that name, made in a folder of its own."""
    place = make_home(folder / name / "home")
    scene = Scene(name, place)
    chats = begun(place)
    if name == "grown":
        assert scene.run(place).returncode == 0
        scene.before = folder / name / "before"
        place.wiki.rename(scene.before)
        gone_on(place, chats)
    scene.set(place)
    log = folder / name / "events"
    done = scene.run(place, "count", MEMEX_EVENTS=str(log))
    assert (done.returncode, done.stderr.count("\n")) == (0, name == "grown" or 1), done.stderr
    scene.after = content(place.wiki)
    scene.events = [line.split(" ", 1)[1].replace(str(place.path), "~") for line in log.read_text().splitlines()]
    assert scene.run(place).stdout == "" and scene.wrongs(place) == []
    return scene
