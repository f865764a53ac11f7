"""The model door: one lean call of the claude CLI, budgets before it, a ledger line after it, nothing believed unseen."""
from __future__ import annotations

import wiki_lib as wl

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import wiki_budget
import wiki_disk
import wiki_model as m
from loopback_api import STRUCTURED_TOOL, LoopbackApi, Reply, ToolUse, claude_env, error, prompt_of, structured
from summaries import asking

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
SCHEMA = {"type": "object", "required": ["summary"], "additionalProperties": False,
          "properties": {"summary": {"type": "string"}}}
DRIVER = f"""
import sys; sys.path.insert(0, {str(SCRIPTS)!r})
import json, os, wiki_disk, wiki_model as m
def check(value): return "" if "retry" in value["summary"] else "the summary does not speak of the retry"
text = sys.stdin.read()
for number in range(int(os.environ.get("TIMES", "1"))):
    asked = text + f" ({{number}})" * (number > 0)      # the same question is not paid for twice
    question = m.Question("summary", "conversations/api/x.md", asked, {SCHEMA!r}, "You summarise.", str, check=check)
    try:
        answer = m.ask(question, "claude")
    except wiki_disk.WikiError as error:
        answer = type(error).__name__ + ": " + str(error)
    print(json.dumps(answer if isinstance(answer, str) else repr(answer)))
"""
# A claude that logs what it was given and prints one reply a call from replies/.
FAKE = """#!/bin/sh
n=$(ls "$HOME/calls" | wc -l)
cat > "$HOME/calls/$n"
env > "$HOME/env"
printf '%s\\n' "$@" > "$HOME/argv"
[ -f "$HOME/replies/$n" ] || n=last
cat "$HOME/replies/$n"
"""


@pytest.fixture
def ask_fake(home, fake_bin):
    """ask_fake(reply, ..., text=..., times=...): the door's answers (as printed) with a fake claude on PATH."""
    def run(*replies: dict | str, text: str = "the retry failed", times: int = 1, **env: str) -> list[str]:
        fake_bin("claude", FAKE)
        (home.path / "calls").mkdir(exist_ok=True)
        (home.path / "replies").mkdir(exist_ok=True)
        for number, reply in enumerate(replies):
            (home.path / "replies" / str(number)).write_text(reply if isinstance(reply, str) else json.dumps(reply))
        home.wiki.mkdir(exist_ok=True)
        done = subprocess.run([sys.executable, "-c", DRIVER], input=text, text=True, capture_output=True,
                              env={**home.environ, "TIMES": str(times), **env}, timeout=60)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    run.calls = lambda: [p.read_text() for p in sorted((home.path / "calls").iterdir(), key=lambda p: int(p.name))]
    return run


def said(value: object, usd: float = 0.01, **more: object) -> dict:
    return {"type": "result", "is_error": False, "result": json.dumps(value), "total_cost_usd": usd,
            "usage": {"input_tokens": 10, "output_tokens": 5}, "session_id": "abc", **more}


def ledger(home) -> list[dict]:
    return [json.loads(line) for p in (home.wiki / "reports/ledger").glob("*.jsonl") for line in p.read_text().splitlines()]


def test_an_answer_that_fits_comes_back_as_a_value_with_its_price_in_the_ledger(home, ask_fake):
    """B4: a ledger line a call. W7: the question goes in on stdin, never as an argument."""
    [answer] = ask_fake(said({"summary": "the retry"}))
    assert "'summary': 'the retry'" in answer and "claude" in answer
    [line] = ledger(home)
    assert (line["subject"], line["usd"], line["outcome"]) == ("conversations/api/x.md", 0.01, "answered")
    assert "the retry failed" in ask_fake.calls()[0] and "the retry failed" not in (home.path / "argv").read_text()


