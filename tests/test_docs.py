"""The documents say what is so. What can be made from the code is made from it, and compared here.

    .venv/bin/python tests/test_docs.py --write      makes those parts anew, after a change of a script

A made part of a document stands between `<!-- made: WHAT -->` and `<!-- /made -->`; WHAT is `help SCRIPT`, `imports` or
`constants`. README's console blocks are run, the state table is compared with the code, and links must lead somewhere.
"""
from __future__ import annotations

import ast
import importlib
import io
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import textwrap
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
SCRIPTS = CHECKOUT / "scripts"
DOCUMENTS = ("README.md", "CLAUDE.md", *sorted(p.relative_to(CHECKOUT).as_posix() for p in CHECKOUT.glob("docs/*.md")))
ARCHITECTURE, CUSTOMIZE, README = "docs/ARCHITECTURE.md", "docs/CUSTOMIZE.md", "README.md"
MADE = re.compile(r"<!-- made: (?P<what>[^>]+?) -->\n(?P<text>.*?)<!-- /made -->", re.S)
STATE_NAME = re.compile(r"\.[a-z]+-state\.json")
HELP_COLUMNS = "100"          # argparse folds its lines at the terminal's width


def text(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def made_parts(name: str) -> dict[str, str]:
    return {found["what"]: found["text"] for found in MADE.finditer(text(name))}


def folded(words: str) -> str:
    """White space as one space, and an option's value named once, as argparse writes it since Python 3.13."""
    return " ".join(re.sub(r"(-\w) ([A-Z]+), (--[\w-]+) \2", r"\1, \3 \2", words).split())


# -- what the code holds ----------------------------------------------------------------------------------------------

def programs() -> list[Path]:
    """What a person or an agent runs: a hyphen in a file name says so."""
    return sorted(p for folder in (SCRIPTS, SCRIPTS / "hooks") for p in folder.iterdir()
                  if p.is_file() and "-" in p.name and p.suffix in (".py", ".sh", ""))


def called(program: Path) -> str:
    return program.relative_to(SCRIPTS).as_posix()


def units() -> dict[str, list[Path]]:
    """{name: its files}: each script and module by its file name, each package as 'name/'."""
    found = {p.name: [p] for p in sorted(SCRIPTS.glob("*.py"))}
    for folder in sorted(SCRIPTS.iterdir()):
        if (folder / "__init__.py").is_file():
            found[folder.name + "/"] = sorted(folder.glob("*.py"))
    return found


def imported_by(files: Iterable[Path], modules: dict[str, str]) -> set[str]:
    """The units a unit imports, at its top, late in a function, or by name through importlib."""
    found = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.split(".")[0])
            elif isinstance(node, ast.Constant) and node.value in ("wiki_redact", "wiki_model"):
                found.add(node.value)          # the library's late imports, by name
    return {modules[name] for name in found if name in modules}


def imports() -> dict[str, set[str]]:
    """{unit: the units of ours that it imports}."""
    every = units()
    modules = {name.removesuffix(".py").rstrip("/"): name for name in every if "-" not in name}
    return {name: imported_by(files, modules) - {name} for name, files in every.items()}


def runs() -> dict[str, set[str]]:
    """{shell program: the programs it runs}, as '$SCRIPTS/name' says."""
    return {p.name: set(re.findall(r"\$SCRIPTS/([\w-]+\.(?:py|sh))", p.read_text())) for p in sorted(SCRIPTS.glob("*.sh"))}


def constants(file: Path) -> Iterator[tuple[str, object, str]]:
    """(name, value, reason) of the capitals at a module's top level that hold a plain value and carry a reason."""
    source = file.read_text(encoding="utf-8")
    reasons = {t.start[0]: t.string.lstrip("# ").strip() for t in tokenize.generate_tokens(io.StringIO(source).readline)
               if t.type == tokenize.COMMENT and not t.line.lstrip().startswith("#")}
    for node in ast.parse(source).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        reason = reasons.get(node.lineno) or reasons.get(node.end_lineno or 0)
        if not (isinstance(target, ast.Name) and re.fullmatch(r"[A-Z][A-Z0-9_]+", target.id) and reason):
            continue
        try:
            yield target.id, ast.literal_eval(node.value), reason
        except ValueError:
            continue          # a pattern or a computed value: no seam


