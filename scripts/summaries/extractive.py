"""The extractive summary: sentences of the session itself, chosen by cue and salience. A pure function of its inputs."""
from __future__ import annotations

import wiki_lib as wl

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from summaries import cues, standing
from summaries.sentences import Sentence, own_words, sentences
from summaries.topics import Rooms, choose_topics

MOST_BULLETS = 15             # a summary longer than this is read by nobody
MOST_OF_A_HALL = 11
KEEP_SCORE = 3.9              # below this a sentence is not worth a reader's time
FEW_SCORE, FEW = 3.5, 3       # unless the session has hardly any other
MANY_SCORE, MANY = 0.1, 7     # more is asked of what comes after the first ones
LONGEST_PAIR = 330            # characters of a sentence together with the one that leans on it
USER_SCORE = 3.5              # a person's own rule needs less
ALIKE = 0.6                   # share of content words at which two sentences say the same
REPORTED, NARRATED, LAST_WORD = 0.6, -1.6, 0.3   # what a report to the person, talk between calls, the last report is worth
RETRACTED = 0.34              # share of a sentence's words that a withdrawal must name to take it back
PROMPTS_TRIED = 3             # of a session, for one that says what was wanted ('/clear' does not)
SUMMARY_SENTENCES = 4         # after the one that says what was asked


@dataclass(frozen=True)
class Summary:
    """What any backend hands back: prose, bullets that cite short message ids, rooms (most telling first), who wrote it; a
    model also a title, the live pages it is about, and how many of its bullets were left out for want of evidence."""
    text: str
    bullets: tuple[wl.Bullet, ...] = ()
    topics: tuple[str, ...] = ()
    by: str = "extractive"
    title: str = ""
    related: tuple[str, ...] = ()
    dropped: int = 0

    @property
    def halls(self) -> list[str]:
        return [h for h in wl.HALLS if any(b.hall == h for b in self.bullets)]


@dataclass(frozen=True)
class Candidate:
    """A sentence that may be kept. `place` is its order in the session."""
    text: str
    hall: str
    score: float
    cite: str
    place: int
    words: frozenset[str] = field(default=frozenset(), compare=False)


def summarise(conversation: wl.Conversation, transcript: wl.Transcript, rooms: Rooms | None = None,
              pages: Sequence[wl.WikiPage] = ()) -> Summary:
    """The extractive summary of a conversation: every sentence stands in the message it cites.

    `rooms`: what the wiki already calls things; `pages`: live pages whose titles are names worth keeping to."""
    said = [m for m in transcript.said if m.text.strip()]
    candidates = rank(conversation, transcript.said)
    bullets = choose(candidates, limit=bullet_limit(said))
    topics = choose_topics(conversation, transcript, rooms or Rooms(), pages, [b.text for b in bullets])
    return Summary(prose(conversation, said, bullets), tuple(c_bullet(c) for c in bullets), tuple(topics))


def c_bullet(candidate: Candidate) -> wl.Bullet:
    return wl.Bullet(candidate.hall, candidate.text, (candidate.cite,))


