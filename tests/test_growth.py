"""However a session came to be mined - in pieces, backwards, rewritten, restored, forked, on two machines, its state lost on the
way - its transcript ends with the same messages: none lost, none doubled. What was said in it is one set, keyed by id."""

from __future__ import annotations

import wiki_lib as wl

import functools
import importlib
import itertools
import json
import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import minings
import pytest
import sessions
from hypothesis import example, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("MEMEX_EXAMPLES", "10"))       # more by hand: MEMEX_EXAMPLES=1000
CLAUDE, CODEX = "claude/projects/-p/{}.jsonl", "codex/sessions/2026/04/12/rollout-2026-04-12T09-00-00-{}.jsonl"


@pytest.fixture
def world(tmp_path):
    """A World for each call."""
    count = itertools.count()
    return lambda **given: minings.World(tmp_path / f"world-{next(count)}", **given)


class Scratch:
    """Worlds of one hypothesis example, gone when it ends."""

    def __enter__(self):
        self.folder, self.count = Path(tempfile.mkdtemp(prefix="memex-growth-")), itertools.count()
        return lambda **given: minings.World(self.folder / f"w{next(self.count)}", **given)

    def __exit__(self, *_):
        shutil.rmtree(self.folder)


def place(path: str, number: int) -> str:
    """The same session's file in another folder."""
    return path.replace("/-p/", f"/-p{number}/").replace("/04/12/", f"/05/{10 + number}/")


def mined(world: minings.World, path: str, states: list[bytes]) -> minings.Found | None:
    """The one transcript after the states were mined one after the other."""
    for data in states:
        world.put(path, data)
        world.mine()
    assert world.mine() == ""
    found = world.found()
    assert len(found) <= 1
    return next(iter(found.values()), None)


def mined_at_once(world: minings.World, path: str, states: list[bytes]) -> minings.Found | None:
    """The same with all states lying side by side, as copies in other folders."""
    for number, data in enumerate(states):
        world.put(place(path, number), data)
    world.mine()
    assert world.mine() == ""
    return next(iter(world.found().values()), None)


def consistent(found: minings.Found) -> None:
    """A transcript holds each id once in a line, and reads back as it was written."""
    per_line = Counter((line, ident) for line, ident, _, _ in found.messages)
    assert [key for key, n in per_line.items() if n > 1] == []
    talk = wl.parse_conversation("x", found.text)
    assert wl.render_transcript(talk.read()) == talk.transcript


# ---------------------------------------------------------------- real sessions

def test_real_sessions_mined_in_any_order_of_their_states_end_the_same(world, corpus):
    """M4 M5 M7: in sequence, backwards, at random, all at once: the same bytes."""
    for folder in sorted((corpus / "snapshots").glob("*/*")):
        states = [state.read_bytes() for state in sorted(folder.glob("*.jsonl"))]
        path = (CODEX if states[0].startswith(b'{"timestamp"') else CLAUDE).format(folder.name)
        at_random = list(states)
        random.Random(folder.name).shuffle(at_random)
        whole = mined(world(), path, states[-1:])
        assert whole and len(whole.messages) > 50
        for order in (states, states[::-1], at_random):
            assert mined(world(), path, order) == whole
        assert mined_at_once(world(), path, states[::3] + states[-1:]) == whole


@functools.cache
def small_real_sessions(corpus: Path) -> list[tuple[str, bytes]]:
    """(path, bytes) of real sessions of both agents that are quick to mine."""
    found = []
    for pattern, path in (("claude/*/*/*.jsonl", CLAUDE), ("codex/**/rollout-*.jsonl", CODEX)):
        files = [f for f in sorted(corpus.glob(pattern)) if 8_000 < f.stat().st_size < 90_000 and len(f.stem) >= 36]
        found += [(path.format(f.stem[-36:]), f.read_bytes()) for f in files]
    return found


