"""What of a wiki's memories still stands: what was decided, what is open, and what later words closed. Pure.

Bullets alone are judged, by English cues. A line is shown only where it can be read without its neighbours; an open
problem only as long as nothing later says that it is gone. Where that is in doubt nothing is said: a missing line costs a
question, a wrong one an hour.
"""
from __future__ import annotations

import wiki_lib as wl

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

FEWEST_WORDS = 4              # content words of a line; fewer need their neighbours
SHORTEST_PART = 30            # characters that a part of a long bullet must keep
MOST_CODE = 0.4               # share of a line that may be code
SAME_WORDS = 2                # words in common with which a later 'now ...' speaks of the same thing in the same project
PLAIN = 1.5                   # weight below which a concern is a fault told in passing
CLOSED_WORDS = 2              # fewer words of a ticked line would close half the wiki

DURABLE = """always never must from_now_on in_(?:the_)?future for_the_future prefers? every_time by_default should user_wants
             do(?:n't|_not)_(?:ever|use) stick_to rule only_ever"""
DECIDED = """we_(?:have_)?(?:now_)?(?:decided|chose|agreed|settled|picked|opted) decided_(?:to|on|against|that)
             (?:was|were)_(?:decided|chosen|agreed|settled|rejected|preferred) we(?:'ll)?_(?:keep|stay|use|stick|go)
             says_(?:now_)?(?:so_)?(?:that|as_a_rule) is_deliberate(?:ly)? in_favou?r_of"""
RULE = """must_(?:not|never|only|always|keep|stay) never_(?:be|use|run|commit|push|call|write|read|retried)
          may_(?:not|only|never)"""
HAPPENED = """merged released deployed shipped published renamed replaced migrated switched moved rewritten adopted dropped
              bumped bumping upgraded deprecated retired standardi[sz]ed"""
CHOSEN = """I'd_(?:rather|go_with|prefer) I_(?:want|prefer|decided|chose) we_(?:use|keep|stay)
            let's_(?:use|keep|stick|stay|switch)"""
# What stands open by its own words, in any hall and in advice; what is merely broken; what says that neither is so.
OPEN = r"""not_yet yet_to still_(?:fail|leak|break|miss|lack|need|open|does_not|doesn't|cannot|can't|not|no)\w*
           remains?_(?:to|open|un\w+) to_?do follow-?up unresolved unsolved unfixed deferred workaround should_\w+
           known_(?:issue|bug|limitation|problem)s? (?:no|without)_(?:\w+_)?tests?
           (?:isn't|is_not|not)_(?:\w+_)?(?:covered|tested|implemented|supported|wired|handled|documented)
           (?:is|are)_missing is_blocked blocked_(?:on|by) left_(?:open|out|undone) out_of_scope"""
OPEN_ADVICE = "until needs?_to has_to have_to watch_out beware"
BROKEN = r"""leaks? hangs? crashes loses fails? breaks cannot can't does_not doesn't isn't swallows? races? deadlocks?
             (?:is|are)_(?:never|wrong|unsafe|broken|stale) was_never_made flaky injection silently overwrites?
             without_limit forever false"""
SETTLED = """fixed fixes solved resolved closed repaired no_longer now replaced removed renamed migrated bumped rewritten
             dropped reverted adopted passes"""
HARMLESS = r"""correctly by_design deliberate\w* intentional\w* harmless cosmetic acceptable fine safe expected defensive good
               not_a_(?:practical_|real_)?(?:concern|problem|issue|bug|harness_issue) in_normal_operation than_the_win
               theoretical\w* instead not_(?:needed|necessary) nothing_to turns?_out speculation works used_to no_need
               supports purely that's_correct already as_(?:intended|documented) unlikely minor matches rejects? graceful\w*"""
NOT_OURS = r"GitHub GitLab Cloudflare Copilot HTTP Go's RFC_\d+"

_POINTS_BACK = re.compile(
    r"[\"'“(]?(?:it|its|it's|this|that|that's|these|those|they|them|their|he|she|his|her|there|here|such|both|neither|either|"
    r"same|another|one|ones|also|so|then|thus|therefore|hence|however|otherwise|instead|but|and|or|nor|yet|because|which|"
    r"who|whose|where|as such|similarly|likewise|additionally|finally|again|besides|two cases|in (?:this|that|both|either) )\b"
    r"|the (?:[\w-]+ )?(?:one|ones|latter|former|first|second|third|last|other|others|above|below|following|"
    r"same|rest)\b(?! \w+ing)", re.I)
