"""summarize-conversations.py without a model: whole sentences of the session, each citing its message, in six halls."""

from __future__ import annotations

import wiki_lib as wl

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from summaries import cues
from summaries.extractive import summarise
from summaries.related import Relations
from summaries.sentences import own_words, sentences, split_sentences
from summaries.topics import Rooms, choose_topics
from summaries.vocabulary import GENERIC, NEVER, rooms_known, topic_key

LATER = {"WIKI_TODAY": "2026-04-20"}
CAUSE = "The nightly export failed because `pg_dump` 14 cannot read a PostgreSQL 16 server, so the job wrote an empty file."
RULE = "Always pin the `postgres` image to a minor version in docker-compose."
DEFAULT = "By default `pg_dump --format=custom` compresses with gzip, which is why the archive is smaller than the database."


def talk(
    *said: tuple[str, str],
    title: str = "Why the nightly export is empty",
    wing: str = "billing",
    day: str = "2026-04-12",
    session: str = "3de77ea9-3685-4e06-8d85-29c7b6592474",
    **meta,
) -> tuple[str, str]:
    """(path, file text) of an extracted conversation; `said` are (role, text)."""
    messages = [
        wl.Message(wl.sha(f"{session}{n}")[:32], role, f"{day} 09:{n % 60:02}", text) for n, (role, text) in enumerate(said)
    ]
    full = {
        "title": title,
        "session_id": session,
        "agent": "claude-code",
        "wing": wing,
        "date": day,
        "started": f"{day}T09:00:00Z",
        "ended": f"{day}T09:30:00Z",
        "messages": len(messages),
        "status": "extracted",
        **meta,
    }
    transcript = wl.render_transcript(wl.Transcript(tuple(messages)))
    return wl.conversation_path(wing, day, title, session), wl.render_conversation(full, "", transcript)


EXPORT = (
    ("user", "Why is the nightly PostgreSQL export empty? Always pin the postgres image to a minor version in docker-compose."),
    ("assistant", "Let me look at the cron log first."),
    ("assistant", f"{CAUSE} {DEFAULT} All 14 tests pass. Want me to open a pull request?"),
)


def put(home, path: str, text: str) -> str:
    file = home.wiki / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return path


def summary_of(*said, **options):
    conversation = wl.parse_conversation(*talk(*said, **options))
    return summarise(conversation, conversation.read()), conversation.read()


