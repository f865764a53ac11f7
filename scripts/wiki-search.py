#!/usr/bin/env python3
"""Search the wiki: transcripts, summaries and pages, by SQLite FTS5, with no model and no daemon.

The words of the question are OR-ed and ranked; nothing in it is taken for query syntax. What is new on disk is indexed
before the answer. Best first, one line a file with the passage that matched.

  wiki-search.py why did the retry test fail
  wiki-search.py "queue choice" --wing api --type page
  wiki-search.py 検索 --json -n 3
"""
import wiki_env

wiki_env.enter()      # steps into the environment, as importing wiki_lib would

import argparse  # noqa: E402
import gc  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

import wiki_index  # noqa: E402

# wiki_lib is loaded by the frame below only once something has gone wrong: a search takes less time than loading it.

LONG_TITLE = 70                # characters of a title in a list for a person: some are a whole prompt
PATH, TITLE, OFF = "\033[36m", "\033[1m", "\033[0m"


def layout(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, width=100)      # asking for the terminal's loads more than a search


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, allow_abbrev=False, formatter_class=layout)
    p.add_argument("query", nargs="*", metavar="QUERY", help="the question, as one argument or several")
    p.add_argument("--wing", help="only conversations of this wing (project), and pages that count there")
    p.add_argument("--topic", help="only what has this topic (room)")
    p.add_argument("--hall", choices=tuple(wiki_index.HALLS.values()), help="only this kind of memory in the summaries")
    p.add_argument("--type", dest="kind", choices=wiki_index.KINDS, help="only files of this kind")
    p.add_argument("-n", type=int, default=10, metavar="N", help="how many results at most (default: 10)")
    p.add_argument("--sections", action="store_true", help="one result a passage instead of one a file")
    p.add_argument("--json", action="store_true",
                   help="a JSON list of {path, wing, title, kind, date, section, message, snippet, score}")
    p.add_argument("--update", action="store_true",
                   help="bring the index up to date, a line if anything changed; without a QUERY nothing else")
    p.add_argument("--rebuild", action="store_true", help="make the index anew first; it is a cache and answers the same")
    return p


def main() -> int:
    p = parser()
    args = p.parse_args()
    query = " ".join(args.query).strip()
    if not query and not (args.update or args.rebuild):
        p.error("a question is needed, such as: wiki-search.py retry policy")
    if args.n < 1:
        p.error("-n takes a number from 1")
    wiki_dir = os.path.abspath(os.environ.get("WIKI_DIR") or os.path.dirname(wiki_index.SCRIPTS))
    hits: list[wiki_index.Hit] = []
    code = 0
    if not os.path.isdir(wiki_dir):
        wiki_index.warn(wiki_dir, "there is no wiki yet; run wiki-maintain.sh, or set WIKI_DIR to where it is")
    elif args.update or args.rebuild:
        update(wiki_dir, args.rebuild, sys.stderr if query else sys.stdout)
        code = update_qmd(wiki_dir) if args.update else 0
    if not query:
        return code
    if os.path.isdir(wiki_dir):
        hits = wiki_index.answer(wiki_dir, query=query, wing=args.wing, topic=args.topic, hall=args.hall,
                                 kind=args.kind, n=args.n, sections=args.sections)
    print_json(hits) if args.json else print_list(hits)
    if not hits and sys.stderr.isatty():
        where = f" in the wing {args.wing}; those there are: {', '.join(wings(wiki_dir)) or 'none'}" if args.wing else ""
        print(f"nothing found{where}", file=sys.stderr)
    return code


def wings(wiki_dir: str) -> list[str]:
    folder = os.path.join(wiki_dir, "conversations")
    return sorted(e.name for e in os.scandir(folder) if e.is_dir()) if os.path.isdir(folder) else []


def update(wiki_dir: str, rebuild: bool, told: object) -> None:
    changed = wiki_index.update(wiki_dir, rebuild=rebuild)
    if changed:
        print(f"indexed: {changed} {'file' if changed == 1 else 'files'}", file=told)


def update_qmd(wiki_dir: str) -> int:
    """Then qmd's index, where it is installed: 1 when that failed, which was said."""
    import shutil
    if not shutil.which("qmd"):      # the rest stands on wiki_lib, which takes a while
        return 0
    import signal
    from pathlib import Path

    import wiki_qmd
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))      # so that qmd ends with us
    return 0 if wiki_qmd.update(Path(wiki_dir)) else 1


def print_json(hits: list[wiki_index.Hit]) -> None:
    import json
    text = json.dumps([hit._asdict() for hit in hits], ensure_ascii=False, indent=1)
    sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")


def print_list(hits: list[wiki_index.Hit]) -> None:
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    path, title, off = (PATH, TITLE, OFF) if colour else ("", "", "")
    lines = []
    for hit in hits:
        message = f"#{hit.message}" if hit.message else ""
        where = " · ".join(filter(None, (hit.kind, hit.wing, hit.date, hit.section, message)))
        name = hit.title if len(hit.title) <= LONG_TITLE else hit.title[:LONG_TITLE].rstrip() + "…"
        lines += (f"{title}{plain(name)}{off}  ({plain(where)})", f"  {path}{plain(hit.path)}{off}",
                  f"  {plain(hit.snippet)}", "")
    sys.stdout.buffer.write("\n".join(lines).encode("utf-8", "replace"))      # whatever the locale


def plain(text: str) -> str:
    """Control characters made visible: nothing that a file holds can drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" if ord(c) < 0x100 else "\ufffd" for c in text)


def run() -> None:
    """As wl.run(main), which takes over, with its exit codes, when main does not come to its end."""
    gc.set_threshold(200_000)      # a search ends before collecting would pay
    try:
        code = main()
        sys.stdout.flush()
    except Exception as error:
        import wiki_lib as wl
        raised = error

        def again() -> int:
            raise raised

        wl.run(again)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    else:
        raise SystemExit(code)


if __name__ == "__main__":
    run()