def seams_of(script: Path) -> set[str]:
    """The capitals that wiki.yaml can set under this script's name: those it hands to wl.seams()."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    values = {node.targets[0].id: node.value for node in tree.body
              if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}
    handed: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "seams":
            given = node.args[1]
            handed.append(values.get(given.id, given) if isinstance(given, ast.Name) else given)
    words = {n.value for value in handed for n in ast.walk(value) if isinstance(n, ast.Constant)}
    return {w for w in words if isinstance(w, str) and re.fullmatch(r"[A-Z][A-Z0-9_]+", w)}


# Vocabulary, file formats and the environment: capitals that are no choice of a user's.
NOT_FOR_USERS = ("wiki_env.py", "wiki_text.py", "wiki_conversation.py", "wiki_disk.py", "wiki_blocks.py", "wiki_merge.py")


def customizable() -> list[tuple[str, list[tuple[str, object, str, str]]]]:
    """[(unit, [(name, value, key in wiki.yaml or '', reason)])], scripts first."""
    seams = {p.stem: seams_of(p) for p in sorted(SCRIPTS.glob("*-*.py"))}
    found = []
    for name, files in sorted(units().items(), key=lambda u: ("-" not in u[0], u[0])):
        rows = [(constant, value, key_of(seams, name, constant), reason)
                for file in files if name not in NOT_FOR_USERS for constant, value, reason in constants(file)]
        if rows:
            found.append((name, rows))
    return found


def key_of(seams: dict[str, set[str]], unit: str, constant: str) -> str:
    owners = [s for s, names in seams.items() if constant in names and (unit == f"{s}.py" or "-" not in unit)]
    return f"{owners[0]}: {constant.lower()}" if owners else ""


# -- making the parts -------------------------------------------------------------------------------------------------

def make(what: str) -> str:
    kind, _, rest = what.partition(" ")
    if kind == "help":
        return f"```text\n{help_of(rest)}\n```\n"
    if kind == "imports":
        return f"```text\n{graph()}\n```\n"
    return {"constants": constants_table}[kind]()


def help_of(name: str) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/nonexistent"), "LANG": "C.UTF-8",
               "COLUMNS": HELP_COLUMNS, "NO_COLOR": "1"}
    done = subprocess.run([str(SCRIPTS / name), "--help"], env=environ, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=True)
    return done.stdout.strip()


def graph() -> str:
    lines = [f"{name:<30} {', '.join(sorted(used)) or '-'}" for name, used in
             sorted(imports().items(), key=lambda item: ("-" not in item[0], item[0]))]
    lines += [""] + [f"{name:<30} runs {', '.join(sorted(used))}" for name, used in sorted(runs().items()) if used]
    return "\n".join(lines)


def constants_table() -> str:
    out = []
    for name, rows in customizable():
        out += [f"**scripts/{name}**", "", "| constant | value | in wiki.yaml | why |", "|---|---|---|---|"]
        out += [f"| `{constant}` | {shown(value)} | {f'`{key}`' if key else ''} | {reason.replace('|', '/')} |"
                for constant, value, key, reason in rows]
        out.append("")
    return "\n".join(out)


def shown(value: object) -> str:
    words = ", ".join(map(str, value)) if isinstance(value, (tuple, list, set, frozenset)) else str(value)
    if not words:
        return "`()`" if isinstance(value, tuple) else "`''`"
    return f"`{words}`" if len(words) <= 60 and "\n" not in words and "|" not in words else "(see there)"


def write() -> None:
    """Make every made part of every document anew."""
    for name in DOCUMENTS:
        old = text(name)
        new = MADE.sub(lambda m: f"<!-- made: {m['what']} -->\n{make(m['what'])}<!-- /made -->", old)
        if new != old:
            (CHECKOUT / name).write_text(new, encoding="utf-8")
            print(f"write {name}")


@pytest.fixture
def wl():
    return importlib.import_module("wiki_lib")          # not at the top: --write runs where only this file is known


# -- the made parts ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("program", [called(p) for p in programs()])
def test_every_script_has_a_section_in_architecture_that_is_its_help(program):
    part = made_parts(ARCHITECTURE).get(f"help {program}")
    assert part is not None, f"{ARCHITECTURE} has no '<!-- made: help {program} -->'"
    assert f"### {program}\n" in text(ARCHITECTURE)
    assert folded(part) == folded(make(f"help {program}")), "run: .venv/bin/python tests/test_docs.py --write"


def test_architecture_describes_no_script_that_is_gone():
    described = {what.split(" ", 1)[1] for what in made_parts(ARCHITECTURE) if what.startswith("help ")}
    assert described == {called(p) for p in programs()}


def test_the_dependency_graph_is_what_the_imports_say():
    assert made_parts(ARCHITECTURE)["imports"] == make("imports"), "run: .venv/bin/python tests/test_docs.py --write"


def test_the_table_of_seams_is_made_from_the_constants():
    assert made_parts(CUSTOMIZE)["constants"] == make("constants"), "run: .venv/bin/python tests/test_docs.py --write"


def test_every_seam_is_a_constant_that_says_why():
    listed = {(key.split(":")[0], name) for _, rows in customizable() for name, _, key, _ in rows if key}
    missing = [f"{p.name}: {name}" for p in SCRIPTS.glob("*-*.py") for name in seams_of(p) if (p.stem, name) not in listed]
    assert not missing, "a capital at the top, with its reason to the right, is missing for these"


# -- what the graph may be --------------------------------------------------------------------------------------------

def test_imports_point_one_way():
    """No script is imported, and nothing imports in a circle."""
    used = imports()
    assert not [name for names in used.values() for name in names if "-" in name]

    def reached(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"imports in a circle: {' -> '.join([*above, name])}"
        for other in used[name]:
            reached(other, (*above, name))
    for name in used:
        reached(name, ())


def test_what_was_cut_from_the_library_never_imports_it():
    cut = imports()["wiki_lib.py"]
    assert not [name for name in cut if "wiki_lib.py" in imports()[name]]


# -- state ------------------------------------------------------------------------------------------------------------

def state_table() -> dict[str, tuple[set[str], set[str], str]]:
    """{state file: (who writes it, who else reads it, synced)} as ARCHITECTURE says."""
    rows = re.findall(r"^\| `(\.[a-z]+-state\.json)` \|([^|]*)\|([^|]*)\|([^|]*)\|", text(ARCHITECTURE), re.M)
    return {name: (set(re.findall(r"`([^`]+)`", writers)), set(re.findall(r"`([^`]+)`", readers)), synced.strip())
            for name, writers, readers, synced in rows}


def touching() -> dict[str, set[str]]:
    """{state file: the programs whose code names it, themselves or through what they import}."""
    used = imports()

    def below(unit: str) -> set[str]:
        return {unit}.union(*map(below, used.get(unit, ())))
    named = {unit: {n.value for p in paths for n in ast.walk(ast.parse(p.read_text(encoding="utf-8")))
                    if isinstance(n, ast.Constant) and isinstance(n.value, str) and STATE_NAME.fullmatch(n.value)}
             for unit, paths in units().items()}
    named |= {called(p): set(STATE_NAME.findall(p.read_text(encoding="utf-8"))) for p in programs() if p.suffix != ".py"}
    touched: dict[str, set[str]] = {}
    for program in {name for name in named if "-" in name}:
        for name in set().union(*(named[unit] for unit in below(program))):
            touched.setdefault(name, set()).add(program)
    return touched


def test_the_state_table_names_those_who_touch_each_file():
    assert {name: writers | readers for name, (writers, readers, _) in state_table().items()} == touching()


def test_the_state_table_says_which_files_git_ignores():
    for name, (_, _, synced) in state_table().items():
        ignored = subprocess.run(["git", "check-ignore", "-q", name], cwd=CHECKOUT, check=False).returncode == 0
        assert synced == ("no" if ignored else "yes"), name


# -- README is run ----------------------------------------------------------------------------------------------------

def console_commands(name: str) -> list[tuple[str, str]]:
    """[(command, the output shown under it)] of a document's console blocks, in order."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"^```console\n(.*?)^```", text(name), re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            else:
                found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


