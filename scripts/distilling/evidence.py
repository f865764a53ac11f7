"""Which bullets speak of a topic, and which say the same thing. Pure."""

from __future__ import annotations

import wiki_lib as wl

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

NEAR = 88  # rapidfuzz ratio from which two bullets say the same thing (numbers and negations equal)
BESIDE, CHIEFLY = 0.5, 0.3  # weight of a bullet beside one that names the topic, and of one in a session about it
GENERIC = frozenset(
    """
analysis api app application architecture build change check cli client code command component config configuration
content data debug debugging default design detection dev development doc docs documentation error execution feature
file fix flow format function generation handling implementation improvement information input integration issue
item key layer library list local logic loop main management message method migration mode model module name new note
number output page parser parsing path performance pipeline plan planning policy problem process processing project
queue refactor refactoring release reporting request response result review rule run script section server service session setup
state status step storage strategy structure style suite support system task template test testing text tool tooling tracking
type update usage user validation value version view workflow
""".split()
)  # words that do not tell a topic alone: 'retry' tells retry-policy, 'policy' does not
BROAD = frozenset(
    """
android ansible authentication aws azure bash c c# c++ caching ci concurrency copilot css database dependencies deployment
docker encoding formatting frontend backend git github gitlab github-actions go golang html http https installation ios
benchmarks branches changelog claude claude-code code-review codex commits e2e-tests end-to-end-tests git-history
github-issues integration-tests issues merge-conflicts merging network prompts pull-requests rebase refactoring
releases review rewrite smoke-tests stacked-prs tests unit-tests writing
java javascript json kotlin kubernetes licenses linting linux logging macos markdown metrics networking nextjs node
nodejs npm orchestration parsing performance php pip python react readme refactoring regex release renaming rest-api
retries ruby rust scala security shell sql sqlite streaming swift terraform timeouts translation typescript ui unix
versioning vue web webpack windows xml yaml zsh
""".split()
)  # whole fields: a page about one needs more than bullets that happen to name it
FIELDS = frozenset(
    """
ansible authentication aws azure caching concurrency database deployment docker encoding kubernetes licenses logging metrics
networking nextjs orchestration retries security sql sqlite streaming terraform timeouts translation webpack
""".split()
)  # of these, what a session can be about as a whole; nobody keeps a page on linting, releases or the UI at large
SAME = {  # other names people use for the same thing
    "ci": ("pipeline", "actions"),
    "javascript": ("js",),
    "typescript": ("ts",),
    "kubernetes": ("k8s",),
    "database": ("db",),
    "postgresql": ("postgres", "psql"),
    "authentication": ("auth", "login", "authenticate"),
    "credentials": ("creds", "cred"),
    "environment": ("env",),
    "dependency": ("dep",),
    "documentation": ("doc",),
    "repository": ("repo",),
    "configuration": ("config",),
    "websocket": ("ws",),
    "markdown": ("md",),
    "sqlite": ("sqlite3",),
    "python": ("py",),
    "golang": ("go",),
}
KINDS = {"database": ("sqlite", "sqlite3", "postgresql", "postgres", "mysql", "duckdb")}  # who speaks of one speaks of the field
_LITTLE = """all already also always and any are before being but can does each even every first for has have how into its just
last later like made make need never new not now off old one only other out own per read same see send since some still such than
that the them then there they this two use used using via was way well were what when where which while who whole will with
without work would write""".split()
_LEANING = re.compile(
    r"(?:it|this|that|these|those|they|he|she|but|and|so|or|also|then|there|here|both|instead|however|now|yes|no|"
    r"ok|okay|\w+, but|the (?:above|following|same|latter|former|full picture))\b(?!-)", re.I)  # fmt: skip
