"""llama-server: found at once or not at all, asked by its schema, believed in nothing, waited for no longer than was said."""
from __future__ import annotations

import wiki_lib as wl

import json
import re
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import llama_real
import pytest
import wiki_model as m
from conftest import NOWHERE, SCRIPTS
from llama_api import LlamaApi, Trouble
from model_backends import llama_server as server
from sessions import Claude

SCHEMA = {"type": "object", "required": ["summary"], "additionalProperties": False,
          "properties": {"summary": {"type": "string", "maxLength": 4000}}}
GOOD = json.dumps({"summary": "the retry failed"})


@pytest.fixture
def ask(home, monkeypatch):
    """ask(api, text): what the door gives for a question put to this server."""
    home.wiki.mkdir()

    def run(api: LlamaApi | str, text: str = "the retry failed", subject: str = "conversations/api/x.md") -> m.Answer | m.Deferred:
        monkeypatch.setenv("LLAMA_SERVER_URL", api if isinstance(api, str) else api.url)
        return m.ask(m.Question("summary", subject, text, SCHEMA, "You summarise.", str), "llama-server")
    monkeypatch.setattr(m.budget, "spending", m.budget.Spending())
    return run


def ledger(home) -> list[dict]:
    return [json.loads(line) for p in (home.wiki / "reports/ledger").glob("*.jsonl") for line in p.read_text().splitlines()]


# ---------------------------------------------------------------- where it is

def test_the_server_that_is_named_is_asked_with_or_without_scheme_and_v1(home, monkeypatch):
    with LlamaApi() as api:
        host = api.url.removeprefix("http://")
        for named in (api.url, f"{api.url}/", f"{api.url}/v1", f"{host}/v1/", host):
            monkeypatch.setenv("LLAMA_SERVER_URL", named)
            server._found.cache_clear()
            assert server.unready() == "" and server.base_url().endswith(host)


@pytest.mark.parametrize(("named", "why"), [
    (NOWHERE, "nothing answers there"), ("http://", "it is no http URL"), ("ftp://127.0.0.1", "it is no http URL"),
    ("http://127.0.0.1:99999", "Port out of range"), ("http://no.such.host.invalid:8080", "")])
def test_a_named_server_that_does_not_answer_is_said_with_its_name_and_why(home, ask, named, why):
    answer = ask(named)
    assert isinstance(answer, m.Deferred) and "LLAMA_SERVER_URL" in answer.reason and why in answer.reason
    assert ledger(home) == []


def test_a_login_in_the_url_is_never_printed(ask):
    assert "s3cret" not in ask("http://me:s3cret@127.0.0.1:9").reason


def test_a_server_that_is_still_loading_its_model_is_left_for_the_next_run(home, ask):
    with LlamaApi(health=503) as api:
        answer = ask(api)
        assert isinstance(answer, m.Deferred) and answer.all and "loading" in answer.reason
        assert api.asked == [] and ledger(home) == []


def test_llama_cpp_pythons_server_has_no_health_and_another_way_to_name_a_schema(ask):
    """components.md: /v1/models instead, and json_schema is an error 500, json_object with a schema works."""
    with LlamaApi([GOOD], python=True) as api:
        assert ask(api).value == {"summary": "the retry failed"}
        assert ask(api, "the second").value == {"summary": "the retry failed"}
        assert [a["response_format"]["type"] for a in api.asked] == ["json_object", "json_object"]
        assert sum(method == "POST" for method, _ in api.seen) == 3      # it was refused once, not each time


@pytest.fixture
def at_8080(monkeypatch):
    """at_8080(api): nobody is named, and this server stands for localhost:8080."""
    monkeypatch.delenv("LLAMA_SERVER_URL")
    monkeypatch.setattr(server, "windows_host", lambda: "")
    return lambda url: monkeypatch.setattr(server, "LOCAL", url)


def test_nobody_at_port_8080_costs_no_more_than_a_moment(home, at_8080):
    at_8080(NOWHERE)
    begun = time.perf_counter()
    assert server.unready() == "no llama-server answers at localhost:8080"
    assert time.perf_counter() - begun < 0.05


def test_another_program_at_port_8080_is_never_given_a_transcript(home, at_8080):
    """Port 8080 is many a web application's; one that says 200 to everything is no model."""
    class Application(LlamaApi):
        def get(self, path):
            return 200, {"status": "ok"}
    with Application() as api:
        at_8080(api.url)
        assert server.unready() == "no llama-server answers at localhost:8080"
        assert [method for method, _ in api.seen] == ["GET", "GET"]
    with LlamaApi() as api:
        server._found.cache_clear()
        at_8080(api.url)
        assert server.unready() == "" and server.base_url() == api.url


