"""update-conversation-index.py: what is read first, made from the conversations alone and within its budget."""

from __future__ import annotations

import wiki_lib as wl

import importlib

import pytest
import wikis

index = importlib.import_module("update-conversation-index")
LEAK = "The worker leaks a file handle for every failed upload, so it stops after 1024 of them."
RULE = "Never commit generated files."
DECIDED = "We decided to keep one queue for each region, because a shared one mixes their failures."
MOVED = "The queue was migrated from Redis to NATS because Redis lost messages on failover."


@pytest.fixture
def update(run_script):
    def run(*args):
        done = run_script("update-conversation-index.py", *args)
        assert done.stderr == ""
        return done.stdout.splitlines()

    return run


def read(home, path: str) -> str:
    return (home.wiki / path).read_text(encoding="utf-8")


def lines_under(text: str, head: str) -> list[str]:
    return text.split(f"## {head}\n", 1)[1].split("\n## ")[0].strip().splitlines()


def test_the_index_lists_projects_with_their_newest_conversation_first(home, update):
    """M20: index.md by project."""
    wikis.talk(home.wiki, "2026-04-10", ["nginx"], wing="web")
    wikis.talk(home.wiki, "2026-04-12", ["postgres", "pg-dump"], wing="web")
    wikis.talk(home.wiki, "2026-04-11", [], wing="api", summarized=False, name="a-[new]-one")
    update()
    text = read(home, "conversations/index.md")
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## api", "## web"]
    web = lines_under(text, "web")
    assert [line.split(" · ")[1] for line in web] == ["2026-04-12", "2026-04-10"]
    assert web[0].endswith("· postgres, pg-dump") and "](web/2026-04-12-" in web[0]
    assert lines_under(text, "api")[0].startswith(r"- [a \[new\] one](api/")


def test_projects_are_named_and_ordered_as_the_person_says(home, update):
    """M20: PROJECT_NAMES and PROJECT_ORDER."""
    for wing in ("api", "web", "zoo"):
        wikis.talk(home.wiki, "2026-04-10", ["nginx"], wing=wing)
    (home.wiki / "wiki.yaml").write_text(
        "update-conversation-index:\n  project_names: {api: The API}\n  project_order: [zoo]\n"
    )
    update()
    heads = [line for line in read(home, "conversations/index.md").splitlines() if line.startswith("## ")]
    assert heads == ["## zoo", "## The API", "## web"]


def test_a_second_run_changes_nothing_and_says_nothing(home, update, snapshot):
    """M20: no change, byte-identical and not rewritten."""
    wikis.talk(home.wiki, "2026-04-10", ["nginx"], fact=[LEAK])
    assert update()
    before = snapshot(home.wiki)
    assert update() == [] and snapshot(home.wiki) == before


def test_a_dry_run_says_what_it_would_write(home, update, snapshot):
    wikis.talk(home.wiki, "2026-04-10", ["nginx"], fact=[LEAK])
    before = snapshot(home.wiki)
    assert "would write conversations/index.md: index" in update("--dry-run")
    assert snapshot(home.wiki) == before and not home.cache.joinpath("memex", "search").exists()


def test_the_wake_up_tells_focus_decisions_and_concerns(home, update):
    """M20: the three heads, of everything and of each project."""
    wikis.talk(home.wiki, "2026-04-12", ["nats", "redis"], wing="api", event=[MOVED], preference=[RULE])
    wikis.talk(home.wiki, "2026-04-11", ["uploads"], wing="web", discovery=[LEAK])
    update()
    everything, api = read(home, "context/wake-up.md"), read(home, "context/wake-up/api.md")
    assert [line for line in everything.splitlines() if line.startswith("## ")] == [
        "## Current focus areas",
        "## Recent decisions",
        "## Active concerns",
    ]
    assert lines_under(everything, "Current focus areas") == [
        "- 2026-04-12 api, 1 session: nats, redis",
        "- 2026-04-11 web, 1 session: uploads",
    ]
    assert sorted(lines_under(everything, "Recent decisions")) == [
        f"- 2026-04-12 api: {RULE}",
        f"- 2026-04-12 api: {MOVED}",
    ]
    assert lines_under(everything, "Active concerns") == [f"- 2026-04-11 web: {LEAK}"]
    assert lines_under(api, "Current focus areas") == ["- 1 session, 2026-04-12: nats, redis"]
    assert lines_under(api, "Active concerns") == ["- none known"]


