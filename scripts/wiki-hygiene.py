#!/usr/bin/env python3
"""Keep the wiki honest: repair what is certain, report the rest.

Each check looks at the pages and yields findings. A finding that carries a fix is certain and is repaired; one without
goes to a human. Both are listed in reports/hygiene-<day>-fixed.md and -needs-review.md. No model is asked. A second run
changes nothing. Of a page that a person edited only the frontmatter is ever touched; a pinned page not at all by decay.

  wiki-hygiene.py              the quick checks, repaired
  wiki-hygiene.py --dry-run    what would be repaired, nothing written
"""
import wiki_lib as wl

import datetime
import os
import re
from collections.abc import Callable, Iterator

from wiki_merge import too_late

DECAY_HIGH_TO_MEDIUM = 180      # days without a mention or a check until a page is no longer taken at its word
DECAY_MEDIUM_TO_LOW = 270       # and until it is doubted
DECAY_LOW_TO_STALE = 365        # and until it may be archived
EMPTY_STUB_THRESHOLD = 100      # characters of body under which a page says nothing yet
REQUIRED_FIELDS = ("title", "type", "confidence", "origin", "created", "last_verified")   # what every live page carries

SEAMS = {name: globals()[name] for name in (
    "DECAY_HIGH_TO_MEDIUM", "DECAY_MEDIUM_TO_LOW", "DECAY_LOW_TO_STALE", "EMPTY_STUB_THRESHOLD", "REQUIRED_FIELDS")}

Check = Callable[["wl.WikiPage", "Around"], Iterator[wl.Finding]]


class Around:
    """What a check may look at besides its page: the day, the seams, the other pages, and where a page's first day is known."""

    def __init__(self, wiki: wl.Wiki, pages: list[wl.WikiPage], today: datetime.date, seams: dict):
        self.wiki, self.today, self.seams = wiki, today, seams
        self.paths = {p.path for p in pages}
        self.slugs = {p.slug for p in pages}

    def written(self, page: wl.WikiPage) -> datetime.date:
        """The day git last saw the page change, else its mtime; today at the latest."""
        day = None
        if self.wiki.has_git:
            day = wl.as_date(self.wiki.git("log", "-1", "--format=%as", "--", page.path, check=False).strip())
        if day is None:
            mtime = os.stat(self.wiki.root / page.path).st_mtime
            day = datetime.datetime.fromtimestamp(mtime, wl.timezone()).date()
        return min(day, self.today)


# --- checks that may carry a fix: each yields at most one repaired page

def missing_fields(page: wl.WikiPage, around: Around) -> Iterator[wl.Finding]:
    """Required frontmatter is filled from the heading, the folder and git; a replaced invalid value is quoted."""
    new, told = {}, []
    for key in around.seams["REQUIRED_FIELDS"]:
        value = page.meta.get(key)
        if value in (None, "", []) or not valid(key, value, page):
            new[key] = filled(key, page, around)
            told.append(f"{key}: {new[key]}" + (f" (was {wl.one_line(str(value), 60)!r})" if value not in (None, "", []) else ""))
    if new:
        yield wl.Finding(page.path, "fields", "; ".join(told), wl.Write(page.with_meta(**new), "fields"))


def valid(key: str, value: object, page: wl.WikiPage) -> bool:
    if key == "type":
        return value in tuple(wl.TYPE_FOLDERS) and page.path.split("/")[1] == wl.TYPE_FOLDERS[value]
    if key == "confidence":
        return value in wl.CONFIDENCES
    if key == "origin":
        return value in ("automated", "human")
    return wl.as_date(value) is not None if key in ("created", "last_verified") else True


def filled(key: str, page: wl.WikiPage, around: Around) -> str:
    if key == "title":
        return wl.heading(page.body) or page.slug.replace("-", " ").capitalize()
    if key == "type":
        return next((t for t, folder in wl.TYPE_FOLDERS.items() if folder == page.path.split("/")[1]), "concept")
    if key in ("confidence", "origin"):
        return {"confidence": "medium", "origin": "human"}[key]
    compiled = page.day("last_compiled") if key == "last_verified" else None
    return (compiled or around.written(page)).isoformat()


def decayed(page: wl.WikiPage, around: Around) -> Iterator[wl.Finding]:
    """Confidence steps down with silence and never up."""
    if page.pinned or page.confidence not in wl.CONFIDENCES:
        return
    age = page.age(around.today)
    level = max(page.confidence, confidence_at(age, around.seams), key=wl.CONFIDENCES.index)
    if level != page.confidence:
        yield wl.Finding(page.path, "decay", f"{page.confidence} -> {level}: quiet for {age} days",
                         wl.Write(page.with_meta(confidence=level), f"quiet for {age} days"))


def confidence_at(age: int, seams: dict) -> str:
    """The best confidence a page may have after `age` days of silence."""
    if age >= seams["DECAY_LOW_TO_STALE"]:
        return "stale"
    if age >= seams["DECAY_MEDIUM_TO_LOW"]:
        return "low"
    return "medium" if age >= seams["DECAY_HIGH_TO_MEDIUM"] else "high"


# --- checks that only report

def broken_links(page: wl.WikiPage, around: Around) -> Iterator[wl.Finding]:
    for target in page_targets(page):
        if target.endswith(".md"):
            there = (around.wiki.root / os.path.normpath(os.path.join(os.path.dirname(page.path), target))).exists()
        else:
            there = wl.slug(target) in around.slugs
        if not there:
            yield wl.Finding(page.path, "broken link", f"{target} leads nowhere")


