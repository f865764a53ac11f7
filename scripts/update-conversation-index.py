#!/usr/bin/env python3
"""Rebuild what is read first: the index of conversations, the wake-up of every project, the active concerns.

Everything here is a pure function of the conversations and pages in git: the same wiki gives the same bytes on every
machine, and a run that finds nothing new writes nothing. Ends by bringing the search index up to date.
"""
import wiki_lib as wl

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

PROJECT_NAMES = {}            # wing: the name people say; a wing without one is called as it is
PROJECT_ORDER = ()            # wings that come first in the index, in this order; the others follow by name
WAKE_UP_BYTES = 800           # 200 tokens of 4 characters; counted in bytes, so that no script is longer than it looks
LINE_CHARACTERS = 170         # of one line of the wake-up; a whole one that says less beats half of one that says more
FOCUS_AREAS = 6               # rooms named as current focus
HALF_LIFE_DAYS = 7            # after which a conversation counts half for the focus
CONSIDERED = 300              # newest conversations that the wake-up and the concerns are made from
CONCERN_DAYS = 45             # older concerns than this, counted from the newest conversation, are history
CONCERNS_KEPT = 40            # lines of active-concerns.md
SEARCH_SECONDS = 900          # for the search index of a large wiki that is built anew

OPEN, CLOSE = "<!-- memex:concerns -->", "<!-- /memex:concerns -->"
CONCERNS_HEAD = "# Active concerns\n\nWhat stands outside the marked block is yours and is kept.\n\n"
# Words of a bullet that make it a concern, or a decision.
PROBLEM_WORDS = ("fail* broke* break* bug* leak* race* regress* crash* hang* hung lost lose* silent* swallow* stale "
                 "corrupt* mismatch* wrong* missing "
                 "never unsafe insecure vulnerab* deadlock* timeout* reject* denied flaky blocked blocker* risk* drift* "
                 "duplicat* overwr* not cannot "
                 "doesn't isn't 500 401 403")
DECISION_WORDS = ("decid* decision* chose* switch* renam* replac* migrat* adopt* dropped upgraded bumped releas* merged deployed "
                  "removed agreed deprecat* instead standardi*")


def any_word(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words.replace('*', chr(92) + 'w*').split())})\b", re.I)


PROBLEM, DECISION = any_word(PROBLEM_WORDS), any_word(DECISION_WORDS)
DECIDED = re.compile(r"\bwe (?:decided|chose|agreed|settled)|\bdecided (?:to|on|against)\b|\b(?:was|were) rejected because", re.I)


@dataclass(frozen=True)
class Line:
    """A candidate line: the text, the day it is from, how much it matters (higher first)."""
    text: str
    day: str
    weight: float
    source: str = ""


# ------------------------------------------------------------------ the index

def newest_first(conversations: Iterable[wl.Conversation]) -> list[wl.Conversation]:
    return sorted(conversations, key=lambda c: (c.date, str(c.meta.get("started") or ""), c.path), reverse=True)


def by_wing(conversations: Iterable[wl.Conversation], names: dict, order: Sequence[str]) -> dict[str, list[wl.Conversation]]:
    """{wing: conversations, newest first}, the wings in PROJECT_ORDER first, then by the name people say."""
    wings: dict[str, list[wl.Conversation]] = defaultdict(list)
    for conversation in newest_first(conversations):
        wings[conversation.wing].append(conversation)
    rank = {wing: number for number, wing in enumerate(order)}
    return {w: wings[w] for w in sorted(wings, key=lambda w: (rank.get(w, len(rank)), str(names.get(w, w)).lower(), w))}


def linked(text: str) -> str:
    """A title as the text of a link."""
    return re.sub(r"([\[\]\\<>`*_])", r"\\\1", wl.one_line(text, 120))


def render_index(wings: dict[str, list[wl.Conversation]], names: dict) -> str:
    lines = ["# Conversations", ""]
    for wing, mine in wings.items():
        lines += [f"## {names.get(wing, wing)}", ""]
        for c in mine:
            topics = f" · {', '.join(c.topics)}" if c.topics else ""
            lines.append(f"- [{linked(c.title)}]({c.path.removeprefix('conversations/')}) · {c.date}{topics}")
        lines.append("")
    if not wings:
        lines += ["Nothing here yet.", ""]
    return "\n".join(lines)


# ------------------------------------------------------------------ what matters now

def days_between(newer: str, older: str) -> int:
    a, b = wl.as_date(newer), wl.as_date(older)
    return (a - b).days if a and b else 0


def focus(conversations: Sequence[wl.Conversation], newest: str) -> list[Line]:
    """The rooms that recent conversations were about, counted from the newest conversation, never from a clock."""
    weight: Counter[str] = Counter()
    last: dict[str, str] = {}
    for c in conversations:
        share = 0.5 ** (days_between(newest, c.date) / HALF_LIFE_DAYS)
        for place, topic in enumerate(c.topics):
            weight[topic] += share / (1 + 0.3 * place)
            last[topic] = max(last.get(topic, ""), c.date)
    best = sorted(weight, key=lambda t: (-round(weight[t], 6), t))[:FOCUS_AREAS]
    return [Line(t, last[t], weight[t]) for t in best]


