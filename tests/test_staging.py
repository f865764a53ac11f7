"""wiki-staging.py: a person's yes or no, one commit each, and nothing a staged page holds can do harm."""

from __future__ import annotations

import wiki_lib as wl

import importlib
import json
import os
import subprocess

import pytest
import wikis
from conftest import SCRIPTS

staging = importlib.import_module("wiki-staging")
BODY = "# Retry\n\nRetries use jitter. (source: conversations/api/a.md#12345678)\n"


@pytest.fixture
def wiki(home) -> wl.Wiki:
    made = wl.Wiki(home.wiki)
    made.init()
    return made


@pytest.fixture
def judge(run_script):
    """Runs wiki-staging.py on 2026-04-20; check=False where a refusal is expected."""

    def run(*args, **options):
        return run_script("wiki-staging.py", *args, env={"WIKI_TODAY": "2026-04-20"}, **options)

    return run


def put(wiki: wl.Wiki, name: str = "concepts/retry", body: str = BODY, **meta) -> str:
    return wikis.staged(wiki.root, f"staging/{name}.md", body, **{"distill_topic": "retry", "topics": ["retry"], **meta})


def change(wiki: wl.Wiki, live_body: str = BODY, **meta) -> tuple[str, str]:
    """A live page and a staged change of it."""
    live = wikis.page(wiki.root, "wiki/concepts/retry.md", live_body)
    hashed = {"modifies": live, "modifies_hash": wl.page_content_hash(live_body), "version": 2, **meta}
    return live, put(wiki, body=live_body + "\nMore.\n", **hashed)


def committed(git) -> str:
    git("add", "-A")
    git("commit", "-qm", "so far")
    return git("rev-parse", "HEAD^{tree}")


# --- what waits


def test_the_list_for_programs_is_what_formats_promises(wiki, judge):
    """M33, formats.md."""
    put(wiki, sources=["conversations/api/a.md", "https://example.org/x"])
    change(wiki, staged_by="wiki-harvest", staged_at="2026-04-19")
    put(wiki, "patterns/zeta", staged_at="2026-01-01", type="pattern")
    entries = json.loads(judge("--list", "--json").stdout)
    assert [e["path"] for e in entries] == ["staging/patterns/zeta.md", "staging/concepts/retry.md"], "the oldest first"
    assert all(list(e) == ["id", "path", "title", "type", "staged_by", "staged_at", "modifies", "topic", "sources", "age_days"]
               for e in entries)  # fmt: skip
    assert entries[1]["modifies"] == "wiki/concepts/retry.md" and entries[1]["age_days"] == 1 and entries[0]["modifies"] is None
    assert entries[0]["topic"] == "retry" and entries[0]["id"] == wl.sha(entries[0]["path"])[:6]


def test_nothing_waiting_is_an_empty_list_and_no_wiki_is_none_either(home, judge):
    assert json.loads(judge("--list", "--json").stdout) == [] and judge("--list").stdout == ""
    assert json.loads(judge("--stats", "--json").stdout)["total"] == 0 and not home.wiki.exists()


def test_stats_count_by_type_and_source_with_ages(wiki, judge):
    """M33."""
    put(wiki, "concepts/a")
    put(wiki, "concepts/b", staged_by="wiki-harvest", staged_at="2026-04-20")
    put(wiki, "patterns/c", type="pattern", staged_at="2026-04-10")
    found = json.loads(judge("--stats", "--json").stdout)
    assert found["by_type"] == {"concept": 2, "pattern": 1} and found["by_source"] == {"wiki-distill": 2, "wiki-harvest": 1}
    assert found["age_days"] == {"oldest": 19, "median": 10, "newest": 0}
    assert "3 waiting" in judge("--stats").stdout


def test_ids_are_short_unique_and_usable_as_are_paths_and_names():
    pages = [wl.WikiPage(f"staging/concepts/page{n}.md", {}, "") for n in range(5000)]
    queue = staging.Queue(pages, {})
    ids = queue.ids()
    assert len(set(ids.values())) == 5000 and max(map(len, ids.values())) <= 8
    for name in (ids["staging/concepts/page7.md"], "staging/concepts/page7.md", "concepts/page7.md", "page7"):
        assert queue.named(name).slug == "page7"
    twin = staging.Queue([*pages, wl.WikiPage("staging/patterns/page7.md", {}, "")], {})
    with pytest.raises(staging.Refused, match="means .* and .*name one by its path"):
        twin.named("page7")