def test_a_port_that_never_answers_holds_a_run_up_for_no_longer_than_was_said(home, at_8080, monkeypatch):
    monkeypatch.setattr(server, "READY_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at_8080(f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.perf_counter()
        assert server.unready() and time.perf_counter() - begun < 2


def test_under_wsl_the_windows_host_is_the_way_out_of_the_virtual_network(tmp_path):
    release, routes = tmp_path / "osrelease", tmp_path / "route"
    release.write_text("5.15.167.4-microsoft-standard-WSL2\n")
    routes.write_text("Iface\tDestination\tGateway\tFlags\neth0\t0000C8AC\t00000000\t0001\neth0\t00000000\t01C8ACAC\t0003\n")
    assert server.windows_host(str(release), str(routes)) == "172.172.200.1"
    release.write_text("6.1.0-18-amd64\n")
    assert server.windows_host(str(release), str(routes)) == ""
    assert server.windows_host(str(tmp_path / "none"), str(routes)) == ""


def test_without_a_named_server_the_windows_hosts_8081_comes_second(home, at_8080, monkeypatch):
    at_8080(NOWHERE)
    with LlamaApi() as api:
        monkeypatch.setattr(server, "WINDOWS_PORT", int(api.url.rpartition(":")[2]))
        monkeypatch.setattr(server, "windows_host", lambda: "127.0.0.1")
        assert server.base_url() == api.url


# ---------------------------------------------------------------- what is asked

def test_a_question_goes_out_with_its_schema_and_comes_back_with_its_tokens(home, ask):
    """M16: one schema serves validation and response_format."""
    with LlamaApi([GOOD], context=8192) as api:
        answer = ask(api)
    [body] = api.asked
    assert answer.by == "llama-server/Tiny-1B.Q4_1"
    assert [x["role"] for x in body["messages"]] == ["system", "user"] and body["messages"][0]["content"] == "You summarise."
    assert m.QUESTION_MARK in body["messages"][1]["content"] and body["max_tokens"] == 2048
    form = body["response_format"]
    assert form["type"] == "json_schema" and form["json_schema"]["schema"]["required"] == ["summary"]
    [line] = ledger(home)
    assert (line["backend"], line["outcome"], line["usd"]) == ("llama-server", "answered", 0.0) and line["input_tokens"] > 10


def test_no_grammar_is_asked_to_count_beyond_what_every_llama_cpp_can():
    from summaries.asking import SCHEMA as whole
    text = json.dumps(server.countable(whole))
    assert max(int(n) for n in re.findall(r'"max\w+": (\d+)', text)) == server.MOST_REPEATS
    assert json.loads(text)["properties"].keys() == whole["properties"].keys()


def test_a_small_context_keeps_most_of_itself_for_the_prompt(ask):
    with LlamaApi([GOOD], context=3000) as api:
        ask(api)
    assert api.asked[0]["max_tokens"] == 1000


def test_neither_a_proxy_nor_a_redirect_leads_a_transcript_away(ask, monkeypatch):
    with LlamaApi([GOOD]) as elsewhere, LlamaApi([Trouble(status=302, location=f"{elsewhere.url}/v1/chat/completions")]) as api:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, elsewhere.url)
        with pytest.raises(wl.ModelError, match="HTTP 302"):
            ask(api)
        assert elsewhere.seen == []


# ---------------------------------------------------------------- what goes wrong

def test_an_answer_that_was_cut_off_is_asked_for_once_more_and_then_set_aside(home, ask):
    """components.md: max_tokens reached is a 200 with cut JSON: invalid, never half a result."""
    cut = Trouble(GOOD[:14], finish="length")
    with LlamaApi([cut, cut, GOOD]) as api:
        with pytest.raises(wl.ModelError, match="set aside"):
            ask(api)
        assert len(api.asked) == 2 and [x["outcome"] for x in ledger(home)] == ["cut", "cut"]
        assert len(list((home.wiki / "context/questions/failed").iterdir())) == 1


def test_prose_is_repaired_by_saying_what_was_wrong(ask):
    with LlamaApi(["I think it failed.", GOOD]) as api:
        assert ask(api).value == {"summary": "the retry failed"}
        assert "not JSON" in api.asked[1]["messages"][1]["content"]


