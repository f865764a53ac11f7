"""What is due: topics, the whole history behind each, and what of it makes a page. Pure."""

from __future__ import annotations

import wiki_lib as wl

import datetime
import functools
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from distilling import evidence as ev

MIN_BULLETS = 2  # under this a topic is thin: one line is a note
BROAD_BULLETS = 5  # the same for a whole field such as logging or http
MIN_CHARACTERS = 200  # the same, in characters of evidence
OVERLAP = 0.8  # Jaccard of conversations from which two groups are one, and a page covers a group
SHARED_BULLETS = 0.5  # of the smaller: from here two topics of one group are one page
SAME_PAGE = 0.6  # the same across groups
TWICE = 1 / 3  # of a page's bullets may stand on another one too; beyond that the smaller page keeps them
SHORT = 5  # bullets up to which a session named after its topic is about it even where they do not name it
WHOLE = 3  # such bullets that make a page of a whole field, or of a topic none of them names
PLENTY = 16  # bullets that fill a page by naming the topic: nothing else is looked for
TIGHT = 8  # bullets up to which it adds to a topic that has enough without them
FOCUSED = 12  # bullets up to which a session whose first topic this is counts as being about it
EVERYDAY_SAMPLE = 500  # newest conversations that say which words are everyday ones here
FIRST_RUN_DAYS = 7  # how far the first run looks back from the newest summarised conversation
FIRST_RUN_CONVERSATIONS = 20  # but at least over so many
FIRST_RUN_GROUPS = 30  # what one person reviews on the first morning
REVIEWING = re.compile(r"\b(?:review\w*|audit\w*|comments|staged|look at|overview)\b", re.I)  # titles of sessions about many things

Ledger = Mapping[str, Iterable[str]]


@dataclass(frozen=True)
class Subject:
    """A page's worth of a group: topics that rest on the same bullets (title's first), and the bullets, best first."""

    topics: tuple[str, ...]
    evidence: tuple[ev.Evidence, ...]
    whole: bool = False  # all that short sessions named after the topic say

    @property
    def size(self) -> int:
        return sum(len(e.text) for e in self.evidence)

    @functools.cached_property
    def bullets(self) -> frozenset[int]:
        """The identities of its bullets, the same in every topic that has them."""
        return frozenset(id(e.bullet) for e in self.evidence)

    @property
    def broad(self) -> bool:
        """About a whole field and no one thing in it."""
        return all(map(ev.broad, self.topics))

    @property
    def named(self) -> list[ev.Evidence]:
        """What names the topic, and does not only stand beside it."""
        return [e for e in self.evidence if e.weight >= 1]

    @property
    def enough(self) -> bool:
        """Enough to say for a page, and some of it names the topic."""
        sure = [e.weight for e in self.evidence]
        if len(sure) < MIN_BULLETS or self.size < MIN_CHARACTERS:
            return False
        if sum(not ev.dated(e.text) for e in self.evidence) < MIN_BULLETS:
            return False
        if self.broad:
            return self.whole or sum(w >= 1 for w in sure) >= BROAD_BULLETS
        return self.whole or max(sure) == 2


@dataclass(frozen=True)
class TopicGroup:
    """Topics that the same conversations share, with every conversation of the history that has them, oldest first.

    verdict: due | left (over the limit) | thin | covered (by `page`). `new`: conversations no page rests on yet."""

    topics: tuple[str, ...]
    conversations: tuple[wl.Conversation, ...]
    subjects: tuple[Subject, ...] = ()
    verdict: str = "due"
    page: str = ""
    new: int = 0
    thin: tuple[str, ...] = ()  # topics of the group that have too little to say on their own
    scattered: tuple[str, ...] = ()  # and those whose bullets have only the name in common

    @property
    def topic(self) -> str:
        return self.topics[0]

    @property
    def keys(self) -> list[str]:
        return [evidence_key(c) for c in self.conversations]


def evidence_key(conversation: wl.Conversation) -> str:
    """'path@evidence-digest': the conversation as it speaks today, as the ledger knows it."""
    return f"{conversation.path}@{conversation.digest}"


def sources_digest(keys: Iterable[str]) -> str:
    """Over the sorted path@evidence-digest of a page's sources."""
    return wl.digest("\n".join(sorted(set(keys))))


