"""The quick way to write frontmatter says what the YAML emitter says."""

from __future__ import annotations

import wiki_lib as wl

import pytest
import wiki_text
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.text(alphabet="abZ019 _./()+-:,[]{}#'\"\n\t&*!|>%@`~=éü—true?;<\\$^\x7f", max_size=14)
ODD = st.sampled_from(["true", "null", "1", "-1", "007", "1.5", "2026-04-12", "2026-04-12T09:13:05Z", "0x1f", "yes", "~",
                       "a: b", "x #y", "-", "---", "... ", "1_000", "<<", "a -b", "null ", "1:30", "12:30:45"])
VALUES = st.one_of(WORDS, ODD, st.integers(-10**19, 10**19), st.lists(WORDS | ODD, max_size=4), st.booleans(), st.none(),
                   st.dictionaries(WORDS, st.integers(0, 5), max_size=2))


@given(WORDS.filter(bool) | st.sampled_from(["title", "true", "1"]), VALUES)
def test_a_line_written_quickly_is_the_line_yaml_writes(key, value):
    quick = wiki_text._plain_line(key, value)
    assert not quick or quick == wiki_text._yaml_line(key, value)


@given(st.dictionaries(st.sampled_from(["title", "date", "topics", "messages", "odd key"]), VALUES.filter(lambda v: v != {})))
def test_what_was_written_is_read_back(meta):
    back = wl.parse_page("x", wl.serialize_frontmatter(meta)).meta
    assert {k: back[k] for k in meta if isinstance(meta[k], (str, bool))} == {
        k: v for k, v in meta.items() if isinstance(v, (str, bool))}


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "a: &a {b: [*a]}\n"])
def test_a_value_that_holds_itself_is_refused_and_a_shared_one_is_not(text):
    with pytest.raises(wl.PageError, match="p.md: a value that holds itself; mend the YAML by hand"):
        wl.load_yaml(text, "p.md")
    assert wl.load_yaml("a: &a [1]\nb: [*a, *a]\n") == {"a": [1], "b": [[1], [1]]}
