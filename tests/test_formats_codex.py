"""What Codex's rollouts say, in today's envelope and in the flat form of 2025."""

from __future__ import annotations

import wiki_lib as wl

import json

import pytest
import session_formats as sf
import sessions
from hypothesis import given
from hypothesis import strategies as st
from session_formats import codex

HERE = sessions.Path("/nowhere")


def read(c: sessions.Codex, start: int = 0, agent: str = "", memory: dict | None = None) -> sf.Reading:
    data = ("\n".join(c.lines) + "\n").encode()
    return codex.parse(data, start, c.session, agent, sf.Tools(), memory or {})


def said(reading: sf.Reading) -> list[tuple[str, str]]:
    return [(d.role, d.text) for d in reading.main]


def test_what_codex_says_twice_is_kept_once_and_what_the_person_says_twice_is_kept_twice():
    """M10"""
    c = sessions.Codex(HERE).user("yes").assistant("Right.").user("yes").assistant("Right.")
    assert said(read(c)) == [("user", "yes"), ("assistant", "Right.")] * 2


class Rollout(sessions.Codex):
    """Each side of what Codex says twice, by itself."""

    def turn(self) -> Rollout:
        return self.event("task_started").envelope("turn_context", {"cwd": self.cwd, "model": "gpt-5.4"})

    def asked(self, text: str, **more) -> Rollout:
        return self.event("user_message", message=text, **more)

    def item_of(self, role: str, *texts: str, ident: str = "") -> Rollout:
        kind = "input_text" if role == "user" else "output_text"
        blocks = [{"type": "input_image", "image_url": "x"} if t == "[image]" else {"type": kind, "text": t} for t in texts]
        return self.item(type="message", role=role, content=blocks, **({"id": ident} if ident else {}))

    def told(self, text: str) -> Rollout:
        return self.event("agent_message", message=text)


# How a prompt and an answer may stand in a rollout: each time they are one prompt and one answer.
TWICE = {
    "item, event; event, item": lambda c: c.item_of("user", "Go").asked("Go").told("Done.").item_of("assistant", "Done."),
    "event, item; item, event": lambda c: c.asked("Go").item_of("user", "Go").item_of("assistant", "Done.").told("Done."),
    "events alone": lambda c: c.asked("Go").told("Done."),
    "items alone": lambda c: c.item_of("user", "Go").item_of("assistant", "Done."),
    "prompt as event, answer as item": lambda c: c.asked("Go").item_of("assistant", "Done."),
    "white space at the end": lambda c: c.item_of("user", "Go").asked("Go\n").told("Done.").item_of("assistant", "Done. "),
    "ids on the items": lambda c: c.item_of("user", "Go", ident="msg_0123456789abcdef").asked("Go").told("Done.").item_of(
        "assistant", "Done.", ident="msg_fedcba9876543210"),
    "a call between": lambda c: c.item_of("user", "Go").asked("Go").told("Done.").call("exec_command", {"cmd": "ls"}, "a").item_of(
        "assistant", "Done."),
    "what programs say between": lambda c: c.item_of("user", "Go").item_of(
        "user", "<environment_context>x</environment_context>").event("token_count").asked("Go").told("Done.").event(
        "agent_reasoning", text="hm").item_of("assistant", "Done."),
    "all items after all events": lambda c: c.asked("Go").told("Done.").item_of("user", "Go").item_of("assistant", "Done."),
}


@pytest.mark.parametrize("how", TWICE)
@pytest.mark.parametrize("times", [1, 2])
def test_what_is_said_on_both_sides_stands_once_and_said_again_it_stands_again(how, times):
    """M7 M10"""
    c = Rollout(HERE)
    for _ in range(times):
        TWICE[how](c.turn())
    assert [(role, text.strip()) for role, text in said(read(c))] == [("user", "Go"), ("assistant", "Done.")] * times


@pytest.mark.parametrize("how", TWICE)
@pytest.mark.parametrize("order", ["as it grew", "newest first"])
def test_what_is_said_on_both_sides_stands_once_whenever_it_is_mined(how, order, home):
    """M7 M10"""
    c = Rollout(home.codex).turn()
    c = c.item_of("user", "Hello") if how == "items alone" else c.asked("Hello")      # where there are events, they are the prompts
    c = TWICE[how](c.told("Hi.").item_of("assistant", "Hi.").turn())
    for length in sorted(range(4, len(c.lines) + 1), reverse=order != "as it grew"):
        c.write(lines=length)
        assert sessions.mine() == 0
    [path] = home.wiki.glob("conversations/*/*.md")
    held = wl.parse_conversation("x", path.read_text()).read().said
    assert sorted((m.role, m.text.strip()) for m in held if m.text) == sorted([
        ("user", "Hello"), ("assistant", "Hi."), ("user", "Go"), ("assistant", "Done.")])


