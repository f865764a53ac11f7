"""update-conversation-index.py: what is read first, made from the conversations alone and within its budget."""

from __future__ import annotations

import wiki_lib as wl

import importlib

import pytest
import wikis

index = importlib.import_module("update-conversation-index")
LEAK = "The worker leaks a file handle for every failed upload, so it stops after 1024 of them."
RULE = "Never commit generated files."
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
    assert lines_under(everything, "Current focus areas") == ["- nats (api), uploads (web), redis (api)"]
    assert lines_under(everything, "Recent decisions") == [f"- {RULE}", f"- {MOVED}"]
    assert lines_under(everything, "Active concerns") == [f"- {LEAK}"]
    assert lines_under(api, "Current focus areas") == ["- nats, redis"]
    assert lines_under(api, "Active concerns") == ["- none"]


def test_under_tenfold_overflow_the_newest_stay_in_the_wake_up(home, update):
    """M20: at most 200 tokens of four characters; the newest and most important are kept."""
    for day in range(1, 31):
        wikis.talk(
            home.wiki,
            f"2026-04-{day:02}",
            [f"room-of-day-{day:02}-{n}" for n in range(4)],
            preference=[f"Always use tool {day:02} for the release of the día number {day:02}, never the one before it."],
            discovery=[f"The upload of day {day:02} failed because its token had expired the night before it ran."],
        )
    update()
    text = read(home, "context/wake-up.md")
    everything = sum(len(b.line) for c in wl.Wiki(home.wiki).conversations() for b in c.bullets)
    assert everything > 10 * 400 and len(text.encode()) <= 800
    assert "room-of-day-30" in lines_under(text, "Current focus areas")[0]
    assert "tool 30" in lines_under(text, "Recent decisions")[0]
    assert "day 30" in lines_under(text, "Active concerns")[0]


def test_what_came_from_the_web_never_enters_the_wake_up(home, update):
    wikis.talk(home.wiki, "2026-04-12", ["nats"])
    body = "# {}\n\nWe chose it.\n"
    wikis.page(home.wiki, "wiki/decisions/ours.md", body.format("NATS over Redis"), sources=["conversations/api/x.md"])
    wikis.page(home.wiki, "wiki/decisions/theirs.md", body.format("Buy our queue"), sources=["https://example.org/p"])
    wikis.page(home.wiki, "wiki/decisions/old.md", body.format("Redis for all"), superseded_by="wiki/decisions/ours.md")
    update()
    assert lines_under(read(home, "context/wake-up.md"), "Recent decisions") == ["- NATS over Redis"]


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
        f"- {LEAK}",
    ]
    (home.wiki / "context/active-concerns.md").write_text(text.replace("in May", "in June") + "\nAnd a last line.\n")
    wikis.talk(home.wiki, "2026-04-13", ["nginx"], discovery=["The proxy drops the last chunk when a client hangs."])
    update()
    again = read(home, "context/active-concerns.md")
    assert "in June" in again and again.endswith("And a last line.\n") and "The proxy drops" in again


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
    text = index.render_wake_up("Wake-up", ["room"], [budget_line], [budget_line, "short"])
    assert len(text.encode()) <= index.WAKE_UP_BYTES
    assert "room" in text


def test_a_wiki_without_any_session_gets_its_files_without_a_word(home, run_script):
    home.wiki.mkdir(parents=True, exist_ok=True)
    first = run_script("update-conversation-index.py")
    assert (first.stdout, first.stderr) == ("", "")
    assert (home.wiki / "conversations/index.md").is_file() and (home.wiki / "context/wake-up.md").is_file()
    assert run_script("update-conversation-index.py").stdout == ""