def agrees(shown_output: str, output: str) -> bool:
    """Whether what a document shows is what was printed; `...` stands for anything."""
    at = 0
    for piece in filter(None, (p.strip() for p in shown_output.split("..."))):
        at = output.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def test_the_readme_is_run_from_top_to_bottom(home, tmp_path):
    """M40: the two commands' first one, on the example sessions, and everything README does with what it made."""
    commands = console_commands(README)
    mark = "=== the next command ==="
    lines = ["set -u"]
    for number, (command, _) in enumerate(commands):
        lines += [f"echo '{mark}'", f"{command} || {{ echo \"{number}: exit $?\" >&2; exit 9; }}"]
    done = subprocess.run(["bash", "-c", "\n".join(lines)], cwd=CHECKOUT, env=home.environ, capture_output=True, text=True,
                          timeout=110, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    outputs = [piece.lstrip("\n") for piece in done.stdout.split(mark)[1:]]
    for (command, expected), output in zip(commands, outputs, strict=True):
        assert agrees(expected, output), f"$ {command}\n{output}"
    maintained = [output for (command, _), output in zip(commands, outputs, strict=True) if "wiki-maintain" in command]
    assert maintained[0] and maintained[1] == "", "a second run with nothing to say prints nothing"
    assert not list(home.wiki.glob("*")), "README sets a WIKI_DIR of its own"


def test_the_shell_blocks_of_the_documents_name_programs_and_options_that_exist():
    helps = {p.name: help_of(called(p)) for p in programs()}
    wrong = []
    for name in DOCUMENTS:
        for program, rest in re.findall(r"(?:scripts/|hooks/)([\w]+-[\w-]+(?:\.py|\.sh)?)((?: [^\n`|;&]*)?)", text(name)):
            if program not in helps:
                wrong.append(f"{name}: {program}")
                continue
            wrong += [f"{name}: {program} {option}" for option in re.findall(r"(?<=\s)--[a-z-]+", rest.split("#")[0])
                      if option not in helps[program] and option != "--help"]
    assert not wrong


# -- what the documents show as an example ----------------------------------------------------------------------------

def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text(name), re.M | re.S)


