"""llama-server, or whatever speaks the same HTTP: LLAMA_SERVER_URL, else localhost:8080, else under WSL the Windows host's
:8081. Answers are held to the schema by the server's own grammar; its limits are those that it names itself.

It costs nothing but time, so no call is given up before TIMEOUT_SECONDS. A server that is gone, busy or still loading ends the
run's asking; what is left waits for the next one.
"""
from __future__ import annotations

import functools
import json
import os
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from wiki_disk import config
from wiki_text import one_line

from model_backends import CUT, NOT_MADE, Reply, TooLong, timeout_seconds

NAME = "llama-server"
LOCAL = "http://127.0.0.1:8080"
WINDOWS_PORT = 8081              # of a server that runs beside WSL
TIMEOUT_SECONDS = 600            # for a whole answer; small machines take minutes
READY_SECONDS = 2                # for what it says of itself
CONNECT_SECONDS = 0.3            # to a place that nobody named
ANSWER_TOKENS = 2_048            # that an answer may have; the rest of the context is the prompt's
ANSWER_SHARE = 3                 # and no more of a small context than one in so many
REPLY_BYTES = 16_000_000         # no answer is longer
MOST_REPEATS = 2_000             # of what a grammar counts: of more of them many a llama.cpp makes an error
TOO_LONG = re.compile(r"exceed_context_size|maximum context length|exceeds? (?:the )?(?:available )?context", re.I)
NOT_NOW = (401, 403, 404, 405, 429, 501, 502, 503)      # as it was asked now, so it would be asked for every other question


# ---------------------------------------------------------------- where it is

def named_url() -> str:
    """The server that LLAMA_SERVER_URL names, as a base of paths; '' for none. With or without a scheme, and '/v1' at the end."""
    named = (os.environ.get("LLAMA_SERVER_URL") or "").strip()
    scheme, _, rest = named.rpartition("://")
    return f"{scheme or 'http'}://{rest.rstrip('/').removesuffix('/v1').rstrip('/')}" if named else ""


def base_url() -> str:
    """Where a server answers that can be asked; '' for nowhere. Looked for once a run."""
    return _found(named_url())[0]


def unready() -> str:
    """Why it cannot be asked; '' when it can."""
    return _found(named_url())[1]


@functools.cache
def _found(named: str) -> tuple[str, str]:
    """(where a server answers, '') or ('', why there is none)."""
    if named:
        trouble = _trouble(named, READY_SECONDS)
        return ("", f"no llama-server at {_shown(named)} (LLAMA_SERVER_URL): {trouble}") if trouble else (named, "")
    loading = ""
    for place in (LOCAL, *([f"http://{host}:{WINDOWS_PORT}"] if (host := windows_host()) else [])):
        trouble = _trouble(place, CONNECT_SECONDS, strict=True)
        if not trouble:
            return place, ""
        loading = loading or (trouble if trouble == LOADING else "")
    return "", f"the llama-server at localhost:8080 {LOADING}" if loading else "no llama-server answers at localhost:8080"


LOADING = "is still loading its model"


def _trouble(place: str, seconds: float, strict: bool = False) -> str:
    """Why a place cannot be asked, '' when it can. `strict`: port 8080 is many a program's, so it must list its models, too."""
    try:
        url = _split(place)
        with socket.create_connection((url.hostname or "", url.port or _default_port(url)), seconds):
            pass                       # nothing there is what is so nearly always: said without loading an HTTP client
        status, body = _request(place, "GET", "/health", None, READY_SECONDS)
        if status == 503:
            return LOADING
        if status == 200 and not strict:
            return ""
        status, body = _request(place, "GET", "/v1/models", None, READY_SECONDS)      # llama-cpp-python's has no /health
        listed = status == 200 and isinstance(_object(body).get("data"), list)
        return "" if listed else f"it answers HTTP {status} and lists no models"
    except (TimeoutError, OSError, ValueError) as error:
        return _reason(error, seconds)