def page_targets(page: wl.WikiPage) -> list[str]:
    return list(dict.fromkeys(wl.page_links(page.body)))


def empty_stubs(page: wl.WikiPage, around: Around) -> Iterator[wl.Finding]:
    text = re.sub(r"^#.*$", "", page.body, flags=re.M).strip()
    if len(text) < around.seams["EMPTY_STUB_THRESHOLD"]:
        yield wl.Finding(page.path, "stub", f"{len(text)} characters besides headings; write it or reject it")


def late_dates(page: wl.WikiPage, around: Around) -> Iterator[wl.Finding]:
    if late := too_late(page.meta, around.today):
        yield wl.Finding(page.path, "late date", f"{late} is after tomorrow; put it right")


REPAIRS: tuple[Check, ...] = (missing_fields, decayed)
DOUBTS: tuple[Check, ...] = (broken_links, empty_stubs, late_dates)


def examine(pages: list[wl.WikiPage], around: Around) -> tuple[list[wl.WikiPage], list[wl.Finding]]:
    """Every page after its repairs, and everything that was seen. Repairs build on one another; doubts look at the result."""
    after, findings = [], []
    for page in pages:
        for check in REPAIRS:
            for finding in check(page, around):
                findings.append(finding)
                page = finding.fix.page
        findings += [finding for check in DOUBTS for finding in check(page, around)]
        after.append(page)
    return after, findings


def index_findings(wiki: wl.Wiki, pages: list[wl.WikiPage]) -> Iterator[wl.Finding]:
    """Orphans (pages their index does not name) and any other drift of the indexes: regenerated."""
    drifted = {s: edit for s in wl.STATIONS if (wiki.root / s).is_dir()
               and wiki.text((edit := wiki.page_index(s)).path) != edit.text}
    listed = set(wl.page_links(wiki.text("wiki/index.md") or ""))
    for page in pages:
        if "wiki" in drifted and page.path.removeprefix("wiki/") not in listed:
            yield wl.Finding(page.path, "orphan", "no index named it; added to wiki/index.md", drifted["wiki"])
    for edit in drifted.values():
        yield wl.Finding(edit.path, "index drift", "regenerated from the pages", edit)


# --- reports

def report(findings: list[wl.Finding], day: datetime.date, kind: str) -> str:
    """A report's text: one line a finding, in canonical order; the same findings give the same bytes."""
    lines = sorted({f"- `{f.path}` · {f.rule} · {f.message}" for f in findings})
    title = {"fixed": "Repaired", "needs-review": "Needs a look"}[kind]
    return f"# {title} on {day}\n\n" + "\n".join(lines) + "\n"


def report_edits(wiki: wl.Wiki, findings: list[wl.Finding], day: datetime.date) -> list[wl.Edit]:
    """Today's reports. Fixed ones join what today's report already lists; doubts are written only where they changed."""
    edits: list[wl.Edit] = []
    fixed, doubts = [f for f in findings if f.fix], [f for f in findings if not f.fix]
    if fixed:
        path = f"reports/hygiene-{day}-fixed.md"
        text = report(fixed, day, "fixed")
        lines = sorted({*listed(wiki.text(path) or ""), *listed(text)})
        edits.append(wl.Write(path=path, text=text.split("- ", 1)[0] + "\n".join(lines) + "\n"))
    new, latest = report(doubts, day, "needs-review"), max(wiki.root.glob("reports/hygiene-*-needs-review.md"), default=None)
    if (doubts and not latest) or (latest and listed(latest.read_text()) != listed(new)):
        edits.append(wl.Write(path=f"reports/hygiene-{day}-needs-review.md", text=new))
    return edits


def listed(text: str) -> list[str]:
    """The findings a report lists."""
    return [line for line in text.split("\n") if line.startswith("- ")]


def main() -> int | None:
    parser = wl.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="the checks that need no model (the default)")
    parser.add_argument("--full", action="store_true", help="also the checks that ask a model (they come later)")
    parser.add_argument("--dry-run", action="store_true", help="print what would be repaired and write nothing")
    args = parser.parse_args()
    wl.dry_run(args.dry_run)
    with wl.run_lock():
        wiki, day = wl.Wiki(), wl.today()
        if not wiki.root.is_dir():
            wl.note(f"{wiki.root}: no wiki there yet; wiki-maintain.sh makes it")
            return 0
        if args.full:
            wl.note("--full: the checks that ask a model come later; the quick ones run")
        pages = wiki.pages("wiki")
        around = Around(wiki, pages, day, wl.seams("wiki-hygiene", SEAMS))
        after, findings = examine(pages, around)
        whys: dict[str, list[str]] = {}
        for finding in findings:
            if finding.fix:
                whys.setdefault(finding.path, []).append(finding.message)
        wiki.apply(wl.Write(p, "; ".join(whys[p.path])) for p in after if p.path in whys)
        drift = list(index_findings(wiki, after))
        wiki.apply({wl.target_of(f.fix): f.fix for f in drift}.values())
        wiki.apply(report_edits(wiki, findings + drift, day), quiet=True)
        if not args.dry_run:
            wiki.save_state(".hygiene-state.json", {"last-quick!max": [day.isoformat()]})
        doubts = sum(not f.fix for f in findings)
        if doubts:
            wl.note(f"{doubts} findings need a look: reports/hygiene-*-needs-review.md")
    return None


if __name__ == "__main__":
    wl.run(main)
