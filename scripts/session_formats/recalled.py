"""What this wiki gave an agent, in the output of a tool: it came from here and is no evidence for itself.

Three marks tell it, each alone enough: the command that searches or reads the wiki, the form in which search prints what it
found, and the frontmatter that only pages of the wiki have.
"""
from __future__ import annotations

import re

_BEFORE = (r"(?:^|[;&|({`\n]|\$\(|\b(?:cmd|command)[\"']?\s*[:=]\s*[\"'`]|\b(?:ba|z)?sh\s+-l?c\s+[\"'])\s*"
           r"(?:(?:\w+=\S*|env|nice|time|exec|command|sudo|timeout|xargs|do|then|else|if|while|!|uv|run|[\d.]+[smh]?|-{1,2}[\w-]+"
           r"|\S*python[\d.]*)\s+)*")
_RUNS = re.compile(_BEFORE + r"[^\s;&|]*wiki-search\.py\b"
                   r"|\b(?:cat|bat|head|tail|less|more|sed|awk|grep|rg)\b[^|;&\n]*\bcontext/(?:wake-up|active-concerns|raw-extractions)\b")
_TOOL = re.compile(r"(?:mcp__)?(?:[\w-]*memex|[\w-]*wiki)[\w-]*(?:__|::)\S+")

# As wiki-search.py prints for a person: title (kind · wing · date · section), the path, the passage, an empty line.
_FOUND = re.compile(r"^.*  \((?:page|conversation|staged|archived)(?: · .*)?\)\n"
                    r"  ((?:wiki|conversations|staging|archive)/\S+\.md)\n(?:  .*(?:\n|\Z)\n?)?", re.M)
_ENTRY = re.compile(r'"(title|snippet)":\s*"(?:[^"\\]|\\.)*"?')      # of one entry of its --json; cut off where a pipe cut it
_HEAD = re.compile(r"^---\n((?:(?!---$).*\n){1,80})", re.M)
_ONLY_OURS = ("\ncompiled_hash: ", "\nlast_verified: ", "\nsummary_of: ", "\nredactor: ", "\nstaged_by: ", "\narchived_from: ")
MARK = "… recalled from the wiki"


def by_call(name: str, command: str) -> bool:
    """Does this call ask the wiki? `command`: the whole shell command, '' for other tools."""
    if command:
        return ("wiki-search" in command or "context/" in command) and bool(_RUNS.search(command))
    return bool(_TOOL.match(name))


def left_out(output: str) -> str:
    """The output without what was recalled; MARK and the path stand for it."""
    if ".md" in output:
        output = _FOUND.sub(lambda m: f"{MARK}: {m[1]}\n", output) if ".md\n  " in output else output
        if '"snippet"' in output and '"wing"' in output and '"kind"' in output:
            output = _ENTRY.sub(rf'"\1": "{MARK}"', output)
    if "\ntitle: " in output and any(key in output for key in _ONLY_OURS):
        page = next((m for m in _HEAD.finditer(output) if any(key in "\n" + m[1] for key in _ONLY_OURS)), None)
        output = f"{output[:page.start()]}{MARK}\n" if page else output
    return output
