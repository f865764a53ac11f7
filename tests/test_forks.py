"""Sessions that were resumed or forked into files of their own: what they share stands once, whichever was mined first."""

from __future__ import annotations

import wiki_lib as wl

import itertools
import json
import random

import pytest
import session_lineage as lineage
import sessions


@pytest.fixture
def mine(run_script):
    return lambda *args: run_script("extract-sessions.py", *args).stdout


def transcripts(home) -> dict[str, wl.Conversation]:
    """{session id: its transcript's file}"""
    found = {}
    for path in home.wiki.glob("conversations/*/*.md"):
        c = wl.parse_conversation(path.relative_to(home.wiki).as_posix(), path.read_text(encoding="utf-8"))
        assert c.session_id not in found
        found[c.session_id] = c
    return found


def said_once(home) -> list[str]:
    """What all transcripts hold, in their order."""
    return [m.text for _, c in sorted(transcripts(home).items()) for m in c.read().said]


def tree(home) -> dict[str, bytes]:
    """The transcripts' bytes without the name of the machine."""
    machine = wl.Wiki(home.wiki).machine.encode()
    return {p.relative_to(home.wiki).as_posix(): p.read_bytes().replace(machine, b"")
            for p in home.wiki.glob("conversations/*/*.md")}


def claude_fork(home, parent: sessions.Claude, seed: str, lines: int, rewritten: bool = False, told: bool = False
                ) -> sessions.Claude:
    """A session that begins with the first `lines` records of another one, whose session id may have been replaced."""
    fork = sessions.Claude(home.claude, parent.project, seed=seed)
    for line in parent.lines[:lines]:
        record = json.loads(line)
        if rewritten or told:
            record |= {"forkedFrom": {"sessionId": record["sessionId"], "messageUuid": record["uuid"]}} if told else {}
            record["sessionId"] = fork.session
        fork.raw(record)
    fork.count, fork.parent = 100 + lines, json.loads(parent.lines[lines - 1])["uuid"]
    return fork


def family(home, **how) -> list[sessions.Claude]:
    """A session, a fork of it, and a fork of the fork."""
    root = sessions.Claude(home.claude, seed="root").user("Why is it slow?").assistant("I look.").bash("time make", "9 s")
    root.assistant("The cache is cold.").user("Warm it.").assistant("Warm.")
    fork = claude_fork(home, root, "fork", 5, **how).user("Rather drop the cache.").assistant("Dropped.")
    leaf = claude_fork(home, fork, "leaf", 6, **how).user("And the tests?").assistant("Green.")
    return [root, fork, leaf]


HOWS = [{}, {"rewritten": True}, {"told": True}]