def seen_topics(words: Iterable[str], left_too: bool = True) -> set[str]:
    """The topics a record settles: 'pytest', 'thin:pytest', 'skipped:pytest'; 'left:pytest' only for a nightly run."""
    return {w.rpartition(":")[2] for w in words if left_too or not w.startswith("left:")}


def window_start(conversations: Sequence[wl.Conversation], today: datetime.date) -> str:
    """The day the first run begins with: 7 days before the newest conversation, earlier where that holds under 20 that
    say something a page may rest on."""
    days = sorted((c.date for c in conversations), reverse=True)
    if not days:
        return today.isoformat()
    newest = wl.as_date(next((d for d in days if d <= today.isoformat()), days[0])) or today
    week = (newest - datetime.timedelta(days=FIRST_RUN_DAYS)).isoformat()
    telling = sorted((c.date for c in conversations if c.evidence), reverse=True) or days
    return min(week, days[:FIRST_RUN_CONVERSATIONS][-1], telling[:FIRST_RUN_CONVERSATIONS][-1])


def first_run_day(ledger: Ledger) -> str:
    """The day the first run's window began, '' before there was one. Two machines' first runs: the earlier counts."""
    return min(ledger.get("first-run", ()), default="")


def due_topics(
    conversations: Sequence[wl.Conversation],
    ledger: Ledger,
    today: datetime.date,
    since: str,
    first: bool = False,
    project: str = "",
) -> set[str]:
    """Topics of today's conversations, and what the ledger does not know of those dated `since` or later."""
    due: set[str] = set()
    for c in conversations:
        if project and c.wing != project or not c.topics:
            continue
        if c.date == today.isoformat() and not first:
            due.update(c.topics)
        elif c.date >= since:
            words = ledger.get(evidence_key(c), ())
            due.update(set(c.topics) - seen_topics(words, left_too=not first))
    return due


def plan(
    conversations: Sequence[wl.Conversation],
    ledger: Ledger,
    pages: Sequence[wl.WikiPage],
    today: datetime.date,
    *,
    first: bool = False,
    topics: Collection[str] = (),
    project: str = "",
    limit: int | None = None,
) -> list[TopicGroup]:
    """The topic groups of a run, most evidence first; each with its verdict. Nothing is read and nothing asked.

    `conversations`: all summarised ones. `first`: a first run, which begins at window_start(). `topics`: these alone,
    whatever their dates and the ledger. `limit`: at most so many due groups, the others are `left`."""
    since = window_start(conversations, today) if first else first_run_day(ledger)
    if first and (known := first_run_day(ledger)):
        since = min(since, known)
    due = set(topics) if topics else due_topics(conversations, ledger, today, since, first, project)
    history = histories(conversations, due)
    coverage = Coverage(conversations, ledger, pages)
    everyday = ev.everyday(sorted(conversations, key=lambda c: c.date)[-EVERYDAY_SAMPLE:]) if due else frozenset()
    groups = []
    for cluster in clusters(history):
        behind = {c.path: c for t in cluster for c in history[t]}.values()
        group = TopicGroup(cluster, tuple(sorted(behind, key=lambda c: (c.date, c.path))))
        page, new = coverage.of(group)
        group = replace(group, new=new, page=page)
        groups.append(replace(group, verdict="covered") if page and not topics else divided(group, everyday))
    if first and not any(g.verdict in ("due", "covered") for g in groups):
        groups = [divided(g, everyday, loose=True) for g in groups]  # a first morning with nothing to read helps nobody
    return limited(apart(folded(groups)), FIRST_RUN_GROUPS if first and limit is None else limit)


def histories(conversations: Sequence[wl.Conversation], topics: set[str]) -> dict[str, list[wl.Conversation]]:
    """{topic: every conversation of the history that has it}."""
    found: dict[str, list[wl.Conversation]] = defaultdict(list)
    for c in conversations:
        for t in dict.fromkeys(c.topics):
            if t in topics:
                found[t].append(c)
    return found


