"""The one module that scripts import: the vocabulary, the doors, and the frame every script runs in.

The parts live in siblings cut along the bars: wiki_text (1 vocabulary, 2 errors, 3 text, 4 pages), wiki_conversation
(5 conversations), wiki_redact (secrets), wiki_disk (6 disk, 7 configuration), wiki_tools (8 tools), wiki_model (9 ask).
This file is the list of what is public, and 10, the script.
"""
# ruff: noqa: F401, E402
from __future__ import annotations

import wiki_env

wiki_env.enter()          # re-executes inside the project's environment, making it first when there is none

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

import wiki_disk
from wiki_conversation import (
    ROLES,
    Agent,
    Bullet,
    Conversation,
    Message,
    Shared,
    Transcript,
    conversation_path,
    escape_structure,
    high_signal_halls,
    in_doubt,
    merge_messages,
    merge_transcripts,
    parse_bullet,
    parse_conversation,
    parse_conversation_halls,
    parse_transcript,
    render_conversation,
    render_summary,
    render_transcript,
    same_message,
    short,
    short_ids,
    spelt_out,
    told_apart,
    tool_block,
    transcript_digest,
    unescape_structure,
)
from wiki_disk import (
    ARCHIVE_DIR,
    CHECKOUT,
    SCRIPTS,
    STAGING_DIR,
    WIKI_DIR,
    Edit,
    Finding,
    Move,
    Remove,
    Wiki,
    Write,
    atomic_write,
    cache_dir,
    check_key,
    config,
    describe,
    iter_archived_pages,
    iter_live_pages,
    iter_staging_pages,
    locked,
    note,
    now,
    problems,
    reach_the_disk,
    run_lock,
    say,
    seams,
    target_of,
    timezone,
    today,
    warn,
    wiki_key,
    write_page,
)
from wiki_text import (
    ARCHIVE_KEYS,
    CONFIDENCES,
    CONVERSATION_KEYS,
    HALL_HEADINGS,
    HALLS,
    HIGH_SIGNAL_HALLS,
    INDEX_CLOSE,
    INDEX_OPEN,
    PAGE_KEYS,
    PAGE_TYPES,
    RAW_KEYS,
    STAGED_KEYS,
    STATIONS,
    STOP_WORDS,
    TYPE_FOLDERS,
    VERIFIERS,
    Busy,
    ModelError,
    PageError,
    ToolError,
    WikiError,
    WikiPage,
    as_date,
    as_list,
    content_words,
    digest,
    heading,
    id8,
    load_yaml,
    one_line,
    page_content_hash,
    page_links,
    page_path,
    parse_page,
    parse_words,
    render_page,
    render_page_index,
    render_words,
    serialize_frontmatter,
    sha,
    slug,
    split_frontmatter,
    topic_name,
    verbatim,
)
from wiki_tools import QUESTION_VARIABLE, Completed, installed, run_tool

# Redaction compiles tables and the model door needs them: both are loaded when a script first uses them.
_LATE = {name: "wiki_redact" for name in ("redact", "redact_many", "redact_name", "REDACTOR_VERSION")} | {
    name: "wiki_model" for name in ("ask", "extractive", "Question", "Answer", "Deferred", "BACKENDS", "QUESTION_MARK",
                                    "fence", "side_by_side", "backend_module", "forget_old_answers", "expected_cost")} | {
    name: "model_backends.claude" for name in ("QUESTION_FOLDER", "SESSION_PREFIX")} | {
    "TooLong": "model_backends"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'wiki_lib' has no attribute {name!r}")
    import importlib
    value = globals()[name] = getattr(importlib.import_module(_LATE[name]), name)
    return value


# ---------------------------------------------------------------- 10 script

# A disk that is full, broken or not to be written, a folder where a file belongs; too many files or too little memory.
_NOT_OUR_FAULT = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE,
                  errno.ENOMEM, errno.ESTALE, errno.EFBIG, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
EXIT_FAILED, EXIT_USAGE, EXIT_BUG, EXIT_BUSY, EXIT_INTERRUPTED = 1, 2, 3, 75, 130


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal. argparse makes one of these for every option, and would load shutil to ask for the width."""

    def __init__(self, prog: str):
        try:
            columns = int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(1).columns
        except (ValueError, OSError):
            columns = 80
        super().__init__(prog, width=(columns or 80) - 2)


def parser(doc: str | None, **options: Any) -> argparse.ArgumentParser:
    """An ArgumentParser whose help is the script's docstring, laid out as written."""
    return argparse.ArgumentParser(prog=wiki_disk.PROGRAM, description=doc, allow_abbrev=False,
                                   formatter_class=_Help, **options)


def dry_run(on: bool) -> None:
    """From here on apply() and commit() only print what they would do."""
    wiki_disk.DRY_RUN = on


def progress(items: Iterable[Any], label: str, total: int | None = None, tail: Callable[[], str] = lambda: "") -> Iterator[Any]:
    """Iterate with a bar on stderr when it is a terminal; plainly otherwise (cron, pipes). `tail()` stands at the bar's end."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
               TextColumn("{task.fields[tail]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=len(items) if total is None and isinstance(items, Sized) else total, tail=tail())
        for item in items:
            yield item
            bar.update(task, advance=1, tail=tail())


def run(main: Callable[[], int | None]) -> None:
    """Run a script's main and exit as the house does: 0 done, 1 something failed and the rest was done, 2 usage,
    3 a bug (with traceback), 75 another run holds the lock, 130 ^C."""
    signal.signal(signal.SIGTERM, _terminated)
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))   # closed at our start
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:      # so that ^C while modules are loaded shows no traceback
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = main()
        sys.stdout.flush()
        raise SystemExit(code or (EXIT_FAILED if problems else 0))
    except Busy as error:
        note(f"{wiki_disk.PROGRAM}: {error}")
        raise SystemExit(EXIT_BUSY) from None
    except WikiError as error:
        print(_clean(f"{wiki_disk.PROGRAM}: {error}"), file=sys.stderr)
        raise SystemExit(EXIT_FAILED) from None
    except KeyboardInterrupt:
        raise SystemExit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)      # the reader left (| head): not our failure
        raise SystemExit(0) from None
    except OSError as error:
        if error.errno not in _NOT_OUR_FAULT:
            _bug()
        what = f"{error.filename or wiki_disk.WIKI_DIR}: {error.strerror}; see to the disk and the rights on it, then run it again"
        print(_clean(f"{wiki_disk.PROGRAM}: {what}"), file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)      # it may be stdout that is full: what it still holds is given up
        raise SystemExit(EXIT_FAILED) from None
    except Exception:
        _bug()


def _clean(words: str) -> str:
    """An error's words as cron may mail them: what failed can be named after a secret, or quote one."""
    from wiki_redact import redact
    return redact(words)[0]


def _bug() -> None:
    import traceback
    print(_clean(traceback.format_exc()), end="", file=sys.stderr)
    raise SystemExit(EXIT_BUG) from None


def _terminated(_signal: int, _frame: Any) -> None:
    raise SystemExit(143)