def test_architecture_lists_the_keys_of_pages_and_conversations_in_their_order(wl):
    shown_keys = re.findall(r"^\| ((?:[a-z_]+(?: \([^)]*\))?, )+[a-z_]+) \|", text(ARCHITECTURE), re.M)
    bare = [tuple(re.sub(r" \([^)]*\)", "", row).split(", ")) for row in shown_keys if "_" in row]
    assert bare == [wl.PAGE_KEYS, wl.STAGED_KEYS, wl.ARCHIVE_KEYS]
    head = re.search(r"^---\ntitle: \.\.\.(.*?)\n---\n", text(ARCHITECTURE), re.M | re.S)[1]
    assert ("title", *re.findall(r"[a-z_]+", re.sub(r"\([^)]*\)", "", head))) == wl.CONVERSATION_KEYS


def test_the_exit_codes_of_architecture_are_those_of_the_frame(wl):
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", text(ARCHITECTURE), re.M)}
    assert told == {0, wl.EXIT_FAILED, wl.EXIT_USAGE, wl.EXIT_BUG, wl.EXIT_BUSY, wl.EXIT_INTERRUPTED}


def test_every_example_of_wiki_yaml_is_taken(home, run_script):
    for example in blocks(CUSTOMIZE, "yaml") + blocks("docs/SETUP.md", "yaml"):
        home.wiki.mkdir(exist_ok=True)
        (home.wiki / "wiki.yaml").write_text(example)
        for script in ("extract-sessions.py", "summarize-conversations.py", "update-conversation-index.py", "wiki-hygiene.py"):
            assert run_script(script, "--dry-run").stderr == "", example


