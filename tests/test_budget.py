"""The budget before every call and the ledger after it: a run and a day, over machines, side by side, to the last call."""
from __future__ import annotations

import wiki_lib as wl

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import wiki_budget as b
import wiki_disk
import wiki_model as m

DAY = "2026-05-04"
SCHEMA = {"type": "object", "required": ["summary"], "properties": {"summary": {"type": "string"}}}


def settings(home, text: str) -> None:
    home.wiki.mkdir(exist_ok=True)
    (home.wiki / "wiki.yaml").write_text(text + "\n")
    wiki_disk.config.cache_clear()


def ledger(home, machine: str = "", day: str = DAY, **line) -> None:
    """A line that stands in a ledger already."""
    folder = home.wiki / "reports/ledger"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{machine or wl.Wiki().machine}-{day[:7]}.jsonl", "a") as out:
        out.write(json.dumps({"time": f"{day}T03:00:00Z", **line}) + "\n")


def entered(home) -> list[dict]:
    return [json.loads(line) for p in (home.wiki / "reports/ledger").glob("*.jsonl") for line in p.read_text().splitlines()]


@pytest.fixture
def asking(home, fake_bin, monkeypatch):
    """`asking(n, usd=..., tokens=..., jobs=...)`: the names of what came of n questions to a fake claude of that price."""
    monkeypatch.setenv("WIKI_TODAY", DAY)
    home.wiki.mkdir(exist_ok=True)

    def run(count: int, usd: float = 0.01, tokens: int = 100, jobs: int = 1, seconds: float = 0, text: str = "words") -> list[str]:
        said = {"is_error": False, "result": '{"summary": "x"}', "total_cost_usd": usd, "usage": {"input_tokens": tokens}}
        fake_bin("claude", f'#!/bin/sh\ncat > /dev/null\necho >> "$HOME/count"\nsleep {seconds}\necho \'{json.dumps(said)}\'\n')

        def work(number: int) -> object:
            return m.ask(m.Question("x", f"c/{number}.md", f"{text} {number}", SCHEMA, "S", str), "claude")
        found = list(m.side_by_side(work, range(count), jobs, "claude"))
        return [type(answer).__name__ for _, answer in sorted(found)]
    run.calls = lambda: (home.path / "count").read_text().count("\n") if (home.path / "count").exists() else 0
    return run


# ---------------------------------------------------------------- how much

def test_exactly_as_many_calls_are_made_as_may_be(asking):
    """B4: spent means deferred, not failed."""
    b.spending.limits = {"calls": 3}
    assert asking(5) == ["Answer"] * 3 + ["Deferred"] * 2 and asking.calls() == 3


def test_a_budget_of_nothing_allows_nothing(asking):
    b.spending.limits = {"calls": 0}
    assert asking(2) == ["Deferred"] * 2 and asking.calls() == 0


@pytest.mark.parametrize("unit, limit, each", [("usd", 0.3, {"usd": 0.1}), ("tokens", 30_000, {"tokens": 10_000})])
@pytest.mark.parametrize("jobs", [1, 4])
def test_what_calls_turn_out_to_cost_is_learnt_and_the_limit_never_passed(asking, unit, limit, each, jobs):
    """B4: a fake that is four times as dear as list prices; and three times 0.1 is 0.3, not more."""
    b.spending.limits = {unit: limit}
    answers = asking(12, jobs=jobs, seconds=0.05, **each)
    assert answers.count("Answer") == asking.calls() <= 3 and (jobs > 1 or asking.calls() == 3)
    assert getattr(b.spending.spent, unit) <= limit + 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_calls_side_by_side_never_pass_the_limit_together(home, seed):
    """B4: each costs at random up to what was set aside for it; whoever waits is told in the end."""
    home.wiki.mkdir()
    dice, lock, most, highest = random.Random(seed), threading.Lock(), b.Cost(1, 1000, 0.05), [0.0]
    spending = b.Spending({"usd": 1.0, "tokens": 20_000, "calls": 60, "usd_day": 1.2})

    def work(_number: int) -> bool:
        held = spending.reserve(most, b.Cost(1, 10, 0.001))
        if isinstance(held, b.Refusal):
            return False
        with lock:
            real = b.Cost(1, dice.randrange(1000), dice.random() * 0.05)
            highest[0] = max(highest[0], (spending.spent + spending.under_way).usd)
        spending.settle(held, real if real.tokens % 7 else None)
        return True
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(work, range(200)))
    assert highest[0] <= 1.0 + 1e-9 and spending.spent.tokens <= 20_000 and spending.spent.calls <= 60
    assert abs(spending.under_way.usd) < 1e-9 and spending.under_way.calls == 0 and not all(made) and any(made)


