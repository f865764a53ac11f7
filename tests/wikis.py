"""Wikis of a test's own making: conversations as the summariser leaves them, and pages, put on disk in one call.

wikis.talk(home.wiki, "2026-04-12", ["retry-policy"], fact=["Retries use full jitter."], wing="api")
"""

from __future__ import annotations

import wiki_lib as wl

import hashlib
from pathlib import Path


def conversation(
    day: str,
    topics: list[str],
    wing: str = "api",
    name: str = "",
    summarized: bool = True,
    tail: str = "",
    **halls: list[str],
) -> tuple[wl.Conversation, str]:
    """A summarised conversation and its file's text: every bullet cites a message of its own that says the same words.

    `halls` are lists of bullets under the names of the halls (fact=[...], advice=[...]); `tail` ends the transcript."""
    name = name or f"{day}-{'-'.join(topics) or 'talk'}"
    session = hashlib.sha256(f"{wing}/{name}".encode()).hexdigest()[:32]
    messages, bullets = [wl.Message(_id(session, "ask"), "user", f"{day} 09:00", "Please look at this." + tail)], []
    for hall in wl.HALLS:
        for text in halls.get(hall, ()):
            ident = _id(session, f"{hall}{text}")
            messages.append(wl.Message(ident, "assistant", f"{day} 09:01", text))
            bullets.append(wl.Bullet(hall, text, (ident,)))
    meta = {
        "title": name.replace("-", " "),
        "session_id": session,
        "agent": "claude-code",
        "wing": wing,
        "date": day,
        "started": f"{day}T09:00:00Z",
        "ended": f"{day}T09:10:00Z",
        "messages": len(messages),
        "status": "summarized" if summarized else "extracted",
        "topics": topics,
        "halls": [h for h in wl.HALLS if halls.get(h)],
        "related": [],
    }
    transcript = wl.Transcript(tuple(messages))
    block = wl.render_summary("They talked.", bullets) if summarized else ""
    text = wl.render_conversation(meta, block, wl.render_transcript(transcript))
    path = wl.conversation_path(wing, day, name, session)
    return wl.parse_conversation(path, text), text


def talk(root: Path, day: str, topics: list[str], **options) -> str:
    """conversation() on disk; returns its wiki-relative path."""
    made, text = conversation(day, topics, **options)
    put(root, made.path, text)
    return made.path


def page(root: Path, path: str, body: str, **meta) -> str:
    """A page on disk with the frontmatter a live page carries; returns its path."""
    folder = path.split("/")[1]
    type_ = next(t for t, f in wl.TYPE_FOLDERS.items() if f == folder)
    full = {
        "title": wl.heading(body) or "A page",
        "type": type_,
        "confidence": "medium",
        "origin": "automated",
        "created": "2026-01-01",
        "last_compiled": "2026-01-01",
        "last_verified": "2026-01-01",
        "version": 1,
        "compiled_hash": wl.page_content_hash(body),
        **meta,
    }
    put(root, path, wl.render_page(wl.WikiPage(path, {k: v for k, v in full.items() if v is not None}, body)))
    return path


def staged(root: Path, path: str, body: str, **meta) -> str:
    """A page waiting in staging/, as a producer leaves it."""
    return page(
        root, path, body, **{"status": "pending", "staged_by": "wiki-distill", "staged_at": "2026-04-01", **meta}
    )


def put(root: Path, path: str, text: str) -> None:
    file = Path(root) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _id(session: str, what: str) -> str:
    return hashlib.sha256(f"{session}{what}".encode()).hexdigest()[-8:]
