"""The library: text, pages, transcripts, the doors to the disk and to other programs."""

from __future__ import annotations

import wiki_lib as wl

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

STRUCTURE = [
    "### User · 2026-01-01 10:00 · #aaaaaaaa",
    "### Assistant · #aaaaaaaa",
    "- **Bash** `ls`",
    "- **Bash**",
    "## Subagents",
    "## Transcript",
    "### Agent a1 · x",
    "#### Task · #bbbbbbbb",
    "shared with aaaaaaaa: #bbbbbbbb .. #cccccccc",
    "\\",
    "---",
    "```",
    "# Title",
    "## Facts",
    "<!-- memex:index -->",
]
LINES = st.one_of(st.sampled_from(STRUCTURE), st.text(max_size=30))
TEXTS = st.builds("\n".join, st.lists(LINES, max_size=6)).map(wl.verbatim)
TOOLS = st.lists(st.builds(wl.tool_block, st.text(max_size=12), st.text(max_size=60), st.none() | TEXTS), max_size=3).map(tuple)


# --- text


@given(st.text(max_size=200))
def test_a_slug_is_a_file_name_everywhere(text):
    """File slugs: lower-case ASCII words joined by '-', at most 60 characters, never empty, no device names."""
    name = wl.slug(text)
    assert name and len(name) <= 65 and all(c.isascii() and (c.isdigit() or c.islower() or c == "-") for c in name)
    assert name not in {"con", "nul", "aux", "build", "dist", "vendor", "index"} and not name.startswith("-")
    assert wl.slug(name) == name


@pytest.mark.parametrize(
    "text, slug",
    [
        ("Fix the flaky retry test", "fix-the-flaky-retry-test"),
        ("Größe & Maß", "groe-ma"),
        ("CON", "con-page"),
        ("build", "build-page"),
        ("word " * 40, "word-word-word-word-word-word-word-word-word-word-word-word"),
    ],
)
def test_slugs_of_real_titles(text, slug):
    assert wl.slug(text) == slug


def test_a_short_id_is_the_last_eight_digits_because_the_first_are_a_clock():
    assert wl.id8("3de77ea9-3685-4e06-8d85-29c7b6592474") == "b6592474"
    assert len(wl.id8("msg_not-hex")) == 8


@given(st.text())
def test_verbatim_changes_only_what_no_file_may_hold(text):
    out = wl.verbatim(text)
    assert out.encode() is not None and wl.verbatim(out) == out and "\r" not in out and "\x00" not in out
    if all(c in "\t\n" or ord(c) >= 32 and not 0xD800 <= ord(c) <= 0xDFFF for c in text):
        assert out == text


# --- pages

META = st.dictionaries(
    st.sampled_from([*wl.PAGE_KEYS, "mine", "zz"]),
    st.none()
    | st.booleans()
    | st.integers(-9, 10**6)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30)
    | st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12), max_size=3),
    max_size=6,
)


@given(META, TEXTS)
def test_a_page_survives_being_written_and_read(meta, body):
    page = wl.WikiPage("wiki/patterns/x.md", meta, body + "\n")
    text = wl.render_page(page)
    read = wl.parse_page(page.path, text)
    assert (read.meta, read.body) == (meta, body + "\n")
    assert wl.render_page(read) == text


def test_keys_stand_in_canonical_order_and_unknown_ones_after_as_they_came():
    text = wl.serialize_frontmatter({"zz": 1, "version": 3, "aa": "2026-01-01", "title": "T", "related": [], "superseded_by": None})
    assert text == "---\ntitle: T\nversion: 3\nrelated: []\nsuperseded_by:\nzz: 1\naa: 2026-01-01\n---\n"


@pytest.mark.parametrize("text", ["---\ntitle: [x\n---\n", "---\n- a\n---\n", "---\ntitle: !!python/object:os.system x\n---\n"])
def test_frontmatter_that_does_not_parse_is_one_clear_error(text):
    with pytest.raises(wl.PageError, match="wiki/x.md: .*by hand"):
        wl.parse_page("wiki/x.md", text)