def bullet_limit(said: Sequence[wl.Message]) -> int:
    """More for a long session, never more than a reader takes in."""
    size = sum(len(m.text) for m in said)
    return min(MOST_BULLETS, 5 + size // 900)


# ------------------------------------------------------------------ candidates

def answers(messages: Sequence[wl.Message]) -> dict[str, float]:
    """{message id: weight} of the assistant's messages: high where it reports to the person, low where it talks to itself
    between tool calls."""
    weight: dict[str, float] = {}
    for number, message in enumerate(messages):
        if message.role != "assistant" or not message.text.strip():
            continue
        rest = messages[number + 1:]
        after = next((m.role for m in rest if m.text.strip()), "user")
        works_on = bool(message.tools) or (bool(rest) and rest[0].role == "assistant" and bool(rest[0].tools))
        weight[message.id] = REPORTED if after == "user" and not works_on else NARRATED
        if works_on and len(message.text) > 1500:
            weight[message.id] = 0.0                      # a report that went on working
        if after == "user" and works_on:
            weight[message.id] = 0.2
    if weight and (last := list(weight)[-1]):
        weight[last] += LAST_WORD
    return weight


def rank(conversation: wl.Conversation, messages: Sequence[wl.Message]) -> list[Candidate]:
    """Every sentence that could stand alone in a hall, with its score, in the order of the session."""
    asked = frozenset(wl.content_words(conversation.title)) | frozenset(
        w for m in messages if m.role == "user" for w in wl.content_words(own_words(m.text)[:400]))
    weight = answers(messages)
    session = standing.Session.of(messages)
    found: list[Candidate] = []
    for at, message in enumerate(messages):
        found = withdrawn(found, message)
        text = own_words(message.text) if message.role == "user" else message.text
        if not text or message.role not in ("user", "assistant"):
            continue
        narrated = weight.get(message.id, 0.0) == NARRATED

        def gone(c: Candidate, at: int = at, by_user: bool = message.role == "user", narrated: bool = narrated) -> bool:
            return not by_user and session.outlived(c.text, at, narrated)

        before: Candidate | None = None
        for sentence in sentences(text):
            candidate = judge(sentence, message, weight.get(message.id, 0.0), asked, len(found))
            if candidate and gone(candidate):
                before = None
                continue
            if candidate is None and before and not sentence.first and message.role == "assistant":
                candidate = together(before, sentence, message, weight.get(message.id, 0.0), asked)
                if candidate and gone(candidate):
                    found.pop()
                    candidate = None
                if candidate:
                    found[-1] = candidate
                before = candidate
                continue
            if candidate:
                found.append(candidate)
            before = candidate
    return found


def withdrawn(found: list[Candidate], message: wl.Message) -> list[Candidate]:
    """The candidates that a message leaves standing: where it takes something back, what was said before about the same
    thing goes."""
    if message.role not in ("user", "assistant") or not cues.takes_back(message.text):
        return found
    said = list(sentences(message.text))
    for number, sentence in enumerate(said):
        if cues.takes_back(sentence.text):
            near = frozenset(wl.content_words(" ".join(s.text for s in said[number: number + 2])))
            found = [c for c in found if c.hall == "preference" or len(c.words & near) < max(2, RETRACTED * len(c.words))]
    return found


def together(before: Candidate, sentence: Sentence, message: wl.Message, weight: float, asked: frozenset[str]
             ) -> Candidate | None:
    """A sentence that leans on the one before it ('It does not undo a migration, so ...'), kept with that one."""
    text = f"{before.text} {sentence.text}"
    if len(text) > LONGEST_PAIR or before.text[-1] not in ".`)" or not cues.may_follow(sentence.text):
        return None
    both = judge(Sentence(text), message, weight, asked, before.place)
    return both and replace(both, score=max(both.score, before.score), hall=before.hall)


def judge(sentence: Sentence, message: wl.Message, weight: float, asked: frozenset[str], place: int) -> Candidate | None:
    """The sentence as a candidate for its best hall, None when it cannot be kept."""
    by_user = message.role == "user"
    text = cues.without_interjection(sentence.text) if by_user else sentence.text
    if cues.refused(text, by_user):
        return None
    halls = cues.hall_scores(text, by_user)
    if not by_user and cues.is_fragment(text, sentence.item):
        halls = tuple(h for h in halls if h[0] == "event") if cues.is_event_fragment(text) else ()
    if sentence.item and text[-1] not in ".`)" and not by_user and not standing.names(text):
        return None                                       # a line of a list that names nothing
    if not halls:
        return None
    hall, strength = halls[0]
    words = frozenset(wl.content_words(text))
    cite = message.id if len(message.id) in (8, 12) else wl.id8(message.id)
    return Candidate(text, hall, strength + weight + salience(text, sentence, words, asked), cite, place, words)


def salience(text: str, sentence: Sentence, words: frozenset[str], asked: frozenset[str]) -> float:
    """How telling a sentence is: what it names, what it explains, what it shares with what was asked."""
    named = len({i.lower() for i in cues.identifiers(text)})
    score = min(2.4, 0.6 * named) + min(1.2, 0.5 * cues.explains(text)) + min(1.2, 0.25 * len(words & asked))
    score += 0.4 if 70 <= len(text) <= 230 else -0.3 if len(text) > 260 else 0.0
    score -= 1.2 * max(0.0, cues.code_share(text) - 0.25)
    score -= 0.3 if re.search(r"\b(?:you|your)\b", text, re.I) else 0.0
    score += 0.5 if not sentence.item and text[-1] == "." else -0.4 if sentence.item and text[-1] not in ".)`" else 0.0
    score += 1.0 if cues.decides(text) or re.match(r"(?:The )?(?:actual |real )?(?:root )?cause\b", text, re.I) else 0.0
    score -= 0.35 * min(3, cues.dated(text)) + 1.4 * min(2, cues.workshop(text))
    score -= 1.0 if re.match(r"(?:If|Even if|Whether)\b", text) else 0.0
    score -= 0.6 if not cues.explains(text) and re.search(r"\b(?:now|still|already)\b", text) else 0.0
    score -= 0.3 if not sentence.first and not sentence.item and re.match(r"(?:The|A|An|There)\b", text) else 0.0
    score -= 0.4 * len(re.findall(r"→|\b\w+\.\w+:\d+|\.md:\d|\.md`", text))
    score -= 3.0 if cues.has_code_lead(text) else 0.0
    score -= 1.5 if re.match(r"[\w/-]+\.[a-z]{1,4}(?::\d+)? [-—–] ", text) else 0.0
    score -= 0.6 if text[0].islower() else 0.0
    score -= 0.6 * len(re.findall(r"\b(?:also|too|genuinely|indeed|actually|really|just|already)\b", text, re.I))
    score -= 0.4 if re.match(r"The [a-z]+ (?:is|was|are|has|does|can|will|now|\w+s)\b", text) else 0.0
    return score


def choose(candidates: Iterable[Candidate], limit: int) -> list[Candidate]:
    """The best sentences, none twice, spread over halls; in the order of the session."""
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: (c.hall != "preference", -c.score, -c.place)):
        floor = USER_SCORE if candidate.hall == "preference" else FEW_SCORE if len(kept) < FEW else KEEP_SCORE
        floor += MANY_SCORE if len(kept) >= MANY else 0.0
        if len(kept) >= limit or candidate.score < floor:
            continue
        if sum(k.hall == candidate.hall for k in kept) >= MOST_OF_A_HALL or any(alike(candidate, k) for k in kept):
            continue
        kept.append(candidate)
    return sorted(kept, key=lambda c: c.place)


