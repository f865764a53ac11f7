#!/usr/bin/env python3
"""Rebuild what is read first: the index of conversations, the wake-up of every project, the active concerns.

Everything here is a pure function of the conversations and pages in git: the same wiki gives the same bytes on every
machine, and a run that finds nothing new writes nothing. Ends by bringing the search index up to date.

  update-conversation-index.py                     without a model
  update-conversation-index.py --compress          the larger picture, too, by a llama-server where one answers
  update-conversation-index.py --compress --claude the same by claude

The larger picture is a block of context/active-concerns.md, made by a model from all memories and all that is open. It stays
until they change and --compress is run again; the file as it was is kept in the cache.
"""
import wiki_lib as wl

import argparse
import functools
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import wiki_standing as standing
from summaries import picture

PROJECT_NAMES = {}            # wing: the name people say; a wing without one is called as it is
PROJECT_ORDER = ()            # wings that come first in the index, in this order; the others follow by name
WAKE_UP_BYTES = 800           # 200 tokens of 4 characters; counted in bytes, so that no script is longer than it looks
LINE_CHARACTERS = 170         # of one line of a project's wake-up; a whole one that says less beats half of one that says more
GENERAL_CHARACTERS = 130      # of one line of the wake-up of all, where a form that short exists: more projects fit
FOCUS_AREAS = 6               # rooms named as current focus
FOCUS_WINGS = 3               # projects named in the wake-up of all
FOCUS_DAYS = 28               # before the newest session; what was worked on earlier is no current focus
HALF_LIFE_DAYS = 7            # after which a conversation counts half for the focus
DECISION_DAYS, RULE_DAYS = 14, 42   # the same for decisions and concerns, and for a person's rules
CONSIDERED = 300              # newest conversations that the wake-up and the concerns are made from
RECENT_DAYS = 180             # decisions that are older, counted from the newest conversation, are looked up in the wiki
CONCERN_DAYS = 90             # older concerns than this, counted from the newest conversation, are history
CONCERNS_KEPT = 40            # lines of active-concerns.md
SEARCH_SECONDS = 900          # for the search index of a large wiki that is built anew
BACKEND = None                # who makes the larger picture: claude | llama-server | agent; None: a llama-server where one answers
BACKUPS_KEPT = 10             # of active-concerns.md, in the cache

OPEN, CLOSE = "<!-- memex:concerns -->", "<!-- /memex:concerns -->"
CONCERNS_HEAD = "# Active concerns\n\nWhat stands outside the marked block is yours and is kept.\n\n"
CLOSED_HEAD = "## Closed"
CONCERNS_HELP = """\
Close a line by ticking it (`- [x]`): the next run moves it below this block and shows it nowhere any more. A line
`- [x] a few of its words` outside the block does the same. Your own lines (`- text`, outside the block) come first in
the wake-up; `- web: text` in that of the project web too."""


@dataclass(frozen=True)
class Line:
    """A candidate line of the wake-up: its forms, longest first, the day, the project, what it is about, how much it matters."""
    forms: tuple[str, ...]
    day: str
    wing: str
    topic: str
    weight: float
    source: str = ""
    half_life: float = DECISION_DAYS


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


def share(newest: str, day: str, half_life: float = HALF_LIFE_DAYS) -> float:
    """How much a day still counts: 1 on the newest day of the wiki, never measured from a clock."""
    return 0.5 ** (max(0, days_between(newest, day)) / half_life)


def focus(conversations: Sequence[wl.Conversation], newest: str) -> list[str]:
    """The rooms recent sessions were about, the most told first, with the number of sessions where it is more than one."""
    weight: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for c in conversations:
        for place, topic in enumerate(c.topics):
            weight[topic] += share(newest, c.date) / (1 + 0.3 * place)
            count[topic] += 1
    best = sorted(weight, key=lambda t: (-round(weight[t], 6), t))[:FOCUS_AREAS]
    return [f"{t} ({count[t]})" if count[t] > 1 else t for t in best]


def recent(conversations: Sequence[wl.Conversation]) -> list[wl.Conversation]:
    """Those that count as now: of the weeks before the newest that had any topic."""
    telling = [c for c in conversations if c.topics]
    newest = max((c.date for c in telling), default="")
    return [c for c in telling if days_between(newest, c.date) <= FOCUS_DAYS]


