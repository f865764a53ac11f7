"""wiki-search.py and the index behind it."""

from __future__ import annotations

import wiki_lib as wl

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import wiki_index
import wiki_rank as rank
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEYS = ["path", "wing", "title", "kind", "date", "section", "message", "snippet", "score"]


def put(root: Path, path: str, text: str | bytes) -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text.encode() if isinstance(text, str) else text)
    return target


def talk(wing: str, name: str, said: list[str], title: str = "", summary: str = "", date: str = "2026-04-12",
         topics: tuple[str, ...] = (), facts: tuple[str, ...] = ()) -> tuple[str, str]:
    """(path, text) of a conversation as the summariser leaves it."""
    head = f"---\ntitle: {title or name}\nwing: {wing}\ndate: {date}\ntopics: [{', '.join(topics)}]\n---\n# {title or name}\n\n"
    block = (f"## Summary\n{summary}\n\n" if summary else "") + (
        "## Facts\n" + "".join(f"- {f} [#{i:08x}]\n" for i, f in enumerate(facts)) + "\n" if facts else "")
    lines = "".join(f"### {('User', 'Assistant')[i % 2]} · {date} 10:{i % 60:02} · #{i:08x}\n{text}\n\n"
                    for i, text in enumerate(said))
    return f"conversations/{wing}/{date}-{name}-{hash_of(wing + name)}.md", head + block + "## Transcript\n\n" + lines


def hash_of(text: str) -> str:
    return wl.sha(text)[:8]


def page(title: str, body: str, station: str = "wiki", wings: str = "[]", more: str = "") -> tuple[str, str]:
    return (f"{station}/patterns/{wl.slug(title)}.md",
            f"---\ntitle: {title}\ntype: pattern\nwings: {wings}\nlast_compiled: 2026-05-01\n{more}---\n# {title}\n\n{body}\n")


@pytest.fixture
def wiki(home) -> Path:
    """Two wings, a page of each station, other scripts."""
    root = home.wiki
    for path, text in (
        talk("api", "retry", ["Why does the retry test fail?", "The clock was not frozen, so the backoff drifted."],
             title="Fix the flaky retry test", summary="The retry test failed because of the clock.",
             topics=("retry-policy", "pytest"), facts=("The retry test needs a frozen clock.",)),
        talk("api", "queue", ["Which queue do we take?", "We chose the Postgres queue, not Kafka."], date="2026-03-02",
             title="Choose a queue", topics=("queue",), facts=("Postgres holds the jobs.",)),
        talk("web", "lint", ["The linter complains about the retry banner.", "I removed the banner."], date="2026-05-20",
             title="Banner lint", topics=("eslint",)),
        talk("web", "chinese", ["我们为什么选择这个数据库？", "因为查询延迟很低，备份也简单。"], title="数据库选择"),
        talk("web", "japanese", ["検索が遅い理由は何ですか", "索引の再構築が毎回走っていました。"], title="検索の速度"),
        talk("web", "korean", ["배포가 왜 실패했나요?", "데이터베이스를 먼저 이전해야 합니다."], title="배포 실패"),
        page("Retry with full jitter", "## What\nRetries wait a random time.\n\n## Why\nSynchronised clients stampede."),
        page("Retry by hand", "## What\nRetries wait a random time.\n\n## Why\nOld advice.", "archive"),
        page("Retry budget", "## What\nA budget for retries, to be reviewed.", "staging", wings="[api]"),
    ):
        put(root, path, text)
    for generated in ("conversations/index.md", "wiki/index.md", "staging/index.md", "archive/index.md",
                      "context/wake-up.md"):
        put(root, generated, "# Index\n\nretry retry retry\n")
    return root


def found(run_script, *words: str, **options) -> list[dict]:
    return json.loads(run_script("wiki-search.py", *words, "--json", **options).stdout)


def titles(hits: list[dict]) -> list[str]:
    return [hit["title"] for hit in hits]


# -- what it prints ---------------------------------------------------------------------------------------------------

