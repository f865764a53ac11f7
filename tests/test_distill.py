"""wiki-distill.py: topics with their whole history become cited pages that wait for a person."""

from __future__ import annotations

import wiki_lib as wl

import datetime
import json
import re

import pytest
import wikis
from distilling import evidence as ev
from distilling import groups as gr
from distilling import pages as pg

TODAY = datetime.date(2026, 4, 14)
JITTER = "The retry policy uses full jitter with a base of 200 ms and a cap of 30 s."
FROZEN = "Retries failed in the worker because its clock was not frozen by the fixture."
CAPPED = "You should cap retries at five attempts per request and log the last error."
COUNTED = "Every retry is counted in the metric `http_retries_total` with its status."
KEYED = "A retry of a POST without an idempotency key is refused by the gateway."
SEEDED = "Seed the jitter from the name of the host, so that two hosts never wait alike."
RETRY = {"fact": [JITTER, COUNTED], "discovery": [FROZEN], "advice": [CAPPED]}


def talk(day: str, topics: list[str], **options) -> wl.Conversation:
    return wikis.conversation(day, topics, **options)[0]


def plan(conversations, ledger=None, pages=(), **options) -> list[gr.TopicGroup]:
    return gr.plan(conversations, ledger or {}, pages, TODAY, **options)


def due(groups) -> dict[str, gr.TopicGroup]:
    return {g.topic: g for g in groups if g.verdict == "due"}


@pytest.fixture
def distill(run_script, home):
    """Runs wiki-distill.py on 2026-04-14 and returns its lines."""

    def run(*args, day="2026-04-14", **options) -> list[str]:
        return run_script("wiki-distill.py", *args, env={"WIKI_TODAY": day}, **options).stdout.splitlines()

    return run


@pytest.fixture
def wiki(home) -> wl.Wiki:
    made = wl.Wiki(home.wiki)
    made.init()
    return made


def staged(wiki: wl.Wiki) -> dict[str, wl.WikiPage]:
    return {p.path: p for p in wiki.pages("staging")}


# --- what is due


def test_a_dormant_topic_brings_its_whole_history_when_it_resurfaces():
    """M21, M22: the window chooses the topic, the history is not windowed."""
    old, new = talk("2025-01-01", ["retry"], **RETRY), talk("2026-04-14", ["retry"], fact=[KEYED])
    groups = due(plan([old, new], {"first-run": ["2026-04-01"]}))
    assert groups["retry"].conversations == (old, new)


def test_a_conversation_summarised_late_is_not_lost():
    """M21: not today's, not in the ledger, after the first run began."""
    late, before = talk("2026-04-10", ["retry"], **RETRY), talk("2026-03-01", ["jitter"], fact=[JITTER])
    ledger = {"first-run": ["2026-04-07"], gr.evidence_key(talk("2026-04-12", ["pytest"])): ["pytest"]}
    assert set(due(plan([late, before], ledger))) == {"retry"}


def test_a_conversation_counts_again_only_when_its_evidence_changed_or_it_gained_a_topic():
    """M23."""
    first = talk("2026-04-10", ["retry"], **RETRY)
    ledger = {"first-run": ["2026-04-07"], gr.evidence_key(first): ["retry"]}
    assert plan([first], ledger) == []
    grown = talk("2026-04-10", ["retry"], **{**RETRY, "fact": [JITTER, KEYED]})
    assert grown.path == first.path and "retry" in due(plan([grown], ledger))
    tagged = talk("2026-04-10", ["retry", "gateway"], name="2026-04-10-retry", **RETRY)
    assert {t for g in plan([tagged], ledger) for t in g.topics} == {"gateway"}


def test_thin_topics_are_in_the_ledger_and_not_looked_at_again():
    """M23."""
    thin = talk("2026-04-10", ["sqlite"], fact=["SQLite is fine."])
    ledger = {"first-run": ["2026-04-07"], gr.evidence_key(thin): ["thin:sqlite"]}
    assert plan([thin], ledger) == []


