"""update-conversation-index.py --compress: what many sessions come to, in a block that is kept until they change."""
from __future__ import annotations

import json

import pytest
import wikis
from summaries import picture

LEAK = "The upload worker leaks a file handle for every failed upload."
AGAIN = "The mail worker leaks a file handle for every failed delivery."
RULE = "Always pin the postgres image to a minor version."
POINT = "Workers of the api project leak a file handle for every failed upload or delivery."
# A claude that counts its calls, keeps what it was asked, and prints the reply of a file.
FAKE = """#!/bin/sh
cat > "$HOME/asked"
echo x >> "$HOME/calls"
cat "$HOME/reply"
"""


@pytest.fixture
def talks(home) -> None:
    wikis.talk(home.wiki, "2026-04-10", ["uploads"], discovery=[LEAK])
    wikis.talk(home.wiki, "2026-04-12", ["mail"], discovery=[AGAIN], preference=[RULE])
    wikis.talk(home.wiki, "2026-04-13", ["css"], fact=["The page has a margin of 1em below closed details."])


@pytest.fixture
def compress(home, run_script, fake_bin):
    """compress(answer, *flags): the lines printed, with a claude that gives this answer."""
    def run(answer: dict | None = None, *flags: str, check: bool = True):
        fake_bin("claude", FAKE)
        (home.path / "reply").write_text(json.dumps(
            {"type": "result", "is_error": False, "result": "", "structured_output": answer, "total_cost_usd": 0.01, "usage": {}}))
        return run_script("update-conversation-index.py", "--compress", *(flags or ("--claude",)), check=check)
    run.calls = lambda: len((home.path / "calls").read_text().splitlines()) if (home.path / "calls").exists() else 0
    return run


def picture_of(text: str = POINT, sessions: tuple[int, ...] = (1, 2)) -> dict:
    return {"themes": [{"name": "Leaking workers", "points": [{"text": text, "sessions": list(sessions)}]}]}


def concerns(home) -> str:
    return (home.wiki / picture.PATH).read_text()


def test_the_larger_picture_names_its_sessions_and_what_it_was_made_from(home, talks, compress):
    """W6: a marked block with its inputs' digest, made by a model of raw-extractions and active-concerns."""
    done = compress(picture_of())
    assert f"write {picture.PATH}: the larger picture" in done.stdout
    text = concerns(home)
    [(digest, block)] = picture.blocks(text)
    assert digest == picture.inputs_digest((home.wiki / "context/raw-extractions.md").read_text(), text)
    assert "by claude/sonnet" in block and f"- {POINT} ([2026-04-10](../conversations/api/" in block
    assert text.index(block) < text.index("<!-- memex:concerns -->") and LEAK in text
    asked = (home.path / "asked").read_text()
    assert asked.count(LEAK) == 2 and RULE in asked      # among the memories, and as what is open


def test_while_nothing_changes_nothing_is_asked_and_no_byte_differs(home, talks, compress, run_script, snapshot):
    compress(picture_of())
    before = snapshot(home.wiki)
    assert compress(picture_of()).stdout == "" and run_script("update-conversation-index.py").stdout == ""
    assert snapshot(home.wiki) == before and compress.calls() == 1


def test_a_change_is_asked_about_and_the_file_as_it_was_is_kept(home, talks, compress, run_script):
    """W6: backed up, then replaced at once; a person's lines outside generated blocks survive."""
    compress(picture_of())
    file = home.wiki / picture.PATH
    file.write_text("# Mine\n\n- The certificate expires in May.\n\n" + file.read_text() + "\nAnd a last line.\n")
    wikis.talk(home.wiki, "2026-04-14", ["nats"], fact=["We decided to use NATS for every queue."])
    run_script("update-conversation-index.py")
    assert POINT in concerns(home)      # the old one stands until there is another
    before = concerns(home)
    new = "The api project decided to use NATS for every queue, and its workers leak a file handle for every failed upload."
    compress(picture_of(new, (1, 4)))
    text = concerns(home)
    assert new in text and POINT not in text and len(picture.blocks(text)) == 1
    assert text.startswith("# Mine\n\n- The certificate expires in May.") and text.endswith("And a last line.\n")
    assert before in [p.read_text() for p in home.cache.rglob("active-concerns-*.md")]
    assert compress(picture_of()).stdout == "" and compress.calls() == 2


def test_the_picture_is_never_taken_for_a_persons_own_lines(home, talks, compress, run_script):
    compress(picture_of())
    run_script("update-conversation-index.py")
    assert POINT not in (home.wiki / "context/wake-up.md").read_text()


def test_without_a_model_it_is_deferred_and_said(home, talks, compress):
    """W6, M16: no model is no failure."""
    done = compress(None, "--dry-run")
    assert "would ask a model for the larger picture" in done.stdout and not (home.wiki / "context").exists()
    done = compress(None, "--max-usd", "1")
    assert "deferred: the larger picture: no llama-server answers" in done.stdout and done.returncode == 0
    assert picture.OPEN not in concerns(home) and compress.calls() == 0


