"""llama-server, or whatever speaks the same HTTP: LLAMA_SERVER_URL, else localhost:8080, else under WSL the Windows host's
:8081. Answers are held to the schema by the server's own grammar; its limits are those that it names itself."""
from __future__ import annotations

import functools
import http.client
import json
import os
import re
import socket
import struct
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wiki_disk import config
from wiki_text import one_line

from model_backends import Reply, TooLong

NAME = "llama-server"
TIMEOUT_SECONDS = 600            # for a whole answer; small machines take minutes
READY_SECONDS = 2                # to say whether it is there
ANSWER_TOKENS = 2_048            # an answer may have; the rest of the context is the prompt's
TOO_LONG = re.compile(r"exceed_context_size|maximum context length|exceeds? (?:the )?(?:available )?context", re.I)


# ---------------------------------------------------------------- where it is

@functools.cache
def base_url() -> str:
    """Where a server answers; '' for nowhere. Asked once a run."""
    named = os.environ.get("LLAMA_SERVER_URL")
    places = [named] if named else ["http://127.0.0.1:8080", *([f"http://{host}:8081"] if (host := windows_host()) else [])]
    return next((place.rstrip("/") for place in places if _answers(place.rstrip("/"))), "")


def windows_host() -> str:
    """Under WSL the address of the Windows side: the way out of the virtual network; '' elsewhere."""
    try:
        if "microsoft" not in Path("/proc/sys/kernel/osrelease").read_text().lower():
            return ""
        for line in Path("/proc/net/route").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1] == "00000000":
                return socket.inet_ntoa(struct.pack("<L", int(fields[2], 16)))
    except (OSError, ValueError, IndexError):
        return ""
    return ""


def _answers(place: str) -> bool:
    for path in ("/health", "/v1/models"):      # llama-cpp-python's server has no /health
        try:
            if _request(place, "GET", path, None, READY_SECONDS)[0] == 200:
                return True
        except (OSError, http.client.HTTPException, ValueError):
            return False
    return False


@functools.cache
def properties() -> dict[str, Any]:
    """What the server says of itself: total_slots, the context of one of them; {} where it does not."""
    try:
        status, body = _request(base_url(), "GET", "/props", None, READY_SECONDS)
        said = json.loads(body) if status == 200 else {}
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def unready() -> str:
    return "" if base_url() else f"no llama-server answers at {os.environ.get('LLAMA_SERVER_URL') or 'localhost:8080'}"


def slots() -> int:
    count = properties().get("total_slots")
    return count if isinstance(count, int) and count > 0 else 1


def model(size: str) -> str:
    """The name of what the server has loaded; it has one for both sizes."""
    named = (config().get("models") or {}).get("llama-server")
    path = str(named or properties().get("model_alias") or properties().get("model_path") or "local")
    return re.sub(r"\.gguf$", "", path.replace("\\", "/").rsplit("/", 1)[-1]) or "local"


# ---------------------------------------------------------------- asking it

def call(question: Any, prompt: str) -> Reply:
    """One completion that the server holds to the question's schema. TooLong where the prompt does not fit."""
    forms = [{"type": "json_schema", "json_schema": {"name": question.kind, "strict": True, "schema": question.schema}},
             {"type": "json_object", "schema": question.schema}]      # the second one is llama-cpp-python's
    reply = Reply(failed="never asked")
    for form in forms:
        status, body, trouble = _complete(question, prompt, form)
        if trouble:
            return Reply(outcome="timeout" if "within" in trouble else "failed", failed=trouble)
        if status == 200:
            return understood(body)
        said = _error(body)
        if status == 400 and TOO_LONG.search(body):
            numbers = [int(n) for n in re.findall(r"\d+", said)]
            details = _object(_object(body).get("error"))
            raise TooLong(f"llama-server: {said}", details.get("n_prompt_tokens") or max(numbers, default=0),
                          details.get("n_ctx") or min((n for n in numbers if n > 100), default=0))
        reply = Reply(outcome=f"error {status}", failed=f"llama-server: {said}")
        if status != 500:
            break
    return reply


def _complete(question: Any, prompt: str, form: dict[str, Any]) -> tuple[int, str, str]:
    body = {"messages": [{"role": "system", "content": question.system}, {"role": "user", "content": prompt}],
            "response_format": form, "max_tokens": ANSWER_TOKENS, "temperature": 0.2}
    try:
        status, text = _request(base_url(), "POST", "/v1/chat/completions", body, TIMEOUT_SECONDS)
        return status, text, ""
    except TimeoutError:
        return 0, "", f"llama-server: no answer within {TIMEOUT_SECONDS} s"
    except (OSError, http.client.HTTPException) as error:
        return 0, "", f"llama-server: {one_line(str(error), 120) or type(error).__name__}"


def understood(body: str) -> Reply:
    """A completion as a Reply; one that was cut at the limit of its tokens is text that is no JSON."""
    said = _object(body)
    choices = said.get("choices")
    choice = _object(choices[0]) if isinstance(choices, list) and choices else {}
    content, usage = _object(choice.get("message")).get("content"), _object(said.get("usage"))
    cut = choice.get("finish_reason") == "length"
    counts = [n if isinstance(n := usage.get(k), int) else 0 for k in ("prompt_tokens", "completion_tokens")]
    return Reply(None, content if isinstance(content, str) else "", *counts, outcome="cut" if cut else "answered")


def _request(place: str, method: str, path: str, body: dict[str, Any] | None, seconds: float) -> tuple[int, str]:
    """(status, text); TimeoutError when it takes longer in all, however slowly it drips."""
    url = urlsplit(place)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    deadline = time.monotonic() + seconds
    connection = kind(url.hostname or "127.0.0.1", url.port, timeout=seconds)
    try:
        data = json.dumps(body).encode() if body is not None else None
        connection.request(method, url.path + path, data, {"Content-Type": "application/json"})
        response = connection.getresponse()
        pieces = []
        while piece := response.read1(65_536):
            pieces.append(piece)
            if time.monotonic() > deadline:
                raise TimeoutError
            if connection.sock:
                connection.sock.settimeout(max(0.01, deadline - time.monotonic()))
        return response.status, b"".join(pieces).decode("utf-8", "replace")
    finally:
        connection.close()


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _error(body: str) -> str:
    error = _object(body).get("error")
    said = error.get("message") if isinstance(error, dict) else error
    return one_line(str(said or body), 200) or "an error without a word"
