"""What makes a sentence worth keeping, and in which hall. English cues (cue_words.py); sentences without any are not kept.

refused() says why a sentence cannot stand alone; hall_scores() says where one that can belongs.
"""
from __future__ import annotations

import wiki_lib as wl

import functools
import re

from summaries import cue_words as words

SHORTEST_WORDS = 5            # content words; fewer is a label, not a memory
SHORTEST, LONGEST = 40, 340   # characters
SHORTEST_RULE_WORDS, SHORTEST_RULE = 2, 18   # a person's own rule may be short: "always use uv"
MOST_CODE = 0.5               # share of a sentence that may be code, paths and symbols


def phrase(entry: str) -> str:
    """A phrase of cue_words.py as a regular expression."""
    out = entry.replace(".", r"\.").replace("*", r"\w*").replace("_", r"\s").replace("%", r"\d+")
    return out.replace("~", r"[\w./-]+")


def any_of(listed: str, before: str = r"(?<![\w-])", after: str = r"(?![\w-])") -> re.Pattern[str]:
    """One pattern for a list of phrases, as whole words, in any case."""
    return re.compile(f"{before}(?:{'|'.join(phrase(e) for e in sorted(listed.split(), key=len, reverse=True))}){after}", re.I)


# ------------------------------------------------------------------ what cannot be read alone

_START = r"^[\"'“(]?"
_POINTS_BACK = any_of(words.POINTS_BACK, _START)
_BARE_NOUN = any_of(words.BARE_NOUNS, _START + r"the\s", r"(?!-?\w)(?!\s`|\s(?-i:[A-Z])|"
                    r"\sof\s(?!this|that|these|those|it\b)\w?|\sfrom\s(?-i:[A-Z]))")
_TURNS = any_of(words.TURNS, _START, r"(?![\w'’-]|\.\w)")
_SELF, _ADDRESS, _BOUND = any_of(words.SELF), any_of(words.ADDRESS), any_of(words.BOUND, after=r"(?![\w])")
_HEDGES, _STATUS, _PRAISE = any_of(words.HEDGES), any_of(words.STATUS), any_of(words.PRAISE)
_TESTED = re.compile(r"\b(?:\d+|all|both|every|existing|full|new|unit|local|the)\s(?:[\w`./-]+\s){0,5}?(?:tests?|checks?|"
                     r"suites?|packages|specs?)\b"
                     r"[^.]{0,40}\b(?:pass(?:es|ed|ing)?|green|clean|fail(?:s|ed|ing)?|succeed(?:ed)?|ok)\b|"
                     r"\bpassed\b[^.]{0,12}$", re.I)
_LITTER = re.compile(r"\[REDACTED|\[Image|\[Pasted|\[Request|\x00|�|[␀-␟]|={3,}|-{3,}|\.{4,}|→.*→.*→|(?:\|.*){3}|"
                     r"<[a-z]+[ >/]|\\n|"
                     r"\b[0-9a-f]{40}\b|\{\{|^/|^@|https?://\S{60}|Users/|/home/|~/|^\d+[.):]|^\([a-z\d]\)|^[A-Z]\. |^#\d|"
                     r"^[^.]{0,30}→|[═║╔╚│┌└├─]|[😀-🙏🎉🚀💯✅❌⚠]|"
                     r"\bexit (?:code|status) \d|\bline \d+, in\b|^at \w+\.|Traceback|^\w*Error:|^\d{4}[-/]\d\d|!$|"
                     r"\[[a-z]+\]|`[0-9a-f]{7,40}…?`|\b[0-9a-f]{7,40}…|\b[Ll]ines? \d+|^\(|^[A-Z][a-z]+, but\b|"
                     r"\(\w+ #\d+\)|\.md:\d|^(?:with|for|of|in|on|by|to|from|and|or) |API Error| · |"
                     r"\b(?:US\d|T\d{3})\b|\((?:high|medium|low|critical|minor|major|blocker)\)")
