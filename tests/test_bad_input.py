"""Session files of any kind, through the whole program: what is bad costs only itself, and nobody sees a traceback."""

from __future__ import annotations

import wiki_lib as wl

import builtins
import importlib
import json
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import session_formats as sf
import session_transcripts
import sessions
from session_formats import claude_code, codex

HERE = Path("/nowhere")
FIRST, LAST = "The zebra comes first.", "The heron comes last."


@pytest.fixture
def mine(home, capsys):
    """`mine()` runs the program here; gives its exit status, and what it said as an error. No traceback, whatever happens."""
    def run() -> tuple[int, str]:
        capsys.readouterr()
        status = sessions.mine()
        said = capsys.readouterr().err
        assert status in (0, 1) and "Traceback" not in said and "could not be read" not in said, said
        return status, said
    return run


def a_good_one(home) -> None:
    sessions.Claude(home.claude, "good", seed="good").user("All is well").assistant("It is.").write()


def said(home) -> str:
    """All words of all transcripts, which all read back as they were written."""
    whole = []
    for path in sorted(home.wiki.glob("conversations/*/*.md")):
        conversation = wl.parse_conversation("x", path.read_text(encoding="utf-8"))
        read = conversation.read()
        assert wl.render_transcript(read) == conversation.transcript
        whole += [m.text for m in read.said]
    return "\n".join(whole)


def chat(folder: Path, agent: str = "claude") -> sessions.Claude | sessions.Codex:
    made = sessions.Claude(folder) if agent == "claude" else sessions.Codex(folder)
    return made.user(FIRST).assistant("A zebra.").user(LAST).assistant("A heron.")


# -- bytes ------------------------------------------------------------------------------------------------------------

Bytes = Callable[[bytes], bytes]
DEEP = b'{"type":"user","message":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

WHOLE: dict[str, Bytes] = {                     # everything said is still heard
    "as it is": lambda data: data,
    "a BOM at the start": lambda data: b"\xef\xbb\xbf" + data,
    "a BOM at the start of each line": lambda data: data.replace(b"\n{", b"\n\xef\xbb\xbf{"),
    "CR LF": lambda data: data.replace(b"\n", b"\r\n"),
    "CR alone": lambda data: data.replace(b"\n", b"\r"),
    "empty lines": lambda data: data.replace(b"\n", b"\n\n \n"),
    "NULs between lines": lambda data: data.replace(b"\n", b"\n\0\0\0\n"),
    "NULs around lines": lambda data: data.replace(b"\n", b"\0\n\0"),
    "no newline at the end": lambda data: data.rstrip(b"\n"),
    "glued values": lambda data: data.replace(b"\n{", b"{"),
    "glued values with blanks": lambda data: data.replace(b"\n{", b" \t {"),
    "a line without sense": lambda data: data.replace(b"\n", b"\nnot json at all\n", 1),
    "a half line": lambda data: data.replace(b"\n", b'\n{"type":"user","message":{"role":"us\n', 1),
    "a half line glued before a whole one": lambda data: data.replace(b"\n{", b'\n{"type":"progress","a":"b\n{', 1),
    "binary lines": lambda data: data.replace(b"\n", b"\n" + random.Random(3).randbytes(5_000).replace(b"\n", b"") + b"\n", 1),
    "a line in UTF-16": lambda data: data.replace(b"\n", b"\n" + '{"type":"user"}'.encode("utf-16") + b"\n", 1),
    "arrays, strings, numbers": lambda data: data.replace(b"\n", b'\n[1,[2]]\n"x"\n3\nnull\ntrue\n{}\n[]\n', 1),
    "NaN and Infinity": lambda data: data.replace(b'"type"', b'"odd":NaN,"more":[-Infinity,Infinity],"type"'),
    "huge integers": lambda data: data.replace(b'"type"', b'"odd":' + b"9" * 6_000 + b',"small":-' + b"9" * 30 + b',"type"'),
    "duplicate keys": lambda data: data.replace(b'"type"', b'"type":"x","type":"y","type"'),
    "nested too deep": lambda data: data.replace(b"\n", b"\n" + DEEP + b"\n", 1),
    "bytes that are not UTF-8": lambda data: data.replace(b"A zebra.", b"A zebra \xff\xfe\x80."),
    "half a surrogate, escaped": lambda data: data.replace(b"A zebra.", b"A zebra \\ud83d."),
    "half a surrogate, raw": lambda data: data.replace(b"A zebra.", b"A zebra \xed\xa0\xbd."),
    "control characters, raw": lambda data: data.replace(b"A zebra.", b"A \x01\x02 zebra."),
    "unknown records": lambda data: data.replace(b"\n", b'\n{"type":"never-seen","x":[{"y":1}]}\n'),
}


