"""What model calls may cost and did cost: the budget before every call, the ledger after it, the estimate before a backlog.

The budget holds for a run and for a day; a day's spending counts over all machines, as far as their ledgers have been
synced. A call is reserved at what it is expected to cost before it is made, so that calls made side by side stay within
the budget together.
"""
from __future__ import annotations

import argparse
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
RUN_STARTED = "MEMEX_RUN_STARTED"     # set by an orchestrator: its children share one run's budget


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


def tokens_of(text: str) -> int:
    """About how many tokens a text is; other scripts than Latin take about one a character."""
    wide = sum(c > "\u02ff" for c in text) if not text.isascii() else 0
    return int((len(text) - wide) / CHARACTERS_A_TOKEN) + wide + 1


def price(model: str, tokens_in: int, tokens_out: int) -> float:
    """USD for a call, by list price."""
    into, out = next(((i, o) for name, i, o in PRICES if name in model), UNKNOWN_PRICE)
    return (tokens_in * into + tokens_out * out) / 1e6


# ---------------------------------------------------------------- the ledger

def ledger_lines(root: Path, pattern: str) -> Iterator[dict[str, Any]]:
    """The records of the ledgers whose names match, oldest first; a line that does not parse is warned about."""
    for path in sorted((root / "reports" / "ledger").glob(pattern)):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line) if line.strip() else {}
            except ValueError:
                warn(f"reports/ledger/{path.name}", "a line does not parse; it counts as nothing")
                continue
            if isinstance(record, dict) and record:
                yield record


def cost_of(record: Mapping[str, Any]) -> Cost:
    """What a ledger line says a call cost; what is no number counts as nothing."""
    def number(key: str) -> float:
        value = record.get(key)
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0
    return Cost(1, int(number("input_tokens") + number("output_tokens")), float(number("usd")))


def enter(record: Mapping[str, Any]) -> None:
    """Append one line to this machine's ledger, on the disk before anything else happens."""
    wiki = Wiki()
    path = wiki.root / "reports" / "ledger" / f"{wiki.machine}-{now()[:7]}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked("ledger"), open(path, "ab+") as out:
        if out.tell() and (out.seek(-1, os.SEEK_END), out.read(1))[1] != b"\n":      # a line that was cut short by a kill
            out.write(b"\n")
        out.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        out.flush()
        os.fsync(out.fileno())


def seconds_a_call(backend: str) -> float:
    """How long a call took in the median, by the ledgers; SECONDS_A_CALL where they do not say."""
    import statistics
    known = [float(s) for r in ledger_lines(Wiki().root, "*.jsonl") if r.get("backend") == backend
             and r.get("outcome") == "answered" and isinstance(s := r.get("seconds"), (int, float)) and s]
    return statistics.median(known[-200:]) if known else SECONDS_A_CALL


# ---------------------------------------------------------------- the budget

@dataclass
class Spending:
    """What this run has spent and set aside for calls under way, what was spent before on this day, and why no more is
    asked ('' while it may)."""
    limits: dict[str, float] = field(default_factory=dict)
    spent: Cost = Cost()
    under_way: Cost = Cost()
    stopped: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    _before: tuple[Cost, Cost] | None = None

    def before(self) -> tuple[Cost, Cost]:
        """What the ledgers say was spent (by this run before this process, today by anyone before it)."""
        if self._before is None:
            root, day, since = Wiki().root, now()[:10], os.environ.get(RUN_STARTED, "")
            machine = Wiki().machine if root.is_dir() else ""
            today = [r for r in ledger_lines(root, f"*-{day[:7]}.jsonl") if str(r.get("time", "")).startswith(day)]
            mine = [r for r in ledger_lines(root, f"{machine}-*.jsonl") if since and str(r.get("time", "")) >= since]
            self._before = (sum(map(cost_of, mine), Cost()), sum(map(cost_of, today), Cost()))
        return self._before

    def reserve(self, expected: Cost) -> str:
        """Set aside what a call may cost; '' when it may be made, else why not."""
        with self.lock:
            if self.stopped:
                return self.stopped
            limits = {**BUDGET, **(config().get("budget") or {}), **self.limits}
            run, day = self.before()
            now_and_here = self.spent + self.under_way
            for scope, gone, suffix in (("run", run + now_and_here, ""), ("day", day + now_and_here, "_day")):
                for unit, name in UNITS.items():
                    limit = limits.get(unit + suffix)
                    if limit is not None and getattr(gone + expected, unit) > float(limit):
                        return f"the {scope}'s budget of {limit:g} {name} is spent"
            self.under_way = self.under_way + expected
            return ""

    def settle(self, expected: Cost, real: Cost | None) -> None:
        """What was set aside for a call becomes what it did cost; None: it was not made."""
        with self.lock:
            self.under_way = self.under_way - expected
            if real is not None:
                self.spent = self.spent + real

    def told(self) -> str:
        """For the end of a progress bar."""
        return f"{self.spent.calls} calls, {self.spent.usd:.2f} USD"

    def stop(self, reason: str) -> str:
        with self.lock:
            self.stopped = self.stopped or reason
        return self.stopped


spending = Spending()


# ---------------------------------------------------------------- the command line

def options(parser: argparse.ArgumentParser) -> None:
    """The flags of every script that asks models."""
    group = parser.add_argument_group("what it may cost (wiki.yaml: budget; what is left over waits for the next run)")
    group.add_argument("--max-usd", type=_amount, metavar="USD", help="at most so much in this run")
    group.add_argument("--max-calls", type=_amount, metavar="N", help="at most N calls in this run")
    group.add_argument("--max-tokens", type=_amount, metavar="N", help="at most N tokens, sent and received, in this run")
    group.add_argument("--estimate", action="store_true", help="say what the backlog would cost; ask nothing, write nothing")
    group.add_argument("--jobs", type=int, default=1, metavar="N", help="N calls side by side (default 1)")


def _amount(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no amount")
    return value


def apply_options(args: argparse.Namespace) -> None:
    """Put the flags over wiki.yaml."""
    if args.jobs < 1:
        raise WikiError("--jobs: needs at least 1")
    given = {"usd": args.max_usd, "calls": args.max_calls, "tokens": args.max_tokens}
    spending.limits = {k: v for k, v in given.items() if v is not None}
