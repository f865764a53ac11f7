"""The claude CLI, on its user's own login, called as lean as it can be: no tools, no settings, no session file."""
from __future__ import annotations

import json
import math
import os
import re
import secrets
from dataclasses import replace
from typing import Any

from wiki_budget import price, tokens_of
from wiki_disk import cache_dir, config
from wiki_text import ToolError, one_line
from wiki_tools import QUESTION_VARIABLE, NotStarted, installed, run_tool

from model_backends import CUT, NOT_MADE, Reply, TooLong, timeout_seconds

NAME = "claude"
MODELS = {"small": "haiku", "large": "sonnet"}      # wiki.yaml: models: {small: ..., large: ...}
TIMEOUT_SECONDS = 300               # a long answer of the larger model takes minutes
MOST_SIDE_BY_SIDE = 8
MOST_OUTPUT_TOKENS = 16_000         # of an answer, many times what one needs: a model that does not end is stopped
# The marks by which the miner knows a session of ours, should the CLI keep one (session_marks.py):
QUESTION_FOLDER = "memex-questions"  # in the cache; the folder every call runs in
SESSION_PREFIX = "6d656d65-78"      # 'memex'; the ids are UUIDs of version 8, which no random one is
ENVIRONMENT_PASSED = ("HOME", "PATH", "LANG", "CLAUDE_CONFIG_DIR", "NODE_EXTRA_CA_CERTS")
ENVIRONMENT_PREFIXES = ("ANTHROPIC_", "CLAUDE_CODE_USE_", "AWS_", "GOOGLE_", "SSL_CERT_")
SCHEMA_TOOL = "StructuredOutput"    # what the CLI calls the tool that a schema becomes
# No further call could do better today: the plan's limit is reached, or nobody has logged in.
STOPPING = re.compile(r"not logged in|please run /login|\(429\)|usage limit|hit your (?:\w+ )?limit", re.I)
TOO_MUCH = re.compile(r"exceeded the \d+ output token maximum")
TOO_LONG = re.compile(r"prompt is too long|input is too long|exceed context limit", re.I)


def model(size: str) -> str:
    return str((config().get("models") or {}).get(size) or MODELS[size])


def slots() -> int:
    return MOST_SIDE_BY_SIDE


def unready() -> str:
    return "" if installed("claude") else "the claude CLI is not on PATH"


def new_session_id() -> str:
    """The id of a call, known before it is made: it stands in the ledger even where no answer ever names it."""
    digits = secrets.token_hex(11)
    return f"{SESSION_PREFIX}{digits[:2]}-8{digits[2:5]}-{'89ab'[int(digits[5], 16) % 4]}{digits[6:9]}-{digits[9:21]}"


def command(question: Any, session: str) -> list[str]:
    """The lean call: no tools, no settings, no session file, no commands, a system prompt of our own.

    `--verbose` makes the output a list of all that was said, the answer that does not fit the schema included: the CLI's own
    word for it is only that there was none."""
    return ["claude", "-p", "--model", model(question.size), "--output-format", "json", "--verbose", "--no-session-persistence",
            "--session-id", session, "--tools", "", "--system-prompt", question.system, "--setting-sources", "",
            "--strict-mcp-config", "--disable-slash-commands", "--json-schema", json.dumps(question.schema, separators=(",", ":"))]


def environment(session: str) -> dict[str, str]:
    """What is passed on to the CLI: an allow-list. A leaked CLAUDECODE made a user's own sessions vanish.

    Our mark is a variable of our own. CLAUDE_CODE_ENTRYPOINT would stand in a session's records by itself, but the CLI also
    sends it on in the line that says how a request is accounted for: no place to write something of ours.

    One call is one request: with retries of its own for answers that do not fit, the CLI sends the whole prompt five times, and
    accounts for four."""
    kept = {k: v for k, v in os.environ.items()
            if k in ENVIRONMENT_PASSED or k.startswith(ENVIRONMENT_PREFIXES) or k.upper().endswith("_PROXY")}
    return kept | {"MAX_THINKING_TOKENS": "0", "CLAUDE_CODE_MAX_RETRIES": "2", "DISABLE_AUTOUPDATER": "1",
                   "MAX_STRUCTURED_OUTPUT_RETRIES": "0", "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(MOST_OUTPUT_TOKENS),
                   "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", QUESTION_VARIABLE: session}


