"""What model calls may cost and did cost: the budget before every call, the ledger after it, the estimate before a backlog.

The budget holds for a run and for a day; a day's spending counts over all machines, as far as their ledgers have been
synced. A call is reserved at what it is expected to cost before it is made, so that calls made side by side stay within
the budget together.
"""
from __future__ import annotations

import argparse
import functools
import json
import math
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wiki_disk import Wiki, config, locked, now, warn
from wiki_text import WikiError

BUDGET: dict[str, float] = {"calls": 200, "usd": 1.0, "usd_day": 3.0}     # wiki.yaml's budget: over it; no key, no limit
UNITS = {"calls": "calls", "usd": "USD", "tokens": "tokens"}
CHARACTERS_A_TOKEN = 3.6         # of English and code with today's tokenizers; rounded down, so that estimates are not too low
# USD for a million tokens, in and out, by what a model's name contains; the first one that fits. Of a plan they are nominal.
PRICES = (("haiku", 1.0, 5.0), ("opus", 5.0, 25.0), ("sonnet", 3.0, 15.0))
UNKNOWN_PRICE = (3.0, 15.0)
SECONDS_A_CALL = 15.0                 # until the ledger knows better
RUN_STARTED = "MEMEX_RUN_STARTED"     # set with the run lock: all phases of a night are one run, with one budget
LOCK_WAIT_SECONDS = 60                # for the ledger: what was paid for is entered
ROUNDING = 1e-9                       # of USD: three times 0.1 is 0.3
UNSURE = 10                           # so many times as dear as expected may calls be, until the first of a run has been paid for


@dataclass(frozen=True)
class Cost:
    """What a call costs or may cost."""
    calls: int = 0
    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.calls + other.calls, self.tokens + other.tokens, self.usd + other.usd)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.calls - other.calls, self.tokens - other.tokens, self.usd - other.usd)

    def dearer(self, factor: float) -> Cost:
        """The same calls, so many times as dear."""
        return Cost(self.calls, math.ceil(self.tokens * factor), self.usd * factor)


def tokens_of(text: str) -> int:
    """About how many tokens a text is; other scripts than Latin take about one a character."""
    wide = sum(c > "\u02ff" for c in text) if not text.isascii() else 0
    return int((len(text) - wide) / CHARACTERS_A_TOKEN) + wide + 1


def price(model: str, tokens_in: int, tokens_out: int) -> float:
    """USD for a call, by list price."""
    into, out = next(((i, o) for name, i, o in PRICES if name in model), UNKNOWN_PRICE)
    return (tokens_in * into + tokens_out * out) / 1e6


# ---------------------------------------------------------------- the ledger

def parsed(line: str) -> dict[str, Any] | None:
    """A ledger line as a record; of one that was cut short (power, a full disk) the fields that are whole. None: no record."""
    end = len(line)
    while end > 0:
        try:
            record = json.loads(line if end == len(line) else line[:end] + "}")
        except (ValueError, RecursionError):
            end = line.rfind(', "', 0, end)
            continue
        return record if isinstance(record, dict) else None
    return None


def ledger_lines(root: Path, pattern: str) -> Iterator[dict[str, Any]]:
    """The records of the ledgers whose names match, oldest first; a line that does not parse is warned about."""
    for path in sorted((root / "reports" / "ledger").glob(pattern)):
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            record = parsed(line) if line.strip() else {}
            if record is None:
                warn(f"reports/ledger/{path.name}", "a line does not parse; it counts as nothing")
            elif record:
                yield record


def cost_of(record: Mapping[str, Any]) -> Cost:
    """What a ledger line says a call cost; what is no number counts as nothing, and so does what a person's agent answered. Of
    a call that was not heard of again it is what it was expected to cost at most."""
    if record.get("backend") == "agent":
        return Cost()
    return Cost(1, int(amount(record, "input_tokens") + amount(record, "output_tokens") or amount(record, "tokens_at_most")),
                float(amount(record, "usd") or amount(record, "usd_at_most")))