_ENDS = re.compile(r"(?::|,|;|…|\.\.\.|\b(?:and|or|the|a|of|to|with|for|in|that|because|instead|below|above|too))[\"'”)]*$", re.I)
_LEAD = re.compile(r"^[\w`](?:[\w ,'/()`.*+&#=-]|:(?!\s)){0,110}?(?::| —| –| -) ")      # 'Root cause: ', '`x` — '
_CODE_LEAD = re.compile(r"^`[^`]+`(?: \([^)]*\))?(?: \w+){0,2}(?: \([^)]*\))?(?: —| –| -|:) ")
_NEEDS_NOUN = re.compile(r"\b(?:it|its|it's|they|them|their|this|those|these)\b", re.I)
_PAST = any_of(words.PAST + " ~ed", r"^(?:\w+ly\s)?")
_ORDERS = any_of(words.ORDERS, r"^(?:please\s)?")
_RULES_TOO = "use run set avoid prefer install keep treat enable disable watch pin".split()   # 'Use x for y' is advice
_DEMANDS = any_of(" ".join(w for w in words.ORDERS.split() if w not in _RULES_TOO), "^")
_REPORTS = any_of(words.REPORTS, "^")
_PLANS = any_of(words.ORDERS.replace(" use ", " ").replace(" avoid ", " ").replace(" prefer ", " ").replace(" set ", " "
    "").replace(" run ", " "),
                r"^(?:if|when|for|before|after|on|in)\b.*?, (?:then )?")
_REASONS = re.compile(r"\b(?:because|so that|instead of|to (?:avoid|prevent|keep|match)|since|due to)\b")
_DOES = re.compile(r"^(?!As|Is|This|Has|Was|Its|Does|Less|Unless)[A-Z][a-z]+s\s"
                   r"(?:the|an?|all|every|each|its|whether|how|through|one|source)\b")
_LINKS = re.compile(r"→|->|\b(?:because|so that|so|by|instead of|from|with|to avoid|since|due to|in favou?r of|into|as)\b")


_WOULD = any_of(words.WOULD)
_COUNTERFACTUAL = re.compile(r"\b(?:because|although|otherwise|rejected|without|decided)\b", re.I)
_UNTIL = re.compile(r"\b(?:until|once|when|after|before|while|unless)\b[^,;.]*", re.I)


def verb_forms(verb: str) -> list[str]:
    """need, needs, needed: the finite forms of a regular verb."""
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return [verb, verb[:-1] + "ies", verb[:-1] + "ied"]
    tail = "es" if verb.endswith(("s", "x", "z", "ch", "sh", "o")) else "s"
    past = [verb + "d"] if verb.endswith("e") else [verb + "ed", verb + verb[-1] + "ed"]
    return [verb, verb + tail, *past]


_FINITE = any_of(" ".join(form for verb in words.VERBS.split() for form in verb_forms(verb)) + " " + words.IRREGULAR)
_THIRD_PERSON = re.compile(r"(?:[a-z]|X)\s[a-z]{2,}[a-rt-z]s\s"
                           r"(?:an?|the|to|from|by|up|it|them|no|only|every|all|each|its|you|us|at|into|out|that|when|with|\d+|X)\b")


def has_verb(bare: str) -> bool:
    """A finite verb: one that is listed, or a word that stands where only a verb can ('`x` sleeps 50 ms')."""
    return bool(_FINITE.search(bare) or _THIRD_PERSON.search(bare))


_IDENTIFIER = re.compile(r"`[^`]+`|\b\w+\.\w{2,}\b|\b[a-z]+[A-Z]\w+|\b[A-Z][a-z]+[A-Z]\w*|\b\w+_\w+|(?<!\w)--?[a-z][\w-]+|"
                         r"\bv?\d+\.\d+[\w.]*|"
                         r"\b[A-Z]{2,}[0-9]*\b|\b[A-Z][a-z]+-[A-Z]\w+|\b[a-z]+-[a-z]+(?:-[a-z]+)*\b|#\d+|\b[45]\d\d\b|"
                         r"(?<=[a-z,] )[A-Z][a-z]{2,}")


def identifiers(text: str) -> list[str]:
    """The specific things a sentence names: code, flags, versions, compounds, acronyms, proper names."""
    return _IDENTIFIER.findall(text)


def code_share(text: str) -> float:
    """The share of a sentence's characters that is code, paths or symbols."""
    return sum(len(m) for m in re.findall(r"`[^`]+`|\S*[/\\_{}=<>$]\S*", text)) / max(1, len(text))


def without_code(text: str) -> str:
    """Code spans and quotations as one X each, so that their words are not taken for the sentence's."""
    return re.sub(r"`[^`]*`|\"[^\"]*\"|“[^”]*”", "X", text)