_LEANS = re.compile(r"^(?:if|when|since|because|as|unless|until|while|although|seeding|for|with|in)\b[^,]*\b"
                    r"(?:this|that|these|those)\b(?! is\b)|"
                    r"\b(?:these|those|this|that) [\w-]+ (?:\w+ )?(?:need|is|are|was|were|has|have)\b|"
                    r"\b(?:keep|like|use|make|do|want|move|leave|change|put) "
                    r"(?:it|this|that|them|these|those|one(?! \w))\b|, that only\b|"
                    r"\b(?:leaks?|fixes|causes|breaks|solves) (?:it|this|that)\b|\b(?:above|below|as (?:said|mentioned))\b|"
                    r"\bsuch (?!as|an?|things|that)\w|\b(?:is|are|was|were) then\b", re.I)
_TALK = re.compile(r"(?:question|idea|ok|okay|hm+|well|yes|no|please|can|could|would|maybe|perhaps|let's say|"
                   r"i (?:actually|think|guess|have|wonder)|you|if you|keep the style|speculation)\b|.*\?$", re.I)
_ORDER = re.compile(r"(?:please )?(?:add|update|fix|find|change|remove|rename|move|make|write|create|look|check|run|review|try|"
                    r"show|tell|implement|install|use|set|put|give|do|replace|keep|have)\b", re.I)
_LASTS = re.compile(r"\b(?:always|never|from now on|in (?:the )?future|every time|by default)\b", re.I)
_PAST_FAULT = re.compile(r"\b(?:root cause|was caused|were caused|(?:failed|broke|crashed|hung|leaked|was|were) [^.]{0,40}because|"
                         r"explains? (?:why|the)|found a (?:real )?bug|used to|was wrong|was broken|were broken)\b", re.I)
_YOU = re.compile(r"\b(?:as you|you can|you could|your?)\b(?! (?:the )?user)", re.I)
_VERSION = re.compile(r"\bv?\d+\.\d+")
_IF = re.compile(r"(?:even )?(?:if|when|whenever|should|in case|without|suppose)\b", re.I)
# Where a long bullet may end early: what follows explains. '; but', ', unless' would change what is said.
_PARTS = re.compile(r"(?<=[.`)])\s+(?=[A-Z`])|:\s|;\s|\s[—–]\s|,?\s(?=because\b|so that\b)|"
                    r",\s(?=since\b|which\b)"
                    r"|\s(?=\([^()]*\)\.?$)")
_TURN = re.compile(r"\b(?:but|unless|except|only if|although|however|though|until|while|as long as)\b", re.I)


@functools.cache
def cues(listed: str) -> re.Pattern[str]:
    """A list of phrases ('_' is a space, the rest a regular expression) as whole words, in any case. Made at first use."""
    return re.compile(rf"(?<![\w-])(?:{'|'.join(listed.split())})(?![\w-])".replace("_", r"\s"), re.I)


@dataclass(frozen=True)
class Memory:
    """A bullet where it was said: the messages it `cites`, `at` its session's place in time (day, start, path)."""
    text: str
    hall: str
    day: str
    wing: str
    source: str
    topic: str
    cites: tuple[str, ...]
    at: tuple[str, str, str]
    stems: frozenset[str] = field(default=frozenset(), compare=False)


@functools.lru_cache(maxsize=16384)
def stems(text: str) -> frozenset[str]:
    """The words two sentences are compared by; endings cut off, so that 'retries' meets 'retry' and 'backups' 'backup'."""
    return frozenset(re.sub(r"(?:ies|ing|ed|es|s|e|y)$", "", w) or w for w in wl.content_words(text))


def memories(conversations: Iterable[wl.Conversation]) -> Iterator[Memory]:
    for c in conversations:
        at = (c.date, str(c.meta.get("started") or ""), c.path)
        for bullet in c.bullets:
            text = " ".join(bullet.text.split())
            yield Memory(text, bullet.hall, c.date, c.wing, c.path, topic_of(text, c.topics), bullet.cites, at, stems(text))


def topic_of(text: str, topics: Sequence[str]) -> str:
    """The first room of the session that a bullet names; '' when it names none."""
    said = {part for word in stems(text) for part in stems(word.replace("-", " "))} | stems(text)
    return next((t for t in topics if stems(t.replace("-", " ")) <= said), "")


# ------------------------------------------------------------------ can it be read alone

def without_code(text: str) -> str:
    return re.sub(r"`[^`]*`|\"[^\"]*\"|“[^”]*”", "X", text)