def test_the_first_run_looks_back_a_week_but_at_least_over_twenty_conversations():
    """M21."""
    day = datetime.date(2026, 4, 10)
    few = [talk((day - datetime.timedelta(days=5 * n)).isoformat(), [f"topic{n}"], fact=["x y z"]) for n in range(30)]
    assert gr.window_start(few, TODAY) == (day - datetime.timedelta(days=5 * 19)).isoformat()
    many = [talk("2026-04-09", [f"t{n}"], fact=["x y z"]) for n in range(30)]
    assert gr.window_start(many, TODAY) == "2026-04-02"


def test_the_first_run_takes_thirty_groups_with_most_evidence_and_leaves_the_rest():
    """M21."""
    talks = [talk("2026-04-10", [f"widget{n}"], fact=[f"The widget{n} part {chr(97 + i)} holds {n}{i} liters of water in its tank, "
             "says the sheet." for i in range(3 + n % 4)]) for n in range(40)]  # fmt: skip
    groups = plan(talks, first=True)
    verdicts = [g.verdict for g in groups]
    assert verdicts.count("due") == 30 and verdicts.count("left") == 10
    sizes = {v: [len(g.subjects[0].evidence) for g in groups if g.verdict == v] for v in ("due", "left")}
    assert min(sizes["due"]) >= max(sizes["left"])
    assert [g.verdict for g in plan(talks, first=True, limit=2)].count("due") == 2, "M27: --limit counts groups"


def test_only_facts_discoveries_and_advice_are_evidence():
    """M22."""
    c = talk("2026-04-14", ["retry"], preference=["I prefer retries with jitter."], event=["The retry shipped."],
             tooling=["`retryctl` shows retries."], **RETRY)  # fmt: skip
    [group] = plan([c], first=True)
    assert {e.bullet.hall for e in group.subjects[0].evidence} == {"fact", "discovery", "advice"}


def test_project_narrows_todays_topics_and_not_their_history():
    """M27."""
    here, there = talk("2026-04-14", ["retry"], wing="api", **RETRY), talk("2026-04-13", ["retry"], wing="web", fact=[KEYED])
    other = talk("2026-04-14", ["cache"], wing="web", fact=["The cache keeps pages for a day."])
    groups = plan([here, there, other], first=True, project="api")
    assert [g.topics for g in groups] == [("retry",)] and groups[0].conversations == (there, here)


def test_topic_ignores_date_and_ledger():
    """M27."""
    old = talk("2020-01-01", ["retry"], **RETRY)
    ledger = {"first-run": ["2026-04-07"], gr.evidence_key(old): ["retry"]}
    assert "retry" in due(plan([old], ledger, topics={"retry"}))


def test_topics_of_the_same_conversations_are_one_group():
    """E1: no near-duplicate pages; the more telling topic leads."""
    talks = [talk(f"2026-04-1{n}", ["retry", "jitter"], **RETRY) for n in range(3)]
    [group] = plan(talks, first=True)
    assert group.topics == ("retry", "jitter")


def test_a_page_that_covers_a_group_at_its_present_evidence_costs_nothing():
    """E1: all of its conversations, or an overlap of 0.8."""
    talks = [talk(f"2026-04-{n:02}", ["retry"], **RETRY) for n in range(1, 11)]
    page = wl.WikiPage("wiki/concepts/retry.md", {"type": "concept", "topics": ["retry"]}, "# Retry\n")
    ledger = {page.path: [gr.evidence_key(c) for c in talks[:9]]}
    assert [g.verdict for g in plan(talks, ledger, [page], first=True)] == ["covered"]
    assert [g.verdict for g in plan(talks, {page.path: ledger[page.path][:7]}, [page], first=True)] == ["due"]
    assert plan(talks, {page.path: ledger[page.path][:7]}, [page], first=True)[0].new == 3, "E2 names how many are new"


def test_the_ledger_lost_the_pages_sources_say_what_they_cover():
    talks = [talk(f"2026-04-{n:02}", ["retry"], **RETRY) for n in range(1, 4)]
    digest = gr.sources_digest(map(gr.evidence_key, talks))
    page = wl.WikiPage("wiki/concepts/retry.md", {"sources": [c.path for c in talks], "sources_digest": digest}, "")
    assert [g.verdict for g in plan(talks, {}, [page], first=True)] == ["covered"]