# --- yes


def test_promotion_strips_exactly_the_staging_fields_and_keeps_the_body(wiki, judge):
    """M34."""
    path = put(wiki, compiled_by="extractive", compilation_notes="n", strange="kept", sources=["conversations/api/a.md"])
    before = wiki.page(path)
    assert judge("--promote", "retry").stdout == "promoted staging/concepts/retry.md -> wiki/concepts/retry.md: Retry\n"
    after = wiki.page("wiki/concepts/retry.md")
    assert set(before.meta) - set(after.meta) == set(before.meta) & set(wl.STAGED_KEYS) and after.body == before.body
    assert after.meta["origin"] == "automated" and after.meta["strange"] == "kept" and not (wiki.root / path).exists()
    assert "(concepts/retry.md)" in wiki.text("wiki/index.md") and "retry" not in wiki.text("staging/index.md")


def test_a_revert_of_the_promotion_restores_the_former_tree_exactly(wiki, judge, git):
    """M35: for a new page, and for a change with links to it, committed before or not."""
    put(wiki, "patterns/new", type="pattern")
    change(wiki)
    wikis.page(wiki.root, "wiki/concepts/other.md", "# Other\n\nSee [retry](../../staging/patterns/new.md).\n")
    before = committed(git)
    for name in ("new", "retry"):
        judge("--promote", name)
        assert git("status", "--porcelain") == ""
        git("revert", "--no-edit", "HEAD")
        assert git("rev-parse", "HEAD^{tree}") == before
    put(wiki, "patterns/later", type="pattern")
    (wiki.root / "wiki/concepts/other.md").write_text("---\ntitle: Other\n---\nstaging/patterns/later.md, edited, not committed\n")
    judge("--promote", "later")
    git("revert", "--no-edit", "HEAD")
    assert (wiki.root / "staging/patterns/later.md").exists() and "staging/patterns/later.md" in wiki.text("wiki/concepts/other.md")
    assert git("status", "--porcelain") == ""


def test_a_revert_of_one_of_two_promotions_of_a_type_takes_back_that_one_alone(wiki, judge, git):
    """M33: git must not take the first promotions into an empty folder for that folder's renaming."""
    for name in ("one", "two"):
        judge("--promote", put(wiki, f"concepts/{name}", f"# {name}\n\nOf {name}: " + f"the {name} words of it. " * 9))
    promoted = git("log", "--format=%h", "--grep", "^promote: one").strip()
    git("revert", "--no-edit", promoted)
    judge("--sync")
    assert git("ls-files", "wiki/concepts", "staging/concepts").split() == ["staging/concepts/one.md", "wiki/concepts/two.md"]
    assert "(concepts/one.md)" in (wiki.root / "staging/index.md").read_text()
    assert git("status", "--porcelain") == ""


def test_a_verdict_waits_for_a_revert_that_a_person_has_not_finished(wiki, judge, git, snapshot):
    page = put(wiki)
    committed(git)
    for text in ("# P\n\nold\n", "# P\n\nnew\n", "# P\n\nnewer\n"):
        wikis.put(wiki.root, "notes.md", text)
        committed(git)
    git("revert", "--no-edit", "HEAD~1", check=False)
    before = snapshot(wiki.root)
    done = judge("--promote", page, check=False)
    assert done.returncode == 1 and "a revert is unfinished" in done.stderr and len(done.stderr.splitlines()) == 1
    assert snapshot(wiki.root) == before
    git("revert", "--abort")
    judge("--promote", page)