# ---------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        ("It runs. Then it stops.", ["It runs.", "Then it stops."]),
        ("Use e.g. uv or pip. Both work.", ["Use e.g. uv or pip.", "Both work."]),
        ("Call `a.b(). C` and wait. Done.", ["Call `a.b(). C` and wait.", "Done."]),
        ("See https://example.org/a.b?c=1. Version 1.2.3 is out.", ["See https://example.org/a.b?c=1.", "Version 1.2.3 is out."]),
        ("The U.S. office uses v2.1. We agreed.", ["The U.S. office uses v2.1.", "We agreed."]),
        ("`uv` is fast. `pip` is not.", ["`uv` is fast.", "`pip` is not."]),
        ("Long flags no longer work. stdlib flags did.", ["Long flags no longer work.", "stdlib flags did."]),
        ("数据库很慢。索引丢失了。", ["数据库很慢。", "索引丢失了。"]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(block, parts):
    assert split_sentences(block) == parts


def test_code_tables_headings_and_quotations_are_not_prose():
    text = (
        "# Heading\n\nA real sentence stands here.\n\n```py\nnot = 'prose'\n```\n| a | b |\n|---|---|\n> quoted\n\n"
        "    indented code\n\n**Bold title**\n- **Cause**: the lock was [never](x.md) released.\n1. one\n   two\n"
    )
    assert [s.text for s in sentences(text)] == ["A real sentence stands here.", "Cause: the lock was never released.", "one two"]


def test_what_a_person_pasted_is_not_taken_for_their_words():
    pasted = "\n\n".join(
        ["Please fix it, and never touch the schema."] + ["log line " * 40] * 30 + ["Thanks, prefer small commits."]
    )
    assert own_words(pasted) == "Please fix it, and never touch the schema.\n\nThanks, prefer small commits."
    assert own_words("❯ make\nerror: no rule") == ""


# ---------------------------------------------------------------- what may be kept

KEPT = [
    (CAUSE, "discovery"),
    (
        "The root cause is that `redis-py` reconnects without re-sending AUTH, so every command after a failover is rejected.",
        "discovery",
    ),
    ("By default Cargo runs the tests of one binary in parallel threads, which share the process environment.", "fact"),
    ("`actions/cache` never evicts an entry while its branch exists, so stale wheels survive a lock file change.", "fact"),
    (
        "Access tokens must be refreshed before the deploy step, because the runner cannot reach the OAuth server afterwards.",
        "advice",
    ),
    ("Upgraded Django 4.2 → 5.1 because the async ORM needs it and 4.2 leaves support in April.", "event"),
    ("`ruff check --fix` rewrites imports as well when the `I` rules are selected in pyproject.toml.", "tooling"),
]


@pytest.mark.parametrize(("text", "hall"), KEPT)
def test_a_sentence_that_explains_something_goes_to_its_hall(text, hall):
    assert cues.refused(text) == ""
    assert cues.hall_scores(text)[0][0] == hall


@pytest.mark.parametrize(
    "text",
    [
        "Let me check how the other module handles the retry configuration first.",
        "I'll add a lock around the cache so that two writers never collide again.",
        "Now I need to update the migration because the column was renamed last week.",
        "Should the importer skip rows that have no customer id in the first column?",
        "This breaks because the parser drops the last line of every file it reads.",
        "It returns null when the session has expired, so the header is never rendered.",
        "Here is the list of files that were changed by the migration yesterday:",
        "The fix is to move the call below the transaction so that it sees the commit.",
        "All 27 tests pass and the linter is clean on every package of the workspace.",
        "Perfect! The importer now handles every row of the export without errors.",
        "If you want, the second option could be added behind a feature flag later.",
        "Want me to open a pull request for the `retry` branch with these changes?",
        "Run the suite again, then push the branch and ask for a review of the change.",
        "The parser seems to drop the last line when a file has no final newline.",
        "Looking at the log, the worker stopped because the disk was full at midnight.",
        "You're right that the cache should be cleared before the import is started.",
        "`src/a.py` `src/b.py` `src/c.py` `src/d.py` changed, `src/e.py` moved to `lib/e.py`.",
        "As mentioned above, the index is rebuilt because its version does not match.",
        "Step 2 removes the index because the importer writes faster without one today.",
        "Comprehensive error handling with robust retries for the whole import pipeline.",
        "Added a test for the parser because nothing covered the empty file until now.",
        "The token was [REDACTED:aws-key] and it is used because the role has no rights.",
    ],
)
def test_what_cannot_be_read_alone_or_is_only_talk_is_not_kept(text):
    said, _ = summary_of(("user", "Fix the importer please."), ("assistant", text))
    assert said.bullets == ()


@pytest.mark.parametrize(
    ("prompt", "rule"),
    [
        ("Never commit generated files. Please fix the build.", "Never commit generated files."),
        ("Please use uv instead of pip in the Dockerfile.", "Please use uv instead of pip in the Dockerfile."),
    ],
)
def test_a_persons_own_rule_is_a_preference_in_their_words(prompt, rule):
    said, _ = summary_of(("user", prompt), ("assistant", "Done."))
    assert [(b.hall, b.text) for b in said.bullets] == [("preference", rule)]


def test_a_request_is_not_a_preference():
    said, _ = summary_of(
        ("user", "Can you add a dark mode to the settings page? I would also like a button for it."), ("assistant", "Done.")
    )
    assert said.bullets == ()


# ---------------------------------------------------------------- the whole summary


def test_every_bullet_stands_in_the_message_it_cites_and_none_is_a_question():
    """M17 (extractive): citations resolve, the words are the message's own."""
    said, transcript = summary_of(*EXPORT)
    texts = {m.id: " ".join(re.sub(r"\*\*|\[([^\]]+)\]\([^)]*\)", r"\1", m.text).split()) for m in transcript.said}
    assert {b.hall for b in said.bullets} == {"discovery", "preference", "fact"} or len(said.bullets) >= 2
    for bullet in said.bullets:
        assert bullet.cites and all(c in texts for c in bullet.cites)
        assert bullet.text in texts[bullet.cites[0]]
        assert not bullet.text.endswith("?")
    assert CAUSE in [b.text for b in said.bullets]


def test_the_summary_says_what_was_asked_and_what_came_out():
    said, _ = summary_of(*EXPORT)
    assert said.text.startswith("Why the nightly export is empty. Asked: Why is the nightly PostgreSQL export empty.")
    assert CAUSE in said.text and "?" not in said.text and "Let me" not in said.text


def test_nothing_worth_keeping_is_a_result():
    """M19: no bullets, no halls, and still a summary that says what it was."""
    said, _ = summary_of(("user", "ship it"), ("assistant", "Committed and pushed."), title="ship it")
    assert said.bullets == () and said.halls == [] and said.text == "ship it."


def test_the_same_thing_said_twice_is_kept_once():
    again = CAUSE.replace("The nightly export failed", "The export at night failed")
    said, _ = summary_of(("user", "Why?"), ("assistant", CAUSE), ("user", "Sure?"), ("assistant", again))
    assert len(said.bullets) == 1


PROSE = st.text(st.sampled_from("abc AB.,;:!?`*_-|#>[]()\n\"'/0123456789é数。\t"), max_size=400)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), PROSE), max_size=5))
def test_any_text_gives_a_summary_whose_file_reads_back(said):
    path, text = talk(*said, ("assistant", CAUSE), title="T")
    conversation = wl.parse_conversation(path, text)
    summary = summarise(conversation, conversation.read())
    meta = {**conversation.meta, "topics": list(summary.topics), "halls": summary.halls}
    written = wl.render_conversation(meta, wl.render_summary(summary.text, summary.bullets), conversation.transcript)
    again = wl.parse_conversation(path, written)
    assert again.transcript == conversation.transcript
    assert set(again.bullets) == set(summary.bullets)
    assert not any(b.text.rstrip("\"')").endswith("?") for b in again.bullets)