def test_a_leaked_variable_of_the_outer_session_is_not_passed_on(home, ask_fake):
    ask_fake(said({"summary": "the retry"}), CLAUDECODE="1", CLAUDE_CODE_CHILD_SESSION="1", ANTHROPIC_API_KEY="dummy", MY_OWN="x")
    passed = (home.path / "env").read_text()
    assert "CLAUDECODE" not in passed and "CHILD_SESSION" not in passed and "MY_OWN" not in passed
    assert "ANTHROPIC_API_KEY=dummy" in passed and "MAX_THINKING_TOKENS=0" in passed


def test_prose_is_asked_again_once_with_the_error_and_then_set_aside(home, ask_fake):
    """M16, M24: half a result is never written."""
    [answer] = ask_fake(said(0) | {"result": "I think so"}, said(0) | {"result": "still prose"})
    assert answer.startswith("ModelError") and "set aside" in answer
    first, second = ask_fake.calls()
    assert "not JSON" in second and "not JSON" not in first
    assert len(list((home.wiki / "context/questions/failed").iterdir())) == 1
    assert len(ledger(home)) == 2


def test_an_answer_outside_the_schema_is_repaired_by_quoting_what_is_wrong(ask_fake):
    [answer] = ask_fake(said({"summary": 3}), said({"summary": "the retry"}))
    assert "the retry" in answer and "summary" in ask_fake.calls()[1].split("could not be used")[1]


def test_the_questions_own_check_counts_like_the_schema(ask_fake):
    [answer] = ask_fake(said({"summary": "nothing"}), said({"summary": "the retry"}))
    assert "the retry" in answer and "does not speak of the retry" in ask_fake.calls()[1]


def test_a_rate_limit_stops_all_further_calls_of_the_run(home, ask_fake):
    limited = {"is_error": True, "result": "Request rejected (429)", "api_error_status": 429}
    assert all(a.startswith("Deferred") for a in ask_fake(limited, said({"summary": "the retry"}), times=3))
    assert len(ask_fake.calls()) == 1


def test_a_bad_key_fails_this_call_and_says_so(home, ask_fake):
    [answer] = ask_fake({"is_error": True, "result": "Invalid API key", "api_error_status": 401})
    assert answer.startswith("ModelError") and "Invalid API key" in answer


def test_the_budget_is_looked_at_before_the_call(home, ask_fake):
    """B4: spent means deferred, not failed."""
    home.wiki.mkdir()
    (home.wiki / "wiki.yaml").write_text("budget: {calls: 2}\n")
    answers = ask_fake(*[said({"summary": "the retry"})] * 4, times=4)
    assert [a.split("(")[0] for a in answers] == ["Answer", "Answer", "Deferred", "Deferred"]
    assert len(ask_fake.calls()) == 2


def test_another_machines_spending_counts_for_the_day(home, ask_fake):
    folder = home.wiki / "reports/ledger"
    folder.mkdir(parents=True)
    (folder / "ffffffff-2026-05.jsonl").write_text('{"time": "2026-05-04T01:00:00Z", "usd": 3.5}\n')
    [answer] = ask_fake(said({"summary": "the retry"}), WIKI_TODAY="2026-05-04")
    assert answer.startswith("Deferred") and "day's budget" in answer
    assert ask_fake.calls() == []


def test_no_claude_on_path_is_deferred(home):
    home.wiki.mkdir()
    done = subprocess.run([sys.executable, "-c", DRIVER], input="x", text=True, capture_output=True, env=home.environ)
    assert "Deferred" in done.stdout and "not on PATH" in done.stdout, done.stderr


def test_a_secret_is_taken_out_before_it_is_sent_and_after_it_comes_back(ask_fake):
    """B5: gated before and after a model."""
    key = "AKIA" + "Q3EGRTZ7WXKLMNB2"
    [answer] = ask_fake(said({"summary": f"the retry {key}"}), text=f"the key is {key}")
    assert key not in ask_fake.calls()[0] and key not in answer and "REDACTED" in answer


