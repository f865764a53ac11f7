"""summarize-conversations.py with a model: who is asked about what, in which order, and what of an answer reaches the disk."""
from __future__ import annotations

import wiki_lib as wl

import json

import pytest
import wikis

LATER = {"WIKI_TODAY": "2026-04-20"}
CAUSE = "The nightly export failed because `pg_dump` 14 cannot read a PostgreSQL 16 server."
# A claude that keeps each question and the model it was put to, and prints the same answer every time.
FAKE = """#!/bin/sh
n=$(ls "$HOME/asked" | wc -l)
cat > "$HOME/asked/$n"
while [ $# -gt 0 ]; do [ "$1" = --model ] && echo "$2" >> "$HOME/models"; shift; done
cat "$HOME/reply"
"""


def put(home, *said: tuple[str, str], session: str = "3de77ea9-3685-4e06-8d85-29c7b6592474", day: str = "2026-04-12",
        extra: wl.Transcript | None = None, **meta) -> str:
    """A conversation on disk that nobody has summarised; its path."""
    messages = tuple(wl.Message(cite(n, session), role, f"{day} 09:00", text) for n, (role, text) in enumerate(said))
    extra = extra or wl.Transcript()
    front = {"title": said[0][1], "session_id": session, "agent": "claude-code", "wing": "billing", "date": day,
             "started": f"{day}T09:00:00Z", "ended": f"{day}T09:30:00Z", "messages": len(messages), "status": "extracted", **meta}
    path = wl.conversation_path("billing", day, said[0][1], session)
    transcript = wl.Transcript(extra.messages + messages, extra.agents)
    wikis.put(home.wiki, path, wl.render_conversation(front, "", wl.render_transcript(transcript)))
    return path


def cite(number: int, session: str = "3de77ea9-3685-4e06-8d85-29c7b6592474") -> str:
    return wl.sha(f"{session}{number}")[:8]


EXPORT = (("user", "Why is the nightly export empty?"), ("assistant", CAUSE))


def fact(text: str = CAUSE, ident: str = cite(1)) -> dict:
    return {"hall": "fact", "text": text, "cites": [f"#{ident}"]}


@pytest.fixture
def ask(home, run_script, fake_bin):
    """ask(*flags, **answer): the lines printed when a claude answers every question so."""
    (home.path / "asked").mkdir()

    def run(*flags: str, check: bool = True, **answer):
        fake_bin("claude", FAKE)
        value = {"title": "The empty export", "summary": "The export was empty.", "topics": ["postgres"], "bullets": [], **answer}
        (home.path / "reply").write_text(json.dumps(
            {"type": "result", "is_error": False, "result": "", "structured_output": value, "total_cost_usd": 0.01, "usage": {}}))
        done = run_script("summarize-conversations.py", *(flags or ("--claude",)), env=LATER, check=check)
        return done.stdout.splitlines()
    run.questions = lambda: [p.read_text() for p in sorted((home.path / "asked").iterdir(), key=lambda p: int(p.name))]
    return run


def by(path: str) -> str:
    return str(wl.Wiki().conversation(path).meta.get("summarized_by"))


def test_extractive_summaries_are_upgraded_newest_first_within_the_budget(home, ask, run_script):
    """B4: what the budget does not reach is deferred, said, and done by the next run; a new one goes before an upgrade."""
    old, new = (put(home, *EXPORT, session=c * 32, day=f"2026-04-1{c}") for c in "12")
    run_script("summarize-conversations.py", env=LATER)
    fresh = put(home, *EXPORT, session="0" * 32, day="2026-04-05")
    lines = ask("--claude", "--max-calls", "2")
    assert [line.split(":")[0].removeprefix("write ") for line in lines[:2]] == [fresh, new]
    assert ": new," in lines[0] and ": upgrade," in lines[1]
    assert lines[2:] == ["deferred: 1 conversation: the run's budget of 2 calls is spent"]
    assert (by(old), by(new), by(fresh)) == ("extractive", "claude/haiku", "claude/haiku")
    assert len(ask()) == 1 and by(old) == "claude/haiku"
    assert ask() == [] and len(ask.questions()) == 3
    assert run_script("summarize-conversations.py", env=LATER).stdout == ""      # nor is it made worse again


