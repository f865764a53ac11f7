"""Whole runs that ask a model: one that answers at random among right, wrong, slow and dead; runs that are killed; two at once."""
from __future__ import annotations

import wiki_lib as wl

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import wikis
from conftest import SCRIPTS, Home, share

MADE_UP = 40
REAL = 200
# A claude that does as `$HOME/mode` says (right, random SEED, kill K, slow SECONDS) and counts in `$HOME/log`: a line when it is
# asked, and one when it has said what it cost.
FAKE = f"#!{sys.executable} -SE" + """
import json, os, random, re, signal, sys, time
home = os.environ["HOME"]
def log(**line):
    out = os.open(home + "/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(out, json.dumps(line).encode() + b"\\n")
    os.close(out)
def end(value=None, text="", usd=0.01, **more):
    print(json.dumps({"is_error": False, "result": text, "structured_output": value, "total_cost_usd": usd,
                      "usage": {"input_tokens": 100, "output_tokens": 10}, **more}), flush=True)
    log(usd=usd)
    sys.exit(1 if more else 0)
prompt, (mode, *given) = sys.stdin.read(), open(home + "/mode").read().split()
number = open(home + "/log").read().count("asked")
log(asked=number)
found = re.findall(r"^- (\\w+): (.*) \\[#(\\w+)", prompt, re.M) or [
    ("fact", " ".join(re.findall(r"(?<![^\\s])[a-z]{4,}(?![^\\s.])", text)[:6]), key)
    for key, text in re.findall(r"^### .*? #([0-9a-f]{8,12})\\n(.*?)(?=^### |^## |^</data|\\Z)", prompt, re.M | re.S)]
found = [f for f in found if len(f[1].split()) > 2 and not f[2].startswith("0000")]      # a file's made-up ids may clash
bullets = [{"hall": hall, "text": text, "cites": [key]} for hall, text, key in found][:3]
right = {"title": "A talk", "summary": "They talked.", "topics": ["retry-policy"], "bullets": bullets}
if mode == "kill" and number >= int(given[0]):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(0.2)
if mode == "slow":
    time.sleep(float(given[0]))
if mode != "random":
    end(right)
odd = [{"hall": "fact", "text": "Nothing like that.", "cites": ["00000000"]}]
dice = random.Random(given[0] + str(number))
what = dice.choice(["right"] * 9 + ["slow", "prose", "hall", "id", "unsupported", "half", "dead", "killed", "hang", "500"])
if what in ("right", "slow"):
    time.sleep(0.3 * (what == "slow"))
    end(right, usd=0.02)
if what == "prose":
    end(text="I think they talked.")
if what == "half":
    end(text=json.dumps(right)[:20])
if what == "hall":
    end({**right, "bullets": [{**b, "hall": "gossip"} for b in bullets + odd]})
if what == "id":
    end({**right, "bullets": bullets + odd})
if what == "unsupported":
    end({**right, "bullets": [{**b, "text": "Frobnicators were demagnetised by 4711 goats."} for b in bullets]})
if what == "500":
    end(None, "API Error: 500", 0.0, is_error=True, api_error_status=500)
if what == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if what == "hang":
    time.sleep(1000)
sys.exit(1)
"""


class Runs:
    """A wiki whose conversations wait for a summary, and a claude that does as it is told."""

    def __init__(self, home: Home, fake_bin):
        self.home = home
        fake_bin("claude", FAKE)
        home.wiki.mkdir(exist_ok=True)
        (home.wiki / "wiki.yaml").write_text("models: {timeout: 3}\nbudget: {calls: 9999, usd: 999, usd_day: 999}\n")
        (home.path / "log").write_text("")

    def make(self, count: int) -> Runs:
        for n in range(count):
            facts = [f"worker number {n} waits for the queue because nothing wakes it up", "retries should carry full jitter"]
            wikis.talk(self.home.wiki, f"2026-04-{n % 28 + 1:02}", [f"subject-{n}"], summarized=False, fact=facts)
        self.before = self.transcripts()
        return self

    def start(self, *args: str, mode: str = "right") -> subprocess.Popen:
        (self.home.path / "mode").write_text(mode)
        return subprocess.Popen([SCRIPTS / "summarize-conversations.py", "--claude", *args], env=self.home.environ, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *args: str, mode: str = "right") -> tuple[int, str, str]:
        process = self.start(*args, mode=mode)
        out, err = process.communicate(timeout=600)
        assert "Traceback" not in err, err
        return process.returncode, out, err

    def asked(self) -> int:
        return (self.home.path / "log").read_text().count("asked")

    def said(self) -> float:
        return sum(json.loads(line).get("usd", 0) for line in (self.home.path / "log").read_text().splitlines())

    def ledger(self) -> list[dict]:
        ledgers = (self.home.wiki / "reports/ledger").glob("*.jsonl")
        return [json.loads(line) for path in ledgers for line in path.read_text().splitlines()]

    def summarised(self) -> int:
        return sum(c.summarized for c in wl.Wiki(self.home.wiki).conversations())

    def transcripts(self) -> dict[Path, str]:
        return {p: p.read_text().partition("\n## Transcript\n")[2] for p in self.home.wiki.glob("conversations/*/*-*.md")}

    def kept(self) -> int:
        return len(list(self.home.cache.glob("memex/answers-*/*.json")))

    def sound(self) -> None:
        """What holds after any run that ended by itself."""
        assert self.transcripts() == self.before
        assert not [p for folder in (self.home.wiki, self.home.cache) for p in folder.rglob("*.tmp")]
        for conversation in wl.Wiki(self.home.wiki).conversations():
            known = {wl.short(message.id) for message in wl.Wiki(self.home.wiki).conversation(conversation.path).read().all_said}
            assert all(b.cites and set(b.cites) <= known for b in conversation.bullets) or any(self.home.wiki.glob(
                f"{conversation.path[:-3]}.2.md")), conversation.path
        assert len(self.ledger()) == self.asked() and abs(sum(line["usd"] for line in self.ledger()) - self.said()) < 1e-6