def test_two_hundred_characters_or_it_is_thin():
    """E4."""
    c = talk("2026-04-14", ["retry"], fact=["Retry it once.", "A retry is cheap.", "Retries jitter."])
    [group] = plan([c], first=True)
    assert group.verdict == "thin" and group.thin == ("retry",)


@pytest.mark.parametrize(
    "text",
    [
        "Switched all three error returns of the retry to one sentinel.",
        "CLI: the retry flag now lives in the root command.",
        "All 214 tests pass with the new retry.",
        "Triple walk in the planner — the retry passes folded into one loop.",
        "Speculation about the retry: it is the proxy.",
    ],
)
def test_what_only_tells_of_a_change_or_of_the_tests_is_no_evidence(text):
    c = talk("2026-04-14", ["retry"], fact=[JITTER, text])
    assert [e.text for e in ev.of(c)] == [JITTER]


def test_two_bullets_of_a_short_session_named_after_its_topic_make_a_page():
    wal = "In WAL mode the newest transactions stand in a second file until a checkpoint moves them over."
    copied = "The nightly backups lose bookings, because `cp` copies one of the two files that SQLite has open then."
    c = talk("2026-04-14", ["backups"], name="Backups lose bookings", fact=[wal], discovery=[copied + " It was never noticed."])
    [group] = plan([c], first=True)
    assert group.verdict == "due" and {e.text for e in group.subjects[0].evidence} == {wal, copied + " It was never noticed."}


def test_a_review_lends_no_bullet_to_the_topic_in_its_title():
    found = [f"The {word} handler of the server returns before the {word} body was read to its end." for word in
             ("login", "upload", "export", "search")]  # fmt: skip
    c = talk("2026-04-14", ["webhooks"], name="Review webhooks branch", fact=found)
    [group] = plan([c], first=True)
    assert group.verdict == "thin"


def test_the_projects_own_name_is_no_page():
    c = talk("2026-04-14", ["api"], wing="api", fact=["The api " + w for w in (JITTER, FROZEN, CAPPED)])
    assert plan([c], first=True)[0].verdict == "thin"


def test_a_field_leaves_its_bullets_to_the_special_topic():
    """No two staged pages with mostly the same bullets."""
    special = [f"SQLite backups need the online backup call number {n}, because a database file alone is old." for n in range(3)]
    c = talk("2026-04-14", ["backups", "database"], name="Backups", fact=special)
    d = talk("2026-04-13", ["database"], name="Database notes", fact=[COUNTED, KEYED])
    made = [s for g in plan([c, d], first=True) if g.verdict == "due" for s in g.subjects]
    assert len(made) == 1 and made[0].topics[0] == "backups"


# --- what speaks of a topic


@pytest.mark.parametrize(
    "topic, text, speaks",
    [
        ("retry-policy", "Retries use full jitter.", True),
        ("retry-policy", "The cache policy is to keep pages.", False),
        ("http-401", "The HTTP transport follows redirects.", False),
        ("go", "`internal/push.go` reports each ref.", False),
        ("go", "Go closes the connection.", True),
        ("git", "git-sync dropped the ref.", False),
        ("ci", "The specific social cipher.", False),
        ("ci", "CI runs it twice.", True),
        ("kubernetes", "k8s restarts the pod.", True),
        ("wake-up", "The wakeup file stays small.", True),
        ("記憶", "記憶は夜に整理される。", True),
    ],
)
def test_a_bullet_speaks_of_a_topic(topic, text, speaks):
    assert bool(ev.weight(topic, text)) is speaks


def test_the_same_words_with_another_number_or_a_not_are_another_claim():
    assert ev.same("The cap is 30 s for every retry of a request.", "The cap is 30 s for each retry of a request.")
    assert not ev.same("The image runs on Node 18 in production today.", "The image runs on Node 20 in production today.")
    assert not ev.same("Retries are safe for POST requests in the API.", "Retries are not safe for POST requests in the API.")


# --- the page