def sessions(number: int) -> str:
    return f"{number} session{'' if number == 1 else 's'}"


def focus_lines(conversations: Sequence[wl.Conversation], wing: str | None) -> list[str]:
    """Of one project a line of rooms; of all a line for each of the projects that were worked on most."""
    now = recent(conversations)
    newest = max((c.date for c in now), default="")
    if wing is not None:
        since = min((c.date for c in now), default="")
        told = f"{sessions(len(now))}, {since} to {newest}" if since != newest else f"{sessions(len(now))}, {newest}"
        return [f"{told}: {', '.join(focus(now, newest))}"] if now else []
    mine: dict[str, list[wl.Conversation]] = defaultdict(list)
    for c in now:
        mine[c.wing].append(c)
    worked = sorted(mine, key=lambda w: (-round(sum(share(newest, c.date) for c in mine[w]), 6), w))[:FOCUS_WINGS]
    return [f"{max(c.date for c in mine[w])} {w}, {sessions(len(mine[w]))}: "
            f"{', '.join(focus(mine[w], newest)[:FOCUS_AREAS // min(2, len(worked))])}" for w in worked]


def as_line(memory: standing.Memory, forms: Sequence[str], weight: float) -> Line:
    fades = RULE_DAYS if memory.hall == "preference" else DECISION_DAYS
    return Line(tuple(forms), memory.day, memory.wing, memory.topic or memory.source, weight, memory.source, fades)


def ranked(lines: Iterable[Line], newest: str) -> list[Line]:
    """Newest and most important first; one of each session and topic before the others; a line said
    twice counts once."""
    def value(line: Line) -> float:
        return round(line.weight * share(newest, line.day, line.half_life), 6)
    best: list[Line] = []
    later: list[Line] = []
    topics: set[tuple[str, str]] = set()
    said: set[frozenset[str]] = set()
    for line in sorted(lines, key=lambda line: (-value(line), line.forms, line.source)):
        words = standing.stems(line.forms[0])
        if words not in said:
            again = (line.wing, line.topic) in topics or any(b.source == line.source for b in best)
            (later if again else best).append(line)
        said.add(words)
        topics.add((line.wing, line.topic))
    return best + later


def decided_pages(pages: Sequence[wl.WikiPage], wing: str | None) -> Iterator[Line]:
    """Live decisions, but none that came from the web: what strangers wrote never reaches a session unasked."""
    for page in pages:
        wings, sources = page.words("wings"), page.words("sources")
        if page.type != "decision" or page.confidence in ("stale", "low") or page.meta.get("superseded_by"):
            continue
        if any(not s.startswith("conversations/") for s in sources) or page.meta.get("harvest_source"):
            continue
        if wing is None or not wings or wing in wings:
            day = str(page.meta.get("last_verified") or page.meta.get("created") or "")
            yield Line((" ".join(page.title.split()),), day, wing or (wings[0] if wings else ""), page.path, 4.0, page.path)


@dataclass(frozen=True)
class Hand:
    """What a person wrote into active-concerns.md: lines outside the marked block, ticked ones, ticks inside it that are to
    move out."""
    own: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    ticked: tuple[str, ...] = ()


_ITEM = re.compile(r"^[-*+][ \t]+(?:\[([ xX])\][ \t]+)?(\S.*)$", re.M)
_ADDED = re.compile(r"^\d{4}-\d\d-\d\d(?: [\w.-]+)?: | \([^()]*\[from\]\([^()]*\)\)$")     # what programs put around a bullet


def by_hand(text: str) -> Hand:
    """What a person says in active-concerns.md."""
    text = picture.without(text)
    block = re.search(re.escape(OPEN) + "(.*?)" + re.escape(CLOSE), text, re.S)
    outside = text.replace(block[0], "") if block else text
    items = [(m[1] or " ", m[2].strip()) for m in _ITEM.finditer(outside)]
    ticked = [m[2].strip() for m in _ITEM.finditer(block[1]) if (m[1] or " ") in "xX"] if block else []
    closed = [words for tick, words in items if tick in "xX"] + ticked
    return Hand(tuple(words for tick, words in items if tick == " "), tuple(_ADDED.sub("", c) for c in closed), tuple(ticked))


