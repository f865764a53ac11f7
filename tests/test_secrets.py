"""The whole program on sessions full of secrets: whatever place of a session one stands in, no file and no line shows it.

Every secret is used once, so that a leak tells its kind, how it was written and where it stood.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import session_formats as sf
import sessions
from conftest import INSTALLERS, TEST_CACHE, made_once, make_home, run_program
from planted import CONTEXTS, SETTING_CONTEXTS, kinds, settings_of
from wiki_redact import redact

WINDOW = 12      # so many letters and digits of a secret in a row are a leak, in whatever dress


@functools.cache
def made(number: int) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    return kinds(1000 + number), settings_of(1000 + number)


@dataclass
class Planted:
    """Makes secrets and remembers what each was and where it went."""
    known: dict[str, tuple[str, str, str]] = field(default_factory=dict)      # secret -> (kind, context, place)
    used: Counter[str] = field(default_factory=Counter)

    def text(self, kind: str, context: str, place: str) -> str:
        """A text that holds a new secret of a kind, written as the context says."""
        self.used[kind] += 1
        shaped, named = made(self.used[kind])
        if kind in shaped:
            self.known[shaped[kind]] = (kind, context, place)
            return CONTEXTS[context](shaped[kind])
        written, secret = named[kind]
        self.known[secret] = (kind, context, place)
        return SETTING_CONTEXTS[context](written)

    def bare(self, kind: str, place: str) -> str:
        """A secret on one line, with no signs that a file's name cannot hold; '' where the kind is not one."""
        self.used[kind] += 1
        secret = made(self.used[kind])[0].get(kind, "")
        if not re.fullmatch(r"[\w.~:=+-]{1,120}", secret):
            return ""
        self.known[secret] = (kind, "bare", place)
        return secret

    def windows(self) -> dict[str, str]:
        """{letters and digits that only one secret has: the secret}."""
        found: dict[str, str] = {}
        often: Counter[str] = Counter()
        for secret in self.known:
            lines = [line for line in secret.split("\n") if not line.startswith("-----")]
            for bare in map(squeezed, lines):
                bare = bare[13:] if len(bare) > 40 else bare      # what all of a kind begin with
                windows = {bare[i:i + WINDOW] for i in range(len(bare) - WINDOW + 1)} or ({bare} if len(bare) >= 10 else set())
                often.update(windows)
                found |= dict.fromkeys(windows, secret)
        return {w: secret for w, secret in found.items() if often[w] == 1}

    def leaks(self, seen: Iterable[tuple[str, bytes]]) -> dict[str, str]:
        """{secret: where it shows} of what was written."""
        windows = self.windows()
        sizes = sorted({len(w) for w in windows})
        found: dict[str, str] = {}
        for where, data in seen:
            text = squeezed(data.decode("utf-8", "replace"))
            for size in sizes:
                hits = {text[i:i + size] for i in range(len(text) - size + 1)} & windows.keys()
                found |= {windows[h]: where for h in sorted(hits)}
        return found


def squeezed(text: str) -> str:
    """Letters and digits alone: what a slug, a diff, an escape or a fold leaves of a secret is still it."""
    return re.sub(r"[^a-z0-9]+", "", text.lower())


def written(*trees: Path) -> Iterator[tuple[str, bytes]]:
    """(name, name and bytes) of every file below the trees; git's objects unpacked."""
    for tree in trees:
        for path in sorted(tree.rglob("*")):
            data = path.read_bytes() if path.is_file() else b""
            if "/objects/" in str(path) and not path.suffix and path.is_file():
                data = zlib.decompress(data)
            assert not path.name.endswith(".pack")
            yield str(path), str(path.relative_to(tree)).encode() + b"\n" + data


# ---- a session with something in every place ------------------------------------------------------------------------

Plant = Callable[[str], str]      # the name of a place -> a text with a secret in it