# ---------------------------------------------------------------- rooms


@pytest.mark.parametrize(
    ("prompt", "answer", "rooms"),
    [
        ("Our k8s pods are OOMKilled", "Kubernetes kills the pod because its memory limit is below the JVM heap.", {"kubernetes"}),
        (
            "Migrate the psql schema with alembic",
            "Alembic migrations for PostgreSQL run inside one transaction.",
            {"postgres", "alembic"},
        ),
        ("Please fix the lint errors", "The linter was right: ruff found unused imports.", {"linting"}),
        (
            "the e2e tests are flaky in playwright",
            "Playwright end-to-end tests were flaky.",
            {"end-to-end-tests", "flaky-tests", "playwright"},
        ),
        ("add a progress bar to the importer", "The progress indicator is drawn on stderr.", {"progress-reporting"}),
    ],
)
def test_a_room_is_what_a_person_would_look_for(prompt, answer, rooms):
    conversation = wl.parse_conversation(*talk(("user", prompt), ("assistant", answer), title=prompt))
    assert rooms <= set(choose_topics(conversation, conversation.read(), Rooms()))


def test_no_room_is_an_everyday_word():
    said, _ = summary_of(
        ("user", "let's go and fix the code error in the file, then update the test function"),
        ("assistant", "The file had an error in its function. The code was changed and the test was updated."),
        title="x",
    )
    assert not set(said.topics) & (GENERIC | NEVER | {"go"})