def test_real_sessions_rewritten_and_restored_at_random_lose_and_double_nothing(corpus):
    real = small_real_sessions(corpus)
    assert len(real) > 15

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.sampled_from(real), st.lists(CHANGES, min_size=1, max_size=5), st.randoms(use_true_random=False))
    def check(session, changes, dice):
        path, data = session
        states_end_the_same(path, states_of(data, changes), dice)
    check()


# ---------------------------------------------------------------- sessions of the tests' own making

def a_claude() -> tuple[str, bytes]:
    c = sessions.Claude(Path("/nowhere"), seed="g")
    for n, words in enumerate(["yes", "go on", "yes", "Fix the clock", "yes"]):
        c.user(words).assistant("Done.").bash(f"ls {n}", f"out {n}").assistant("Done.", f"Really {n}.")
        if n % 2:
            c.queue(f"steer {n % 4}")
            if n == 3:
                c.user(f"steer {n % 4}")
        c.record("user", isSidechain=True, agentId="a1", message={"role": "user", "content": f"look {n}"})
        c.record("assistant", isSidechain=True, agentId="a1", message={"role": "assistant", "content": [
            {"type": "text", "text": "seen"}]})
    return CLAUDE.format(c.session), ("\n".join(c.lines) + "\n").encode()


def a_codex(flat: bool = False) -> tuple[str, bytes]:
    c = sessions.Codex(Path("/nowhere"), seed="g", flat=flat)
    for n, words in enumerate(["yes", "go on", "yes", "Fix the clock", "yes"]):
        c.user(words).assistant("Done.").call("exec_command", {"cmd": f"ls {n}"}, f"out {n}").assistant(f"Really {n}.")
    return CODEX.format(c.session), ("\n".join(c.lines) + "\n").encode()


MADE = {"claude": a_claude(), "codex": a_codex(), "codex flat": a_codex(flat=True)}

# What may happen to a session file: each a way to make the next state from the whole file and the state before.
SHARE = st.floats(0, 1)
CHANGES = st.one_of(
    st.tuples(st.just("grow"), SHARE, st.just(0)),                      # the whole file up to any byte, also within a line
    st.tuples(st.just("drop"), SHARE, st.integers(1, 6)),               # records gone from the head, the middle, the tail
    st.tuples(st.just("swap"), SHARE, st.integers(1, 3)),               # records that changed places
    st.tuples(st.just("spell"), SHARE, st.integers(0, 1)),              # the same records in other bytes
    st.tuples(st.just("break"), SHARE, st.integers(1, 40)),             # bytes overwritten
    st.tuples(st.just("empty"), st.just(0.0), st.just(0)))


def changed(whole: bytes, before: bytes, change: tuple[str, float, int]) -> bytes:
    kind, share, number = change
    if kind == "grow":
        return whole[:int(len(whole) * share)]
    if kind == "empty":
        return b""
    lines = before.splitlines(keepends=True)
    at = int(len(lines) * share)
    if kind == "drop":
        del lines[at:at + number]
    elif kind == "swap" and at + number < len(lines):
        lines[at], lines[at + number] = lines[at + number], lines[at]
    elif kind == "spell":
        lines = [spelt(line, number) for line in lines]
    elif kind == "break":
        start = max(int(len(before) * share), before.find(b"\n") + 1)      # the first line says whose session it is
        return before[:start] + b"\x00" * min(number, len(before) - start) + before[start + number:]
    return b"".join(lines)


def spelt(line: bytes, number: int) -> bytes:
    try:
        record = json.loads(line)
    except ValueError:
        return line
    return json.dumps(record, sort_keys=True, indent=None if number else 0).replace("\n", "").encode() + b"\r\n"


def states_of(whole: bytes, changes: list[tuple[str, float, int]]) -> list[bytes]:
    states = [whole]
    for change in changes:
        states.append(changed(whole, states[-1], change))
    return states