# ---------------------------------------------------------------- one contract for all who answer

HALLS = {"type": "object", "required": ["bullets"], "additionalProperties": False, "properties": {"bullets": {
    "type": "array", "items": {"type": "object", "required": ["hall", "cites"], "additionalProperties": False, "properties": {
        "hall": {"enum": list(wl.HALLS)}, "cites": {"type": "array", "items": {"type": "string"}, "minItems": 1}}}}}}
KNOWN = "a1b2c3d4"


def bullet(hall: str = "fact", cite: str = KNOWN) -> dict:
    return {"bullets": [{"hall": hall, "cites": [cite]}]}


def about(text: str = "The words of a session.") -> m.Question:
    def check(value: dict) -> str:
        return next((f"no message has the id {c}" for b in value["bullets"] for c in b["cites"] if c != KNOWN), "")
    return m.Question("halls", "conversations/api/2026-04-12-x-a1b2c3d4.md", text, HALLS, "You sort.", str, check=check)


class Backend:
    """A backend that says what it is told to, in order; `asked`: the texts of the questions it was asked."""

    def __init__(self, name: str, replies: list[dict | str]):
        self.name, self.replies, self.asked = name, replies, []

    def next(self, asked: str) -> dict | str:
        self.asked.append(asked)
        return self.replies[min(len(self.asked), len(self.replies)) - 1]

    def ask(self, question: m.Question) -> m.Answer | m.Deferred:
        return m.ask(question, self.name)


class FakeClaude(Backend):
    def __init__(self, home, replies: list[dict | str]):
        self.name, self.calls = "claude", home.path / "calls"
        for folder in ("calls", "replies"):
            (home.path / folder).mkdir()
        for name, reply in [*enumerate(replies), ("last", replies[-1])]:
            text = json.dumps(said(reply) if isinstance(reply, dict) else said(0) | {"result": reply})
            (home.path / "replies" / str(name)).write_text(text)

    @property
    def asked(self) -> list[str]:
        return [p.read_text() for p in sorted(self.calls.iterdir(), key=lambda p: int(p.name))]


@contextlib.contextmanager
def a_fake_claude(home, fake_bin, monkeypatch, claude_cli, replies) -> Iterator[Backend]:
    fake_bin("claude", FAKE)
    yield FakeClaude(home, replies)


@contextlib.contextmanager
def the_real_claude(home, fake_bin, monkeypatch, claude_cli, replies) -> Iterator[Backend]:
    backend = Backend("claude", replies)
    (home.bin / "claude").symlink_to(claude_cli)

    def reply(body: dict) -> Reply:
        said = backend.next(prompt_of(body))
        return structured(said) if isinstance(said, dict) else Reply(said)
    with LoopbackApi(reply=reply) as api:
        for name, value in claude_env(home.path, api).items():
            monkeypatch.setenv(name, value if name != "PATH" else os.environ["PATH"])
        yield backend


