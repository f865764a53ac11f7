"""What a value in wiki.yaml may be, key by key. Pure: it reads nothing and writes nothing.

A wrong value is said once, where it is read, instead of becoming a fault (or nothing at all) somewhere in the night.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wiki_text import WikiError, one_line

Test = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, str) or isinstance(value, list) and all(_is_text(v) for v in value)


def _is_map(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(k) and _is_text(v) for k, v in value.items())


def _is_amount(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and 0 <= float(value) < float("inf")
    except (TypeError, ValueError):
        return False


def _is_zone(value: Any) -> bool:
    if value == "UTC":
        return True
    from zoneinfo import ZoneInfo
    try:
        return isinstance(value, str) and bool(ZoneInfo(value))
    except (KeyError, ValueError, OSError):
        return False


def _is_seconds(value: Any) -> bool:
    return _is_amount(value) and float(value) > 0


def _keys(value: Any, known: tuple[str, ...], test: Test, others: Mapping[str, Test] | None = None) -> bool:
    tests = {**dict.fromkeys(known, test), **(others or {})}
    return isinstance(value, dict) and all(k in tests and tests[k](v) for k, v in value.items())


BACKENDS = ("claude", "llama-server", "agent", "extractive")
BUDGET_KEYS = ("calls", "usd", "tokens", "calls_day", "usd_day", "tokens_day")      # of a run; of a day over all machines
_YES_NO: tuple[Test, str] = (lambda v: isinstance(v, bool), "true or false")
_MAP: tuple[Test, str] = (_is_map, "a mapping such as {'~/jobs/billing-*': billing}")
_LIST: tuple[Test, str] = (_is_list, "a list such as ['~/jobs/secret-*']")

GENERAL: dict[str, tuple[Test, str]] = {
    "timezone": (_is_zone, "a name that is known here, such as Europe/Vienna"),
    "project_map": _MAP,
    "exclude": _LIST,
    "mine_headless": _YES_NO,
    "keep_raw": _YES_NO,
    "paused": _YES_NO,
    "wings": (lambda v: isinstance(v, dict) and all(_keys(w, ("store",), _is_text) for w in v.values()),
              "a mapping such as {diary: {store: local}}"),
    "budget": (lambda v: _keys(v, BUDGET_KEYS, lambda amount: amount is None or _is_amount(amount)),
               "a mapping such as {calls: 200, usd: 1, usd_day: 3}"),
    "backend": (lambda v: v in BACKENDS, f"one of {', '.join(BACKENDS)}"),
    "models": (lambda v: _keys(v, ("small", "large", "llama-server"), _is_text, {"timeout": _is_seconds}),
               "a mapping such as {small: haiku, large: sonnet, timeout: 300}"),
    "nightly": (_is_text, "the name of one machine"),
    "skip_domain_patterns": _LIST,
}


def check_general(where: str, found: Mapping[str, Any]) -> None:
    """WikiError for the first general key whose value is of the wrong kind; a key without a value counts as not there."""
    for key, value in found.items():
        if key in GENERAL and value is not None:
            test, wanted = GENERAL[key]
            _refuse_unless(test(value), where, key, value, wanted)


def check_seam(where: str, key: str, value: Any, default: Any) -> None:
    """WikiError when a seam's value is of another kind than its constant. A constant of None says nothing about it."""
    if isinstance(default, bool):
        _refuse_unless(isinstance(value, bool), where, key, value, "true or false")
    elif isinstance(default, int):
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        _refuse_unless(whole, where, key, value, f"a whole number such as {default}")
    elif isinstance(default, (list, tuple)):
        _refuse_unless(_is_list(value), where, key, value, f"a list such as [{', '.join(map(str, default[:2])) or 'a, b'}]")
    elif isinstance(default, Mapping):
        _refuse_unless(_is_map(value), where, key, value, "a mapping of names to names")
    elif isinstance(default, str):
        _refuse_unless(_is_text(value), where, key, value, f"a text such as {default}")


def _refuse_unless(right: bool, where: str, key: str, value: Any, wanted: str) -> None:
    if not right:
        raise WikiError(f"{where}: {key}: {one_line(repr(value), 60)} cannot be used; write {wanted}")