def test_the_staged_page_is_what_a_person_can_say_yes_to(wiki, distill):
    """M25: cited claims, the durable one first, and where it came from."""
    one = wikis.talk(wiki.root, "2026-04-12", ["retry-policy"], **RETRY)
    two = wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], wing="web", fact=[JITTER, KEYED])
    assert distill()[0] == "staged staging/concepts/retry-policy.md: Retry Policy, v1, 5 bullets from 2 sources"
    page = wiki.page("staging/concepts/retry-policy.md")
    assert page.body.startswith(f"# Retry Policy\n\n{JITTER} (source: {two}#")
    assert f", {one}#" in page.body.split("\n")[2], "said twice, cited twice"
    assert re.findall(r"^## (.*)", page.body, re.M) == ["Facts", "Discoveries", "Advice"]
    assert all(line.count("(source: conversations/") == 1 for line in page.body.split("\n") if line.startswith("- "))
    assert [page.meta[k] for k in ("staged_by", "distill_topic", "compiled_by", "status", "version", "origin")] == [
        "wiki-distill", "retry-policy", "extractive", "pending", 1, "automated"]  # fmt: skip
    assert set(page.meta["distill_source_conversations"].split(", ")) == {one, two} == set(page.words("sources"))
    assert page.meta["compilation_notes"] and page.words("wings") == ["api", "web"] and not page.edited


def test_every_citation_stands_in_its_transcript_and_one_that_does_not_is_left_out(wiki, distill):
    """B3, E10."""
    path = wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], **RETRY, tail="\n")
    text = (wiki.root / path).read_text()
    gone = re.search(rf"{re.escape(CAPPED)} \[#(\w+)\]", text)[1]
    (wiki.root / path).write_text(text.replace(f"· #{gone}\n", "· #00000000\n"))
    distill()
    page = wiki.page("staging/concepts/retry-policy.md")
    cites = re.findall(r"(conversations/[^\s#)\]]+\.md)#([0-9a-f]{8,12})", page.body)
    assert cites and all(f"· #{i}\n" in (wiki.root / p).read_text().split("## Transcript")[-1] for p, i in cites)
    assert CAPPED not in page.body and "1 left out" in page.meta["compilation_notes"]


def test_a_citation_into_a_continuation_or_a_parent_names_the_file_that_has_it(wiki, distill):
    parent = wikis.talk(wiki.root, "2026-04-12", ["other"], name="parent", fact=[JITTER])
    path = wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], **RETRY)
    head, mark, rest = (wiki.root / path).read_text().partition("\n## Transcript\n")
    kept, _, moved = rest.partition("\n### Assistant")
    (wiki.root / path).write_text(head + mark + kept)
    wikis.put(wiki.root, path.replace(".md", ".2.md"), "---\ntitle: more\n---\n## Transcript\n\n### Assistant" + moved)
    distill()
    assert f"(source: {path.replace('.md', '.2.md')}#" in wiki.page("staging/concepts/retry-policy.md").body
    fork, shared = wikis.conversation("2026-04-14", ["jitter"], name="fork", advice=[SEEDED],
                                    fact=[JITTER, "The jitter of a delay is under half of it, says the gateway."])  # fmt: skip
    ident = re.search(r"jitter with .* \[#(\w+)\]", (wiki.root / parent).read_text())[1]
    own = re.search(r"jitter with .* \[#(\w+)\]", shared)[1]
    meta = f"forked_from: {wiki.conversation(parent).session_id}\nstatus:"
    wikis.put(wiki.root, fork.path, shared.replace(f"#{own}", "#", 1).replace("[#]", f"[#{ident}]").replace("status:", meta, 1))
    distill("--topic", "jitter")
    assert f"(source: {parent}#{ident})" in wiki.page("staging/concepts/jitter.md").body


def test_words_of_a_bullet_never_read_as_our_links_or_structure():
    hostile = ev.Evidence(wl.Bullet("fact", "# Not a title [[retry]] [x](../../etc/passwd.md) <!-- memex:index -->", ("a" * 8,)),
                          "conversations/a/b.md", "2026-04-14", "a")  # fmt: skip
    line = pg.claim_line(hostile)
    assert not wl.page_links(line) and line.startswith("\\#") and "<!--" not in line