def windows_host(release: str = "/proc/sys/kernel/osrelease", routes: str = "/proc/net/route") -> str:
    """Under WSL the address of the Windows side: the way out of the virtual network; '' elsewhere."""
    try:
        if "microsoft" not in Path(release).read_text().lower():
            return ""
        for line in Path(routes).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1] == "00000000":
                return socket.inet_ntoa(struct.pack("<L", int(fields[2], 16)))
    except (OSError, ValueError, IndexError, struct.error):
        return ""
    return ""


# ---------------------------------------------------------------- what it says of itself

def properties() -> dict[str, Any]:
    """What the server says of itself: total_slots, the context of one of them; {} where it does not."""
    return _properties(base_url())


@functools.cache
def _properties(place: str) -> dict[str, Any]:
    try:
        status, body = _request(place, "GET", "/props", None, READY_SECONDS)
    except (OSError, ValueError):
        return {}
    return _object(body) if status == 200 else {}


def slots() -> int:
    """How many answers it writes side by side."""
    return _number(properties().get("total_slots")) or 1


def context() -> int:
    """How many tokens one prompt and its answer may have together; 0 where the server does not say."""
    return _number(_object(properties().get("default_generation_settings")).get("n_ctx"))


def answer_tokens() -> int:
    """How many of them an answer may have."""
    return min(ANSWER_TOKENS, context() // ANSWER_SHARE) if context() else ANSWER_TOKENS


def model(size: str) -> str:
    """The name of what the server has loaded; it has one for both sizes."""
    named = (config().get("models") or {}).get("llama-server")
    path = str(named or properties().get("model_alias") or properties().get("model_path") or "local")
    return re.sub(r"\.gguf$", "", path.replace("\\", "/").rsplit("/", 1)[-1]) or "local"


# ---------------------------------------------------------------- asking it

_forms: dict[str, int] = {}      # {place: which of forms() it understood}


def forms(question: Any) -> list[dict[str, Any]]:
    """How an answer's shape is asked for: llama-server's way, and llama-cpp-python's, which fails on the first."""
    schema = countable(question.schema)
    return [{"type": "json_schema", "json_schema": {"name": question.kind, "strict": True, "schema": schema}},
            {"type": "json_object", "schema": schema}]


def countable(schema: Any) -> Any:
    """A schema whose lengths a grammar can count to; what comes back fits the whole one, too."""
    if isinstance(schema, list):
        return [countable(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    return {k: min(v, MOST_REPEATS) if k in ("maxLength", "maxItems") and isinstance(v, int) else countable(v)
            for k, v in schema.items()}


def call(question: Any, prompt: str) -> Reply:
    """One completion that the server holds to the question's schema. TooLong where the prompt does not fit."""
    place = base_url()
    reply = Reply(failed="never asked")
    for number, form in enumerate(forms(question)):
        if number < _forms.get(place, 0):
            continue
        body = {"messages": [{"role": "system", "content": question.system}, {"role": "user", "content": prompt}],
                "response_format": form, "max_tokens": answer_tokens(), "temperature": 0.2}
        seconds = timeout_seconds(TIMEOUT_SECONDS)
        try:
            status, text = _request(place, "POST", "/v1/chat/completions", body, seconds)
        except ConnectionRefusedError:
            return Reply(outcome=NOT_MADE, failed=f"the llama-server at {_shown(place)} is gone", stop=True)
        except (OSError, ValueError) as error:
            outcome = "timeout" if isinstance(error, TimeoutError) else "failed"
            return Reply(outcome=outcome, failed=f"{NAME}: {_reason(error, seconds)}")
        if status == 200:
            _forms[place] = number
            return understood(text)
        if too_long := refused_as_too_long(status, text):
            raise too_long
        reply = Reply(outcome=f"error {status}", failed=f"{NAME}: HTTP {status}: {_error(text)}", stop=status in NOT_NOW)
        if status != 500:
            break
    return reply


def refused_as_too_long(status: int, text: str) -> TooLong | None:
    """What a server says of a prompt that its context does not hold."""
    if status not in (400, 500) or not TOO_LONG.search(text):
        return None
    said, details = _error(text), _object(_object(text).get("error"))
    numbers = [int(n) for n in re.findall(r"\d+", said)]
    tokens = _number(details.get("n_prompt_tokens")) or max(numbers, default=0)
    return TooLong(f"{NAME}: {said}", tokens, _number(details.get("n_ctx")) or min((n for n in numbers if n > 100), default=0))


def understood(text: str) -> Reply:
    """A completion as a Reply; one that was cut at the limit of its tokens is text that is no JSON."""
    said = _object(text)
    choices = said.get("choices")
    if not isinstance(choices, list) or not choices:
        return Reply(outcome="unreadable", failed=f"{NAME}: what it answered is no completion: {one_line(text, 120)!r}")
    choice, usage = _object(choices[0]), _object(said.get("usage"))
    content = _object(choice.get("message")).get("content")
    return Reply(None, content if isinstance(content, str) else "", _number(usage.get("prompt_tokens")),
                 _number(usage.get("completion_tokens")), outcome=CUT if choice.get("finish_reason") == "length" else "answered")


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _error(text: str) -> str:
    error = _object(text).get("error")
    said = error.get("message") if isinstance(error, dict) else error
    return one_line(str(said or text), 200) or "an error without a word"


# ---------------------------------------------------------------- HTTP

_under_way: set[socket.socket] = set()      # of calls that somebody waits for


_closed: list[bool] = []          # while it holds anything, nothing more is asked


@contextmanager
def stopping() -> Iterator[None]:
    """End the calls of other threads: whoever waits for them sees them fail; nothing is asked until this is left."""
    _closed.append(True)
    for sock in list(_under_way):
        _cut(sock)
    try:
        yield
    finally:
        _closed.pop()


def _request(place: str, method: str, path: str, body: dict[str, Any] | None, seconds: float) -> tuple[int, str]:
    """(status, text), of this server alone: no proxy, no redirect. TimeoutError when it takes longer in all, however slowly it
    drips; ConnectionError and their like when it fails."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection
    url = _split(place)
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=seconds)
    try:
        connection.connect()
        with _deadline(connection.sock, seconds):
            data = json.dumps(body).encode() if body is not None else None
            connection.request(method, url.path.rstrip("/") + path, data,
                               {"Content-Type": "application/json", "Connection": "close"})
            response = connection.getresponse()
            text = response.read(REPLY_BYTES)
            if response.length:
                raise ConnectionError("it broke off in the middle of its answer")
            return response.status, text.decode("utf-8", "replace")
    except HTTPException as error:
        raise ConnectionError(f"it broke off: {one_line(str(error), 100) or type(error).__name__}") from error
    finally:
        connection.close()


@contextmanager
def _deadline(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Cut a connection when its time is up: a socket's own timeout starts anew with every byte."""
    over = threading.Event()

    def end() -> None:
        over.set()
        _cut(sock)
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    _under_way.add(sock)
    timer.start()
    try:
        if _closed:
            raise ConnectionAbortedError("this run is being stopped")
        yield
    except Exception as error:
        if over.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
        _under_way.discard(sock)
    if over.is_set():
        raise TimeoutError


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _split(place: str) -> SplitResult:
    """ValueError for what is no URL of a server."""
    url = urlsplit(place)
    if url.scheme not in ("http", "https") or not url.hostname or url.port == 0:
        raise ValueError("it is no http URL")
    return url


def _default_port(url: SplitResult) -> int:
    return 443 if url.scheme == "https" else 80


def _shown(place: str) -> str:
    """A URL without the login that may stand in it."""
    return re.sub(r"//[^/@]*@", "//", place)


def _reason(error: Exception, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "nothing answers there"
    return one_line(str(error), 120) or type(error).__name__
