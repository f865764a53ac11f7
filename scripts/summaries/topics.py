"""Rooms: what a session is about, in the words a person would look for.

Candidates come from the title, the person's own words, the session's reports and what its code calls things. A known name
(vocabulary.py) or a room the wiki already has wins over a new one for the same thing.
"""
from __future__ import annotations

import wiki_lib as wl

import functools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from summaries import cue_words
from summaries.sentences import blocks, own_words
from summaries.vocabulary import GENERIC, NEVER, rooms_known, singular, topic_key

LONG_REPORT = 1200            # characters; what is longer was written for a reader even if work goes on after it
FEW = 3                       # rooms a session has by rights; of ours, the fourth was seldom among a reader's
LEAST_SHARE = 0.2             # of the best room's score; what is weaker is an aside
MORE_SHARE = 0.5              # and what a fourth and later room needs
LEAST_SCORE = 1.7             # a session may have no room at all

# Weight of a mention by where it stands: what the session is called and what the person asked say most.
TITLE, FIRST_PROMPT, PROMPT, KEPT, REPORT, NARRATION, TOOLS = 7.0, 5.0, 2.4, 2.2, 1.7, 0.5, 0.2
MOST_BEST = 8.0               # what the best room counts at most when others are held against it


@dataclass(frozen=True)
class Rooms:
    """What the wiki already calls things: {key: room} and how many conversations (of `total`) a key stands in, overall
    and in each wing."""
    named: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    total: int = 0

    @classmethod
    def of(cls, conversations: Iterable[wl.Conversation]) -> Rooms:
        """From the topics that conversations carry: the most used spelling names the room, ties by the smaller."""
        spellings: dict[str, Counter[str]] = defaultdict(Counter)
        total = 0
        for conversation in conversations:
            total += 1
            for topic in set(conversation.topics):
                spellings[topic_key(topic)][topic] += 1
        named = {key: min(names, key=lambda n: (-names[n], n)) for key, names in spellings.items()}
        return cls(named, {key: sum(names.values()) for key, names in spellings.items()}, total)