def alike(a: Candidate, b: Candidate) -> bool:
    """Two sentences that say the same: most content words of the shorter are in the longer."""
    return len(a.words & b.words) >= ALIKE * max(1, min(len(a.words), len(b.words)))


# ------------------------------------------------------------------ prose

_COMMAND_ONLY = re.compile(r"^\s*(?:/[\w:-]+|!)(?:\s+\S+){0,3}\s*$")
_NO_TITLE = re.compile(r"^(?:session|/[\w:-]+|#+ .*|untitled)$", re.I)


def prose(conversation: wl.Conversation, said: Sequence[wl.Message], bullets: Sequence[Candidate]) -> str:
    """What was asked, in the person's or the title's words, then what came out, in the session's: the most telling half of
    the bullets, so that the summary is never the same list twice."""
    best = sorted((c for c in bullets if c.hall != "preference"),
                  key=lambda c: (not cues.decides(c.text), c.hall not in ("event", "discovery"), -c.score, c.place))
    outcome = best[: min(SUMMARY_SENTENCES, (len(bullets) + 1) // 2 if len(bullets) > 1 else 0)]
    told = [c.text if c.text[-1] in ".!。\"')" else c.text + "." for c in sorted(outcome, key=lambda c: c.place)]
    return " ".join([asked_for(conversation, said), *told]).strip()


def asked_for(conversation: wl.Conversation, said: Sequence[wl.Message]) -> str:
    """What the session was for: the agent's title, and the first sentence of the first prompt that says something."""
    prompts = [m.text for m in said if m.role == "user"]
    title = conversation.title.rstrip(" .…?:!")
    titled = bool(title) and not _NO_TITLE.match(title) and not any(
        " ".join(p.split()).lower().startswith(title.lower()[:40]) for p in prompts[:1])
    lead = f"{title}." if titled and len(title) <= 120 else ""
    for prompt in prompts[:PROMPTS_TRIED]:
        if _COMMAND_ONLY.match(prompt):
            continue
        for sentence in sentences(own_words(prompt)):
            text = cues.without_interjection(sentence.text)
            if len(wl.content_words(text)) >= 2 and requests(text):
                asked = f"Asked: {wl.one_line(text.rstrip(' ?!.:,('), 280)}."
                return f"{lead} {asked}".strip()
        if "```" in prompt or len(prompt) > 4000:
            break                                         # a template or something pasted: later prompts are asides
    return lead or (f"{title}." if title else "")


def requests(text: str) -> bool:
    """Is a sentence of a prompt words rather than something pasted?"""
    return len(text) <= 320 and cues.code_share(text) <= 0.4 and "[REDACTED" not in text and not re.search(r"[:;]-?[()]|"
        r"={2,}|\w{60}", text)