def test_a_body_digest_ignores_white_space_at_the_end_alone():
    assert wl.page_content_hash("a\n") == wl.page_content_hash("a\n\n ") != wl.page_content_hash(" a")


# --- transcripts


def message(ident: str, text: str = "", tools=(), role="user", time="2026-01-01 10:00") -> wl.Message:
    return wl.Message(ident * 8, role, time, text, tuple(tools))


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), TEXTS, TOOLS), max_size=4),
    st.lists(st.tuples(TEXTS, TOOLS), max_size=2),
)
@example([("user", "\n", ()), ("assistant", "", (wl.tool_block("Bash", "x"),))], [])
def test_a_transcript_reads_back_as_what_was_rendered(said, agents):
    """parse(render(m)) == m whatever a message holds: no message can write structure."""
    main = tuple(wl.Message(f"{i:08x}", role, "", text, tools) for i, (role, text, tools) in enumerate(said))
    sub = tuple(
        wl.Agent(f"a{i}", "explore", (wl.Message(f"f{i:07x}", "task", "2026-01-01 10:00", t, u),))
        for i, (t, u) in enumerate(agents)
    )
    transcript = wl.Transcript(main, sub)
    assert wl.parse_transcript(wl.render_transcript(transcript)) == transcript
    file = wl.render_conversation(
        {"title": "T", "session_id": "s"}, wl.render_summary("## Transcript\nx", []), wl.render_transcript(transcript)
    )
    assert wl.parse_conversation("conversations/w/2026-01-01-t-00000000.md", file).read() == transcript


def test_messages_that_share_eight_digits_both_take_twelve():
    one, two = "0" * 24 + "1111aaaaaaaa", "0" * 24 + "2222aaaaaaaa"
    transcript = wl.Transcript((wl.Message(one, "user", "", "x"), wl.Message(two, "user", "", "y")))
    assert transcript.said and set(wl.short_ids(transcript).values()) == {"1111aaaaaaaa", "2222aaaaaaaa"}


def test_a_message_that_vanished_upstream_keeps_its_place():
    a, b, c, d = (message(x) for x in "abcd")
    assert wl.merge_messages((a, b, c), (a, c, d)) == (a, b, c, d)
    assert wl.merge_messages((a, b, c), (c, d)) == (a, b, c, d)


def test_of_two_versions_of_a_message_the_longer_wins_whichever_came_first():
    short, long = message("a", "retry"), message("a", "retry with jitter")
    assert wl.merge_messages((short,), (long,)) == wl.merge_messages((long,), (short,)) == (long,)


def test_bullets_carry_their_citations_through_the_file():
    bullets = [wl.Bullet("fact", "A is b.", ("aaaaaaaa", "bbbbbbbb")), wl.Bullet("advice", "Do [not] c.", ("cccccccc",))]
    text = wl.render_conversation({"title": "T", "session_id": "s"}, wl.render_summary("It was so.", bullets), "")
    read = wl.parse_conversation("conversations/w/x.md", text)
    assert list(read.bullets) == bullets and read.summary == "It was so." and read.evidence == tuple(bullets)


# --- state

WORDS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
    st.sets(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1),
    max_size=5,
)


@given(WORDS)
def test_state_reads_back_and_every_record_is_a_line(words):
    text = wl.render_words(words)
    read = wl.parse_words(text)
    assert {k: v for k, v in read.items() if not k.endswith("!max")} == {k: v for k, v in words.items() if not k.endswith("!max")}
    assert json.loads(text) is not None and all(line.endswith(",") for line in text.split("\n")[1:-2])


@given(WORDS, WORDS)
def test_a_union_of_lines_is_the_union_of_the_words(one, two):
    """What merge=union leaves: the lines of both, in any order, still parse to the union."""
    lines = {*wl.render_words(one).split("\n")[1:-2], *wl.render_words(two).split("\n")[1:-2]}
    merged = wl.parse_words("{\n" + "".join(line + "\n" for line in lines) + '"": []}\n')
    for key in {*one, *two}:
        if not key.endswith("!max"):
            assert merged[key] == one.get(key, set()) | two.get(key, set())