def test_json_is_a_list_of_files_with_exactly_the_contracts_keys(wiki, run_script):
    hits = found(run_script, "frozen", "clock", "retry")
    assert all(list(hit) == KEYS for hit in hits)
    best = hits[0]
    assert best["path"].startswith("conversations/api/2026-04-12-retry-")
    assert (best["wing"], best["kind"], best["date"]) == ("api", "conversation", "2026-04-12")
    assert best["title"] == "Fix the flaky retry test"
    assert "clock" in best["snippet"] and "\n" not in best["snippet"]
    assert len({hit["path"] for hit in hits}) == len(hits)
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)


def test_a_passage_of_the_transcript_names_its_message_and_one_of_a_summary_its_section(wiki, run_script):
    said = found(run_script, "backoff drifted")[0]
    assert (said["section"], said["message"]) == ("Transcript", "00000001")
    fact = found(run_script, "jobs", "--wing", "api")[0]
    assert (fact["section"], fact["message"]) == ("Facts", None)


def test_sections_gives_passages_and_n_counts_entries(wiki, run_script):
    hits = found(run_script, "retry", "--sections", "-n", "4")
    assert len(hits) == 4
    assert len({(h["path"], h["section"], h["snippet"]) for h in hits}) == 4
    assert len({h["path"] for h in hits}) < 4
    assert len(found(run_script, "retry", "-n", "2")) == 2


def test_transcripts_summaries_and_pages_are_all_searched_and_generated_indexes_are_not(wiki, run_script):
    """B17: no daemon, no model."""
    hits = found(run_script, "retry")
    assert {hit["kind"] for hit in hits} == {"conversation", "page", "staged", "archived"}
    assert not [hit for hit in hits if "index.md" in hit["path"] or hit["path"].startswith("context/")]


def test_nothing_found_is_an_empty_list_and_exit_0(wiki, run_script):
    assert found(run_script, "xylophone zeppelin") == []
    assert run_script("wiki-search.py", "xylophone").stdout == ""


def test_without_a_wiki_nothing_is_found_and_stderr_says_why(home, run_script):
    done = run_script("wiki-search.py", "anything", "--json")
    assert json.loads(done.stdout) == []
    assert "there is no wiki" in done.stderr
    assert not home.wiki.exists()


def test_an_empty_question_is_a_usage_error(wiki, run_script):
    for words in ((), ("",), ("  ", "--json")):
        done = run_script("wiki-search.py", *words, check=False)
        assert done.returncode == 2
        assert "usage:" in done.stderr and done.stdout == ""


def test_words_of_one_question_may_be_several_arguments(wiki, run_script):
    assert found(run_script, "frozen", "clock") == found(run_script, "frozen clock")


def test_pipes_and_no_color_get_no_escapes_and_a_terminal_does(wiki, run_script, home):
    assert "\x1b" not in run_script("wiki-search.py", "retry").stdout
    assert "\x1b[" in on_a_terminal(home, {"NO_COLOR": None, "TERM": "xterm"})
    assert "\x1b" not in on_a_terminal(home, {"TERM": "xterm"})


def on_a_terminal(home, env: dict[str, str | None]) -> str:
    ours, theirs = pty.openpty()
    environ = {name: value for name, value in {**home.environ, **env}.items() if value is not None}
    done = subprocess.Popen([wl.SCRIPTS / "wiki-search.py", "clock", "-n", "1"], stdout=theirs, env=environ)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:      # how Linux says that the other end closed
        pass
    os.close(ours)
    assert done.wait() == 0
    return shown.decode()


def test_control_characters_of_a_file_cannot_drive_the_terminal(wiki, run_script):
    put(wiki, *talk("api", "evil", ["The gremlin \x1b]0;owned\x07 \x1b[2J sits here \u202e."], title="gremlin \x1b[31m"))
    shown = run_script("wiki-search.py", "gremlin").stdout
    assert "gremlin" in shown
    assert not [c for c in shown if not c.isprintable() and c != "\n"]


