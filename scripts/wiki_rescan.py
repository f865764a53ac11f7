"""What is on disk already is read again when the rules of redaction have improved; no model is asked anything again.

A run of extract-sessions.py that finds no note of a scan by today's rules (.mine-state.json, KEY) makes one, before it reads
anything. Messages keep their ids, summaries stay valid, and whatever knows a text by its digest comes to know the new text by
the new digest: the ledgers gain `path@new` beside `path@old`, `compiled_hash`, `modifies_hash`, `sources_digest` and
`content_hash` are brought along where they held before. So nothing becomes stale, and nothing looks edited by a person.

Everything is decided first and written in an order in which a killed scan is finished by the next one: what the ledgers gain,
proposals, pages, other texts, transcripts (whose `redactor:` says that they are done), then the note.
"""
from __future__ import annotations

import wiki_lib as wl

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from session_transcripts import part_path, redactions
from wiki_conversation import _PART as HEADINGS
from wiki_conversation import _TOOL as TOOL

KEY = "(redactor)"                  # in .mine-state.json beside the session files, none of which is called so
STATES = (".distill-state.json", ".harvest-state.json", ".hygiene-state.json", ".wings-state.json")
TEXTS = ("wiki", "staging", "archive", "context", "reports", "raw/harvested")      # folders beside conversations/
SUFFIXES = (".md", ".json", ".jsonl", ".yaml")
AS_THEY_ARE = ("wing", "date", "started", "ended", "machine", "status", "summary_of", "summarized_by")


def is_due(state: Mapping[str, Any]) -> bool:
    """Was this wiki last scanned by older rules, or by none?"""
    known = state.get(KEY)
    version = known.get("version") if isinstance(known, dict) else 0
    return not isinstance(version, int) or version < wl.REDACTOR_VERSION


def rescan(wiki: wl.Wiki, state: dict[str, dict]) -> bool:
    """Scan the wiki where that is due, and note in `state` (.mine-state.json, which the caller saves) that it was done; True
    where there is something to save. A dry run says what would be written."""
    if not is_due(state):
        return False
    trouble = len(wl.problems)
    plan = decided(wiki) if wiki.root.is_dir() else Plan()
    wiki.apply([*plan.ledgers, *plan.pages, *plan.texts, *plan.transcripts, *plan.renamed, *plan.left])
    if wl.wiki_disk.DRY_RUN:
        if plan.clean:
            wl.say(f"would note in {len(plan.clean)} transcripts that rules {wl.REDACTOR_VERSION} find nothing more in them")
        return False
    wiki.apply((renumbered(wiki, path) for path in plan.clean), quiet=True)
    if plan.found:
        forget_index(wiki)
        wl.say(f"rescan: {sum(plan.found.values())} secrets taken out of {len(plan.found)} files by rules {wl.REDACTOR_VERSION}; "
               "git still has them where they were committed: have them revoked")
    elif plan.clean:
        wl.say(f"rescan: rules {wl.REDACTOR_VERSION} find nothing more in {len(plan.clean)} transcripts")
    if len(wl.problems) > trouble:      # a file that could not be written: the next run tries again
        return False
    for entry in state.values():
        clean_entry(entry, plan)
    state[KEY] = {"version": wl.REDACTOR_VERSION}
    return True


def forget_index(wiki: wl.Wiki) -> None:
    """The search index is made anew from the texts: a database keeps what was deleted from it until the room is used again."""
    for path in wl.cache_dir().glob(f"index-{wl.wiki_key(wiki.root)}*"):
        path.unlink(missing_ok=True)


def clean_entry(entry: dict[str, Any], plan: Plan) -> None:
    """A session file's entry in .mine-state.json without secrets. What is counted in it is only counted less."""
    for name, value in list(entry.items()):
        if isinstance(value, str):
            entry[name] = plan.moved.get(value) or wl.redact_name(value)
        elif wl.redact(json.dumps(value, ensure_ascii=False))[1]:
            del entry[name]


# ---------------------------------------------------------------- deciding

@dataclass
class Plan:
    """What a scan will write, in the order of writing; of a transcript the first file last, which says that it is done.
    `renamed`, `left`: its files at a new name, and then the old ones, as long as which stand it is not done. `clean`: the
    transcripts in which nothing was found."""
    ledgers: list[wl.Write] = field(default_factory=list)
    pages: list[wl.Write] = field(default_factory=list)
    texts: list[wl.Write] = field(default_factory=list)
    transcripts: list[wl.Write] = field(default_factory=list)
    renamed: list[wl.Write] = field(default_factory=list)
    left: list[wl.Remove] = field(default_factory=list)
    clean: list[str] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)          # path -> how many secrets
    moved: dict[str, str] = field(default_factory=dict)          # of transcripts whose name was made of a secret: all files

    def concerns(self, text: str) -> bool:
        """Is there anything to change in a text?"""
        return bool(wl.redact(text)[1]) or any(old in text for old in self.moved)