def test_references_to_a_promoted_page_follow_it(wiki, judge):
    """M34."""
    put(wiki, body=BODY + "\nSee staging/concepts/retry.md itself.\n", related=["staging/concepts/retry.md"])
    other = put(wiki, "concepts/other", related=["staging/concepts/retry.md", "staging/concepts/retry-budget.md"],
                body="# Other\n\n[r](../../staging/concepts/retry.md) and staging/concepts/retry.md#x\n")  # fmt: skip
    judge("--promote", "concepts/retry.md")
    page, live = wiki.page(other), wiki.page("wiki/concepts/retry.md")
    assert page.words("related") == ["wiki/concepts/retry.md", "staging/concepts/retry-budget.md"]
    assert "staging/concepts/retry.md" not in page.body and not page.edited, "a link we mend is no person's edit"
    assert "wiki/concepts/retry.md itself" in live.body and not live.edited


def test_a_change_is_refused_when_its_live_page_has_changed_since(wiki, judge, snapshot):
    """M34."""
    live, _ = change(wiki)
    (wiki.root / live).write_text((wiki.root / live).read_text() + "\nA person's line.\n")
    before = snapshot(wiki.root)
    done = judge("--promote", "retry", check=False)
    assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "has changed since" in done.stderr and "`wiki-distill.py --topic retry`" in done.stderr
    assert snapshot(wiki.root) == before


@pytest.mark.parametrize("station", ["gone", "pinned", "taken"])
def test_a_yes_that_would_overwrite_something_is_refused(wiki, judge, snapshot, station):
    if station == "taken":
        wikis.page(wiki.root, "wiki/concepts/retry.md", "# Retry\n\nAnother.\n")
        put(wiki)
    else:
        live, _ = change(wiki)
        page = wiki.page(live)
        (wiki.root / live).unlink() if station == "gone" else wikis.put(
            wiki.root, live, wl.render_page(page.with_meta(pinned=True))
        )
    before = snapshot(wiki.root)
    done = judge("--promote", "retry", check=False)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and snapshot(wiki.root) == before


def test_promote_all_says_yes_to_what_can_be_and_names_the_rest(wiki, judge, git):
    put(wiki, "concepts/a")
    put(wiki, "concepts/b")
    live, _ = change(wiki)
    (wiki.root / live).write_text("Changed.\n")
    done = judge("--promote-all", check=False)
    assert done.returncode == 1 and [line.split()[0] for line in done.stdout.splitlines()] == ["promoted", "promoted"]
    assert [s for s in git("log", "--format=%s").splitlines() if s.startswith("promote: ")] == ["promote: 2 pages"]


def test_promoting_all_is_one_commit_that_a_revert_takes_back_and_links_among_them_are_mended(wiki, judge, git):
    """M34, M35."""
    put(wiki, "concepts/a", body="# A\n\nSee [b](staging/concepts/b.md).\n")
    put(wiki, "concepts/b", body="# B\n\nSee staging/concepts/a.md and staging/concepts/b.md.\n")
    committed(git)
    judge("--sync")
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", "so far")
    before = git("rev-parse", "HEAD^{tree}")
    judge("--promote-all")
    assert "[b](wiki/concepts/b.md)" in wiki.text("wiki/concepts/a.md")
    assert "wiki/concepts/a.md and wiki/concepts/b.md" in wiki.text("wiki/concepts/b.md")
    assert git("status", "--porcelain") == ""
    git("revert", "--no-edit", "HEAD")
    assert git("rev-parse", "HEAD^{tree}") == before


def test_promoting_many_reads_every_page_a_bounded_number_of_times(wiki, monkeypatch):
    read: list[str] = []
    text = wl.Wiki.text
    monkeypatch.setattr(wl.Wiki, "text", lambda self, path: read.append(path) or text(self, path))
    pages = [wiki.page(put(wiki, f"concepts/page-{n}")) for n in range(30)]
    assert staging.promote(wiki, pages) == 30 and len(read) < 30 * 12


def test_one_wrong_name_among_several_changes_nothing(wiki, judge, snapshot):
    put(wiki)
    before = snapshot(wiki.root)
    for verb in (["--promote"], ["--reject"]):
        done = judge(*verb, "retry", "nope", check=False)
        assert done.returncode == 1 and "nope: nothing of this name waits" in done.stderr and snapshot(wiki.root) == before


# --- no