def losses(world: minings.World, state: bytes, dice: random.Random, old: list[bytes]) -> None:
    """What may become of .mine-state.json between two runs."""
    file = world.wiki / minings.STATE
    now = file.read_bytes() if file.exists() else b"{}"
    old.append(now)
    what = dice.choice(["kept", "kept", "gone", "empty", "cut", "stale", "noise"])
    if what == "gone":
        file.unlink(missing_ok=True)
    elif what != "kept":
        file.write_bytes({"empty": b"", "cut": now[: len(now) // 2], "stale": dice.choice(old), "noise": b'["x", 1]'}[what])


def states_end_the_same(path: str, states: list[bytes], dice: random.Random) -> None:
    """Any order of the states, with the memory of them lost on the way, ends in the same messages as all of them at once,
    and these are the messages that the states hold."""
    with Scratch() as world:
        alone = [mined(world(), path, [state]) for state in dict.fromkeys(states)]
        at_once = mined_at_once(world(), path, list(dict.fromkeys(states)))
        ends = [mined(world(), path, order) for order in (states, states[::-1], dice.sample(states, len(states)))]
        forgetful, old = world(), []
        for state in states:
            forgetful.put(path, state)
            forgetful.mine()
            losses(forgetful, state, dice, old)
        forgetful.mine()
        ends += [at_once, next(iter(forgetful.found().values()), None)]
    wanted = Counter(m for found in alone if found for m in set(found.messages))
    for end in ends:
        if end is None:
            assert not wanted
            continue
        consistent(end)
        missing = [m for m in wanted if m not in end.messages]
        spoken = Counter((line, role, words(text)) for line, _, role, text in end.messages)
        # A prompt that was queued, then delivered, goes by the delivery's id; half a record may have had fewer words.
        assert [m for m in missing if not any(
            said[:2] == (m[0], m[2]) and said[2].startswith(words(m[3])) for said in spoken)] == []
        assert [m for m in end.messages if m not in wanted] == []
    sets = [set(end.messages) for end in ends if end]
    assert all(one == sets[0] for one in sets[1:])


def words(text: str) -> str:
    return " ".join(text.split())


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(list(MADE)), st.lists(CHANGES, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_a_session_rewritten_and_restored_at_random_loses_and_doubles_nothing(kind, changes, dice):
    """M5 M7"""
    path, whole = MADE[kind]
    states_end_the_same(path, states_of(whole, changes), dice)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(list(MADE)), st.lists(st.floats(0, 1), max_size=6))
@example("codex", [0.5])
def test_a_session_that_only_grew_is_byte_for_byte_the_one_mined_at_once(kind, shares):
    """M4: split at any byte, also in the middle of a character or a line."""
    path, whole = MADE[kind]
    with Scratch() as world:
        at_once = mined(world(), path, [whole])
        growing = [whole[:int(len(whole) * share)] for share in sorted(shares)]
        assert mined(world(), path, [*growing, whole]) == at_once
        assert mined(world(), path, [whole, *growing[::-1]]) == at_once


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(list(MADE)), st.lists(CHANGES, min_size=1, max_size=3),
       st.sampled_from(["gone", "empty", "cut", "noise", "stale"]))
def test_losing_the_state_changes_no_byte(kind, changes, what):
    """M5: whatever became of the file before."""
    path, whole = MADE[kind]
    states = states_of(whole, changes)
    with Scratch() as make:
        world = make()
        file = world.wiki / minings.STATE
        memories = []
        for state in states:
            world.put(path, state)
            world.mine()
            memories.append(file.read_bytes() if file.exists() else b"")
        before = world.tree()
        bad = {"empty": b"", "cut": memories[-1][:-20], "noise": b"\xff\x00[]", "stale": memories[0]}
        file.unlink(missing_ok=True) if what == "gone" else file.write_bytes(bad[what])
        assert world.mine() == "" and world.tree() == before
        assert world.mine(force=True) == "" and world.tree() == before


def test_other_bytes_of_the_same_length_and_time_are_the_one_change_that_is_not_seen(world):
    """M3: the files of a second run are not even opened. What was missed is found by the next change, or by --force."""
    here = world()
    path, whole = MADE["claude"]
    here.put(path, whole, seconds=1_700_000_000)
    here.mine()
    before = here.tree()
    here.put(path, whole.replace(b"Fix the clock", b"Fix the cloak"), seconds=1_700_000_000)
    assert here.mine() == "" and here.tree() == before
    assert "rewritten" in here.mine(force=True)
    assert "Fix the cloak" in str([m for found in here.found().values() for m in found.messages])


# ---------------------------------------------------------------- families: subagents and forks

def with_subagents() -> dict[str, list[str]]:
    """A session and the files of two subagents, of both agents' kinds."""
    c = sessions.Claude(Path("/nowhere"), seed="fam").user("Look around")
    c.answer(c.use("Agent", description="explore", prompt="Find the tests"), "three", tool_use_result={"agentId": "a1f3"})
    c.assistant("Three.")
    files = {CLAUDE.format(c.session): c.lines}
    for name, folder in (("a1f3", f"{c.session}/subagents/"), ("b2c4", "")):
        sub = sessions.Claude(Path("/nowhere"), seed=name, isSidechain=True, agentId=name)
        sub.session = c.session
        files[f"claude/projects/-p/{folder}agent-{name}.jsonl"] = sub.user("Find the tests").assistant(f"{name} found three.").lines
    parent = sessions.Codex(Path("/nowhere"), seed="fam").user("Ask another").assistant("I do.")
    files[CODEX.format(parent.session)] = parent.lines
    child = sessions.Codex(Path("/nowhere"), seed="child", parent_thread_id=parent.session, source={
        "subagent": {"thread_spawn": {"parent_thread_id": parent.session, "agent_nickname": "Ada"}}})
    files[CODEX.format(child.session)] = child.user("Count to three").assistant("One, two, three.").lines
    return files


def with_forks(rewritten: bool) -> dict[str, list[str]]:
    """A Claude session, a fork of it and a fork of the fork; a Codex session and its fork. `rewritten`: under the fork's own
    session id, or with new times."""
    root = sessions.Claude(Path("/nowhere"), seed="root").user("Why is it slow?").assistant("I look.").bash("time make", "9 s")
    root.assistant("The cache is cold.").user("Warm it.").assistant("Warm.")
    chats = [root]
    for seed, lines, said in (("fork", 5, "Rather drop it."), ("leaf", 6, "And the tests?")):
        fork = sessions.Claude(Path("/nowhere"), seed=seed)
        for line in chats[-1].lines[:lines]:
            fork.raw({**json.loads(line), **({"sessionId": fork.session} if rewritten else {})})
        fork.count, fork.parent = 100 + lines, json.loads(fork.lines[-1])["uuid"]
        chats.append(fork.user(said).assistant(f"Yes, {seed}."))
    files = {CLAUDE.format(c.session): c.lines for c in chats}
    origin = sessions.Codex(Path("/nowhere"), seed="origin").user("Paint it").assistant("Blue?").user("Green").assistant("It is.")
    fork = sessions.Codex(Path("/nowhere"), seed="branch", day="2026-04-14", forked_from_id=origin.session)
    copied = origin.lines[:8]
    fork.raw(copied[0])
    for line in copied[1:]:
        fork.raw({**json.loads(line), **({"timestamp": "2026-04-13T10:00:00.000Z"} if rewritten else {})})
    fork.count = 200
    fork.user("Red instead").assistant("Red.")
    return files | {CODEX.format(c.session): c.lines for c in (origin, fork)}


def encoded(files: dict[str, list[str]]) -> dict[str, bytes]:
    return {path: ("\n".join(lines) + "\n").encode() for path, lines in files.items()}


FAMILIES = {"subagents": encoded(with_subagents()), "forks": encoded(with_forks(False)),
            "forks rewritten": encoded(with_forks(True))}


def everything(world: minings.World) -> dict[str, bytes]:
    return {path: data for path, data in world.tree().items() if path.startswith("conversations/")}


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_family_says_everything_once(world, family):
    """M7 M8"""
    here = world()
    for path, data in FAMILIES[family].items():
        here.put(path, data)
    here.mine()
    assert here.mine() == ""
    said = Counter((line, words(text)) for found in here.found().values() for line, _, _, text in found.messages)
    assert [m for m, n in said.items() if n > 1] == []
    assert len(here.found()) == (2 if family == "subagents" else 5)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(list(FAMILIES)), st.randoms(use_true_random=False), st.booleans())
def test_a_family_that_came_in_any_order_and_in_pieces_is_the_one_mined_at_once(family, dice, lose):
    """M7 M8: subagents before, after and between; forks before their parents; each file grown by the way; the state lost."""
    files = FAMILIES[family]
    with Scratch() as make:
        whole = make()
        for path, data in files.items():
            whole.put(path, data)
        whole.mine()
        here = make()
        # What a fork copies is written in one go: no state of its file ends within that.
        least = 0.0 if family == "subagents" else 0.9
        steps = [(path, share) for path in files for share in {*(dice.uniform(least, 1) for _ in range(dice.randrange(3))), 1.0}]
        dice.shuffle(steps)
        for path in files:      # each file's own states in order, whatever lies between
            mine = iter(sorted(share for p, share in steps if p == path))
            steps = [(p, next(mine)) if p == path else (p, share) for p, share in steps]
        for path, share in steps:
            here.put(path, files[path][:int(len(files[path]) * share)])
            if dice.random() < 0.7:
                here.mine()
            if lose and dice.random() < 0.3:
                (here.wiki / minings.STATE).unlink(missing_ok=True)
        here.mine()
        assert here.mine() == ""
        assert everything(here) == everything(whole)


def in_steps(here: minings.World, files: dict[str, bytes], *steps: tuple[str, float]) -> None:
    """Put a share of the file whose path ends so, and mine, step by step; then all of them."""
    for end, share in steps:
        for path in (p for p in files if p.endswith(end)):
            here.put(path, files[path][:int(len(files[path]) * share)])
        here.mine()
    for path, data in files.items():
        here.put(path, data)
    here.mine()


def family_of(kind: str, codex: bool) -> dict[str, bytes]:
    return {path: data for path, data in FAMILIES[kind].items() if path.startswith("codex") is codex}


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("codex", [False, True])
def test_a_subagent_seen_first_or_half_written_is_filed_when_its_session_speaks(world, codex, number, share):
    """M8: also where the file's first line was cut, the session had said nothing yet, or is not read again."""
    files = family_of("subagents", codex)
    at_once = world()
    in_steps(at_once, files)
    paths = list(files)[::-1] if codex else list(files)
    for order in itertools.permutations(paths):
        here = world()
        in_steps(here, files, (order[0], 1.0), (paths[number % len(paths)], share), *((path, 1.0) for path in order[1:]))
        assert everything(here) == everything(at_once)


def test_a_fork_that_has_said_nothing_yet_stops_no_run(world):
    files = family_of("forks", codex=True)
    here, at_once = world(), world()
    origin, fork = files
    in_steps(here, files, (fork, 0.2), (origin, 1.0))
    in_steps(at_once, files)
    assert everything(here) == everything(at_once)


def test_a_fork_that_was_seen_half_copied_names_the_session_it_came_from(world):
    """M5 M7: the same bytes as of the one mined at once."""
    files = {path: data for path, data in family_of("forks", codex=False).items() if data.count(b"And the tests?")}
    here, at_once = world(), world()
    in_steps(here, files, (".jsonl", 0.25))
    in_steps(at_once, files)
    assert everything(here) == everything(at_once)


def test_subagents_without_their_session_wait_and_those_of_a_gone_one_are_kept(world):
    """M8"""
    files = FAMILIES["subagents"]
    here = world()
    main = next(path for path in files if "/-p/" in path and "agent-" not in path)
    for path, data in files.items():
        if path != main and path.startswith("claude"):
            here.put(path, data)
    assert here.mine() == here.mine() == "" and here.found() == {}
    file = here.put(main, files[main])
    here.mine()
    [found] = here.found().values()
    assert {line for line, *_ in found.messages} == {"", "a1f3", "b2c4"}
    file.unlink()
    for path in files:
        (here.folder / path).unlink(missing_ok=True)
    assert here.mine() == "" and list(here.found().values()) == [found]
    (here.wiki / minings.STATE).unlink()
    assert here.mine() == "" and list(here.found().values()) == [found]


# ---------------------------------------------------------------- two machines

class Machines:
    """Two machines with a wiki each, in step with one remote."""

    def __init__(self, home, git):
        self.settle = importlib.import_module("wiki-settle")
        self.both = [minings.World(home.path / name, machine) for name, machine in (("one", "0badcafe"), ("two", "0badbeef"))]
        one, two = self.both
        remote = home.path / "remote.git"
        git("init", "-q", "--bare", "-b", "main", remote, cwd=home.path)
        for machine in self.both:
            shutil.rmtree(machine.wiki)
        wl.Wiki(one.wiki).init()
        git("remote", "add", "wiki", remote, cwd=one.wiki)
        git("config", "memex.remote", "wiki", cwd=one.wiki)
        self.sync(one)
        git("clone", "-q", "-o", "wiki", remote, two.wiki, cwd=home.path)
        git("config", "memex.remote", "wiki", cwd=two.wiki)
        for machine, name in zip(self.both, ("0badcafe", "0badbeef"), strict=True):
            (machine.wiki / ".machine-id").write_text(f"{name}\n")

    def sync(self, machine: minings.World) -> None:
        self.settle.sync(wl.Wiki(machine.wiki))


@pytest.fixture
def machines(home, git, monkeypatch, capfd):
    monkeypatch.setenv("WIKI_TODAY", "2026-11-20")
    return Machines(home, git)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.real) for seed in range(1, 8))])
