"""What a model is shown of a transcript: every word that was said, and of tool traffic what tells something. Pure.

Tool traffic is three quarters of a transcript and hardly ever what is worth remembering: what was looked up is said again by
whoever found it worth something. So of a call that only looked, what it looked at stays; of one that did something, how its
output begins and ends; of one that failed, the lines that speak of trouble, too. What is left out is counted where it stood.
"""
from __future__ import annotations

import wiki_lib as wl

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

HEAD_LINES, TAIL_LINES = 2, 3          # of an output that is longer than both
FAILED_HEAD, FAILED_TAIL = 3, 6        # of one that failed
TROUBLE_LINES = 8                      # of its middle, where they speak of trouble; a third of them where it did not fail
FOUND_LINES = 2                        # of what a search or a listing gave
LINE_CHARACTERS = 240
LOOKED_CHARACTERS = 200                # of a command that only looked
NAMED = 8                              # of a run of calls that looked things up: files, patterns
REPORT_CHARACTERS = 3_000              # of what a subagent reported at its end

LOOKING = frozenset({"Read", "Glob", "Grep", "LS", "WebSearch", "ToolSearch", "TodoWrite", "TaskUpdate", "TaskList", "TaskGet"})
SHELLS = frozenset({"Bash", "shell", "exec_command", "local_shell"})
REPORTS = frozenset({"TaskNotification", "Task", "Agent", "AskUserQuestion", "ExitPlanMode"})      # prose: a report or an answer
# Commands that print what is there: a file's text, or lines and names that were searched for.
_SHOWS = frozenset("bat cat head hexdump jq less more nl od pr sed strings tail xxd yq".split())
_SEARCHES = frozenset("ag awk column cut echo egrep fd fgrep file find grep id ls printf ps pwd rg sort stat tr tree type uname "
                      "uniq wc whereis which xargs".split())
_GIT_SHOWS = frozenset("blame cat-file diff show".split())
_GIT_SEARCHES = frozenset("branch config describe for-each-ref grep log ls-files ls-remote ls-tree merge-base reflog remote "
                          "rev-list rev-parse shortlog status tag".split())
_STEPS = frozenset("cd true : set export".split())      # before a command, of no weight themselves
_CALL = re.compile(r"- \*\*([^*\s]+)\*\*(?: `(.*)`)?$")
_SPLIT = re.compile(r"&&|\|\||[;\n]")
_QUOTED = re.compile(r"'[^']*'?|\"(?:[^\"\\]|\\.)*\"?|\$\([^()]*\)")
_ASSIGNED = re.compile(r"^(?:(?:env|sudo|time|command|timeout\s+\S+)\s+|[A-Za-z_]\w*=\S*\s*)+")
_FAILED = re.compile(r"\s*(?:exit code -?[1-9]|error\b|traceback|fatal:|<tool_use_error>|panic:)", re.I)
_FAILURE = re.compile(      # at the beginning of any of its lines: what failed in a pipe ends well
    r"\s*(?:--- FAIL|FAIL(?:ED|URES?)?\b|E  +\S|error(?:\[\w+\])?:|\S+: (?:fatal )?error:|npm ERR!|panic:|thread '.*' panicked)")
_TROUBLE = re.compile(
    r"(?<![\w-])(?:errors?|fail(?:ed|ure|ures|s)?|fatal|panic(?:ked)?|\w*(?:Error|Exception)|traceback|warnings?|denied|refused|rejected|"
    r"not found|no such|cannot|can't|unable|undefined|assert\w*|conflict|timed? ?out|expected|mismatch)(?![\w-])", re.I)


def thinned(transcript: wl.Transcript) -> wl.Transcript:
    """The transcript as a model is to see it; ids, roles and words stay as they are. Of a subagent its last words stay: what
    its parent learnt of it."""
    seen: set[str] = set()
    return wl.Transcript(
        tuple(replace(m, tools=tuple(thin_tools(m.tools, seen))) if isinstance(m, wl.Message) else m for m in transcript.messages),
        tuple(a for agent in transcript.agents if (a := _report(agent)).messages))


def _report(agent: wl.Agent) -> wl.Agent:
    last = next((m for m in reversed(agent.messages) if m.role == "assistant" and m.text.strip()), None)
    return replace(agent, messages=(replace(last, text=_middle_out(last.text, REPORT_CHARACTERS), tools=()),) if last else ())


# ---------------------------------------------------------------- tool traffic

def thin_tools(tools: Sequence[str], seen: set[str] | None = None) -> Iterator[str]:
    """The tool blocks of one message: runs of looking in one line, long outputs cut. `seen`: the outputs that stood before;
    one that comes again says no more than that."""
    run: list[tuple[str, str]] = []
    for block in tools:
        head, _, output = block.partition("\n")
        call = _CALL.match(head)
        if call and call[1] in LOOKING and not output:
            run.append((call[1], call[2] or ""))
            continue
        yield from _one_line(run)
        run = []
        yield _thin_block(head, output, call[1] if call else "", (call[2] or "") if call else "", set() if seen is None else seen)
    yield from _one_line(run)


