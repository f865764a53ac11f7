"""Hygiene: what is certain is repaired, what is doubtful goes to a person, and a second run changes nothing."""

from __future__ import annotations

import wiki_lib as wl

import subprocess

import pytest

DAY = {"WIKI_TODAY": "2026-06-30"}


def page(name: str = "retry", **meta) -> str:
    front = {
        "title": "Retry",
        "type": "pattern",
        "confidence": "high",
        "origin": "automated",
        "created": "2026-01-01",
        "last_verified": "2026-06-01",
        **meta,
    }
    lines = "".join(f"{k}: {v}\n" for k, v in front.items() if v is not None)
    return f"---\n{lines}---\n# Retry\n\n{'Full jitter keeps the clients from knocking at the same time. ' * 3}\n"


@pytest.fixture
def wiki(home):
    wl.Wiki(home.wiki).init()

    def put(text: str, path: str = "wiki/patterns/retry.md"):
        (home.wiki / path).write_text(text)
        return home.wiki / path

    return put


def meta(path) -> dict:
    return wl.parse_page(path.name, path.read_text()).meta


@pytest.mark.parametrize(
    "verified, was, becomes",
    [
        ("2026-01-02", "high", "high"),  # 179 days
        ("2026-01-01", "high", "medium"),  # 180: on the day
        ("2025-10-03", "medium", "low"),  # 270
        ("2025-06-30", "low", "stale"),  # 365
        ("2025-06-30", "high", "stale"),
        ("2026-06-29", "low", "low"),  # never up
    ],
)
def test_confidence_steps_down_on_the_day_and_never_up(wiki, run_script, verified, was, becomes):
    """M36: decay."""
    path = wiki(page(last_verified=verified, confidence=was))
    run_script("wiki-hygiene.py", env=DAY)
    assert meta(path)["confidence"] == becomes
    assert meta(path)["last_verified"] == verified


def test_a_pinned_page_does_not_decay(wiki, run_script):
    path = wiki(page(last_verified="2020-01-01", pinned="true"))
    run_script("wiki-hygiene.py", env=DAY)
    assert meta(path)["confidence"] == "high"


def test_a_missing_last_verified_is_taken_from_the_day_it_was_compiled(wiki, run_script):
    """M36: backfill."""
    path = wiki(page(last_verified=None, last_compiled="2026-05-05"))
    run_script("wiki-hygiene.py", env=DAY)
    assert meta(path)["last_verified"] == "2026-05-05"


def test_else_from_git(wiki, run_script, git, home):
    """M36: backfill from git."""
    path = wiki(page(last_verified=None))
    git("add", "-A", cwd=home.wiki)
    git("commit", "-qm", "x", cwd=home.wiki, env={"GIT_AUTHOR_DATE": "2026-04-04T12:00:00Z"})
    run_script("wiki-hygiene.py", env=DAY)
    assert meta(path)["last_verified"] == "2026-04-04"


def test_a_page_written_by_hand_gains_the_fields_it_lacks_and_keeps_its_body(wiki, run_script, home):
    """M36: required fields; the body of a person's page is byte for byte what it was."""
    body = "# Queues at work\n\nOne queue a tenant.  \n\nNever two, because every reader would lose the order between them.\n"
    path = wiki("---\nmine: kept\nconfidence: certain\n---\n" + body, "wiki/decisions/queues.md")
    run_script("wiki-hygiene.py", env=DAY)
    found = wl.parse_page("x", path.read_text())
    assert (found.meta["title"], found.type, found.confidence) == ("Queues at work", "decision", "medium")
    assert found.meta["mine"] == "kept" and found.meta["origin"] == "human" and found.body == body
    assert "certain" in (home.wiki / "reports/hygiene-2026-06-30-fixed.md").read_text()


def test_a_page_no_index_names_is_an_orphan_and_is_added(wiki, run_script, home):
    """M36: orphans and index drift. M39: the fixed report."""
    wiki(page())
    done = run_script("wiki-hygiene.py", env=DAY)
    assert "(patterns/retry.md)" in (home.wiki / "wiki/index.md").read_text() and "wiki/index.md" in done.stdout
    assert "orphan" in (home.wiki / "reports/hygiene-2026-06-30-fixed.md").read_text()


def test_a_persons_prose_in_the_index_survives(wiki, run_script, home):
    index = home.wiki / "wiki/index.md"
    index.write_text(index.read_text().replace("# Wiki\n", "# Wiki\n\nStart with the decisions.\n"))
    wiki(page())
    run_script("wiki-hygiene.py", env=DAY)
    assert "Start with the decisions." in index.read_text() and "retry.md" in index.read_text()