def test_a_state_that_does_not_parse_is_set_aside_and_said(home, capsys):
    home.wiki.mkdir()
    (home.wiki / ".distill-state.json").write_text('{"a": ["b"]')
    assert wl.Wiki(home.wiki).state(".distill-state.json") == {}
    assert list(home.wiki.glob(".distill-state.json.broken-*")) and "set aside" in capsys.readouterr().err


# --- the doors


@pytest.fixture
def wiki(home) -> wl.Wiki:
    made = wl.Wiki(home.wiki)
    made.init()
    return made


def test_a_new_wiki_is_a_repository_on_main_with_a_first_commit_and_nothing_left_over(wiki, git, home):
    assert git("log", "--format=%s %an", cwd=home.wiki) == "A new wiki memex\n"
    assert git("rev-parse", "--abbrev-ref", "HEAD", cwd=home.wiki) == "main\n" and git("status", "--porcelain", cwd=home.wiki) == ""
    assert (home.wiki / "staging/patterns").is_dir() and not wiki.init()


@pytest.mark.parametrize(
    "path", ["../x.md", "/etc/x.md", "wiki/../../x.md", "wiki//x.md", "wiki/./x.md", "", "wiki/\0.md", "out/x.md"]
)
def test_nothing_is_written_outside_the_wiki(wiki, home, path):
    (home.path / "elsewhere").mkdir()
    (home.wiki / "out").symlink_to(home.path / "elsewhere")
    with pytest.raises(wl.WikiError, match="outside"):
        wiki.apply([wl.Write(path=path, text="x")])
    assert not list((home.path / "elsewhere").iterdir())


def test_a_write_decided_on_an_older_text_is_refused_and_the_rest_is_done(wiki, home, capsys):
    wiki.apply([wl.Write(path="wiki/patterns/a.md", text="---\ntitle: A\n---\none\n")])
    page = wiki.page("wiki/patterns/a.md")
    (home.wiki / page.path).write_text("---\ntitle: A\n---\na person was quicker\n")
    done = wiki.apply([wl.Write(page.with_body("two\n")), wl.Write(path="wiki/patterns/b.md", text="b")])
    assert [wl.target_of(e) for e in done] == ["wiki/patterns/b.md"] and "quicker" in wiki.text(page.path)
    assert "changed since it was read" in capsys.readouterr().err


def test_writing_what_is_there_already_touches_nothing(wiki, snapshot, home, capsys):
    wiki.apply([wl.Write(path="context/wake-up.md", text="x\n")])
    before = snapshot(home.wiki)
    capsys.readouterr()
    assert wiki.apply([wl.Write(path="context/wake-up.md", text="x\n")]) == [] and snapshot(home.wiki) == before
    assert capsys.readouterr().out == ""


def test_a_dry_run_prints_the_plan_and_writes_nothing(wiki, home, capsys, snapshot):
    before = snapshot(home.wiki)
    wl.dry_run(True)
    assert wiki.apply([wl.Write(path="context/wake-up.md", text="x\n", why="new")]) == []
    assert capsys.readouterr().out == "would write context/wake-up.md: new\n" and snapshot(home.wiki) == before


def test_a_wiki_dir_that_is_a_file_is_one_clear_line(home):
    home.wiki.write_text("x")
    with pytest.raises(wl.WikiError, match="is a file, not a folder; set WIKI_DIR"):
        wl.Wiki(home.wiki)


def test_a_second_batch_run_is_busy_and_the_lock_dies_with_its_holder(home):
    code = f"{FRAME}import time\nwith wl.run_lock(): print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code], env=home.environ, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(wl.Busy), wl.run_lock():
        pass
    holder.kill()
    holder.wait()
    with wl.run_lock(), wl.run_lock():  # a child of a run passes through
        pass


