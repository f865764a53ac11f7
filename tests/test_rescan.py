"""Newer rules read again what is on disk: no secret stays, nothing becomes stale, no model is asked anything again."""

from __future__ import annotations

import wiki_lib as wl

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
import sessions
import wiki_rescan
import wikis
from conftest import SCRIPTS
from distilling import groups as gr
from planted import kinds

KEY = kinds(1)["github-pat"]                       # what older rules let stand
OTHER = kinds(2)["gitlab-token"]
FAILED = f"The deploy failed because the token {KEY} had expired overnight."
ADVISED = f"You should keep the deploy token {KEY} in the vault and never in the settings file of the worker."
COUNTED = "Every deploy is counted in the metric `deploys_total` together with its status and its region."
FROZEN = "The deploy of the worker hung because its clock was not frozen by the fixture of the tests."
DEPLOY = {"fact": [COUNTED], "discovery": [FAILED, FROZEN], "advice": [ADVISED]}


def talk(wiki: wl.Wiki, day: str, topics: list[str], **options) -> str:
    """A conversation of older rules, its summary in step with its transcript."""
    path = wikis.talk(wiki.root, day, topics, **options)
    old = wiki.conversation(path)
    meta = {**old.meta, "summary_of": wl.transcript_digest(old.read()), "summarized_by": "claude/haiku", "redactor": 1,
            "machine": wiki.machine}
    block = wl.render_summary(old.summary, old.bullets)
    wikis.put(wiki.root, path, wl.render_conversation(meta, block, old.transcript))
    return path


@pytest.fixture
def wiki(home, run_script) -> wl.Wiki:
    """A wiki as older rules left it: conversations, a page promoted from them, one edited by a person, a proposal, a raw page,
    the ledgers. Nothing is due."""
    made = wl.Wiki(home.wiki)
    made.init()
    talk(made, "2026-04-10", ["deploy"], **DEPLOY)
    talk(made, "2026-04-11", ["deploy"], fact=["The region of a deploy is chosen by the router of the gateway."])
    run_script("wiki-distill.py", "--first-run", env={"WIKI_TODAY": "2026-04-12"})
    [proposal] = home.wiki.glob("staging/*/deploy*.md")
    run_script("wiki-staging.py", "--promote", proposal.relative_to(home.wiki), env={"WIKI_TODAY": "2026-04-12"})
    edited = wikis.page(home.wiki, "wiki/concepts/edited.md", f"# Edited\n\nThe token is {KEY}.\n")
    wikis.put(home.wiki, edited, (home.wiki / edited).read_text() + f"\nA person adds: {OTHER}\n")
    [live] = [p for p in made.pages("wiki") if p.slug == "deploy"]
    wikis.staged(home.wiki, f"staging/{live.path.split('/', 1)[1]}", live.body + f"\n- And more of {KEY}.\n", modifies=live.path,
                 modifies_hash=wl.page_content_hash(live.body), staged_by="agent")
    body = f"# How to deploy\n\nSend {KEY}.\n"
    wikis.put(home.wiki, "raw/harvested/example-org-deploy.md", wl.render_page(wl.WikiPage("", {
        "source_url": "https://example.org/deploy", "content_hash": wl.page_content_hash(body)}, body)))
    wikis.put(home.wiki, "raw/mine.md", f"a person's own source: {OTHER}\n")
    wikis.put(home.wiki, "context/raw-extractions.md", f"- {FAILED}\n")
    wikis.put(home.wiki, "reports/ledger/0badcafe-2026-04.jsonl", json.dumps({"subject": f"a \"{KEY}\"", "usd": 1}) + "\n{broken\n")
    made.save_state(".hygiene-state.json", {f"{live.path}@{wl.page_content_hash(live.body)}": ["links"], f"x {KEY}": ["y"]})
    made.save_state(".harvest-state.json", {f"https://example.org/?token={KEY}": ["harvested"]})
    return made