def test_under_tenfold_overflow_the_newest_stay_in_the_wake_up(home, update):
    """M20: at most 200 tokens of four characters; the newest and most important are kept."""
    for day in range(1, 31):
        wikis.talk(
            home.wiki,
            f"2026-04-{day:02}",
            [f"room-of-day-{day:02}-{n}" for n in range(4)],
            preference=[f"Always use tool {day:02} for the release of the día number {day:02}, never the one before it."],
            discovery=[f"The upload of day {day:02} fails whenever its token expires on the night before the run."],
        )
    update()
    text = read(home, "context/wake-up.md")
    everything = sum(len(b.line) for c in wl.Wiki(home.wiki).conversations() for b in c.bullets)
    assert everything > 10 * 400 and len(text.encode()) <= 800
    assert "room-of-day-30" in lines_under(text, "Current focus areas")[0]
    assert "…" not in text
    assert "tool 30" in lines_under(text, "Recent decisions")[0]
    assert "day 30" in lines_under(text, "Active concerns")[0]


def test_what_came_from_the_web_never_enters_the_wake_up(home, update):
    wikis.talk(home.wiki, "2026-04-12", ["nats"])
    body = "# {}\n\nWe chose it.\n"
    wikis.page(home.wiki, "wiki/decisions/ours.md", body.format("NATS over Redis"), sources=["conversations/api/x.md"])
    wikis.page(home.wiki, "wiki/decisions/theirs.md", body.format("Buy our queue"), sources=["https://example.org/p"])
    wikis.page(home.wiki, "wiki/decisions/old.md", body.format("Redis for all"), superseded_by="wiki/decisions/ours.md")
    update()
    assert lines_under(read(home, "context/wake-up.md"), "Recent decisions") == ["- 2026-01-01: NATS over Redis"]


def test_a_persons_concerns_outside_the_block_survive_and_come_first(home, update):
    """M20: active-concerns.md keeps what a person wrote."""
    wikis.talk(home.wiki, "2026-04-12", ["uploads"], discovery=[LEAK])
    mine = "# Mine\n\n- The certificate expires in May.\n"
    (home.wiki / "context").mkdir()
    (home.wiki / "context/active-concerns.md").write_text(mine)
    update()
    text = read(home, "context/active-concerns.md")
    assert text.startswith(mine.rstrip()) and LEAK in text
    assert lines_under(read(home, "context/wake-up.md"), "Active concerns") == [
        "- The certificate expires in May.",
        f"- 2026-04-12 api: {LEAK}",
    ]
    (home.wiki / "context/active-concerns.md").write_text(text.replace("in May", "in June") + "\nAnd a last line.\n")
    wikis.talk(home.wiki, "2026-04-13", ["nginx"], discovery=["The proxy loses the last chunk of every answer."])
    update()
    again = read(home, "context/active-concerns.md")
    assert "in June" in again and again.endswith("And a last line.\n") and "The proxy loses" in again


def test_raw_extractions_hold_every_hall_in_order_of_time(home, update):
    """W5: everything the halls hold, oldest first, rebuilt without a model."""
    wikis.talk(home.wiki, "2026-04-12", ["nats"], event=[MOVED])
    wikis.talk(home.wiki, "2026-04-10", ["uploads"], discovery=[LEAK], preference=[RULE])
    update()
    text = read(home, "context/raw-extractions.md")
    assert [text.index(t) for t in (LEAK, RULE, MOVED)] == sorted(text.index(t) for t in (LEAK, RULE, MOVED))
    assert "- **event** " + MOVED + " [#" in text


def test_the_wake_up_of_a_project_that_is_gone_goes_too(home, update):
    path = wikis.talk(home.wiki, "2026-04-12", ["nats"], wing="api")
    wikis.talk(home.wiki, "2026-04-12", ["nats"], wing="web")
    update()
    (home.wiki / path).unlink()
    assert "remove context/wake-up/api.md: no conversation of this project is left" in update()
    assert not (home.wiki / "context/wake-up/api.md").exists()


def test_it_ends_with_the_search_index_up_to_date(home, update, run_script):
    wikis.talk(home.wiki, "2026-04-12", ["nats"], event=[MOVED])
    update()
    assert run_script("wiki-search.py", "--update").stdout == ""
    assert "nats" in run_script("wiki-search.py", "migrated from Redis", "--json").stdout


def test_the_order_of_files_and_the_clock_do_not_matter(home, update, run_script, snapshot):
    for n, wing in enumerate(("b", "a", "c")):
        wikis.talk(home.wiki, "2026-04-12", ["nats"], wing=wing, fact=[MOVED], name=f"talk-{n}")
    update()
    before = snapshot(home.wiki)
    done = run_script("update-conversation-index.py", env={"WIKI_TODAY": "2031-01-01", "TZ": "Asia/Tokyo"})
    assert done.stdout == "" and snapshot(home.wiki) == before