@given(st.lists(st.tuples(st.sampled_from(sorted(TWICE)), st.sampled_from(("Go", "yes", "no\nmore"))), max_size=6))
def test_however_the_sides_follow_each_other_each_utterance_stands_once(turns):
    """M7 M10"""
    c, wanted = Rollout(HERE), []
    sided = "items alone" if any(how == "items alone" for how, _ in turns) else ""
    for how, text in turns:
        start = len(c.lines)
        TWICE[sided or how](c.turn())
        c.lines[start:] = [line.replace('"Go', json.dumps(text)[:-1]) for line in c.lines[start:]]
        wanted += [("user", text), ("assistant", "Done.")]
    assert [(role, said_.strip()) for role, said_ in said(read(c))] == wanted


def test_a_prompt_with_images_is_one_whichever_side_shows_them():
    """M7"""
    c = Rollout(HERE).turn().item_of("user", "What is this?", "[image]").asked("What is this?", images=["data:x"])
    c.turn().asked("And this?", images=["data:y"]).item_of("user", "And this?", "[image]")
    assert [t for _, t in said(read(c))] == ["What is this?\n[image]", "And this?\n[image]"]


def test_what_the_editor_has_open_is_not_the_persons():
    """B2"""
    text = "# Context from my IDE setup:\n\n## Active file: a.py\n\n## Open tabs:\n- a.py: a\n\n## My request for Codex:\nFix it\n"
    c = Rollout(HERE).turn().item_of("user", text).asked(text)
    c.turn().asked("Another language model started to solve this problem and produced a summary of its thinking process.")
    assert said(read(c)) == [("user", "Fix it\n")]


def test_what_was_recalled_from_the_wiki_is_not_kept_as_output():
    """B2 M9"""
    block = "<memex-wake-up>\nYesterday: the zebra.\n</memex-wake-up>"
    c = Rollout(HERE).turn().asked(f"{block}\nGo").told("Right.")
    c.call("exec_command", {"cmd": "scripts/wiki-search.py 'zebra clock'"}, "Chunk ID: 1\nOutput:\nzebra")
    c.call("shell", {"command": ["bash", "-lc", "cd /w && ./scripts/wiki-search.py zebra --json"]}, json.dumps({"output": "zebra"}))
    c.call("exec", "const r = await tools.exec_command({cmd: \"scripts/wiki-search.py zebra\"})",
           [{"type": "input_text", "text": "zebra"}], kind="custom_tool_call")
    c.call("exec_command", {"cmd": "true"}, f"{block}\nfine")
    prompt, answer = read(c).main
    assert prompt.text == "Go" and [k.output for k in answer.calls] == [None, None, None, "fine"]


def test_a_prompt_that_no_event_says_is_heard_by_the_canary():
    """B15: where prompts come as events, other words in the person's role are a program's; a new kind of those is told."""
    c = Rollout(HERE).turn().item_of("user", "Go").asked("Go").told("Done.").turn().item_of("user", "A new notice")
    reading = read(c)
    assert said(reading) == [("user", "Go"), ("assistant", "Done.")]
    assert reading.unknown == {"shape: in the person's role, but no event": 1}


def test_developer_and_environment_fragments_are_dropped():
    """M10"""
    c = sessions.Codex(HERE)
    for role, text in (("developer", "<permissions instructions>x"), ("user", "<environment_context>\n<cwd>/x</cwd>"),
                       ("user", "# AGENTS.md instructions for /x\n<INSTRUCTIONS>"), ("user", "<turn_aborted>\nx"),
                       ("user", "<subagent_notification>\n{}"), ("user", "plain words of a program")):
        c.item(type="message", role=role, content=[{"type": "input_text", "text": text}])
    c.user("Hello").assistant("Hi")
    assert said(read(c)) == [("user", "Hello"), ("assistant", "Hi")]


def test_the_flat_form_is_read_the_same_way():
    """M10"""
    c = sessions.Codex(HERE, flat=True).user("Hello").assistant("Hi")
    c.call("shell", {"command": ["bash", "-lc", "ls -R"]}, json.dumps({"output": "a\nb\n", "metadata": {"exit_code": 0}}))
    reading = read(c)
    assert said(reading) == [("user", "Hello"), ("assistant", "Hi")]
    assert reading.cwd == "/home/dev/api" and reading.first_time.startswith("2026-04-12")
    [call] = reading.main[1].calls
    assert (call.name, call.argument, call.output) == ("Bash", "ls -R", "a\nb\n")