@pytest.mark.parametrize(("reply", "why"), [
    (Trouble(status=500, body={"error": {"message": "CUDA out of memory"}}), "CUDA out of memory"),
    (Trouble(body="<html>It works!</html>"), "no completion"), (Trouble(body=""), "no completion"),
    (Trouble(body='{"choices": []}'), "no completion"), (Trouble(body='{"choices": [7], "usage": 3}'), "not JSON"),
    (Trouble(body="[" * 100_000), "no completion"), (Trouble(body='{"choices": [{"message": {"content": null}}]}'), "not JSON"),
    (Trouble(hang_up=True), "broke off|Remote end closed|reset"), (Trouble(GOOD, cut=True), "broke off"),
    (Trouble(status=400, body={"error": {"message": "bad grammar", "type": "invalid_request_error"}}), "bad grammar"),
    (Trouble(status=200, body="\x00\xff" * 50), "no completion")])
def test_a_call_that_fails_fails_alone_and_says_why(home, ask, reply, why):
    with LlamaApi([reply]) as api:
        with pytest.raises(wl.ModelError, match=why):
            ask(api)
        api.replies = [GOOD]
        assert ask(api, "another question").value == {"summary": "the retry failed"}
        assert all(x["backend"] == "llama-server" for x in ledger(home))