_WORD = re.compile(r"[^\W_](?:[\w+#]|[.'’/-](?=\w))*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CODE = re.compile(r"`([^`\n]{2,60})`")
_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9]+(?:-[a-z0-9]+)*)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[_-][A-Za-z0-9]+)*$")
_DROP = re.compile(r"https?://\S+|\S*/\S*/\S*|@[\w./-]+|\[REDACTED:[^\]]*\]|[\w.+-]+@[\w.-]+|\b[0-9a-f]{7,40}\b|'s\b|’s\b")
_NUMBER = re.compile(r"^\W*v?\d[\d.,:x%-]*\w?$|^v\d+-")


def words_of(text: str) -> list[str]:
    """The words of prose, lower case, compounds whole; '' marks where a phrase cannot go on (punctuation)."""
    out: list[str] = []
    for chunk in re.split(r"[,;:.!?()\[\]{}\"“”|=<>*]+(?:\s+|$)|[()\[\]\"“”|*]|\s[-–—]\s|\n", _DROP.sub(" ", text)):
        out += [w.lower().strip("'’.") for w in _WORD.findall(chunk)]
        out.append("")
    return out


def code_names(text: str) -> list[str]:
    """What code spans and flags call things, as hyphenated words: `BestEffort` and --best-effort are 'best-effort'."""
    found = _FLAG.findall(text)
    for span in _CODE.findall(text):
        head = re.split(r"[(\s=:,]", span.strip(), maxsplit=1)[0].strip("*&.").split(".")[-1]
        if "/" not in span and _NAME.match(head):
            parts = [p.lower() for piece in re.split(r"[_-]", head) for p in _CAMEL.split(piece) if p]
            if 2 <= len(parts) <= 3 and not any(p in wl.STOP_WORDS for p in parts):
                found.append("-".join(parts))
    return found


_VERBISH = re.compile(r"(?:ing|ed|ly|able|ible|ful|less|ously|ive|ical|ized|ised|est)$")


@functools.lru_cache(maxsize=65536)
def telling(word: str) -> bool:
    """May a word stand in a room's name?"""
    return (len(word) > 2 and word not in wl.STOP_WORDS and word not in GENERIC and singular(word) not in GENERIC
            and not _NUMBER.match(word) and not word.startswith(("http", "www")) and "'" not in word and "’" not in word)


@functools.lru_cache(maxsize=65536)
def normal(word: str) -> str:
    """A word as a part of a key."""
    return topic_key(word.replace(".", "-").replace("/", "-").replace("'", ""))


def phrases(words: Sequence[str]) -> list[tuple[str, float]]:
    """(key, worth) of every name in a run of words: known rooms at full worth, compounds of telling words, single ones."""
    known, _ = rooms_known()
    keys = [normal(w) if w else "" for w in words]
    found: list[tuple[str, float]] = []
    for start, word in enumerate(words):
        if not word:
            continue
        if (key := keys[start]) in known:
            if key not in NEVER and not ambiguous(words, start):
                found.append((known[key], 1.0))
        elif worth := single_worth(word):
            found.append((key, worth))
        if start + 1 == len(words) or not words[start + 1]:
            continue
        pair = f"{key}-{keys[start + 1]}"
        if pair in known:
            found.append((known[pair], 1.25))
        elif not (key in known and keys[start + 1] in known) and compound(word, words[start + 1]):
            found.append((pair, 0.62))
        if start + 2 < len(words) and words[start + 2] and (three := f"{pair}-{keys[start + 2]}") in known:
            found.append((known[three], 1.5))
    return found


# Everyday words that name a technology only in company ('go 1.22', 'the go code', never 'let us go').
COMPANY = {word: frozenset(near.split()) for word, near in {
    "go": "code version module modules package packages test tests vet build mod run project best practices practice "
          "program language "
          "repo repository client library standard idiomatic latest runtime toolchain compiler stdlib",
    "express": "app server route middleware api js node", "spring": "boot framework bean", "swift": "code ui package app "
        "xcode ios",
    "remix": "app route react loader", "act": "github action actions workflow", "click": "cli python option",
}.items()}


def ambiguous(words: Sequence[str], at: int) -> bool:
    """Does an everyday word stand here without the company that makes it a technology?"""
    near = COMPANY.get(words[at])
    around = [*words[max(0, at - 2): at], *words[at + 1: at + 2]]
    return near is not None and not any(w in near for w in around)


@functools.lru_cache(maxsize=65536)
def single_worth(word: str) -> float:
    """How good a name one unknown word is: nothing for everyday words, most for a compound of telling ones."""
    if "-" not in word and not telling(word):
        return 0.0
    if "-" in word:
        parts = [p for p in word.split("-") if p]
        good = [p for p in parts if telling(p)]
        if len(parts) > 3 or not good or parts[0] in wl.STOP_WORDS or parts[-1] in wl.STOP_WORDS or word in GENERIC:
            return 0.0
        return 0.75 if len(good) == len(parts) else 0.4
    return 0.0 if "/" in word or "." in word or _VERBISH.search(word) else 0.42


@functools.lru_cache(maxsize=65536)
def compound(first: str, second: str) -> bool:
    """Do two words make a name? One of them must be telling, the other at least a noun that may stand in a name."""
    if not (first + second).isascii() or any(
            w in wl.STOP_WORDS or len(w) < 2 or "/" in w or "." in w or _NUMBER.match(w) for w in (first, second)):
        return False
    if _VERBISH.search(second) and not second.endswith("ing") or first in NOT_NOUNS or second in NOT_NOUNS:
        return False
    return telling(second) and (telling(first) or first in MODIFIERS) or telling(first) and singular(second) in HEADS


# Generic words that a telling one may lean on: 'thin pack', 'queue routing', 'patient count'.
HEADS = frozenset("""
    pack push pull fetch sync name list count page queue header message helper layout index graph tree map schema format
    parser model view store pool policy mode event stream key worker engine provider conversion migration navigation
    filter filtering matching mapping validation detection review process selection rendering transport limit window
    builder loader runner manager template link check
    """.split())
# Verbs, numbers and comparisons: 'noon gave', 'five seconds', 'fewer bookings' name nothing.
NOT_NOUNS = frozenset((cue_words.IRREGULAR + cue_words.PAST + """
    zero one two three four five six seven eight nine ten eleven twelve hundred thousand fewer more less most least many several
    every each whole half last next ago late later early often never always alone together twice once back gave saw knew left
    died wrote says said see sees get gets keep keeps come comes try tries want wants need needs belong
    """).split()) - frozenset("build builds tests test fixes works uses sets reads writes calls runs matches stores loads".split())
MODIFIERS = frozenset("empty batch remote custom dynamic static dead duplicate public private shared parallel nested partial "
                      "background session commit source target".split())


_PATH = re.compile(r"(?:[\w.-]*/)*([\w-]+)\.(?:py|js|ts|mjs|sh|go|rs|rb|md|sql|tsx|jsx)\b")


def spoken(text: str) -> str:
    """A title or prompt with its file names as the words they are made of: tests/test_retry.py is 'test retry'."""
    return _PATH.sub(lambda m: " ".join(re.split(r"[_-]", m[1])), text)


def mentions(conversation: wl.Conversation, messages: Sequence[wl.Message], kept: Sequence[str] = ()
             ) -> tuple[dict[str, dict[str, list[float]]], dict[str, str]]:
    """({key: {place: weights}} over the session, {key: how its code spells it}); places are title, prompt, kept (bullets),
    report, narration, tools."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    spelt: dict[str, str] = {}

    def add(place: str, weight: float, names: Iterable[tuple[str, float]]) -> None:
        best: dict[str, float] = {}
        for key, worth in names:
            best[key] = max(best.get(key, 0.0), worth)
        for key, worth in best.items():
            found[key][place].append(weight * worth)

    def named(text: str) -> list[tuple[str, float]]:
        names = code_names(text)
        spelt.update((topic_key(n), n) for n in names if topic_key(n) not in spelt)
        found_here = phrases(words_of(_CODE.sub(" . ", text)))
        return found_here + [(rooms_known()[0].get(topic_key(n), topic_key(n)), 0.7) for n in names]

    add("title", TITLE, named(spoken(conversation.title)))
    for text in kept:
        add("kept", KEPT, named(text))
    prompts = reports = 0
    for number, message in enumerate(messages):
        if message.role == "user":
            own = " \n ".join(block for block, _ in blocks(own_words(message.text)))[:1500]
            if own.strip():
                add("prompt", FIRST_PROMPT if prompts == 0 else PROMPT, named(spoken(own)))
                prompts += 1
        elif message.role == "assistant":
            ahead = next((m.role for m in messages[number + 1: number + 400] if m.text.strip()), "user")
            report = ahead == "user" or len(message.text) > LONG_REPORT
            if message.text.strip():
                text = "\n".join(block for block, _ in blocks(message.text)) + "\n" + " . ".join(_HEADING.findall(message.text))
                add("report" if report else "narration", REPORT if report else NARRATION, named(text))
                reports += report
            if message.tools:
                add("tools", TOOLS, [(k, w) for t in message.tools for k, w in tool_names(t)])
    return found, spelt


_HEADING = re.compile(r"^#{1,6}\s+(.{3,90})$", re.M)
_TOOL_LINE = re.compile(r"^- \*\*([^*\s]+)\*\*(?: `(.*)`)?$", re.M)


def tool_names(tool: str) -> list[tuple[str, float]]:
    """Known rooms that a tool call's own line names (its output is not the session's subject)."""
    match = _TOOL_LINE.match(tool)
    if not match or not match[2]:
        return []
    known, _ = rooms_known()
    words = [topic_key(w.lower()) for w in re.findall(r"[A-Za-z][\w.+-]*", match[2][:200])]
    return [(known[w], 1.0) for w in words if w in known and w not in GENERIC]


def score(places: Mapping[str, list[float]], key: str, rooms: Rooms, long: int, prompts: int = 1) -> float:
    """The weight of a name in a session: each place counts by its weight and, damped, by how often it returns."""
    total = 0.0
    for place, weights in places.items():
        peak = max(weights)
        if place == "prompt":
            total += peak * len(weights) ** 0.5 * (1.0 if peak > PROMPT * 1.6 else min(1.0, 4 / max(1, prompts)) ** 0.3)
        else:
            total += peak * (len(weights) ** 0.5 if place in ("report", "kept") else 1 + 0.35 * math.log(len(weights)))
    known, broad = rooms_known()
    is_known = key in known.values()
    said = sum(map(len, places.values()))
    asked = "title" in places or max(places.get("prompt", [0.0])) > PROMPT * 1.6
    if is_known:                            # named in passing by a long session, it is an aside
        total *= 1.0 if asked else min(1.0, (said - len(places.get("kept", ()))) / (1 + long / 20)) ** 0.5
    else:
        total *= worth_of_new(key, places, said, long)
    if key in broad:
        total *= 0.45
    if key in ROUTINE and not asked:
        total *= 0.5
    if topic_key(key) in rooms.named:
        total *= 1.15                       # the wiki has this room
        share = rooms.counts.get(topic_key(key), 0) / max(8, rooms.total)
        total *= 1 - 0.35 * min(1.0, share) # and if everything is in it, it tells little
    return total


# What nearly every session does: a subject only where the title or the first prompt says so.
ROUTINE = frozenset("""
    code-review unit-tests end-to-end-tests integration-tests test-coverage testing linting gofmt refactoring readme
    documentation json cli cli-flags logging changelog renaming release forms pull-requests github-issues cleanup
    specification python
    """.split())


def worth_of_new(key: str, places: Mapping[str, list[float]], said: int, long: int) -> float:
    """How far a name that no list knows may be trusted: by where and how often the session says it."""
    asked = len(places.get("prompt", ())) + 2 * len(places.get("title", ()))
    if "-" not in key and (asked < 2 or said < 4):
        return 0.3 if said < 4 + long // 12 else 0.7      # a single word: only if the session comes back to it
    if not any(telling(part) for part in key.split("-")) and said < 4 and "title" not in places:
        return 0.2                          # an identifier in passing
    if said < 3 + long // 40 and "title" not in places:
        return 0.4                          # said once or twice in passing
    trust = 1.5 if said > 6 + long // 20 else 1.0 if asked else 0.8
    return trust if "-" in key else 0.65 * trust      # 'booking' says less than 'idempotency-key'


def choose_topics(conversation: wl.Conversation, transcript: wl.Transcript, rooms: Rooms,
                  pages: Sequence[wl.WikiPage] = (), bullets: Sequence[str] = ()) -> list[str]:
    """The session's rooms, most telling first. `bullets`: the texts that were worth keeping."""
    messages = transcript.said
    found, spelt = mentions(conversation, messages, bullets)
    wing = topic_key(wl.topic_name(conversation.wing))
    own = {wing, wing.replace("-", ""), *(wing.split("-") if "-" in wing else ())}
    prompts = sum(m.role == "user" for m in messages)
    vetted = {key: places for key, places in found.items()
              if key.replace("-", "") not in own and key not in own and f"-{wing}-" not in f"-{key}-"
              and key not in NEVER and not _NUMBER.match(key)}
    values = ((score(p, k, rooms, len(messages), prompts), k) for k, p in vetted.items())
    ranked = sorted(values, key=lambda pair: (-pair[0], pair[1]))
    called = {topic_key(str(n)): wl.topic_name(str(n))
              for page in pages for n in (page.slug, *page.words("topics"), *page.words("aliases"))}
    kept: list[tuple[str, str]] = []
    best = min(MOST_BEST, ranked[0][0]) if ranked else 0.0
    for value, key in ranked:
        share = LEAST_SHARE if len(kept) < FEW else MORE_SHARE
        if len(kept) >= topic_limit(messages) or value < max(LEAST_SCORE, share * best):
            break
        if any(covers(k, key) for k, _ in kept):
            continue
        bare = topic_key(key)
        name = rooms.named.get(bare) or rooms_known()[0].get(bare) or called.get(bare) or spelt.get(key) or key
        kept.append((key, wl.topic_name(name)))
    return list(dict.fromkeys(name for _, name in kept if name))


def topic_limit(messages: Sequence[wl.Message]) -> int:
    """A person files a session under few names, a very long one under one more."""
    return FEW + 1 + (sum(m.role == "user" for m in messages) > 40)


def covers(kept: str, key: str) -> bool:
    """Is `key` a part of, or made of, a room already kept?"""
    a, b = set(kept.split("-")), set(topic_key(key).split("-"))
    a = {singular(w) for w in a}
    return a <= b or b <= a