def test_a_program_that_takes_too_long_is_stopped_with_all_its_children(tmp_path):
    """failures 6: the whole process group ends."""
    began = time.monotonic()
    with pytest.raises(wl.ToolError, match="no answer within"):
        wl.run_tool(["sh", "-c", f"sleep 30 & echo $! > {tmp_path}/child; wait"], timeout=0.5)
    assert time.monotonic() - began < 5
    child = int((tmp_path / "child").read_text())
    for _ in range(50):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child lives on")


def test_a_missing_program_says_what_to_do():
    with pytest.raises(wl.ToolError, match="not found on PATH"):
        wl.run_tool(["no-such-program"])


# --- the frame of a script

FRAME = f"import sys; sys.path.insert(0, {str(wl.SCRIPTS)!r}); import wiki_lib as wl\n"


@pytest.mark.parametrize(
    "body, code, said",
    [
        ("pass", 0, ""),
        ("raise wl.WikiError('a: b; do c')", 1, "a: b; do c\n"),
        ("wl.warn('a', 'b; do c')", 1, "a: b; do c\n"),
        ("raise wl.Busy('held')", 75, ""),
        ("raise KeyboardInterrupt", 130, ""),
        ("raise OSError(28, 'No space left on device', '/x')", 1, "run it again\n"),
        ("open('/')", 1, "run it again\n"),
        ("raise OSError('no number')", 3, "OSError: no number\n"),
        ("1 / 0", 3, "ZeroDivisionError: division by zero\n"),
    ],
)
def test_exit_codes_are_the_houses(home, body, code, said):
    done = subprocess.run(
        [sys.executable, "-c", f"{FRAME}def main():\n    {body}\nwl.run(main)"], env=home.environ, capture_output=True, text=True
    )
    assert done.returncode == code and done.stderr.endswith(said) and ("Traceback" in done.stderr) == (code == 3)


def test_an_unknown_key_in_wiki_yaml_names_the_nearest(home):
    home.wiki.mkdir()
    (home.wiki / "wiki.yaml").write_text("timezon: UTC\n")
    with pytest.raises(wl.WikiError, match="unknown key 'timezon'; did you mean 'timezone'"):
        wl.config()


@pytest.mark.parametrize("text, said", [
    (b"\xff\xfe\x00", "is not UTF-8 text"),
    (b"- a\n", "is not a mapping"),
    (b"project_map: [1, 2]\n", "project_map: [1, 2] cannot be used; write a mapping"),
    (b"exclude: 5\n", "exclude: 5 cannot be used; write a list"),
    (b"budget: x\n", "budget: 'x' cannot be used; write a mapping such as {calls"),
    (b"budget: {calls: lots}\n", "cannot be used"),
    (b"timezone: Mars\n", "timezone: 'Mars' cannot be used"),
    (b"paused: sometimes\n", "paused: 'sometimes' cannot be used; write true or false"),
    (b"backend: gpt\n", "backend: 'gpt' cannot be used; write one of claude"),
    (b"wiki-hygiene: {empty_stub_threshold: many}\n", "empty_stub_threshold: 'many' cannot be used; write a whole number"),
    (b"wiki-hygiene: {required_fields: {a: b}}\n", "required_fields: {'a': 'b'} cannot be used; write a list such as [title]"),
])
def test_a_wrong_value_in_wiki_yaml_is_one_line_that_says_what_to_write(home, text, said):
    home.wiki.mkdir()
    (home.wiki / "wiki.yaml").write_bytes(text)
    with pytest.raises(wl.WikiError) as error:
        wl.seams("wiki-hygiene", {"EMPTY_STUB_THRESHOLD": 100, "REQUIRED_FIELDS": ("title",)})
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(home, monkeypatch):
    """Or the indexes would be written without what it holds."""
    (home.wiki / "conversations/api").mkdir(parents=True)
    def refused(path):
        raise PermissionError(13, "Permission denied", path)
    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(wl.WikiError, match="conversations: Permission denied; make it readable"):
        wl.Wiki().files("conversations")


