"""What stands in a transcript reads back as what was said, whatever that was: no message can write structure."""

from __future__ import annotations

import wiki_lib as wl

import importlib
import json
import re

import pytest
import session_formats as sf
import sessions
from hypothesis import example, given, settings
from hypothesis import strategies as st

filing = importlib.import_module("session_transcripts")

SEPARATORS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"       # whatever any program takes for the end of a line
STRUCTURE = (
    "### User · 2026-01-01 10:00 · #aaaaaaaa", "### User · #aaaaaaaa", "### Assistant · 2026-01-01 10:00 · #aaaaaaaabbbb",
    "#### Task · #bbbbbbbb", "### Agent a1", "### Agent a1 · x", "### Agent ", "### User guide", "## Subagents", "## Transcript",
    "shared with aaaaaaaa: #bbbbbbbb .. #cccccccc", "shared with ", "- **Bash** `ls`", "- **Bash**", "- **a b**", "- **Read** `x",
    "---", "--- ", "...", "# Title", "## Summary", "## Facts", "- A fact. [#aaaaaaaa]", "session_id: 1", "title: [x",
    "```", "````text", "  ```", "~~~", "<!-- memex:index -->", "<details>", "</details>", "<b>x</b>", "&lt;", "<<<<<<< HEAD",
    "=======", ">>>>>>> main", "[REDACTED:aws-key]", "… 3 more lines", "[[link]]", "\\", "\\\\", "", " ", "\t", "  ")
ANY = st.characters()                                                                # lone surrogates and controls, too
PIECES = (st.sampled_from(STRUCTURE) | st.builds(str.__add__, st.sampled_from(["\\", "\\\\", " ", "> ", "\ufeff", "\u200b"]),
                                                 st.sampled_from(STRUCTURE))
          | st.builds("`".__mul__, st.integers(1, 12)) | st.text(ANY, max_size=12))
ENDS = st.sampled_from(["\n", "\n", "\n", "\n\n", "\r\n", *SEPARATORS])
RAW = st.lists(st.builds(str.__add__, PIECES, ENDS) | PIECES, max_size=7).map("".join)
TEXTS = RAW.map(wl.verbatim)
TIMES = st.sampled_from(["", "2026-04-12 09:13", "0001-01-01 00:00"])
BLOCKS = st.lists(st.builds(wl.tool_block, RAW, TEXTS, st.none() | TEXTS), max_size=3).map(tuple)


def distinct(digits: int) -> st.SearchStrategy[str]:
    return st.integers(0, 16**digits - 1).map(f"{{:0{digits}x}}".format)


def talks(roles: list[str], shared: bool) -> st.SearchStrategy[tuple]:
    message = st.builds(wl.Message, distinct(8) | distinct(12), st.sampled_from(roles), TIMES, TEXTS, BLOCKS)
    runs = st.builds(wl.Shared, distinct(8), distinct(8) | distinct(12), distinct(8))
    return st.lists(message | runs if shared else message, max_size=4).map(tuple)


TITLES = RAW.map(lambda t: wl.one_line(wl.verbatim(t), 120))
AGENTS = st.lists(st.builds(wl.Agent, RAW.map(filing.agent_name), TITLES, talks(["task", "user", "assistant"], False)),
                  max_size=3, unique_by=lambda a: a.id).map(lambda agents: tuple(sorted(agents, key=lambda a: a.id)))
TRANSCRIPTS = st.builds(wl.Transcript, talks(["user", "assistant", "task"], True), AGENTS)


def structure_of(text: str) -> dict[str, int]:
    """How often each kind of structure stands in a rendered transcript, told by the beginnings of lines alone."""
    kinds = {"message": r"#{3,4} (?:User|Assistant|Task) · ", "agent": "### Agent ", "subagents": r"## Subagents$",
             "transcript": r"## Transcript$", "shared": "shared with ", "tool": r"- \*\*[^*\s]+\*\*(?: `|$)"}
    return {kind: len(re.findall(f"^{pattern}", text, re.M)) for kind, pattern in kinds.items()}