def test_the_same_subject_gets_the_room_the_wiki_has():
    known = Rooms.of([wl.parse_conversation(*talk(("user", "x"), topics=["payment-provider-api"]))])
    for words in ("payment provider API", "payment-provider-apis"):
        conversation = wl.parse_conversation(*talk(("user", f"fix the {words}"), title=f"Fix the {words}"))
        found = choose_topics(conversation, conversation.read(), known)
        assert all(t == "payment-provider-api" for t in found if topic_key(t) == "payment-provider-api")
    conversation = wl.parse_conversation(*talk(("user", "the Invoice-Numbering is off"), title="The invoice numberings are off"))
    assert (
        choose_topics(
            conversation, conversation.read(), Rooms({"invoice-numbering": "invoice-numbering"}, {"invoice-numbering": 3}, 9)
        )[0]
        == "invoice-numbering"
    )


def test_one_more_conversation_does_not_rename_the_rooms_of_another():
    conversation = wl.parse_conversation(*talk(*EXPORT))
    before = choose_topics(conversation, conversation.read(), Rooms())
    other = wl.parse_conversation(*talk(("user", "Tune the nginx cache"), topics=["nginx", "caching"]))
    assert choose_topics(conversation, conversation.read(), Rooms.of([other])) == before


def test_names_of_rooms_are_one_to_one():
    named, broad = rooms_known()
    assert all(wl.topic_name(room) == room for room in named.values())
    assert broad <= set(named.values())
    assert not set(named.values()) & NEVER


# ---------------------------------------------------------------- what leans, what is decided, what is taken back


def test_a_sentence_that_leans_on_the_one_before_is_kept_together_with_it():
    lone = "`rollback.sh` makes the release in `previous` live again with one atomic switch of the symlink."
    leaning = "It does not undo a migration, so a rollback only works while the old release can live with the new schema."
    said, _ = summary_of(("user", "And how do we roll back?"), ("assistant", f"{lone} {leaning}"))
    assert [b.text for b in said.bullets] == [f"{lone} {leaning}"]
    said, _ = summary_of(("user", "And how do we roll back?"), ("assistant", leaning))
    assert said.bullets == ()


@pytest.mark.parametrize("text", [
    "We decided to stay with SQLite: the API runs on one host, and eight threads make 160 bookings without an error.",
    "A circuit breaker was rejected because it needs state shared between processes, while a budget is a number in memory.",
])
def test_a_decision_is_a_fact_that_stands(text):
    said, _ = summary_of(("user", "What should our retry policy be?"), ("assistant", text))
    assert [(b.hall, b.text) for b in said.bullets] == [("fact", text)]


def test_a_claim_that_is_taken_back_goes_with_what_takes_it_back():
    wrong = "The root cause of the empty export is the expired `pg_dump` password, because cron reads another pgpass file."
    back = "I was wrong about the expired `pg_dump` password: the root cause of the empty export is not pgpass."
    said, _ = summary_of(("user", "Why is it empty?"), ("assistant", wrong), ("user", "Sure?"), ("assistant", f"{back}\n\n{CAUSE}"))
    assert CAUSE in [b.text for b in said.bullets]
    assert not any("password" in b.text for b in said.bullets) and "password" not in said.text


@pytest.mark.parametrize(("prompt", "rule"), [
    ("Good. For the future: never sleep in a test, I always want the clock passed in.",
     "For the future: never sleep in a test, I always want the clock passed in."),
    ("And days should be calendar days at the port.", "days should be calendar days at the port."),
    ("I prefer Python for such tools over shell from now on.", "I prefer Python for such tools over shell from now on."),
])
def test_a_rule_may_follow_a_greeting_or_an_and(prompt, rule):
    said, _ = summary_of(("user", prompt), ("assistant", "Done."))
    assert [(b.hall, b.text) for b in said.bullets] == [("preference", rule)]


def test_a_complaint_with_never_in_it_is_no_rule():
    said, _ = summary_of(("user", "The suite fails about one run in ten, and never when I look at it."), ("assistant", "Done."))
    assert said.bullets == ()


def test_a_label_before_a_colon_stays_part_of_its_sentence():
    text = "Root cause: `redis-py` reconnects without AUTH, so every command after a failover is rejected by the server."
    said, _ = summary_of(("user", "Why?"), ("assistant", f"- **Root cause:** {text.removeprefix('Root cause: ')}"))
    assert [(b.hall, b.text) for b in said.bullets] == [("discovery", text)]