# -- what it finds ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("question, path", [
    ("数据库", "chinese"), ("查询延迟", "chinese"), ("为什么选择数据库", "chinese"),
    ("検索が遅い", "japanese"), ("索引", "japanese"), ("再構築", "japanese"),
    ("데이터베이스", "korean"), ("배포", "korean"), ("이전", "korean"),
])
def test_chinese_japanese_and_korean_questions_find(wiki, run_script, question, path):
    """B17"""
    assert f"-{path}-" in found(run_script, question)[0]["path"]


def test_a_single_sign_finds(wiki):
    """B17"""
    assert "-japanese-" in wiki_index.answer(str(wiki), query="遅")[0].path


def test_filters_narrow_to_wing_topic_hall_and_kind(wiki, run_script):
    def paths(*options):
        return [hit["path"] for hit in found(run_script, "retry", *options)]

    assert all("/web/" in p for p in paths("--wing", "web", "--type", "conversation"))
    assert any(p.startswith("wiki/") for p in paths("--wing", "web"))      # a page of no wing counts everywhere
    assert not any(p.startswith("staging/") for p in paths("--wing", "web"))
    assert any(p.startswith("staging/") for p in paths("--wing", "api"))
    assert len(paths("--topic", "Retry Policy")) == 1
    assert {hit["section"] for hit in found(run_script, "retry clock", "--hall", "fact")} == {"Facts"}
    for kind, folder in (("page", "wiki/"), ("staged", "staging/"), ("archived", "archive/"), ("conversation", "conversations/")):
        assert paths("--type", kind) and all(p.startswith(folder) for p in paths("--type", kind))
    assert paths("--wing", "no-such-wing", "--type", "conversation") == []


def test_archived_and_superseded_pages_rank_behind_live_ones(wiki, run_script):
    put(wiki, *page("Retry in vain", "## What\nRetries wait a random time.", more="superseded_by: wiki/patterns/x.md\n"))
    order = [Path(hit["path"]).stem for hit in found(run_script, "retries wait a random time")]
    assert order.index("retry-with-full-jitter") < min(order.index("retry-by-hand"), order.index("retry-in-vain"))


def test_a_month_or_day_that_is_named_favours_that_time(wiki, run_script):
    assert "/2026-03-02-" in found(run_script, "what did we choose in March 2026")[0]["path"]
    assert "/2026-05-20-" in found(run_script, "2026-05-20")[0]["path"]


def test_other_forms_of_a_word_and_near_spellings_find(wiki, run_script):
    assert titles(found(run_script, "choose"))[0] == titles(found(run_script, "chosen"))[0] == "Choose a queue"
    assert titles(found(run_script, "postgers"))[0] == "Choose a queue"


def test_a_camel_case_name_is_found_by_its_parts(wiki, run_script):
    put(wiki, *talk("api", "camel", ["I renamed parseLedgerLine."]))
    assert "-camel-" in found(run_script, "ledger line")[0]["path"]
    assert "-camel-" in found(run_script, "parseLedgerLine")[0]["path"]


def test_files_that_are_broken_in_any_way_are_searched_as_text(wiki, run_script):
    put(wiki, "conversations/api/2026-01-01-none-00000001.md", "no frontmatter, yet walrus one")
    put(wiki, "conversations/api/2026-01-01-bad-00000002.md", "---\ntitle: [broken\n---\n## Transcript\n\nwalrus two\n")
    put(wiki, "conversations/api/2026-01-01-open-00000003.md", "---\ntitle: never closed\nwalrus three\n")
    put(wiki, "conversations/api/2026-01-01-bytes-00000004.md", b"\xff\xfe walrus four \x00 \x80")
    put(wiki, "conversations/api/2026-01-01-scalar-00000005.md", "---\njust text\n---\nwalrus five")
    put(wiki, "conversations/api/2026-01-01-empty-walrus.md", "")
    put(wiki, "conversations/loose.md", "walrus six")
    put(wiki, "conversations/api/2026-01-01-types-00000006.md",
        "---\ntitle: {a: 1}\ndate: 7\ntopics: 3\nwing: [x]\n---\nwalrus seven")
    done = run_script("wiki-search.py", "walrus", "--json")
    assert len(json.loads(done.stdout)) == 8
    assert done.stderr == ""