def clusters(history: Mapping[str, Sequence[wl.Conversation]]) -> list[tuple[str, ...]]:
    """Topics whose conversations are the same, or overlap by Jaccard 0.8, together; the more telling topic first."""
    telling = {t: sum(1 / (1 + c.topics.index(t)) for c in found) for t, found in history.items()}
    order = sorted(history, key=lambda t: (-telling[t], t))
    rank = {t: i for i, t in enumerate(order)}
    both: Counter[tuple[str, str]] = Counter()
    for c in {c.path: c for found in history.values() for c in found}.values():
        mine = sorted({t for t in c.topics if t in history}, key=rank.__getitem__)
        both.update((a, b) for i, a in enumerate(mine) for b in mine[i + 1 :])
    near: dict[str, set[str]] = defaultdict(set)
    for (a, b), n in both.items():
        if n >= OVERLAP * (len(history[a]) + len(history[b]) - n):
            near[a].add(b)
    done: set[str] = set()
    found = []
    for t in order:
        if t not in done:
            together = (t, *sorted(near[t] - done, key=rank.__getitem__))
            done.update(together)
            found.append(together)
    return found


class Coverage:
    """Which page rests on which conversations, at which evidence: from the ledger and the pages' own sources."""

    def __init__(self, conversations: Sequence[wl.Conversation], ledger: Ledger, pages: Sequence[wl.WikiPage]):
        present = {c.path: c for c in conversations}
        self.paths: dict[str, set[str]] = {}
        self.pages_of: dict[str, set[str]] = defaultdict(set)
        for page in pages:
            if page.station not in ("wiki", "staging"):
                continue
            name = live_path(page)
            keys = set(ledger.get(name, ()))
            if not keys:  # the ledger was lost, or another program wrote the page: what it says of itself counts
                own = [present[s] for s in page.words("sources") if s in present]
                keys = {evidence_key(c) for c in own}
                if page.meta.get("sources_digest") != sources_digest(keys):
                    continue
            self.paths.setdefault(name, set()).update(k.rpartition("@")[0] for k in keys)
            for key in keys:
                self.pages_of[key].add(name)

    def of(self, group: TopicGroup) -> tuple[str, int]:
        """(the page that covers the group or '', how many conversations no one page rests on)."""
        paths = {c.path for c in group.conversations}
        shared = Counter(name for key in group.keys for name in self.pages_of.get(key, ()))
        if not shared:
            return "", len(paths)
        name = min(shared, key=lambda n: (-shared[n], n))
        covered = next(
            (n for n in sorted(shared) if shared[n] == len(paths) or shared[n] >= OVERLAP * len(paths | self.paths[n])),
            "",
        )
        return covered, len(paths) - shared[name]


def cut_short(page: wl.WikiPage, conversations: Mapping[str, wl.Conversation], ledger: Ledger) -> bool:
    """Was this proposal written by a run that died before it remembered anything of it? It is then made again as if it were not
    there: else what its bullets keep from other pages would be theirs, and a killed run would end in other pages."""
    if page.station != "staging" or page.meta.get("staged_by") != "wiki-distill" or page.meta.get("compiled_by") != "extractive":
        return False
    if page.meta.get("modifies") or page.edited or page.pinned or live_path(page) in ledger:
        return False
    keys = (evidence_key(conversations[s]) for s in page.words("sources") if s in conversations)
    return not any(set(page.words("topics")) & seen_topics(ledger.get(key, ()), left_too=False) for key in keys)


def live_path(page: wl.WikiPage) -> str:
    """The path a page has once promoted; the ledger knows a page by it while it waits, too."""
    modified = str(page.meta.get("modifies") or "")
    return modified if page.station == "staging" and modified else "wiki/" + page.path.split("/", 1)[1]


def divided(group: TopicGroup, everyday: frozenset[str] = frozenset(), loose: bool = False) -> TopicGroup:
    """The group with its subjects: topics that rest on the same bullets share a page, what is too thin is listed.

    `loose`: what a short session says belongs to its best topic, whatever that is."""
    everything = [e for c in reversed(group.conversations) for e in ev.of(c)]  # newest first
    made: list[Subject] = []
    wings = {ev.squeezed(c.wing) for c in group.conversations}
    for topic in group.topics:
        if {ev.squeezed(topic)} == wings:  # the project's own name: everything is about it
            made.append(Subject((topic,), ()))
            continue
        found = of_topic(topic, group, everything, everyday, loose)
        home = next((i for i, s in enumerate(made) if shares(found, s)), None)
        if home is None:
            made.append(found)
        else:
            made[home] = joined(made[home], found)
    full = tuple(s for s in made if s.enough)
    odd = tuple(t for s in full if ev.scattered(s.topics, s.evidence) for t in s.topics)
    full = tuple(s for s in full if s.topics[0] not in odd)
    thin = tuple(t for s in made if not s.enough for t in s.topics)
    return replace(group, subjects=full, thin=thin, scattered=odd, verdict="due" if full else "thin")