@functools.lru_cache(maxsize=8192)
def refused(text: str, by_user: bool = False) -> str:
    """Why a sentence cannot be kept as it stands, in a word; '' when it can."""
    text = text.replace("’", "'")
    if not (SHORTEST_RULE if by_user else SHORTEST) <= len(text) <= LONGEST:
        return "length"
    if len(wl.content_words(re.sub(r"`[^`]*`", " code ", text))) < (SHORTEST_RULE_WORDS if by_user else SHORTEST_WORDS):
        return "short"
    return refused_anywhere(text) or (refused_of_user(text) if by_user else refused_of_assistant(text))


def refused_anywhere(text: str) -> str:
    """Why a piece of text is no whole, clean statement, whoever said it."""
    if re.search(r"\?(?:[\"'”)]*\s|[\"'”)]*$)", re.sub(r"`[^`]*`", "", text)):
        return "question"
    if _ENDS.search(text):
        return "unfinished"
    if _LITTER.search(text):
        return "litter"
    if code_share(text) > MOST_CODE:
        return "code"
    if text.count("(") != text.count(")") or text.count("`") % 2 or text.count('"') % 2:
        return "unbalanced"
    return ""


_OPENING = re.compile(r"^(?:(?:Without|With|Under|In|On|For|At|From|By)(?= the\b) |(?:Since|When|If|Because|As|While|Although|"
                      r"After|Before|Once)\b[^,]*(?:,[^,]*){0,3}, (?=the\b))")
# A label has no auxiliary, is no 'we decided ...', and is short.
_CLAUSE = re.compile(r"^(?:We|It)\b|\b(?:is|are|was|were|has|have|had|do|does|did|can|cannot|must|should|will|means|says)\b|"
                     r"^(?:\S+\s){6,}.*\b[a-z]+(?:s|ed)\s", re.I)


def without_lead(text: str) -> str:
    """What follows a label ('Root cause: ', '`x` — '); the whole sentence when what stands before the colon is a clause."""
    match = _LEAD.match(text)
    return text if not match or _CLAUSE.search(without_code(match[0])) else text[match.end():]


def refused_of_assistant(text: str) -> str:
    body = without_lead(text)
    opened = _OPENING.match(text)
    for reason, pattern in (("points back", _POINTS_BACK), ("points back", _BARE_NOUN), ("turns", _TURNS)):
        parts = [text, body, text[opened.end():]] if opened and pattern is _BARE_NOUN else [text, body]
        if any(pattern.search(part) for part in parts):
            return reason
    if body != text and _NAMED_ONLY.match(without_code(body)):
        return "no verb"
    for reason, pattern in (("points back", _OBJECT_UNNAMED), ("report", _REPORTED_STEP), ("fragment", _PLAN_ITEM),
                            ("symptom", _SYMPTOM), ("example", _EXAMPLE), ("click", _CLICKS), ("walk", _WALK),
                            ("this run", _THIS_RUN), ("remark", _REMARK), ("fragment", _LOWER)):
        if pattern.search(text) and (reason != "symptom" or not explains(text)):
            return reason
    if _STEP.search(without_code(text)):
        return "step"
    return unfit(text) or ("points back" if leans(without_code(text)) else "")


_OBJECT_UNNAMED = re.compile(r"^[^,;:]*?\b(?:can't|cannot|can|doesn't|does not|won't|will|must|should|never) [a-z]+ (?:it|them)\b"
                             r"(?<!\bwhich it)[^,]*(?:;|\.$|$)")       # 'the bridge cannot set it': set what?
_REPORTED_STEP = re.compile(r"^(?:Fixed|Resolved|Corrected|Addressed) [^:`]+: "
                            r"(?:Used|Added|Changed|Updated|Removed|Replaced|Moved)\b")
_PLAN_ITEM = re.compile(r"^(?:if|when|for|on) [^:]+: (?:[a-z]+ )?`?\w+`?\.?$|^[\"“][a-z]|\+ .*\+ .*\+ |[<>×≈=] ?\d[\w .]*$")
_STEP = re.compile(r"^(?:If|When|On|For|After|Before|Once)\b[^,]*, (?:also |then |just )?"
                   r"(?!(?:the|an?|this|that|each|every|with|in|by|"
                   r"so|and|or|but|not|all|for|to|from|of|as|only|even|both|which|because)\b)[a-z][a-z-]*[a-rt-z] (?<!ed )"
                   r"(?:it|them|the|an?|all|X)\b")