@pytest.mark.parametrize("how", HOWS, ids=["ids of the parent", "ids rewritten", "forkedFrom"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_a_family_of_forks_says_everything_once_in_whatever_order_it_came(home, mine, order, how):
    """M7"""
    members = family(home, **how)
    for number in order:
        members[number].write()
        mine()
    assert sorted(said_once(home)) == sorted([
        "Why is it slow?", "I look.", "The cache is cold.", "Warm it.", "Warm.", "Rather drop the cache.", "Dropped.",
        "And the tests?", "Green."])
    found = transcripts(home)
    for session, c in found.items():
        named = c.meta.get("forked_from")
        shared = [m for m in c.read().messages if isinstance(m, wl.Shared)]
        assert bool(shared) == bool(named) and named != session and (not named or named in found)
    assert mine() == ""
    after = tree(home)
    (home.wiki / ".mine-state.json").unlink()
    mine()
    for p, was in after.items():
        assert tree(home)[p].decode() == was.decode()


@pytest.mark.parametrize("how", HOWS, ids=["ids of the parent", "ids rewritten", "forkedFrom"])
def test_the_order_of_mining_changes_no_byte(home, mine, how):
    """M7"""
    import shutil
    results = []
    members = family(home, **how)
    for order in [(0, 1, 2), (2, 1, 0), (1, 2, 0), None]:
        shutil.rmtree(home.wiki, ignore_errors=True)
        shutil.rmtree(home.claude / "projects", ignore_errors=True)
        for member in order if order is not None else range(3):
            members[member].write()
            mine() if order is not None else None
        mine()
        results.append(tree(home))
    assert all(r == results[0] for r in results)


def test_a_fork_and_its_parent_grow_on_by_themselves(home, mine):
    """M4 M7"""
    root, fork, _ = family(home)
    for lines in (2, 4, 6, 7, 8):
        root.write(lines=min(lines, len(root.lines)))
        mine()
        fork.write(lines=lines)
        mine()
    found = transcripts(home)
    line = found[fork.session].read().messages
    assert [type(m).__name__ for m in line] == ["Shared", "Message", "Message"]
    first, last = (wl.id8(json.loads(root.lines[n])["uuid"]) for n in (0, 4))
    assert line[0] == wl.Shared(wl.id8(root.session), first, last)
    assert found[fork.session].meta["forked_from"] == root.session and "forked_from" not in found[root.session].meta


def test_what_only_the_fork_has_stays_with_the_fork(home, mine):
    """M7: the parent's file is gone, or lost its beginning."""
    root, fork, _ = family(home)
    fork.write()
    mine()
    assert transcripts(home)[fork.session].read().said[0].text == "Why is it slow?"
    root.lines = root.lines[3:]
    root.write()
    mine()
    assert said_once(home).count("Why is it slow?") == 1 and said_once(home).count("The cache is cold.") == 1


def test_a_fork_that_lost_its_parents_transcript_says_it_again_when_it_is_read_anew(home, mine):
    root, fork, _ = family(home)
    root.write()
    fork.write()
    mine()
    [path] = [c.path for s, c in transcripts(home).items() if s == root.session]
    (home.wiki / path).unlink()
    root.path.unlink()
    mine("--force")
    assert [m.text for m in transcripts(home)[fork.session].read().said][:2] == ["Why is it slow?", "I look."]


def test_tool_output_of_the_fork_that_the_parent_has_not_stays(home, mine):
    """M7: the point of the fork may lie between a call and the next one."""
    root = sessions.Claude(home.claude, seed="root").user("Go").assistant("Right.").bash("ls", "a")
    fork = claude_fork(home, root, "fork", 2).bash("ls -l", "only here").assistant("Done.")
    root.write()
    fork.write()
    mine()
    assert "only here" in "".join("".join(m.tools) for m in transcripts(home)[fork.session].read().said)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["parent first", "fork first"])
@pytest.mark.parametrize("stamped", [False, True], ids=["verbatim", "stamped anew"])
def test_a_codex_fork_says_only_what_is_its_own(home, mine, order, stamped):
    """M7 M10"""
    root = sessions.Codex(home.codex, seed="root").user("Make it blue").assistant("It is blue.")
    root.user("Bluer").assistant("Bluer now.")
    fork = sessions.Codex(home.codex, seed="fork", forked_from_id=root.session)
    for line in root.lines[:6]:
        record = json.loads(line)
        fork.raw(record | ({"timestamp": "2026-04-12T10:00:00.000Z"} if stamped else {}))
    fork.count = 300
    fork.user("Make it red").assistant("It is red.")
    for number in order:
        (root, fork)[number].write()
        mine()
    found = transcripts(home)
    assert sorted(said_once(home)) == sorted(["Make it blue", "It is blue.", "Bluer", "Bluer now.", "Make it red", "It is red."])
    assert found[fork.session].meta["forked_from"] == root.session
    fork.user("Redder").assistant("Redder now.").write()
    mine()
    assert [m.text for m in transcripts(home)[fork.session].read().said][-2:] == ["Redder", "Redder now."]
    assert len(said_once(home)) == 8
    mine("--force")
    assert len(said_once(home)) == 8


def test_two_sessions_that_begin_with_the_same_words_are_two(home, mine):
    """M7"""
    for seed in "ab":
        sessions.Claude(home.claude, seed=seed).user("continue").assistant("Going on.").write()
        sessions.Codex(home.codex, seed=seed).user("continue").assistant("Going on.").write()
    mine()
    assert len(said_once(home)) == 8


def test_sessions_that_name_each_other_in_a_circle_have_an_order():
    kin = [lineage.Kin("a", "", "b"), lineage.Kin("b", "", "c"), lineage.Kin("c", "", "a"), lineage.Kin("d", "", "d")]
    assert all(lineage.families(order, "abcd") == [["a", "c", "b"]] for order in itertools.permutations(kin))


def test_a_family_is_in_the_order_of_who_names_whom_then_of_ids():
    kin = [lineage.Kin("a", "1", "z"), lineage.Kin("b", "1"), lineage.Kin("y"), lineage.Kin("z", "2"),
           lineage.Kin("c", "2", "gone")]
    for order in itertools.permutations(kin):
        assert lineage.families(order, ["c"]) == [["b", "c", "z", "a"]] and lineage.families(order, ["y"]) == []


@pytest.mark.parametrize("seed", range(20))
def test_folding_keeps_every_message_and_twice_is_once(seed):
    dice = random.Random(seed)

    def message(n: int) -> wl.Message:
        return wl.Message(f"{n:08x}", dice.choice(["user", "assistant"]), "", f"text {n}")

    everything = [message(n) for n in range(30)]
    root = wl.Transcript(tuple(everything[:10]))
    cut = dice.randrange(1, 10)
    fork = wl.Transcript((*everything[:cut], *everything[10:20]))
    leaf = wl.Transcript((*fork.messages[:dice.randrange(cut, len(fork.messages))], *everything[20:30]))
    first = [("root", root)]
    slim_fork = lineage.folded(fork, first)
    earlier = [*first, ("fork", slim_fork)]
    slim = lineage.folded(leaf, earlier)
    lines = {wl.id8(s): [t.said] for s, t in earlier}
    assert lineage.unfolded(slim, lines) == leaf and lineage.unfolded(slim_fork, lines) == fork
    assert lineage.folded(lineage.unfolded(slim, lines), earlier) == slim
    assert not {m.id for m in slim.said} & {m.id for _, t in earlier for m in t.said}


def test_a_new_message_whose_id_ends_like_an_old_one_is_not_taken_for_it(home, mine):
    """M4 M5: eight digits tell two messages apart, or else twelve do."""
    import shutil
    c = sessions.Claude(home.claude).user("The first, and a long one at that", uuid="00000000-0000-4000-8000-1111deadbeef")
    c.assistant("Right.").user("The second", uuid="00000000-0000-4000-8000-2222deadbeef").assistant("Fine.")
    c.write(lines=2)
    mine()
    path = transcripts(home)[c.session].path
    text = (home.wiki / path).read_text()
    (home.wiki / path).write_text(text.replace("\n## Transcript", "\n## Facts\n- The first is long. [#deadbeef]\n\n## Transcript"))
    c.write()
    mine()
    found = transcripts(home)[c.session]
    assert [(m.id, m.text) for m in found.read().said if m.role == "user"] == [
        ("1111deadbeef", "The first, and a long one at that"), ("2222deadbeef", "The second")]
    assert found.bullets[0].cites == ("1111deadbeef",)
    mine("--force")
    assert tree(home)[path] == (home.wiki / path).read_bytes().replace(wl.Wiki(home.wiki).machine.encode(), b"")
    assert [m.id for m in transcripts(home)[c.session].read().said][::2] == ["1111deadbeef", "2222deadbeef"]
    shutil.rmtree(home.wiki)
    mine()
    assert [m.id for m in transcripts(home)[c.session].read().said][::2] == ["1111deadbeef", "2222deadbeef"]