def test_a_file_that_cannot_be_read_is_said_and_the_rest_is_searched(wiki, monkeypatch, capsys):
    real = open

    def refuse(path, *args, **kw):
        if "-queue-" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **kw)

    monkeypatch.setattr("builtins.open", refuse)
    hits = wiki_index.answer(str(wiki), query="retry queue")
    assert hits and not [h for h in hits if "-queue-" in h.path]
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "cannot be read" in told
    monkeypatch.undo()
    assert [h for h in wiki_index.answer(str(wiki), query="retry queue") if "-queue-" in h.path]


def test_local_wings_are_searched_and_links_are_not_followed(wiki, run_script, tmp_path):
    path, text = talk("private", "diary", ["The walrus is secret."])
    put(wiki, f"local/{path}", text)
    outside = put(tmp_path, "outside.md", "walrus outside")
    (wiki / "wiki" / "patterns" / "link.md").symlink_to(outside)
    assert [hit["path"] for hit in found(run_script, "walrus")] == [f"local/{path}"]


def test_a_long_message_is_found_at_its_end(wiki, run_script):
    put(wiki, *talk("api", "long", ["filler words " * 40_000 + "\n\nthe narwhal at the very end"]))
    hit = found(run_script, "narwhal")[0]
    assert "narwhal" in hit["snippet"] and len(hit["snippet"]) <= 300 and hit["message"] == "00000000"


# -- questions are never syntax ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("question", [
    '"', '""', "*", "retry*", "NEAR(a b)", "retry AND", "NOT", "OR OR", "title: retry", "-retry", "(", "a:b", "^retry",
    "{}", "'; drop", "re:", "\\", "+", "?", "retry OR", "col:retry", "\x00", "\ud800", "the", "what is the", "%", "_",
])
def test_query_syntax_is_taken_as_words(wiki, question):
    for sections in (False, True):
        assert isinstance(wiki_index.answer(str(wiki), query=question, sections=sections), list)


def test_a_question_that_starts_with_dashes_can_be_asked(wiki, run_script):
    assert json.loads(run_script("wiki-search.py", "--json", "--", "--retry -x").stdout)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_no_question_fails(wiki, question):
    hits = wiki_index.answer(str(wiki), query=question, n=3)
    assert len(hits) <= 3


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=400))
def test_no_text_of_a_file_fails_and_deleting_it_leaves_no_word(wiki, text):
    target = put(wiki, "wiki/concepts/any.md", b"zyzzyva\n" + text.encode("utf-8", "replace"))
    assert [h for h in wiki_index.answer(str(wiki), query="zyzzyva") if h.path == "wiki/concepts/any.md"]
    target.unlink()
    assert not wiki_index.answer(str(wiki), query="zyzzyva")


# -- the index --------------------------------------------------------------------------------------------------------

def test_new_changed_and_vanished_files_are_seen_by_the_next_search(wiki, run_script):
    path, text = talk("api", "fresh", ["The walrus arrives."])
    target = put(wiki, path, text)
    assert [h["path"] for h in found(run_script, "walrus")] == [path]
    put(wiki, path, text.replace("walrus", "ocelot"))
    assert found(run_script, "walrus") == []
    assert [h["path"] for h in found(run_script, "ocelot")] == [path]
    target.unlink()
    assert found(run_script, "ocelot") == []