def test_who_has_no_room_waits_for_what_is_under_way_instead_of_giving_up(home):
    home.wiki.mkdir()
    spending, most, least = b.Spending({"usd": 0.1, "calls": 9}), b.Cost(1, 10, 0.06), b.Cost(1, 1, 0.01)
    first = spending.reserve(most, least)
    found: list[object] = []
    waiting = threading.Thread(target=lambda: found.append(spending.reserve(most, least)))
    waiting.start()
    waiting.join(0.1)
    assert not found
    spending.settle(first, b.Cost(1, 10, 0.02))
    waiting.join(2)
    assert isinstance(found[0], b.Held)


def test_one_question_that_is_too_dear_does_not_keep_smaller_ones_from_being_asked(asking):
    """The newest conversation may be the longest one: the others must not wait for it for ever."""
    b.spending.limits = {"usd": 0.1}
    asking(0)
    big = m.ask(m.Question("x", "c/big.md", "word " * 200_000, SCHEMA, "S", str), "claude")
    assert isinstance(big, m.Deferred) and not big.all and big.reason.startswith("c/big.md: it may cost more than is left")
    assert asking(2) == ["Answer"] * 2


# ---------------------------------------------------------------- a run, a day, all machines

def test_another_machines_spending_counts_for_the_day_and_another_days_does_not(home, asking):
    """B4: as far as ledgers have been synced."""
    ledger(home, "ffffffff", usd=2.9, day="2026-05-03")
    ledger(home, "eeeeeeee", usd=2.9, time=f"{DAY}T23:59:59Z")
    assert asking(1) == ["Answer"]
    ledger(home, "dddddddd", usd=0.1)
    b.spending.__init__()
    assert asking(1, text="others") == ["Deferred"]


@pytest.mark.parametrize("unit, line", [("calls", {}), ("tokens", {"input_tokens": 70_000, "output_tokens": 30_000})])
def test_calls_and_tokens_of_a_day_can_be_limited_too(home, asking, unit, line):
    settings(home, f"budget: {{{unit}_day: {2 if unit == 'calls' else 100_001}}}")
    ledger(home, "ffffffff", **line)
    ledger(home, "ffffffff", backend="agent", **line)      # what a person's agent answered is no call
    assert asking(2) == (["Answer", "Deferred"] if unit == "calls" else ["Deferred"] * 2)


def test_the_phases_of_one_run_share_its_budget(home, asking, monkeypatch):
    """B4: a night is one run."""
    monkeypatch.setenv(b.RUN_STARTED, f"{DAY}T02:00:00.000001Z")
    settings(home, "budget: {calls: 3}")
    ledger(home, run=f"{DAY}T02:00:00.000001Z")
    ledger(home, run=f"{DAY}T01:00:00.000001Z")
    ledger(home, "ffffffff", run=f"{DAY}T02:00:00.000001Z")
    assert asking(4) == ["Answer"] * 2 + ["Deferred"] * 2
    assert {line.get("run") for line in entered(home) if line.get("usd")} == {f"{DAY}T02:00:00.000001Z"}


def test_the_run_lock_says_when_the_run_began(home, run_script):
    """B4: all that wiki-maintain.sh starts finds the same moment, another run another one."""
    probe = 'import os; print(os.environ["MEMEX_RUN_STARTED"])'
    home.wiki.mkdir()
    said = [run_script("wiki_lock.py", "/usr/bin/env", "python3", "-c", probe).stdout for _ in range(2)]
    assert said[0] != said[1] and all(s.startswith("20") and s.endswith("Z\n") for s in said)


def test_after_midnight_it_is_another_day(home, asking, monkeypatch):
    settings(home, "budget: {calls_day: 1}")
    assert asking(2) == ["Answer", "Deferred"]
    monkeypatch.setenv("WIKI_TODAY", "2026-05-05")
    b.spending.stopped = ""
    assert asking(2, text="others") == ["Answer", "Deferred"]


@pytest.mark.parametrize("option, value", [("--max-calls", "2"), ("--max-usd", "0.025"), ("--max-tokens", "9000")])
def test_what_is_said_on_the_command_line_counts_over_wiki_yaml(option, value):
    import argparse
    parser = argparse.ArgumentParser()
    b.options(parser)
    b.apply_options(parser.parse_args([option, value]))
    assert b.spending.allowed()[option[6:]] == float(value) and b.spending.allowed()["usd_day"] == 3.0