@pytest.mark.parametrize(
    "topic, said, title",
    [
        ("retry-policy", [], "Retry Policy"),
        ("ci-cache", [], "CI Cache"),
        ("sqlite-wal", [], "SQLite WAL"),
        ("state-of-the-art", [], "State of the Art"),
        ("duckling", ["DuckLing parses dates.", "Use DuckLing here."], "DuckLing"),
    ],
)
def test_the_title_is_what_a_person_would_write(topic, said, title):
    assert pg.title_of(topic, [ev.Evidence(wl.Bullet("fact", s), "p", "", "w") for s in said]) == title


# --- pages there are already


def test_a_second_run_changes_no_byte_and_says_nothing(wiki, distill, snapshot):
    wikis.talk(wiki.root, "2026-04-14", ["retry-policy", "sqlite"], **RETRY)
    first = distill()
    assert [line.split()[0] for line in first] == ["staged", "thin"]
    before = snapshot(wiki.root)
    assert distill() == [] and distill(day="2026-04-20") == [] and snapshot(wiki.root) == before


def test_a_waiting_page_is_refreshed_in_place_when_there_is_more_to_say(wiki, distill):
    wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], **RETRY)
    distill()
    wikis.talk(wiki.root, "2026-04-15", ["retry-policy"], name="again", fact=[KEYED])
    [line] = distill(day="2026-04-15")
    assert line.startswith("refreshed staging/concepts/retry-policy.md") and len(staged(wiki)) == 1
    page = wiki.page("staging/concepts/retry-policy.md")
    assert KEYED in page.body and page.meta["staged_at"] == "2026-04-14" and page.meta["version"] == 1


def test_a_live_page_of_the_topic_is_proposed_a_change_and_keeps_every_line(wiki, distill):
    """E2, E5, E16."""
    body = (
        "# Retrying\n\nRetries are rare. (source: conversations/a/b.md#12345678)\n\n## Facts\n\n- Kept line.\n\n## Notes\n\nMine.\n"
    )
    live = wikis.page(wiki.root, "wiki/patterns/retrying.md", body, aliases=["retry policy"], version=3, sources=["https://x.org"])
    wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], **RETRY)
    [line] = distill()
    assert re.fullmatch(r"refreshed staging/patterns/retrying.md: Retrying, v3 -> v4: \+1 sources, \+\d+ chars", line)
    page = wiki.page("staging/patterns/retrying.md")
    assert page.meta["modifies"] == live and page.meta["modifies_hash"] == wl.page_content_hash(body)
    assert page.meta["version"] == 4 and page.meta["created"] == "2026-01-01" and JITTER in page.body
    assert all(old in page.body for old in body.split("\n")) and page.words("sources")[0] == "https://x.org"
    assert distill() == []


def test_what_the_live_page_says_already_is_not_said_again(wiki, distill):
    """E1: covered, and remembered as such."""
    body = "# Retry Policy\n\n" + "\n".join(f"- {t} (source: conversations/a/b.md#12345678)" for h in RETRY.values() for t in h)
    wikis.page(wiki.root, "wiki/concepts/retry-policy.md", body + "\n", topics=["retry-policy"])
    wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], **RETRY)
    assert distill() == [] and not staged(wiki)


def test_a_page_a_person_edited_is_never_rewritten_but_listed_once_as_a_conflict(wiki, distill):
    """E6."""
    wikis.page(wiki.root, "wiki/concepts/retry-policy.md", "# Retry Policy\n\nMine.\n", compiled_hash="000000000000")
    wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], **RETRY)
    [line] = distill()
    assert line.startswith("conflict wiki/concepts/retry-policy.md: a person edited it") and not staged(wiki)
    assert distill() == []


def test_a_staged_page_a_person_is_working_on_is_left_alone(wiki, distill):
    wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], **RETRY)
    distill()
    file = wiki.root / "staging/concepts/retry-policy.md"
    file.write_text(file.read_text() + "\nA line of mine.\n")
    wikis.talk(wiki.root, "2026-04-15", ["retry-policy"], name="again", fact=[KEYED])
    assert distill(day="2026-04-15")[0].startswith("conflict staging/") and "A line of mine." in file.read_text()