def test_doubts_go_to_a_person_and_change_nothing(wiki, run_script, home):
    """M39: a partition: what has no fix stands in needs-review alone."""
    path = wiki(page().replace("Full jitter", "[[nowhere]] jitter"))
    before = path.read_bytes()
    run_script("wiki-hygiene.py", env=DAY)
    assert path.read_bytes() == before
    review = (home.wiki / "reports/hygiene-2026-06-30-needs-review.md").read_text()
    fixed = (home.wiki / "reports/hygiene-2026-06-30-fixed.md").read_text()
    assert "nowhere leads nowhere" in review and "nowhere" not in fixed


def test_a_second_run_changes_nothing_and_prints_nothing(wiki, run_script, home, snapshot):
    """M36."""
    wiki(page(last_verified="2025-12-01", title=None))
    wiki("no frontmatter, and too short\n", "wiki/concepts/stub.md")
    run_script("wiki-hygiene.py", env=DAY)
    before = snapshot(home.wiki)
    done = run_script("wiki-hygiene.py", env=DAY)
    assert snapshot(home.wiki) == before and done.stdout == ""


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(wiki, run_script, home, snapshot):
    wiki(page(last_verified="2025-01-01"))
    before = snapshot(home.wiki)
    done = run_script("wiki-hygiene.py", "--dry-run", env=DAY)
    assert "would write wiki/patterns/retry.md" in done.stdout and snapshot(home.wiki) == before


def test_a_page_that_does_not_parse_is_one_line_and_the_rest_is_done(wiki, run_script, home):
    wiki("---\ntitle: [broken\n---\nx\n", "wiki/patterns/broken.md")
    path = wiki(page(last_verified="2025-01-01"))
    done = run_script("wiki-hygiene.py", env=DAY, check=False)
    assert done.returncode == 1 and done.stderr.count("broken.md") == len(done.stderr.splitlines()) == 1
    assert meta(path)["confidence"] == "stale" and "Traceback" not in done.stderr


def test_thresholds_are_seams_and_an_unknown_one_is_named(wiki, run_script, home):
    path = wiki(page(last_verified="2026-05-01"))
    (home.wiki / "wiki.yaml").write_text("wiki-hygiene: {decay_high_to_medium: 30}\n")
    run_script("wiki-hygiene.py", env=DAY)
    assert meta(path)["confidence"] == "medium"
    (home.wiki / "wiki.yaml").write_text("wiki-hygiene: {decay_high_to_medum: 30}\n")
    done = run_script("wiki-hygiene.py", env=DAY, check=False)
    assert done.returncode == 1 and "did you mean 'decay_high_to_medium'" in done.stderr


def test_confidence_at_is_what_the_table_says(script):
    hygiene = script("wiki-hygiene")
    assert [hygiene.confidence_at(a, hygiene.SEAMS) for a in (0, 179, 180, 269, 270, 364, 365, 9999)] == [
        "high",
        "high",
        "medium",
        "medium",
        "low",
        "low",
        "stale",
        "stale",
    ]


def test_the_wiki_commits_exactly_the_paths_it_is_given(wiki, home, git):
    """The commit door: another's edits stay uncommitted."""
    wiki(page())
    wiki(page(), "wiki/patterns/other.md")
    assert wl.Wiki(home.wiki).commit(["wiki/patterns/retry.md"], "one page")
    assert git("status", "--porcelain", cwd=home.wiki).strip() == "?? wiki/patterns/other.md"
    assert not wl.Wiki(home.wiki).commit(["wiki/patterns/retry.md"], "again")
    assert (
        subprocess.run(["git", "-C", str(home.wiki), "log", "-1", "--format=%s"], capture_output=True, text=True).stdout
        == "one page\n"
    )


def test_frontmatter_of_any_shape_is_repaired_and_quoted(home, run_script):
    page = home.wiki / "wiki/patterns/odd.md"
    page.parent.mkdir(parents=True)
    page.write_text("---\ntitle: x\ntype: {a: b}\nconfidence: [high]\norigin: 5\ncreated: [1]\nlast_verified: {}\n---\n# x\n")
    assert "type: pattern (was \"{'a': 'b'}\")" in run_script("wiki-hygiene.py").stdout
    assert run_script("wiki-hygiene.py").stdout == ""