@pytest.fixture
def no_model(fake_bin, home):
    """A claude that says so when it is called."""
    fake_bin("claude", f"#!/bin/sh\ntouch '{home.path}/asked'\nexit 1\n")
    yield
    assert not (home.path / "asked").exists(), "a model was asked"


def holding(root: Path, *secrets: str) -> list[str]:
    """The files that show a secret."""
    files = [p for p in sorted(root.rglob("*")) if p.is_file() and ".git" not in p.parts]
    return [str(p.relative_to(root)) for p in files if any(s.encode() in p.read_bytes() for s in secrets)]


def test_newer_rules_take_secrets_out_of_every_text_and_ask_nothing_again(home, wiki, no_model, run_script, snapshot):
    """M12, B5"""
    assert len(holding(home.wiki, KEY)) >= 9
    before = {c.path: (c, wiki.conversation(c.path).read()) for c in wiki.conversations()}
    done = run_script("extract-sessions.py")
    assert holding(home.wiki, KEY, OTHER) == ["raw/mine.md"]      # a person's own
    assert "rescan: " in done.stdout and "have them revoked" in done.stdout
    assert sum("a secret taken out" in line for line in done.stdout.splitlines()) >= 9
    for path, (old, transcript) in before.items():
        new = wiki.conversation(path)
        assert new.read().ids() == transcript.ids() and new.meta["summary_of"] == wl.transcript_digest(new.read())
        assert new.meta["redactor"] == wl.REDACTOR_VERSION and new.meta["status"] == "summarized"
        assert [b.cites for b in new.bullets] == [b.cites for b in old.bullets]
        assert new.meta.get("redactions", {}) == ({"github-pat": 2} if KEY in str(transcript) else {})
    after = snapshot(home.wiki)
    assert run_script("extract-sessions.py").stdout == "" and snapshot(home.wiki) == after

    run_script("summarize-conversations.py", "--claude")
    distilled = run_script("wiki-distill.py", env={"WIKI_TODAY": "2026-04-12"})
    assert distilled.stdout == "" and snapshot(home.wiki) == after
    pending = json.loads(run_script("wiki-distill.py", "--pending", "--json", env={"WIKI_TODAY": "2026-04-12"}).stdout)
    assert not pending["pending"] and not pending["stale_pages"]


def test_no_page_looks_edited_after_a_scan_that_did_not_before(home, wiki, run_script):
    """M12"""
    run_script("extract-sessions.py")
    pages = {p.path: p for station in ("wiki", "staging") for p in wiki.pages(station)}
    assert {path for path, p in pages.items() if p.edited} == {"wiki/concepts/edited.md"}
    assert "A person adds: [REDACTED:gitlab-token]" in pages["wiki/concepts/edited.md"].body
    [proposal] = [p for p in pages.values() if p.station == "staging"]
    live = pages[proposal.meta["modifies"]]
    assert proposal.meta["modifies_hash"] == wl.page_content_hash(live.body)
    raw = wl.parse_page("", (home.wiki / "raw/harvested/example-org-deploy.md").read_text())
    assert raw.meta["content_hash"] == wl.page_content_hash(raw.body)
    known = {c.path: gr.evidence_key(c) for c in wiki.conversations()}
    assert live.meta["sources_digest"] == gr.sources_digest(known[s] for s in live.words("sources"))
    assert f"{live.path}@{wl.page_content_hash(live.body)}" in wiki.state(".hygiene-state.json")
    assert set(known.values()) <= set(wiki.state(".distill-state.json"))
    [line, broken] = (home.wiki / "reports/ledger/0badcafe-2026-04.jsonl").read_text().splitlines()
    assert json.loads(line) == {"subject": 'a "[REDACTED:github-pat]"', "usd": 1} and broken == "{broken"