def test_the_hooks_in_set_up_are_json_and_name_files_that_are_there():
    [settings] = blocks("docs/SETUP.md", "json")
    for event in json.loads(settings)["hooks"].values():
        [command] = [hook["command"] for entry in event for hook in entry["hooks"]]
        assert os.access(SCRIPTS / command.split("/scripts/")[1], os.X_OK)


def test_the_proposals_that_claude_md_shows_are_taken_by_review(wl, home, run_script):
    example = textwrap.dedent(re.search(r"^    ---\n    title:.*?(?=^\S|^- )", text("CLAUDE.md"), re.M | re.S)[0])
    digest_of_body = re.search(r"^    (python3 -c .*)$", text("CLAUDE.md"), re.M)[1]
    page = wl.parse_page("staging/patterns/retry-with-full-jitter.md", example)
    assert set(page.meta) <= set(wl.PAGE_KEYS + wl.STAGED_KEYS)
    run_script("wiki-sync.sh", "--commit")

    def accept(proposal):
        (home.wiki / page.path).write_text(wl.render_page(proposal))
        [waiting] = json.loads(run_script("wiki-staging.py", "--list", "--json").stdout)
        assert (waiting["title"], waiting["staged_by"]) == (page.title, "agent")
        run_script("wiki-staging.py", "--promote", waiting["id"])
        return wl.parse_page(live, (home.wiki / live).read_text())

    live = "wiki/patterns/retry-with-full-jitter.md"
    assert accept(page).body == page.body
    digest = subprocess.run(["bash", "-c", digest_of_body], cwd=home.wiki, env=home.environ, capture_output=True, text=True,
                            check=True).stdout.strip()
    changed = page.with_body(page.body + "- One more claim.\n").with_meta(modifies=live, modifies_hash=digest)
    assert accept(changed).body == changed.body


# -- links and places -------------------------------------------------------------------------------------------------

def anchors(name: str) -> set[str]:
    """The anchors that GitHub gives a document's headings."""
    return {re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.+)$", text(name), re.M)}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_relative_links_lead_somewhere(name):
    unfenced = re.sub(r"^```.*?^```|^    .*?$", "", text(name), flags=re.M | re.S)
    for target in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", re.sub(r"`[^`\n]+`", "", unfenced)):
        path, _, anchor = target.partition("#")
        there = (CHECKOUT / name).parent / path if path else CHECKOUT / name
        assert there.exists(), f"{name}: {target}"
        if anchor:
            assert anchor in anchors(there.resolve().relative_to(CHECKOUT).as_posix()), f"{name}: {target}"


def tracked() -> list[Path]:
    if not shutil.which("git") or not (CHECKOUT / ".git").exists():
        pytest.skip("not a git checkout: what is tracked is not known")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    return [CHECKOUT / name for name in listed.split("\0") if name and (CHECKOUT / name).is_file()]


def test_no_tracked_file_names_a_place_on_this_machine():
    """Each file is read on other machines, where the checkout and the home lie elsewhere."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    places = [p for p in (str(CHECKOUT), home) if len(p) > len("/home/") and p != "/nonexistent"]
    named = [f"{path.relative_to(CHECKOUT)}: {place}" for path in tracked() for place in places
             if re.search(re.escape(place) + r"(?![\w-])", path.read_text(encoding="utf-8", errors="replace"))]
    assert not named


def test_the_withdrawn_figure_is_quoted_nowhere():
    """The gain from filtering by wing and room that an early design cited: its source has withdrawn it."""
    figure = re.compile(r"\+ ?" + "34" + r" ?%")
    assert not [str(path) for path in tracked() if figure.search(path.read_text(encoding="utf-8", errors="replace"))]


@pytest.mark.parametrize("station", ["wiki", "staging", "archive", "conversations"])
def test_a_fresh_clone_holds_empty_data_folders(station):
    names = [p.relative_to(CHECKOUT / station).as_posix() for p in tracked() if (CHECKOUT / station) in p.parents]
    assert names == ["index.md"]


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit((__doc__ or "").strip())
    write()