@pytest.mark.parametrize("words", [["--max-usd", "much"], ["--max-calls", "-1"], ["--max-tokens", "nan"], ["--jobs", "0"]])
def test_an_amount_that_is_none_is_refused(home, run_script, words):
    done = run_script("summarize-conversations.py", *words, check=False)
    assert done.returncode in (1, 2) and words[0] in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("text, right", [
    ("budget: {calls: 5, usd: 0, tokens: 1000, calls_day: 9, usd_day: 0.5, tokens_day: 100}", True),
    ("budget: {usd: null}", True), ("models: {small: haiku, large: sonnet, llama-server: tiny, timeout: 60}", True),
    ("budget: {usd_week: 3}", False), ("budget: {usd: -1}", False), ("budget: 3", False), ("models: {timeout: 0}", False),
    ("models: {timeout: soon}", False), ("models: {smal: haiku}", False)])
def test_wiki_yaml_is_checked(home, text, right):
    settings(home, text)
    if right:
        assert wl.config()
    else:
        with pytest.raises(wl.WikiError, match="cannot be used"):
            wl.config()


def test_no_limit_is_no_limit(home, asking):
    settings(home, "budget: {calls: null, usd: null, usd_day: null}")
    assert asking(3, usd=5.0) == ["Answer"] * 3


# ---------------------------------------------------------------- the ledger

def test_half_a_line_is_made_whole_and_counted_as_far_as_it_goes(home, capsys):
    ledger(home, usd=0.5)
    path = next((home.wiki / "reports/ledger").iterdir())
    begun = '{"time": "2026-05-04T03:00:00Z", '
    for half in (f'{begun}"usd": 0.25, "outc', '{"ti', f'{begun}"usd": 0.125}}', "[1"):
        with open(path, "a") as out:
            out.write(half)
        b.enter({"time": f"{DAY}T04:00:00Z", "usd": 1.0})
    assert [line.get("usd") for line in entered(home)] == [0.5, 0.25, 1.0, 1.0, 0.125, 1.0, 1.0]
    assert capsys.readouterr().err == "" and not wl.problems


def test_a_ledger_line_is_entered_once_where_it_is_to_be(home):
    ledger(home, usd=0.5)
    for once in (False, True, True):
        b.enter({"time": f"{DAY}T04:00:00Z", "usd": 1.0}, once=once)
    assert len(entered(home)) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -5, "much", None, True, [1]])
def test_what_is_no_number_counts_as_nothing(value):
    line = {"usd": value, "input_tokens": value, "output_tokens": 3}
    assert b.cost_of(json.loads(json.dumps(line))) == b.Cost(1, 3, 0.0)


def test_a_call_that_was_not_heard_of_again_counts_as_what_it_may_have_cost(home, asking, fake_bin):
    """B4: a claude that is killed may have been paid for; the ledger says so, and does not call it a price."""
    home.wiki.mkdir(exist_ok=True)
    fake_bin("claude", "#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(wl.ModelError):
        m.ask(m.Question("x", "c/1.md", "words", SCHEMA, "S", str), "claude")
    [line] = entered(home)
    assert line["usd"] == 0 and line["usd_at_most"] > 0.02 and b.spending.spent.usd == line["usd_at_most"] == b.cost_of(line).usd


def test_many_at_once_write_whole_lines(home):
    home.wiki.mkdir()
    wl.Wiki().machine      # noqa: B018
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: b.enter({"time": f"{DAY}T04:00:00Z", "n": n, "subject": "x" * n}), range(100)))
    assert sorted(line["n"] for line in entered(home)) == list(range(100))


def test_status_adds_the_ledgers_up(home, asking, run_script):
    assert asking(3, usd=0.25, tokens=7) == ["Answer"] * 3
    ledger(home, "ffffffff", backend="agent")
    costs = json.loads(run_script("wiki-status.py", "--json").stdout)["costs"]
    assert costs == {"calls": 3, "input_tokens": 21, "output_tokens": 0, "usd": 0.75}


# ---------------------------------------------------------------- how much it will be

def test_a_text_is_about_so_many_tokens():
    assert 250 <= b.tokens_of("word " * 200) <= 300 and b.tokens_of("語" * 100) == 101 and b.tokens_of("") == 1


def test_a_call_costs_by_the_models_list_price():
    assert b.price("haiku", 1_000_000, 0) == 1.0 and b.price("claude-opus-4-5", 0, 1_000_000) == 25.0
    assert b.price("tomorrow", 1_000_000, 0) == 3.0
    assert m.expected_cost("claude", "haiku", 1000).usd > 0 == m.expected_cost("llama-server", "tiny", 1000).usd
