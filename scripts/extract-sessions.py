#!/usr/bin/env python3
"""Turn the session files of Claude Code and Codex into verbatim transcripts under conversations/.

No model is asked. What was read before is not read again: a session that grew gains its new messages, one that
did not change is not even opened. Secrets are taken out before anything is written.

  extract-sessions.py                        all sessions of CLAUDE_CONFIG_DIR and CODEX_HOME
  extract-sessions.py --transcript PATH      one session file of either agent
  extract-sessions.py --sessions DIR         sessions kept elsewhere, in either agent's layout (may be repeated)
  extract-sessions.py --project api          only sessions of the wing `api`
  extract-sessions.py --dry-run              what would be written, and why (new, grown, rewritten, forced)
  extract-sessions.py --force                read everything again from the start
"""
from __future__ import annotations

import wiki_lib as wl

import gc
import os
import sys
from typing import Any

# ---- seams: the script's capitals, wiki.yaml's `extract-sessions:` over them

PROJECT_MAP: dict[str, str] = {}                                 # glob of a session's folder -> wing; first match wins
KEEP_FULL_OUTPUT_TOOLS = ("Bash", "Skill")                       # tools whose output is kept; Codex's shell is Bash
SUMMARIZE_TOOLS = ("Edit", "Write", "MultiEdit", "NotebookEdit")  # path and one line on what came of it; apply_patch is Edit
MAX_BASH_OUTPUT_LINES = 200                                      # of a kept output; then how many more there were


def options() -> Any:
    parser = wl.parser(__doc__)
    parser.add_argument("--transcript", metavar="PATH", help="only this session file, of either agent")
    parser.add_argument("--sessions", metavar="DIR", action="append", default=[],
                        help="sessions from DIR instead of the agents' own folders; may be repeated")
    parser.add_argument("--project", metavar="CODE", default="", help="only sessions of this wing")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written and why; write nothing")
    parser.add_argument("--force", action="store_true", help="read everything again from the start")
    return parser.parse_args()


def main() -> int:
    args = options()
    wl.dry_run(args.dry_run)
    if os.environ.get(wl.QUESTION_VARIABLE):      # a hook or an agent started it there; it would ask, and be mined, without end
        print("extract-sessions.py: inside a model call of this wiki's own; nothing was mined", file=sys.stderr)
        return 0
    with wl.run_lock():
        return extract(args)


def extract(args: Any) -> int:
    """Mine as the options say, under the run lock; returns the exit status."""
    seams = wl.seams("extract-sessions", {
        "PROJECT_MAP": PROJECT_MAP, "KEEP_FULL_OUTPUT_TOOLS": KEEP_FULL_OUTPUT_TOOLS, "SUMMARIZE_TOOLS": SUMMARIZE_TOOLS,
        "MAX_BASH_OUTPUT_LINES": MAX_BASH_OUTPUT_LINES})
    # Many small values live until the end: looking for garbage among them is time lost.
    gc.disable()
    # Late imports: --help needs none of this, and most nights need the first two.
    import session_files
    import session_quiet
    found = None
    if session_quiet.is_whole(args):
        found = session_files.listed(session_files.default_folders())
        if session_quiet.is_over(wl.Wiki(), found):
            return 0
    import session_mining
    return session_mining.mine(args, seams, found)


if __name__ == "__main__":
    wl.run(main)