def test_only_changed_files_are_read_again(wiki, monkeypatch):
    wiki_index.update(str(wiki))
    read: list[str] = []
    real = wiki_index.read_file
    monkeypatch.setattr(wiki_index, "read_file", lambda root, path, *at: read.append(path) or real(root, path, *at))
    assert wiki_index.update(str(wiki)) == 0
    put(wiki, *page("Fresh", "text"))
    assert wiki_index.update(str(wiki)) == 1
    assert read == ["wiki/patterns/fresh.md"]


def test_update_says_what_it_did_once_and_is_silent_when_nothing_changed(wiki, run_script):
    assert run_script("wiki-search.py", "--update").stdout == "indexed: 9 files\n"
    done = run_script("wiki-search.py", "--update")
    assert (done.stdout, done.stderr) == ("", "")
    assert run_script("wiki-search.py", "--rebuild").stdout == "indexed: 9 files\n"


QUESTIONS = ("why does the retry test fail", "retries wait", "数据库", "what did we choose in March 2026", "queue postgres",
             "banner")


def answers(wiki: Path) -> list:
    return [wiki_index.answer(str(wiki), query=q, sections=s) for q in QUESTIONS for s in (False, True)]


@pytest.mark.parametrize("many", [False, True], ids=["few files", "more files than are ranked closely"])
def test_an_index_made_anew_answers_as_one_that_grew(wiki, many):
    """C6"""
    put(wiki, *talk("api", "gone", ["retry retry banner"]))
    changed = put(wiki, *talk("api", "changing", ["the retry queue"]))
    wiki_index.update(str(wiki))
    if many:
        for i in range(2 * wiki_index.CANDIDATES):
            put(wiki, *talk("api", f"more-{i}", [f"retry number {i} of the queue", "banner " * (i % 7), f"word{i % 5} tests"]))
            if i % 20 == 0:
                wiki_index.update(str(wiki))
    changed.write_text(changed.read_text().replace("retry", "banner"))
    next(wiki.glob("conversations/api/*-gone-*")).unlink()
    grown = answers(wiki)
    assert any(grown)
    wiki_index.update(str(wiki), rebuild=True)
    assert answers(wiki) == grown
    os.remove(wiki_index.index_path(str(wiki)))
    assert answers(wiki) == grown


def index_of(wiki: Path) -> Path:
    return Path(wiki_index.index_path(str(wiki)))


@pytest.mark.parametrize("spoil", [
    lambda index: index.write_bytes(b"this is no database, " * 500),
    lambda index: index.write_bytes(index.read_bytes()[:4096] + b"\xa5" * 40_000),
    lambda index: subprocess.run([sys.executable, "-c", "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\n"
                                  "d.execute('PRAGMA user_version = 7')\nd.commit()", index], check=True),
    lambda index: subprocess.run([sys.executable, "-c", "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\n"
                                  "d.execute('DROP TABLE parts')\nd.commit()", index], check=True),
], ids=["garbage", "torn", "other version", "a table is gone"])
def test_a_broken_index_is_made_anew_and_said_in_one_line(wiki, run_script, spoil):
    before = found(run_script, "retry")
    spoil(index_of(wiki))
    done = run_script("wiki-search.py", "retry", "--json")
    assert json.loads(done.stdout) == before
    assert done.stderr.count("\n") == 1 and "made anew" in done.stderr
    again = run_script("wiki-search.py", "retry", "--json")
    assert (json.loads(again.stdout), again.stderr) == (before, "")