@pytest.mark.parametrize("agent", ["claude", "codex"])
@pytest.mark.parametrize("how", WHOLE)
def test_what_is_bad_costs_only_itself(home, mine, how, agent):
    """M6 W4"""
    c = chat(home.claude if agent == "claude" else home.codex, agent)
    path = c.write()
    path.write_bytes(WHOLE[how](path.read_bytes()))
    a_good_one(home)
    status, _ = mine()
    heard = said(home)
    assert status == 0 and FIRST in heard and LAST in heard and "zebra" in heard.replace(FIRST, "") and "All is well" in heard
    before = {p: p.read_bytes() for p in home.wiki.glob("conversations/*/*.md")}
    assert mine() == (0, "") and {p: p.read_bytes() for p in home.wiki.glob("conversations/*/*.md")} == before


@pytest.mark.parametrize(("data", "status"), [
    (b"", 0), (b"\n\n", 0), (b"\0" * 300, 0), (b"\xef\xbb\xbf", 0), (b"{}\n", 0), (b"null\n", 0), (b"no session\n", 0),
    (b"\0" * 100_000, 1), (random.Random(1).randbytes(100_000), 1), (b"no session\n" * 1_000, 1), (b'{"a":1}\n' * 1_000, 1),
    (('{"type":"user"}\n' * 999).encode("utf-16"), 1),
])
@pytest.mark.parametrize("name", ["claude", "codex"])
def test_a_file_that_is_no_session_fails_when_it_is_large_and_the_rest_is_done(home, mine, name, data, status):
    """M13 W4"""
    made = sessions.Claude(home.claude) if name == "claude" else sessions.Codex(home.codex)
    made.path.parent.mkdir(parents=True)
    made.path.write_bytes(data)
    a_good_one(home)
    assert mine()[0] == status and said(home) == "All is well\nIt is."
    report = home.wiki / "reports" / "mine-errors.md"
    assert (str(made.path) in report.read_text()) if status else True


def test_a_line_of_fifty_megabytes_is_read(home, mine):
    """M6: the output it holds is cut, the words around it stay."""
    c = sessions.Claude(home.claude).user(FIRST).assistant("Running.")
    c.answer(c.use("Bash", command="yes"), "y\n" * 25_000_000).user(LAST)
    c.write()
    c.user("And a broken one.").raw('{"type":"user","message":"' + "x" * 50_000_000).user("After it.").write()
    assert mine()[0] == 0
    heard = said(home)
    assert FIRST in heard and LAST in heard and "After it." in heard and len(heard) < 1_000
    assert "1 broken line" in (home.wiki / "reports" / "mine-errors.md").read_text()