def test_a_rejected_topic_is_not_proposed_again_with_the_same_evidence(wiki, distill, run_script):
    """M28."""
    wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], **RETRY)
    distill()
    run_script("wiki-staging.py", "--reject", "retry-policy", "--reason", "too vague")
    (told,) = distill("--topic", "retry-policy")
    assert told.startswith("rejected ") and not staged(wiki) and distill() == []
    wikis.talk(wiki.root, "2026-04-15", ["retry-policy"], name="again", fact=[KEYED])
    assert distill(day="2026-04-15")[0].startswith("staged ")


def test_topics_of_much_the_same_bullets_share_a_page_and_keep_sharing_it(wiki, distill):
    """No two pages alike; more about the lesser topic joins the page and takes nothing from it."""
    both = {"fact": ["Credentials for the keychain come from the helper, never from the URL that was typed.",
                     "The keychain gives the helper its credentials before every push.",
                     "Credentials are dropped when the keychain fails twice in a row."]}  # fmt: skip
    wikis.talk(wiki.root, "2026-04-12", ["keychain", "credentials"], **both)
    wikis.talk(wiki.root, "2026-04-13", ["credentials"], fact=["Credentials live in one file under the host's name."])
    distill()
    [page] = staged(wiki).values()
    assert set(page.words("topics")) == {"keychain", "credentials"}
    wikis.talk(wiki.root, "2026-04-15", ["keychain"], name="more", advice=["Never log what the keychain answers of a request."])
    [line] = distill(day="2026-04-15")
    [after] = staged(wiki).values()
    assert line.startswith("refreshed ") and set(pg.said(page.body)) < set(pg.said(after.body)) and distill(day="2026-04-15") == []
    digest = gr.sources_digest(gr.evidence_key(wiki.conversation(s)) for s in after.words("sources"))
    assert after.meta["sources_digest"] == digest and len(after.words("sources")) == 3


def test_a_waiting_change_keeps_its_bullets_when_more_comes(wiki, distill):
    body = "# Retry Policy\n\nRetries are rare. (source: conversations/a/b.md#12345678)\n"
    wikis.page(wiki.root, "wiki/concepts/retry-policy.md", body, topics=["retry-policy"])
    wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], **RETRY)
    distill()
    wikis.talk(wiki.root, "2026-04-15", ["retry-policy"], name="again", fact=[KEYED])
    [line] = distill(day="2026-04-15")
    page = wiki.page("staging/concepts/retry-policy.md")
    assert "v1 -> v2: +2 sources" in line and JITTER in page.body and KEYED in page.body and distill(day="2026-04-15") == []


# --- the program


def test_dry_runs_and_roll_ups_write_nothing(wiki, distill, snapshot):
    """M27: --dry-run, --no-compile; thin topics are listed."""
    wikis.talk(wiki.root, "2026-04-14", ["retry-policy", "sqlite"], **RETRY)
    before = snapshot(wiki.root)
    assert [line.split()[0] for line in distill("--dry-run")] == ["would", "thin"]
    roll_up = distill("--no-compile")
    assert roll_up[0].startswith("retry-policy: 4 bullets") and any(
        JITTER in line and "conversations/api/" in line for line in roll_up
    )
    distill("--pending")
    assert snapshot(wiki.root) == before


def test_what_the_first_run_left_is_said_and_taken_by_the_command_it_names(wiki, distill):
    """M21, M27."""
    for n in range(3):
        text = [f"The widget{n} part {c} holds {n}{i} liters of water in its tank, says the sheet." for i, c in enumerate("abcd")]
        wikis.talk(wiki.root, "2026-04-14", [f"widget{n}"], fact=text)
    lines = distill("--limit", "2", "--first-run")
    assert [line.split()[0] for line in lines] == ["staged", "staged", "left"] and "`wiki-distill.py --first-run`" in lines[-1]
    assert distill(day="2026-04-16") == []
    assert [line.split()[0] for line in distill("--first-run", day="2026-04-16")] == ["staged"] and len(staged(wiki)) == 3


def test_a_run_commits_its_own_paths_and_nothing_else(wiki, distill, git):
    """E14."""
    wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], **RETRY)
    distill()
    assert git("log", "-1", "--format=%s").strip() == "distill: 1 page"
    assert set(git("show", "--name-only", "--format=", "HEAD").split()) == {
        ".distill-state.json", "staging/concepts/retry-policy.md", "staging/index.md"}  # fmt: skip
    assert git("status", "--porcelain").split() == ["??", "conversations/"]