def _one_line(run: list[tuple[str, str]]) -> Iterator[str]:
    for name in dict.fromkeys(name for name, _ in run):
        told = list(dict.fromkeys(argument for n, argument in run if n == name and argument))
        more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
        yield f"- **{name}** `{', '.join(told[:NAMED])}{more}`" if told else f"- **{name}**"


def _thin_block(head: str, output: str, name: str, argument: str, seen: set[str]) -> str:
    looks = looked(argument) if name in SHELLS else ""
    if looks and len(argument) > LOOKED_CHARACTERS:
        head = f"- **{name}** `{argument[:LOOKED_CHARACTERS]}…`"
    if not output:
        return head
    if len(output) > LINE_CHARACTERS:
        if output in seen:
            return f"{head}\n  … the same output as before"
        seen.add(output)
    lines = output.split("\n")
    fence, body, end = lines[0], [line.rstrip() for line in lines[1:-1] if line.strip()], lines[-1]
    if name in REPORTS:
        return "\n".join([head, fence, _middle_out("\n".join(body), REPORT_CHARACTERS), end])
    if _failed(body):
        kept = _ends(body, FAILED_HEAD, FAILED_TAIL, TROUBLE_LINES)
    elif looks == "shows":
        return f"{head}\n  … {len(body)} lines" if len(body) > 1 else "\n".join([head, fence, *map(_short, body), end])
    elif looks:
        kept = _ends(body, FOUND_LINES, 0, 0)
    else:
        kept = _ends(body, HEAD_LINES, TAIL_LINES, TROUBLE_LINES // 3)
    return "\n".join([head, fence, *map(_short, kept), end])


def _failed(body: Sequence[str]) -> bool:
    return bool(body) and _FAILED.match(body[0]) is not None or any(map(_FAILURE.match, body))


def _ends(body: Sequence[str], first: int, last: int, trouble: int) -> list[str]:
    """The beginning and the end of an output, and of what is between them the first lines that speak of trouble."""
    if len(body) <= first + last + 1:
        return list(body)
    middle = body[first:len(body) - last]
    told = list(dict.fromkeys(line for line in middle if _TROUBLE.search(line)))[:trouble] if trouble else []
    return [*body[:first], *told, f"  … {len(middle) - len(told)} more lines", *body[len(body) - last:]]


def _short(line: str) -> str:
    return line if len(line) <= LINE_CHARACTERS else line[:LINE_CHARACTERS] + "…"


def looked(command: str) -> str:
    """Does a command only look? 'shows' when it prints files, 'searches' when it prints what it found, '' when it may do
    anything else. A command that was cut in the transcript is judged by what stands there."""
    if ">" in (bare := _QUOTED.sub("x", command)).replace("2>&1", "").replace("2>/dev/null", "").replace(">/dev/null", ""):
        return ""
    kinds = {_kind_of_line([step.strip(" ()") for step in line.split("|")]) for line in _SPLIT.split(bare)} - {"step"}
    if not kinds or "" in kinds:
        return ""
    return "shows" if "shows" in kinds else "searches"


def _kind_of_line(steps: Sequence[str]) -> str:
    """Of a pipeline: what its first command does, if all the others only pass it on."""
    kinds = [_kind(step) for step in steps]
    return "" if "" in kinds else kinds[0]


def _kind(step: str) -> str:
    words = _ASSIGNED.sub("", step).split()
    if not words or words[0] in _STEPS:
        return "step"
    name, rest = words[0].rsplit("/", 1)[-1], words[1:]
    if name == "git":
        verb = next((w for n, w in enumerate(rest) if not w.startswith("-") and (n == 0 or rest[n - 1] not in ("-C", "-c"))), "")
        return "shows" if verb in _GIT_SHOWS else "searches" if verb in _GIT_SEARCHES else ""
    if name == "sed" and any(w.startswith(("-i", "--in-place")) for w in rest) or name == "find" and not _only_finds(rest):
        return ""
    if name == "xargs":
        return next((_kind(" ".join(rest[n:])) for n, w in enumerate(rest) if w in _SHOWS | _SEARCHES), "")
    return "shows" if name in _SHOWS else "searches" if name in _SEARCHES else ""


def _only_finds(words: Sequence[str]) -> bool:
    """Does a find only look, and so what it starts?"""
    started = [w for n, w in enumerate(words) if n and words[n - 1].startswith(("-exec", "-ok"))]
    return "-delete" not in words and all(w in _SHOWS | _SEARCHES for w in started)


def _middle_out(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
