"""What a model is shown of tool traffic: of commands what tells something, what is left out by its length, all words as said."""
from __future__ import annotations

import wiki_lib as wl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from summaries.thinning import LINE_CHARACTERS, looked, thin_tools, thinned
from wiki_budget import tokens_of


def thin(name: str, argument: str = "", output: str | None = None) -> str:
    return "\n".join(thin_tools([wl.tool_block(name, argument, output)]))


def lines(count: int, what: str = "line") -> str:
    return "\n".join(f"{what} {n}" for n in range(count))


WORDS = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), max_size=80)
COMMANDS = st.one_of(WORDS, st.sampled_from(["cat a.py", "pytest -q", "rg x | head", "git commit -m 'y'", "sed -i s/a/b/ c"]))
OUTPUTS = st.lists(st.one_of(WORDS, st.just("Error: no such file"), st.just("x" * 900)), max_size=40).map("\n".join)
BLOCKS = st.lists(st.builds(wl.tool_block, st.sampled_from(["Bash", "Read", "Grep", "Edit", "TaskNotification"]), COMMANDS,
                            st.one_of(st.none(), OUTPUTS)), max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), WORDS, BLOCKS), max_size=8))
def test_what_was_said_stays_word_for_word_with_its_id_and_nothing_grows(said):
    """M15: tool noise is thinned before anything is sent, words are not."""
    whole = wl.Transcript(tuple(wl.Message(f"{n:08x}", role, "2026-04-12 09:13", text, tuple(blocks))
                                for n, (role, text, blocks) in enumerate(said)))
    made = thinned(whole)
    assert [(m.id, m.role, m.time, m.text) for m in made.said] == [(m.id, m.role, m.time, m.text) for m in whole.said]
    for before, after in zip(whole.said, made.said, strict=True):
        assert sum(map(len, after.tools)) <= sum(map(len, before.tools)) + 40 * len(before.tools)
        assert all(b.startswith("- **") for b in after.tools)
    assert thinned(whole) == made


def test_of_a_file_that_was_shown_its_name_stays_and_how_long_it_was():
    for command in ("cat src/retry.py", "cd /srv/api && sed -n '1,200p' src/retry.py", "nl -ba src/retry.py | head -80",
                    "git diff main -- src/retry.py"):
        assert thin("Bash", command, lines(120)) == f"- **Bash** `{command}`\n  … 120 lines"


def test_of_a_search_the_first_that_it_found_stay():
    shown = thin("Bash", "rg -n 'def retry' src | head -40", lines(30, "src/retry.py:7: def retry"))
    assert shown.count("src/retry.py:7") == 2 and "… 28 more lines" in shown


def test_of_what_was_done_the_beginning_the_end_and_its_warnings_stay():
    output = f"{lines(20)}\nwarning: unused variable `clock`\n{lines(20)}\n3 passed in 0.4s"
    shown = thin("Bash", "make test", output)
    assert "line 0" in shown and "warning: unused variable `clock`" in shown and "3 passed in 0.4s" in shown
    assert "… 36 more lines" in shown and shown.count("\n") < 12


@pytest.mark.parametrize("first", ["Exit code 1", "exit code 101", "Error: it broke", "line"])
def test_of_what_failed_the_lines_that_say_why_stay(first):
    middle = "--- FAIL: TestRetry (0.01s)\n    retry_test.go:14: expected 3 calls, got 4"
    shown = thin("Bash", "go test ./... | tail -200", f"{first}\n{lines(40)}\n{middle}\n{lines(60)}\nFAIL\tapi/retry\t0.3s")
    assert "expected 3 calls, got 4" in shown and "--- FAIL: TestRetry" in shown and "FAIL\tapi/retry" in shown
    assert shown.count("\n") < 24


def test_a_file_that_could_not_be_shown_says_why():
    assert "No such file or directory" in thin("Bash", "cat missing.py", "Exit code 1\ncat: missing.py: No such file or directory")