def amount(record: Mapping[str, Any], key: str) -> float:
    """A number of a ledger line; 0 for what is none, or less."""
    value = record.get(key)
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    return value if known else 0      # type: ignore[return-value]


def enter(record: Mapping[str, Any], once: bool = False) -> None:
    """Append one line to this machine's ledger, on the disk before anything else happens; with `once` unless it stands there."""
    wiki = Wiki()
    path = wiki.root / "reports" / "ledger" / f"{wiki.machine}-{str(record.get('time') or now())[:7]}.jsonl"
    line = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _entering, locked("ledger", LOCK_WAIT_SECONDS), open(path, "ab+") as out:
        out.seek(0)
        known = out.read() if once else b""
        if once and line in known.split(b"\n"):
            return
        _end_the_last_line(out)
        out.write(line + b"\n")
        out.flush()
        os.fsync(out.fileno())


_entering = threading.Lock()


def _end_the_last_line(out: Any) -> None:
    """What a kill or a full disk cut short becomes a line that parses: nobody else writes this file."""
    size = out.seek(0, os.SEEK_END)
    if not size or (out.seek(-1, os.SEEK_END), out.read(1))[1] == b"\n":
        return
    out.seek(max(0, size - 100_000))
    half = out.read().rpartition(b"\n")[2]
    record = parsed(half.decode("utf-8", "replace"))
    out.truncate(size - len(half))
    if record:
        out.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n")


@functools.cache
def run_name() -> str:
    """What stands for this run in the ledger: the moment at which it, or the run that it is a part of, began."""
    return os.environ.get(RUN_STARTED) or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def seconds_a_call(backend: str) -> float:
    """How long a call took in the median, by the ledgers; SECONDS_A_CALL where they do not say."""
    import statistics
    known = [float(s) for r in ledger_lines(Wiki().root, "*.jsonl") if r.get("backend") == backend
             and r.get("outcome") == "answered" and isinstance(s := r.get("seconds"), (int, float)) and s > 0]
    return statistics.median(known[-200:]) if known else SECONDS_A_CALL


# ---------------------------------------------------------------- the budget

@dataclass(frozen=True)
class Refusal:
    """Why a call may not be made. `all`: nor may any other of this run."""
    reason: str
    all: bool


@dataclass(frozen=True)
class Held:
    """What was set aside for a call: `cost`, which is at least `at_most`: what is `expected`, as dear as calls turned out to be."""
    expected: Cost
    at_most: Cost
    cost: Cost


