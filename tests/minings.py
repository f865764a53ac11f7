"""Mining in this process, many times over, for the tests that mine one session in every way it may have come about.

    world = minings.World(folder)               a wiki and both agents' folders below it
    world.put(path, data)                       a session file, relative to the folder; each time with a time of its own
    world.mine()                                extract-sessions.py; returns what it printed
    world.found()                               {session: Found}, what the transcripts hold
"""
from __future__ import annotations

import wiki_lib as wl

import argparse
import contextlib
import gc
import importlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

extract = importlib.import_module("extract-sessions")
MACHINE = "0badcafe"
STATE = ".mine-state.json"


@dataclass(frozen=True)
class Found:
    """One transcript: the bytes of its file, its messages in order (main line, then each subagent's) as (line, id, role, text)."""
    path: str
    text: str
    messages: tuple[tuple[str, str, str, str], ...]

    @property
    def ids(self) -> list[str]:
        return [ident for _, ident, _, _ in self.messages]


class World:
    def __init__(self, folder: Path, machine: str = MACHINE):
        self.folder, self.wiki, self.clock = folder, folder / "wiki", 1_700_000_000
        self.wiki.mkdir(parents=True)
        (self.wiki / ".machine-id").write_text(f"{machine}\n")

    def put(self, path: str, data: bytes, seconds: int | None = None) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        self.clock += 60
        os.utime(file, (seconds or self.clock, seconds or self.clock))
        return file

    def mine(self, force: bool = False) -> str:
        given = argparse.Namespace(transcript=None, sessions=[], project="", dry_run=False, force=force)
        said = io.StringIO()
        with self._here(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            extract.extract(given)
        assert not wl.problems, wl.problems
        return said.getvalue()

    @contextlib.contextmanager
    def _here(self) -> Iterator[None]:
        env = {"WIKI_DIR": self.wiki, "CLAUDE_CONFIG_DIR": self.folder / "claude", "CODEX_HOME": self.folder / "codex"}
        before = {name: os.environ.get(name) for name in env}, wl.wiki_disk.WIKI_DIR
        os.environ.update({name: str(value) for name, value in env.items()})
        wl.wiki_disk.WIKI_DIR = self.wiki
        wl.wiki_disk.config.cache_clear()
        try:
            yield
        finally:
            gc.enable()
            os.environ.update({name: value for name, value in before[0].items() if value is not None})
            wl.wiki_disk.WIKI_DIR = before[1]

    def found(self) -> dict[str, Found]:
        made: dict[str, Found] = {}
        for file in sorted(self.wiki.glob("conversations/*/*.md")):
            text = file.read_bytes().decode("utf-8")
            talk = wl.parse_conversation("x", text)
            assert talk.session_id not in made, f"two transcripts of {talk.session_id}"
            read = talk.read()
            lines = [("", read.said), *((a.id, a.messages) for a in read.agents)]
            messages = tuple((line, m.id, m.role, m.text) for line, said in lines for m in said)
            made[talk.session_id] = Found(file.relative_to(self.wiki).as_posix(), text, messages)
        return made

    def tree(self) -> dict[str, bytes]:
        """{path: bytes} of all but the memory of what was read."""
        return {p.relative_to(self.wiki).as_posix(): p.read_bytes() for p in sorted(self.wiki.rglob("*"))
                if p.is_file() and p.name != STATE and ".git" not in p.parts}
