"""How a subject becomes a page without a model: a title, the durable claim, cited bullets in sections. Pure."""

from __future__ import annotations

import wiki_lib as wl

import datetime
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from distilling import evidence as ev
from distilling.groups import Subject, live_path, sources_digest

MAX_BULLETS = 16  # on a page: what a person reads before saying yes; the notes say how many were left out
CITES = 2  # messages named behind one bullet; the words stand in each
ACRONYMS = {
    w.lower(): w
    for w in """
AI API APIs ASCII AWS CI CLI CPU CSS CSV CORS CRUD CUDA DB DNS FTS5 GPU HTML HTTP HTTPS ID IDE IO JSON JSONL JWT LLM MCP
ML NPM OAuth ORM OS PDF PR PRs RAG REST RPC SDK SEO SQL SQLite SSE SSH SSL SSR TLS TOML TTL TUI UI URL UUID UX UTF VM WAL
WSL XML YAML GitHub GitLab JavaScript TypeScript PostgreSQL MySQL GraphQL WebSocket WebSockets DuckDB MongoDB OpenAI
macOS iOS FastAPI LangChain Node.js Next.js PyPI NumPy PyTorch TensorFlow
""".split()
} | {
    "nodejs": "Node.js",
    "nextjs": "Next.js",
    "sha1": "SHA-1",
    "sha256": "SHA-256",
    "postgres": "Postgres",
    "k8s": "Kubernetes",
    "js": "JavaScript",
    "ts": "TypeScript",
}
SMALL = frozenset("a an and as at by for from in of on or the to vs with".split())
DECIDED = re.compile(
    r"\b(?:decided|decision|chose|chosen|opted|settled on|going with|went with|switched (?:to|from)|agreed (?:to|on)|"
    r"we(?:'ll| will) (?:use|keep|go)|in favou?r of|trade-?offs?|replaced \S+ (?:with|by)|"
    r"preferred? (?:\S+ ){1,3}over|(?:was|were) (?:rejected|ruled out))\b", re.I)  # fmt: skip
ADVISED = re.compile(
    r"\b(?:should|always|never|avoid|must(?! have)|make sure|ensure|prefer|don't|do not|best|"
    r"use \S+ (?:to|for|when|instead))\b", re.I)  # fmt: skip
SET_UP = re.compile(
    r"\b(?:install(?:ed|s)?|env(?:ironment)? var\w*|\.env|docker\w*|container|localhost|runners?|"
    r"workflow|cron|pip|npm|brew|apt|uv|conda|node \d+|python \d|ubuntu|debian|macos|windows|"
    r"deploy\w*|set(?:up| up)|settings?)\b", re.I)  # fmt: skip
CUES = {"decision": (0.3, DECIDED), "pattern": (0.35, ADVISED), "environment": (0.5, SET_UP)}
# The first whose cues reach its share of the bullets is the page's type; else it is a concept.
LIMITATION = re.compile(
    r"\b(?:cannot|can't|does(?:n't| not) (?:work|support|handle|help)|limit(?:s|ed|ation\w*)?|unless|fails? (?:when|if|on|with)|"
    r"breaks?|not supported|unsupported|too (?:slow|large|many|big)|known issue|workaround)\b", re.I)  # fmt: skip
REASON = re.compile(r"\b(?:because|since|so that|caus\w+|due to|root|why|means|otherwise|leads? to|results? in)\b", re.I)
PASSING = re.compile(
    r"\b(?:since the|as of|the review|you|your|line \d+|below|above)\b|https?://|^(?:bug|root cause|note|issue|fix)\b", re.I
)
STATES = re.compile(r"\b(?:is|are|was|were|has|have|does|can|can't|cannot|must|should|means|only|never|always)\b", re.I)
FRAGMENT = re.compile(r"(?:more|less|better|worse|not|same|only|still|already|done|fixed|added|updated|bonus|coverage)\b", re.I)
PATTERN_SECTIONS = ("What", "Why", "Known limitations")
UNSAID = "Not said in the conversations so far."


def claim_line(evidence: ev.Evidence) -> str:
    """A bullet as it stands on a page: its words, then the messages it rests on."""
    return f"{harmless(evidence.text)} (source: {', '.join(cited(evidence))})"


def cited(evidence: ev.Evidence) -> list[str]:
    """The messages a bullet names: of its own, and one of another conversation that says the same."""
    other = [s for a in evidence.also if a.path != evidence.path for s in a.sources][:1]
    return list(dict.fromkeys([*evidence.sources[: CITES - len(other)], *other]))


def rests_on(evidence: Iterable[ev.Evidence]) -> list[str]:
    """The conversations behind what is cited, in order."""
    return list(
        dict.fromkeys(
            p
            for e in evidence
            for p in (e.path, *(a.path for a in e.also if a.path != e.path))
            if p == e.path or any(s in cited(e) for a in e.also if a.path == p for s in a.sources)
        )
    )