def stands_alone(text: str) -> bool:
    """Is a line a whole sentence, or the better part of one, that needs no other?"""
    bare = without_code(text)
    code = sum(map(len, re.findall(r"`[^`]+`", text)))
    return not (len(wl.content_words(text)) < FEWEST_WORDS or text.endswith(("…", "...", ":", ",", ";", " and", " or"))
                or text.count("`") % 2 or text.count("(") != text.count(")") or code > MOST_CODE * len(text)
                or _POINTS_BACK.match(bare) or _LEANS.search(bare) or _TALK.match(bare) or re.match(r"X (?:=|—|-|:) ", bare)
                or text.count("→") > 1 or _YOU.search(bare))


def forms(text: str) -> list[str]:
    """A line and its shorter beginnings that are whole sentences, longest first. What would change its sense is never cut
    off."""
    found = [text]
    for match in reversed(list(_PARTS.finditer(text))):
        head, rest = text[: match.start()].rstrip(" :;,"), text[match.end():]
        if len(head) >= SHORTEST_PART and not _TURN.match(rest) and stands_alone(head) and says_something(head):
            whole = match[0].isspace() and head.endswith(".") or head.endswith((".", "!"))
            # A second sentence may go whatever it says; the rest of one may not where it turns.
            if whole or not _TURN.search(rest.split(". ", 1)[0]):
                found.append(head if whole else head + ".")
    return found


def says_something(head: str) -> bool:
    """Has a beginning a verb of its own? 'Root cause' and 'Tier 2' have not."""
    return bool(re.search(r"\b(?:we|is|are|was|were|has|have|had|must|should|can|cannot|may|will|does|do|never|always|says|needs?|"
                          r"\w{3,}(?:ed|s) (?:the|an?|to|from|by|with|every|only|all|no|its|X|on|in|for|at|`))", head))


# ------------------------------------------------------------------ decisions

def decision_weight(memory: Memory) -> float:
    """How much a memory is a decision or a rule: 0 when it is none."""
    text, bare = memory.text, without_code(memory.text)
    if memory.hall == "preference":
        return rule_weight(bare)
    if memory.hall not in ("fact", "event", "advice", "discovery") or re.match(r"(?:fixed|updated|fixes)\b", bare, re.I) and (
            memory.hall != "event" or "bump" not in bare):
        return 0.0
    if cues(DECIDED).search(bare):
        return 3.2 if re.match(r"we\b", bare, re.I) else 3.0
    if memory.hall in ("advice", "fact") and cues(RULE).search(bare):
        return 2.0 if memory.hall == "advice" else 1.2
    if memory.hall == "event" and happened().search(bare) and "=" not in bare and ("bump" not in bare or _VERSION.search(text)):
        return 1.5 if len(text) < 200 else 1.0
    return 0.0


@functools.cache
def happened() -> re.Pattern[str]:
    """'was merged', 'we replaced', 'The queue moved', 'Bumped': done, not 'an app deployed to ...'."""
    verbs = "|".join(HAPPENED.split())
    return re.compile(rf"\b(?:was|were|been|got|we|I|now|by) (?:\w+ly )?(?:{verbs})\b|^(?:(?:The )?[\w.-]+ )?(?:{verbs})\b|"
                      rf": (?:{verbs})\b", re.I)


def rule_weight(bare: str) -> float:
    """A person's words as a rule: what lasts ('always', 'never'), not what was wanted at that moment ('let's ...')."""
    if _LASTS.search(bare):
        return 3.5
    if _ORDER.match(bare):
        return 0.0
    if len(wl.content_words(bare)) <= FEWEST_WORDS:
        return 0.0
    return 2.5 if cues(DURABLE).search(bare) else 1.5 if cues(CHOSEN).search(bare) else 0.0


def standing_decisions(said: Sequence[Memory]) -> list[tuple[Memory, float]]:
    """Decisions and rules that can be read alone; of those about one topic of one project those of the newest day."""
    found = [(memory, weight) for memory in said if (weight := decision_weight(memory)) and decision_forms(memory)]
    newest: dict[tuple[str, str], tuple[bool, str]] = {}
    for memory, weight in found:
        key = (memory.wing, memory.topic)
        newest[key] = max(newest.get(key, (False, "")), rank(memory, weight))
    return [(memory, weight) for memory, weight in found
            if not memory.topic or rank(memory, weight) == newest[memory.wing, memory.topic]]