def claude_session(folder: Path, plant: Plant, name: str, seed: str) -> sessions.Claude:
    """A session of Claude Code with a secret in every place of it; `name` goes into names of files and folders."""
    c = sessions.Claude(folder, f"p{seed}", seed=seed, cwd=f"/home/dev/{name or plant('cwd')}", gitBranch=plant("branch"))
    if name:
        c.session = name
    c.user(plant("prompt")).assistant(plant("assistant"), model=plant("model"))
    c.user([{"type": "text", "text": plant("prompt block")}])
    c.user(f"<command-name>/deploy</command-name><command-args>{plant('command')}</command-args>")
    c.user(f"<bash-input>{plant('shell line')}</bash-input>")
    c.queue(plant("queued prompt"))
    c.record("attachment", attachment={"type": "queued_command", "prompt": plant("queued command")})
    c.bash(plant("command of Bash"), plant("output of Bash"))
    c.bash("x " * 245 + plant("command cut at 500"), "y " * 9_990 + plant("output cut at 20000"))
    c.answer(c.use("Edit", file_path=plant("path of Edit"), old_string=plant("old of Edit"), new_string=plant("new of Edit")), "ok")
    c.answer(c.use("Edit", file_path="a.py", old_string="a", new_string="z " * 45 + plant("line cut at 100")), "ok")
    c.answer(c.use("Write", file_path="b.py", content=plant("content of Write")), plant("answer to Write"))
    c.answer(c.use("MultiEdit", file_path="b.py", edits=[{"old_string": "a", "new_string": plant("MultiEdit")}]), "ok")
    c.answer(c.use("NotebookEdit", notebook_path="b.ipynb", new_source=plant("NotebookEdit")), "ok")
    c.answer(c.use("Read", file_path=plant("path of Read")), plant("output of Read"))
    c.answer(c.use("Grep", pattern=plant("pattern of Grep"), path=plant("path of Grep")), plant("output of Grep"))
    c.answer(c.use("WebFetch", url=plant("url"), prompt=plant("prompt of WebFetch")), plant("output of WebFetch"))
    c.answer(c.use("Skill", skill=plant("skill")), plant("output of Skill"))
    c.answer(c.use("AskUserQuestion", questions=[plant("question")]), "User has answered your questions: " + plant("answer"))
    c.answer(c.use("mcp__db__query", whatever=plant("other tool")), plant("output of another tool"))
    c.answer(c.use(plant("name of a tool"), id=plant("id of a tool")), "ok")
    key = c.use("Task", description=plant("title of a subagent"), prompt=plant("task"))
    c.answer(key, plant("output of Task"), tool_use_result={"agentId": "a1"})
    c.user("Do it.", isSidechain=True, agentId="a1").assistant(plant("subagent"), isSidechain=True, agentId="a1")
    c.user(f"<task-notification><summary>{plant('notice')}</summary></task-notification>")
    c.raw({"type": plant("type of a record"), "content": plant("unknown record"), "uuid": "u1", "sessionId": c.session})
    c.raw('{"type": "user", "message": ' + json.dumps(plant("broken line")))
    c.title(plant("title") if seed.endswith("0") else "t " * 90 + plant("title cut at 200"))
    c.raw({"type": "summary", "leafUuid": "no such record", "summary": plant("summary of another")})
    path = c.path.parent.parent / f"-home-dev-{name or 'p' + seed}" / f"{c.session}.jsonl"
    sub = sessions.Claude(folder, "sub", seed=seed + "s", sessionId=c.session, isSidechain=True, agentId=name or "b1")
    sub.user(plant("task in a file")).assistant(plant("subagent in a file"))
    c.write(path)
    sub.write(path.with_suffix("") / "subagents" / f"agent-{name or 'b1'}.jsonl")
    meta = path.with_suffix("") / "subagents" / f"agent-{name or 'b1'}.meta.json"
    meta.write_text(json.dumps({"description": "d " * 50 + plant("title of a subagent's file")}))
    return c


def codex_session(folder: Path, plant: Plant, name: str, seed: str) -> None:
    """The same of Codex."""
    c = sessions.Codex(folder, seed=seed, id=name or sessions.uuid("codex", seed), cwd=f"/home/dev/{name or plant('cwd')}",
                       git={"branch": plant("branch"), "repository_url": plant("remote")})
    c.envelope("turn_context", {"cwd": plant("cwd of a turn"), "model": plant("model")})
    c.user(plant("prompt")).assistant(plant("assistant"))
    c.event("thread_name_updated", thread_name=plant("title"))
    c.call("shell", {"command": ["bash", "-lc", plant("command")]}, json.dumps({"output": plant("output")}))
    c.call("exec_command", {"cmd": plant("cmd")}, "Exit code: 1\nOutput:\n" + plant("output with a head"))
    c.call("apply_patch", f"*** Begin Patch\n*** Update File: {plant('path of a patch')}\n-a\n+{plant('patch')}\n", "ok",
           kind="custom_tool_call")
    c.call(plant("name of a tool"), {"query": plant("argument")}, plant("output of a tool"))
    c.envelope(plant("type of a record"), {"type": plant("type")}).item(type=plant("type of an item")).event(plant("event"))
    c.item(type="message", role=plant("role"), content=[{"type": "text", "text": plant("words of nobody")}])
    c.raw('{"type": "event_msg", "payload": ' + json.dumps(plant("broken line")))
    c.write(c.path.parent / f"rollout-2026-04-12T09-00-00-{name or c.session}.jsonl")


