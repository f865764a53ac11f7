#!/usr/bin/env python3
"""What the wiki holds, what waits for you, what ran last and what it cost.

  wiki-status.py                 for a person
  wiki-status.py --json          for a program: counts, last_runs, overdue, queue, costs, alerts, own_sessions_seen, formats
  wiki-status.py --wings         the wings found, with their sizes, and how to exclude one
  wiki-status.py --seen          you have read which sessions vanished before they were mined: their alert goes away
  wiki-status.py --after LOG --seconds N
                                 the closing words of a wiki-maintain run, from the lines its phases printed
"""
import wiki_lib as wl

import json
import re
from pathlib import Path

import session_canary
import session_marks
import session_retention
from model_backends import agent
from wiki_alerts import raised

REVIEW_COMMAND = "scripts/wiki-staging.py --list"
OVERDUE_DAYS = 2          # a nightly run that has not been seen for longer is overdue


def counts(wiki: wl.Wiki) -> dict[str, int]:
    """How many files of each kind there are."""
    conversations = wiki.conversations()
    return {
        "conversations": len(conversations),
        "summarized": sum(c.summarized for c in conversations),
        "wings": len({c.wing for c in conversations}),
        **{kind: len(wiki.files(station)) for station, kind in
           (("wiki", "pages"), ("staging", "staged"), ("archive", "archived"))},
    }