@pytest.mark.parametrize(("command", "kind"), [
    ("cat a.py", "shows"), ("ls -la", "searches"), ("grep -rn 'a > b' src 2>/dev/null | sort | head -5", "searches"),
    ("X=$(go env GOPATH) && grep -rn foo $X/pkg", "searches"), ("git -C /srv/api log --oneline", "searches"),
    ("cd /srv; echo --- && cat a b | wc -l; git status --short", "shows"), ("timeout 5 tail -n 20 log", "shows"),
    ("find . -name '*.py' -exec grep -l x {} +", "searches"), ("rg -l x | xargs sed -n 1,5p", "searches"),
    ("cat a.py > b.py", ""), ("echo x | tee b", ""), ("sed -i s/a/b/ c", ""), ("find . -delete", ""), ("find . -exec rm {} +", ""),
    ("git commit -m 'cat a'", ""), ("pytest -q | tail -5", ""), ("cat a && make", ""), ("rg -l x | xargs rm", ""), ("", "")])
def test_a_command_only_looks_when_all_of_it_does(command, kind):
    assert looked(command) == kind


def test_a_run_of_looking_is_one_line_for_each_kind_and_every_path_of_it_is_named():
    tools = [wl.tool_block("Read", f"src/{n}.py") for n in range(5)]
    tools += [wl.tool_block("Grep", "def retry"), wl.tool_block("Read", "a")]
    assert list(thin_tools(tools)) == ["- **Read** `src/0.py, src/1.py, src/2.py, src/3.py, src/4.py, a`", "- **Grep** `def retry`"]
    [many] = thin_tools([wl.tool_block("Read", f"src/{n}.py") for n in range(30)])
    assert many.endswith("src/7.py and 22 more`")


def test_an_output_that_came_before_is_not_shown_twice():
    block = wl.tool_block("Bash", "make test", lines(6, "a long line that was printed before " * 3))
    whole = wl.Transcript(tuple(wl.Message(f"{n:08x}", "assistant", "", "Again.", (block,)) for n in range(3)))
    first, second, third = (m.tools[0] for m in thinned(whole).said)
    assert "line that was printed" in first and second == third == "- **Bash** `make test`\n  … the same output as before"


def test_a_line_without_end_is_cut_and_says_so():
    shown = thin("Bash", "make", "x" * 5_000)
    assert "x" * (LINE_CHARACTERS - 2) + "…" in shown and len(shown) < 400


def test_a_report_is_prose_and_keeps_its_beginning_and_its_end():
    first = ("The suite covers 96% of relay.py. " * 20).strip()
    report = "\n".join([first, *[f"Finding {n}: a leak." for n in range(300)], "All of it is in docs/x.md."])
    shown = thin("TaskNotification", "Agent \"Coverage\" completed", report)
    assert first in shown and "All of it is in docs/x.md." in shown
    assert "characters left out" in shown and len(shown) < 3_400


def test_of_a_subagent_its_last_words_stay():
    agent = wl.Agent("a1f3", "explore", (wl.Message("00000001", "task", "", "Look around."),
                                         wl.Message("00000002", "assistant", "", "Looking.", (wl.tool_block("Read", "a"),)),
                                         wl.Message("00000003", "assistant", "", "The cache is never emptied."),
                                         wl.Message("00000004", "assistant", "", "", (wl.tool_block("Bash", "ls"),))))
    silent = wl.Agent("b2", "silent", (wl.Message("00000005", "task", "", "Go."),))
    [kept] = thinned(wl.Transcript((), (agent, silent))).agents
    assert kept.id == "a1f3" and [m.text for m in kept.messages] == ["The cache is never emptied."] and kept.messages[0].tools == ()


@pytest.mark.real
def test_real_sessions_are_less_than_half_as_long_and_nothing_said_is_gone(home, run_script, corpus):
    run_script("extract-sessions.py", "--sessions", corpus / "claude", "--sessions", corpus / "codex", check=False)
    before = after = 0
    for path in home.wiki.glob("conversations/*/2*.md"):
        whole = wl.parse_conversation(path.relative_to(home.wiki).as_posix(), path.read_text(encoding="utf-8")).read()
        made = thinned(whole)
        assert [(m.id, m.text) for m in made.said] == [(m.id, m.text) for m in whole.said]
        before, after = before + tokens_of(wl.render_transcript(whole)), after + tokens_of(wl.render_transcript(made))
    assert after < before / 2
