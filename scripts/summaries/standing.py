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
                    r"\bgit (?:commit|apply)\b|\bsed -i\b|\bgo (?:mod tidy|get)\b|"
                    r"\b(?:npm|pnpm|yarn|uv|cargo) (?:add|install)\b", re.M)
_DEFECT, _STATE, _MENDED = (cues.any_of(w) for w in (cue_words.DEFECT, cue_words.STATE, cue_words.MENDED))
_REMOVALS, _CHANGES = cues.any_of(cue_words.REMOVALS), cues.any_of(cue_words.CHANGES)
_ORDERS_CHANGE = cues.any_of(cue_words.ORDERS_CHANGE)
_OTHERS = frozenset(f"{cue_words.PROGRAMS} {cue_words.SYSTEMS}".split())
_CODE = re.compile(r"`([^`\s]{3,60})`|\b(\w+_\w+|[a-z]+[A-Z]\w+|[A-Z][a-z]+[A-Z]\w*)\b")
_SEVERITY = re.compile(r"^\W*(?:\d+[.)]\s*)?\W*(?:\[?(?:P[0-3]|high|medium|low|critical|blocker|major|minor|nit)\b)", re.I | re.M)
_WORK_HEADING = re.compile(r"^(?:#+ |\*\*)(?:\w+ ){0,2}(?:findings?|nits|recommend\w+|suggest\w+|propos(?:al|ed?)|plan|"
                           r"options|next steps|what i'd \w+|issues? found|action items)\b", re.I | re.M)
_REASON = re.compile(r"\b(?:because|since|so|due to|which is why|by design|intentional\w*|deliberate\w*|means)\b", re.I)
_PREDICTS = re.compile(r"\bwill\b")
_PURPOSE = re.compile(r",? so\b(?: that)?.*$")            # 'so it is not lost' says what the state is good for
_HEAD = re.compile(r"^(?:By default |Since |Because )?(`?[\w.+-]+`?)(?: v?\d[\d.]*)? (?:never |only |always |also )?"
                   r"(?:\w{2,}s|\w+n't|can|cannot|could|will|must|may|kept|sent|built|ran)\b")
_BEFORE = re.compile(r"(?:is|are|was|were|been|be|got|gets) $")          # 'X was removed', 'X is gone'
_OBJECT_ENDS = re.compile(r"[,;:—]|\b(?:with|by|from|in|to|so|because|since|when|that|which|and now)\b")


@dataclass(frozen=True)
class Change:
    """A sentence saying that something was, or is to be, changed. `place`: of its message; `gone`: the names that went."""
    place: int
    words: frozenset[str]
    names: frozenset[str]
    gone: frozenset[str]


@dataclass(frozen=True)
class Session:
    """What was done and said to be changed in a session. Places are positions in the list of its messages."""
    last_edit: int
    to_do: dict[int, str]         # what follows the first finding or proposal of work in a message
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
                                          gone(sentence.text) if message.role == "assistant" else frozenset()))
        to_do = {n: listed for n, m in enumerate(messages) if m.role == "assistant" and (listed := lists_work(m.text))}
        most = max(FEW_MESSAGES, RARE_SHARE * sum(bool(m.text.strip()) for m in messages))
        return cls(max((n for n, m in enumerate(messages) if edits(m)), default=-1), to_do, tuple(changes),
                   frozenset(w for w, n in words.items() if n > most), frozenset(w for w, n in named.items() if n > most))

    def outlived(self, text: str, place: int, narrated: bool = False) -> bool:
        """Does a statement, made in the message at `place`, hold no longer at the end of the session? `narrated`: said
        between two tool calls rather than reported."""
        if mended(text):
            return False
        later = self.changed_after(place, text)
        if any(names(text) & c.gone - self.common_names for c in later):
            return True
        if self.last_edit < place or outside(text):
            return False
        bare = cues.without_code(text)
        if text[:12] in self.to_do.get(place, "") and (later or not _REASON.search(bare)):
            return True
        if (narrated and not _REASON.search(bare)) or (self.last_edit > place and _PREDICTS.search(bare)):
            return True
        return bool(_DEFECT.search(bare)) or bool(later and _STATE.search(_PURPOSE.sub("", bare)))

    def changed_after(self, place: int, text: str) -> list[Change]:
        """The changes told later that are about the same thing."""
        words, named = frozenset(wl.content_words(text)) - self.common, names(text)
        return [c for c in self.changes if c.place > place and (len(words & c.words) >= SHARED_RARE or named & c.names)]


def lists_work(text: str) -> str:
    """What stands in a message from its first finding or proposal of work on; '' when it lists none."""
    found = list(_SEVERITY.finditer(text))
    heading = _WORK_HEADING.search(text)
    starts = [m.start() for m in (found[0] if len(found) > 1 else None, heading) if m]
    return plain_text(text[min(starts):]) if starts else ""


def plain_text(text: str) -> str:
    """A message without its emphasis and line ends, so that a sentence can be found in it."""
    return " ".join(text.replace("**", "").split())


def edits(message: wl.Message) -> bool:
    """Does a message change files or commit?"""
    return any(_EDITS.search(tool[:TOOL_HEAD]) for tool in message.tools)


def names(text: str) -> frozenset[str]:
    """The code names in a text, in small letters: in backticks, or shaped like code."""
    return frozenset((a or b).strip("().,*").lower() for a, b in _CODE.findall(text))


def gone(text: str) -> frozenset[str]:
    """The code names that a sentence says were removed, replaced or renamed: the object of the verb, or its subject where
    the verb is passive."""
    found: frozenset[str] = frozenset()
    for match in _REMOVALS.finditer(text):
        before, after = text[: match.start()], text[match.end():]
        passive = _BEFORE.search(before) or match[0].lower().startswith(("no", "gone"))
        found |= names(before[-80:] if passive else _OBJECT_ENDS.split(after, maxsplit=1)[0][:80])
    return found


def mended(text: str) -> bool:
    """Does a statement itself say that the matter is over?"""
    bare = cues.without_code(text)
    return bool(_MENDED.search(bare)) and not re.search(r"\bnow\b.*\bbut\b(?!.* instead\b)", bare)


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