def test_sessions_mined_on_two_machines_are_one_set_after_a_sync(machines, home, seed):
    """M5 M7 M41: each has its own states of the sessions, subagents among them, and not all of them."""
    dice = random.Random(seed)
    files = FAMILIES["subagents"] | {path: data for path, data in MADE.values()}
    for _ in range(2):
        for machine in machines.both:
            for path, data in files.items():
                if dice.random() < 0.6:
                    machine.put(path, data[:int(len(data) * dice.random())])
            machine.mine()
        for machine in dice.sample(machines.both * 2, 3):
            machines.sync(machine)
    for path, data in files.items():
        dice.choice(machines.both).put(path, data)
    for machine in machines.both * 2:
        machine.mine()
        machines.sync(machine)
    machines.sync(machines.both[0])
    at_once = minings.World(home.path / "at-once")
    in_steps(at_once, files)
    wanted = {session: set(found.messages) for session, found in at_once.found().items()}
    for machine in machines.both:
        assert {session: set(found.messages) for session, found in machine.found().items()} == wanted
    one, two = map(everything, machines.both)
    assert one == two


@pytest.mark.parametrize("kind", ["forks", "forks rewritten"])
def test_a_fork_mined_where_its_parent_is_not_says_it_once_after_a_sync(machines, kind):
    """M7 M41"""
    for number, (path, data) in enumerate(FAMILIES[kind].items()):
        machines.both[number % 2].put(path, data)
    for machine in machines.both * 2:
        machine.mine()
        machines.sync(machine)
    for machine in machines.both:
        said = Counter(words(text) for found in machine.found().values() for _, _, _, text in found.messages)
        assert [text for text, n in said.items() if n > 1] == []