@contextlib.contextmanager
def a_llama_server(home, fake_bin, monkeypatch, claude_cli, replies) -> Iterator[Backend]:
    backend = Backend("llama-server", replies)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Silent."""

        def give(self, value: object) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.give({"/health": {"status": "ok"}, "/v1/models": {"data": [{"id": "tiny"}]}}.get(self.path, {"total_slots": 2}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = backend.next(body["messages"][-1]["content"])
            self.give({"choices": [{"message": {"content": reply if isinstance(reply, str) else json.dumps(reply)},
                                    "finish_reason": "stop"}], "usage": {"prompt_tokens": 10, "completion_tokens": 5}})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    monkeypatch.setenv("LLAMA_SERVER_URL", f"http://127.0.0.1:{server.server_address[1]}")
    yield backend
    server.shutdown()
    server.server_close()


class AnAgent(Backend):
    """An interactive session that answers the questions which it finds between two runs."""

    def ask(self, question: m.Question) -> m.Answer | m.Deferred:
        from model_backends import agent
        for _ in range(6):
            answer = m.ask(question, "agent")
            waiting = agent.waiting(wl.Wiki().root)
            if not isinstance(answer, m.Deferred) or not waiting:
                return answer
            reply = self.next(waiting[0].read_text())
            waiting[0].with_suffix(".answer.json").write_text(reply if isinstance(reply, str) else json.dumps(reply))
        return answer


@contextlib.contextmanager
def an_agent(home, fake_bin, monkeypatch, claude_cli, replies) -> Iterator[Backend]:
    yield AnAgent("agent", replies)


@pytest.fixture(params=[a_fake_claude, a_llama_server, an_agent, pytest.param(the_real_claude, marks=pytest.mark.real)])
def answering(request, home, fake_bin, monkeypatch) -> Callable[..., contextlib.AbstractContextManager[Backend]]:
    """`with answering(reply, ...) as backend: backend.ask(question)`, for each backend that can be made to say it."""
    home.wiki.mkdir(exist_ok=True)
    cli = request.getfixturevalue("claude_cli") if request.param is the_real_claude else None
    return lambda *replies: request.param(home, fake_bin, monkeypatch, cli, list(replies))


def failed(home) -> list[Path]:
    return sorted((home.wiki / "context/questions/failed").glob("*"))


def test_whoever_answers_a_right_answer_is_a_value_with_one_ledger_line(home, answering):
    """M16"""
    with answering(bullet()) as backend:
        answer = backend.ask(about())
    assert (answer.value, answer.backend) == (bullet(), backend.name) and len(backend.asked) == 1
    [line] = ledger(home)
    assert (line["backend"], line["subject"], line["outcome"]) == (backend.name, about().subject, "answered")
    assert {"time", "script", "model", "input_tokens", "output_tokens", "usd", "seconds"} <= set(line)


WRONG = {"hall": bullet("gossip"), "id": bullet(cite="00000000"), "prose": "I think it was a fact.",
         "cut": '{"bullets": [{"hall": "fa'}
WHY = {"hall": "must be one of", "id": "no message has the id 00000000", "prose": "not JSON", "cut": "not JSON"}


@pytest.mark.parametrize("wrong, why", [(WRONG[name], why) for name, why in WHY.items()], ids=list(WHY))
def test_whoever_answers_what_is_wrong_is_asked_again_once_with_the_error(home, answering, wrong, why):
    """M16, M17: an unknown hall, an id that does not exist, prose, half an object."""
    with answering(wrong, bullet()) as backend:
        answer = backend.ask(about())
    assert answer.value == bullet() and not failed(home)
    first, second = backend.asked
    assert why in second and why not in first


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_whoever_answers_wrong_twice_is_set_aside_reported_and_not_asked_again(home, answering, wrong):
    """M17: never renamed to something else. Asked anew where the file is deleted, or the question is another one."""
    with answering(wrong) as backend:
        with pytest.raises(wl.ModelError, match="set aside"):
            backend.ask(about())
        [aside] = failed(home)
        again = backend.ask(about())
        assert isinstance(again, m.Deferred) and not again.all and aside.name in again.reason and len(backend.asked) == 2
        with pytest.raises(wl.ModelError):
            backend.ask(about("Other words."))
        aside.unlink()
        with pytest.raises(wl.ModelError):
            backend.ask(about("Other words."))
    assert len(backend.asked) == 6 and len(ledger(home)) == 6


def test_whoever_answers_no_secret_goes_out_or_comes_in(home, answering):
    """B5"""
    key = "AKIA" + "Q3EGRTZ7WXKLMNB2"
    with answering(bullet(cite=key), bullet()) as backend:
        backend.ask(about(f"the key is {key}"))
    everything = [p.read_text(errors="replace") for p in (*home.wiki.rglob("*"), *home.cache.rglob("*")) if p.is_file()]
    assert not any(key in text for text in (*backend.asked, *everything))


def test_whoever_answered_is_not_asked_the_same_again(home, answering):
    """M18: what was paid for is kept."""
    with answering(bullet()) as backend:
        assert backend.ask(about()).value == backend.ask(about()).value == bullet()
    assert len(backend.asked) == 1 == len(ledger(home))


def test_what_was_set_aside_is_gone_when_its_changed_question_is_answered(home, answering):
    with answering("prose", "prose", bullet()) as backend:
        with pytest.raises(wl.ModelError):
            backend.ask(about())
        assert failed(home) and backend.ask(about("The session has grown.")).value == bullet()
    assert not failed(home)


def test_without_a_model_the_material_alone_is_answered_and_no_ledger_is_written(home):
    """M16: extractive reads the material, never a prompt."""
    home.wiki.mkdir()

    @m.extractive("halls")
    def halls(material: str) -> dict:
        return {"said": material}
    answer = m.ask(about("words"), "extractive")
    assert (answer.value, answer.by) == ({"said": "words"}, "extractive") and ledger(home) == []


def test_an_unknown_backend_is_named(home):
    with pytest.raises(wl.WikiError, match="one of claude, llama-server, agent, extractive"):
        m.ask(about(), "gpt")


# ---------------------------------------------------------------- answers that were paid for

@pytest.fixture
def one_answer(home, fake_bin, monkeypatch):
    """A fake claude that gives one right answer after another."""
    home.wiki.mkdir(exist_ok=True)
    with a_fake_claude(home, fake_bin, monkeypatch, None, [bullet()] * 3):
        yield lambda: m.ask(about(), "claude")


def calls(home) -> int:
    return len(list((home.path / "calls").iterdir()))


def test_a_kept_answer_that_does_not_parse_is_set_aside_said_and_paid_for_once_more(home, one_answer, capsys):
    """W8: paid work is never silently redone."""
    one_answer()
    [kept] = m.answers_dir().iterdir()
    kept.write_text('{"value": {"bul')
    assert one_answer().value == bullet() and calls(home) == 2
    assert "does not parse; set aside" in capsys.readouterr().err
    assert sorted(p.suffix for p in m.answers_dir().iterdir())[1] == ".json" and len(list(m.answers_dir().iterdir())) == 2


def test_answers_are_kept_for_two_months(home, one_answer):
    one_answer()
    [kept] = m.answers_dir().iterdir()
    m.forget_old_answers()
    assert kept.exists()
    os.utime(kept, (time.time() - 61 * 86_400,) * 2)
    m.forget_old_answers()
    assert not kept.exists()


def test_who_is_killed_between_the_answer_and_the_ledger_pays_once_and_says_so_later(home, one_answer, monkeypatch):
    """M18, B4"""
    def killed(record: dict) -> None:
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(wiki_budget, "enter", killed)
        with pytest.raises(KeyboardInterrupt):
            one_answer()
    assert ledger(home) == []
    assert one_answer().value == one_answer().value == bullet()
    assert calls(home) == 1 == len(ledger(home))


def test_the_first_answer_is_mended_where_the_second_is_none(home, fake_bin, monkeypatch):
    def mend(value: dict) -> dict:
        return {"bullets": []}
    home.wiki.mkdir()
    with a_fake_claude(home, fake_bin, monkeypatch, None, [bullet(cite="00000000"), "Sorry."]):
        q = about()
        answer = m.ask(m.Question(q.kind, q.subject, q.material, q.schema, q.system, str, check=q.check, mend=mend), "claude")
    assert answer.value == {"bullets": []} and not failed(home)


def test_a_dry_run_and_a_paused_wiki_ask_nothing(home, one_answer, monkeypatch):
    """D8"""
    monkeypatch.setattr(wiki_disk, "DRY_RUN", True)
    assert "dry run" in one_answer().reason
    monkeypatch.setattr(wiki_disk, "DRY_RUN", False)
    (home.wiki / "wiki.yaml").write_text("paused: true\n")
    wiki_disk.config.cache_clear()
    assert "paused" in one_answer().reason and calls(home) == 0


# ---------------------------------------------------------------- who hangs, dies, or is stopped

def processes(home) -> list[str]:
    """What runs in this test's HOME; [] where the system does not say."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"HOME={home.path}\0".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text())
    return found