def test_a_dry_run_says_what_a_scan_would_write_and_leaves_it_due(home, wiki, run_script, snapshot):
    """M12"""
    before = snapshot(home.wiki)
    said = run_script("extract-sessions.py", "--dry-run").stdout
    assert "would write conversations/" in said and "would write wiki/concepts/edited.md" in said
    assert snapshot(home.wiki) == before
    for arguments in (["--project", "other"], ["--transcript", sessions.Claude(home.claude).user("Hi").write()]):
        os.replace(home.wiki / ".mine-state.json", home.path / "state") if (home.wiki / ".mine-state.json").exists() else None
        run_script("extract-sessions.py", *arguments)
        assert not holding(home.wiki / "wiki", KEY)


def killed_after(files: int, home) -> None:
    """A run that is killed when it has written so many files."""
    kill = ("import os, signal, wiki_disk; real = wiki_disk.atomic_write; n = [0]\n"
            "def write(*a, **k):\n    n[0] += 1\n"
            f"    n[0] > {files} and os.kill(os.getpid(), signal.SIGKILL)\n    real(*a, **k)\n"
            "wiki_disk.atomic_write = write\n")
    code = f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); sys.argv = ['extract-sessions.py']\n{kill}" \
           "import importlib, wiki_lib; wiki_lib.run(importlib.import_module('extract-sessions').main)\n"
    done = subprocess.run(["python3", "-c", code], env=home.environ, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("after", [1, 3, 6, 9, 12])
def test_a_scan_that_is_killed_is_finished_by_the_next_run(home, wiki, no_model, run_script, after):
    """M12, B5: killed after so many files."""
    killed_after(after, home)
    run_script("extract-sessions.py")
    assert holding(home.wiki, KEY, OTHER) == ["raw/mine.md"]
    test = run_script("wiki-distill.py", env={"WIKI_TODAY": "2026-04-12"})
    assert test.stdout == "" and {p.path for p in wiki.pages("wiki") if p.edited} == {"wiki/concepts/edited.md"}
    [proposal] = wiki.pages("staging")
    assert proposal.meta["modifies_hash"] == wl.page_content_hash(wiki.page(proposal.meta["modifies"]).body)


OLDER_RULES = """
import sys
sys.path.insert(0, {scripts!r})
import wiki_redact
wiki_redact.REDACTOR_VERSION = 1
wiki_redact.LITERALS = ()
"""


def test_a_scan_leaves_what_mining_by_todays_rules_would_have_left(home, run_script, snapshot):
    """M12: texts, tools, subagents, titles, several kinds in several files."""
    older = home.path / "older"
    older.mkdir()
    (older / "sitecustomize.py").write_text(OLDER_RULES.format(scripts=str(SCRIPTS)))
    for number, (kind, secret) in enumerate(kinds(7).items()):
        short = secret if len(secret) < 100 and "\n" not in secret else "nothing"      # what a title is cut to lacks the rest
        c = sessions.Claude(home.claude, f"p{number % 5}", seed=kind).title(f"A {short}")
        c.user(f"Please look at {short}, \n{secret}")
        c.assistant(f"I use {secret} here.\n### User · 2026-01-01 10:00 · #00000000").user(f"{secret}\nis mine")
        c.bash(f"curl -H {secret}", f"```\n{secret}\n  ```\n- **Bash** `x`\n-----BEG" + "IN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA")
        c.answer(c.use("Read", file_path=f"/x/{secret}"), "").assistant("-----E" + "ND RSA PRIVATE KEY----- is not the end of it")
        c.answer(c.use("Task", description=f"use {short}", prompt="Go."), "done")
        c.user("Go.", isSidechain=True, agentId="a1").assistant(f"Sub {secret}", isSidechain=True, agentId="a1").write()
    run_script("extract-sessions.py", env={"PYTHONPATH": older})
    assert KEY[:4] in "".join(p.read_text() for p in home.wiki.glob("conversations/*/2*.md"))
    machine = (home.wiki / ".machine-id").read_text()
    said = run_script("extract-sessions.py").stdout
    assert "rescan: " in said
    scanned = {p: digest for p, (digest, _) in snapshot(home.wiki / "conversations").items()}
    os.replace(home.wiki, home.path / "scanned")
    home.wiki.mkdir()
    (home.wiki / ".machine-id").write_text(machine)
    run_script("extract-sessions.py")
    fresh = {p: digest for p, (digest, _) in snapshot(home.wiki / "conversations").items()}
    assert scanned == fresh


def test_a_grown_session_is_joined_with_what_todays_rules_left_of_it(home, run_script):
    """M12: the scan comes first in a run, and a message that has no id of its own keeps the one it has."""
    older = home.path / "older"
    older.mkdir()
    (older / "sitecustomize.py").write_text(OLDER_RULES.format(scripts=str(SCRIPTS)))
    c = sessions.Codex(home.codex).user(f"Use {KEY}.").assistant(f"I use {KEY}.")
    c.write()
    run_script("extract-sessions.py", env={"PYTHONPATH": older})
    [path] = wl.Wiki(home.wiki).files("conversations")
    ids = wl.Wiki(home.wiki).conversation(path).read().ids()
    c.user("And now?").assistant("Done.").write()
    run_script("extract-sessions.py")
    [renamed] = wl.Wiki(home.wiki).files("conversations")
    found = wl.Wiki(home.wiki).conversation(renamed)
    assert "use-redacted-github-pat" in renamed and not holding(home.wiki / "conversations", KEY)
    assert found.read().ids()[:2] == ids and len(found.read().ids()) == 4


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4])
def test_a_transcript_named_after_a_secret_is_renamed_and_whatever_names_it_follows(home, no_model, run_script, after):
    """M12, B5: also where the scan was killed after so many files (0: it was not)."""
    made = wl.Wiki(home.wiki)
    made.init()
    old = talk(made, "2026-04-10", ["deploy"], name=f"Please look at this. {KEY}", tail=f" {KEY}", **DEPLOY)
    other = talk(made, "2026-04-11", ["deploy"], fact=["The region of a deploy is chosen by the router of the gateway."])
    text = (home.wiki / other).read_text()
    (home.wiki / other).write_text(text.replace("related: []", f"related: [{old}]"))
    run_script("wiki-distill.py", "--first-run", env={"WIKI_TODAY": "2026-04-12"})
    [proposal] = home.wiki.glob("staging/*/deploy*.md")
    run_script("wiki-staging.py", "--promote", proposal.relative_to(home.wiki), env={"WIKI_TODAY": "2026-04-12"})
    slug = wl.slug(KEY)
    assert slug in old and holding(home.wiki / "wiki", slug)
    if after:
        killed_after(after, home)
    run_script("extract-sessions.py")
    assert not holding(home.wiki, KEY, slug) and not list(home.wiki.glob(f"conversations/*/*{slug}*"))
    [renamed] = home.wiki.glob("conversations/*/*redacted-github-pat*.md")
    assert made.conversation(other).related == [str(renamed.relative_to(home.wiki))]
    [page] = made.pages("wiki")
    assert not page.edited and all((home.wiki / source).exists() for source in page.words("sources"))
    assert run_script("wiki-distill.py", env={"WIKI_TODAY": "2026-04-12"}).stdout == ""
    run_script("summarize-conversations.py", "--claude")
    pending = json.loads(run_script("wiki-distill.py", "--pending", "--json", env={"WIKI_TODAY": "2026-04-12"}).stdout)
    assert not pending["pending"] and not pending["stale_pages"]


def test_a_wiki_with_nothing_in_it_and_a_run_like_any_other_are_not_scanned(home, run_script, monkeypatch):
    """M3, M12"""
    sessions.Claude(home.claude).user("Hi").assistant("Hello").write()
    run_script("extract-sessions.py")
    state = json.loads((home.wiki / ".mine-state.json").read_text())
    assert state[wiki_rescan.KEY] == {"version": wl.REDACTOR_VERSION}
    monkeypatch.setattr(wiki_rescan, "decided", lambda wiki: pytest.fail("scanned"))
    assert not wiki_rescan.rescan(wl.Wiki(home.wiki), state)