_NARRATES = re.compile(
    r"(?:[A-Z][\w -]{0,30}: )?(?:(?:also|just|then) )?(?:added|removed|fixed|switched|updated|renamed|moved|refactored|bumped|"
    r"wired|dropped|extracted|deleted|implemented|simplified|cleaned up|converted|rebased|reverted|introduced|rewrote|"
    r"committed|pushed|verified|confirmed|addressed|corrected|tightened)\b(?!-)|(?:hand|give|send) (?:it|this|that) to|"
    r"speculat\w+|once (?:#|the pr|it merges)|[^—]{3,80} — (?:[\w-]+ ){0,7}(?:grouped|folded|relaxed|collapsed|merged|extracted|"
    r"moved|removed|dropped|fixed|renamed)\b|"
    r"an? (?:tiny|small|quick|one-line\w*) (?:fix|change|tweak)|underlying change|"
    r".* [-–—] fixed (?:by|in|with)\b|"
    r".*(?:\bnow lives? in\b|\bno longer pasted\b|\bmade best-effort\b|\b(?:tests?|suite|build|lint\w*|ci) "
    r"(?:(?:all|now|still|is|are) )*(?:pass(?:es|ing|ed)?|green|clean)\b|\b(?:is|are|not|can't be|cannot be) (?:yet )?"
    r"(?:un)?tested\b|\btest coverage\b|\bstatus: (?:complete|done)|"
    r"\bfiles (?:generated|changed|created):|\bthe existing tests?\b)", re.I)  # fmt: skip
_DATED = re.compile(
    r"\b(?:now|no longer|not yet|yet to|recently|so far|the (?:pr|branch|reviewer?|ticket|mvp)|this (?:pr|branch|session|change)|"
    r"per \w+'s|in practice|in scope|stale|existing|speculat\w+|presumably|probably|"
    r"perhaps|same commit|guess|suspect)\b|#\d+\b|\w\.\w+:\d+|^in \S+/\S+", re.I)  # fmt: skip
_DECISION = re.compile(r"(?:we|i) (?:have )?(?:decided|chose|opted|settled|agreed)\b|decision:", re.I)
_WORDS = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_NOT = re.compile(r"\b(?:not|never|no|without|cannot|\w+n't)\b", re.I)


ALIKE = 2  # telling words that a bullet shares with one that names the topic before it stands beside it
EVERYDAY = 0.2  # share of the conversations from which a word is an everyday one


@dataclass(frozen=True)
class Evidence:
    """A bullet of one conversation, as a page may use it. `also` are bullets of the same words elsewhere."""

    bullet: wl.Bullet
    path: str
    date: str
    wing: str
    weight: float = 1.0  # how surely it speaks of the topic: 2 names it, 1 touches it
    also: tuple[Evidence, ...] = field(default=(), compare=False)
    places: tuple[str, ...] = ()  # 'path#id' where its citations were found to stand, once looked up

    @property
    def text(self) -> str:
        return self.bullet.text

    @property
    def sources(self) -> list[str]:
        """'path#id' of the messages it rests on itself."""
        return list(self.places) or [f"{self.path}#{c}" for c in self.bullet.cites]


def of(conversation: wl.Conversation) -> list[Evidence]:
    """A conversation's facts, discoveries and advice; preferences, events and tooling never make a page, and neither
    does what cannot be read alone, cites nothing, or only tells what was changed."""
    talk = (conversation.path, conversation.date, conversation.wing)
    return [Evidence(b, *talk) for b in conversation.evidence if b.cites and not leans(b.text) and not narrates(b.text)]


@functools.lru_cache(maxsize=100_000)
def leans(text: str) -> bool:
    """The bullet begins by pointing at something said before it."""
    return bool(_LEANING.match(text))


@functools.lru_cache(maxsize=100_000)
def narrates(text: str) -> bool:
    """The bullet tells what somebody changed, or how the tests stand: true on its day, of no use on a page."""
    return bool(_NARRATES.match(text))


@functools.lru_cache(maxsize=100_000)
def dated(text: str) -> bool:
    """The bullet speaks of a moment or of a place in the code that will move: it comes after what lasts."""
    return bool(_DATED.search(text)) and not decides(text)


