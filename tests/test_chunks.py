"""Long transcripts: pieces that lose nothing, and one summary out of many questions."""
from __future__ import annotations

import wiki_lib as wl

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from summaries import asking
from summaries.chunks import ALLOWANCE, LEAST_CHARACTERS, cut, items, pieces, size_of

PROMPTS = asking.Prompts("You summarise.", "You join.")


def message(number: int, text: str = "", *tools: str, role: str = "assistant") -> wl.Message:
    return wl.Message(f"{number:08x}", role, "2026-04-12 09:13", text, tools)


def transcript(*texts: str, agents: tuple[wl.Agent, ...] = ()) -> wl.Transcript:
    return wl.Transcript(tuple(message(n, text) for n, text in enumerate(texts)), agents)


# ---------------------------------------------------------------- pieces

TEXTS = st.one_of(st.text(max_size=60), st.integers(0, 9_000).map(lambda n: "word " * (n // 5)),
                  st.integers(1, 400).map(lambda n: "## Subagents\n" * n))
TOOLS = st.lists(st.integers(0, 6_000).map(lambda n: wl.tool_block("Bash", "make", "x" * n)), max_size=3)
SAID = st.lists(st.tuples(TEXTS, TOOLS), max_size=14)


@st.composite
def transcripts(draw) -> wl.Transcript:
    number = iter(range(10_000))

    def line(said: list[tuple[str, list[str]]]) -> tuple[wl.Message, ...]:
        return tuple(message(next(number), text, *tools) for text, tools in said)
    main: list[Any] = list(line(draw(SAID)))
    if draw(st.booleans()):
        main.insert(0, wl.Shared("aaaaaaaa", "bbbbbbbb", "cccccccc"))
    agents = tuple(wl.Agent(f"agent{n}", "looks around", line(said)) for n, said in enumerate(draw(st.lists(SAID, max_size=3))))
    return wl.Transcript(tuple(main), tuple(a for a in agents if a.messages))


@settings(max_examples=150, deadline=None)
@given(transcripts(), st.integers(0, 20_000))
def test_the_pieces_hold_every_message_once_in_order_and_none_is_too_long(whole, most):
    """M15: along message boundaries, head and tail never lost silently."""
    parts = pieces(whole, most)
    assert [i for p in parts for i in p.ids()] == whole.ids()
    assert [m for p in parts for m in p.messages if isinstance(m, wl.Shared)] == [
        m for m in whole.messages if isinstance(m, wl.Shared)]
    assert all(size_of(p) <= max(most, LEAST_CHARACTERS) + ALLOWANCE for p in parts)
    assert sum(map(items, parts)) == items(whole)
    kept = {m.id: m for p in parts for m in p.all_said}
    for m in whole.all_said:
        if kept[m.id] != m:
            assert "characters are left out here" in kept[m.id].text + "".join(kept[m.id].tools)
            assert kept[m.id].text[:20] == m.text[:20] and kept[m.id].text[-20:] == m.text[-20:]


@settings(max_examples=60, deadline=None)
@given(transcripts(), st.integers(2_000, 9_000), st.integers(0, 30))
def test_what_was_asked_about_already_is_not_in_the_pieces_of_the_rest(whole, most, after):
    rest = pieces(whole, most, after)
    ordered = [*whole.messages, *(m for a in whole.agents for m in a.messages)]
    expected = [wl.short(m.id) for m in ordered[after:] if isinstance(m, wl.Message)]
    assert [i for p in rest for i in p.ids()] == expected


def test_what_fits_is_one_piece_as_it_is():
    whole = transcript("one", "two", agents=(wl.Agent("a1", "explore", (message(9, "found it"),)),))
    assert pieces(whole, 240_000) == [whole]


def test_a_message_longer_than_a_piece_keeps_its_beginning_and_its_end_and_says_what_is_gone():
    [part] = pieces(transcript("first words " + "x" * 90_000 + " last words"), 4_000)
    text = part.said[0].text
    assert text.startswith("first words") and text.endswith("last words")
    gone = int(re.search(r"… (\d+) characters are left out here …", text)[1])
    assert gone + len(text) - len(f"\n… {gone} characters are left out here …\n") == 90_023
    assert cut("short", 100) == "short"


def test_a_subagent_longer_than_a_piece_is_read_in_several_each_under_its_name():
    agent = wl.Agent("a1f3", "explore the suite", tuple(message(n, "word " * 300) for n in range(10)))
    parts = pieces(wl.Transcript((message(99, "Go."),), (agent,)), 4_000)
    assert len(parts) > 3 and all("### Agent a1f3 · explore the suite" in wl.render_transcript(p) for p in parts)


# ---------------------------------------------------------------- one summary out of many questions

class Model:
    """Stands for a backend: answers each question, and keeps what it was asked. `most`: characters it takes."""

    def __init__(self, most: int = 10**9, known: bool = True):
        self.most, self.asked, self.known = most, [], known

    def __call__(self, question: wl.Question, backend: str) -> wl.Answer:
        text = question.render(question.material)
        if len(text) > self.most:
            raise wl.TooLong("too long", len(text) // 3 if self.known else 0, self.most // 3 if self.known else 0)
        self.asked.append((question.kind, question.subject, text))
        ids = re.findall(r"#([0-9a-f]{8})$|\[#([0-9a-f]{8})\]", text, re.M)
        found = list(dict.fromkeys(a or b for a, b in ids))
        bullets = [{"hall": "fact", "text": "The word stands in every message.", "cites": [i]} for i in found]
        value = {"title": "Words", "summary": f"About {found[0]} to {found[-1]}.", "topics": ["words"], "bullets": bullets}
        assert question.check(value) == "", question.check(value)
        return wl.Answer(value, "llama-server", "tiny")

    def texts(self, kind: str) -> list[str]:
        return [text for k, _, text in self.asked if k == kind]


@pytest.fixture
def told(monkeypatch):
    """told(model, transcript, most=0): what asking `model` about it gave."""
    def run(model: Model, whole: wl.Transcript, most: int = 0, known: asking.Known | None = None) -> Any:
        monkeypatch.setattr(wl, "ask", model)
        conversation = wl.Conversation("conversations/api/2026-04-12-words-aaaaaaaa.md", {"title": "Words"})
        return asking.told(conversation, whole, known or asking.Known(), "claude", PROMPTS, 200, most)
    return run


WORDS = transcript(*(f"{n}: this word stands in every message. " + "word " * 150 for n in range(40)))


def test_a_short_conversation_is_one_question_and_nothing_is_joined(told):
    model = Model()
    assert len(told(model, transcript("The word stands in every message.")).bullets) == 1
    assert [kind for kind, *_ in model.asked] == ["summarise"]


def test_a_long_one_is_read_in_parts_each_with_what_came_before_and_joined_at_the_end(told):
    """M15: chunks with a rolling summary and a final join."""
    model = Model()
    summary = told(model, WORDS, 8_000)
    parts, [joined] = model.texts("summarise"), model.texts("join")
    assert len(parts) == 5 and model.asked[-1][0] == "join"
    assert "part 1 of 5" in parts[0] and "Part 1:" not in parts[0]
    assert "Part 1: About 00000000 to" in parts[1] and all(f"Part {n}: " in parts[4] for n in (1, 2, 3, 4))
    assert all(f"Part {n}: " in joined for n in (1, 2, 3, 4, 5))
    assert [b.cites[0] for b in summary.bullets] == WORDS.ids()      # head and tail are there
    assert [s for k, s, _ in model.asked if k == "summarise"] == [
        f"conversations/api/2026-04-12-words-aaaaaaaa.md#{n}" for n in (1, 2, 3, 4, 5)]


@pytest.mark.parametrize("known", [True, False])
def test_what_is_refused_as_too_long_is_cut_smaller_and_what_was_answered_is_not_asked_again(told, known):
    class Dense(Model):
        def __call__(self, question, backend):      # the later half of the conversation takes more tokens
            self.most = 20_000 if len(self.asked) < 1 else 6_000
            if question.kind == "join":
                self.most = 10**6
            return super().__call__(question, backend)
    model = Dense(known=known)
    summary = told(model, WORDS, 15_000)
    seen = [i for text in model.texts("summarise") for i in re.findall(r"#([0-9a-f]{8})$", text, re.M)]
    assert seen == WORDS.ids() and [b.cites[0] for b in summary.bullets] == WORDS.ids()


def test_a_context_too_small_for_anything_is_said_and_not_tried_for_ever(told):
    model = Model(500)
    with pytest.raises(wl.TooLong):
        told(model, WORDS)
    assert model.asked == []


def test_what_is_too_much_to_be_joined_at_once_is_joined_by_halves(told):
    class Forgetful(Model):
        def __call__(self, question, backend):
            answer = super().__call__(question, backend)
            if question.kind == "join":
                answer.value["bullets"] = answer.value["bullets"][::4]
            return answer
    model = Forgetful(2_600)
    summary = told(model, transcript(*(f"{n}: this word stands in every message. " + "word " * 20 for n in range(120))), 2_000)
    assert len(model.texts("join")) > 2 and summary.bullets[0].cites == ("00000000",)
    assert len({subject for kind, subject, _ in model.asked if kind == "join"}) == len(model.texts("join"))


def test_a_deferral_in_the_middle_leaves_the_whole_for_the_next_run(told):
    class Spent(Model):
        def __call__(self, question, backend):
            return super().__call__(question, backend) if len(self.asked) < 2 else wl.Deferred("the budget is spent")
    assert told(Spent(), WORDS, 8_000) == wl.Deferred("the budget is spent")


def test_rooms_and_pages_leave_most_of_a_small_context_to_the_transcript(told):
    known = asking.Known([f"room-number-{n}" for n in range(500)], {f"wiki/patterns/page-{n}.md": "A page" for n in range(500)})
    model = Model()
    told(model, transcript("The word stands in every message."), 4_000, known)
    assert len(model.asked[0][2]) < 1_500 and "room-number-0" in model.asked[0][2] and "page-0.md" in model.asked[0][2]
    assert asking.within(known, 10**6) == known


def test_a_server_that_names_its_context_is_never_sent_more_at_first(monkeypatch):
    class Server:
        context = staticmethod(lambda: 4_096)
        answer_tokens = staticmethod(lambda: 1_365)
    monkeypatch.setattr(wl, "backend_module", lambda name: Server)
    small = asking.piece_characters("llama-server", PROMPTS)
    assert 4_000 < small < (4_096 - 1_365) * 3.6
    Server.context = staticmethod(lambda: 0)
    assert asking.piece_characters("llama-server", PROMPTS) == asking.PIECE_CHARACTERS == asking.piece_characters("claude", PROMPTS)
