"""What Codex's rollouts say, in today's envelope and in the flat form of 2025."""

from __future__ import annotations

import json

import session_formats as sf
import sessions
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
