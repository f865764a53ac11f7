"""How search ranks: words of a question, days it names, passages of a text, and the scores of files. Pure.

A question is a bag of words, never syntax. Its words are OR-ed: a file scores by its whole text and by its best
passages (two neighbouring messages or paragraphs), both by BM25. Words of the same stem, irregular forms, near
spellings and a small thesaurus count for the word asked, at a discount; days and months named in the question favour
files of that time; the best passages of a first look lend their rarest words, faintly, to a second one.
Measured by tests/bench/bench_search.py --recall; the numbers below stand where their neighbours did about as well.
"""
from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

K1, B = 1.6, 0.6                # BM25: how fast repetition stops counting; how much length does
FILE_WEIGHT = 0.5               # of the whole file's score, beside 1.0 of its passages
PASSAGES, DECAY = 8, 0.5        # how many passages of a file count, and how much less each next one does
DAY_WEIGHT = 0.6                # of lying in the time a question names
DAYS_AFTER, DAYS_BEFORE = 10, 4       # how fast that fades outside it: things are told on the day or soon after
FEEDBACK, FEEDBACK_WORDS = 0.1, 20    # weight and number of the words lent by the best passages of the first look
FEEDBACK_PASSAGES, FEEDBACK_FILES = 10, 3
FEEDBACK_UNITS = 60             # how much of a file is looked at for them
TITLE_WEIGHT = 2                # a word of the title, topics or aliases counts as so many in the text
TOOL_WEIGHT = 0.6               # of what a tool printed, beside what was said
UNIT_CHARS = 400                # paragraphs are joined to about this size
ASKING_WEIGHT = 0.6             # of the words that questions are made of, beside the words they are about

STOP_WORDS = frozenset("""a about also am an and another any are as at be because been being both but by can could did
do does doing don else ever for from had has have having he her hers him his how i if in into is it its just likely ll
many me might more most much must my no nor not of on or other our ours s shall she should so some such t than that the
their theirs them then there these they this those to too us ve very was we were what when where which while who whom
whose why will with would you your yours d m re""".split())
ASKING_WORDS = frozenset("""according current currently describe described discuss discussed feel first get go going got
kind last like long made make mention mentioned name new often one recent recently related said say share shared specific
still take tell thing things think told took two type use used using went""".split())

# ---------------------------------------------------------------- words

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\uac00-\ud7af\u1100-\u11ff\U00020000-\U0003134f"
_CJK_RUN = re.compile(f"[{CJK}]+")
_CAMEL = re.compile(r"\b[A-Za-z]*[a-z][A-Z][A-Za-z]*\b")
_HUMP = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_WORD = re.compile(r"[^\W_]+")


def prepare(text: str) -> str:
    """Text as the index reads it: Chinese, Japanese and Korean runs as overlapping pairs (and the last sign alone, so
    that a single sign is found by prefix), camelCase followed by its parts. Everything else as it stands."""
    if _CJK_RUN.search(text):
        text = _CJK_RUN.sub(lambda run: f" {' '.join(pairs(run[0]))} ", text)
    if _CAMEL.search(text):
        text = _CAMEL.sub(lambda word: f"{word[0]} {' '.join(_HUMP.findall(word[0]))}", text)
    return text


def pairs(run: str) -> list[str]:
    """'検索語' -> ['検索', '索語', '語']"""
    return [run[i: i + 2] for i in range(len(run))]


