"""What still holds when a session ends: a finding that was worked on afterwards, or a state that was changed, does not."""
from __future__ import annotations

import wiki_lib as wl

import functools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from summaries import cue_words, cues
from summaries.sentences import own_words, sentences
from summaries.vocabulary import rooms_known, topic_key

SHARED_RARE = 2               # rare words that make a later change one of the same thing
RARE_SHARE = 0.12             # of a session's messages: a word in more of them is what the session is about
FEW_MESSAGES = 4              # but a word in this few is rare in any session
TOOL_HEAD = 1500              # characters of a tool call that say what it does

_EDITS = re.compile(r"^- \*\*(?:Edit|Write|MultiEdit|NotebookEdit|apply_patch|str_replace\w*|create_file)\*\*|\bapply_patch\b|"
                    r"\bgit (?:commit|apply)\b|\bsed -i\b|\bgo (?:mod tidy|get)\b|\b(?:npm|pnpm|yarn|uv|cargo) (?:add|install)\b", re.M)
_DEFECT, _STATE, _MENDED = (cues.any_of(w) for w in (cue_words.DEFECT, cue_words.STATE, cue_words.MENDED))
_REMOVALS, _CHANGES = cues.any_of(cue_words.REMOVALS), cues.any_of(cue_words.CHANGES)
_ORDERS_CHANGE = cues.any_of(cue_words.ORDERS_CHANGE)
_OTHERS = frozenset(f"{cue_words.PROGRAMS} {cue_words.SYSTEMS}".split())
_CODE = re.compile(r"`([^`\s]{3,60})`|\b(\w+_\w+|[a-z]+[A-Z]\w+|[A-Z][a-z]+[A-Z]\w*)\b")
_PURPOSE = re.compile(r",? so\b(?: that)?.*$")            # 'so it is not lost' says what the state is good for
_HEAD = re.compile(r"^(?:The |An? |By default |Since |Because )?(`?[\w.+-]+)")


@dataclass(frozen=True)
class Change:
    """A sentence saying that something was, or is to be, changed. `place`: of its message; `gone`: something went with it."""
    place: int
    words: frozenset[str]
    names: frozenset[str]
    gone: bool


@dataclass(frozen=True)
class Session:
    """What was done and said to be changed in a session. Places are positions in the list of its messages."""
    last_edit: int
    changes: tuple[Change, ...]
    common: frozenset[str]
    common_names: frozenset[str]

    @classmethod
    def of(cls, messages: Sequence[wl.Message]) -> Session:
        words: Counter[str] = Counter()
        named: Counter[str] = Counter()
        changes: list[Change] = []
        for place, message in enumerate(messages):
            if not message.text.strip() or message.role not in ("user", "assistant"):
                continue
            words.update(set(wl.content_words(message.text)))
            named.update(names(message.text))
            verbs = _CHANGES if message.role == "assistant" else _ORDERS_CHANGE
            text = message.text if message.role == "assistant" else own_words(message.text)
            if not verbs.search(text):
                continue
            for sentence in sentences(text):
                bare = cues.without_code(sentence.text)
                if verbs.search(bare):
                    changes.append(Change(place, frozenset(wl.content_words(sentence.text)), names(sentence.text),
                                          message.role == "assistant" and bool(_REMOVALS.search(bare))))
        most = max(FEW_MESSAGES, RARE_SHARE * sum(bool(m.text.strip()) for m in messages))
        return cls(max((n for n, m in enumerate(messages) if edits(m)), default=-1), tuple(changes),
                   frozenset(w for w, n in words.items() if n > most), frozenset(w for w, n in named.items() if n > most))

    def outlived(self, text: str, place: int) -> bool:
        """Does a statement, made in the message at `place`, hold no longer at the end of the session?"""
        if mended(text):
            return False
        later = self.changed_after(place, text)
        if any(c.gone and names(text) & c.names - self.common_names for c in later):
            return True
        if self.last_edit < place or outside(text):
            return False
        bare = cues.without_code(text)
        return bool(_DEFECT.search(bare)) or bool(later and _STATE.search(_PURPOSE.sub("", bare)))

    def changed_after(self, place: int, text: str) -> list[Change]:
        """The changes told later that are about the same thing."""
        words, named = frozenset(wl.content_words(text)) - self.common, names(text)
        return [c for c in self.changes if c.place > place and (len(words & c.words) >= SHARED_RARE or named & c.names)]


def edits(message: wl.Message) -> bool:
    """Does a message change files or commit?"""
    return any(_EDITS.search(tool[:TOOL_HEAD]) for tool in message.tools)


def names(text: str) -> frozenset[str]:
    """The code names in a text, in small letters: in backticks, or shaped like code."""
    return frozenset((a or b).strip("().,*").lower() for a, b in _CODE.findall(text))


def mended(text: str) -> bool:
    """Does a statement itself say that the matter is over?"""
    return bool(_MENDED.search(cues.without_code(text)))


@functools.lru_cache(maxsize=1)
def _products() -> frozenset[str]:
    return frozenset(rooms_known()[0])


def outside(text: str) -> bool:
    """Is a sentence about a known product or program rather than the project's own code?"""
    match = _HEAD.match(text)
    if not match:
        return False
    head = match[1].strip("`.")
    return head.lower() in _OTHERS or (head[0].isupper() and topic_key(head.lower()) in _products())