@dataclass(frozen=True)
class Known:
    """A conversation before and after: the evidence digest that ledgers and pages know it by."""
    old: str
    new: str


def decided(wiki: wl.Wiki) -> Plan:
    """What a scan of a wiki comes to. Reads, and writes nothing."""
    plan = Plan()
    paths = [p for p in wiki.files("conversations") if not re.search(r"\.\d+\.md$", p)]      # parts go with their first file
    for path in paths:
        plan.moved |= renamed_files(wiki, path)
    known = {path: k for path in paths if (k := look_at_conversation(wiki, path, plan))}
    bodies: dict[str, tuple[str, str]] = {}      # page -> its body digest before and after
    pages: list[tuple[str, str]] = []
    for path, text in texts(wiki):
        if path.split("/")[0] in ("wiki", "staging", "archive", "raw") and text.startswith("---\n"):
            pages.append((path, text))
        elif edit := look_at_text(path, text, plan):
            plan.texts.append(edit)
    for path, text in pages:
        body = (wl.split_frontmatter(text) or ("", ""))[1]
        bodies[path] = wl.page_content_hash(body), wl.page_content_hash(clean(body, path, Plan(moved=plan.moved)))
    # Proposals before the pages they change: killed in between, theirs is the hash that the page is going to have.
    for path, text in sorted(pages, key=lambda p: (not p[0].startswith("staging/"), p[0])):
        if edit := look_at_page(path, text, known, bodies, plan):
            plan.pages.append(edit)
    renamed = {f"{p}@{k.old}": f"{plan.moved.get(p, p)}@{k.new}" for p, k in known.items() if k.old != k.new or p in plan.moved}
    renamed |= {f"{p}@{old}": f"{p}@{new}" for p, (old, new) in bodies.items() if old != new}
    for name in STATES:
        look_at_state(wiki, name, renamed, plan)
    return plan


def texts(wiki: wl.Wiki) -> Iterator[tuple[str, str]]:
    """(path, text) of what programs wrote beside transcripts; links and what is no text left out."""
    tops = [name for name in os.listdir(wiki.root) if re.fullmatch(r"\..*-state\.json\.broken-\w+", name)]
    paths = [*tops, "conversations/index.md"]
    for top in TEXTS:
        for folder, inner, names in os.walk(wiki.root / top):
            inner.sort()
            paths += [os.path.relpath(os.path.join(folder, n), wiki.root) for n in sorted(names) if n.endswith(SUFFIXES)]
    for path in paths:
        full = wiki.root / path
        if full.is_file() and not full.is_symlink():
            yield path, wiki.text(path) or ""


def clean(text: str, path: str, plan: Plan) -> str:
    """The text by today's rules; what was found in it is counted to the path."""
    text, counts = wl.redact(text)
    if counts:
        plan.found[path] = plan.found.get(path, 0) + sum(counts.values())
    for old, new in plan.moved.items():
        text = text.replace(old, new)
    return text


def clean_value(value: Any, path: str, plan: Plan) -> Any:
    """A value of YAML or JSON with every string in it clean."""
    if isinstance(value, str):
        return clean(value, path, plan)
    if isinstance(value, list):
        return [clean_value(v, path, plan) for v in value]
    if isinstance(value, dict):
        return {clean_value(k, path, plan) if isinstance(k, str) else k: clean_value(v, path, plan) for k, v in value.items()}
    return value


def write(path: str, old: str, new: str, why: str = "") -> wl.Write:
    return wl.Write(path=path, text=new, why=why or "a secret taken out", expect=wl.sha(old))


# ---------------------------------------------------------------- transcripts