@pytest.mark.parametrize("text", [
    "A Python tool that converts JSONL transcripts into readable HTML and Markdown files.",
    "Timestamps from the header of the archive when `--with-timestamps` is used.",
    "New contract for the importer: every row that has no customer is skipped because it cannot be billed.",
    "Without the flag, the importer drops every row because no column is mapped to a customer.",
])
def test_a_noun_with_its_clause_is_no_sentence(text):
    assert cues.refused(text) != ""


def test_the_summary_is_not_the_bullets_again():
    said, _ = summary_of(*EXPORT)
    assert any(b.text not in said.text for b in said.bullets)


# ---------------------------------------------------------------- what still holds at the end

LEAK = "`InvoiceReader` leaks one file handle per customer because `open_batch` returns early on an empty month."
EDIT = ('- **Edit** `billing/reader.py`\n  ```diff\n  -a\n  +b\n  ```',)


def told(*said: tuple[str, str, tuple[str, ...]]) -> list[str]:
    """The bullets' texts of a session of (role, text, tool calls)."""
    messages = tuple(wl.Message(wl.sha(f"told{n}")[:32], role, f"2026-04-12 09:{n:02}", text, tools)
                     for n, (role, text, tools) in enumerate(said))
    conversation = wl.parse_conversation(*talk(("user", "x"), title="Why the reader runs out of handles"))
    return [b.text for b in summarise(conversation, wl.Transcript(messages)).bullets]


@pytest.mark.parametrize(("text", "tools", "kept"), [
    (LEAK, (), True),                                     # nobody worked on it
    (LEAK, EDIT, False),
    (LEAK.replace("leaks", "leaked").replace("returns", "returned") + " It was fixed by closing the handle.", EDIT, True),
    ("Django rejects a naive datetime when `USE_TZ` is set, because it cannot know the zone of the stored value.", EDIT, True),
    ("`InvoiceReader` opens a batch per month so that a crash costs one month and never the whole year.", EDIT, True),
])
def test_a_defect_is_kept_only_when_no_work_followed_it(text, tools, kept):
    bullets = told(("user", "Why are there no handles left?", ()), ("assistant", text, ()),
                   ("user", "Go on.", ()), ("assistant", "Done.", tools))
    assert (len(bullets) == 1) is kept


@pytest.mark.parametrize(("later", "kept"), [
    ("Removed `MonthCache` from the importer because two readers shared it.", False),
    ("Replaced `MonthCache` with a plain dictionary because two readers shared it.", False),
    ("`MonthCache` was removed because two readers shared it.", False),
    ("The importer reads with one thread because SQLite allows one writer.", True),
])
def test_a_statement_about_what_was_removed_later_goes(later, kept):
    text = "`MonthCache` keeps the parsed rows of a month because the importer reads every file twice."
    bullets = told(("user", "How does the importer cache?", ()), ("assistant", text, ()),
                   ("user", "Do it better.", ()), ("assistant", later, EDIT))
    assert (text in bullets) is kept


def test_what_a_review_found_goes_once_it_was_worked_on():
    findings = ("Findings:\n\n1. High: the total is off.\n\n"
                "`sum_rows` adds the discount twice when a row has two currencies.\n\n2. Low: a name reads badly.")
    asked = ("user", "Review the importer.", ())
    assert len(told(asked, ("assistant", findings, ()))) == 1
    assert told(asked, ("assistant", findings, ()), ("user", "Go on.", ()), ("assistant", "Done.", EDIT)) == []


@pytest.mark.parametrize("text", [
    "Stripe returns HTTP 402 on `POST /v1/charges`.",
    "The importer behind the proxy cannot reload it; the one in the office can.",
    "On a rejected batch, also mark the rows as pending in the `ledger` table.",
    "Fixed shadowed name: Used `monkeypatch.setattr` rather than assigning to `importer.clock`",
    "if the ledger row is missing: write `pending`",
    "The ongoing import shows whether `--batch-size 500` is small enough for the proxy.",
    "Rows are read by the new path of `ledger.py` because the old reader kept them all in memory.",
])
def test_a_step_a_symptom_or_an_unnamed_thing_is_not_kept(text):
    assert told(("user", "Fix the importer please.", ()), ("assistant", f"- {text}", ())) == []


