"""`wiki-distill.py --pending`: what waits for a model or for an agent in a session. Pure."""

from __future__ import annotations

import wiki_lib as wl

import datetime
from collections import Counter, defaultdict
from collections.abc import Sequence

from distilling import groups as gr
from distilling import pages as pg
from distilling.shelf import Shelf, names_of

STALE_PAGES = 10  # stale pages named a run, so that a review stays a morning's work
CHARACTERS_A_TOKEN = 4  # for the estimate


def pending(
    conversations: Sequence[wl.Conversation], ledger: gr.Ledger, pages: Sequence[wl.WikiPage], today: datetime.date
) -> dict:
    """What waits: groups that are due, groups whose page was made without a model and is not judged yet, live pages
    whose sources changed, labels that no page bears."""
    shelf = Shelf(pages)
    due = gr.plan(conversations, ledger, pages, today, first=not gr.first_run_day(ledger))
    found = {s.topics[0]: (s, g) for g in due if g.verdict in ("due", "left") for s in g.subjects}
    unread = {str(p.meta.get("distill_topic") or "") for p in pages
              if p.station == "staging" and p.meta.get("compiled_by") == "extractive"} - set(found) - {""}  # fmt: skip
    for group in gr.plan(conversations, ledger, pages, today, topics=unread) if unread else ():
        found |= {s.topics[0]: (s, group) for s in group.subjects if unread & set(s.topics)}
    entries = [entry(s, g, shelf.bearing(s)) for s, g in found.values()]
    stale = stale_pages(pages, conversations)
    return {
        "pending": entries,
        "stale_pages": stale[:STALE_PAGES],
        "stale_truncated": len(stale) > STALE_PAGES,
        "orphan_topics": orphan_topics(pages),
    }


def entry(subject: gr.Subject, group: gr.TopicGroup, page: wl.WikiPage | None) -> dict:
    wings = Counter(e.wing for e in subject.evidence)
    bullets = [{"hall": e.bullet.hall, "text": e.text, "sources": e.sources} for e in subject.evidence]
    return {
        "sources": [c.path for c in group.conversations],
        "bullets": bullets,
        "topic": subject.topics[0],
        "wing": min(wings, key=lambda w: (-wings[w], w)),
        "estimated_tokens": subject.size // CHARACTERS_A_TOKEN,
        "existing_page": page.path if page else None,
        "new_count": group.new,
    }


def stale_pages(pages: Sequence[wl.WikiPage], conversations: Sequence[wl.Conversation]) -> list[dict]:
    """Live pages whose sources say something else than when the page was compiled."""
    present = {c.path: c for c in conversations}
    stale = []
    for page in pages:
        sources = [s for s in page.words("sources") if s.startswith("conversations/")]
        if page.station != "wiki" or not sources or not page.meta.get("sources_digest"):
            continue
        digest = gr.sources_digest(gr.evidence_key(present[s]) for s in sources if s in present)
        if digest != page.meta["sources_digest"]:
            since = str(page.meta.get("last_compiled") or "")
            gone = sum(s not in present for s in sources)
            claims = pg.said(page.body)
            stale.append(
                {
                    "page": page.path,
                    "title": page.title,
                    "summary": wl.one_line(claims[0] if claims else "", 300),
                    "sources": sources,
                    "stale_reason": f"{gone} sources are gone" if gone else "its sources changed",
                    "user_edited": page.edited,
                    "sources_updated_count": sum(s in present and present[s].date >= since for s in sources),
                }
            )
    return stale


def orphan_topics(pages: Sequence[wl.WikiPage]) -> list[dict]:
    """Labels that two or more live pages link to and none bears: suggestions, never created."""
    live = [p for p in pages if p.station == "wiki"]
    borne = {name for p in live for _, name in names_of(p)}
    reached: dict[str, set[str]] = defaultdict(set)
    for page in live:
        for link in wl.page_links(page.body):
            if not link.endswith(".md") and "/" not in link:
                reached[wl.topic_name(link)].add(page.path)
    found = [{"label": label, "count": len(by)} for label, by in reached.items() if len(by) > 1 and label not in borne]
    return sorted(found, key=lambda f: (-f["count"], f["label"]))
