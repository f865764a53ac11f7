"""The merge algebra: the same whichever side asks, nothing dropped, nothing doubled; and what heals a plain union."""
from __future__ import annotations

import wiki_lib as wl

import subprocess
from datetime import date

import wiki_blocks
import wiki_heal
import wiki_merge
from hypothesis import given, settings
from hypothesis import strategies as st

TODAY = date(2026, 11, 20)
PATH = "wiki/patterns/p.md"
TALK = "conversations/api/2026-04-12-fix-3de77ea9.md"
META = {"title": "P", "type": "pattern", "confidence": "high", "origin": "automated", "created": "2026-01-01",
        "last_verified": "2026-03-01", "verified_by": "mention", "version": 1, "sources": ["c/a.md"]}
BODY = "# P\n\nThe claim.\n\n- one\n- two\n\n## Why\n\n- because\n"


def page(body: str = BODY, **meta) -> str:
    return wl.render_page(wl.WikiPage(PATH, {k: v for k, v in (META | meta).items() if v is not None}, body))


def merged(base: str | None, a: str | None, b: str | None, path: str = PATH) -> str | None:
    """The merge, asked from both sides."""
    one, two = wiki_heal.settle(path, base, a, b, TODAY), wiki_heal.settle(path, base, b, a, TODAY)
    assert one == two
    return one[path]


def meta_of(text: str | None) -> dict:
    return wl.parse_page(PATH, text or "").meta


def body_of(text: str | None) -> str:
    return wl.parse_page(PATH, text or "").body


# ---------------------------------------------------------------- for any pages

words = st.sampled_from(["red", "blue", "a b", "x", "- y", "`#`", "é", "1. z"])
lines = st.one_of(words.map(lambda w: f"- {w}"), words.map(lambda w: f"- {w}\n  - under {w}"), words,
                  words.map(lambda w: f"| {w} |"), words.map(lambda w: f"```\n# {w}\n\n- {w}\n```"),
                  st.sampled_from(["## Why", "## What", "### Deep", ""]))
bodies = st.lists(lines, max_size=12).map(lambda found: "# P\n\n" + "\n".join(found) + "\n")
days = st.dates(date(2026, 1, 1), date(2026, 11, 20)).map(str)
metas = st.fixed_dictionaries({
    "title": st.just("P"), "confidence": st.sampled_from(wl.CONFIDENCES), "last_verified": days,
    "verified_by": st.sampled_from(wl.VERIFIERS), "version": st.integers(1, 9),
    "sources": st.lists(st.sampled_from("abcdef"), unique=True, max_size=4),
}, optional={"pinned": st.booleans(), "superseded_by": st.sampled_from(["x", "y"]), "odd": st.sampled_from([1, "b", [2]]),
             "compiled_hash": st.sampled_from(["0" * 12, "1" * 12])})
pages = st.builds(lambda meta, body: wl.render_page(wl.WikiPage(PATH, meta, body)), metas, bodies)


@settings(max_examples=150, deadline=None)
@given(st.none() | pages, pages, pages)
def test_a_merge_of_pages_is_the_same_whichever_side_asks_and_one_that_changed_alone_wins(base, a, b):
    """M41"""
    result = merged(base, a, b)
    assert result is not None
    assert merged(a, a, a) == a
    assert merged(a, a, b) == b
    if base is None or base not in (a, b):
        assert merged(base, result, result) == result


@settings(max_examples=150, deadline=None)
@given(bodies, bodies, bodies)
def test_no_line_that_either_side_wrote_is_dropped_and_none_removed_comes_back(base, a, b):
    """M41"""
    def kept(body: str) -> set[str]:
        return {line.strip() for line in body.split("\n")} - {""}

    result = wiki_blocks.merge_bodies(base, a, b)
    assert result == wiki_blocks.merge_bodies(base, b, a)
    for side in (a, b):
        assert kept(side) - kept(base) <= kept(result)
    assert kept(result) <= kept(a) | kept(b)
    assert kept(wiki_blocks.merge_bodies(None, a, b)) == kept(a) | kept(b)


@settings(max_examples=100, deadline=None)
@given(bodies)
def test_a_body_cut_into_sections_and_put_together_again_has_every_line(body):
    again = wiki_blocks.render(wiki_blocks.cut(body))
    assert sorted(filter(None, map(str.rstrip, again.split("\n")))) == sorted(filter(None, map(str.rstrip, body.split("\n")))) \
        or len(wiki_blocks.cut(body)) < body.count("#")      # sections of one heading are joined under it
    assert wiki_blocks.render(wiki_blocks.cut(again)) == again


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["k", "l", "m!max"]), st.sets(st.sampled_from("abc")), max_size=3),
                min_size=3, max_size=3))