# ------------------------------------------------------------------ the wake-up

def render_wake_up(title: str, areas: Sequence[str], decisions: Sequence[Line], concerns: Sequence[Line],
                   tell_wing: bool = True) -> str:
    """The wake-up within its budget. The heads take turns, so that each gets its first lines; a line that does not fit is
    tried in its shorter forms, else left out: half a sentence can say the opposite of the whole. Shown newest first."""
    heads = ["Current focus areas", "Recent decisions", "Active concerns"]
    waiting: list[list[Line]] = [[Line((a,), "", "", "", 0.0) for a in areas], list(decisions), list(concerns)]
    shown: list[list[tuple[str, str]]] = [[], [], []]           # (day, line) as it stands

    def text() -> str:
        parts = [f"# {wl.one_line(title, 60)}\n"]
        for head, lines in zip(heads, shown, strict=True):
            told = sorted(lines, key=lambda line: line[0] or "9", reverse=True)
            parts.append(f"\n## {head}\n" + "".join(f"- {line}\n" for _, line in told or [("", "none known")]))
        return "".join(parts)

    longest = GENERAL_CHARACTERS if tell_wing else LINE_CHARACTERS
    for number in [0] * len(areas) + [1, 2] * max(map(len, waiting)):
        if waiting[number]:
            add_what_fits(shown[number], waiting[number].pop(0), tell_wing, longest,
                          lambda: len(text().encode("utf-8")) <= WAKE_UP_BYTES)
    return text()


def add_what_fits(mine: list[tuple[str, str]], line: Line, tell_wing: bool, longest: int, fits: Callable[[], bool]) -> None:
    """The first form of a line that leaves the whole within its budget, if there is one: the longest of those that are short
    enough, else the shortest of the others."""
    where = " ".join(w for w in (line.day, line.wing if tell_wing else "") if w)
    for form in sorted(line.forms, key=lambda f: (len(f) > longest, len(f) if len(f) > longest else -len(f))):
        if len(form) <= LINE_CHARACTERS or len(line.forms) == 1 and not line.day:
            mine.append((line.day, f"{where}: {form}" if where else form))
            if fits():
                return
            mine.pop()


def own_line(words: str) -> Line:
    """A person's own concern: it has no day, and is cut rather than lost."""
    return Line((wl.one_line(words, LINE_CHARACTERS),), "", "", words, 9.0)


def wake_up(conversations: Sequence[wl.Conversation], pages: Sequence[wl.WikiPage], hand: Hand, title: str,
            left_open: Callable[[standing.Memory], bool], wing: str | None = None) -> str:
    """What a session should know before it starts, of one wing or of all."""
    conversations = newest_first(conversations)[:CONSIDERED]
    newest = max((c.date for c in conversations), default="")
    said = list(standing.memories(conversations))
    decided = [as_line(m, standing.decision_forms(m), weight) for m, weight in standing.standing_decisions(said)
               if days_between(newest, m.day) <= RECENT_DAYS]
    decisions = ranked([*decided, *decided_pages(pages, wing)], newest)
    concerns = ranked((as_line(m, standing.concern_forms(m), weight)
                       for m, weight in concerns_of(said, hand, newest, left_open)), newest)
    own = [own_line(words.removeprefix(f"{wing}:").strip()) for words in hand.own
           if wing is None or words.startswith(f"{wing}:")]
    return render_wake_up(title, focus_lines(conversations, wing), decisions, [*own, *concerns], wing is None)


def concerns_of(said: Sequence[standing.Memory], hand: Hand, newest: str, left_open: Callable[[standing.Memory], bool]
                ) -> list[tuple[standing.Memory, float]]:
    """What is open and not long ago."""
    lately = [memory for memory in said if days_between(newest, memory.day) <= CONCERN_DAYS]
    return standing.open_concerns(lately, hand.closed, left_open)


# ------------------------------------------------------------------ the longer forms