def test_a_rejection_deletes_the_page_and_remembers_why(wiki, judge, git):
    """M34, M28: the evidence in the ledger, the reason there and in the commit."""
    path = put(wiki, sources_digest="0123456789ab", topics=["retry", "jitter"])
    judge("--reject", "retry", "--reason", "too vague")
    assert not (wiki.root / path).exists() and "retry" not in wiki.text("staging/index.md")
    words = wiki.state(".distill-state.json")
    assert words["retry@0123456789ab"] == words["jitter@0123456789ab"] == {"rejected", "reason: too vague"}
    assert git("log", "-1", "--format=%s%n%b").split("\n")[:2] == ["reject: Retry", "too vague"]
    assert git("show", f"HEAD~1:{path}").endswith(BODY), "git still has what was rejected"


def test_a_rejected_harvest_is_remembered_by_its_address(wiki, judge):
    put(wiki, staged_by="wiki-harvest", harvest_source="https://example.org/post")
    judge("--reject", "retry", "--reason", "an advertisement")
    assert wiki.state(".harvest-state.json") == {"https://example.org/post": {"rejected", "reason: an advertisement"}}


# --- killed half-way, two at once


def test_a_promotion_killed_half_way_is_finished_by_the_next_run(wiki, judge, git):
    """M34, M35: never doubled."""
    path = put(wiki)
    live, update = change(wiki)[0], "staging/concepts/retry.md"
    git("add", "-A")
    git("commit", "-qm", "so far")
    page = wiki.page(update)
    wikis.put(wiki.root, live, wl.render_page(staging.promoted(page)))  # written, not yet taken away
    assert judge("--sync").stdout.startswith("finished staging/concepts/retry.md -> wiki/concepts/retry.md")
    assert not (wiki.root / path).exists() and git("status", "--porcelain") == ""


def test_a_promotion_killed_before_its_commit_is_committed_by_the_next_run(wiki, judge, git):
    path = put(wiki)
    committed(git)
    wiki.apply([wl.Move(path, staging.promoted(wiki.page(path)))], quiet=True)
    judge("--sync")
    assert git("status", "--porcelain") == "" and git("log", "-1", "--format=%s").startswith("promote: ")


def test_a_page_that_changed_under_our_hands_is_not_promoted(wiki):
    page = wiki.page(put(wiki))
    (wiki.root / page.path).write_text(wl.render_page(page) + "\nAnother hand.\n")
    assert staging.promote(wiki, [page]) == 0
    assert not (wiki.root / "wiki/concepts/retry.md").exists() and "Another hand." in wiki.text(page.path)