def test_state_is_joined_in_any_order_to_the_same_words(states):
    """M41"""
    path = ".distill-state.json"
    a, b, c = (wl.render_words(s) for s in states)

    def join(x: str, y: str) -> str:
        return str(merged(None, x, y, path))
    assert join(join(a, b), c) == join(a, join(b, c)) == join(join(c, a), b)


@st.composite
def talks(draw) -> str:
    ids = draw(st.lists(st.integers(0, 9), unique=True))
    messages = tuple(wl.Message(f"{n:08x}", "user", f"2026-04-12 09:0{n}", draw(st.sampled_from(["", "more "])) + f"m{n}")
                     for n in sorted(ids))
    block = wl.render_summary("They talked.", [wl.Bullet("fact", draw(st.sampled_from("xyz")))])
    meta = {"title": "T", "session_id": "s", "ended": f"2026-04-12T09:0{len(ids) % 10}:00Z", "messages": len(ids),
            "status": "summarized", "summarized_by": draw(st.sampled_from(["extractive", "claude/haiku"])),
            "summary_of": wl.transcript_digest(wl.Transcript(messages))}
    return wl.render_conversation(meta, block, wl.render_transcript(wl.Transcript(messages)))


@settings(max_examples=100, deadline=None)
@given(st.none() | talks(), talks(), talks(), talks())
def test_transcripts_are_joined_in_any_order_to_the_same_messages(base, a, b, c):
    """M41"""
    def join(x: str, y: str) -> str:
        return str(merged(base, x, y, TALK))

    def said(text: str):
        return wl.parse_conversation(TALK, text).read()
    assert said(join(join(a, b), c)) == said(join(a, join(b, c))) if base is None else join(a, b) == join(b, a)
    if base is None or base not in (a, b):
        ids = [m.id for m in said(join(a, b)).said]
        assert sorted({m.id for x in (a, b) for m in said(x).said}) == ids


# ---------------------------------------------------------------- one rule at a time

def test_the_later_verification_brings_its_confidence_along():
    low = page(last_verified="2026-05-01", confidence="low")
    firm = page(last_verified="2026-04-01", confidence="medium", verified_by="human")
    found = meta_of(merged(page(), low, firm))
    assert (found["last_verified"], found["verified_by"], found["confidence"]) == ("2026-05-01", "mention", "low")


def test_a_confidence_that_one_side_lowered_stays_lowered_where_nobody_verified():
    assert meta_of(merged(page(), page(confidence="low"), page(version=2)))["confidence"] == "low"


def test_a_date_after_tomorrow_loses():
    found = meta_of(merged(page(), page(last_verified="2031-01-01"), page(last_verified="2026-05-01")))
    assert found["last_verified"] == "2026-05-01"


def test_a_source_that_one_side_took_out_stays_out_and_the_new_ones_are_joined():
    base = page(sources=["c/a.md", "c/b.md"])
    found = meta_of(merged(base, page(sources=["c/b.md", "c/x.md"]), page(sources=["c/a.md", "c/b.md", "c/y.md"])))
    assert found["sources"] == ["c/b.md", "c/x.md", "c/y.md"]


def test_a_persons_word_stands_over_a_programs():
    program = page(superseded_by="wiki/z.md", compiled_hash=wl.page_content_hash(BODY))
    person = page(BODY + "- by hand\n", superseded_by="wiki/a.md", compiled_hash=wl.page_content_hash(BODY))
    assert meta_of(merged(page(), program, person))["superseded_by"] == "wiki/a.md"


def test_a_merged_page_looks_edited_only_if_a_person_edited_a_side():
    def compiled(body: str) -> str:
        return page(body, compiled_hash=wl.page_content_hash(body))
    both = wl.parse_page(PATH, merged(compiled(BODY), compiled(BODY + "- x\n"), compiled(BODY + "- y\n")) or "")
    assert not both.edited
    by_hand = page(BODY + "- y\n", compiled_hash=wl.page_content_hash(BODY))
    assert wl.parse_page(PATH, merged(compiled(BODY), compiled(BODY + "- x\n"), by_hand) or "").edited


def test_bullets_of_both_stand_side_by_side_in_their_section():
    a, b = (BODY.replace("- because", f"- because of {x}\n- also {x}") for x in "ab")
    assert body_of(merged(page(), page(a), page(b))) == BODY.replace(
        "- because", "- because of a\n- also a\n- because of b\n- also b")


def test_a_removed_bullet_goes_and_an_edited_one_stays():
    a = BODY.replace("- one\n", "")
    assert "- one" not in str(merged(page(), page(a), page(BODY + "- new\n")))
    assert "- one more" in str(merged(page(), page(a), page(BODY.replace("- one", "- one more"))))