_SYMPTOM = re.compile(r"\b(?:returns?|fails? with|responds? with|gives?|got|answers?) (?:an? )?(?:HTTP )?`?[45]\d\d\b")
_EXAMPLE = re.compile(r"^(?:When|If) you (?:search|ask|type|click|open|look|say|query)\b|^(?:Imagine|Suppose|Say|Consider)\b")
# 'a → b → c' walks through one case; amounts told against each other, commits by number and 'earlier today' belong to one run.
_WALK = re.compile(r"(?:(?:→|->|⇒)(?! ?v?\d).*){2}")
_THIS_RUN = re.compile(r"(?:\d ?(?:[KMG]i?B|commits|ms|s)\b.*){2,}\b(?:actual|headroom|estimated?|budget|limit)\b|\bearlier today\b"
                       r"|\b[Cc]ommits? \d|\((?:same|this) commit\)|\bjust now\b"
                       r"|(?:\b(?:actual|headroom|estimated?)\b.*)(?:\d ?[KMG]i?B\b.*){2,}")
_REMARK = re.compile(r"^(?:An?|One|Another) (?:\w+ )?(?:important|interesting|notable|minor|small|key)? ?"
                     r"(?:detail|note|thing|point|caveat):"
                     r"|\b(?:don't|do not) (?:really |genuinely |actually )?know\b|\bgenuinely\b|\bis consistent with\b"
                     r"|\bin a way that's\b")
_LOWER = re.compile(r"^(?:while|when|if|because|so|and|but|or|which|since|as|then)\b")
_CLICKS = re.compile(r"\b(?:right-|double-)?click (?:on )?(?:the )?[\w\"“`]|^Open (?:with|the) ", re.I)


def unfit(text: str) -> str:
    """Why an assistant's sentence is talk rather than memory, wherever it stands."""
    body, bare = without_lead(text), without_code(text)
    for reason, pattern in (("self", _SELF), ("address", _ADDRESS), ("bound", _BOUND), ("hedge", _HEDGES), ("praise", _PRAISE),
                            ("status", _STATUS), ("status", _TESTED)):
        if pattern.search(_UNTIL.sub(" ", bare) if reason == "status" else bare):
            return reason
    if _PLANS.search(bare):
        return "plan"
    if _WOULD.search(bare) and not _COUNTERFACTUAL.search(bare):
        return "hedge"
    if not has_verb(main_clause(without_code(body))):
        return "no verb"
    return ""


_SUBORDINATE = re.compile(r"(?<=\w)[,;]?\s(?:when|if|because|since|while|unless|so that)\s")
_OPENS_SUBORDINATE = re.compile(r"(?:when|if|because|since|while|unless|although|whatever|what|as|where|once|until|whether|"
                                r"after|before|for|in|on|at|with|without|by|to)\b", re.I)


def main_clause(bare: str) -> str:
    """What stands before the first 'when', 'because', 'that' ...: it needs a verb of its own ('Timestamps from the header when
    a flag is set' has none)."""
    bare = re.sub(r"\([^()]*\)", " ", bare)
    if _OPENS_SUBORDINATE.match(bare):
        return bare
    main = _SUBORDINATE.split(bare, maxsplit=1)[0]
    head, *rest = re.split(r"\s(?:that|which|who)\s", main, maxsplit=1)
    # 'A tool that converts files' is a noun with its clause; 'A reader that stays keeps the lock' has a second verb.
    return head if rest and not has_verb(head) and len(_FINITE.findall(rest[0])) < 2 else main


_FOLLOWS = any_of(words.FOLLOWS, "^", r"(?![\w'’-])")


def may_follow(text: str) -> bool:
    """Can a sentence that leans on the one before it be kept together with it?"""
    return bool(_FOLLOWS.match(text)) and not of_the_moment(text) and not refused_anywhere(text) and not unfit(text)


_RULES, _CHATTER, _CHATTER_OPENS = any_of(words.RULES), any_of(words.CHATTER), any_of(words.CHATTER_OPENS, "^")


_POINTING = re.compile(r"\b(?:do|like|with|of|for|to|at|in|on|about|from) (?:this|that|these|those|it|them|one)\b|"
                       r"\b(?:this|that|it|them|these|those)(?=[.,;:!)]|$)", re.I)
