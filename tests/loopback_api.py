#!/usr/bin/env python3
"""A Messages API on loopback that answers from a script, so that the real claude CLI can be run without any model.

In a test:

    with LoopbackApi([Reply("Done.")]) as api:
        subprocess.run([claude, "-p", "hello"], env=claude_env(home, api))
    assert api.requests[0]["messages"][0]["role"] == "user"

Replies are a list, taken in order, or `reply=`, a function from the request's body to a Reply. By hand: run this file
and point ANTHROPIC_BASE_URL at the URL it prints. It needs nothing but the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STRUCTURED_TOOL = "StructuredOutput"  # what the CLI calls the tool that `--json-schema` adds
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}
ERROR_MESSAGES = {401: "invalid x-api-key", 429: "This request would exceed your rate limit."}


@dataclass(frozen=True)
class ToolUse:
    """A tool the model asks to run: its name (Bash, Read, Write, Edit...) and its input."""

    name: str
    input: dict
    id: str = field(default_factory=lambda: f"toolu_{uuid.uuid4().hex[:24]}")


@dataclass(frozen=True)
class Reply:
    """One scripted answer. `text` and `tools` make up the message; the rest is what goes wrong with it.

    status other than 200 is an API error with `text` as its message; retry_after (seconds) is its header.
    delay is waited before the first byte, in seconds; slow between two events of the stream.
    cut ends the connection in the middle of the body; hang_up ends it before any byte.
    stop_reason overrules end_turn and tool_use ("max_tokens", "refusal").
    """

    text: str = ""
    tools: tuple[ToolUse, ...] = ()
    thinking: str = ""
    status: int = 200
    retry_after: int | None = None
    delay: float = 0.0
    slow: float = 0.0
    cut: bool = False
    hang_up: bool = False
    stop_reason: str | None = None
    input_tokens: int = 1000
    output_tokens: int = 100


def use(name: str, *, say: str = "", **input: object) -> Reply:
    """A reply that asks for one tool, after an optional sentence: `use("Bash", command="ls", say="I look first.")`."""
    return Reply(say, tools=(ToolUse(name, input),))


def structured(value: dict, *, say: str = "") -> Reply:
    """A reply that answers a `--json-schema` question with `value`."""
    return Reply(say, tools=(ToolUse(STRUCTURED_TOOL, value),))


def error(status: int, message: str = "", **more: object) -> Reply:
    """An API error: 401 (bad key), 429 (rate limit), 500, 529 (overloaded)..."""
    return Reply(message or ERROR_MESSAGES.get(status, f"scripted error {status}"), status=status, **more)


def prompt_of(body: dict) -> str:
    """The text of the last user message in a request body, tool results left out; "" when there is none."""
    for message in reversed(body.get("messages", [])):
        if message.get("role") == "user":
            content = message["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            return "\n".join(block["text"] for block in blocks if block.get("type") == "text")
    return ""


# ---- what is sent, as values ------------------------------------------------------------------------------------


def content_blocks(reply: Reply) -> list[dict]:
    blocks: list[dict] = []
    if reply.thinking:
        blocks.append({"type": "thinking", "thinking": reply.thinking, "signature": "c2NyaXB0ZWQ="})
    if reply.text or not reply.tools:
        blocks.append({"type": "text", "text": reply.text})
    return blocks + [{"type": "tool_use", "id": t.id, "name": t.name, "input": t.input} for t in reply.tools]


def message(reply: Reply, model: str) -> dict:
    """The answer to a request that does not stream."""
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content_blocks(reply),
        "stop_reason": reply.stop_reason or ("tool_use" if reply.tools else "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": reply.output_tokens,
        },
    }


def deltas(block: dict) -> tuple[dict, list[dict]]:
    """A content block as a stream gives it: the empty block, then what is added to it."""
    kind = block["type"]
    if kind == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": block["text"]}]
    if kind == "thinking":
        added = [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
        return {**block, "thinking": "", "signature": ""}, added
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]


def stream_events(whole: dict) -> Iterator[dict]:
    """The same message as server-sent events."""
    start_usage = {**whole["usage"], "output_tokens": 1}
    yield {
        "type": "message_start",
        "message": {**whole, "content": [], "stop_reason": None, "usage": start_usage},
    }
    for index, block in enumerate(whole["content"]):
        empty, added = deltas(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in added:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
        "usage": whole["usage"],
    }
    yield {"type": "message_stop"}


def error_body(reply: Reply) -> dict:
    kind = ERROR_TYPES.get(reply.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": reply.text}}


# ---- the server -------------------------------------------------------------------------------------------------


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that was killed or ran out of patience is what some tests are about; anything else is a bug here.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class LoopbackApi:
    """The server, as a context manager. `url` is what ANTHROPIC_BASE_URL takes; `requests` holds every body of
    POST /v1/messages in order of arrival, `headers` the headers beside them.

    With a list, a request beyond its end is answered by an error 400 that says so (the CLI does not repeat those).
    """

    def __init__(
        self,
        replies: Iterable[Reply | str] = (),
        *,
        reply: Callable[[dict], Reply | str] | None = None,
        port: int = 0,
        on_request: Callable[[dict], None] | None = None,
    ):
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self._answer = reply or self._from_list(list(replies))
        self._on_request = on_request
        self._turn = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> LoopbackApi:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, body: dict, headers: dict[str, str]) -> Reply:
        """Remembers the request and takes the next reply; one request at a time, so that order is a fact."""
        with self._turn:
            self.requests.append(body)
            self.headers.append(headers)
            if self._on_request:
                self._on_request(body)
            reply = self._answer(body)
        return Reply(reply) if isinstance(reply, str) else reply

    def _from_list(self, replies: list[Reply | str]) -> Callable[[dict], Reply | str]:
        def next_reply(_body: dict) -> Reply | str:
            taken = len(self.requests)
            if taken > len(replies):
                return error(400, f"loopback: request {taken}, but only {len(replies)} replies are scripted")
            return replies[taken - 1]

        return next_reply


def _handler(api: LoopbackApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            """Silent: what matters is in `requests`."""

        def do_HEAD(self) -> None:
            self._headers(200, "application/json", 0)

        def do_GET(self) -> None:
            self._json(404, error_body(Reply("no such page", status=404)))

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.split("?")[0]
            try:
                body = json.loads(raw)
            except ValueError:
                self._json(400, error_body(Reply("the body is not JSON", status=400)))
                return
            if path == "/v1/messages/count_tokens":
                self._json(200, {"input_tokens": len(raw) // 4})
            elif path == "/v1/messages":
                self._reply(body, api.answer(body, dict(self.headers)))
            else:
                self._json(404, error_body(Reply(f"no such path: {path}", status=404)))

        def _reply(self, body: dict, reply: Reply) -> None:
            time.sleep(reply.delay)
            whole = message(reply, body.get("model", "loopback"))
            if reply.hang_up:
                self.close_connection = True
            elif reply.status != 200:
                self._json(reply.status, error_body(reply), reply.retry_after)
            elif body.get("stream"):
                self._stream(list(stream_events(whole)), reply)
            elif reply.cut:
                self._cut(json.dumps(whole).encode())
            else:
                self._json(200, whole)

        def _stream(self, events: list[dict], reply: Reply) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            for event in events[: len(events) // 2] if reply.cut else events:
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()
                time.sleep(reply.slow)

        def _cut(self, payload: bytes) -> None:
            self._headers(200, "application/json", len(payload))
            self.wfile.write(payload[: len(payload) // 2])
            self.close_connection = True

        def _json(self, status: int, value: dict, retry_after: int | None = None) -> None:
            payload = json.dumps(value).encode()
            self._headers(status, "application/json", len(payload), retry_after)
            self.wfile.write(payload)

        def _headers(self, status: int, kind: str, length: int, retry_after: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(length))
            if retry_after is not None:
                self.send_header("Retry-After", str(retry_after))
            self.end_headers()

    return Handler


def claude_env(home: Path | str, api: LoopbackApi | str, **more: str) -> dict[str, str]:
    """The only environment the claude CLI is ever started with here: PATH from outside, a scratch HOME, a loopback
    API. A leaked login or CLAUDE_CODE_* variable would reach a real account or hide the session it writes."""
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "ANTHROPIC_API_KEY": "dummy",
        "ANTHROPIC_BASE_URL": api if isinstance(api, str) else api.url,
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        **more,
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--reply", default="Understood.", help="what every request is answered (default: %(default)s)")
    parser.add_argument("--status", type=int, default=200, help="answer with this API error instead, e.g. 429")
    parser.add_argument("--log", type=Path, help="append every request body to this file, one JSON object a line")
    args = parser.parse_args(argv)

    def log(body: dict) -> None:
        if args.log:
            with args.log.open("a", encoding="utf-8") as out:
                out.write(json.dumps(body) + "\n")

    answer = Reply(args.reply, status=args.status)
    with LoopbackApi(reply=lambda _body: answer, port=args.port, on_request=log) as api:
        print(api.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