@functools.lru_cache(maxsize=20_000)
def _chief(title: str, topics: tuple[str, ...], texts: tuple[str, ...], loose: bool) -> str:
    def worth(topic: str) -> tuple[int, float]:
        inside, above = sum(ev.weight(topic, text) for text in texts), ev.weight(topic, title)
        if ev.broad(topic):
            return (2 if topic in ev.FIELDS and above == 2 else int(loose and inside > 0)), inside
        return (3 if inside else 1 if above else 0), inside + 3 * above

    found = [(*worth(t), -i, t) for i, t in enumerate(topics)]
    best = max(found, default=(0, 0, 0, ""))
    return best[3] if best[0] else ""


def chief(conversation: wl.Conversation, loose: bool = False) -> str:
    """The topic a conversation is chiefly about: what its title and its bullets name most; '' when that is no one thing."""
    return _chief(conversation.title, tuple(conversation.topics), tuple(b.text for b in conversation.evidence), loose)


def of_topic(
    topic: str, group: TopicGroup, everything: Sequence[ev.Evidence], everyday: frozenset[str], loose: bool
) -> Subject:
    """What names the topic, and what the sessions that are chiefly about it say; a review only where there is little."""
    found = subject_of(topic, ev.speaking_of([topic], everything, everyday=everyday))
    broad = ev.broad(topic)
    if found.enough and len(found.evidence) >= PLENTY:
        return found
    main = {c.path: c for c in group.conversations if focused(c) and chief(c, loose) == topic}
    small = {path for path, c in main.items() if loose or short(c, topic)}
    if found.enough and not broad:  # what a session named after it says belongs to it; of others only what names it
        main = {p: c for p, c in main.items() if ev.weight(topic, c.title) == 2 and len(c.evidence) <= TIGHT}
        small = set()
    if main and not broad:
        found = subject_of(topic, ev.speaking_of([topic], everything, main, everyday, ev.ALIKE if found.enough else 1))
    if small:
        all_of_it = subject_of(topic, [replace(e, weight=ev.CHIEFLY) for e in everything if e.path in small])
        found = replace(joined(found, all_of_it), whole=len(all_of_it.evidence) >= WHOLE)
    return found


def focused(conversation: wl.Conversation) -> bool:
    """A session that can be about one thing: not long, and no review, which speaks of as many things as it found."""
    return len(conversation.evidence) <= (MIN_BULLETS if REVIEWING.search(conversation.title) else FOCUSED)


def short(conversation: wl.Conversation, topic: str) -> bool:
    """A few bullets of a session named after the topic: they are about it, whatever words they use."""
    title = conversation.title
    return len(conversation.evidence) <= SHORT and not REVIEWING.search(title) and ev.weight(topic, title) > 0


def subject_of(topic: str, evidence: Iterable[ev.Evidence]) -> Subject:
    return Subject((topic,), tuple(ranked(ev.deduplicated(ranked(evidence)))))


def shares(some: Subject, other: Subject) -> bool:
    """Two subjects rest on the same bullets, by the smaller of them."""
    a, b = some.bullets, other.bullets
    return bool(a and b) and len(a & b) >= SHARED_BULLETS * min(len(a), len(b))


def joined(one: Subject, more: Subject) -> Subject:
    known = {id(e.bullet) for e in one.evidence}
    both = ranked([*one.evidence, *(e for e in more.evidence if id(e.bullet) not in known)])
    evidence = tuple(ranked(ev.deduplicated(both)))
    topics = sorted(dict.fromkeys((*one.topics, *more.topics)), key=ev.broad)  # the title is the special one's
    return Subject(tuple(topics), evidence, one.whole or more.whole)


