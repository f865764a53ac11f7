"""The claude CLI, on its user's own login, called as lean as it can be: no tools, no settings, no session file."""
from __future__ import annotations

import json
import os
import secrets
from dataclasses import replace
from typing import Any

from wiki_disk import cache_dir, config
from wiki_text import ToolError, one_line
from wiki_tools import QUESTION_VARIABLE, installed, run_tool

from model_backends import Reply

NAME = "claude"
MODELS = {"small": "haiku", "large": "sonnet"}      # wiki.yaml: models: {small: ..., large: ...}
TIMEOUT_SECONDS = 300               # a long answer of the larger model takes minutes
MOST_SIDE_BY_SIDE = 8
# The marks by which the miner knows a session of ours, should the CLI keep one (session_marks.py):
QUESTION_FOLDER = "memex-questions"  # in the cache; the folder every call runs in
SESSION_PREFIX = "6d656d65-78"      # 'memex'; the ids are UUIDs of version 8, which no random one is
ENVIRONMENT_PASSED = ("HOME", "PATH", "LANG", "CLAUDE_CONFIG_DIR", "NODE_EXTRA_CA_CERTS")
ENVIRONMENT_PREFIXES = ("ANTHROPIC_", "CLAUDE_CODE_USE_", "AWS_", "GOOGLE_", "SSL_CERT_")


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
    """The lean call: no tools, no settings, no session file, no commands, a system prompt of our own."""
    return ["claude", "-p", "--model", model(question.size), "--output-format", "json", "--no-session-persistence",
            "--session-id", session, "--tools", "", "--system-prompt", question.system, "--setting-sources", "",
            "--strict-mcp-config", "--disable-slash-commands", "--json-schema", json.dumps(question.schema, separators=(",", ":"))]


def environment(session: str) -> dict[str, str]:
    """What is passed on to the CLI: an allow-list. A leaked CLAUDECODE made a user's own sessions vanish.

    Our mark is a variable of our own. CLAUDE_CODE_ENTRYPOINT would stand in a session's records by itself, but the CLI also
    sends it on in the line that says how a request is accounted for: no place to write something of ours."""
    kept = {k: v for k, v in os.environ.items()
            if k in ENVIRONMENT_PASSED or k.startswith(ENVIRONMENT_PREFIXES) or k.upper().endswith("_PROXY")}
    return kept | {"MAX_THINKING_TOKENS": "0", "CLAUDE_CODE_MAX_RETRIES": "2", "DISABLE_AUTOUPDATER": "1",
                   "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", QUESTION_VARIABLE: session}


def call(question: Any, prompt: str) -> Reply:
    """One call of the CLI, the prompt on its standard input."""
    folder = cache_dir() / QUESTION_FOLDER
    folder.mkdir(exist_ok=True)
    session = new_session_id()
    try:
        done = run_tool(command(question, session), input=prompt, timeout=TIMEOUT_SECONDS, check=False,
                        env=environment(session), cwd=folder)
    except ToolError as error:
        return Reply(outcome="timeout" if "no answer within" in str(error) else "failed", failed=str(error), session=session)
    try:
        said = json.loads(done.stdout)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        what = f"claude: exit {done.rc}: {one_line(done.stderr or done.stdout, 200) or 'it said nothing'}"
        return Reply(outcome="unreadable", failed=what, session=session)
    return understood(said, done.rc, session)


def understood(said: dict[str, Any], rc: int, session: str) -> Reply:
    """The CLI's own object as a Reply."""
    usage = said.get("usage") if isinstance(said.get("usage"), dict) else {}
    into = sum(_count(usage.get(k)) for k in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"))
    usd, text, status = said.get("total_cost_usd"), str(said.get("result") or ""), said.get("api_error_status")
    paid = Reply(said.get("structured_output"), text, into, _count(usage.get("output_tokens")),
                 float(usd) if isinstance(usd, (int, float)) else 0.0, session=str(said.get("session_id") or session))
    if not said.get("is_error") and rc == 0:
        return paid
    stop = status == 429 or "not logged in" in text.lower()
    return replace(paid, value=None, outcome=f"error {status or ''}".strip(), stop=stop,
                   failed=f"claude: {one_line(text, 200) or f'exit {rc}'}")


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0