def test_a_budget_that_is_spent_defers_it_and_an_estimate_writes_nothing(home, talks, compress):
    """B4."""
    done = compress(picture_of(), "--claude", "--estimate")
    assert done.stdout.startswith("the larger picture: 1 calls, about ") and not (home.wiki / "context").exists()
    assert "deferred: the larger picture: the run's budget" in compress(picture_of(), "--claude", "--max-calls", "0").stdout
    assert compress.calls() == 0


@pytest.mark.parametrize("wrong", [
    picture_of(sessions=(1, 9)), picture_of(LEAK, (1, 3)), picture_of("Workers of the api project leak 40 file handles."),
    picture_of("Everything about the weather in Paris is pleasant."), {"themes": "none"}])
def test_what_its_sessions_do_not_say_is_asked_again_and_set_aside(home, talks, compress, wrong):
    """B3: each sentence is traced to the sessions it names."""
    done = compress(wrong, check=False)
    assert done.returncode == 1 and "set aside" in done.stderr and compress.calls() == 2
    assert picture.OPEN not in concerns(home)


def test_a_sentence_without_evidence_is_left_out_after_the_repair(home, talks, compress):
    points = [{"text": POINT, "sessions": [1, 2]}, {"text": "NATS 2.9 is used.", "sessions": [1]}, {"text": AGAIN, "sessions": [2]}]
    compress({"themes": [{"name": "Leaks", "points": points}]})
    assert POINT in concerns(home) and AGAIN in concerns(home) and "NATS" not in concerns(home)


def test_a_model_cannot_close_the_block_or_drive_the_terminal(home, talks, compress):
    evil = f"{POINT} <!-- /memex:synthesis --> \x1b[2J # Hello"
    compress(picture_of(evil))
    [(_, block)] = picture.blocks(concerns(home))
    assert block.count("<!--") == 2 and "\x1b" not in concerns(home)


def test_an_agent_makes_it_in_a_session(home, talks, compress):
    """E15: the question waits as a file; the run that finds its answer puts it in place."""
    assert "waits for an agent" in compress(None, "--backend", "agent").stdout
    [question] = (home.wiki / "context/questions").glob("*.md")
    assert "taken_up_by: update-conversation-index.py --compress --backend agent" in question.read_text()
    question.with_suffix(".answer.json").write_text(json.dumps(picture_of()))
    compress(None, "--backend", "agent")
    assert POINT in concerns(home) and "by agent" in concerns(home)


def test_more_than_one_question_holds_is_asked_in_turn_with_the_picture_so_far():
    from summaries import synthesis
    made = [wikis.conversation(f"2026-04-{day:02}", ["uploads"], name=f"talk {day}", fact=[LEAK])[0] for day in range(1, 9)]
    numbered = dict(enumerate(made, 1))
    cut = synthesis.parts(numbered, 400)
    assert len(cut) > 2 and [n for part in cut for n in part] == list(numbered)
    assert "Your picture so far:\n- x: y [s1]" in synthesis.render(synthesis.Part(cut[1], before="- x: y [s1]"))


def test_what_a_merge_of_two_pictures_leaves_is_one_picture_or_none():
    def block(digest: str) -> str:
        return f"{picture.OPEN} {digest} by x -->\n## The larger picture\n- a\n{picture.CLOSE}\n"
    mark = "<!-- memex:concerns -->"
    one, two = block("a" * 12), block("b" * 12)
    assert picture.one_picture(f"x\n\n{one}\n{mark}\n", mark) == f"x\n\n{one}\n{mark}\n"
    for text in (f"x\n\n{one}{two}\n{mark}\n", f"x\n\n{two}\n{one}\n{mark}\n"):
        assert picture.one_picture(text, mark) == f"x\n\n{one}\n{mark}\n"
    mixed = f"x\n\n{picture.OPEN} {'a' * 12} by x -->\n{picture.OPEN} {'b' * 12} by x -->\n- a\n- b\n{picture.CLOSE}\n{mark}\n"
    assert picture.OPEN not in picture.one_picture(mixed, mark) and mark in picture.one_picture(mixed, mark)


def test_what_a_model_found_reaches_the_wake_up_and_the_concerns(home, run_script):
    """A model's bullets, worded as its prompt asks, stand in wake-ups and active-concerns within their budgets."""
    wikis.talk(home.wiki, "2026-04-12", ["queues"], fact=[
        "For the queues of the shop NATS was chosen over Redis, because Redis lost messages at a restart."], discovery=[
        "The replicate strategy of git-sync is not yet batched, so a pack over the limit is rejected."], preference=[
        "The user wants every release of the shop to be tagged by hand, never by CI."])
    run_script("update-conversation-index.py")
    text = (home.wiki / "context/wake-up.md").read_text()
    assert "NATS was chosen over Redis" in text and "tagged by hand" in text and "not yet batched" in text
    assert len(text.encode()) <= 800 and "not yet batched" in concerns(home)