def folded(groups: Sequence[TopicGroup]) -> list[TopicGroup]:
    """Groups of different conversations whose bullets are much the same become one, the larger: no two pages alike. What
    only stands beside a topic is left to the page that has it by name."""
    out: list[TopicGroup] = []
    home_of: dict[int, int] = {}  # bullet -> the group that has it

    def telling_first(group: TopicGroup) -> tuple:
        return any(s.broad for s in group.subjects), -sum(len(s.evidence) for s in group.subjects), group.topics

    for group in sorted(groups, key=telling_first):
        kept, thin = [], list(group.thin)
        for subject in group.subjects:
            homes = Counter(home_of[id(e.bullet)] for e in subject.named if id(e.bullet) in home_of)
            at = next((h for h, _ in homes.most_common() if any(repeats(subject, s) for s in out[h].subjects)), None)
            own = replace(subject, evidence=tuple(e for e in subject.evidence if e.weight >= 1 or id(e.bullet) not in home_of))
            if at is not None:
                out[at] = taken_in(out[at], subject, group)
            elif own.enough:
                kept.append(own)
            else:
                thin += subject.topics
        home_of |= {id(e.bullet): len(out) for s in kept for e in s.evidence if id(e.bullet) not in home_of}
        if kept or not group.subjects:
            out.append(replace(group, subjects=tuple(kept), thin=tuple(thin)))
        elif rest := (*thin, *group.scattered):
            out.append(replace(group, topics=tuple(rest), subjects=(), thin=tuple(thin), verdict="thin"))
    return out


def apart(groups: Sequence[TopicGroup]) -> list[TopicGroup]:
    """No two pages with much the same bullets: a larger page leaves what it shares to the smaller, more special ones."""
    order = sorted((s.broad, len(s.evidence), s.size, g, i) for g, group in enumerate(groups) for i, s in enumerate(group.subjects))
    taken: set[int] = set()
    subjects = {(g, i): groups[g].subjects[i] for *_, g, i in order}
    for *_, g, i in order:
        subject = subjects[g, i]
        own = tuple(e for e in subject.evidence if id(e.bullet) not in taken)
        if subject.broad or len(subject.evidence) - len(own) > TWICE * len(subject.evidence):
            subjects[g, i] = subject = replace(subject, evidence=own)
        if subject.enough:
            taken |= {id(e.bullet) for e in subject.evidence}
    out = []
    for g, group in enumerate(groups):
        mine = [subjects[g, i] for i in range(len(group.subjects))]
        full = tuple(s for s in mine if s.enough)
        thin = (*group.thin, *(t for s in mine if not s.enough for t in s.topics))
        verdict = group.verdict if full or not mine or group.verdict != "due" else "thin"
        out.append(replace(group, subjects=full, thin=thin, verdict=verdict))
    return out


def repeats(subject: Subject, other: Subject) -> bool:
    """Most of what names the subject's topic is on the other's page."""
    named = subject.named
    return bool(named) and sum(id(e.bullet) in other.bullets for e in named) >= SAME_PAGE * len(named)


def taken_in(group: TopicGroup, subject: Subject, other: TopicGroup) -> TopicGroup:
    """`group` with a subject of another group in its own one of the same bullets."""
    subjects = tuple(joined(s, subject) if repeats(subject, s) else s for s in group.subjects)
    behind = {c.path: c for c in (*group.conversations, *other.conversations)}
    talks = tuple(sorted(behind.values(), key=lambda c: (c.date, c.path)))
    return replace(group, topics=(*group.topics, *subject.topics), subjects=subjects, conversations=talks)


def ranked(evidence: Iterable[ev.Evidence]) -> list[ev.Evidence]:
    """Best first: names the topic, will be true tomorrow, said in more than one place, newest, more specific."""

    def worth(e: ev.Evidence) -> tuple:
        return (
            -e.weight,
            ev.dated(e.text),
            -min(len({a.path for a in e.also}), 3),
            _backwards(e.date),
            -specific(e.text),
            e.path,
            e.text,
        )

    return sorted(evidence, key=worth)


def specific(text: str) -> int:
    """How much a bullet pins down: code, numbers and names count, up to a point."""
    return min(6, text.count("`") // 2 + len(ev._NUMBERS.findall(text)))


@functools.cache
def _backwards(day: str) -> tuple[int, ...]:
    return tuple(-ord(c) for c in day)


def limited(groups: Iterable[TopicGroup], limit: int | None) -> list[TopicGroup]:
    """Most evidence first; due groups beyond the limit are left for another run."""
    ordered = sorted(groups, key=lambda g: (-sum(len(s.evidence) for s in g.subjects), g.topics))
    taken, out = 0, []
    for group in ordered:
        if group.verdict == "due":
            taken += 1
            if limit is not None and taken > limit:
                group = replace(group, verdict="left")
        out.append(group)
    return out
