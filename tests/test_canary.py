"""The canary for format drift: with its tables as they were before a change, a reader names what that change brought."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import session_canary
import session_formats as sf
import sessions
from session_formats import claude_code, codex

HERE = Path("/nowhere")
A, X = claude_code, codex

# The changes a parser has met (real sessions, Claude Code 1.0.24 to 2.1.237 and Codex 0.57 to 0.145), each with what a reader
# did not know before it.
CHANGES = [
    (1, "records in the user's name that are none", A, ["prompt field: isMeta", "prompt field: isCompactSummary",
        "tag: local-command-caveat", "tag: local-command-stdout", "tag: bash-input", "tag: ide_opened_file",
        "notice: Request interrupted by user", "prompt source: system", "origin: task-notification"]),
    (2, "a person's words elsewhere", A, ["record: queue-operation", "queue-operation: popAll", "attachment: queued_command",
                                          "queued command: prompt"]),
    (3, "one message in several records", A, ["shape: several records a message"]),
    (4, "several records after one", A, ["shape: several records after one"]),
    (5, "times that step back, and none", A, ["shape: times step back", "record without time: ai-title",
                                              "record without time: file-history-snapshot"]),
    (6, "subagents", A, ["shape: sidechain inline", "place: agent-", "place: <session>/subagents/agent-"]),
    (7, "progress", A, ["record: progress"]),
    (8, "new types of record", A, [f"record: {kind}" for kind in (
        "attachment", "last-prompt", "permission-mode", "mode", "pr-link", "bridge-session", "file-history-delta", "agent-name")]
        + ["attachment: hook_success", "attachment: task_reminder", "system: away_summary"]),
    (9, "titles", A, ["record: summary", "record: custom-title", "record: ai-title", "shape: summary of another"]),
    (10, "forms of a tool's result", A, ["toolUseResult: str", "toolUseResult: list", "tool result: list", "result block: image",
         "result block: tool_reference", "output tag: tool_use_error", "tag: system-reminder", "tag: persisted-output"]),
    (11, "thinking without words, no model", A, ["shape: thinking without words", "model: <synthetic>"]),
    (12, "several values on a line", sf, ["shape: several values on a line"]),
    (13, "changes inside a file and of its bytes", A, ["shape: version changes", "shape: folder changes", "shape: branch changes"]),
    (14, "Codex says everything twice", X, ["event: user_message", "item: message", "shape: said twice", "role: developer",
                                            "tag: environment_context", "record: turn_context"]),
    (15, "Codex drift", X, ["shape: flat", "shape: another session's head", "subagent: thread_spawn", "output: list",
                            "output: dict", "item: custom_tool_call_output", "record: world_state"]),
]
NAMES = [(module, name) for _, _, module, names in CHANGES for name in names]


@pytest.fixture
def before(monkeypatch):
    """`before(module, "group: name")`: the tables as they were before that was known."""
    def forget(module: Any, what: str) -> None:
        group, _, name = what.partition(": ")
        if module is sf:
            monkeypatch.setattr(sf, "SHAPES", sf.SHAPES - {name})
        else:
            assert name in module.KNOWN[group], what
            monkeypatch.setitem(module.KNOWN, group, module.KNOWN[group] - {name})
    return forget


def a_claude_session() -> sessions.Claude:
    """Everything that the tables of Claude Code were extended for."""
    c = sessions.Claude(HERE, version="2.1.41")
    c.raw({"type": "file-history-snapshot", "messageId": "x", "snapshot": {}})
    c.user("Hello").user("Injected", isMeta=True).user("Earlier: ...", isCompactSummary=True)
    c.user("<local-command-caveat>x</local-command-caveat>").user("<local-command-stdout>x</local-command-stdout>")
    c.user("<system-reminder>x</system-reminder>").user("<persisted-output>x</persisted-output>")
    c.user("<bash-input>ls</bash-input>").user([{"type": "text", "text": "<ide_opened_file>x</ide_opened_file>"}])
    c.user("[Request interrupted by user]").user("x", promptSource="system").user("x", origin={"kind": "task-notification"})
    c.queue("more").queue("more", "popAll")
    c.record("attachment", attachment={"type": "queued_command", "prompt": "again", "commandMode": "prompt"})
    for kind in ("hook_success", "task_reminder"):
        c.record("attachment", attachment={"type": kind})
    c.assistant({"type": "thinking", "thinking": "", "signature": "x"}, "One", message="m1").assistant("Two", message="m1")
    c.assistant("No", model="<synthetic>")
    for number, (output, beside) in enumerate((("a", "text"), ([{"type": "image"}], [1]), ([{"type": "tool_reference"}], {}),
                                               ("x\n<system-reminder>y</system-reminder>", {}),
                                               ("<persisted-output>z</persisted-output>", {}),
                                               ("<tool_use_error>z</tool_use_error>", {}))):
        c.answer(c.use("Bash", command=f"run {number}"), output, tool_use_result=beside)
    c.user("Inline", isSidechain=True)
    for kind in ("progress", "last-prompt", "permission-mode", "mode", "pr-link", "bridge-session", "file-history-delta",
                 "agent-name"):
        c.raw({"type": kind, "timestamp": c.tick()})
    c.record("system", subtype="away_summary")
    c.title("T").title("T", "custom-title", "customTitle")
    parent = c.parent
    c.user("Again", timestamp="2026-04-12T08:00:00Z", version="2.1.42", gitBranch="topic")
    c.parent, c.cwd = parent, "/elsewhere"
    c.user("And again")
    c.raw(c.lines.pop() + c.lines[-1])
    return c


def a_codex_session(flat: bool = False) -> sessions.Codex:
    spawn = {"thread_spawn": {"parent_thread_id": sessions.uuid("p")}}
    c = sessions.Codex(HERE, flat=flat, **({} if flat else {"source": {"subagent": spawn}})).user("Hello").assistant("Hi")
    for role, text in (("developer", "x"), ("user", "<environment_context>\n</environment_context>")):
        c.item(type="message", role=role, content=[{"type": "input_text", "text": text}])
    for output in ([{"type": "input_text", "text": "a"}], {"content": "b"}):
        c.call("exec", "ls", output, kind="custom_tool_call")
    if not flat:
        c.envelope("world_state", {}).envelope("session_meta", {"id": "another", "cwd": "/x", "cli_version": "0.1"})
    return c


def unknown(module: Any, data: bytes, session: str, path: str = "/p/x.jsonl") -> set[str]:
    found = set(module.parse(data, 0, session, "", sf.Tools(), {}).unknown)
    return found | ({where} if not module.knows(where := f"place: {module.place(path)}") else set())


def built() -> Iterator[tuple[Any, bytes, str, str]]:
    """(format, bytes, session id, path) of the sessions of our own making."""
    session = sessions.uuid("s")
    old = sessions.Claude(HERE).user("Hello").raw({"type": "summary", "summary": "Other", "leafUuid": "not here"})
    for c, module in ((a_claude_session(), A), (old, A), (a_codex_session(), X), (a_codex_session(flat=True), X)):
        path = "/p/rollout-x.jsonl" if module is X else f"/p/{session}.jsonl"
        yield module, ("\n".join(c.lines) + "\n").encode(), c.session, path
    for path in ("/p/agent-a1.jsonl", f"/p/{session}/subagents/agent-a1.jsonl"):
        yield A, b"\n", session, path


def test_what_the_tables_hold_is_known():
    """B15"""
    assert [(path, odd) for module, data, session, path in built() if (odd := unknown(module, data, session, path))] == []


@pytest.mark.parametrize(("module", "what"), NAMES, ids=[name for _, name in NAMES])
def test_each_change_would_have_been_noticed(before, module, what):
    """B15"""
    before(module, what)
    found = [unknown(m, data, session, path) for m, data, session, path in built() if module in (sf, m)]
    assert any(what in odd for odd in found), found


@pytest.mark.parametrize(("number", "title", "module", "names"), CHANGES, ids=[f"{n} {t}" for n, t, _, _ in CHANGES])
def test_each_change_would_have_been_noticed_in_real_sessions(corpus, before, number, title, module, names):
    """B15: for each change at least one of its names is met in the real sessions at hand; which are not is printed."""
    files = sorted([*corpus.glob("claude/**/*.jsonl"), *corpus.glob("codex/**/*.jsonl"), *corpus.glob("snapshots/**/*.jsonl")])
    for what in names:
        before(module, what)
    met: set[str] = set()
    for path in files:
        kind = codex if path.name.startswith("rollout-") else claude_code
        if module in (sf, kind) and path.stat().st_size < 3_000_000:
            source = sf.Source(str(path), kind.__name__.rpartition(".")[2])
            data = path.read_bytes()
            met |= unknown(kind, data, kind.session_of(source, lambda data=data: data[:65_536]).session, str(path)) & set(names)
            if met == set(names):
                break
    print(f"{number} {title}: {len(met)} of {len(names)} met; not at hand: {', '.join(sorted(set(names) - met)) or 'none'}")
    if not met:
        pytest.skip(f"no real session at hand has met {', '.join(names)}; a built one shows it")


def test_genuine_sessions_hold_nothing_unknown(corpus):
    """B15: no false alarm; what people made up for tests of their own programs may be strange."""
    manifest = corpus.parent / "MANIFEST.tsv"
    listed = manifest if manifest.exists() else Path(__file__).resolve().parents[2] / "shared" / "corpus" / "MANIFEST.tsv"
    if not listed.exists():
        pytest.skip("no MANIFEST.tsv: which of the sessions are genuine is not known")
    genuine = [row[0] for row in (line.split("\t") for line in listed.read_text().splitlines()) if row[4:5] == ["genuine"]]
    found: dict[str, set[str]] = {}
    for name in genuine:
        path = corpus / name
        if path.exists() and path.suffix == ".jsonl":
            kind = codex if path.name.startswith("rollout-") else claude_code
            source, data = sf.Source(str(path), kind.__name__.rpartition(".")[2]), path.read_bytes()
            for what in unknown(kind, data, kind.session_of(source, lambda data=data: data[:65_536]).session, str(path)):
                found.setdefault(what, set()).add(name)
    print(f"{len(genuine)} genuine files, unknown: {({what: len(names) for what, names in found.items()})}")
    assert not {what for what, names in found.items() if len(names) >= session_canary.SEVERAL or not what.startswith(
        session_canary.GUESSED)}


# -- through the whole program ----------------------------------------------------------------------------------------

@pytest.fixture
def mine(capsys):
    """`mine()` runs the program here, with whatever tables are in place, and returns what it said as an error."""
    def run() -> str:
        capsys.readouterr()
        assert sessions.mine() == 0
        return capsys.readouterr().err
    return run


def entries(home) -> list[dict]:
    """What the state keeps of each session file."""
    return [e for e in json.loads((home.wiki / ".mine-state.json").read_bytes()).values() if isinstance(e, dict) and "records" in e]


def a_chat(home, version: str = "2.2.0", **fields) -> sessions.Claude:
    return sessions.Claude(home.claude, version=version, **fields).user("Hello").assistant("Hi").raw(
        {"type": "mind-meld", "timestamp": "2026-04-12T09:00:00Z", "says": "something new"})


def test_what_is_new_is_said_once_and_stands_in_report_and_status(home, mine, run_script):
    """B15"""
    a_chat(home).write()
    first = mine()
    assert first.count("\n") == 1 and "claude-code 2.2.0: " in first and "record: mind-meld" in first
    assert "`claude-code 2.2.0`: " in (home.wiki / "reports" / "mine-errors.md").read_text()
    a_chat(home, seed="b").write()
    assert mine() == "" == mine()
    found = json.loads(run_script("wiki-status.py", "--json").stdout)
    assert found["formats"]["claude-code"]["2.2.0"] == {
        "files": 2, "records": 6, "known": 0.66667, "unknown": {"record: mind-meld": 2}}
    assert any("record: mind-meld" in alert for alert in found["alerts"])
    assert "66.67% of 6 records are of known kinds" in run_script("wiki-status.py").stdout


def test_what_a_newer_reader_knows_is_no_longer_news_and_its_files_are_read_again(home, mine, monkeypatch):
    """B15"""
    a_chat(home).write()
    mine()
    monkeypatch.setitem(claude_code.KNOWN, "record", claude_code.KNOWN["record"] | {"mind-meld"})
    assert mine() == "" and not (home.wiki / "reports" / "mine-errors.md").exists()
    [entry] = entries(home)
    assert "strange" not in entry and entry["records"] == {"2.2.0": 3}


def test_records_are_counted_once_however_a_file_grows(home, mine):
    """B15"""
    c = a_chat(home)
    for words in ("More", "And more", "Enough"):
        c.user(words).assistant("Yes").raw({"type": "mind-meld", "timestamp": c.tick()})
        c.write()
        mine()
    [entry] = entries(home)
    assert entry["records"] == {"2.2.0": 12} and entry["strange"] == {"2.2.0": {"record: mind-meld": 4}}
    (home.wiki / ".mine-state.json").unlink()
    mine()
    [again] = entries(home)
    assert again["records"] == entry["records"] and again["strange"] == entry["strange"]


def test_a_wrapper_that_one_person_may_have_pasted_is_no_news_until_several_sessions_have_it(home, mine):
    """B15"""
    for number in range(session_canary.SEVERAL):
        assert mine() == ""
        sessions.Claude(home.claude, seed=str(number)).user("<my-note>pasted</my-note>").assistant("Hi").write()
    assert "tag: my-note" in mine()


def test_a_version_of_which_too_little_is_known_is_told():
    """B15"""
    state = {f"/{n}.jsonl": {"records": {"3.0.0": 100}, "strange": {"3.0.0": {f"tag: t{n}": 4}}} for n in range(3)}
    [(name, what)] = session_canary.trouble(session_canary.seen(state)).items()
    assert name == "claude-code 3.0.0" and "under 98%" in what


def test_names_out_of_a_file_drive_no_terminal_and_fill_no_state(home, mine):
    """B15"""
    c = sessions.Claude(home.claude, version="2.2\x1b[31m\ud83d").user("Hello").assistant("Hi")
    for number in range(100):
        c.raw({"type": f"\x1b[31m\ud83d{number}" + "x" * 900, "timestamp": "2026-04-12T09:00:00Z", "version": str(number)})
    c.write()
    said = mine()
    assert "claude-code 2.2?[31m" in said and "\x1b" not in said and len(said) < 800
    [entry] = entries(home)
    assert sum(map(len, entry["strange"].values())) <= sf.ODD_KINDS + 1


def test_a_state_of_any_shape_does_no_harm():
    odd = [None, 1, "x", [], {}, {"v": None}, {"v": {"n": None}}, {"v": 1}, {"v": {"record: x": 1}}]
    for records in odd:
        for strange in odd:
            found = session_canary.seen({"/a.jsonl": {"records": records, "strange": strange}})
            session_canary.trouble(found), list(session_canary.lines(session_canary.table(found)))


def test_versions_stand_in_their_order():
    assert sorted(["2.1.42", "2.1.9", "", "0.145.0-alpha.18", "0.57.0"], key=session_canary.version_key) == [
        "", "0.57.0", "0.145.0-alpha.18", "2.1.9", "2.1.42"]