def decides(text: str) -> bool:
    """The bullet says that something was decided, in the words of those who did."""
    return bool(_DECISION.match(text))


@functools.lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """A crude stem, the same for 'retry', 'retries' and 'retrying'; only ever compared with other stems."""
    for end, put in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ied", "y"), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(end) and len(word) - len(end) + len(put) >= 3 and not word.endswith("ss"):
            word = word[: -len(end)] + put
            break
    return word[:-1] if len(word) > 3 and (word.endswith("e") or word[-1] == word[-2]) else word


_COMPOUND = re.compile(r"[^\W_]+(?:[._/:-]+[^\W_]+)*")
_SHORTEST_PART = 4  # of a compound, a part this long counts by itself: 'auth' of internal/auth.py, not 'go' of push.go


_UNTELLING = GENERIC | frozenset(wl.STOP_WORDS) | {stem(w) for w in (*GENERIC, *wl.STOP_WORDS, *_LITTLE)} | set(_LITTLE)


@functools.lru_cache(maxsize=100_000)
def stems(text: str) -> frozenset[str]:
    """The stems of a text's words. A short word counts only where it stands alone: 'git-sync' does not speak of git."""
    found = set()
    for compound in _COMPOUND.findall(_CAMEL.sub("_", text)):
        parts = [p.lower() for p in _WORDS.findall(compound)]
        found.update(stem(p) for p in parts if len(parts) == 1 or len(p) >= _SHORTEST_PART)
    return frozenset(found)


def squeezed(text: str) -> str:
    return "".join(_WORDS.findall(text.lower()))


@functools.lru_cache(maxsize=4096)
def _topic(topic: str) -> tuple[tuple[frozenset[str], ...], tuple[bool, ...], str]:
    words = [w for w in topic.split("-") if w not in wl.STOP_WORDS] or topic.split("-")
    kin = [(w, *SAME.get(w, ()), *KINDS.get(w, ()), *(k for k, v in SAME.items() if w in v)) for w in words]
    names = tuple(frozenset(map(stem, mine)) for mine in kin)
    tells = tuple(w not in GENERIC and (len(words) == 1 or w not in BROAD) and len(w) > 1 and not w.isdigit() for w in words)
    return names, tells, topic.replace("-", "")


def weight(topic: str, text: str) -> float:
    """How surely a text speaks of a topic: 2 names all of it, 1 names what tells it apart, 0 does not."""
    names, tells, tight = _topic(topic)
    words = stems(text)
    hit = [bool(n & words) for n in names]
    if all(hit) or ((len(tight) >= 5 or not tight.isascii()) and tight in squeezed(text)):
        return 2.0
    told = [h for h, t in zip(hit, tells, strict=True) if t]
    if not any(told):
        return 0.0
    # Of 'sqlite-schema-migration' a bullet about SQLite alone is not yet about the topic.
    return 1.0 if all(told) or sum(hit) * 2 > len(hit) else 0.0


def broad(topic: str) -> bool:
    """A whole field (go, http, logging) and not a thing somebody works on."""
    return topic in BROAD or all(w in BROAD or w in GENERIC for w in topic.split("-"))


def everyday(conversations: Sequence[wl.Conversation]) -> frozenset[str]:
    """The stems that many of the conversations use: what they share says little ('booking' where all is about bookings)."""
    speaking = [c for c in conversations if c.evidence]
    used = Counter(w for c in speaking for w in frozenset().union(*(telling(b.text) for b in c.evidence)))
    return frozenset(w for w, n in used.items() if n > max(2, EVERYDAY * len(speaking)))