def test_without_a_wiki_there_is_nothing_to_do(home, update):
    assert update() == [] and not home.wiki.exists()


@pytest.mark.parametrize("budget_line", ["x" * 5000, "漢字" * 900])
def test_one_endless_line_is_cut_to_the_budget(budget_line):
    found = index.Line((budget_line,), "2026-04-12", "api", "x", 1.0)
    own = [index.own_line(budget_line), index.own_line("short")]
    text = index.render_wake_up("Wake-up", ["room"], [found], own)
    assert len(text.encode()) <= index.WAKE_UP_BYTES
    assert "room" in text and "short" in text and "…" in text.split("Active concerns")[1]
    assert "none known" in text.split("Recent decisions")[1]


def test_a_wiki_without_any_session_gets_its_files_without_a_word(home, run_script):
    home.wiki.mkdir(parents=True, exist_ok=True)
    first = run_script("update-conversation-index.py")
    assert (first.stdout, first.stderr) == ("", "")
    assert (home.wiki / "conversations/index.md").is_file() and (home.wiki / "context/wake-up.md").is_file()
    assert run_script("update-conversation-index.py").stdout == ""


# ------------------------------------------------------------------ what a wake-up may say


def told(**halls) -> dict[str, list[str]]:
    """The lines that one session with these bullets puts under decisions and concerns, without day and project."""
    made, _ = wikis.conversation("2026-04-12", ["queues"], **halls)
    text = index.wake_up([made], [], index.Hand(), "Wake-up", lambda memory: True)
    return {
        head: [line.removeprefix("- 2026-04-12 api: ") for line in lines_under(text, f"{head}") if "none known" not in line]
        for head in ("Recent decisions", "Active concerns")
    }


@pytest.mark.parametrize(
    "bullet",
    [
        {"preference": ["let's switch to camelCase"]},
        {"preference": ["I don't want a looser limit, that only hides it."]},
        {"preference": ["Keep it same overall length as the pros or cons."]},
        {"preference": ["Add tests to ensure that source and target must not be the same repository"]},
        {"fact": ["This was rejected because it needs state shared between processes."]},
        {"fact": ["The latter was rejected because it needs state shared between processes."]},
        {"event": ["`incpatch .Version` = bump patch on the latest tag (0.1.0 → 0.1.1)."]},
        {"fact": ["`Result.Pushed` counters are then bumped from the plan on the success path."]},
        {"event": ["Project: a client-side web audio app with static pages deployed to the host."]},
        {"preference": ["days should be calendar days at the port."]},
        {"fact": ["We decided on the following order for releases of the api:"]},
    ],
)
def test_what_leans_on_its_neighbours_or_was_wanted_once_is_no_decision(bullet):
    assert told(**bullet)["Recent decisions"] == []


@pytest.mark.parametrize(
    "bullet",
    [
        {"fact": [DECIDED]},
        {"fact": ["A circuit breaker was rejected because it needs state shared between processes."]},
        {"preference": ["I always want `set -eu` at the top of shell scripts."]},
        {"advice": ["`.tool/` is local state of the linter, it must not be committed."]},
        {"event": [MOVED]},
        {"event": ["Release 2.4 of the billing service was deployed to both regions."]},
    ],
)
def test_decisions_rules_and_releases_are_told_whole(bullet):
    assert told(**bullet)["Recent decisions"] == next(iter(bullet.values()))


def test_of_two_decisions_on_one_topic_the_newer_stands(home, update):
    wikis.talk(home.wiki, "2026-04-10", ["queues"], fact=["We decided to use one queue for all regions of the shop."])
    wikis.talk(home.wiki, "2026-04-12", ["queues"], fact=[DECIDED.replace("one queue", "separate queues")])
    update()
    (line,) = lines_under(read(home, "context/wake-up.md"), "Recent decisions")
    assert "2026-04-12 api: We decided to keep separate queues" in line


def test_a_long_bullet_is_told_by_its_first_whole_sentence():
    long = "We decided on expand and contract for every schema change: " + "one release adds the new column, " * 8 + "and so on."
    assert told(fact=[long])["Recent decisions"] == ["We decided on expand and contract for every schema change."]


def test_a_sentence_is_never_cut_before_its_but():
    turning = "We decided to use NATS for every queue of the shop; but " + "not in the region where it is forbidden " * 4 + "today."
    assert told(fact=[turning])["Recent decisions"] == []