@pytest.mark.parametrize("body", [
    "sleep 60", "sleep 60 & wait", "trap '' TERM; sleep 60; sleep 60", "exit 1", "kill -9 $$", "echo '{\"type\": \"res'",
    "echo '[]'", "echo '{\"is_error\": true, \"total_cost_usd\": NaN, \"usage\": [], \"result\": 7}'; exit 1"])
def test_a_claude_that_hangs_or_dies_costs_this_call_alone_and_is_gone(home, fake_bin, body):
    """M16: within the timeout, no process left behind."""
    home.wiki.mkdir()
    (home.wiki / "wiki.yaml").write_text("models: {timeout: 0.4}\n")
    fake_bin("claude", f"#!/bin/sh\ncat > /dev/null\n{body}\n")
    began = time.monotonic()
    for _ in range(2):      # the run goes on
        with pytest.raises(wl.ModelError):
            m.ask(about(), "claude")
    assert time.monotonic() - began < 8 and processes(home) == [] and not failed(home)
    assert len(ledger(home)) == 2 and all(line["usd"] == 0 for line in ledger(home))
    assert wiki_budget.spending.spent.usd < 0.1


STOPPED = f"""
import sys; sys.path.insert(0, {str(SCRIPTS)!r})
import wiki_lib as wl
def work(n):
    try:
        return wl.ask(wl.Question("x", f"c/{{n}}.md", f"words {{n}}", {SCHEMA!r}, "S", str), "claude")
    except wl.ModelError as error:
        return error
def main():
    for n, _ in wl.side_by_side(work, range(50), int(sys.argv[1]), "claude"):
        print(n, flush=True)
wl.run(main)
"""