def harmless(text: str) -> str:
    """Words of a bullet that would read as our links or structure are shown, not obeyed."""
    text = wl.one_line(text, 2000).replace("[[", "[\\[").replace("](", "]\\(").replace("<!--", "<\\!--")
    return "\\" + text if re.match(r"[#>|+*-]|\d+[.)]|---|```", text) else text


# --- what a person would call it


def title_of(topic: str, evidence: Iterable[ev.Evidence]) -> str:
    """The topic as people write it: 'ci-cache' -> 'CI Cache'; where the bullets write SQLite, so does the title."""
    written = " ".join(e.text for e in evidence)
    return " ".join(_word(w, i, written) for i, w in enumerate(topic.split("-"))) or topic


def _word(word: str, at: int, written: str) -> str:
    if word in ACRONYMS:
        return ACRONYMS[word]
    forms = Counter(re.findall(rf"(?<![\w./`-]){re.escape(word)}(?![\w/`]|\.\w)", written, re.I))
    common = max(forms, key=lambda f: (forms[f], f), default="")
    if common[1:] != common[1:].lower() and forms[common] * 2 > sum(forms.values()) and not (common.isupper() and len(common) > 5):
        return common
    return word if at and word in SMALL else word[:1].upper() + word[1:]


def type_of(topics: Sequence[str], evidence: Sequence[ev.Evidence], claim: ev.Evidence | None = None) -> str:
    """decision, pattern or environment where the bullets talk like one, else concept."""
    hits = {t: sum(bool(cue.search(e.text)) for e in evidence) for t, (_, cue) in CUES.items()}
    share = {t: n / len(evidence) if n > 1 else 0.0 for t, n in hits.items()}  # one line's wording is no type
    if claim and ev.decides(claim.text):
        return "decision"
    if any(ev.decides(e.text) for e in evidence):
        share["decision"] = hits["decision"] / len(evidence)
    advice = sum(e.bullet.hall == "advice" for e in evidence) / (len(evidence) or 1)
    share["pattern"] = share["pattern"] / 2 + advice / 2 if share["pattern"] else 0.0
    found = next((t for t, (least, _) in CUES.items() if share[t] >= least), "concept")
    if found == "pattern" and {section_of("pattern", e) for e in evidence if e is not claim} < {"What", "Why"}:
        return "concept"  # a pattern that cannot say what, or cannot say why, is none yet
    return found


def claim_of(subject: Subject) -> ev.Evidence:
    """The bullet that can stand first: names the topic, is a whole sentence, leans on nothing before it."""
    return max(subject.evidence, key=lambda e: stands_alone(e, subject.topics[0]))  # the first of equals


def stands_alone(evidence: ev.Evidence, topic: str) -> float:
    """How well a bullet reads as the one sentence of a page; what speaks to somebody, or of a moment, does not."""
    text = evidence.text.rstrip()
    plain = re.sub(r"`[^`]*`|https?://\S+|\S*/\S+", "", text)
    good = ev.weight(topic, text[:90]) + evidence.weight / 2 + min(len(evidence.also), 2) / 2
    good -= bool(PASSING.search(text)) + ev.dated(text) + (" — " in text[:60]) / 2
    good += bool(STATES.search(text)) * 1.5
    good += (40 <= len(text) <= 200) + text.endswith((".", "。")) + (evidence.bullet.hall in ("fact", "discovery"))
    return good - 2 * bool(FRAGMENT.match(text)) - text.endswith(":") - (len(plain) < len(text) / 2)


# --- the page


def section_of(type_: str, evidence: ev.Evidence) -> str:
    """The heading a bullet stands under: its hall's; on a pattern page What, Why or Known limitations."""
    if type_ != "pattern":
        return wl.HALL_HEADINGS[evidence.bullet.hall]
    if evidence.bullet.hall == "advice":
        return "What"
    if LIMITATION.search(evidence.text):
        return "Known limitations"
    return "Why" if evidence.bullet.hall == "discovery" or REASON.search(evidence.text) else "What"


def sections(type_: str) -> tuple[str, ...]:
    return PATTERN_SECTIONS if type_ == "pattern" else tuple(wl.HALL_HEADINGS[h] for h in wl.HIGH_SIGNAL_HALLS)


def new_body(title: str, type_: str, claim: ev.Evidence, rest: Sequence[ev.Evidence]) -> str:
    parts = [f"# {title}\n", claim_line(claim) + "\n"]
    for name in sections(type_):
        lines = [f"- {claim_line(e)}" for e in rest if section_of(type_, e) == name]
        if lines or type_ == "pattern":
            parts.append(f"## {name}\n\n" + ("\n".join(lines) or UNSAID) + "\n")
    return "\n".join(parts)


_SOURCE = re.compile(r"\s*\(source: [^()]*\)\s*$")


def said(body: str) -> list[str]:
    """The claims a body holds already, without list marks and sources."""
    lines = (line.strip() for line in body.split("\n"))
    return [_SOURCE.sub("", re.sub(r"^(?:[-*+]|\d+\.)\s+", "", line)) for line in lines if line and not line.startswith("#")]