def test_shell_calls_are_bash_and_apply_patch_is_an_edit():
    """M2"""
    c = sessions.Codex(HERE).user("Go").assistant("Right.")
    c.call("exec_command", {"cmd": "git status"},
           "Command: /bin/zsh -lc 'git status'\nChunk ID: 1a2b\nWall time: 0.1 seconds\nProcess exited with code 2\nOutput:\nbad\n")
    patch = "*** Begin Patch\n*** Update File: src/a.py\n@@\n-x = 1\n+x = 2\n+y = 3\n*** Delete File: b.py\n*** End Patch"
    c.call("apply_patch", patch, "Success", kind="custom_tool_call")
    c.call("update_plan", {"explanation": "first this"}, "Plan updated")
    calls = read(c).main[1].calls
    assert [(k.name, k.argument, k.output) for k in calls] == [
        ("Bash", "git status", "exit code 2\nbad\n"), ("Edit", "src/a.py: -1 +2 lines; b.py: deleted", None),
        ("update_plan", "first this", None)]


def test_outputs_of_many_forms_become_their_text():
    """M2"""
    for output, text in (("plain", "plain"), ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}], "a\nb"),
                         ('{"output":"x\\n","metadata":{}}', "x\n"), ('{"metadata":{},"output":"y"}', "y"),
                         ("Exit code: 0\nWall time: 2 seconds\nOutput:\nhello", "hello"), ('{"status": {}}', '{"status": {}}'),
                         ({"content": "z"}, "z"), (None, ""), ({"success": True}, "")):
        assert codex.output_text(output) == text


def test_images_stand_where_they_stood():
    c = sessions.Codex(HERE)
    c.item(type="message", role="user", content=[
        {"type": "input_text", "text": "What is this?"}, {"type": "input_text", "text": "<image name=[Image #1]>"},
        {"type": "input_image", "image_url": "data:x"}, {"type": "input_text", "text": "</image>"}])
    c.event("user_message", message="What is this?", images=["data:x"])
    assert said(read(c)) == [("user", "What is this?\n<image name=[Image #1]>\n[image]\n</image>")]


def test_folder_branch_model_and_name_are_read():
    c = sessions.Codex(HERE).user("Hello").event("thread_name_updated", thread_name="Say hello")
    reading = read(c)
    assert (reading.cwd, reading.branch, reading.title, reading.entrypoint) == ("/home/dev/api", "main", "Say hello", "cli")
    assert list(reading.models) == ["gpt-5.4"]


def test_a_subagents_rollout_belongs_to_its_parent_and_leaves_out_the_copied_history():
    """M8 M10"""
    parent = sessions.uuid("parent")
    spawn = {"parent_thread_id": parent, "depth": 1, "agent_nickname": "Hooke", "agent_role": "explorer"}
    c = sessions.Codex(HERE, seed="sub", forked_from_id=parent, source={"subagent": {"thread_spawn": spawn}})
    at = "2026-04-12T10:00:00.100Z"
    c.envelope("session_meta", {"id": parent, "cwd": "/home/dev/api", "source": "cli"}, at)
    c.envelope("event_msg", {"type": "user_message", "message": "the parent's prompt"}, at)
    c.envelope("turn_context", {"model": "gpt-5.4"}, "2026-04-12T10:00:01.000Z")
    c.envelope("event_msg", {"type": "user_message", "message": "Review the parser"}, "2026-04-12T10:00:01.100Z")
    c.envelope("response_item", {"type": "message", "role": "assistant", "content": [
        {"type": "output_text", "text": "It is fine."}]}, "2026-04-12T10:00:09.000Z")
    source = sf.Source(str(c.path), "codex")
    assert codex.session_of(source, "\n".join(c.lines).encode) == sf.Owner(parent, c.session)
    reading = read(c, agent=c.session)
    assert reading.main == [] and [(d.role, d.text) for d in reading.agents[c.session]] == [
        ("task", "Review the parser"), ("assistant", "It is fine.")]
    assert reading.agent_titles == {c.session: "Hooke explorer"}


def test_a_review_without_another_file_stands_for_its_session():
    """M8"""
    parent = sessions.uuid("parent")
    c = sessions.Codex(HERE, parent_thread_id=parent, source={"subagent": "review"})
    head = "\n".join(c.lines).encode()
    assert codex.session_of(sf.Source(str(c.path), "codex"), lambda: head) == sf.Owner(parent, c.session, stands_in=True)
    named_so = sf.Source(f"/s/rollout-2026-04-12T09-00-00-{parent}.jsonl", "codex")
    assert codex.session_of(named_so, lambda: head) == sf.Owner(parent)
    start = json.dumps({"type": "session_meta", "payload": {
        "id": c.session, "parent_thread_id": parent, "source": {"subagent": "review"}, "base_instructions": "x" * 90_000}})
    clipped = codex.session_of(sf.Source(str(c.path), "codex"), start[:65_536].encode)
    assert clipped == sf.Owner(parent, c.session, stands_in=True)


def test_a_later_reading_starts_at_a_turn():
    """M4"""
    c = sessions.Codex(HERE).user("One").assistant("First.").call("exec_command", {"cmd": "ls"}, "a").user("Two")
    reading = read(c)
    later = read(c.assistant("Second."), start=reading.restart, memory=reading.memory)
    assert reading.before == 2 and said(later) == [("user", "Two"), ("assistant", "Second.")]