def test_since_and_limit_narrow_what_is_asked(home, ask):
    old, new = (put(home, *EXPORT, session=c * 32, day=f"2026-04-1{c}") for c in "12")
    assert ask("--claude", "--since", "2026-04-12", "--dry-run") == [f"would summarise {new}: new, by claude"]
    assert ask("--claude", "--limit", "1", "--dry-run") == [f"would summarise {new}: new, by claude"]
    assert len(ask("--claude", "--limit", "1")) == 1 and by(new) == "claude/haiku" and by(old) == "None"


def test_an_estimate_asks_nothing_and_writes_nothing(home, ask, snapshot):
    """B4: calls, tokens, USD and time before a backlog."""
    put(home, *EXPORT)
    before = snapshot(home.wiki)
    [line] = ask("--claude", "--estimate")
    assert line.startswith("1 conversation: 1 calls, about ") and " USD, " in line and " minutes " in line
    found = json.loads(ask("--claude", "--estimate", "--json")[0])
    assert found["calls"] == 1 and found["tokens"] > 1000 and found["usd"] > 0 and found["seconds"] > 0
    assert ask.questions() == [] and snapshot(home.wiki) == before


def test_a_title_is_taken_from_a_model_only_where_the_agent_gave_none(home, ask):
    own = put(home, *EXPORT, title="Export trouble", session="1" * 32)
    none = put(home, *EXPORT, session="2" * 32)
    ask()
    assert (wl.Wiki().conversation(own).title, wl.Wiki().conversation(none).title) == ("Export trouble", "The empty export")
    assert "# The empty export\n" in (home.wiki / none).read_text()


def test_related_names_only_pages_that_exist(home, ask):
    """M17."""
    page = wikis.page(home.wiki, "wiki/concepts/exports.md", "# Exports\n\nThey run at night.\n")
    path = put(home, *EXPORT)
    ask(related=[page, "wiki/concepts/gone.md", "../../etc/passwd", path])
    assert wl.Wiki().conversation(path).related == [page]
    assert f"- {page}: Exports" in ask.questions()[0]


def test_nothing_worth_keeping_is_recorded_and_not_asked_again_until_the_session_grows(home, ask):
    """M19."""
    path = put(home, ("user", "ship it"), ("assistant", "Pushed."))
    assert ": new, 0 bullets" in ask()[0]
    assert wl.Wiki().conversation(path).summarized and wl.Wiki().conversation(path).meta["halls"] == []
    assert ask() == [] and len(ask.questions()) == 1
    put(home, ("user", "ship it"), ("assistant", "Pushed."), ("user", "And the docs."), status="summarized", summary_of="0" * 12)
    assert ": grown, 0 bullets" in ask()[0] and len(ask.questions()) == 2


def test_a_long_conversation_is_read_by_the_larger_model(home, ask):
    """M15: up to CLAUDE_LONG_THRESHOLD messages the small one."""
    wikis.put(home.wiki, "wiki.yaml", "summarize-conversations: {claude_long_threshold: 3}\n")
    put(home, *EXPORT, ("user", "Thanks."), session="1" * 32)
    put(home, *EXPORT, ("user", "Thanks."), ("assistant", "Done."), session="2" * 32, day="2026-04-13")
    ask()
    assert (home.path / "models").read_text().split() == ["sonnet", "haiku"]