def test_a_title_that_both_changed_leaves_the_other_as_an_alias():
    a, b = (page(BODY.replace("# P", f"# {t}"), title=t) for t in ("Anvil", "Bellows"))
    result = merged(page(), a, b)
    assert (meta_of(result)["title"], meta_of(result)["aliases"]) == ("Bellows", ["Anvil"])
    assert body_of(result).count("\n# ") + body_of(result).startswith("# Bellows") == 1


def test_an_edit_wins_over_a_removal():
    assert merged(page(), None, page(BODY + "- new\n")) == page(BODY + "- new\n")


def test_what_was_moved_to_the_archive_takes_an_edit_along():
    """M41"""
    edited = page(BODY + "- new\n")
    gone = page(archived_at="2026-10-01", archived_reason="Stale: quiet")
    for archived in (page(), gone):
        out = wiki_merge.merge_stations("patterns/p.md", {"wiki": page()}, {"archive": archived}, {"wiki": edited}, TODAY)
        assert out["wiki/patterns/p.md"] is None
        assert "- new" in str(out["archive/patterns/p.md"])
    assert "archived_at: 2026-10-01" in str(out["archive/patterns/p.md"])


def test_what_was_restored_takes_an_edit_of_the_archived_page_along():
    gone = page(archived_at="2026-10-01", archived_reason="Stale: quiet")
    out = wiki_merge.merge_stations("patterns/p.md", {"archive": gone}, {"wiki": page()},
                                    {"archive": gone.replace("- two", "- two\n- new")}, TODAY)
    assert out["archive/patterns/p.md"] is None
    assert "- new" in str(out["wiki/patterns/p.md"]) and "archived_at" not in str(out["wiki/patterns/p.md"])


def test_a_page_in_two_places_is_settled_to_the_live_one_but_a_merged_one_stays_away():
    live, old = page(BODY + "- live\n"), page(BODY + "- old\n", last_verified="2026-09-01")
    settled = wiki_merge.settle_twins("patterns/p.md", {"wiki": live, "archive": old}, TODAY)
    assert list(settled) == ["wiki"] and "- live" in settled["wiki"] and "- old" in settled["wiki"]
    assert "2026-09-01" in settled["wiki"]
    merged_away = page(archived_at="2026-10-01", archived_reason="Merged into wiki/patterns/q.md")
    settled = wiki_merge.settle_twins("patterns/p.md", {"wiki": live, "archive": merged_away}, TODAY)
    assert list(settled) == ["archive"] and "- live" in settled["archive"] and "Merged into" in settled["archive"]


def test_a_new_page_under_the_name_of_an_archived_one_is_another_page():
    sides = {"wiki": page(created="2026-11-01"), "archive": page(archived_at="2026-10-01", archived_reason="Stale: x")}
    assert wiki_merge.settle_twins("patterns/p.md", sides, TODAY) == sides


def test_the_summary_that_fits_the_merged_transcript_stands():
    """M41"""
    def talk(count: int, by: str) -> str:
        transcript = wl.Transcript(tuple(wl.Message(f"{n:08x}", "user", "", f"m{n}") for n in range(count)))
        meta = {"title": "T", "session_id": "s", "status": "summarized", "summarized_by": by,
                "summary_of": wl.transcript_digest(transcript)}
        return wl.render_conversation(meta, wl.render_summary(f"By {by}.", []), wl.render_transcript(transcript))
    result = wl.parse_conversation(TALK, merged(talk(1, "x"), talk(3, "extractive"), talk(2, "claude/haiku"), TALK) or "")
    assert (result.summary, result.meta["messages"]) == ("By extractive.", 3)
    result = wl.parse_conversation(TALK, merged(None, talk(3, "extractive"), talk(3, "claude/haiku"), TALK) or "")
    assert result.summary == "By claude/haiku."


def test_what_newer_rules_redacted_does_not_come_back():
    def talk(text: str, redactor: int, more: int = 0) -> str:
        said = [wl.Message("0" * 8, "user", "", text), *(wl.Message(f"{n:08x}", "user", "", "x") for n in range(1, more + 1))]
        return wl.render_conversation({"title": "T", "session_id": "s", "redactor": redactor}, "",
                                      wl.render_transcript(wl.Transcript(tuple(said))))
    secret, clean = talk("the key is abcdefghijklmnopqrstuvwxyz", 1), talk("the key is [REDACTED:key]", 2)
    result = merged(None, secret, clean, TALK) or ""
    assert "abcdef" not in result and "redactor: 2" in result
    result = merged(None, talk("the key is abcdefghijklmnopqrstuvwxyz", 1, more=1), clean, TALK) or ""
    assert "abcdef" not in result and "redactor: 1" in result      # one message was read by the old rules only