def look_at_conversation(wiki: wl.Wiki, path: str, plan: Plan) -> Known | None:
    """Plan what becomes of a conversation's files; its digests, None where it is no summarised one (nothing rests on it)."""
    try:
        head = wiki._head(path)
        old = head if is_done(head) and not plan.moved else wiki.conversation(path)
    except wl.PageError:
        text = wiki.text(path) or ""
        plan.texts += [edit] if (edit := look_at_text(path, text, plan)) else []
        return None
    if is_done(head) and not plan.moved:
        return Known(old.digest, old.digest) if old.summarized else None
    text = wiki.text(path) or ""
    new_text = by_todays_rules(text, path, plan)
    bodies, number = [new_text], 2
    while (part := wiki.text(part_path(path, number))) is not None:
        bodies.append(by_todays_rules(part, part_path(path, number), plan))
        number += 1
    if any(part_path(path, n) in plan.found for n in range(1, number)):
        new_text = bodies[0] = numbered(path, new_text, bodies)
    elif new_text == text and not is_done(head):
        plan.clean.append(path)
    for n in range(number - 1, 0, -1):      # the first file last
        put(wiki, part_path(path, n), bodies[n - 1], plan)
    return Known(old.digest, wl.parse_conversation(path, new_text).digest) if old.summarized else None


def is_done(head: wl.Conversation) -> bool:
    """Was a transcript read by today's rules? What names it by a number that is none was not."""
    number = head.meta.get("redactor")
    return isinstance(number, int) and number >= wl.REDACTOR_VERSION


def put(wiki: wl.Wiki, path: str, new: str, plan: Plan) -> None:
    """Plan the edits that bring a transcript's file up to date, and to its new name where it gets one."""
    old, why = wiki.text(path) or "", "a secret taken out of its name"
    if path in plan.moved:
        if wiki.text(plan.moved[path]) is None:      # else from a scan that was killed, when all the old files were there yet
            plan.renamed.append(wl.Write(path=plan.moved[path], text=new, why=why))
        plan.left.append(wl.Remove(path, why))
    elif new != old:
        plan.transcripts.append(write(path, old, new, "" if path in plan.found else "a conversation it names was renamed"))


def renamed_files(wiki: wl.Wiki, path: str) -> dict[str, str]:
    """{old: new} of a transcript's files where its name was made of a first prompt that holds a secret by today's rules."""
    try:
        if is_done(wiki._head(path)):
            return {}
        conversation = wiki.conversation(path)
    except wl.PageError:
        return {}
    folder, name = path.rsplit("/", 1)
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)-(.*)-([0-9a-f]{8}|[0-9a-f]{12})\.md", name)
    first = next((m.text for m in conversation.read().said if m.role == "user"), "") if match else ""
    new = wl.redact(first)[0]
    if new == first or match[2] != wl.slug(wl.one_line(first, 300)):
        return {}
    goal = f"{folder}/{match[1]}-{wl.slug(wl.one_line(new, 300))}-{match[3]}.md"
    there = wiki.text(goal)
    if goal == path or there is not None and f"session_id: {conversation.session_id}\n" not in there:
        return {}
    moved, number = {path: goal}, 2
    while (wiki.root / part_path(path, number)).exists():
        moved[part_path(path, number)] = part_path(goal, number)
        number += 1
    return moved


def renumbered(wiki: wl.Wiki, path: str) -> wl.Write:
    """The edit that notes in a transcript that today's rules find nothing more in it."""
    bodies = [wiki.text(path) or ""]
    while (part := wiki.text(part_path(path, len(bodies) + 1))) is not None:
        bodies.append(part)
    return write(path, bodies[0], numbered(path, bodies[0], bodies))


def by_todays_rules(text: str, path: str, plan: Plan) -> str:
    """A conversation's file with its frontmatter's words, its summary and its messages clean; everything else as it was."""
    if not plan.concerns(text):
        return text
    conversation = wl.parse_conversation(path, text)
    meta = {k: v if k in AS_THEY_ARE else wl.redact_name(v) if k in ("session_id", "forked_from") and isinstance(v, str)
            else clean_value(v, path, plan) for k, v in conversation.meta.items()}
    body = (wl.split_frontmatter(text) or ("", text))[1]
    head, mark, transcript = body.partition("\n## Transcript\n")
    title, _, block = head.partition("\n")
    block = clean(block if title.startswith("# ") else head, path, plan)
    return wl.render_conversation(meta, block, clean_transcript(transcript, path, plan).removeprefix("\n")) if mark else clean(
        text, path, plan)


def clean_transcript(text: str, path: str, plan: Plan) -> str:
    """The text after '## Transcript': each message, each argument and each output for itself, so that nothing that spans two of
    them is taken for one secret, and no heading is touched but a subagent's title."""
    pieces, at = [], 0
    for heading in HEADINGS.finditer(text):
        pieces.append(clean_content(text[at:heading.start()], path, plan))
        pieces.append(clean(heading[0], path, plan) if heading["agent"] else heading[0])
        at = heading.end()
    return "".join([*pieces, clean_content(text[at:], path, plan)])