def test_the_temporary_files_of_programs_that_were_killed_are_taken_away(home):
    (home.wiki / "wiki/patterns").mkdir(parents=True)
    dead = subprocess.Popen(["true"])
    dead.wait()
    left, ours, hook = (home.wiki / "wiki/patterns" / name for name in (
        f".p.md.{dead.pid}.tmp", f".p.md.{os.getpid()}.tmp", ".20260412T000000Z-ab.tmp"))
    for path in (left, ours, hook):
        path.write_text("half of")
    wl.wiki_disk.sweep(home.wiki)
    assert (left.exists(), ours.exists(), hook.exists()) == (False, True, True)
    os.utime(hook, (1, 1))
    wl.wiki_disk.sweep(home.wiki)
    assert not hook.exists()


@pytest.mark.parametrize("folder", ["", "wiki/patterns", "staging/decisions", "archive/decisions", "conversations/api", "raw/web",
                                    "context", "reports"])
def test_so_are_those_of_one_that_was_killed_a_moment_ago_wherever_it_wrote(home, folder):
    """It keeps its number until its parent, or who inherits it, has asked how it ended: with some that takes seconds."""
    killed = subprocess.Popen(["sleep", "60"])
    left = home.wiki / folder / f".p.md.{killed.pid}.tmp"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("half of")
    wl.wiki_disk.sweep(home.wiki)
    assert left.exists()
    killed.kill()
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)      # it is dead, and nobody has asked
    wl.wiki_disk.sweep(home.wiki)
    killed.wait()
    assert not left.exists() or sys.platform != "linux"


def test_a_number_that_is_another_processs_by_now_keeps_no_temporary_file_for_ever(home):
    home.wiki.mkdir()
    left = home.wiki / f".p.md.{os.getpid()}.tmp"
    left.touch()
    os.utime(left, (1, 1))
    wl.wiki_disk.sweep(home.wiki)
    assert not left.exists()


def test_the_making_of_a_wiki_that_was_cut_short_is_taken_up_again(home):
    (home.wiki / ".git").mkdir(parents=True)
    (home.wiki / ".making").touch()
    assert wl.Wiki().init() and wl.Wiki().git("log", "--format=%s").strip() == "A new wiki"
    assert not (home.wiki / ".making").exists() and wl.Wiki().git("status", "--porcelain") == ""


def test_a_setting_without_a_value_is_as_if_not_there(home):
    home.wiki.mkdir()
    (home.wiki / "wiki.yaml").write_text("project_map:\nwiki-hygiene: {empty_stub_threshold: }\n")
    constants = {"EMPTY_STUB_THRESHOLD": 100, "PROJECT_MAP": {}}
    assert wl.seams("wiki-hygiene", constants) == constants


def test_the_wikis_settings_stand_over_the_users_and_those_over_the_constants(home):
    """D8."""
    home.wiki.mkdir()
    (home.config / "memex").mkdir(parents=True)
    (home.config / "memex/wiki.yaml").write_text("wiki-hygiene: {empty_stub_threshold: 1, decay_high_to_medium: 1}\n")
    (home.wiki / "wiki.yaml").write_text("wiki-hygiene: {empty_stub_threshold: 2}\n")
    found = wl.seams("wiki-hygiene", {"EMPTY_STUB_THRESHOLD": 100, "DECAY_HIGH_TO_MEDIUM": 180, "DECAY_MEDIUM_TO_LOW": 270})
    assert found == {"EMPTY_STUB_THRESHOLD": 2, "DECAY_HIGH_TO_MEDIUM": 1, "DECAY_MEDIUM_TO_LOW": 270}


def test_an_absent_home_is_no_hindrance(home):
    env = {"PATH": os.environ["PATH"], "WIKI_DIR": str(home.wiki), "TMPDIR": str(home.path)}
    code = f"{FRAME}wl.run(lambda: print(wl.cache_dir(), wl.config()))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0 and str(home.path) in done.stdout, done.stderr