ALL = [*kinds(0), *settings_of(0)]
FIVE = [c for c in SETTING_CONTEXTS if c != "plain"] + ["URL"]      # in JSON, a shell line, a diff, several lines, a URL


@pytest.fixture(params=["a share", pytest.param("all", marks=pytest.mark.real)])
def planted(home, request) -> Planted:
    """Sessions of both agents with a secret of every kind, half of them in every context, in every place: those are 'all', and
    take half a minute. 'a share' is every fourth kind in one context."""
    plants = Planted()
    for number, kind in list(enumerate(ALL))[::1 if request.param == "all" else 4]:
        contexts = [c for c in FIVE if c in (CONTEXTS if kind in kinds(0) else SETTING_CONTEXTS)]
        every = number % 2 and request.param == "all"
        for at, context in enumerate(contexts if every else contexts[number // 2 % len(contexts):][:1]):
            def plant(place: str, kind: str = kind, context: str = context) -> str:
                return plants.text(kind, context, place)
            name = plants.bare(kind, "names of files and folders") if at == 0 else ""
            claude_session(home.claude, plant, name, f"{number}x{at}")
            codex_session(home.codex, plant, name, f"{number}y{at}")
    return plants


def test_no_secret_of_any_kind_reaches_a_file_or_a_line_whatever_place_of_a_session_it_stood_in(
        home, planted, run_script, request):
    """M12, B5; with every kind where marked `real`."""
    every = request.node.callspec.params["planted"] == "all"
    said: list[tuple[str, bytes]] = []
    log = home.path / "run.log"
    runs = (("extract-sessions.py", "--dry-run"), ("extract-sessions.py",), ("summarize-conversations.py",),
            ("update-conversation-index.py",), ("extract-sessions.py", "--force"), ("wiki-status.py", "--json"))
    for name, *args in runs:
        done = run_script(name, *args, check=False, text=False, env={"MEMEX_LOG": log})
        assert done.returncode in (0, 1) and b"Traceback" not in done.stderr, done.stderr.decode()[-2000:]
        said += [(f"{name} {args} stdout", done.stdout), (f"{name} {args} stderr", done.stderr)]
    agents = (home.claude, home.codex)
    ours = [p for p in home.path.iterdir() if p not in agents and p.is_dir()]
    said.append(("log", log.read_bytes()))
    transcripts = list(home.wiki.glob("conversations/*/*-*.md"))
    assert len(transcripts) > (500 if every else 40)
    tried = {(kind, context) for kind, context, _ in planted.known.values() if context != "bare"}
    assert len(tried) >= (200 if every else 30)
    leaks = planted.leaks([*said, *written(*ours)])
    assert not leaks, "\n".join([f"{len(leaks)} of {len(planted.known)} secrets:", *(
        f"{planted.known[secret]} in {where}: {secret}" for secret, where in sorted(leaks.items(), key=lambda x: x[1])[:40])])
    seen = planted.leaks(written(home.codex))      # and it would have been noticed
    assert len(seen) > 0.99 * sum(kind in kinds(0) for secret, (kind, _, _) in planted.known.items()) / 4


# ---- what goes wrong ------------------------------------------------------------------------------------------------

def test_what_fails_is_not_told_with_the_secret_it_is_named_after(home, run_script):
    """M12, B5"""
    key, other = kinds(1)["github-pat"], kinds(2)["gitlab-token"]
    strange = home.claude / "projects" / f"-home-dev-{key}" / f"{other}.jsonl"
    strange.parent.mkdir(parents=True)
    strange.write_text('{"no": "session"}\n' * 500)
    runs = [run_script("extract-sessions.py", check=False),
            run_script("extract-sessions.py", check=False),
            run_script("extract-sessions.py", "--transcript", home.path / f"{key}.jsonl", check=False),
            run_script("extract-sessions.py", "--sessions", home.path / other, check=False)]
    said = "".join(done.stdout + done.stderr for done in runs)
    assert [done.returncode for done in runs] == [1, 1, 1, 1]
    assert key not in said and other not in said and "and not one message" in said and "[REDACTED:gitlab-token]" in said
    report = (home.wiki / "reports" / "mine-errors.md").read_text()
    assert "[REDACTED:gitlab-token]" in report and key not in report and other not in report
    strange.unlink()
    strange.parent.rename(strange.parent.with_name("-home-dev-api"))
    assert key not in "".join(data.decode("utf-8", "replace") for _, data in written(home.wiki, home.cache))


def test_a_bug_a_warning_and_a_session_that_cannot_be_read_are_told_without_the_secret_they_quote(home, capsys, monkeypatch):
    """B5"""
    import wiki_lib as wl

    import session_batches
    import session_transcripts as st
    key = kinds(1)["github-pat"]

    def falls_over(*_args: object) -> None:
        raise KeyError(f"no {'x' * 100} {key}")

    monkeypatch.setattr(st, "read_group", falls_over)
    group = st.Group("codex", "s", (st.File(sf.Source("/x.jsonl", "codex"), "s", "", "new", {}),))
    failed = str(session_batches.read_safely(group, None).failed)
    assert "KeyError" in failed and key[:12] not in failed
    wl.warn(f"staging/{key}.md", "does not parse")
    for fails in (falls_over, lambda: (_ for _ in ()).throw(wl.WikiError(f"{key}: no such wing"))):
        with pytest.raises(SystemExit):
            wl.run(fails)
    said = capsys.readouterr().err
    assert "Traceback" in said and "no such wing" in said and "does not parse" in said and key not in said


# ---- an independent scanner -----------------------------------------------------------------------------------------

KINGFISHER_VERSION = "1.5.0"      # kingfisher-secret-scanner of PyPI
SCAN = """
import json, pathlib, sys
from kingfisher_sdk import Rules, Scanner
scanner, found = Scanner(Rules(confidence="low", cache=False)), []
for path in map(pathlib.Path, sys.argv[1:]):
    for file in sorted(p for p in ([path] if path.is_file() else path.rglob("*")) if p.is_file() and ".git" not in p.parts):
        data = file.read_bytes()
        for finding in scanner.scan_file(str(file)):
            if finding.visible:
                at = finding.to_dict()
                start, end = at["location"]["start_offset"], at["location"]["end_offset"]
                found.append([at["rule_id"], str(file), data[start:end].decode("utf-8", "replace")])
print(json.dumps(found))
"""
# What the other scanner finds in the mined corpus, and why each is no secret.
NO_SECRET = {
    "guest:guest@localhost": "what RabbitMQ is installed with, in every tutorial",
    "test:password1234@localhost": "made up in a bug report",
}


@pytest.fixture(scope="session")
def kingfisher() -> Path:
    """Where the other scanner is importable from, in the tests' cache (16 MB); skips loudly where pip cannot install it."""
    def install(folder: Path) -> None:
        done = run_program([sys.executable, "-m", "pip", "install", "-q", "--no-cache-dir", "--no-deps", "--target",
                            folder / "site", f"kingfisher-secret-scanner=={KINGFISHER_VERSION}"],
                           make_home(folder / "home"), INSTALLERS, check=False, timeout=90)
        if done.returncode != 0:
            pytest.skip(f"kingfisher-secret-scanner cannot be installed: {done.stderr.strip()[-300:]}")

    return made_once(TEST_CACHE / f"kingfisher-{KINGFISHER_VERSION}", install) / "site"


@pytest.fixture
def scan(home, kingfisher) -> Callable[..., list[list[str]]]:
    """`scan(PATH...)`: [rule, file, what it takes for a secret] of every file below."""
    def run(*paths: Path) -> list[list[str]]:
        done = run_program([sys.executable, "-c", SCAN, *paths], home, {"PYTHONPATH": str(kingfisher)}, check=True)
        return json.loads(done.stdout)
    return run


@pytest.mark.real
def test_an_independent_scanner_finds_no_more_in_the_mined_corpus(home, corpus, run_script, scan):
    """M12"""
    run_script("extract-sessions.py", "--sessions", corpus, check=False)
    assert len(list(home.wiki.glob("conversations/*/*-*.md"))) > 80
    found = {(rule, value): Path(file).read_text() for rule, file, value in scan(home.wiki)}
    assert not {what for what, text in found.items() if not any(known in text and what[1] in known for known in NO_SECRET)}


@pytest.mark.real
def test_an_independent_scanner_finds_nothing_where_every_kind_was_taken_out(home, scan):
    """M12: and it knows most of them where they were not."""
    raw, clean = home.path / "raw", home.path / "clean"
    raw.mkdir()
    clean.mkdir()
    for kind in ALL:
        texts = [CONTEXTS[c](kinds(9)[kind]) for c in CONTEXTS] if kind in kinds(9) else [
            c(settings_of(9)[kind][0]) for c in SETTING_CONTEXTS.values()]
        (raw / kind).write_text("\n\n".join(texts))
        (clean / kind).write_text("\n\n".join(redact(text)[0] for text in texts))
    assert len({file for _, file, _ in scan(raw)}) > 70
    assert not [found for found in scan(clean) if "[REDACTED:" not in found[2]]