def merged_body(body: str, type_: str, fresh: Sequence[ev.Evidence]) -> str:
    """The live body with the fresh bullets on top of their sections; every line that was there stays."""
    lines = body.rstrip("\n").split("\n")
    for name in reversed(sections(type_)):
        new = [f"- {claim_line(e)}" for e in fresh if section_of(type_, e) == name]
        if not new:
            continue
        at = next((i for i, line in enumerate(lines) if re.fullmatch(rf"##+ {re.escape(name)}\s*", line, re.I)), None)
        if at is None:
            lines += ["", f"## {name}", "", *new]
            continue
        at += 1
        while at < len(lines) and (not lines[at].strip() or lines[at] == UNSAID):
            at += 1
        gap = [""] if at < len(lines) and lines[at].startswith("#") else []
        lines[at:at] = [*new, *gap]
        if lines[at - 1] == UNSAID:
            del lines[at - 1]
    return "\n".join(lines) + "\n"


def usable(subject: Subject, resolve: Callable[[ev.Evidence], ev.Evidence | None], limit: int = MAX_BULLETS) -> tuple[Subject, int]:
    """The subject cut to what a page holds, with citations that resolve; and how many bullets resolve nowhere."""
    kept: list[ev.Evidence] = []
    lost = 0
    for one in subject.evidence:
        if len(kept) == limit:
            break
        good = resolve(one)
        if good is None:
            lost += 1
        else:
            kept.append(good)
    return replace(subject, evidence=tuple(kept)), lost


def compile_extractive(
    subject: Subject,
    page: wl.WikiPage | None,
    keys: dict[str, str],
    today: datetime.date,
    related: Sequence[str] = (),
    note: str = "",
    waiting: wl.WikiPage | None = None,
) -> wl.WikiPage:
    """The proposal: a new staged page, or `page` with the fresh bullets in it. A model's answer takes our place here.

    `subject` holds what shall stand on the page, cited well; of a `page` (live, or proposed a moment ago) only what it
    does not say yet. `keys`: {conversation path: path@evidence-digest}. A proposal still `waiting` gives way to this
    one, which keeps its path, its name, its type and since when it waits."""
    day, used = today.isoformat(), rests_on(subject.evidence)
    if page is None:
        made = _new_page(subject, waiting, day)
    else:
        made = _changed_page(subject, page)
    sources = list(dict.fromkeys([*(page.words("sources") if page else ()), *used]))
    joins = page.meta if page is not None and page.station == "staging" else {}  # one proposal serves both
    wings = sorted({*made.words("wings"), *(e.wing for e in subject.evidence)})
    return made.with_meta(
        wings=wings if page is None or made.words("wings") else [],  # a page for all wings stays one
        topics=list(dict.fromkeys([*made.words("topics"), *subject.topics]))[:12],
        last_compiled=day,
        last_verified=day,
        verified_by="mention",
        compiled_hash=wl.page_content_hash(made.body),
        sources=sources,
        sources_digest=sources_digest(keys[s] for s in sources if s in keys),
        related=list(dict.fromkeys([*made.words("related"), *(r for r in related if r != live_path(made))])),
        status="pending",
        staged_by="wiki-distill",
        staged_at=waiting.meta.get("staged_at") if waiting else day,
        distill_topic=joins.get("distill_topic") or subject.topics[0],
        distill_source_conversations=", ".join(s for s in (sources if joins else used) if s.startswith("conversations/")),
        compiled_by="extractive",
        compilation_notes=note,
    )


def _new_page(subject: Subject, waiting: wl.WikiPage | None, day: str) -> wl.WikiPage:
    claim = claim_of(subject)
    type_ = waiting.type if waiting and waiting.type in wl.PAGE_TYPES else type_of(subject.topics, subject.evidence, claim)
    title = waiting.title if waiting else title_of(subject.topics[0], subject.evidence)
    if not waiting and ev.broad(subject.topics[0]) and len({e.wing for e in subject.evidence}) == 1:
        title += f" in {subject.evidence[0].wing}"  # 'Authentication' alone would promise what one project cannot hold
    meta = {
        "title": title,
        "type": type_,
        "confidence": "medium",
        "origin": "automated",
        "created": (waiting and waiting.meta.get("created")) or day,
        "confidence_compiled": "medium",
        "version": 1,
    }
    path = waiting.path if waiting else wl.page_path("staging", type_, subject.topics[0])
    return wl.WikiPage(path, meta, new_body(title, type_, claim, [e for e in subject.evidence if e is not claim]))


def _changed_page(subject: Subject, page: wl.WikiPage) -> wl.WikiPage:
    body = merged_body(page.body, page.type, subject.evidence)
    if page.station == "staging":
        return wl.WikiPage(page.path, page.meta, body)
    change = {"version": version(page) + 1, "modifies": page.path, "modifies_hash": wl.page_content_hash(page.body)}
    return wl.WikiPage("staging/" + page.path.split("/", 1)[1], {**page.meta, **change}, body)


def version(page: wl.WikiPage) -> int:
    """A page's version, 1 where it says none or nonsense."""
    found = page.meta.get("version")
    return found if isinstance(found, int) and not isinstance(found, bool) else 1