def bullet_lines(conversations: Sequence[wl.Conversation], weigh: Callable[[wl.Bullet], float]) -> Iterator[Line]:
    for c in conversations:
        for bullet in c.bullets:
            if weight := weigh(bullet):
                yield Line(bullet.text, c.date, weight, c.path)


def decision_weight(bullet: wl.Bullet) -> float:
    """How much a bullet is a decision: a person's own rule most, then what was done, then what was settled in passing."""
    decided = bool(DECISION.search(bullet.text))
    if DECIDED.search(bullet.text) and bullet.hall in ("fact", "event", "advice"):
        return 3.0
    return {"preference": 3.0, "event": 2.0 + decided, "advice": 1.0 * decided, "fact": 0.5 * decided}.get(bullet.hall, 0.0)


def concern_weight(bullet: wl.Bullet) -> float:
    trouble = len(set(m.lower() for m in PROBLEM.findall(bullet.text)))
    return {"discovery": 1.0 + 0.5 * min(trouble, 3) if trouble else 0.0, "advice": 0.4 * min(trouble, 2)}.get(bullet.hall, 0.0)


def ranked(lines: Iterable[Line], newest: str) -> list[Line]:
    """Newest and most important first; a line said twice counts once."""
    best: dict[str, Line] = {}
    for line in lines:
        key = " ".join(wl.content_words(line.text))
        if key not in best or best[key].day < line.day:
            best[key] = line
    def value(line: Line) -> float:
        return round(line.weight * 0.5 ** (days_between(newest, line.day) / (2 * HALF_LIFE_DAYS)), 6)
    return sorted(best.values(), key=lambda line: (-value(line), line.text, line.source))


def decided_pages(pages: Sequence[wl.WikiPage], wing: str | None) -> Iterator[Line]:
    """Live decisions, but none that came from the web: what strangers wrote never reaches a session unasked."""
    for page in pages:
        wings, sources = page.words("wings"), page.words("sources")
        if page.type != "decision" or page.confidence in ("stale", "low") or page.meta.get("superseded_by"):
            continue
        if any(not s.startswith("conversations/") for s in sources) or page.meta.get("harvest_source"):
            continue
        if wing is None or not wings or wing in wings:
            yield Line(page.title, str(page.meta.get("last_verified") or page.meta.get("created") or ""), 4.0, page.path)


def written_by_hand(text: str) -> list[str]:
    """The lines of active-concerns.md that a person wrote: list items outside the marked block."""
    outside = re.sub(re.escape(OPEN) + ".*?" + re.escape(CLOSE), "", text, flags=re.S)
    return [m[1].strip() for m in re.finditer(r"^[-*+]\s+(?!\[x\])(.+)$", outside, re.M)]


# ------------------------------------------------------------------ the wake-up

def render_wake_up(title: str, areas: Sequence[str], decisions: Sequence[str], concerns: Sequence[str]) -> str:
    """The wake-up within its budget. What does not fit is left out from the end of each head's list, turn by turn, so that
    every head keeps its first line."""
    heads = ["Current focus areas", "Recent decisions", "Active concerns"]
    waiting = [[", ".join(areas)] if areas else [], *(lines_that_fit(some) for some in (decisions, concerns))]
    shown: list[list[str]] = [[], [], []]

    def text() -> str:
        parts = [f"# {wl.one_line(title, 60)}\n"]
        for head, lines in zip(heads, shown, strict=True):
            parts.append(f"\n## {head}\n" + "".join(f"- {line}\n" for line in lines or ["none"]))
        return "".join(parts)

    tried = True
    while tried:
        tried = False
        for mine, queue in zip(shown, waiting, strict=True):
            if queue:
                tried = True
                mine.append(queue.pop(0))
                if len(text().encode("utf-8")) > WAKE_UP_BYTES:
                    mine.pop()
    return text()


def lines_that_fit(lines: Sequence[str]) -> list[str]:
    """The first line always; of the others the whole ones before those that must be cut: half a sentence can say the opposite
    of the whole."""
    flat = [" ".join(line.split()) for line in lines]
    others = sorted(flat[1:], key=lambda t: len(t) > LINE_CHARACTERS)
    return [wl.one_line(t, LINE_CHARACTERS) for t in flat[:1] + others]


def wake_up(conversations: Sequence[wl.Conversation], pages: Sequence[wl.WikiPage], by_hand: Sequence[str], title: str,
            wing: str | None = None) -> str:
    """What a session should know before it starts, of one wing or of all."""
    conversations = newest_first(conversations)[:CONSIDERED]
    newest = max((c.date for c in conversations), default="")
    areas = []
    for line in focus(conversations, newest):
        where = sorted({c.wing for c in conversations if line.text in c.topics and c.date == line.day}) if wing is None else []
        areas.append(f"{line.text} ({where[0]})" if where else line.text)
    decisions = ranked([*bullet_lines(conversations, decision_weight), *decided_pages(pages, wing)], newest)
    concerns = ranked(bullet_lines(conversations, concern_weight), newest)
    recent = [line.text for line in concerns if days_between(newest, line.day) <= CONCERN_DAYS]
    return render_wake_up(title, areas, [line.text for line in decisions], [*by_hand, *recent])