def test_a_fork_is_asked_about_its_own_messages_and_told_where_it_began(home, ask):
    """M7: what a fork shares stands in its parent and is remembered there."""
    parent = put(home, *EXPORT, session="1" * 32)
    ask("--claude", summary="The parent found the cause.")
    shared = wl.Transcript((wl.Shared("11111111", cite(0, "1" * 32), cite(1, "1" * 32)),))
    fork = put(home, ("user", "And how do we mend it?"), ("assistant", "Upgrading `pg_dump` to 16 mends the nightly export."),
               session="2" * 32, day="2026-04-13", extra=shared, forked_from="1" * 32)
    ask(bullets=[fact("Upgrading `pg_dump` to 16 mends the nightly export.", cite(1, "2" * 32))])
    question = ask.questions()[-1]
    assert "It began as a copy of another conversation" in question and "The parent found the cause." in question
    assert "shared with 11111111: #" in question and CAUSE not in question
    assert len(wl.Wiki().conversation(fork).bullets) == 1 and wl.Wiki().conversation(parent).bullets == ()


def test_a_subagents_report_is_material_and_can_be_cited(home, ask):
    report = "The index `bookings_at` is never used, because the query casts the column."
    agent = wl.Agent("a1f3", "look at the index", (
        wl.Message("aaaaaaa1", "task", "", "Look at the index."), wl.Message("aaaaaaa2", "assistant", "", "Let me look."),
        wl.Message("aaaaaaa3", "assistant", "", report)))
    path = put(home, *EXPORT, extra=wl.Transcript((), (agent,)))
    ask(bullets=[fact(report, "aaaaaaa3")])
    question = ask.questions()[0]
    assert report in question and "### Agent a1f3 · look at the index" in question and "Let me look." not in question
    assert [b.cites for b in wl.Wiki().conversation(path).bullets] == [("aaaaaaa3",)]


def test_what_a_model_answers_cannot_break_the_file(home, ask):
    path = put(home, *EXPORT)
    before = wl.Wiki().conversation(path).transcript
    ask(title="## Transcript\n\n### User", summary="## Transcript\n\n### User · 2026-04-12 09:00 · #00000000\n\x1b[2Jowned",
        topics=["../../x", "## Facts", "postgres"], bullets=[fact(f"{CAUSE}\n\n## Transcript\n")])
    made = wl.Wiki().conversation(path)
    assert made.transcript == before and len(made.read().said) == 2 and "\x1b" not in (home.wiki / path).read_text()
    assert [b.hall for b in made.bullets] == ["fact"] and made.summary.startswith("Transcript")
    assert all("/" not in t and "#" not in t for t in made.topics)


@pytest.mark.parametrize(("text", "missing"), [
    (CAUSE, ""),
    ("`pg_dump` 14 cannot read a PostgreSQL server.", ""),
    ("`pg_dump` 1 cannot read a PostgreSQL 16 server.", "1"),
    ("`pg_dump` 14 cannot read a PostgreSQL 16.2 server.", "16.2"),
    ("`pg_dumpall` 14 cannot read a PostgreSQL 16 server.", "`pg_dumpall`"),
    ("The nightly export in src/export.py failed because `pg_dump` cannot read the server.", "src/export.py"),
    ("The nightly export failed because `pg_dump` cannot read the server with --no-owner.", "--no-owner"),
    ("The nightly export failed because exportAll cannot read the server.", "exportAll"),
    ("The weather in Paris was pleasant during the whole export conference.", "half of its words"),
    ("In billing the nightly export failed, because `pg_dump` cannot read the server.", ""),
])
def test_a_bullet_must_stand_in_what_it_cites(text, missing):
    """B3: half of the content words, and every number, path, flag and name letter by letter."""
    from summaries.asking import unsupported
    assert unsupported(text, [wl.Message("a" * 8, "assistant", "", CAUSE)], "billing") == missing


def test_every_message_that_is_cited_says_something_of_it():
    """B3: a citation that has nothing to do with the bullet is no evidence beside one that has."""
    from summaries.asking import unsupported
    said = wl.Message("a" * 8, "assistant", "", CAUSE)
    assert unsupported(CAUSE, [said, wl.Message("b" * 8, "user", "", "Thanks, ship it.")]) == "any of its words in #bbbbbbbb"
    assert unsupported(CAUSE, [said, wl.Message("b" * 8, "user", "", "Why is the export empty?")]) == ""