def costs(wiki: wl.Wiki) -> dict[str, float]:
    """Calls, tokens and USD over all ledgers here; what a person's agent answered in its own session is no call."""
    import wiki_budget
    total = {"calls": 0, "input_tokens": 0, "output_tokens": 0, "usd": 0.0}
    for path in sorted(wiki.root.glob("reports/ledger/*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
            entry = wiki_budget.parsed(line) if line.strip() else {}
            if entry is None:
                wl.warn(f"reports/ledger/{path.name}", f"line {number} does not parse; it counts as nothing")
            elif entry:
                total["calls"] += wiki_budget.cost_of(entry).calls
                for key in ("input_tokens", "output_tokens", "usd"):
                    total[key] += wiki_budget.amount(entry, key)
    return {**total, "usd": round(total["usd"], 4)}


def own_sessions(wiki: wl.Wiki, state: dict) -> int:
    """Sessions that our own model calls left behind: refused by the miner or, worse, mined. Must be 0."""
    return len(session_marks.refused(state) | session_marks.own_transcripts(wiki))


def mined(wiki: wl.Wiki) -> dict:
    """.mine-state.json: what is known of each session file on this machine; {} where there is none, or it does not parse."""
    try:
        state = json.loads((wiki.root / ".mine-state.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {path: entry for path, entry in state.items() if isinstance(entry, dict)} if isinstance(state, dict) else {}


def status(wiki: wl.Wiki) -> dict:
    """The whole status as one value; see formats: wiki-status.py --json."""
    hygiene, state = wiki.state(".hygiene-state.json"), mined(wiki)
    last = {"mining": session_retention.last_mining(wiki), "hygiene": max(hygiene.get("last-quick!max", {""}))}
    errors = [line[2:] for line in (wiki.text("reports/mine-errors.md") or "").splitlines() if line.startswith("- ")]
    return {
        "wiki": str(wiki.root),
        "counts": counts(wiki),
        "last_runs": last,
        "overdue": [name for name, at in last.items() if (day := wl.as_date(at)) and (wl.today() - day).days > OVERDUE_DAYS],
        "queue": {"staged": len(wiki.files("staging")), "review": REVIEW_COMMAND,
                  "questions": len(agent.waiting(wiki.root)), "answered": len(agent.answered(wiki.root)),
                  "failed": len(list((wiki.root / agent.FOLDER / "failed").glob("*.json")))},
        "costs": costs(wiki),
        "alerts": raised(wiki) + errors,
        "own_sessions_seen": own_sessions(wiki, state),
        "formats": session_canary.table(session_canary.seen(state)),
    }


def wings(wiki: wl.Wiki) -> str:
    """A line a wing with its conversations and size, and how to leave one out."""
    sizes: dict[str, list[int]] = {}
    for path in wiki.files("conversations"):
        sizes.setdefault(path.split("/")[1], []).append((wiki.root / path).stat().st_size)
    lines = [f"  {wing:<32} {number(len(found), 'conversation'):>18}  {sum(found) / 1000:>8.0f} kB"
             for wing, found in sorted(sizes.items(), key=lambda item: -sum(item[1]))]
    return "\n".join([
        "Wings found:", *lines, "",
        "All of this stays on this machine; nothing has been sent anywhere. To leave a project out, put its folder into",
        f"{wiki.root}/wiki.yaml before a model is used:   exclude: ['~/jobs/secret-*']",
        "and remove its folder under conversations/."])


def number(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def closing(log: str, seconds: int, staged: int) -> str:
    """The words a run ends with, from the lines its phases printed: what was mined, what waits, what was deferred."""
    lines = log.splitlines()
    mined = [line for line in lines if re.match(r"write conversations/\S+: \d+ messages", line)]
    new_pages = [line for line in lines if re.match(r"(staged|refreshed) staging/", line)]
    deferred = [line for line in lines if re.match(r"(\S+: )?deferred\b", line)]
    said = [f"mined {number(len(mined), 'session')}" if mined else "no new sessions"]
    if new_pages:
        said.append(f"staged {number(len(new_pages), 'page')}")
    out = [f"{', '.join(said)}; {seconds} s"]
    if staged:
        out.append(f"{number(staged, 'page')} {'waits' if staged == 1 else 'wait'} for your yes: "
                   f"{REVIEW_COMMAND}, then --promote ID or --reject ID --reason WHY")
    return "\n".join(out + deferred)


def person(found: dict) -> str:
    """The status for a person."""
    c, cost, last = found["counts"], found["costs"], found["last_runs"]
    lines = [
        f"{found['wiki']}",
        f"  {c['conversations']} conversations in {c['wings']} wings, {c['summarized']} summarised",
        f"  {c['pages']} pages, {c['staged']} waiting for review, {c['archived']} archived",
        f"  last mining {last['mining'] or 'never'}, last hygiene {last['hygiene'] or 'never'}; "
        f"{cost['calls']} model calls, {cost['usd']} USD so far",
    ]
    if c["staged"]:
        lines.append(f"  review: {REVIEW_COMMAND}")
    lines += queued(found["queue"])
    if found["own_sessions_seen"]:
        lines.append(f"  {number(found['own_sessions_seen'], 'session')} of our own model calls seen; there should be none: "
                     "does an old claude keep them?")
    lines += [f"  {line}" for line in session_canary.lines(found["formats"])]
    return "\n".join(lines + [f"  ! {alert}" for alert in found["alerts"]])


def queued(queue: dict) -> list[str]:
    """What waits in context/questions/, for a person."""
    told = []
    if queue["questions"]:
        told.append(f"  {number(queue['questions'], 'question')} in {agent.FOLDER}/ for an agent's session (skill wiki-questions); "
                    f"{queue['answered']} answered and not yet taken up")
    if queue["failed"]:
        told.append(f"  {number(queue['failed'], 'answer')} set aside in {agent.FOLDER}/failed/; delete one to have it asked again")
    return told


def main() -> int | None:
    parser = wl.parser(__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--wings", action="store_true", help="list the wings with their sizes")
    parser.add_argument("--seen", action="store_true", help="take the sessions that vanished off the list and their alert away")
    parser.add_argument("--after", metavar="LOG", help="print the closing words of the run whose output LOG holds")
    parser.add_argument("--seconds", type=int, default=0, metavar="N", help="how long that run took")
    args = parser.parse_args()
    wiki = wl.Wiki()
    if args.after:
        print(closing(Path(args.after).read_text(errors="replace"), args.seconds, len(wiki.files("staging"))))
        if not wiki.has_git:
            wl.note(f"{wiki.root} is no git repository, so nothing can be committed or undone; make it one with: git init")
    elif args.wings:
        print(wings(wiki))
    elif args.seen:
        with wl.run_lock():
            count = session_retention.acknowledge(wiki)
        wl.say(f"taken off the list: {number(count, 'session')} that vanished" if count else "nothing was on the list")
    else:
        found = status(wiki)
        print(json.dumps(found, ensure_ascii=False, indent=2) if args.json else person(found))
    return None


if __name__ == "__main__":
    wl.run(main)