@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_a_half_written_line_waits_wherever_it_is_cut(home, mine, agent):
    """M6"""
    c = chat(home.claude if agent == "claude" else home.codex, agent)
    path = c.write()
    whole = path.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last + 1, len(whole), max(1, (len(whole) - last) // 12)):
        path.write_bytes(whole[:cut])
        assert mine()[0] == 0 and not (home.wiki / "reports" / "mine-errors.md").exists()
    path.write_bytes(whole)
    assert mine()[0] == 0 and said(home).split("\n") == [FIRST, "A zebra.", LAST, "A heron."]


# -- records ----------------------------------------------------------------------------------------------------------

ODD = (None, True, 0, -1.5, "", "x", "\n#\0", [], {}, [[]], [None], [{"type": None}], {"type": "text", "text": 5}, {"a": {"b": []}})


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of every field inside a record."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(inner, (*path, key))


def bent(record: dict, path: tuple, odd: Any) -> dict:
    copy = json.loads(json.dumps(record))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = odd
    return copy


def records(agent: str) -> list[dict]:
    """At least one record of each kind that a reader looks into."""
    test_canary = importlib.import_module("test_canary")
    lists = [test_canary.a_claude_session()] if agent == "claude" else [
        test_canary.a_codex_session(), test_canary.a_codex_session(flat=True)]
    found: dict[str, dict] = {}
    for line in [line for c in lists for line in c.lines]:
        for record in sf.decoded(line.encode()):
            shape = json.dumps([record.get("type"), sorted(map(str, places(record)))])
            found.setdefault(shape, record)
    return list(found.values())


@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_every_field_of_every_record_may_have_any_type(agent):
    """M6: exhaustively, each field of each kind of record, each in turn, wrong."""
    module = claude_code if agent == "claude" else codex
    around = chat(HERE, agent)
    head, tail = around.lines[:-1], around.lines[-1:]
    many = records(agent)
    count = 0
    for record in many:
        for path in places(record):
            lines = [*head, *(json.dumps(bent(record, path, odd)) for odd in ODD), *tail]
            reading = module.parse(("\n".join(lines) + "\n").encode(), 0, around.session, "", sf.Tools(), {})
            assert reading.broken == 0 and any(d.text == FIRST for d in reading.main), (path, record)
            count += len(ODD)
    print(f"{agent}: {len(many)} records, {count} ways to be wrong")
    assert count > 1_000


@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_records_of_any_shape_pass_through_the_whole_program(home, mine, agent):
    """M6: one session file for each wrong value, in which every field of every record is wrong once."""
    for number, odd in enumerate(ODD):
        c = sessions.Claude(home.claude, f"p{number}") if agent == "claude" else sessions.Codex(home.codex, f"p{number}")
        c.user(f"{FIRST} {number}")
        for record in records(agent):
            for path in places(record):
                if path[-1] not in ("sessionId",):
                    c.raw(json.dumps(bent(record, path, odd)))
        c.user(f"{LAST} {number}").assistant("A heron.").write()
    status, _ = mine()
    heard = said(home)
    assert status == 0 and all(f"{LAST} {n}" in heard for n in range(len(ODD)))
    assert mine() == (0, "")


IDS = ["a", "#", "a\nb", "## Transcript", " ", "x" * 10_000, "../../etc", "é\U0001f980", "deadbeef", "deadbeefdead", "\ud83d", "0",
       "null"]


def test_ids_of_any_form_name_a_message_and_never_the_files_structure(home, mine):
    """M1"""
    c = sessions.Claude(home.claude)
    for ident in IDS:
        c.user(f"About {ident[:20]!r}", uuid=ident).assistant("Well.", uuid=ident + "x")
    c.write()
    assert mine()[0] == 0
    [path] = home.wiki.glob("conversations/*/*.md")
    read = wl.parse_conversation("x", path.read_text(encoding="utf-8")).read()
    assert len(read.said) == 2 * len(IDS) == len({m.id for m in read.said})
    assert all(re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{12}", m.id) for m in read.said)


def test_sessions_and_agents_of_any_name_are_mined_inside_the_wiki(home, mine):
    """M8"""
    for number, ident in enumerate(IDS):
        c = sessions.Claude(home.claude, f"p{number}", agentId=ident)
        c.session = ident
        c.user(f"{FIRST} {number}").user("Look", isSidechain=True).assistant("I look.", isSidechain=True)
        c.write(home.claude / "projects" / f"-home-dev-p{number}" / f"notes-{number}.jsonl")
        x = sessions.Codex(home.codex, f"x{number}", id=ident).user(f"{LAST} {number}").assistant("Hi")
        x.write(x.path.with_name(f"rollout-odd-{number}.jsonl"))
    assert mine()[0] == 0
    heard = said(home)
    assert all(f"{words} {n}" in heard for words in (FIRST, LAST) for n in range(len(IDS)))
    assert all(len(p.relative_to(home.wiki / "conversations").parts) == 2 for p in home.wiki.glob("conversations/**/*.md"))


def test_parents_that_go_round_in_circles_do_no_harm(home, mine):
    c = sessions.Claude(home.claude)
    ids = [sessions.uuid(n) for n in range(3)]
    for n in range(3):
        c.user(f"{FIRST} {n}", uuid=ids[n], parentUuid=ids[(n + 1) % 3])
        c.assistant("Inside.", uuid=sessions.uuid("s", n), parentUuid=sessions.uuid("s", n), isSidechain=True)
    c.write()
    assert mine()[0] == 0 and all(f"{FIRST} {n}" in said(home) for n in range(3))


@pytest.mark.parametrize("at", ["", "yesterday", "2026-13-45T99:99:99Z", "2026-04-12", "2026-04-12T09:13", 1776000000, 1e300,
                                None, ["x"], "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
                                "2026-04-12T09:13:05\n## Transcript\n"])
@pytest.mark.parametrize("agent", ["claude", "codex"])
def test_times_of_any_form_cost_no_words(home, mine, agent, at):
    """M1"""
    c = chat(home.claude if agent == "claude" else home.codex, agent)
    c.lines = [json.dumps({**json.loads(line), "timestamp": at}) for line in c.lines]
    c.write()
    assert mine()[0] == 0 and said(home).split("\n") == [FIRST, "A zebra.", LAST, "A heron."]


# -- files ------------------------------------------------------------------------------------------------------------

def test_a_file_that_grows_while_it_is_read_is_read_on_by_the_next_run(home, mine, monkeypatch):
    """M4"""
    c = sessions.Claude(home.claude).user(FIRST).assistant("A zebra.")
    path = c.write()
    parse = claude_code.parse

    def meanwhile(*args):
        monkeypatch.setattr(claude_code, "parse", parse)
        c.user(LAST).write()
        return parse(*args)

    monkeypatch.setattr(claude_code, "parse", meanwhile)
    assert mine()[0] == 0 and LAST not in said(home)
    assert mine()[0] == 0 and said(home).split("\n") == [FIRST, "A zebra.", LAST]
    assert path.exists()


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), FileNotFoundError(2, "No such file or directory"),
                                   OSError(5, "Input/output error")])
