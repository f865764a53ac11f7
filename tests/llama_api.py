#!/usr/bin/env python3
"""A llama-server on loopback that answers from a script, in the words of the real one (seen: 0.6.0-dev).

    with LlamaApi([json.dumps(answer)]) as api:          # taken in order, the last one again and again; or answer(body) -> reply
        monkeypatch.setenv("LLAMA_SERVER_URL", api.url)
    assert api.asked[0]["messages"][1]["content"] ...

A reply is the text a model writes, or a Trouble. `context`: tokens of one slot (about three characters each); a prompt that is
longer is refused as the real server refuses it. By hand: run this file and point LLAMA_SERVER_URL at the URL it prints.
"""
from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOADING = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
CHARACTERS_A_TOKEN = 3


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with an answer. `status`, `body`: another one than 200; `finish`: finish_reason; `delay`: seconds before the
    first byte; `drip`: seconds between two bytes of the body, `drip_head` of the head; `cut`: hangs up in the middle of the body;
    `hang_up`: before any byte; `location`: where a redirect leads."""
    text: str = ""
    status: int = 200
    body: Any = None
    finish: str = "stop"
    delay: float = 0.0
    drip: float = 0.0
    drip_head: float = 0.0
    cut: bool = False
    hang_up: bool = False
    location: str = ""


Reply = str | Trouble


class LlamaApi:
    """`asked`: bodies of the questions, in the order they came; `seen`: (method, path) of every request; `most`: how many
    questions were worked on at the same time."""

    def __init__(self, replies: Sequence[Reply] | Callable[[dict], Reply] = ("{}",), *, slots: int = 1, context: int = 8192,
                 health: int = 200, props: bool = True, python: bool = False, model: str = "/models/Tiny-1B.Q4_1.gguf"):
        self.replies, self.slots, self.context, self.health, self.props = replies, slots, context, health, props
        self.python, self.model = python, model        # python: it is llama-cpp-python's
        self.asked: list[dict] = []
        self.seen: list[tuple[str, str]] = []
        self.most = self.now = 0
        self.lock = threading.Lock()

    def __enter__(self) -> LlamaApi:
        api = self

        class Handler(_Handler):
            server_api = api

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads, self.server.block_on_close = True, False
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def stop(self) -> None:
        """The server dies: from now on its port refuses."""
        self.__exit__()

    def get(self, path: str) -> tuple[int, Any]:
        if path == "/health" and not self.python:
            return self.health, {"status": "ok"} if self.health == 200 else LOADING
        if self.health != 200:
            return self.health, LOADING
        if path == "/v1/models":
            return 200, {"object": "list", "data": [{"id": self.model, "object": "model", "owned_by": "llamacpp"}]}
        if path == "/props" and self.props and not self.python:
            return 200, {"default_generation_settings": {"n_ctx": self.context}, "total_slots": self.slots,
                         "model_path": self.model}
        return 404, {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}

    def answer(self, body: dict) -> Reply:
        tokens = sum(len(m["content"]) for m in body["messages"]) // CHARACTERS_A_TOKEN
        if tokens > self.context:
            message = f"request ({tokens} tokens) exceeds the available context size ({self.context} tokens), try increasing it"
            return Trouble(status=400, body={"error": {"code": 400, "message": message, "type": "exceed_context_size_error",
                                                       "n_prompt_tokens": tokens, "n_ctx": self.context}})
        if self.python and body["response_format"]["type"] == "json_schema":
            return Trouble(status=500, body={"error": {"message": "[{'type': 'literal_error', 'loc': ('body', 'response_format', "
                                                       "'type'), 'msg': \"Input should be 'text' or 'json_object'\"}]",
                                                       "type": "internal_server_error", "param": None, "code": None}})
        with self.lock:
            self.asked.append(body)
            number = len(self.asked)
        return self.replies(body) if callable(self.replies) else self.replies[min(number, len(self.replies)) - 1]


class _Handler(BaseHTTPRequestHandler):
    server_api: LlamaApi

    def do_GET(self) -> None:
        self.server_api.seen.append(("GET", self.path))
        self._send(*self.server_api.get(self.path), Trouble())

    def do_POST(self) -> None:
        api = self.server_api
        api.seen.append(("POST", self.path))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with api.lock:
            api.now += 1
            api.most = max(api.most, api.now)
        try:
            reply = api.answer(body)
            trouble = reply if isinstance(reply, Trouble) else Trouble(reply)
            time.sleep(trouble.delay)
        finally:
            with api.lock:
                api.now -= 1
        if trouble.hang_up:
            self.connection.close()
            return
        said = trouble.body if trouble.body is not None else {
            "choices": [{"finish_reason": trouble.finish, "index": 0, "message": {"role": "assistant", "content": trouble.text}}],
            "created": 1, "model": api.model, "object": "chat.completion", "id": "chatcmpl-1",
            "usage": {"completion_tokens": len(trouble.text) // CHARACTERS_A_TOKEN, "total_tokens": 0,
                      "prompt_tokens": sum(len(m["content"]) for m in body["messages"]) // CHARACTERS_A_TOKEN}}
        self._send(trouble.status, said, trouble)

    def _send(self, status: int, body: Any, trouble: Trouble) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        location = f"Location: {trouble.location}\r\n" if trouble.location else ""
        head = (f"HTTP/1.1 {status} Said\r\nServer: llama.cpp\r\nContent-Type: application/json; charset=utf-8\r\n{location}"
                f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n").encode()
        try:
            self._drip(head, trouble.drip_head)
            self._drip(data[:len(data) // 2] if trouble.cut else data, trouble.drip)
        except OSError:
            pass                       # whoever asked has gone
        self.close_connection = True

    def _drip(self, data: bytes, seconds: float) -> None:
        for piece in [data[n:n + 1] for n in range(len(data))] if seconds else [data]:
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(seconds)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    with LlamaApi() as running:
        print(running.url, flush=True)
        threading.Event().wait()