def render_concerns(wings: dict[str, list[wl.Conversation]], names: dict, old: str,
                    left_open: Callable[[standing.Memory], bool]) -> str:
    """active-concerns.md: what is open, by project, newest first, inside a marked block; the rest is the person's."""
    everything = newest_first(c for mine in wings.values() for c in mine)[:CONSIDERED]
    newest, hand = max((c.date for c in everything), default=""), by_hand(old)
    kept = sorted(concerns_of(list(standing.memories(everything)), hand, newest, left_open),
                  key=lambda f: (f[0].day, f[1], f[0].text), reverse=True)[:CONCERNS_KEPT]
    lines = [OPEN, CONCERNS_HELP]
    for wing in wings:
        mine = [memory for memory, _ in kept if memory.wing == wing]
        if mine:
            lines += ["", f"## {names.get(wing, wing)}", ""]
            lines += [f"- [ ] {m.text} ({m.day}, [from](../{m.source}))" for m in mine]
    block = "\n".join([*lines, *([] if kept else ["", "None known."]), CLOSE])
    if OPEN in old and CLOSE in old.split(OPEN, 1)[1]:
        before, rest = old.split(OPEN, 1)
        return with_closed(before + block + rest.split(CLOSE, 1)[1], hand.ticked)
    return (f"{old.rstrip()}\n\n" if old.strip() else CONCERNS_HEAD) + block + "\n"


def with_closed(text: str, ticked: Sequence[str]) -> str:
    """The file with what was ticked inside the block moved under '## Closed' at its end."""
    if not ticked:
        return text
    head = "" if re.search(rf"^{CLOSED_HEAD}$", text.split(CLOSE, 1)[1], re.M) else f"\n{CLOSED_HEAD}\n"
    return f"{text.rstrip()}\n{head}" + "".join(f"- [x] {line}\n" for line in ticked)


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
    concerns = picture.one_picture(wiki.text("context/active-concerns.md") or "", OPEN)
    hand = by_hand(concerns)

    @functools.cache
    def last_words(path: str) -> frozenset[str]:
        texts = [wiki.text(path)]
        while texts[-1] is not None:                        # a long transcript goes on in <name>.2.md
            texts.append(wiki.text(f"{path.removesuffix('.md')}.{len(texts) + 1}.md"))
        return standing.last_words("\n".join(t for t in texts if t))

    def left_open(memory: standing.Memory) -> bool:
        return not memory.cites or bool(last_words(memory.source).intersection(memory.cites))

    yield wl.Write(path="conversations/index.md", text=render_index(wings, names), why="index")
    yield wl.Write(path="context/wake-up.md", text=wake_up(conversations, pages, hand, "Wake-up", left_open), why="wake-up")
    for wing, mine in wings.items():
        yield wl.Write(path=f"context/wake-up/{wing}.md", why="wake-up",
                       text=wake_up(mine, pages, hand, f"Wake-up: {names.get(wing, wing)}", left_open, wing))
    for path in wiki.files("context/wake-up", depth=1):
        if path.rsplit("/", 1)[-1].removesuffix(".md") not in wings:
            yield wl.Remove(path, why="no conversation of this project is left")
    yield wl.Write(path="context/active-concerns.md", text=render_concerns(wings, names, concerns, left_open), why="concerns")
    yield wl.Write(path="context/raw-extractions.md", text=render_extractions(conversations), why="extractions")


def update_search() -> None:
    """Bring the search index up to date; an index that fails is reported and rebuilt at the next search."""
    program = wl.SCRIPTS / "wiki-search.py"
    if program.exists():
        try:
            wl.run_tool([sys.executable, str(program), "--update"], timeout=SEARCH_SECONDS)
        except wl.ToolError as error:
            wl.warn("search index", str(error))