@pytest.mark.parametrize("reply", [
    Trouble(status=503, body={"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}),
    Trouble(status=429, body="slow down"), Trouble(status=401, body={"error": {"message": "Invalid API Key"}}),
    Trouble(status=404, body="nothing here")])
def test_what_would_be_said_to_every_question_ends_the_runs_asking(ask, reply):
    with LlamaApi([reply]) as api:
        answers = [ask(api, f"question {n}") for n in range(3)]
        assert all(isinstance(a, m.Deferred) and a.all for a in answers) and len(api.asked) == 1


def test_a_server_that_dies_leaves_the_rest_for_the_next_run(home, ask):
    with LlamaApi([GOOD]) as api:
        assert isinstance(ask(api), m.Answer)
        api.stop()
        answers = [ask(api, f"question {n}") for n in range(3)]
    assert all(isinstance(a, m.Deferred) and "gone" in a.reason for a in answers)
    assert len(ledger(home)) == 1


@pytest.mark.parametrize("reply", [Trouble(delay=5), Trouble(GOOD, drip=0.05), Trouble(GOOD, drip_head=0.05)])
def test_one_deadline_holds_over_all_however_slowly_it_drips(home, ask, monkeypatch, reply):
    monkeypatch.setattr(server, "TIMEOUT_SECONDS", 0.4)
    with LlamaApi([reply]) as api:
        begun = time.monotonic()
        with pytest.raises(wl.ModelError, match="no answer within 0.4 s"):
            ask(api)
        assert time.monotonic() - begun < 2
    assert ledger(home)[0]["outcome"] == "timeout"


def test_a_prompt_that_is_too_long_is_told_apart_with_its_numbers(home, ask):
    """components.md: 400 exceed_context_size_error with n_prompt_tokens and n_ctx."""
    with LlamaApi([GOOD], context=1000) as api:
        with pytest.raises(wl.TooLong) as caught:
            ask(api, "word " * 2000)
    assert (caught.value.tokens, caught.value.most) == (pytest.approx(3400, rel=0.1), 1000)
    assert [x["outcome"] for x in ledger(home)] == ["too long"]


def test_other_servers_words_for_too_long_are_understood():
    for said in ("This model's maximum context length is 2048 tokens. However, you requested 6096 tokens",
                 "the request exceeds the available context size. try increasing the context size or enable context shift",
                 "Requested tokens (6096) exceed context window of 2048"):
        error = server.refused_as_too_long(400, json.dumps({"error": {"message": said}}))
        assert error and (error.tokens, error.most) in ((6096, 2048), (0, 0))
    assert server.refused_as_too_long(400, '{"error": {"message": "bad grammar"}}') is None


# ---------------------------------------------------------------- side by side

@pytest.mark.parametrize("slots", [1, 2])
def test_no_more_is_asked_at_a_time_than_the_server_has_slots(home, ask, monkeypatch, slots):
    with LlamaApi(lambda body: Trouble(GOOD, delay=0.05), slots=slots) as api:
        monkeypatch.setenv("LLAMA_SERVER_URL", api.url)
        work = list(m.side_by_side(lambda n: ask(api, f"question {n}"), range(6), 8, "llama-server"))
        assert len(work) == 6 and all(isinstance(answer, m.Answer) for _, answer in work)
        assert len(api.asked) == 6 and api.most == slots


def test_what_is_under_way_ends_with_the_run_that_asked(home, ask, monkeypatch):
    with LlamaApi([GOOD, Trouble(GOOD, delay=30)], slots=2) as api:
        def work(n: int) -> object:
            try:
                return ask(api, f"question {n}")
            except wl.ModelError as error:
                return error
        monkeypatch.setenv("LLAMA_SERVER_URL", api.url)
        begun = time.monotonic()
        for _ in m.side_by_side(work, range(4), 2, "llama-server"):
            break                      # the caller has seen enough
        assert time.monotonic() - begun < 5
        assert threading.active_count() < 20


# ---------------------------------------------------------------- the whole program

def summary_of(body: dict) -> str:
    """What a capable model would say: cites that exist, words that stand there."""
    text = body["messages"][1]["content"]
    if "Found in the parts" in text:
        cites = re.findall(r"\[#([0-9a-f]{8})\]", text)
    else:
        cites = re.findall(r"^### Assistant · .*#([0-9a-f]{8})$", text, re.M)
    bullets = [{"hall": "fact", "text": "The nightly export of the ledger stood still.", "cites": [c]} for c in cites[:12]]
    return json.dumps({"title": "Nightly export", "summary": "The export stood still.", "topics": ["export"], "bullets": bullets})


def long_session(home, said: int = 60) -> None:
    chat = Claude(home.claude, "api")
    for number in range(said):
        chat.user(f"Question {number}?").assistant(f"The nightly export of the ledger stood still, {number}. " + "word " * 120)
    chat.write()


LATER = {"WIKI_TODAY": "2026-04-20"}


def test_by_default_a_llama_server_that_answers_summarises(home, run_script):
    """M16: llama-server where it answers, else extractive; the extractive one is upgraded when it does."""
    long_session(home, 3)
    run_script("extract-sessions.py")
    [line] = run_script("summarize-conversations.py", env=LATER).stdout.splitlines()
    [path] = [p.relative_to(home.wiki).as_posix() for p in home.wiki.glob("conversations/*/2026*.md")]
    assert wl.Wiki().conversation(path).meta["summarized_by"] == "extractive"
    with LlamaApi(summary_of) as api:
        [line] = run_script("summarize-conversations.py", env={**LATER, "LLAMA_SERVER_URL": api.url}).stdout.splitlines()
        assert ": upgrade, 3 bullets, export" in line
        assert run_script("summarize-conversations.py", env={**LATER, "LLAMA_SERVER_URL": api.url}).stdout == ""
        assert len(api.asked) == 1
    assert wl.Wiki().conversation(path).meta["summarized_by"] == "llama-server/Tiny-1B.Q4_1"


@pytest.mark.parametrize("props", [True, False])
def test_a_long_session_is_read_in_pieces_that_the_servers_context_holds(home, run_script, props):
    """M15, M16: chunked by what it says of itself, or after its own 400; every message is read, none twice."""
    long_session(home)
    run_script("extract-sessions.py")
    with LlamaApi(summary_of, context=4096, props=props) as api:
        [line] = run_script("summarize-conversations.py", env={**LATER, "LLAMA_SERVER_URL": api.url}).stdout.splitlines()
    kinds = ["join" if "Found in the parts" in b["messages"][1]["content"] else "part" for b in api.asked]
    assert kinds.count("join") == 1 and kinds.count("part") > 3
    read = [i for b in api.asked for i in re.findall(r"^### \w+ · .*#([0-9a-f]{8})$", b["messages"][1]["content"], re.M)]
    [path] = [p.relative_to(home.wiki).as_posix() for p in home.wiki.glob("conversations/*/2026*.md")]
    assert read == wl.Wiki().conversation(path).read().ids()
    refused = [x for x in ledger(home) if x["outcome"] == "too long"]
    assert bool(refused) != props


def test_a_named_server_that_is_down_is_said_to_whoever_looks_on(home, script, monkeypatch, capsys):
    main = script("summarize-conversations")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    args = type("Args", (), {"claude": False, "backend": None})()
    assert main.chosen_backend(args, {"BACKEND": None}) == "extractive"
    assert f"no llama-server at {NOWHERE}" in capsys.readouterr().err
    monkeypatch.delenv("LLAMA_SERVER_URL")
    monkeypatch.setattr(server, "LOCAL", NOWHERE)
    assert main.chosen_backend(args, {"BACKEND": None}) == "extractive" and capsys.readouterr().err == ""


# ---------------------------------------------------------------- the real one

@pytest.fixture(scope="module")
def real(llama_folder):
    """A real llama-server with two slots of 2048 tokens each, and a model of 135 million parameters that says nonsense."""
    with llama_real.running(llama_folder, "-c", "4096", "-np", "2") as url:
        yield url


@pytest.mark.real
def test_the_real_server_names_its_slots_and_their_context(home, real, monkeypatch):
    monkeypatch.setenv("LLAMA_SERVER_URL", real)
    assert (server.unready(), server.slots(), server.context()) == ("", 2, 2048)
    assert server.model("small") == "model"


@pytest.mark.real
def test_the_real_server_holds_an_answer_to_the_schema_and_says_when_it_was_cut(home, real, monkeypatch):
    monkeypatch.setenv("LLAMA_SERVER_URL", real)
    schema = {"type": "object", "required": ["hall", "sure"], "additionalProperties": False, "properties": {
        "hall": {"enum": list(wl.HALLS)}, "sure": {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "maxItems": 3}}}
    question = m.Question("sort", "x", None, schema, "You sort.", str)
    reply = server.call(question, "The retry failed because the clock was not frozen.")
    value, trouble = m.validated(question, reply)
    assert trouble == "" and value["hall"] in wl.HALLS and len(value["sure"]) == 3 and reply.input_tokens > 10
    monkeypatch.setattr(server, "ANSWER_TOKENS", 4)
    reply = server.call(question, "The retry failed because the clock was not frozen.")
    assert reply.outcome == "cut" and m.validated(question, reply)[1]


@pytest.mark.real
def test_a_prompt_over_the_real_servers_context_is_refused_with_its_numbers_and_read_in_pieces(home, real, monkeypatch):
    """M15: chunked after the server's own 400: of digits, a character is a token."""
    from summaries import asking
    monkeypatch.setenv("LLAMA_SERVER_URL", real)
    home.wiki.mkdir()
    asked: list[str] = []
    whole = wl.Transcript(tuple(wl.Message(f"{n:08x}", "assistant", "2026-04-12 09:13", f"{n} " + "0123456789" * 60)
                                for n in range(5)))

    def call(question, prompt):        # the real call; of the answer only that it came, for its words are nonsense
        reply = real_call(question, prompt)
        asked.append(prompt)
        return replace(reply, outcome="answered", value={"title": "x", "summary": "y", "topics": [], "bullets": []})
    real_call = server.call
    monkeypatch.setattr(server, "call", call)
    monkeypatch.setattr(server, "ANSWER_TOKENS", 16)
    conversation = wl.Conversation("conversations/api/2026-04-12-digits-aaaaaaaa.md", {"title": "Digits"})
    prompts = asking.Prompts("You summarise.", "You join.")
    summary = asking.told(conversation, whole, asking.Known(), "llama-server", prompts, 200)
    assert summary.text == "y"
    outcomes = [x["outcome"] for x in ledger(home)]
    assert "too long" in outcomes and outcomes.count("answered") == len(asked) >= 3
    assert [i for p in asked for i in re.findall(r"^### \w+ · .*#([0-9a-f]{8})$", p, re.M)] == whole.ids()


@pytest.mark.real
def test_three_real_sessions_end_as_the_contract_says_with_two_slots_at_work(home, run_script, real, corpus):
    """M16: schema-constrained, validated, in the ledger; nonsense is set aside and said, never written and never a traceback."""
    run_script("extract-sessions.py", "--sessions", corpus / "claude", check=False)
    paths = sorted((p for p in home.wiki.glob("conversations/*/2*.md") if 1_500 < p.stat().st_size < 4_000), key=lambda p: p.name)
    for path in home.wiki.glob("conversations/*/2*.md"):
        if path not in paths[:3]:
            path.unlink()
    env = {"LLAMA_SERVER_URL": real, "WIKI_TODAY": "2026-11-20"}
    done = run_script("summarize-conversations.py", "--jobs", "4", env=env, check=False, timeout=600)
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr
    lines = ledger(home)
    assert 3 <= len(lines) <= 12 and {x["outcome"] for x in lines} <= {"answered", "cut", "too long"}
    assert all(x["model"] == "model" and x["input_tokens"] > 100 for x in lines if x["outcome"] != "too long")
    aside = list((home.wiki / "context/questions/failed").glob("*.json"))
    written = [c for c in wl.Wiki().conversations(full=True) if c.summarized]
    assert len(aside) + len(written) == 3 and done.stderr.count("set aside") == len(aside)
    for conversation in written:
        assert conversation.meta["summarized_by"] == "llama-server/model"
        assert {c for b in conversation.bullets for c in b.cites} <= set(conversation.read().ids())
    again = run_script("summarize-conversations.py", "--jobs", "4", env=env, check=False)
    assert len(ledger(home)) == len(lines) and "Traceback" not in again.stderr      # nothing is asked a third time


def test_the_model_is_named_nowhere_but_in_its_module():
    """One place knows the server's ports."""
    found = [p.name for p in Path(SCRIPTS).rglob("*.py") if "8081" in p.read_text()]
    assert found == ["llama_server.py"]