def call(question: Any, prompt: str) -> Reply:
    """One call of the CLI, the prompt on its standard input."""
    folder = cache_dir() / QUESTION_FOLDER
    folder.mkdir(exist_ok=True)
    session = new_session_id()
    try:
        done = run_tool(command(question, session), input=prompt, timeout=timeout_seconds(TIMEOUT_SECONDS), check=False,
                        env=environment(session), cwd=folder)
    except NotStarted as error:
        return Reply(outcome=NOT_MADE, failed=str(error))
    except ToolError as error:
        return Reply(outcome="timeout", failed=str(error), session=session, unknown=True)
    said, messages = last_word(done.stdout)
    if said is None:
        text = done.stderr or done.stdout
        return Reply(outcome="unreadable", failed=f"claude: exit {done.rc}: {one_line(text, 200) or 'it said nothing'}",
                     session=session, stop=STOPPING.search(text) is not None, unknown=True)
    return understood(said, messages, done.rc, session)


def last_word(stdout: str) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The CLI's result object, and the model's own messages before it."""
    try:
        said = json.loads(stdout)
    except (ValueError, RecursionError):
        return None, []
    events = [e for e in (said if isinstance(said, list) else [said]) if isinstance(e, dict)]
    results = [e for e in events if e.get("type", "result") == "result"]
    messages = [e["message"] for e in events if e.get("type") == "assistant" and isinstance(e.get("message"), dict)]
    return (results[-1] if results else None), messages


def understood(said: dict[str, Any], messages: list[dict[str, Any]], rc: int, session: str) -> Reply:
    """The CLI's own object as a Reply; TooLong where the prompt does not fit."""
    text, status, failed = str(said.get("result") or ""), said.get("api_error_status"), bool(said.get("is_error") or rc)
    usage, usd = _counts(said.get("usage")), said.get("total_cost_usd")
    known = isinstance(usd, (int, float)) and not isinstance(usd, bool) and math.isfinite(usd) and usd >= 0
    reply = Reply(said.get("structured_output"), text, *usage, float(usd) if known else 0.0,
                  session=str(said.get("session_id") or session))
    if failed and str(said.get("subtype") or "").startswith("error_max_structured_output"):
        return unfit(reply, messages)
    if failed and TOO_LONG.search(text):
        numbers = sorted(int(n) for n in re.findall(r"\d{4,}", text))
        raise TooLong(f"claude: {one_line(text, 200)}", *((numbers[-1], numbers[0]) if len(numbers) == 2 else ()))
    if failed and TOO_MUCH.search(text):
        return replace(reply, value=None, text="", outcome=CUT)
    if failed:
        what, stop = one_line(text, 200) or f"exit {rc}", status == 429 or STOPPING.search(text) is not None
        return replace(reply, value=None, outcome=f"error {status or ''}".strip(), failed=f"claude: {what}", stop=stop)
    return reply


def unfit(reply: Reply, messages: list[dict[str, Any]]) -> Reply:
    """An answer that the CLI did not take: what the model said all the same, and what the CLI did not account for."""
    blocks = [b for m in messages for b in (m.get("content") if isinstance(m.get("content"), list) else ()) if isinstance(b, dict)]
    given = [b.get("input") for b in blocks if b.get("type") == "tool_use" and b.get("name") == SCHEMA_TOOL]
    text = "\n".join(str(b.get("text")) for b in blocks if b.get("type") == "text")
    reply = replace(reply, value=given[-1] if given else None, text=text)
    if reply.input_tokens or not messages:
        return reply
    into = sum(_counts(m.get("usage"))[0] for m in messages)
    out = tokens_of(json.dumps(given, ensure_ascii=False) + text)
    return replace(reply, input_tokens=into, output_tokens=out, usd=round(price(str(messages[-1].get("model")), into, out), 6))


def _counts(usage: Any) -> tuple[int, int]:
    """(tokens in, tokens out) of a usage object; what is no count is none."""
    def count(key: str) -> int:
        value = usage.get(key) if isinstance(usage, dict) else 0
        return value if isinstance(value, int) and value > 0 else 0
    return sum(map(count, ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"))), count("output_tokens")