def rank(memory: Memory, weight: float) -> tuple[bool, str]:
    """A bump of today does not hide the decision of last week."""
    return weight >= PLAIN, memory.day


def decision_forms(memory: Memory) -> list[str]:
    """The forms of a memory that can be read alone and are still a decision."""
    return [f for f in forms(memory.text) if stands_alone(f) and decision_weight(replace(memory, text=f))]


# ------------------------------------------------------------------ what is open

def concern_weight(memory: Memory) -> float:
    """How surely a memory says that something is open: 2 by its own words, 1 for a fault told in the present, else 0."""
    bare = without_code(memory.text)
    if memory.hall not in ("discovery", "advice", "fact") or cues(SETTLED).search(bare) or cues(HARMLESS).search(bare):
        return 0.0
    if _PAST_FAULT.search(bare) or cues(DECIDED).search(bare) or _IF.match(bare) or cues(NOT_OURS).match(bare):
        return 0.0
    if memory.hall == "advice":
        return 2.0 if cues(OPEN).search(bare) or cues(OPEN_ADVICE).search(bare) else 0.0
    if cues(OPEN).search(bare):
        return 2.0 if memory.hall == "discovery" else 1.5
    return 1.0 if memory.hall == "discovery" and cues(BROKEN).search(bare) else 0.0


def concern_forms(memory: Memory) -> list[str]:
    """The forms of a memory that can be read alone and still say what is wrong."""
    def tells(form: str) -> bool:
        return any(cues(words).search(without_code(form)) for words in (OPEN, OPEN_ADVICE, BROKEN))
    return [f for f in forms(memory.text) if stands_alone(f) and tells(f)]


_LATER = re.compile(r"\b(?:reconsider\w*|revisit\w*|until|once|as soon as|later)\b", re.I)
_CHANGE = re.compile(r"^- \*\*(?:(?:Multi|Notebook)?Edit|Write)\*\*|^- \*\*Bash\*\* `[^\n]*\b(?:git commit|sed -i|apply_patch)\b",
                     re.M)
_MESSAGE = re.compile(r"^### [^\n]* · #([0-9a-f]+)[ \t]*$", re.M)


def last_words(transcript: str) -> frozenset[str]:
    """The messages of a session after which no file was changed any more: what they call open was left open."""
    main = transcript.split("\n## Subagents\n", 1)[0]
    last = max((m.start() for m in _CHANGE.finditer(main)), default=-1)
    return frozenset(m[1] for m in _MESSAGE.finditer(main) if m.start() > last)


def resolves(memory: Memory) -> bool:
    """Does a memory say that something is done, decided or different now?"""
    bare = without_code(memory.text)
    return memory.hall != "preference" and bool(cues(SETTLED).search(bare) or cues(DECIDED).search(bare)) and not re.search(
        r"\b(?:not|never) (?:yet )?(?:been )?(?:fixed|resolved|closed)\b", bare)


def open_concerns(said: Sequence[Memory], closed: Iterable[str], left_open: Callable[[Memory], bool]
                  ) -> list[tuple[Memory, float]]:
    """What is open: said to be, with the last words of its session, and not undone by a later word on the same thing, nor by
    the person, who `closed` what holds all words of one of these lines."""
    ticked = [words for words in map(stems, closed) if len(words) >= CLOSED_WORDS]
    done: dict[str, list[Memory]] = {}
    for memory in said:
        if resolves(memory):
            done.setdefault(memory.wing, []).append(memory)
    return [(memory, weight) for memory in said
            if (weight := concern_weight(memory)) and concern_forms(memory)
            and not any(words <= memory.stems for words in ticked)
            and not any(undone(memory, weight, later) for later in done.get(memory.wing, ()))
            and (looks_ahead(memory) or left_open(memory))]


def looks_ahead(memory: Memory) -> bool:
    """Advice for a day to come ('should be reconsidered when ...', 'keep it until ...') outlives the work of its session."""
    return memory.hall == "advice" and bool(_LATER.search(without_code(memory.text)))


def undone(memory: Memory, weight: float, later: Memory) -> bool:
    """Does another memory say that a problem is gone? In the same session any outcome answers for a plain fault; what is open
    by its own words needs an answer that speaks of the same thing."""
    shared = len(memory.stems & later.stems)
    if later.source == memory.source:
        return weight < PLAIN or shared >= SAME_WORDS + 1 and bool(cues(SETTLED).search(without_code(later.text)))
    known = bool(memory.topic) and later.topic == memory.topic
    return later.at > memory.at and shared >= SAME_WORDS + (not known)