def test_a_file_that_cannot_be_read_is_one_line_and_is_tried_again(home, mine, monkeypatch, error):
    """W4 (everybody may read everything as root: the refusal is made)."""
    path = sessions.Claude(home.claude).user(FIRST).assistant("A zebra.").write()
    a_good_one(home)

    def refuse(name, *args, **kwargs):
        if str(name) == str(path):
            raise error
        return builtins.open(name, *args, **kwargs)

    with monkeypatch.context() as patch:
        for module in (session_transcripts, importlib.import_module("session_sources")):
            patch.setattr(module, "open", refuse, raising=False)
        status, err = mine()
        assert status == 1 and err.count("\n") == 1 and str(error.strerror) in err and "All is well" in said(home)
    assert mine()[0] == 0 and FIRST in said(home) and not (home.wiki / "reports" / "mine-errors.md").exists()


def test_what_is_no_file_is_passed_over(home, mine):
    """A directory called so, links into nowhere, in circles and to themselves, a pipe."""
    path = chat(home.claude).write()
    folder = path.parent
    (folder / "x.jsonl").mkdir()
    (folder / "nowhere.jsonl").symlink_to("/no/such/file.jsonl")
    (folder / "round.jsonl").symlink_to(folder / "round.jsonl")
    (folder / "loop").symlink_to(folder)
    (folder / "up").symlink_to(folder.parent)
    os.mkfifo(folder / "pipe.jsonl")
    x = chat(home.codex, "codex").write()
    (x.parent / "rollout-2026-04-12T09-00-00-x.jsonl").mkdir()
    (x.parent / "loop").symlink_to(home.codex / "sessions")
    assert mine()[0] == 0
    assert said(home).count(FIRST) == 2 and len(list(home.wiki.glob("conversations/*/*.md"))) == 2


def test_broken_lines_by_the_thousand_are_one_line_of_report(home, mine):
    """W4"""
    c = chat(home.claude)
    c.lines[1:1] = ['{"type":"user","n":' + str(n) for n in range(20_000)]
    c.write()
    assert mine()[0] == 0 and FIRST in said(home) and LAST in said(home)
    assert "20000 broken lines" in (home.wiki / "reports" / "mine-errors.md").read_text()