def compress(wiki: wl.Wiki, conversations: list[wl.Conversation], args: argparse.Namespace, backend: str) -> None:
    """Have a model make the larger picture anew where its inputs have changed since; what cannot be asked now is deferred."""
    concerns, extractions = wiki.text(picture.PATH) or "", wiki.text("context/raw-extractions.md") or ""
    now = picture.inputs_digest(extractions, concerns)
    if any(digest == now for digest, _ in picture.blocks(concerns)) or not any(c.bullets for c in conversations):
        return
    if args.dry_run and not args.estimate:
        wl.say(f"would ask {backend or 'a model'} for the larger picture: what it is made from has changed")
    elif not backend:
        wl.say("deferred: the larger picture: no llama-server answers; name a model with --backend")
    else:
        ask_for_picture(wiki, list(reversed(newest_first(conversations))), concerns, extractions, backend, args.estimate)


def ask_for_picture(wiki: wl.Wiki, conversations: list[wl.Conversation], concerns: str, extractions: str, backend: str,
                    estimate: bool) -> None:
    from summaries import synthesis
    prompt = wl.SCRIPTS / "prompts" / "compress.md"
    if estimate:
        cost = synthesis.expected(conversations, concerns, backend, prompt)
        print(f"the larger picture: {cost.calls} calls, about {cost.tokens:,} tokens, {cost.usd:.2f} USD ({backend})")
        return
    try:
        block = synthesis.asked(conversations, concerns, extractions, backend, prompt)
    except wl.ModelError as error:
        wl.warn(picture.PATH, str(error))
        return
    if isinstance(block, wl.Deferred):
        wl.say(f"deferred: the larger picture: {re.sub(rf'^{re.escape(picture.PATH)}(?:#[0-9]+)?: ', '', block.reason)}")
        return
    if concerns:
        back_up(concerns)
    wiki.apply([wl.Write(path=picture.PATH, text=picture.placed(concerns, block, OPEN), why="the larger picture",
                         expect=wl.sha(concerns) if concerns else None)])


def back_up(text: str) -> None:
    """Keep active-concerns.md as it was, in the cache."""
    folder = wl.cache_dir() / f"backups-{wl.wiki_key()}"
    path = folder / f"active-concerns-{wl.now().replace(':', '')}-{wl.sha(text)[:6]}.md"
    wl.atomic_write(path, text, durable=True)
    for old in sorted(folder.glob("active-concerns-*.md"))[:-BACKUPS_KEPT]:
        old.unlink(missing_ok=True)


def chosen_backend(args: argparse.Namespace, named: str | None) -> str:
    """Who is asked; '' for nobody: without a model there is no larger picture."""
    backend = "claude" if args.claude else args.backend or named
    if backend is None:
        return "" if wl.backend_module("llama-server").unready() else "llama-server"
    return "" if backend == "extractive" else backend


def options() -> argparse.Namespace:
    import wiki_budget
    parser = wl.parser(__doc__)
    parser.add_argument("--dry-run", action="store_true", help="say what would be written; write nothing, ask nothing")
    parser.add_argument("--compress", action="store_true", help="have a model make the larger picture where its inputs changed")
    parser.add_argument("--backend", choices=("claude", "llama-server", "agent"), help="who makes it")
    parser.add_argument("--claude", action="store_true", help="the same as --backend claude")
    wiki_budget.options(parser, side_by_side=False)
    args = parser.parse_args()
    wiki_budget.apply_options(args)
    if args.estimate:
        args.dry_run = True
    return args


def main() -> int | None:
    args = options()
    seams = wl.seams("update-conversation-index", {
        "PROJECT_NAMES": PROJECT_NAMES, "PROJECT_ORDER": PROJECT_ORDER, "BACKEND": BACKEND})
    wl.dry_run(args.dry_run)
    wiki = wl.Wiki()
    if not wiki.root.is_dir():
        return None
    with wl.run_lock():
        names, order = dict(seams["PROJECT_NAMES"] or {}), wl.as_list(seams["PROJECT_ORDER"])
        conversations = wiki.conversations()
        # A wiki without any session gets its files without a word: a night with nothing to say sends no mail.
        begins = not conversations and wiki.text("conversations/index.md") is None
        if not args.estimate:
            wiki.apply(plan(wiki, conversations, wiki.pages("wiki"), names, order), quiet=begins)
        if args.compress or args.estimate:
            compress(wiki, conversations, args, chosen_backend(args, seams["BACKEND"]))
        if not args.dry_run:
            update_search()
    return None


if __name__ == "__main__":
    wl.run(main)