def test_it_works_without_git_without_a_wiki_and_says_so_of_unknown_topics(home, distill, run_script):
    assert distill() == [] and not home.wiki.exists()
    wikis.talk(home.wiki, "2026-04-14", ["retry-policy"], **RETRY)
    assert distill()[0].startswith("staged ")
    done = run_script("wiki-distill.py", "--topic", "retry", check=False)
    assert done.returncode == 1 and done.stderr.splitlines() == [
        "wiki-distill.py: retry: no conversation has this topic; did you mean retry-policy?"]  # fmt: skip


def test_pending_is_what_formats_promises(wiki, distill):
    """formats.md, and E15: what was made without a model still waits for one; E8, E9: stale pages and wanted labels."""
    path = wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], **RETRY)
    keys = {"pending", "stale_pages", "stale_truncated", "orphan_topics"}
    before = json.loads("\n".join(distill("--pending", "--json")))
    assert set(before) == keys and [p["new_count"] for p in before["pending"]] == [1]
    distill()
    wikis.page(wiki.root, "wiki/concepts/a.md", "# A\n\nSee [[lost-thing]].\n", sources=[path], sources_digest="0" * 12)
    wikis.page(wiki.root, "wiki/concepts/b.md", "# B\n\nSee [[Lost thing]] and [[a]].\n")
    after = json.loads("\n".join(distill("--pending", "--json")))
    [entry] = after["pending"]
    assert set(entry) == {"sources", "bullets", "topic", "wing", "estimated_tokens", "existing_page", "new_count"}
    assert entry["existing_page"] == "staging/concepts/retry-policy.md" and entry["sources"] == [path] and entry["new_count"] == 0
    [stale] = after["stale_pages"]
    assert set(stale) == {"page", "title", "summary", "sources", "stale_reason", "user_edited", "sources_updated_count"}
    assert after["orphan_topics"] == [{"label": "lost-thing", "count": 2}] and after["stale_truncated"] is False


def test_a_crash_before_the_ledger_repeats_work_and_loses_none(wiki, distill):
    wikis.talk(wiki.root, "2026-04-14", ["retry-policy"], **RETRY)
    distill()
    body = wiki.page("staging/concepts/retry-policy.md").body
    (wiki.root / ".distill-state.json").unlink()
    assert distill() == [] and wiki.page("staging/concepts/retry-policy.md").body == body


def test_what_a_killed_run_staged_leaves_its_bullets_where_they_were(wiki, distill):
    """M18: killed after any of its pages, the next run ends in the same pages and the same ledger."""
    wikis.talk(wiki.root, "2026-04-13", ["retry-policy", "jitter", "timeouts"], **RETRY)
    wikis.talk(wiki.root, "2026-04-14", ["retry-policy", "timeouts"], fact=[
        "The retry-policy gives up after five timeouts of ten seconds each, with jitter between them, as the provider asks.",
        "Timeouts under two seconds made the retry-policy fire on every deploy; ten seconds is what the provider promises."])
    distill()
    pages, ledger = staged(wiki), (wiki.root / ".distill-state.json").read_text()
    assert pages
    for number in range(len(pages) + 1):
        (wiki.root / ".distill-state.json").unlink()
        for path in sorted(pages)[number:]:
            (wiki.root / path).unlink()
        distill()
        assert staged(wiki) == pages and (wiki.root / ".distill-state.json").read_text() == ledger


def test_two_topics_of_one_file_name_share_one_proposal(wiki, distill):
    wikis.talk(
        wiki.root, "2026-04-13", ["café"], fact=[f"The café opens at {n} and closes at {n + 8} on day {n}." * 2 for n in range(4)]
    )
    wikis.talk(
        wiki.root, "2026-04-14", ["cafe"], fact=[f"The cafe has {n} tables and {n + 3} chairs in room {n}." * 2 for n in range(4)]
    )
    distill()
    [page] = staged(wiki).values()
    assert "tables" in page.body and "opens at" in page.body and distill() == []