@pytest.mark.parametrize("prompt", [
    "Add tests to ensure that two invoices must not share a number",
    "Keep it about as long as the first paragraph, without adding a table.",
    "I don't like this idea, the ledger should stay as it was.",
    "let's say we would prefer one ledger per customer, what breaks?",
])
def test_a_task_of_the_day_is_not_a_preference(prompt):
    assert told(("user", prompt, ()), ("assistant", "Done.", ())) == []


# ---------------------------------------------------------------- rooms of a first run


@pytest.mark.parametrize(("prompt", "answer", "wanted", "unwanted"), [
    ("The deploy at noon gave us two minutes of errors, how do we roll back?",
     "`deploy.sh` switches before the migration is done. A rollback only works while the migration can live with both schemas.",
     {"deployment", "rollback", "migrations"}, {"noon-gave", "noon"}),
    ("Last night's backup has fewer bookings than the SQLite database in WAL mode.",
     "The backup loses bookings because `cp` copies one file while SQLite is in WAL mode, and WAL mode keeps two.",
     {"backups", "sqlite", "wal"}, {"fewer-booking", "night"}),
    ("Which retry policy should we have with the payment provider?",
     "Repeating a payment is only safe with an idempotency key, because the retry policy repeats every POST.",
     {"retry-policy", "idempotency-key", "payments"}, {"retries"}),
])
def test_rooms_of_a_short_session_are_its_nouns(prompt, answer, wanted, unwanted):
    said, _ = summary_of(("user", prompt), ("assistant", answer), title=prompt)
    assert wanted <= set(said.topics) and not unwanted & set(said.topics)


def test_what_cannot_be_asked_now_is_said_to_be_deferred(home, summarize):
    """M16: no model reachable is no failure: counted, said on stdout, the file left as it was."""
    path, text = talk(*EXPORT)
    put(home, path, text)
    [line] = summarize("--backend", "llama-server")
    assert line.startswith("deferred: 1 conversation: ") and (home.wiki / path).read_text() == text


# ---------------------------------------------------------------- relations


def test_related_are_conversations_that_share_rare_rooms_and_pages_about_them():
    common = {f"conversations/a/{n}.md": ["python"] for n in range(40)}
    topics = common | {
        "conversations/a/x.md": ["python", "jitter", "retry-budget"],
        "conversations/b/y.md": ["retry-budgets", "jitter"],
        "conversations/b/z.md": ["python", "nginx"],
    }
    page = wl.WikiPage("wiki/patterns/backoff.md", {"title": "Backoff", "aliases": ["Retry budget"]}, "")
    relations = Relations(topics, [page])
    assert relations.of("conversations/a/x.md") == ["wiki/patterns/backoff.md", "conversations/b/y.md"]
    assert relations.of("conversations/b/z.md") == []


# ---------------------------------------------------------------- the script


@pytest.fixture
def summarize(run_script):
    """Runs the script on 2026-04-20 and returns its lines."""

    def run(*args, env=None, **options):
        done = run_script("summarize-conversations.py", *args, env={**LATER, **(env or {})}, **options)
        assert done.stderr == ""
        return done.stdout.splitlines()

    return run


def test_a_summary_is_written_once_and_the_transcript_keeps_its_bytes(home, summarize, snapshot):
    path, text = talk(*EXPORT)
    put(home, path, text)
    assert [line.split(":")[0] for line in summarize()] == [f"write {path}"]
    written = (home.wiki / path).read_text()
    assert written.split("\n## Transcript\n")[1] == text.split("\n## Transcript\n")[1]
    conversation = wl.parse_conversation(path, written)
    assert conversation.meta["status"] == "summarized" and conversation.meta["summarized_by"] == "extractive"
    assert conversation.meta["summary_of"] == wl.transcript_digest(conversation.read())
    assert "postgres" in conversation.topics and set(conversation.meta["halls"]) == {b.hall for b in conversation.bullets}
    before = snapshot(home.wiki)
    assert summarize() == [] and snapshot(home.wiki) == before
    for file in home.cache.rglob("summarised-*.json"):
        file.write_text("not json")
    assert summarize() == [] and snapshot(home.wiki) == before