def speaking_of(
    topics: Sequence[str],
    evidence: Iterable[Evidence],
    main: Collection[str] = (),
    everyday: frozenset[str] = frozenset(),
    alike: int = 1,
) -> list[Evidence]:
    """The evidence that speaks of one of the topics, with its weight. Order kept.

    Beside what names the topic: what shares telling words with such a bullet and rests on the same message, or stands
    in the conversations `main` (paths), which are chiefly about it. `everyday`: stems that tell nothing here.
    `alike`: telling words that a bullet of `main` shares."""
    everything = [(e, max((weight(t, e.text) for t in topics), default=0.0)) for e in evidence]
    own = everyday | {stem(w) for t in topics for w in t.split("-")}
    beside: dict[str, set[str]] = defaultdict(set)  # message -> telling words of the bullets there that name the topic
    chiefly: set[str] = set()
    for one, sure in everything:
        if sure:
            words = telling(one.text) - own
            chiefly |= words
            for ident in one.bullet.cites:
                beside[f"{one.path}#{ident}"] |= words
    found = []
    for one, sure in everything:
        if not sure and (beside or main):
            words = telling(one.text)
            if any(len(words & beside.get(f"{one.path}#{c}", set())) >= ALIKE for c in one.bullet.cites):
                sure = BESIDE
            elif one.path in main and len(words & chiefly) >= alike:
                sure = CHIEFLY
        if sure:
            found.append(replace(one, weight=sure))
    return found


_FILE = re.compile(r"[\w.-]*/[\w./-]*\w(?:\.\w+)?")


@functools.lru_cache(maxsize=100_000)
def telling(text: str) -> frozenset[str]:
    """The stems of a text that say what it is about; the folders of a file it names do not."""
    return frozenset(w for w in stems(_FILE.sub(" ", text)) if len(w) > 2 and w not in _UNTELLING and not w.isdigit())


def scattered(topics: Sequence[str], evidence: Sequence[Evidence]) -> bool:
    """A whole field whose bullets have nothing in common but its name: most share no telling word with another."""
    if len(evidence) < 4 or not all(map(broad, topics)):
        return False
    own = {stem(w) for t in topics for w in t.split("-")}
    words = [telling(e.text) - own for e in evidence]
    places = Counter(w for mine in words for w in mine)
    alone = sum(not any(places[w] > 1 for w in mine) for mine in words)
    return alone * 2 > len(evidence)


def same(a: str, b: str) -> bool:
    """Two bullets say the same thing: near-equal words, the same numbers, the same negation."""
    return _pinned(a) == _pinned(b) and _alike(a.lower(), b.lower())


def _pinned(text: str) -> tuple[bool, frozenset[str]]:
    """What two wordings of one claim cannot differ in."""
    return bool(_NOT.search(text)), frozenset(_NUMBERS.findall(text))


def _alike(a: str, b: str) -> bool:
    from rapidfuzz import fuzz

    if fuzz.ratio(a, b, score_cutoff=NEAR):
        return True
    return min(len(a), len(b)) >= 40 and bool(fuzz.token_sort_ratio(a, b, score_cutoff=NEAR))


def deduplicated(evidence: Sequence[Evidence], limit: int = 100) -> list[Evidence]:
    """Bullets of the same words become one, the first of them, which keeps the others as further sources.

    Exact repeats cost nothing; near ones are looked for among the first `limit`, so that a topic of thousands of
    bullets stays cheap: what comes after is too far down to reach a page."""
    kept: list[Evidence] = []
    twins: dict[str, int] = {}
    pinned: dict[tuple[bool, frozenset[str]], list[tuple[int, str]]] = defaultdict(list)
    for one in evidence:
        key = squeezed(one.text)
        at = twins.get(key)
        if at is None and len(kept) < limit:
            near, low = pinned[_pinned(one.text)], one.text.lower()
            at = next((i for i, text in near if _alike(text, low)), None)
            if at is None:
                near.append((len(kept), low))
        if at is None:
            twins[key] = len(kept)
            kept.append(one)
        else:
            twins.setdefault(key, at)
            first = kept[at]
            kept[at] = replace(first, weight=max(first.weight, one.weight), also=(*first.also, one))
    return kept