def test_two_processes_at_once_both_answer(wiki, home):
    for i in range(300):
        put(wiki, *talk("api", f"more-{i}", [f"retry number {i}", "and an answer"]))
    words = [wl.SCRIPTS / "wiki-search.py", "frozen", "clock", "--json"]
    running = [subprocess.Popen(words, env=home.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    told = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert {err for _, err in told} == {b""}
    assert len({out for out, _ in told}) == 1 and json.loads(told[0][0])


def test_an_index_that_cannot_be_written_is_made_in_memory(wiki, monkeypatch):
    expected = wiki_index.answer(str(wiki), query="retry")
    monkeypatch.setattr(wiki_index, "index_path", lambda wiki_dir: None)
    assert wiki_index.answer(str(wiki), query="retry") == expected
    monkeypatch.setattr(wiki_index, "index_path", lambda wiki_dir: "/proc/no/such/index.sqlite")
    assert wiki_index.answer(str(wiki), query="retry") == expected


def test_conversations_alone_without_home_or_git_are_enough(home, run_script):
    """formats.md: works with conversations/ alone, and a HOME may be absent."""
    put(home.wiki, *talk("api", "retry", ["the retry test"]))
    bare = {"HOME": None, "XDG_CACHE_HOME": None}
    assert len(found(run_script, "retry", env=bare)) == 1
    assert sorted(p.name for p in home.wiki.iterdir()) == ["conversations"]


def test_the_index_lies_where_the_library_says(wiki):
    assert index_of(wiki) == wl.cache_dir() / f"index-{wl.wiki_key()}.sqlite"
    assert set(wiki_index.HALLS.values()) == set(wl.HALLS)
    assert wiki_index.HALLS == {heading: hall for hall, heading in wl.HALL_HEADINGS.items()}
    assert {k: v for k, v in wiki_index.STATIONS.items() if k != "conversations"} == wl.STATIONS


def test_the_index_keeps_no_more_than_the_text_itself(wiki):
    words = [w for g in QUESTIONS for w in g.split()]
    for i in range(120):
        said = [" ".join(words[(i * j + k * k) % len(words)] + str(k % 91) for k in range(120)) for j in range(8)]
        put(wiki, *talk("api", f"big-{i}", said))
    wiki_index.update(str(wiki))
    assert index_of(wiki).stat().st_size < 2 * sum(f.stat().st_size for f in wiki.rglob("*.md"))


# -- the parts --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("question, named", [
    ("on 3 June, 2023", [(2023, 6, 3)]), ("June 3rd 2023", [(2023, 6, 3)]), ("in July 2022", [(2022, 7, None)]),
    ("2026-04-12 or 2026-05", [(2026, 4, 12), (2026, 5, None)]), ("what may fail", []), ("in May", [(None, 5, None)]),
    ("march on", []), ("between August 11 and August 15 2023", [(None, 8, 11), (2023, 8, 15)]), ("the 99 of 2023-13-40", []),
])
def test_days_and_months_named_in_a_question_are_read(question, named):
    assert rank.days_named(question) == named


def test_nearness_is_whole_inside_the_time_named_and_fades_outside():
    july = [(2022, 7, None)]
    assert rank.nearness(july, "2022-07-31") == 1.0
    assert 1 > rank.nearness(july, "2022-08-03") > rank.nearness(july, "2022-08-13") > rank.nearness(july, "2022-06-11")
    assert rank.nearness(july, "") == rank.nearness([(2022, 2, 99)], "no day") == 0.0


def test_ordinals_are_those_of_the_calendar():
    from datetime import date
    days = [date(2023, 12, 31), date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2025, 1, 1), date(2100, 3, 1)]
    zero = rank.ordinal(2000, 1, 1) - date(2000, 1, 1).toordinal()
    assert [rank.ordinal(d.year, d.month, d.day) - zero for d in days] == [d.toordinal() for d in days]


@pytest.mark.parametrize("a, b, near", [("retyr", "retry", True), ("postgers", "postgres", True), ("cat", "car", False),
                                        ("migratoin", "migrations", True), ("queue", "banner", False), ("kafka", "kafkaa", True)])
def test_one_slip_is_a_near_spelling(a, b, near):
    assert rank.one_slip(a, b) is near


@given(st.text(alphabet="abc \u00e9\u4e2d\u6587\uac00#\n`-*", max_size=200))
@settings(max_examples=50, deadline=None)
def test_units_keep_every_word(text):
    spoken = [w for u in rank.units(text, "", None, True) for w in u.words]
    heads = rank.MESSAGE.sub("", text)
    assert sorted(set(spoken)) == sorted(set(rank.words(rank.prepare(heads))))