@pytest.mark.parametrize(
    "bullet",
    [
        {"discovery": ["The root cause of the flaky retry test is the random jitter in `call_with_retry`."]},
        {"discovery": ["The upload failed because its token had expired the night before."]},
        {"discovery": ["The proxy no longer loses the last chunk of an answer."]},
        {"discovery": ["`replicate` correctly fails at session construction with a clear message."]},
        {"discovery": ["GitHub breaks off a push after five minutes of silence."]},
        {"discovery": ["If the pack exceeds the body cap of the server, git push fails with 413."]},
        {"discovery": [LEAK], "event": ["The worker now closes the file handle of a failed upload."]},
    ],
)
def test_what_is_explained_mended_or_others_affair_is_no_concern(bullet):
    assert told(**bullet)["Active concerns"] == []


@pytest.mark.parametrize(
    "bullet",
    [
        {"discovery": [LEAK]},
        {"advice": ["PostgreSQL should be reconsidered when a second API host is needed."]},
        {"advice": ["The old key has to stay in the vault until the last client is upgraded."]},
        {"fact": ["Replicate with prune is not yet covered by an end-to-end test."]},
    ],
)
def test_what_does_not_work_is_missing_or_remains_is_a_concern(bullet):
    assert told(**bullet)["Active concerns"] == next(iter(bullet.values()))


def test_a_fault_after_which_the_session_changed_files_is_no_concern(home, update):
    path = wikis.talk(home.wiki, "2026-04-12", ["uploads"], discovery=[LEAK])
    update()
    assert LEAK in read(home, "context/wake-up.md") and LEAK in read(home, "context/active-concerns.md")
    with (home.wiki / path).open("a", encoding="utf-8") as file:
        file.write("\n- **Edit** `src/worker.py`: done\n")
    update()
    assert LEAK not in read(home, "context/wake-up.md") and LEAK not in read(home, "context/active-concerns.md")


def test_a_later_session_that_mends_it_closes_a_concern(home, update):
    wikis.talk(home.wiki, "2026-04-12", ["uploads"], discovery=[LEAK])
    wikis.talk(home.wiki, "2026-04-13", ["uploads"], event=["The worker no longer leaks a file handle for a failed upload."])
    update()
    assert lines_under(read(home, "context/wake-up.md"), "Active concerns") == ["- none known"]
    assert "None known." in read(home, "context/active-concerns.md")


def test_a_person_closes_a_concern_by_some_of_its_words_everywhere(home, update, snapshot):
    wikis.talk(home.wiki, "2026-04-12", ["uploads"], discovery=[LEAK])
    wikis.talk(home.wiki, "2026-04-12", ["proxy"], discovery=["The proxy loses the last chunk of every answer."])
    (home.wiki / "context").mkdir()
    (home.wiki / "context/active-concerns.md").write_text("- [x] worker leaks file handle\n")
    update()
    for path in ("context/wake-up.md", "context/wake-up/api.md", "context/active-concerns.md"):
        assert LEAK not in read(home, path) and "The proxy loses" in read(home, path)
    before = snapshot(home.wiki)
    assert update() == [] and snapshot(home.wiki) == before


def test_a_line_ticked_in_the_block_moves_out_of_it_and_stays_closed(home, update):
    wikis.talk(home.wiki, "2026-04-12", ["uploads"], discovery=[LEAK])
    update()
    file = home.wiki / "context/active-concerns.md"
    assert "Close a line by ticking it" in file.read_text()
    file.write_text(file.read_text().replace("- [ ] The worker", "- [x] The worker"))
    update()
    inside, outside = file.read_text().split(index.CLOSE)
    assert LEAK not in inside and f"## Closed\n- [x] {LEAK} (2026-04-12" in outside
    assert LEAK not in read(home, "context/wake-up.md")
    assert update() == []


def test_a_persons_concern_for_one_project_reaches_its_wake_up(home, update):
    wikis.talk(home.wiki, "2026-04-12", ["uploads"], wing="web")
    wikis.talk(home.wiki, "2026-04-12", ["uploads"], wing="api")
    (home.wiki / "context").mkdir()
    (home.wiki / "context/active-concerns.md").write_text("- web: The certificate expires in May.\n")
    update()
    assert lines_under(read(home, "context/wake-up/web.md"), "Active concerns") == ["- The certificate expires in May."]
    assert lines_under(read(home, "context/wake-up/api.md"), "Active concerns") == ["- none known"]
    assert "- web: The certificate expires in May." in read(home, "context/wake-up.md")