@dataclass
class Spending:
    """What this run has spent and set aside for calls under way, what was spent before on this day, and why no more is
    asked ('' while it may). Safe to be used by several threads."""
    limits: dict[str, float] = field(default_factory=dict)
    spent: Cost = Cost()
    under_way: Cost = Cost()
    stopped: str = ""
    factor: float = 1.0               # how much dearer than expected the dearest call of this run was
    sure: bool = False                # whether one has been paid for
    turn: threading.Condition = field(default_factory=threading.Condition)
    _run: Cost | None = None          # by the ledger: of this run, before this process
    _day: tuple[str, Cost] = ("", Cost())      # a day, and what the ledgers knew of it less what this process had spent by then

    def allowed(self) -> dict[str, float]:
        """{calls, usd, tokens, calls_day ...: most}, of those that are limited."""
        limits = {**BUDGET, **(config().get("budget") or {}), **self.limits}
        return {k: float(v) for k, v in limits.items() if v is not None}

    def gone(self) -> tuple[Cost, Cost]:
        """What this run, and what anybody today, has spent as far as the ledgers and this process know."""
        root, today = Wiki().root, now()[:10]
        if self._run is None:
            machine = Wiki().machine if root.is_dir() else "none"
            files = sorted({run_name()[:7], today[:7]}) if os.environ.get(RUN_STARTED) else []
            lines = (r for month in files for r in ledger_lines(root, f"{machine}-{month}.jsonl"))
            self._run = sum((cost_of(r) for r in lines if r.get("run") == run_name()), Cost())
        if self._day[0] != today:      # read anew after midnight
            lines = (r for r in ledger_lines(root, f"*-{today[:7]}.jsonl") if str(r.get("time", "")).startswith(today))
            self._day = today, sum(map(cost_of, lines), Cost()) - self.spent
        return self._run + self.spent, self._day[1] + self.spent

    def reserve(self, expected: Cost, least: Cost) -> Held | Refusal:
        """Set aside what a call may cost at most, or say why it may not be made. `least`: what the cheapest call may cost; where
        not even that is left, nothing is asked any more."""
        with self.turn:
            while True:
                if self.stopped:
                    return Refusal(self.stopped, True)
                at_most = expected.dearer(self.factor)
                # More than one at a time only where even a price list that is wrong would not lead beyond the limit.
                held = at_most if self.sure or not self.under_way.calls else at_most.dearer(UNSURE)
                refusal = self._refusal(held, least)
                if refusal is None:
                    self.under_way = self.under_way + held
                    return Held(expected, at_most, held)
                # What is under way may turn out cheaper than what was set aside for it: only then is it known what is left.
                if not self.under_way.calls or self._refusal(at_most, least, Cost()):
                    return refusal
                self.turn.wait()

    def _refusal(self, cost: Cost, least: Cost, under_way: Cost | None = None) -> Refusal | None:
        limits = self.allowed()
        for scope, gone, suffix in zip(("run", "day"), self.gone(), ("", "_day"), strict=True):
            for unit, name in UNITS.items():
                if (limit := limits.get(unit + suffix)) is None:
                    continue
                left = limit - getattr(gone + (self.under_way if under_way is None else under_way), unit) + ROUNDING
                if getattr(least, unit) > left:
                    return Refusal(f"the {scope}'s budget of {limit:g} {name} is spent", True)
                if getattr(cost, unit) > left:
                    return Refusal(f"it may cost more than is left of the {scope}'s budget of {limit:g} {name}", False)
        return None

    def settle(self, held: Held, real: Cost | None) -> None:
        """What was set aside for a call becomes what it did cost; None: it was not made."""
        with self.turn:
            self.under_way = self.under_way - held.cost
            if real is not None:
                self.spent, self.sure = self.spent + real, True
                for unit in ("tokens", "usd"):
                    if expected := getattr(held.expected, unit):
                        self.factor = max(self.factor, getattr(real, unit) / expected)
            self.turn.notify_all()

    def told(self) -> str:
        """For the end of a progress bar."""
        usd = self.allowed().get("usd")
        return f"{self.spent.calls} calls, {self.spent.usd:.2f}{f' of {usd:g}' if usd is not None else ''} USD"

    def stop(self, reason: str) -> str:
        with self.turn:
            self.stopped = self.stopped or reason
            self.turn.notify_all()
        return self.stopped


spending = Spending()


# ---------------------------------------------------------------- the command line

def options(parser: argparse.ArgumentParser, side_by_side: bool = True) -> None:
    """The flags of every script that asks models; `side_by_side`: several at a time."""
    group = parser.add_argument_group("what it may cost (wiki.yaml: budget; what is left over waits for the next run)")
    group.add_argument("--max-usd", type=_amount, metavar="USD", help="at most so much in this run")
    group.add_argument("--max-calls", type=_amount, metavar="N", help="at most N calls in this run")
    group.add_argument("--max-tokens", type=_amount, metavar="N", help="at most N tokens, sent and received, in this run")
    group.add_argument("--estimate", action="store_true", help="say what the backlog would cost; ask nothing, write nothing")
    if side_by_side:
        group.add_argument("--jobs", type=int, default=1, metavar="N", help="N calls side by side (default 1)")


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no amount")
    return value


def apply_options(args: argparse.Namespace) -> None:
    """Put the flags over wiki.yaml."""
    if getattr(args, "jobs", 1) < 1:
        raise WikiError("--jobs: needs at least 1")
    given = {"usd": args.max_usd, "calls": args.max_calls, "tokens": args.max_tokens}
    spending.limits = {k: v for k, v in given.items() if v is not None}