def test_two_reviewers_at_once_lose_nothing_and_double_nothing(wiki, home, git):
    for n in range(6):
        put(wiki, f"concepts/page-{n}")
    command = [SCRIPTS / "wiki-staging.py", "--promote-all"]
    both = [subprocess.Popen(command, env=home.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "12"]
    said = [done for process in both for done in process.communicate()]
    assert "".join(said).count("promoted ") == 6 and all("Traceback" not in s for s in said)
    assert len(wiki.files("wiki")) == 6 and not wiki.files("staging") and git("status", "--porcelain") == ""


# --- the index


def test_sync_regenerates_the_index_and_names_what_it_did_not_know(wiki, judge, snapshot):
    """M33."""
    put(wiki)
    wikis.put(wiki.root, "staging/index.md", wiki.text("staging/index.md").replace("Nothing here yet.", "- [G](concepts/gone.md)"))
    lines = judge("--sync").stdout.splitlines()
    assert lines[0].startswith("drift staging/concepts/retry.md: was not") and lines[1].startswith("drift staging/concepts/gone.md")
    before = snapshot(wiki.root)
    assert judge("--sync").stdout == "" and snapshot(wiki.root) == before


def test_a_dry_run_writes_nothing(wiki, judge, snapshot):
    put(wiki)
    before = snapshot(wiki.root)
    assert judge("--promote", "retry", "--dry-run").stdout == "would move staging/concepts/retry.md -> wiki/concepts/retry.md\n"
    assert judge("--reject", "retry", "--dry-run").stdout.startswith("would remove")
    assert snapshot(wiki.root) == before


# --- hostile pages


HOSTILE = {
    "an unknown type": {"type": "../../etc"},
    "another folder's type": {"type": "pattern"},
    "a change outside wiki/": {"modifies": "../../../etc/passwd", "modifies_hash": "0" * 12},
    "a change of another kind of file": {"modifies": "wiki/concepts/../../.distill-state.json"},
    "a change of another folder": {"modifies": "wiki/patterns/retry.md"},
    "a list where a path belongs": {"modifies": ["wiki/concepts/retry.md"]},
}


@pytest.mark.parametrize("meta", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_page_is_refused_in_one_line(wiki, judge, snapshot, meta):
    put(wiki, **meta)
    before = snapshot(wiki.root.parent)
    done = judge("--promote-all", check=False)
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1 and snapshot(wiki.root.parent, but=("cache", ".git")) == {
        k: v for k, v in before.items() if not k.startswith("cache/") and "/.git/" not in k}  # fmt: skip
    assert judge("--promote", "retry", check=False).returncode == 1 and json.loads(judge("--list", "--json").stdout) == []


BROKEN = {
    "yaml garbage": "---\ntitle: [\n---\n# X\n",
    "an alias bomb": "---\ntype: concept\na: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)) + "---\n# X\n",
    "no frontmatter": "# X\n",
    "bytes": "\x00\x1b[2J",
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_page_that_is_none_is_refused_and_the_others_are_not_kept_waiting(wiki, judge, text):
    wikis.put(wiki.root, "staging/concepts/bad.md", text)
    put(wiki)
    done = judge("--promote-all", check=False)
    assert done.stdout.startswith("promoted staging/concepts/retry.md") and "staging/concepts/bad.md: " in done.stderr
    assert (wiki.root / "staging/concepts/bad.md").exists() and "\x1b" not in done.stdout + done.stderr


def test_links_and_strange_names_are_not_followed(wiki, judge, home):
    secret = home.path / "secret.md"
    secret.write_text("---\ntype: concept\ntitle: Secret\n---\nsecret\n")
    (wiki.root / "staging/concepts/link.md").symlink_to(secret)
    wikis.put(wiki.root, "staging/concepts/UPPER Case.md", wl.render_page(wl.WikiPage("", {"type": "concept"}, "x")))
    wikis.put(wiki.root, "staging/strange/x.md", wl.render_page(wl.WikiPage("", {"type": "concept"}, "x")))
    (wiki.root / "staging/outside").symlink_to(home.path)
    done = judge("--promote-all", check=False)
    assert done.stdout == "" and "Secret" not in done.stderr and secret.exists()
    assert {line.split(": ")[1] for line in done.stderr.splitlines()} >= {
        "staging/concepts/link.md", "staging/concepts/UPPER Case.md", "staging/strange/x.md"}  # fmt: skip


def test_nothing_a_title_holds_can_drive_the_terminal(wiki, judge):
    """M33."""
    put(wiki, title="\x1b]0;owned\x07 Re\u202etry\nnext\x9b2J")
    for args in (["--list"], ["--promote", "retry"]):
        out = judge(*args).stdout
        assert len(out.splitlines()) == 1 and all(c.isprintable() for c in out[:-1])


# --- review


def test_review_takes_a_verdict_a_line_and_shows_a_change_as_a_difference(wiki, judge):
    """M33: accept, skip, reject, quit; nothing a page contains can drive the terminal."""
    put(wiki, "concepts/a", body="# A\n\n\x1b[2JHidden.\n", staged_at="2026-01-01")
    change(wiki, staged_at="2026-01-02")
    put(wiki, "concepts/z", staged_at="2026-01-03")
    done = judge("--review", input="x\na\ns\nr\nno good\n")
    assert "\x1b" not in done.stdout and "+More." in done.stdout and "3 of 3" in done.stdout
    assert {p.slug for p in wiki.pages("wiki")} == {"a", "retry"} and {p.slug for p in wiki.pages("staging")} == {"retry"}
    assert any("reason: no good" in words for words in wiki.state(".distill-state.json").values())
    assert judge("--review", input="").returncode == 0


def test_without_git_a_verdict_is_as_good(home, judge):
    put(wl.Wiki(home.wiki))
    judge("--promote", "retry")
    assert (home.wiki / "wiki/concepts/retry.md").exists() and not os.path.exists(home.wiki / ".git")