def test_prose_around_a_generated_block_is_merged_and_the_block_is_not():
    base = f"# Wiki\n\nIntro.\n\n{wl.INDEX_OPEN}\n- [a](a.md)\n{wl.INDEX_CLOSE}\n"
    a = base.replace("Intro.", "Intro.\n\nOurs.").replace("- [a](a.md)", "- [a](a.md)\n- [b](b.md)")
    b = base.replace("- [a](a.md)", "- [c](c.md)") + "\nTheirs.\n"
    result = merged(base, a, b, "wiki/index.md") or ""
    assert result.count(wl.INDEX_OPEN) == result.count(wl.INDEX_CLOSE) == 1
    assert result.index("Ours.") < result.index(wl.INDEX_OPEN) < result.index("Theirs.")


def test_two_files_that_are_written_once_are_both_kept():
    out = wiki_merge.merge_text("raw/harvested/example-org.md", None, "one\n", "two\n", TODAY)
    assert sorted(str(v) for v in out.values()) == ["one\n", "two\n"] and "raw/harvested/example-org.md" in out


# ---------------------------------------------------------------- healing

def union(tmp_path, base: str, a: str, b: str, *options: str) -> str:
    for name, text in zip("bao", (base, a, b), strict=True):
        (tmp_path / name).write_text(text)
    return subprocess.run(["git", "merge-file", "-p", *options, tmp_path / "a", tmp_path / "b", tmp_path / "o"],
                          capture_output=True, text=True).stdout


SIDES = (page(BODY + "- left\n", last_verified="2026-05-01", sources=["c/a.md", "c/l.md"]),
         page(BODY + "- right\n", last_verified="2026-06-01", sources=["c/a.md", "c/r.md"]))


def test_what_a_plain_union_merge_doubled_is_put_right(tmp_path):
    """M41"""
    for base in (page(), ""):
        damaged = union(tmp_path, base, *SIDES, "--union")
        assert damaged.count("last_verified:") == 2
        healed = wiki_heal.heal(PATH, damaged, TODAY)
        assert meta_of(healed)["last_verified"] == "2026-06-01"
        assert meta_of(healed)["sources"] == ["c/a.md", "c/l.md", "c/r.md"]
        assert healed.count("- left") == healed.count("- right") == healed.count("- one") == healed.count("# P") == 1


def test_conflict_markers_are_resolved_by_meaning_but_not_those_that_are_quoted(tmp_path):
    """M41"""
    for options in ([], ["--diff3"]):
        healed = wiki_heal.heal(PATH, union(tmp_path, page(), *SIDES, *options), TODAY)
        assert "<<<<" not in healed and "- left" in healed and "- right" in healed
    quoted = page(BODY + "\n```\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> x\n```\n")
    assert wiki_heal.heal(PATH, quoted, TODAY) == quoted


def test_a_second_frontmatter_and_a_doubled_heading_are_joined_into_the_first():
    healed = wiki_heal.heal(PATH, SIDES[0] + SIDES[1], TODAY)
    assert healed.count("title: P") == healed.count("# P\n") == healed.count("- one") == 1
    assert "- left" in healed and "- right" in healed
    healed = wiki_heal.heal(PATH, page(BODY + "\n" + BODY), TODAY)
    assert healed.count("# P\n") == healed.count("## Why") == 1


@settings(max_examples=100, deadline=None)
@given(pages)
def test_a_page_without_damage_is_left_as_it_is_to_the_byte(text):
    assert wiki_heal.heal(PATH, text, TODAY) == text


def test_a_state_file_with_markers_keeps_its_whole_lines():
    a, b = wl.render_words({"k": {"a"}}), wl.render_words({"k": {"b"}, "l": {"c"}})
    damaged = f"<<<<<<< HEAD\n{a}=======\n{b}>>>>>>> other\n"
    assert wl.parse_words(wiki_heal.heal(".distill-state.json", damaged, TODAY)) == {"k": {"a", "b"}, "l": {"c"}}


def test_a_conversation_with_a_message_twice_and_two_summaries_is_put_right(tmp_path):
    """M41: what a plain union leaves of two machines that mined and summarised the same session."""
    def talk(count: int, by: str) -> str:
        transcript = wl.Transcript(tuple(wl.Message(f"{n:08x}", "user", "", f"m{n}") for n in range(count)))
        meta = {"title": "T", "session_id": "s", "messages": count, "summarized_by": by, "status": "summarized"}
        return wl.render_conversation(meta, wl.render_summary(f"By {by}.", []), wl.render_transcript(transcript))
    damaged = union(tmp_path, "", talk(2, "x"), talk(3, "y"), "--union")
    damaged += damaged[damaged.index("### User"):]
    healed = wl.parse_conversation(TALK, wiki_heal.heal(TALK, damaged, TODAY))
    assert [m.text for m in healed.read().said] == ["m0", "m1", "m2"]
    assert wiki_heal.heal(TALK, talk(3, "y"), TODAY) == talk(3, "y")