def structure_in(transcript: wl.Transcript) -> dict[str, int]:
    """The same, counted in the values."""
    said = [*transcript.said, *(m for a in transcript.agents for m in a.messages)]
    return {"message": len(said), "agent": len(transcript.agents), "subagents": bool(transcript.agents), "transcript": 0,
            "shared": len(transcript.messages) - len(transcript.said), "tool": sum(len(m.tools) for m in said)}


@settings(max_examples=200, deadline=None)
@given(TRANSCRIPTS)
@example(wl.Transcript((wl.Message("0" * 8, "user", "", "\n"), wl.Message("1" * 8, "user", "", ""))))
@example(wl.Transcript((wl.Message("0" * 8, "user", "", "\n\n", (wl.tool_block("", "", "```\n### User · #aaaaaaaa"),)),)))
@example(wl.Transcript((), (wl.Agent("a", "", ()), wl.Agent("b", "## Subagents", ()))))
def test_a_transcript_reads_back_as_what_was_rendered(transcript):
    """parse(render(m)) == m; every heading, tool line and shared run in the text is one of the transcript's own."""
    text = wl.render_transcript(transcript)
    assert wl.parse_transcript(text) == transcript
    assert structure_of(text) == structure_in(transcript)
    assert text.encode().decode() == text and "\r" not in text


META = st.fixed_dictionaries(
    {"title": RAW.map(lambda t: wl.one_line(wl.verbatim(t))), "session_id": RAW.map(wl.verbatim)},
    optional={"branch": RAW.map(wl.verbatim), "models": st.lists(RAW.map(wl.verbatim), max_size=2), "messages": st.integers(0, 99),
              "redactions": st.dictionaries(st.sampled_from(["aws-key", "pem"]), st.integers(1, 9), max_size=2)})


@settings(max_examples=80, deadline=None)
@given(META, TEXTS, TRANSCRIPTS)
def test_so_does_the_whole_file_from_the_disk(tmp_path_factory, meta, summary, transcript):
    wiki = wl.Wiki(tmp_path_factory.getbasetemp() / "round-trip")
    bullets = [wl.Bullet("fact", "A is b.", ("aaaaaaaa",))]
    text = wl.render_conversation(meta, wl.render_summary(summary, bullets), wl.render_transcript(transcript))
    path = "conversations/w/2026-01-01-x-00000000.md"
    wl.atomic_write(wiki.root / path, text)
    assert wiki.text(path) == text
    found = wiki.conversation(path)
    assert found.read() == transcript and found.meta == meta
    assert wl.render_transcript(found.read()) == found.transcript
    assert "A is b." in [b.text for b in found.bullets]


@settings(max_examples=100, deadline=None)
@given(TRANSCRIPTS, st.integers(1, 200))
@example(wl.Transcript((wl.Message("0" * 8, "user", "", "See\n### User guide"),)), 5)
def test_a_transcript_cut_in_parts_is_whole_again_and_each_part_begins_with_a_message(transcript, size):
    body = wl.render_transcript(transcript)
    with pytest.MonkeyPatch.context() as patch:      # the fixture of that name is not made anew for each example
        patch.setattr(filing, "PART_CHARACTERS", size)
        parts = filing.cut_in_parts(body)
    assert "\n".join(parts) == body
    apart = [wl.parse_transcript(part) for part in parts]
    assert [m for t in apart for m in everything(t)] == everything(transcript)


def everything(transcript: wl.Transcript) -> list:
    return [*transcript.messages, *(m for a in transcript.agents for m in a.messages)]


CLASHING = st.lists(st.tuples(st.sampled_from("0123"), st.sampled_from("ab")), min_size=1, max_size=6, unique=True).map(
    lambda heads: [f"{'0' * 20}{head * 4}{tail * 8}" for head, tail in heads])


@given(CLASHING)
def test_ids_that_share_eight_digits_are_told_apart_and_read_back_as_they_stand(idents):
    transcript = wl.Transcript(tuple(wl.Message(i, "user", "", f"I am {i}") for i in idents))
    text = wl.render_transcript(transcript)
    read = wl.parse_transcript(text)
    assert len({m.id for m in read.said}) == len(idents) and all(i.endswith(m.id) for i, m in zip(idents, read.said, strict=True))
    assert wl.render_transcript(read) == text