def test_a_session_that_grew_is_summarised_again(home, summarize):
    """M4: the summary is stale when the transcript's ids are no longer those it was made from."""
    path, text = talk(*EXPORT[:2])
    put(home, path, text)
    summarize()
    grown, old = talk(*EXPORT)[1], wl.parse_conversation(path, (home.wiki / path).read_text())
    put(
        home,
        path,
        wl.render_conversation(
            old.meta, wl.render_summary(old.summary, old.bullets), wl.parse_conversation(path, grown).transcript
        ),
    )
    [line] = summarize()
    assert ": grown, " in line
    assert CAUSE in [b.text for b in wl.Wiki().conversation(path).bullets]


def test_a_session_spoken_in_half_an_hour_ago_waits(home, summarize):
    """M15: extracted, not summarised."""
    path, text = talk(*EXPORT, ended="2026-04-20T11:45:00Z")
    put(home, path, text)
    assert summarize() == []
    assert len(summarize(env={"WIKI_TODAY": "2026-04-21"})) == 1


def test_another_machines_session_is_left_to_it_for_three_days(home, summarize):
    """M42: the machine that mined a conversation summarises it, others after three days."""
    path, text = talk(*EXPORT, machine="5f0c2a91", day="2026-04-18")
    put(home, path, text)
    assert summarize() == []
    assert len(summarize(env={"WIKI_TODAY": "2026-04-21"})) == 1


def test_project_limit_force_and_dry_run_touch_only_what_they_name(home, summarize, snapshot):
    """M14: --project narrows, --dry-run writes nothing and says why."""
    api = put(home, *talk(*EXPORT, wing="api", session="a" * 32))
    web = put(home, *talk(*EXPORT, wing="web", session="b" * 32))
    before = snapshot(home.wiki)
    assert summarize("--dry-run") == [f"would summarise {p}: new, by extractive" for p in (api, web)]
    assert snapshot(home.wiki) == before
    assert len(summarize("--project", "web")) == 1 and wl.Wiki().conversation(web).summarized
    assert not wl.Wiki().conversation(api).summarized
    assert summarize("--dry-run", "--force", "--limit", "1") == [f"would summarise {api}: new, by extractive"]
    assert len(summarize()) == 1
    assert [line.split(":")[1].split(",")[0] for line in summarize("--force")] == [" forced"]  # web now relates to api
    assert summarize("--force") == []


