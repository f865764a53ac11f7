"""The pages there are: live ones by every name they answer to, and what waits in staging. Pure."""

from __future__ import annotations

import wiki_lib as wl

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from distilling.groups import Subject, live_path


class Shelf:
    """Live pages by every name they answer to, and what waits in staging for each path."""

    def __init__(self, pages: Sequence[wl.WikiPage]):
        self.live: dict[str, list[tuple[int, str, wl.WikiPage]]] = defaultdict(list)
        self.waiting: dict[str, wl.WikiPage] = {}
        self.topics: dict[str, set[str]] = defaultdict(set)
        self.taken: dict[str, wl.WikiPage] = {}  # proposed in this run, by live path
        for page in pages:
            if page.station == "staging":
                self.waiting[live_path(page)] = page
            elif page.station == "wiki":
                for t in page.words("topics"):
                    self.topics[t].add(page.path)
            if page.station in ("wiki", "staging") and not (page.station == "staging" and page.meta.get("modifies")):
                for rank, name in names_of(page):
                    self.live[name].append((rank + 10 * (page.station == "staging"), page.path, page))

    def bearing(self, subject: Subject) -> wl.WikiPage | None:
        """The page, live before staged, that is about the subject: by name, title, alias or topic."""
        found = [(rank, path, page) for rank, path, page in self.live.get(subject.topics[0], ())]
        # A page whose own name is one of the lesser topics is about the same bullets; one that only mentions it is not.
        found += [(rank + 2, path, page) for t in subject.topics[1:] for rank, path, page in self.live.get(t, ()) if rank % 10 == 0]
        return min(found, key=lambda f: f[:2])[2] if found else None

    def related(self, topics: Iterable[str]) -> list[str]:
        """Live pages that share a topic, those that share most first, at most five."""
        shared = Counter(path for t in topics for path in self.topics.get(t, ()))
        return sorted(shared, key=lambda p: (-shared[p], p))[:5]


def names_of(page: wl.WikiPage) -> list[tuple[int, str]]:
    """(0, what the page is called) and (1, what it is also filed under), as topics."""
    called = {
        page.slug,
        wl.topic_name(page.title),
        *map(wl.topic_name, page.words("aliases")),
        *page.words("topics")[:1],
        str(page.meta.get("distill_topic") or page.slug),
    }
    return [(0, n) for n in sorted(called)] + [(1, t) for t in page.words("topics") if t not in called]