_ALWAYS = re.compile(r"(?:^|[,;:] (?:and )?|\b(?:please|should|must|we|i|to|you) )(?:always|never) (?!when|if|on|in|the|a)", re.I)
_INTERJECTION = re.compile(r"^(?:(?:ok|okay|yes|yeah|yep|yup|no|nah|hm+|ah|oh|well|right|sure|great|cool|perfect|thanks|"
                           r"thank you|sorry|actually|"
                           r"good|nice|hey|hi|hello|and|but|so|then)\b(?: claude)?[,.!:;… -]*)+", re.I)


def without_interjection(text: str) -> str:
    """A person's sentence from where it says something; what is left is still theirs, word for word."""
    return text[match.end():] if (match := _INTERJECTION.match(text)) and len(text) - match.end() > 12 else text


_TASK = re.compile(r"(?:please |just |now |then )*(?:add|create|implement|write|update|fix|build|generate|refactor|investigate|"
                   r"remove|delete|rename|move|change|make|set up|run|test|let'?s (?:add|create|make|fix|do)) (?!sure\b)", re.I)
_VAGUE_KEEP = re.compile(r"\b(?:this|that) (?:idea|one|approach|proposal|thing|way|option|suggestion)\b|"
                         r"^(?:please )?(?:keep|make|leave|have) (?:it|this|that|them)\b|^Unless\b", re.I)
_LASTING = re.compile(r"\b(?:always|never|prefer|by default|from now on|in (?:the )?future|every time|for all|in general|"
                      r"i (?:like|hate|dislike|love)|i'd rather|we (?:use|only|don't|do not|want))\b", re.I)


def refused_of_user(text: str) -> str:
    bare = without_code(text)
    if _CHATTER.search(bare) or _CHATTER_OPENS.search(bare):
        return "chatter"
    if (_TASK.match(bare) or _VAGUE_KEEP.search(bare) or _LETS.match(bare)) and not _LASTING.search(bare):
        return "request"
    if _LOWER.match(text):
        return "fragment"
    if (match := _POINTING.search(bare)) and len(wl.content_words(bare[: match.start()])) < 2:
        return "chatter"
    return "" if has_verb(bare) or _RULES.search(bare) else "no verb"


_LETS = re.compile(r"(?:ok(?:ay)?,? |yes,? |so,? )?let'?s\b", re.I)

# 'Since it is ...', 'Hand it to ...'; and ', that cost is invisible'.
_LEANS_AT_ONCE = re.compile(r"^[A-Z][a-z]+\s(?:it|it's|they|this|that|these|those|them)\b|^For [\w -]+ it's\b|"
                            r".*, that (?!is\b|was\b)\w+ (?:is|was|are|has)\b")
_NAMED_ONLY = re.compile(r"(?:an?|all|no|same|just|only|both|purely|mostly|always)\b"
                         r"(?!.*\b(?:is|are|was|were|has|have|can|cannot|must|does)\b)", re.I)


def leans(bare: str) -> bool:
    """A pronoun stands where nothing in the sentence has been named yet that it could stand for."""
    match = _NEEDS_NOUN.search(bare)
    if not match:
        return False
    if _LEANS_AT_ONCE.match(bare):
        return True
    before = bare[: match.start()]
    return not wl.content_words(before) and not re.search(r"\bX\b", before)


def is_fragment(text: str, item: bool) -> bool:
    """A clause without its subject ('Removed the flag', 'scheme dispatch: folded the switch') or, in a list or before a
    colon, an order."""
    body = without_lead(text)
    return any(_PAST.match(t) or _DOES.match(t) or (_ORDERS if item or body != text else _DEMANDS).match(t) for t in (text, body))


def is_event_fragment(text: str) -> bool:
    """A subjectless report that still reads alone: what was changed, to what or why ('Bumped `x` 1.2 → 1.3 because ...')."""
    bare = without_code(text)
    return bool(_REPORTS.match(text)) and len(identifiers(text)) >= 2 and bool(
        _VERSION.search(text) and _LINKS.search(bare) or _REASONS.search(bare))


# ------------------------------------------------------------------ halls

