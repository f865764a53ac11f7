"""Words that stand for one another, for search: irregular forms and a small thesaurus of everyday and working English.

One group a line. `a b c`: each stands for the others. `a: b c`: b and c stand for a where a is asked (a kind and its
members), never the other way round. Add a line to teach search a word; nothing needs to be indexed again.
"""
from __future__ import annotations

import re
from collections.abc import Iterable

IRREGULAR_SHARE = 0.8      # how much an irregular form counts beside the word itself
THESAURUS_SHARE = 0.3      # how much a neighbour does

IRREGULAR = """
arise arose arisen
beat beaten
become became
begin began begun
bend bent
bind bound
bite bit bitten
blow blew blown
break broke broken
bring brought
build built
burn burnt
buy bought
catch caught
child children
choose chose chosen
come came
creep crept
deal dealt
dig dug
draw drew drawn
dream dreamt
drink drank drunk
drive drove driven
eat ate eaten
fall fell fallen
feed fed
feel felt
fight fought
find found
flee fled
fly flew flown
foot feet
forbid forbade forbidden
forget forgot forgotten
forgive forgave forgiven
freeze froze frozen
get got gotten
give gave given
go went gone
grow grew grown
hang hung
hear heard
hide hid hidden
hold held
index indices indexes
keep kept
know knew known
lay laid
lead led
learn learnt
leave left
lend lent
lie lay lain
life lives
light lit
lose lost
make made
man men
matrix matrices
mean meant
meet met
mouse mice
overwrite overwrote overwritten
pay paid
person people
query queries
rewrite rewrote rewritten
ride rode ridden
ring rang rung
rise rose risen
run ran
say said
schema schemas schemata
see saw seen
seek sought
sell sold
send sent
shake shook shaken
shine shone
shoot shot
shrink shrank shrunk
sing sang sung
sink sank sunk
sit sat
sleep slept
slide slid
speak spoke spoken
spend spent
spin spun
spring sprang sprung
stand stood
steal stole stolen
stick stuck
strike struck
swear swore sworn
sweep swept
swim swam swum
swing swung
take took taken
teach taught
tear tore torn
tell told
think thought
throw threw thrown
understand understood
vertex vertices
wake woke woken
wear wore worn
weave wove woven
win won
wind wound
woman women
write wrote written
"""

THESAURUS = """
"""

_LINES = tuple((share, text) for share, text in ((IRREGULAR_SHARE, IRREGULAR), (THESAURUS_SHARE, THESAURUS)))


def lines_near(asked: Iterable[str]) -> list[tuple[float, list[str], list[str]]]:
    """(share, heads, members) of each line with a word that begins like one asked; whether it is that word is for stems
    to say. `a b c` comes as heads == members."""
    starts = "|".join(sorted({re.escape(w[:4]) for w in asked if len(w) > 1}))
    if not starts:
        return []
    near = re.compile(rf"^.*\b(?:{starts}).*$", re.M)
    out = []
    for share, text in _LINES:
        for line in near.findall(text):
            heads, _, members = line.partition(":")
            out.append((share, heads.split(), (members or heads).split()))
    return out