@pytest.mark.parametrize("sign, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("jobs", [1, 4])
def test_who_is_stopped_leaves_no_call_behind(home, fake_bin, sign, status, jobs):
    """^C and SIGTERM, with calls under way: at once, no traceback, every call in the ledger."""
    fake_bin("claude", '#!/bin/sh\ncat > /dev/null\necho >> "$HOME/count"\nexec sleep 60\n')
    home.wiki.mkdir()
    # A shell's background job ignores ^C, and hands that on: the suite may run as one.
    process = subprocess.Popen([sys.executable, "-c", STOPPED, str(jobs)], env=home.environ, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (not (home.path / "count").exists()
                                           or (home.path / "count").read_text().count("\n") < jobs):
        time.sleep(0.02)
    process.send_signal(sign)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (status, "", "") and processes(home) == []
    assert len(ledger(home)) == jobs == (home.path / "count").read_text().count("\n")


def test_calls_side_by_side_are_made_side_by_side(home, fake_bin):
    fake_bin("claude", f"#!/bin/sh\ncat > /dev/null\nsleep 1\necho '{json.dumps(said({'summary': 'x'}))}'\n")
    home.wiki.mkdir()

    def work(number: int) -> m.Answer | m.Deferred:
        return m.ask(m.Question("x", f"c/{number}.md", f"words {number}", SCHEMA, "S", str), "claude")
    began = time.monotonic()
    found = dict(m.side_by_side(work, range(4), 4, "claude"))
    assert time.monotonic() - began < 1.5
    assert sorted(found) == [0, 1, 2, 3] and all(isinstance(a, m.Answer) for a in found.values()) and len(ledger(home)) == 4


def test_the_same_question_asked_side_by_side_is_paid_for_once(home, fake_bin):
    fake_bin("claude", f"#!/bin/sh\ncat > /dev/null\nsleep 0.2\necho '{json.dumps(said({'summary': 'x'}))}'\n")
    home.wiki.mkdir()
    same = m.Question("x", "c/1.md", "words", SCHEMA, "S", str)
    assert all(isinstance(a, m.Answer) for _, a in m.side_by_side(lambda _: m.ask(same, "claude"), range(4), 4, "claude"))
    assert len(ledger(home)) == 1


# ---------------------------------------------------------------- the real CLI

@pytest.fixture
def ask_real(home, claude_cli):
    """ask_real(api, text): the door's answers with the real claude CLI against a loopback API, and canaries in the way."""
    def run(api: LoopbackApi | str, text: str = "the retry failed", times: int = 1) -> list[str]:
        (home.bin / "claude").unlink(missing_ok=True)
        (home.bin / "claude").symlink_to(claude_cli)
        home.wiki.mkdir(exist_ok=True)
        home.claude.mkdir(exist_ok=True)
        (home.claude / "CLAUDE.md").write_text("CANARY-HOME")
        (home.path / "CLAUDE.md").write_text("CANARY-CWD")
        lines = {**home.environ, **claude_env(home.path, api), "PATH": home.environ["PATH"]}
        done = subprocess.run([sys.executable, "-c", DRIVER], input=text, text=True, capture_output=True, timeout=100,
                              env={**lines, "TIMES": str(times)}, cwd=home.path)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]
    return run


def test_the_real_cli_sends_a_lean_request_and_leaves_no_session(home, ask_real):
    """M9 (source side): the real claude CLI through ask(); one schema tool, no canary, no session file."""
    with LoopbackApi(reply=lambda body: structured({"summary": "the retry waits"})) as api:
        [answer] = ask_real(api)
    assert "the retry waits" in answer
    [body] = [b for b in api.requests if "<memex-question>" in prompt_of(b)]
    size = len(json.dumps({k: v for k, v in body.items() if k not in ("messages", "system")}).encode())
    assert size <= 2500 and len(body.get("tools") or []) <= 1
    assert "CANARY" not in json.dumps(body) and "You summarise." in json.dumps(body["system"])
    assert not list(home.claude.rglob("*.jsonl")), "a session file was left behind: it would be mined next"


def test_the_real_cli_takes_a_question_of_300_kb(ask_real):
    """W7: over the limit of an argument."""
    with LoopbackApi(reply=lambda body: structured({"summary": "the retry"})) as api:
        [answer] = ask_real(api, text="retry " * 50_000)
    assert answer.startswith("Answer") and len(prompt_of(api.requests[-1])) > 290_000


def test_a_real_request_for_a_summary_is_lean(home, claude_cli, fake_bin, monkeypatch):
    """M16: at most 2.5 KB beside the question and our system prompt, which is under 6 KB; no tool but the schema's."""
    home.wiki.mkdir()
    prompts = asking.Prompts.read(SCRIPTS / "prompts", "summarize.md")
    reply = {"title": "x", "summary": "x", "bullets": [], "topics": []}
    for system in (prompts.summarise, prompts.join):
        q = m.Question("summarise", "c/x.md", f"Words. {len(system)}", asking.SCHEMA, system, str)
        (home.bin / "claude").unlink(missing_ok=True)
        with (the_real_claude(home, fake_bin, monkeypatch, claude_cli, [reply]),
              LoopbackApi(reply=lambda _: structured(reply)) as api):
            monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
            assert m.ask(q, "claude").value == reply
        [body] = api.requests
        size = lambda o: len(json.dumps(o, ensure_ascii=False, separators=(",", ":")).encode())      # noqa: E731
        assert size(body) - size(body["messages"]) - size(body["system"]) <= 2500 and size(body["system"]) <= 6_000
        assert size(body["messages"]) < len(m.marked(q.material)) + 1_000 and len(body["tools"]) == 1


CUT_OFF = Reply('{"summary": "the ret', stop_reason="max_tokens")
TROUBLES = {
    "prose": (Reply("just prose"), "ModelError", 2),
    "cut JSON": (Reply('{"summary": "the ret'), "ModelError", 2),
    "out of tokens": (CUT_OFF, "ModelError", None),
    "a wrong type": (structured({"summary": 3}), "ModelError", 2),
    "no such tool": (Reply(tools=(ToolUse("Bash", {"command": "id"}),)), "ModelError", None),
    "refused": (Reply("No.", stop_reason="refusal"), "ModelError", None),
    "401": (error(401, "invalid x-api-key"), "ModelError", None),
    "500": (error(500), "ModelError", None),
    "529": (error(529), "ModelError", None),
    "429": (error(429, "slow down"), "Deferred", None),
    "cut off": (Reply("x", cut=True), "ModelError", None),
    "hung up": (Reply(hang_up=True), "ModelError", None),
    "slow": (Reply("x", delay=30), "ModelError", None),
}


@pytest.mark.parametrize("name", list(TROUBLES))
def test_what_the_real_cli_makes_of_trouble_ends_as_the_contract_says(home, ask_real, name):
    """M16: each within the timeout, with no process and no session file left behind and no traceback; what a model was asked in
    vain twice is set aside, what failed for another reason is not."""
    reply, outcome, requests = TROUBLES[name]
    home.wiki.mkdir()
    (home.wiki / "wiki.yaml").write_text("models: {timeout: 12}\n")
    began = time.monotonic()
    with LoopbackApi(reply=lambda body: reply) as api:
        [answer] = ask_real(api)
        assert time.monotonic() - began < 30
        assert answer.startswith(outcome) and processes(home) == []
    assert requests in (None, len(api.requests))
    assert bool(failed(home)) == (name in ("prose", "cut JSON", "out of tokens", "a wrong type", "no such tool"))
    assert not list(home.claude.rglob("*.jsonl"))
    assert all(line["session"] for line in ledger(home))
    if name == "a wrong type":      # what the CLI does not account for
        assert all(line["usd"] > 0 and line["input_tokens"] == 1000 for line in ledger(home))


def test_a_real_cli_without_anybody_to_reach_or_a_login_ends_as_the_contract_says(home, ask_real, claude_cli, monkeypatch):
    """M16"""
    [answer] = ask_real("http://127.0.0.1:9")
    assert answer.startswith("ModelError") and processes(home) == []
    nobody = {k: v for k, v in home.environ.items() if not k.startswith("ANTHROPIC")} | {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "TIMES": "2", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    done = subprocess.run([sys.executable, "-c", DRIVER], input="x", text=True, capture_output=True, timeout=60, env=nobody)
    assert [json.loads(line).split("(")[0] for line in done.stdout.splitlines()] == ["Deferred"] * 2, done.stdout + done.stderr
    assert "login" in done.stdout and processes(home) == []


def test_a_prompt_that_is_too_long_for_the_real_cli_is_no_failure_of_the_answer(home, ask_real):
    """M15: it is asked about in pieces."""
    with LoopbackApi(reply=lambda body: error(400, "prompt is too long: 210000 tokens > 200000 maximum")) as api:
        [answer] = ask_real(api)
    assert answer.startswith("TooLong") and not failed(home)
    [line] = ledger(home)
    assert (line["outcome"], line["usd"]) == ("too long", 0)


def test_an_answer_that_the_real_cli_refuses_is_mended_by_one_repair(home, ask_real):
    """M16: two requests, the second of which says what was wrong."""
    replies = iter([structured({"summary": 3}), structured({"summary": "the retry"})])
    with LoopbackApi(reply=lambda body: next(replies)) as api:
        [answer] = ask_real(api)
    assert "the retry" in answer and "data.summary must be string" in prompt_of(api.requests[1])
    assert {tool["name"] for body in api.requests for tool in body["tools"]} == {STRUCTURED_TOOL}