_DISCOVERY, _ADVICE, _EVENT = any_of(words.DISCOVERY), any_of(words.ADVICE), any_of(words.EVENT)
_FACT, _WHY, _TOOL_VERBS = any_of(words.FACT), any_of(words.WHY), any_of(words.TOOL_VERBS)
_VERSION = re.compile(r"\bv\d+\b|\bv?\d+\.\d+")
_VERSIONS = re.compile(r"\bv?\d+\.\d+(?:\.\d+)?`?\*{0,2}\s?(?:→|->)\s?\*{0,2}`?v?\d+\.\d+")
_BREAKS = re.compile(r"\b(?:fail\w*|broke\w*|break\w*|reject\w*|crash\w*|error\w*|hang\w*|hung|time\w* out|leak\w*|"
                     r"los[et]\w*|miss\w*|wrong|null|nil|empty)\b"
                     r"[^.]{0,90}\b(?:because|since|when|due to|as|if|after|unless|without)\b|"
                     r"\b(?:because|since|when|due to)\b[^.]{0,90}\b(?:fail|broke|reject|crash|error|hang|leak|los[et]|miss|"
                     r"wrong|never|null|nil|None)", re.I)
_COMMAND = re.compile(r"`(?:[A-Z_]+=\S+ )*(?:" + "|".join(words.PROGRAMS.split()) + r")(?: [^`]+)?`|"
    r"`--?[a-z][\w-]*(?:[= ][^`]+)?`|"
                      r"`[A-Z][A-Z0-9]+_[A-Z0-9_]+(?:=[^`]*)?`")


@functools.lru_cache(maxsize=8192)
def hall_scores(text: str, by_user: bool = False) -> tuple[tuple[str, float], ...]:
    """(hall, strength of its cues) for a sentence that can stand alone, strongest first; empty when it has none."""
    bare = without_code(text)
    if by_user:
        if _RULES.search(bare) or _ALWAYS.search(bare):
            return (("preference", 3.0),)
        return (("event", 2.1),) if _EVENT.search(bare) else ()
    found: dict[str, float] = {}
    if decides(text):
        found["fact"] = 3.4                            # a decision that stands
    if hits := len(_DISCOVERY.findall(bare)) + len(_BREAKS.findall(bare)):
        found["discovery"] = 1.3 + 0.6 * min(hits, 3)
    if hits := len(_ADVICE.findall(bare)):
        found["advice"] = 2.1 + 0.4 * min(hits, 2)
    if _EVENT.search(bare) or _REPORTS.match(text) or _VERSIONS.search(text):
        found["event"] = 2.1
    if (commands := len(_COMMAND.findall(text))) and _TOOL_VERBS.search(bare):
        found["tooling"] = 1.4 + 0.4 * min(commands, 2)
    if _FACT.search(bare) and "fact" not in found:
        found["fact"] = 1.2 + 0.4 * min(2, explains(bare))
    if not found:
        found["fact"] = 0.9                            # says something, but with no cue of a hall
    return tuple(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


_DECISION, _DATED, _WORKSHOP = any_of(words.DECISION), any_of(words.DATED), any_of(words.WORKSHOP)


def decides(text: str) -> bool:
    """Does a sentence state what was decided, or what was rejected and why?"""
    return bool(_DECISION.search(without_code(text)))


def dated(text: str) -> int:
    """How many words tie a sentence to the moment it was said."""
    return len(_DATED.findall(without_code(text)))


def of_the_moment(text: str) -> bool:
    """'It is now expired': true when it was said."""
    return bool(re.search(r"\b(?:now|currently|today|still)\b", without_code(text)))


def workshop(text: str) -> int:
    """How much a sentence speaks of reviewing and changing rather than of the thing itself."""
    return len(_WORKSHOP.findall(text)) + bool(re.search(r"\bTest[A-Z_]\w+", text))


_RETRACTS = re.compile(
    r"\b(?:i was wrong|my (?:earlier|previous|first|initial) (?:\w+ ){0,3}(?:was|were) (?:wrong|incorrect|off|mistaken)|"
    r"scratch that|"
    r"(?:that|this|which) (?:was|is) not (?:it|the (?:\w+ )?(?:cause|reason|problem|culprit))|i (?:misread|misdiagnosed|misstated)|"
    r"(?:that|this) turned out (?:to be wrong|not to be)|never mind|i (?:take|took) (?:that|it) back|correction:|"
    r"(?:that|the) (?:theory|diagnosis|hypothesis|explanation|claim) (?:was|is) (?:wrong|disproved|refuted))\b", re.I)


def takes_back(text: str) -> bool:
    """Does a sentence withdraw something said before?"""
    return bool(_RETRACTS.search(text))


def explains(text: str) -> int:
    """How many connectives of reason or condition a sentence has."""
    return len(_WHY.findall(without_code(text)))


def has_code_lead(text: str) -> bool:
    """'`name` — what was done to it': a line of a change log rather than a sentence."""
    return bool(_CODE_LEAD.match(text))