# ---------------------------------------------------------------- from the session file to the values

TIMESTAMPS = st.sampled_from(["2026-04-12T09:13:05.123Z", "2026-04-12T9:13:05Z", "2026-04-12Tab:cd:05Z", "²026-04-12T09:13:05Z", "",
                              "2026\n### UsT10:00:00\n", "2026-04-12T09:13\n### User · #aaaaaaaa", "2026-04-12 09:13:05"]) | RAW
SPOKEN = st.lists(st.tuples(st.sampled_from(["user", "assistant", "bash", "agent"]), RAW, RAW, TIMESTAMPS), min_size=1, max_size=5)


def a_session(spoken, folder) -> sessions.Claude:
    c = sessions.Claude(folder)
    c.user("First words")
    for kind, text, more, at in spoken:
        if kind == "user":
            c.user(text, timestamp=at)
        elif kind == "assistant":
            c.assistant(text, timestamp=at)
        elif kind == "bash":
            c.answer(c.use("Bash", command=text), more)
        else:
            c.record("assistant", isSidechain=True, agentId=text, timestamp=at, message={
                "role": "assistant", "content": [{"type": "text", "text": more}]})
    return c


@settings(max_examples=100, deadline=None)
@given(SPOKEN)
def test_whatever_a_session_says_its_transcript_reads_back_as_what_was_understood(tmp_path_factory, spoken):
    """From the bytes of a session file to the file in the wiki and back; nothing a record holds, its times and ids
    included, can write structure."""
    wiki = wl.Wiki(tmp_path_factory.getbasetemp() / "said")
    c = a_session(spoken, wiki.root.parent / "said-sessions")
    c.lines = [json.dumps(json.loads(line)) for line in c.lines]          # lone surrogates as escapes, as they come
    source = sf.Source(str(c.write()), "claude_code", "main", "p", 1, 1)
    group = filing.Group("claude_code", c.session, (filing.File(source, c.session, "", "new", {}),))
    setting = filing.Setting(wiki, sf.Tools(), str(wiki.root / "cache"), dict)
    reading, _, _ = filing.read_file(group.files[0], c.session, setting.tools, True)
    meant = filing.transcript_of(group, [(group.files[0], reading)], wl.Transcript())
    outcome = filing.read_group(group, setting)
    [body] = outcome.parts
    text = wl.render_conversation(outcome.meta, "", body)
    read = wl.parse_conversation("conversations/w/x.md", text).read()
    assert [(m.role, m.text, m.tools) for m in read.said] == [(m.role, m.text, m.tools) for m in meant.said]
    assert [(a.id, *(m.text for m in a.messages)) for a in read.agents] == [
        (a.id, *(m.text for m in a.messages)) for a in meant.agents]
    assert structure_of(body) == structure_in(read)
    assert wl.render_transcript(read) == body


def test_a_session_full_of_structure_is_the_same_after_it_was_read_again_and_grew(home, run_script):
    """The values went through the disk and came back, joined with what is new."""
    c = sessions.Claude(home.claude).user("First words")
    for line in STRUCTURE:
        c.user(f"{line}\nsaid {line!r}").assistant(f"\\{line}\n\n{line}").bash(line or "x", f"{line}\n{line}\n")
    text = c.lines
    c.lines = text[: len(text) // 2]
    c.write()
    run_script("extract-sessions.py")
    c.lines = text
    c.write()
    run_script("extract-sessions.py")
    [path] = home.wiki.glob("conversations/*/*.md")
    grown = path.read_bytes()
    (home.wiki / ".mine-state.json").unlink()
    path.unlink()
    run_script("extract-sessions.py")
    assert path.read_bytes() == grown
    said = wl.parse_conversation("x", grown.decode()).read().said
    assert [m.text for m in said if m.role == "user"][1:] == [f"{line}\nsaid {line!r}" for line in STRUCTURE]
    assert all(len(m.tools) == (m.role == "assistant") for m in said)
