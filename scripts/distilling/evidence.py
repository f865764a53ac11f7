"""Which bullets speak of a topic, and which say the same thing. Pure."""

from __future__ import annotations

import wiki_lib as wl

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

NEAR = 88  # rapidfuzz ratio from which two bullets say the same thing (numbers and negations equal)
GENERIC = frozenset(
    """
analysis api app application architecture build change check cli client code command component config configuration
content data debug debugging default design detection dev development doc docs documentation error execution feature
file fix flow format function generation handling implementation improvement information input integration issue
item key layer library list local logic loop main management message method migration mode model module name new note
number output page parser parsing path performance pipeline plan planning policy problem process processing project
queue refactor refactoring release request response result review rule run script section server service session setup
state status step storage strategy structure style suite support system task template test testing text tool tooling
type update usage user validation value version view workflow
""".split()
)  # words that do not tell a topic alone: 'retry' tells retry-policy, 'policy' does not
SAME = {  # other names people use for the same thing
    "ci": ("pipeline", "actions"),
    "javascript": ("js",),
    "typescript": ("ts",),
    "kubernetes": ("k8s",),
    "database": ("db",),
    "postgresql": ("postgres", "psql"),
    "authentication": ("auth", "login"),
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
_WORDS = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_NOT = re.compile(r"\b(?:not|never|no|without|cannot|\w+n't)\b", re.I)


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
    """A conversation's facts, discoveries and advice; preferences, events and tooling never make a page."""
    return [Evidence(b, conversation.path, conversation.date, conversation.wing) for b in conversation.evidence]


@functools.lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """A crude stem, the same for 'retry', 'retries' and 'retrying'; only ever compared with other stems."""
    for end, put in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ied", "y"), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(end) and len(word) - len(end) + len(put) >= 3 and not word.endswith("ss"):
            word = word[: -len(end)] + put
            break
    return word[:-1] if len(word) > 3 and (word.endswith("e") or word[-1] == word[-2]) else word


def stems(text: str) -> set[str]:
    return {stem(w.lower()) for w in _WORDS.findall(_CAMEL.sub(" ", text))} | {
        stem(w.lower()) for w in _WORDS.findall(text)
    }


def squeezed(text: str) -> str:
    return "".join(_WORDS.findall(text.lower()))


@functools.lru_cache(maxsize=4096)
def _topic(topic: str) -> tuple[tuple[frozenset[str], ...], tuple[bool, ...], str]:
    words = [w for w in topic.split("-") if w not in wl.STOP_WORDS] or topic.split("-")
    names = tuple(
        frozenset({stem(w)} | {stem(s) for s in SAME.get(w, ())} | {stem(k) for k, v in SAME.items() if w in v})
        for w in words
    )
    telling = tuple(w not in GENERIC and len(w) > 1 and not w.isdigit() for w in words)
    return names, telling, topic.replace("-", "")


def weight(topic: str, text: str, words: set[str] | None = None) -> float:
    """How surely a text speaks of a topic: 2 names all of it, 1 names what tells it apart, 0 does not."""
    names, telling, tight = _topic(topic)
    words = stems(text) if words is None else words
    hit = [bool(n & words) for n in names]
    if all(hit) or ((len(tight) >= 5 or not tight.isascii()) and tight in squeezed(text)):
        return 2.0
    told = [h for h, t in zip(hit, telling, strict=True) if t]
    if not any(told):
        return 0.0
    # Of 'sqlite-schema-migration' a bullet about SQLite alone is not yet about the topic.
    return 1.0 if all(told) or sum(hit) * 2 > len(hit) else 0.0


def speaking_of(topics: Sequence[str], evidence: Iterable[Evidence]) -> list[Evidence]:
    """The evidence that speaks of one of the topics, with its weight. Order kept."""
    found = []
    for one in evidence:
        words = stems(one.text)
        best = max((weight(t, one.text, words) for t in topics), default=0.0)
        if best:
            found.append(Evidence(one.bullet, one.path, one.date, one.wing, best))
    return found


def same(a: str, b: str) -> bool:
    """Two bullets say the same thing: near-equal words, the same numbers, the same negation."""
    if bool(_NOT.search(a)) != bool(_NOT.search(b)) or set(_NUMBERS.findall(a)) != set(_NUMBERS.findall(b)):
        return False
    from rapidfuzz import fuzz

    a, b = a.lower(), b.lower()
    return fuzz.ratio(a, b) >= NEAR or (min(len(a), len(b)) >= 40 and fuzz.token_sort_ratio(a, b) >= NEAR)


def deduplicated(evidence: Sequence[Evidence], limit: int = 400) -> list[Evidence]:
    """Bullets of the same words become one, the first of them, which keeps the others as further sources.

    Exact repeats cost nothing; near ones are looked for among the first `limit`, so that a topic of thousands of
    bullets stays cheap: what comes after is too far down to reach a page."""
    kept: list[Evidence] = []
    twins: dict[str, int] = {}
    for one in evidence:
        key = squeezed(one.text)
        at = twins.get(key)
        if at is None and len(kept) < limit:
            at = next((i for i, k in enumerate(kept) if same(k.text, one.text)), None)
        if at is None:
            twins[key] = len(kept)
            kept.append(one)
        else:
            twins.setdefault(key, at)
            first = kept[at]
            kept[at] = Evidence(
                first.bullet, first.path, first.date, first.wing, max(first.weight, one.weight), (*first.also, one)
            )
    return kept