def test_a_broken_file_costs_only_itself(home, run_script):
    put(home, "conversations/api/2026-04-12-bad-00000000.md", "---\ntitle: [\n---\n# x\n\n## Transcript\n\n")
    path = put(home, *talk(*EXPORT, wing="api"))
    done = run_script("summarize-conversations.py", env=LATER, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "2026-04-12-bad-00000000.md" in done.stderr
    assert wl.Wiki().conversation(path).summarized


def test_two_conversations_about_one_rare_thing_name_each_other(home, summarize):
    a = put(home, *talk(*EXPORT, session="a" * 32))
    b = put(home, *talk(*EXPORT, session="b" * 32, title="The export is empty again"))
    summarize()
    assert wl.Wiki().conversation(a).related == [b] and wl.Wiki().conversation(b).related == [a]


def test_continuation_files_belong_to_their_conversation(home, summarize):
    path, text = talk(*EXPORT[:1])
    put(home, path, text)
    put(home, path.replace(".md", ".2.md"), talk(*EXPORT)[1])
    summarize()
    assert CAUSE in [b.text for b in wl.Wiki().conversation(path).bullets]
    assert not wl.Wiki().conversation(path.replace(".md", ".2.md")).summarized


def test_without_a_wiki_there_is_nothing_to_do(home, summarize):
    assert summarize() == [] and not home.wiki.exists()


# ---------------------------------------------------------------- real sessions


@pytest.mark.real
def test_real_sessions_give_cited_verbatim_bullets(home, run_script, corpus):
    """Over the genuine sessions: every citation resolves and every bullet's words stand in the message it cites."""
    run_script("extract-sessions.py", "--sessions", corpus / "claude", "--sessions", corpus / "codex", check=False)
    run_script("summarize-conversations.py")
    wiki, bullets = wl.Wiki(), 0
    for conversation in wiki.conversations(full=True):
        texts = {m.id: set(wl.content_words(m.text)) for m in conversation.read().said}
        assert len(conversation.topics) <= 8
        for bullet in conversation.bullets:
            bullets += 1
            assert set(wl.content_words(bullet.text)) <= texts[bullet.cites[0]], (conversation.path, bullet.text)
    assert bullets > 100


# ---------------------------------------------------------------- the same contract, answered by a model


def answering(**answer) -> str:
    """A claude that answers every question with the same object."""
    reply = {"type": "result", "is_error": False, "result": "", "structured_output": answer, "total_cost_usd": 0.001, "usage": {}}
    return f"#!/bin/sh\ncat > /dev/null\ncat <<'JSON'\n{json.dumps(reply)}\nJSON\n"


def test_a_model_answers_the_same_contract(home, summarize, fake_bin):
    """M16, M17: halls, citations and rooms of an answer stand in the file as the extractive ones do."""
    path, text = talk(*EXPORT)
    put(home, path, text)
    cite = wl.parse_conversation(path, text).read().said[2].id
    bullet = {"hall": "fact", "text": "`pg_dump` 14 cannot read a PostgreSQL 16 server.", "cites": ["#" + cite]}
    fake_bin("claude", answering(title="Export", summary="The export was empty.", topics=["Postgres", "file"], bullets=[bullet]))
    assert len(summarize("--claude")) == 1
    conversation = wl.Wiki().conversation(path)
    assert conversation.summary == "The export was empty." and conversation.topics == ["postgres"]
    assert conversation.bullets == (wl.Bullet("fact", bullet["text"], (cite,)),)
    assert conversation.meta["summarized_by"] == "claude/haiku"


def test_what_a_model_says_without_evidence_is_never_written(home, run_script, fake_bin):
    """M17: a citation that does not exist, or a number the message does not have, sets the answer aside."""
    path, text = talk(*EXPORT)
    put(home, path, text)
    cite = wl.parse_conversation(path, text).read().said[2].id
    for wrong in (("fact", "`pg_dump` 14 cannot read a server.", "00000000"), ("fact", "`pg_dump` 99 cannot read a server.", cite)):
        bullet = dict(zip(("hall", "text", "cites"), (*wrong[:2], [wrong[2]]), strict=True))
        fake_bin("claude", answering(title="x", summary="x", topics=[], bullets=[bullet]))
        done = run_script("summarize-conversations.py", "--claude", env=LATER, check=False)
        assert done.returncode == 1 and path in done.stderr and done.stdout == ""
        assert (home.wiki / path).read_text() == text
        [aside] = (home.wiki / "context/questions/failed").iterdir()
        aside.unlink()


@pytest.mark.parametrize("text", [
    "The importer reads the first row → the mapper names its columns → the writer stores the customer without a name.",
    "The upload holds 40 MB actual against a 200 MB limit, so one part is enough for the whole export here.",
    "Commits 2–5 of the importer branch were replayed on the new main without a conflict in the mapper.",
    "The mapper treats a missing column like an empty one, with its own message for the person (same commit).",
    "One important detail: the importer is mostly about columns and hardly about customers at all.",
    "The importer and the exporter disagree about the header, and we don't know which of the two is right.",
    "An empty export is consistent with the importer having dropped every row before the writer saw it.",
    "while an import is active, the importer creates `import.lock` beside the file",
])
def test_walks_numbers_of_one_run_and_remarks_are_not_kept(text):
    assert cues.refused(text) != ""


def test_what_is_said_in_passing_is_no_preference():
    assert cues.refused("let's switch the importer to semicolons", by_user=True) == "request"
    assert cues.refused("let's always use semicolons in exports from now on", by_user=True) == ""