@pytest.fixture
def runs(home, fake_bin) -> Runs:
    return Runs(home, fake_bin)


def through_the_night(runs: Runs, count: int, *limit: str) -> None:
    """A night with the fickle one, then others until all is done."""
    status, out, err = runs.run("--jobs", "4", *limit, mode="random 1")
    assert status == 1 and err and out.count("write conversations/") == runs.summarised() > 0
    runs.sound()
    first = runs.asked()
    status, out, err = runs.run("--jobs", "4", *limit)
    aside = list((runs.home.wiki / "context/questions/failed").iterdir())
    assert (status, err) == (0, "") and ("deferred" in out) == bool(aside) and runs.asked() > first
    runs.sound()
    for path in aside:
        path.unlink()
    assert runs.run("--jobs", "4", *limit)[0] == 0 and runs.summarised() >= count
    runs.sound()
    last = runs.asked()
    assert runs.run("--jobs", "4", "--limit", "0") == (0, "", "") and runs.asked() == last


def test_a_model_that_answers_at_random_among_right_wrong_slow_and_dead(runs):
    """B4, M16, M18: the run ends, what it leaves is sound, the next one finishes; the ledger is what the fake has counted."""
    through_the_night(runs.make(MADE_UP), MADE_UP)


@pytest.mark.real
def test_the_same_over_two_hundred_sessions_nearly_all_of_them_real(runs, corpus, run_script):
    found = [arg for folder in ("claude", "codex") for arg in ("--sessions", corpus / folder)]
    run_script("extract-sessions.py", *found, check=False, timeout=300)
    mined = len(wl.Wiki(runs.home.wiki).conversations())
    runs.make(max(0, REAL - mined))      # a session and its forks are one family; what they do not share is what is left
    through_the_night(runs, max(REAL, mined))


def test_two_runs_at_once_the_second_leaves_with_75(runs):
    """M16"""
    first = runs.make(2).start(mode="slow 1")
    while not runs.asked():
        time.sleep(0.02)
    assert runs.run(mode="slow 1") == (75, "", "")
    first.communicate(timeout=30)
    assert first.returncode == 0 and runs.summarised() == runs.asked() == 2


@pytest.mark.parametrize("k", share([0, 1, 4, 7], plain=2))
def test_killed_after_k_of_n_summaries_the_next_run_makes_exactly_the_others(runs, k):
    """M18: the one that was being asked was not paid for."""
    process = runs.make(8).start(mode=f"kill {k}")
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL and runs.summarised() == len(runs.ledger()) == k
    before = runs.asked()
    assert runs.run()[0] == 0 and runs.asked() - before == 8 - k and runs.summarised() == 8
    assert len(runs.ledger()) == 8


@pytest.mark.parametrize("k", share([2, 6, 9], plain=1))
def test_killed_with_four_calls_under_way_what_was_paid_for_is_not_asked_again(runs, k):
    """M18"""
    process = runs.make(12).start("--jobs", "4", mode=f"kill {k}")
    process.communicate(timeout=30)
    time.sleep(0.5)      # the claudes that nobody waits for end by themselves
    paid, before = runs.kept(), runs.asked()
    assert process.returncode == -signal.SIGKILL and k - 4 < paid <= before
    assert runs.run("--jobs", "4")[0] == 0
    assert runs.asked() - before == 12 - paid and runs.summarised() == 12 and len(runs.ledger()) == 12


@pytest.mark.parametrize("part", share([0.2, 0.5, 0.8], plain=1))
def test_killed_at_any_moment_what_was_paid_for_is_not_asked_again(runs, part):
    """M18"""
    process = runs.make(10).start("--jobs", "2")
    while runs.asked() < 10 * part:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    time.sleep(0.3)
    paid, before = runs.kept(), runs.asked()
    assert runs.run()[0] == 0 and runs.asked() - before == 10 - paid
    assert runs.summarised() == 10 == len(runs.ledger())


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_a_budget_that_is_spent_defers_the_rest_and_says_so(runs, jobs):
    """B4: exit 0; the next run goes on with what is left."""
    runs.make(7)
    status, out, err = runs.run("--jobs", jobs, "--max-calls", "3")
    assert (status, err, runs.asked(), runs.summarised()) == (0, "", 3, 3)
    assert out.splitlines()[-1] == "deferred: 4 conversations: the run's budget of 3 calls is spent"
    assert runs.run("--jobs", jobs, "--max-usd", "0.035")[0] == 0 and runs.said() <= 0.03 + 0.035
    assert runs.run("--jobs", jobs)[0] == 0 and runs.summarised() == runs.asked() == 7


def test_a_night_has_one_budget_over_its_phases(runs):
    """B4: summaries that were asked for by wiki-maintain.sh, and again by a phase of the same night."""
    runs.make(4)
    (runs.home.path / "mode").write_text("right")
    night = {**runs.home.environ, "MEMEX_RUN_STARTED": "2026-05-04T02:00:00.000001Z"}
    for _ in range(2):
        subprocess.run([SCRIPTS / "summarize-conversations.py", "--claude", "--max-calls", "3"], env=night, check=True,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert runs.asked() == 3
