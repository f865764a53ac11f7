"""What a conversation relates to: other conversations that share its rare rooms, and live pages about them."""
from __future__ import annotations

import wiki_lib as wl

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from summaries.vocabulary import topic_key

MOST_RELATED = 5              # of conversations; a longer list is not followed
MOST_PAGES = 5
RARE_SHARE = 0.1              # a room is rare when at most this share of all conversations has it, or RARE_COUNT of them
RARE_COUNT = 4
VERY_RARE_COUNT = 2           # one shared room is enough when nobody else has it


class Relations:
    """Who shares what, over all conversations ({path: topics}) and live pages."""

    def __init__(self, topics: Mapping[str, Sequence[str]], pages: Iterable[wl.WikiPage] = ()):
        self.keys = {path: {topic_key(t) for t in names} for path, names in topics.items()}
        self.count = Counter(key for keys in self.keys.values() for key in keys)
        self.limit = max(RARE_COUNT, int(RARE_SHARE * len(self.keys)))
        self.having: dict[str, list[str]] = defaultdict(list)
        for path in sorted(self.keys):
            for key in self.keys[path]:
                if self.count[key] <= self.limit:
                    self.having[key].append(path)
        self.pages: dict[str, set[str]] = defaultdict(set)
        for page in pages:
            for name in (page.slug, page.title, *page.words("aliases"), *page.words("topics")):
                self.pages[topic_key(wl.topic_name(name))].add(page.path)

    def of(self, path: str) -> list[str]:
        """Paths, pages first, then the conversations that share most; itself never among them."""
        mine = self.keys.get(path, set())
        pages = Counter(page for key in mine for page in self.pages.get(key, ()))
        shared: dict[str, set[str]] = defaultdict(set)
        for key in mine:
            for other in self.having.get(key, ()):
                if other != path:
                    shared[other].add(key)
        close = {other: keys for other, keys in shared.items()
                 if len(keys) >= 2 or any(self.count[k] <= VERY_RARE_COUNT for k in keys)}
        best = sorted(close, key=lambda other: (-len(close[other]), sum(self.count[k] for k in close[other]), other))
        return sorted(pages, key=lambda p: (-pages[p], p))[:MOST_PAGES] + best[:MOST_RELATED]