def words(text: str) -> list[str]:
    """The words of prepared text: lower case, without diacritics, as SQLite's unicode61 has them."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize("NFC", "".join(c for c in text if not unicodedata.category(c).startswith("M")))
    return _WORD.findall(text.lower())


def is_cjk(sign: str) -> bool:
    return bool(_CJK_RUN.fullmatch(sign))


def one_slip(a: str, b: str) -> bool:
    """One letter more, less or other, or two swapped; two in words of eight letters and more."""
    if abs(len(a) - len(b)) > 2 or min(len(a), len(b)) < 4:
        return False
    above: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = above, row, [i]
        for j, y in enumerate(b, 1):
            best = min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y))
            if before and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        above = last
    return row[-1] <= (2 if len(a) >= 8 else 1)


def question_words(question: str) -> list[str]:
    """The telling words of a question, each once, in order; all of them when none is telling."""
    bare = re.sub(r"['’]s\b", " ", question)
    every = list(dict.fromkeys(words(_CJK_RUN.sub(lambda r: f" {' '.join(question_pairs(r[0]))} ", bare))))
    return [w for w in every if w not in STOP_WORDS] or every


def question_pairs(run: str) -> list[str]:
    return [run] if len(run) == 1 else pairs(run)[:-1]


# ---------------------------------------------------------------- days

MONTHS = "january february march april may june july august september october november december".split()
_MONTH_OF = {name[:size]: i + 1 for i, name in enumerate(MONTHS) for size in (3, len(name))} | {"sept": 9}
_M = "(?P<month>" + "|".join(sorted(_MONTH_OF, key=len, reverse=True)) + r")\b\.?"
_DAY_FORMS = tuple(re.compile(form, re.I) for form in (
    r"\b(?P<year>\d{4})-(?P<month>\d\d)(?:-(?P<day>\d\d))?\b",
    r"\b(?P<day>\d{1,2})(?:st|nd|rd|th)?(?: of)? " + _M + r"(?:,? (?P<year>\d{4})\b)?",
    r"\b" + _M + r" (?P<day>\d{1,2})(?:st|nd|rd|th)?\b(?:,? (?P<year>\d{4})\b)?",
    r"\b" + _M + r"(?:,? (?:of )?(?P<year>\d{4})\b)?",
))
_VERBS = {"may", "march", "mar", "sep", "dec", "jan"}      # also other words: a month only after one of these
_BEFORE_MONTH = re.compile(
    r"\b(?:in|on|of|since|until|till|by|before|after|during|last|this|early|late|mid)[ -]+$", re.I)


def days_named(question: str) -> list[tuple[int | None, int, int | None]]:
    """(year or None, month, day or None) for each day or month a question names."""
    found = []
    for number, form in enumerate(_DAY_FORMS):
        for match in form.finditer(question):
            part = match.groupdict()
            month = int(part["month"]) if part["month"].isdigit() else _MONTH_OF[part["month"].lower()]
            loose = number == 3 and not part.get("year") and part["month"].lower() in _VERBS
            if loose and not _BEFORE_MONTH.search(question[: match.start()]):
                continue
            if 1 <= month <= 12:
                found.append((int(part["year"]) if part.get("year") else None, month,
                              int(part["day"]) if part.get("day") else None))
        if number < len(_DAY_FORMS) - 1:      # a day that was read is not read again as a month
            question = form.sub(lambda match: " " * len(match[0]), question)
    return found


def ordinal(year: int, month: int, day: int) -> int:
    """Days on one scale (proleptic Gregorian), without importing a calendar."""
    year, month = (year - 1, month + 12) if month < 3 else (year, month)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day


def ordinal_of(date: str) -> int | None:
    """Of an ISO day, None when it is none."""
    match = re.match(r"(\d{4})-(\d\d)-(\d\d)", date)
    return ordinal(*map(int, match.groups())) if match else None


def nearness(named: Iterable[tuple[int | None, int, int | None]], date: str) -> float:
    """1.0 for a date inside the time that is named, fading outside it; 0.0 for an unknown date."""
    at, best = ordinal_of(date), 0.0
    if at is None:
        return best
    for year, month, day in named:
        for y in [year] if year else [int(date[:4]) - 1, int(date[:4])]:
            first = ordinal(y, month, day or 1)
            last = first if day else ordinal(y + month // 12, month % 12 + 1, 1) - 1
            gap = max(at - last, 0) / DAYS_AFTER + max(first - at, 0) / DAYS_BEFORE
            best = max(best, math.exp(-gap))
    return best


# ---------------------------------------------------------------- passages

MESSAGE = re.compile(
    r"^#{3,4} (?:User|Assistant|Task) · (?:[^#\n]*· )?#(?P<id>[0-9a-f]{8,12})[ \t]*$|^### Agent \S.*$", re.M)
SECTION = re.compile(r"^## +(?P<name>.*?)[ \t]*$", re.M)
_TOOL = re.compile(r"^- \*\*[^*\s]+\*\*(?: `|$)", re.M)
_GAP = re.compile(r"\n\s*\n")


class Unit:
    """A paragraph or a message: the smallest thing that is shown. `weight` is 1 for what was said."""
    __slots__ = ("section", "message", "text", "weight", "words", "counts")

    def __init__(self, section: str, message: str | None, text: str, weight: float):
        self.section, self.message, self.text, self.weight = section, message, text, weight
        self.words = words(prepare(text))
        self.counts: dict[str, int] = {}


def units(text: str, section: str, message: str | None, spoken: bool) -> list[Unit]:
    """The units of one indexed part. `spoken`: a stretch of a transcript, whose messages are its structure; else '## '
    headings are. `section` and `message` name what the part begins in."""
    out: list[Unit] = []
    at = 0
    for head in [*(MESSAGE if spoken else SECTION).finditer(text), None]:
        piece = text[at: head.start() if head else len(text)]
        if spoken and (tool := _TOOL.search(piece)):
            out += _paragraphs(piece[: tool.start()], section, message, 1.0)
            piece, weight = piece[tool.start():], TOOL_WEIGHT
        else:
            weight = 1.0
        out += _paragraphs(piece, section, message, weight)
        if head:
            at = head.end()
            message = head["id"] if spoken else None
            section = section if spoken else head["name"]
    return out


def _paragraphs(piece: str, section: str, message: str | None, weight: float) -> list[Unit]:
    out, held = [], ""
    for part in _GAP.split(piece):
        for block in _lines(part):
            if held and len(held) + len(block) > UNIT_CHARS:
                out.append(Unit(section, message, held, weight))
                held = ""
            held = f"{held}\n{block}" if held else block
    return [*out, Unit(section, message, held, weight)] if held.strip() else out


def _lines(part: str) -> Iterable[str]:
    """A paragraph whole; a very long one (a list, a log) line by line, a very long line in pieces."""
    if len(part) <= 2 * UNIT_CHARS:
        return [part.strip("\n")] if part.strip() else []
    return [line[i: i + 4 * UNIT_CHARS] for line in part.split("\n") if line.strip()
            for i in range(0, len(line), 4 * UNIT_CHARS)]


# ---------------------------------------------------------------- scores

class Candidate:
    """A file to be ranked: its units and its title words, `date` ISO or '', `factor` below 1 for what ranks behind."""

    def __init__(self, key: str, units: list[Unit], title: list[str], date: str, factor: float, length: int,
                 row: object = None):
        self.row = row
        self.key, self.units, self.title, self.date, self.factor = key, units, title, date, factor
        self.length = max(length, sum(len(u.words) for u in units))
        self.counts: dict[str, float] = {}
        self.passages: list[tuple[float, Unit]] = []
        self.score = 0.0


class Term:
    """A word asked for: what stems stand for it ({stem: share}), and how much it weighs."""
    __slots__ = ("stem", "stands", "weight")

    def __init__(self, stem: str, stands: Mapping[str, float], weight: float = 1.0):
        self.stem, self.stands, self.weight = stem, dict(stands), weight


def idf(df: float, total: float) -> float:
    return math.log(1 + (max(total, df) - df + 0.5) / (df + 0.5))


Stems = Callable[[Iterable[str]], dict[str, str]]          # surface words to their stems
Rarity = Callable[[Iterable[str]], dict[str, float]]       # stems to their idf where the question is put, if they occur


def rank(candidates: Sequence[Candidate], terms: Sequence[Term], named: Sequence, stems: Stems,
         rarity: Rarity | None) -> list[Candidate]:
    """The candidates, best first, each with its score and its passages (best first).

    `rarity` None: the candidates are all the files the question is put to, and rarity is counted in them."""
    known: dict[str, str] = {}
    candidates = sorted(candidates, key=lambda c: c.key)      # or equals among them would come as the index grew
    _look(candidates, terms, named, known, stems, rarity)
    found = [c for c in candidates if c.score > 0]      # what only the lent words find was not asked for
    lent = _lend(candidates, terms, stems)
    if lent:
        rare = {t.stem: gain for t, gain in lent}
        _look(candidates, [*terms, *(t for t, _ in lent)], named, known, stems,
              rarity and (lambda wanted: rarity(set(wanted) - rare.keys()) | rare))
    return sorted(found, key=lambda c: (c.score, c.date), reverse=True)      # the newest among equals


def _look(candidates: Sequence[Candidate], terms: Sequence[Term], named: Sequence, known: dict[str, str],
          stems: Stems, rarity: Rarity | None) -> None:
    _count(candidates, {s for t in terms for s in t.stands}, known, stems)
    gains = _gains(terms, rarity or (lambda wanted: _rarity_in([c.counts for c in candidates], wanted)))
    mean_file = _mean(c.length for c in candidates)
    windows = [_windows(c) for c in candidates]
    mean_window = _mean(size for w in windows for size, *_ in w)
    files = [_bm25(gains, c.counts, c.length / mean_file) for c in candidates]
    depths = []
    for c, mine in zip(candidates, windows, strict=True):
        scored = ((_bm25(gains, counts, size / mean_window) * unit.weight, unit)
                  for size, counts, unit in mine if counts)
        c.passages = sorted(scored, key=lambda p: -p[0])[:PASSAGES]
        depths.append(sum(s * DECAY ** i for i, (s, _) in enumerate(c.passages)))
    best_file, best_depth = max(files, default=0) or 1, max(depths, default=0) or 1
    for c, whole, depth in zip(candidates, files, depths, strict=True):
        c.score = FILE_WEIGHT * whole / best_file + depth / best_depth
        if named:
            c.score += DAY_WEIGHT * (1 + FILE_WEIGHT) * nearness(named, c.date)
        c.score *= c.factor


def _rarity_in(files: Sequence[Mapping[str, float]], wanted: Iterable[str]) -> dict[str, float]:
    counted = {s: sum(s in counts for counts in files) for s in wanted}
    return {s: idf(n, len(files)) for s, n in counted.items() if n}


def _mean(sizes: Iterable[int]) -> float:
    every = list(sizes)
    return max(1.0, sum(every) / max(1, len(every)))


def _count(candidates: Sequence[Candidate], wanted: set[str], known: dict[str, str], stems: Stems) -> None:
    """How often each unit and file has each wanted stem. Only words that begin as a wanted stem does are stemmed."""
    starts = {s[:2] for s in wanted}
    fresh = {w for c in candidates for u in c.units for w in u.words if w[:2] in starts and w not in known}
    fresh |= {w for c in candidates for w in c.title if w[:2] in starts and w not in known}
    known.update(stems(fresh))
    stem_of = {w: s for w, s in known.items() if s in wanted}
    for c in candidates:
        total: dict[str, float] = {}
        for u in c.units:
            u.counts = {}
            for w in u.words:
                if w in stem_of:
                    s = stem_of[w]
                    u.counts[s] = u.counts.get(s, 0) + 1
            for s, n in u.counts.items():
                total[s] = total.get(s, 0) + n * u.weight
        for w in c.title:
            if w in stem_of:
                total[stem_of[w]] = total.get(stem_of[w], 0) + TITLE_WEIGHT
        c.counts = total


def _windows(c: Candidate) -> list[tuple[int, dict[str, int], Unit]]:
    """(words, counts, the unit that has most) of each two neighbours within a section."""
    out = []
    for i, u in enumerate(c.units):
        after = c.units[i + 1] if i + 1 < len(c.units) and c.units[i + 1].section == u.section else None
        if after is None:
            out.append((len(u.words), u.counts, u))
            continue
        both = dict(u.counts)
        for s, n in after.counts.items():
            both[s] = both.get(s, 0) + n
        out.append((len(u.words) + len(after.words), both, after if len(after.counts) > len(u.counts) else u))
    return out


Gains = dict[str, list[tuple[int, float]]]                 # stem: (term it stands for, what one full occurrence is worth)


def _gains(terms: Sequence[Term], rarity: Rarity) -> Gains:
    """What stands for a word is worth no more than the word itself, however rare it is."""
    rare = rarity({s for t in terms for s in (*t.stands, t.stem)})
    out: Gains = {}
    for i, t in enumerate(terms):
        most = rare.get(t.stem, math.inf)
        for stem, share in t.stands.items():
            if stem in rare:
                out.setdefault(stem, []).append((i, t.weight * share * min(rare[stem], most)))
    return out


def _bm25(gains: Gains, counts: Mapping[str, float], length: float) -> float:
    """The sum over terms of the best of what stands for each."""
    best: dict[int, float] = {}
    norm = K1 * (1 - B + B * length)
    for stem, n in counts.items():
        full = n * (K1 + 1) / (n + norm)
        for i, gain in gains.get(stem, ()):
            if gain * full > best.get(i, 0.0):
                best[i] = gain * full
    return sum(best.values())


def _lend(candidates: Sequence[Candidate], terms: Sequence[Term], stems: Stems) -> list[tuple[Term, float]]:
    """The most telling words of the best passages and files (pseudo relevance feedback), as faint terms, each with its idf."""
    best = sorted(((s, c, u) for c in candidates for s, u in c.passages), key=lambda p: -p[0])[:FEEDBACK_PASSAGES]
    if not best:
        return []
    texts = [(s / best[0][0], _around(c, u)) for s, c, u in best]
    first = sorted(candidates, key=lambda c: (-c.score, c.key))[:FEEDBACK_FILES]
    texts += [(c.score, [w for u in c.units[:FEEDBACK_UNITS] for w in u.words]) for c in first]
    stem_of = stems({w for _, ws in texts for w in ws if len(w) > 2 and w not in STOP_WORDS})
    asked = {s for t in terms for s in (*t.stands, t.stem)}
    # Counted among the candidates: what all of them have tells nothing between them, however rare it is elsewhere.
    there = [{stem_of[w]: 1.0 for w in stem_of.keys() & {w for u in c.units for w in u.words}} for c in candidates]
    rare = _rarity_in(there, set(stem_of.values()) - asked)
    mean, weight = _mean(len(ws) for _, ws in texts), {}
    for share, ws in texts:
        counts: dict[str, int] = {}
        for w in ws:
            if (s := stem_of.get(w)) in rare:
                counts[s] = counts.get(s, 0) + 1
        for s, n in counts.items():
            weight[s] = weight.get(s, 0.0) + share * rare[s] * n / (n + K1 * (0.5 + 0.5 * len(ws) / mean))
    top = sorted(weight.items(), key=lambda p: (-p[1], p[0]))[:FEEDBACK_WORDS]
    return [(Term(s, {s: 1.0}, FEEDBACK * w / top[0][1]), rare[s]) for s, w in top if w > 0]


def _around(c: Candidate, unit: Unit) -> list[str]:
    at = c.units.index(unit)
    return [w for u in c.units[at: at + 2] for w in u.words]
