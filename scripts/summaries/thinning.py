"""What a model is shown of a transcript: every word that was said, and of tool traffic what tells something. Pure.

Output of commands is four fifths of a transcript and hardly ever what is worth remembering: its beginning, its end and
the lines that speak of trouble are kept. Runs of calls that only looked something up become one line.
"""
from __future__ import annotations

import wiki_lib as wl

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

HEAD_LINES, TAIL_LINES = 3, 6          # of a long output
TROUBLE_LINES = 5                      # of its middle, where they speak of trouble
LINE_CHARACTERS = 240
PATHS_NAMED = 8                        # of a run of calls that looked things up
REPORT_CHARACTERS = 3_000              # of what a subagent reported at its end

LOOKING = frozenset({"Read", "Glob", "Grep", "LS", "WebSearch", "ToolSearch", "TodoWrite", "TaskUpdate", "TaskList", "TaskGet"})
_CALL = re.compile(r"- \*\*([^*\s]+)\*\*(?: `(.*)`)?$")
_TROUBLE = re.compile(
    r"\b(?:error|fail(?:ed|ure|s)?|fatal|panic|exception|traceback|warning|denied|refused|not found|assert\w*)\b", re.I)


def thinned(transcript: wl.Transcript) -> wl.Transcript:
    """The transcript as a model is to see it; ids, roles and words stay as they are."""
    return wl.Transcript(
        tuple(replace(m, tools=tuple(thin_tools(m.tools))) if isinstance(m, wl.Message) else m for m in transcript.messages),
        tuple(a for agent in transcript.agents if (a := _report(agent)).messages))


def _report(agent: wl.Agent) -> wl.Agent:
    """A subagent's last words: what its parent learnt of it."""
    last = next((m for m in reversed(agent.messages) if m.role == "assistant" and m.text.strip()), None)
    return replace(agent, messages=(replace(last, text=_middle_out(last.text, REPORT_CHARACTERS), tools=()),) if last else ())


def thin_tools(tools: Sequence[str]) -> Iterator[str]:
    """The tool blocks of one message: runs of looking in one line, long outputs cut."""
    run: list[tuple[str, str]] = []
    for block in tools:
        head, _, output = block.partition("\n")
        call = _CALL.match(head)
        if call and call[1] in LOOKING and not output:
            run.append((call[1], call[2] or ""))
            continue
        yield from _one_line(run)
        run = []
        yield f"{head}\n{thin_output(output)}" if output else head
    yield from _one_line(run)


def _one_line(run: list[tuple[str, str]]) -> Iterator[str]:
    names = dict.fromkeys(name for name, _ in run)
    for name in names:
        told = list(dict.fromkeys(argument for n, argument in run if n == name and argument))
        more = f" and {len(told) - PATHS_NAMED} more" if len(told) > PATHS_NAMED else ""
        yield f"- **{name}** `{', '.join(told[:PATHS_NAMED])}{more}`" if told else f"- **{name}**"


def thin_output(output: str) -> str:
    """An output's indented fence with the middle of a long output left out."""
    lines = output.split("\n")
    body = lines[1:-1]
    if len(body) <= HEAD_LINES + TAIL_LINES + 2:
        return "\n".join(line[:LINE_CHARACTERS] for line in lines)
    middle = body[HEAD_LINES:-TAIL_LINES]
    trouble = list(dict.fromkeys(line for line in middle if _TROUBLE.search(line)))[:TROUBLE_LINES]
    left_out = f"  … {len(middle) - len(trouble)} lines left out"
    kept = [lines[0], *body[:HEAD_LINES], *trouble, left_out, *body[-TAIL_LINES:], lines[-1]]
    return "\n".join(line[:LINE_CHARACTERS] for line in kept)


def _middle_out(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