# ------------------------------------------------------------------ the longer forms

def render_concerns(wings: dict[str, list[wl.Conversation]], names: dict, old: str) -> str:
    """active-concerns.md: what troubled recent conversations, by project, inside a marked block; the rest is the person's."""
    everything = newest_first(c for mine in wings.values() for c in mine)[:CONSIDERED]
    newest = max((c.date for c in everything), default="")
    kept = [line for line in ranked(bullet_lines(everything, concern_weight), newest)
            if days_between(newest, line.day) <= CONCERN_DAYS][:CONCERNS_KEPT]
    lines: list[str] = []
    for wing in wings:
        mine = [line for line in kept if line.source.split("/")[1] == wing]
        if mine:
            lines += ["", f"## {names.get(wing, wing)}", ""]
            lines += [f"- {line.text} ({line.day}, [from](../{line.source}))" for line in mine]
    block = "\n".join([OPEN, *(lines[1:] or ["Nothing here yet."]), CLOSE])
    if OPEN in old and CLOSE in old.split(OPEN, 1)[1]:
        before, rest = old.split(OPEN, 1)
        return before + block + rest.split(CLOSE, 1)[1]
    return (f"{old.rstrip()}\n\n" if old.strip() else CONCERNS_HEAD) + block + "\n"


def render_extractions(conversations: Iterable[wl.Conversation]) -> str:
    """raw-extractions.md: everything the halls hold, oldest first."""
    lines = ["# Everything the halls hold, in order of time", ""]
    for c in reversed(newest_first(conversations)):
        if c.bullets:
            lines += [f"## {c.date} · {c.wing} · [{linked(c.title)}](../{c.path})", ""]
            lines += [f"- **{b.hall}** {b.line[2:]}" for b in c.bullets]
            lines.append("")
    return "\n".join(lines) + ("" if len(lines) > 2 else "Nothing here yet.\n")


# ------------------------------------------------------------------ doing

def plan(wiki: wl.Wiki, conversations: list[wl.Conversation], pages: list[wl.WikiPage], names: dict, order: Sequence[str]
         ) -> Iterator[wl.Edit]:
    """Every generated file as it should be; apply() leaves alone what is so already."""
    wings = by_wing(conversations, names, order)
    concerns = wiki.text("context/active-concerns.md") or ""
    by_hand = written_by_hand(concerns)
    yield wl.Write(path="conversations/index.md", text=render_index(wings, names), why="index")
    yield wl.Write(path="context/wake-up.md", text=wake_up(conversations, pages, by_hand, "Wake-up"), why="wake-up")
    for wing, mine in wings.items():
        yield wl.Write(path=f"context/wake-up/{wing}.md", why="wake-up",
                       text=wake_up(mine, pages, [], f"Wake-up: {names.get(wing, wing)}", wing))
    for path in wiki.files("context/wake-up", depth=1):
        if path.rsplit("/", 1)[-1].removesuffix(".md") not in wings:
            yield wl.Remove(path, why="no conversation of this project is left")
    yield wl.Write(path="context/active-concerns.md", text=render_concerns(wings, names, concerns), why="concerns")
    yield wl.Write(path="context/raw-extractions.md", text=render_extractions(conversations), why="extractions")


def update_search() -> None:
    """Bring the search index up to date; an index that fails is reported and rebuilt at the next search."""
    program = wl.SCRIPTS / "wiki-search.py"
    if program.exists():
        try:
            wl.run_tool([sys.executable, str(program), "--update"], timeout=SEARCH_SECONDS)
        except wl.ToolError as error:
            wl.warn("search index", str(error))


def main() -> int | None:
    parser = wl.parser(__doc__)
    parser.add_argument("--dry-run", action="store_true", help="say what would be written; write nothing")
    args = parser.parse_args()
    seams = wl.seams("update-conversation-index", {"PROJECT_NAMES": PROJECT_NAMES, "PROJECT_ORDER": PROJECT_ORDER})
    wl.dry_run(args.dry_run)
    wiki = wl.Wiki()
    if not wiki.root.is_dir():
        return None
    with wl.run_lock():
        names, order = dict(seams["PROJECT_NAMES"] or {}), wl.as_list(seams["PROJECT_ORDER"])
        conversations = wiki.conversations()
        # A wiki without any session gets its files without a word: a night with nothing to say sends no mail.
        begins = not conversations and wiki.text("conversations/index.md") is None
        wiki.apply(plan(wiki, conversations, wiki.pages("wiki"), names, order), quiet=begins)
        if not args.dry_run:
            update_search()
    return None


if __name__ == "__main__":
    wl.run(main)