_FENCES = re.compile(r"^  `{3,}(?:text)?$", re.M)


def clean_content(text: str, path: str, plan: Plan) -> str:
    """What stands under one heading: the message's words, then its tool calls and what came of them."""
    if not plan.concerns(text):
        return text
    cuts = {0, len(text)}
    for call in TOOL.finditer(text):
        cuts.add(call.start())
    if len(cuts) > 2:
        cuts |= {m.start() for m in _FENCES.finditer(text, min(cuts - {0}))}
    places = sorted(cuts)
    return "".join(clean(text[a:b], path, plan) for a, b in zip(places, places[1:], strict=False))


def numbered(path: str, text: str, parts: Iterable[str]) -> str:
    """The first file with the version of the rules that read it, and with how many secrets its parts together lack."""
    transcript = "\n".join(part.partition("\n## Transcript\n")[2] for part in parts)
    body = (wl.split_frontmatter(text) or ("", text))[1]
    meta = {k: v for k, v in wl.parse_conversation(path, text).meta.items() if k != "redactions"}
    meta |= {"redactor": wl.REDACTOR_VERSION} | ({"redactions": r} if (r := redactions(transcript)) else {})
    return wl.serialize_frontmatter(meta, wl.CONVERSATION_KEYS) + body


# ---------------------------------------------------------------- pages

def look_at_page(path: str, text: str, known: Mapping[str, Known], bodies: Mapping[str, tuple[str, str]], plan: Plan
                 ) -> wl.Write | None:
    """The edit that takes secrets out of a page, and lets it know by its new digest whatever it knew by the old one."""
    try:
        page = wl.parse_page(path, text)
    except wl.PageError:
        return look_at_text(path, text, plan)
    body = clean(page.body, path, plan)
    meta = {k: clean_value(v, path, plan) for k, v in page.meta.items()}
    for name, (old, new) in {"compiled_hash": bodies[path], "content_hash": bodies[path],
                             "modifies_hash": bodies.get(str(meta.get("modifies")), ("", ""))}.items():
        if old and meta.get(name) == old:
            meta[name] = new
    sources = [s for s in page.words("sources") if s in known]
    if meta.get("sources_digest") == sources_digest(f"{s}@{known[s].old}" for s in sources):
        meta["sources_digest"] = sources_digest(f"{plan.moved.get(s, s)}@{known[s].new}" for s in sources)
    if (body, meta) == (page.body, page.meta):
        return None
    why = "" if path in plan.found else "knows its sources as they read now"
    return write(path, text, wl.render_page(wl.WikiPage(path, meta, body)), why)


def sources_digest(keys: Iterable[str]) -> str:
    """Over the sorted path@evidence-digest of a page's sources, as distilling.groups has it."""
    return wl.digest("\n".join(sorted(set(keys))))


# ---------------------------------------------------------------- other texts, state

def look_at_text(path: str, text: str, plan: Plan) -> wl.Write | None:
    """The edit that takes secrets out of a text of any kind; JSON stays JSON."""
    if not plan.concerns(text):
        return None
    if path.endswith((".json", ".jsonl")):
        new = "".join(clean_json(line, path, plan) for line in text.splitlines(keepends=True)) if path.endswith(
            ".jsonl") else clean_json(text, path, plan)
    else:
        new = clean(text, path, plan)
    return write(path, text, new)


def clean_json(text: str, path: str, plan: Plan) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return clean(text, path, plan)
    end = text[len(text.rstrip()):]
    return json.dumps(clean_value(value, path, plan), ensure_ascii=False) + end


def look_at_state(wiki: wl.Wiki, name: str, renamed: Mapping[str, str], plan: Plan) -> None:
    """Plan what a synced state gains under new digests, and what it loses: words that hold a secret."""
    text = wiki.text(name)
    if text is None:
        return
    try:
        words = wl.parse_words(text)
    except (ValueError, RecursionError):
        return      # its owner sets it aside, and what is set aside is looked at
    gained = {key: set(more) for key, more in words.items()}
    for key, more in words.items():
        gained[key] |= {renamed[w] for w in more if w in renamed}
        if key in renamed:
            gained.setdefault(renamed[key], set()).update(gained[key])
    kept: dict[str, set[str]] = {}
    for key, more in gained.items():
        kept.setdefault(clean(key, name, plan), set()).update(clean(w, name, plan) for w in more)
    if kept != words:
        why = "" if name in plan.found else "knows its conversations as they read now"
        plan.ledgers.append(write(name, text, wl.render_words(kept), why))


