"""What makes a sentence worth keeping, and in which hall. English cues; sentences without any are not kept.

refused() says why a sentence cannot stand alone; hall_scores() says where one that can belongs.
"""
from __future__ import annotations

import wiki_lib as wl

import functools
import re

SHORTEST_WORDS = 6            # content words; fewer is a label, not a memory
SHORTEST, LONGEST = 40, 300   # characters

# ------------------------------------------------------------------ what cannot be read alone

_OPENS = re.compile(r"""^["'“(]?(?:
  (?:this|that|these|those|it|its|it's|they|they're|their|them|he|she|his|her|here|here's|there's\sno\sneed|such|
     both(?!\s(?:`|[A-Z]|the\s`))|either|neither|same|similarly|likewise|each\sof|one\sof\s(?:them|these|those)|
  another|
     the\s(?:former|latter|other|others|rest|same|first|second|third|last|following|above|below|next|only\sother|
     two|three|four|five|six|key|main|only|actual|biggest|big|bigger|remaining|most|new|old|current|existing|original|
     cleanest|simplest|right|real|honest|short|bottom|net|exact|entire|whole|important|one)|
     the\s(?:fix|fixes|change|changes|issue|issues|problem|problems|test|tests|code|error|errors|failure|failures|
  bug|bugs|
       function|method|implementation|approach|result|results|output|answer|reason|cause|review|branch|pr|commit|
  commits|
       comment|comments|diff|difference|solution|idea|plan|point|rule|goal|catch|trade-?off|tradeoff|work|build|lint|
  linter|
       suite|file|files|script|command|line|lines|check|checks|helper|update|updates|refactor|refactoring|rewrite|
  claim|
       question|risk|gap|option|options|upside|downside|benefit|cost|effect|consequence|user|log|logs|trace|message|
  data|
       field|value|list|table|section|rest|split|shape|pattern|path|design|decision|system|feature|project|repo|
  repository|
       name|names|version|finding|findings|logic|flow|structure|migration|rename|title|body|description|worktree|tree|
       agent|agents|task|tasks|summary|report|document|doc|docs|wording|phrasing|framing|behaviou?r|current|story|key|
       concern|case|cases|condition|assertion|assertions|mock|fixture|coverage|hypothesis|theory|diagnosis|evidence|
       codebase|template|sentence|paragraph|link|button|page|element|component|parameter|argument|flag|type|class))
  \b(?!\s`|\s[A-Z]|\sof\s(?:the\s)?(?:`|[A-Z])|\sin\s`))""", re.I | re.X)
_TURN = re.compile(r"""^["'“(]?(?:
  (?:and|but|so|or|nor|yet|also|then|however|otherwise|instead|therefore|thus|hence|meanwhile|additionally|
  furthermore|moreover|
     still|besides|plus|too|again|alternatively|conversely|accordingly|consequently|finally|lastly|first|second|
  third|firstly|
     secondly|next|now|once\s(?:that|this|it)|after\sthat|before\sthat|with\s(?:that|this|these|those)|in\s(?:that|
  this|both|
     each|either|other|short|summary|practice|fact|addition|theory|particular)|for\s(?:this|that|now|example|
  instance|reference|
     context|the\srecord|completeness)|on\sthe\sother|at\s(?:this|that)|as\s(?:a\sresult|such|for|expected|noted|
  mentioned|before|
     you|discussed|planned|requested|we)|by\s(?:contrast|the\sway|that)|to\s(?:be\sclear|summari[sz]e|recap|clarify|
  make\ssure|
     that\send|this\send|do\s(?:this|that)|be\s(?:safe|fair|honest|precise))|rather|overall|basically|essentially|
  literally|
     actually|honestly|frankly|concretely|specifically|notably|importantly|interestingly|unfortunately|fortunately|
  luckily|
     apparently|presumably|hopefully|maybe|perhaps|probably|likely|sure|ok|okay|yes|yeah|yep|no,|nope|right|correct|
  exactly|
     agreed|done|great|good|nice|perfect|excellent|awesome|thanks|thank|sorry|hmm|ah|aha|oh|wow|well|got\sit|
  understood|
     confirmed|verified|fair|worth|not\s(?:a|an|the|primarily|yet|sure|quite|only|just)|same|ditto|status|summary|
  update|
     remember|recall|recap|question|quick|side|small|tiny|minor|one\s(?:more|last|caveat|thing|small|note|edge|nit|
  gap|detail|
     question|other|subtle|point|minor|edge|risk)|two\s(?:things|small|more|notes|options|ways|minor|follow|real|
  caveats)|
     three\s(?:things|options|ways|more)|a\s(?:few|couple|quick|small|minor|subtle|cleaner|better|simpler|test)|
  some\sof|
     all\s(?:of\s(?:the|this|these|those|it)|done|good|set|three|four|five|six|the|\d)|which|where|who|whose|whether|
  why|how|
     what(?!'s\snew)|because|since\s(?:that|this|it|then)|like|eg|e\.g|i\.e|etc|via|per\s(?:your|my|our)|given|
  looking|based|
     assuming\s(?:you|that|this)|going|moving|checking|running|reading|reviewing|working|starting|trying|adding|
  fixing|updating|
     writing|implementing|building|testing|committing|pushing|making|creating|continuing|investigating|waiting|
  switching|
     applying|verifying|rerunning|re-running|digging|tracing|thinking|pulling|kicking|doing|taking|getting|opening|
     comparing|scanning|inspecting|searching|using\s(?:this|that)|want|wanted|would\s(?:you|be)|should\s(?:i|we|you)|
     shall|can\s(?:you|we|i)|could\s(?:you|we|i)|may\s(?:i|we)|do\s(?:you|we|i)|does|did|is\s|are\s|was\s|were\s|
  will\s|
     have\s(?:you|we)|has\s|had\s|if\s(?:you|we|not|so|that|this|it|i|they|needed|wanted)|when\s(?:you're|i|this|
  that|it)|
     until\s(?:then|that|this)|tl;?dr|net\b|bottom\sline|recommendation|suggestion|verdict|proposal|proposed|
  follow-?up|
     todo|note|nit|caveat|nb|fyi|btw|p\.?s\b|optional|deferred|skipped|out\sof\sscope|part\sof|based\son|thanks\sto|
  despite\s(?:this|that)|
     step|phase|option|task|item|part|round|attempt|claim|approach|scenario|case|point|finding|issue|bug|problem|fix|
  goal|plan|idea|
     (?:high|medium|low|critical|blocker|major)\s?[:.])\b)""", re.I | re.X)
_SELF = re.compile(r"""(?:^|[\s("'“—-])(?:i|i'm|i’m|i'll|i’ll|i've|i’ve|i'd|i’d|me|my|mine|myself|let's|let’s|
  let\sme|lemme|we'll|we’ll|we\scan|we\scould|
  we\sshould|we\sneed|we\swant|we\sare\sgoing|we're\sgoing|we've|we’ve|we\shave|we\sdid|we\sagreed|we\sdiscussed|we\sjust|we'd|we\sonly)\b""", re.I | re.X)
_ADDRESS = re.compile(r"""\b(?:you\s(?:asked|said|want(?:ed)?|mentioned|pointed|noted|explicitly|described|showed|
  pasted|already|'re\sright|
  are\sright|might\swant|may\swant|were|did|see|saw|prefer|like|decide|think|meant|need\sto\sdecide|linked|shared|flagged|suggested|
  raised|hit|gave|made|ran|told|have\stwo|just)|you['’](?:re|ve|ll|d)|your\s(?:call|question|request|point|concern|instinct|intuition|
  comment|earlier|original|message|suggestion|proposal|idea|machine|example|run|output|case|local|branch|working|reading|
  preference|choice|plan|issue|pr|worktree|session|review|coworker|statement|feedback|word|side|
  environment|shell|terminal|editor|desktop)|want\sme|would\syou|shall\si|let\sme|tell\sme|happy\sto|
  feel\sfree|say\sthe\sword|give\sme|ping\sme|ready\sto|ready\sfor|good\sto\sgo|up\sto\syou|go\sahead)\b|\byou(?:r)?[.,;]?$""", re.I | re.X)
_HERE = re.compile(r"""\b(?:(?:this|these|those)\s(?:pr|pull\srequest|branch|change|changes|fix|approach|function|
  method|file|files|commit|commits|
  issue|option|case|cases|test|tests|error|errors|one|ones|line|lines|code|section|step|phase|way|claim|bug|point|session|conversation|
  thread|review|diff|refactor|run|task|list|two|three|four|is|was|are|were|means|makes|would|will|can|could|should|has|does|problem|
  path|pass|feature|flow|behaviou?r|situation|finding|findings|check|helper|block|class|type|field|setup|
  document|plan|time|point|message|question|kind|sort|particular|exact|specific|same|new|design|pattern|package|command)|
  as\s(?:above|below|follows|mentioned|noted|discussed|described|requested|you|before|well\sas\sthe\sabove)|
  (?:see|listed|described|mentioned|shown|noted|discussed|outlined)\s(?:above|below|earlier|here)|above|below|earlier|so\sfar|
  previous(?:ly)?|the\sfollowing|right\snow|just\snow|at\sthis\spoint|in\sflight|next\sstep|the\sother\s(?:two|three|one|ones|side|half|findings?|options?)|
  option\s(?:\d|[a-d])\b|\#?\d\sand\s\#?\d|(?:finding|comment|point|claim|item|step|phase|task|batch|slice|item|review)s?\s\#?\d+|
  \([a-d]\)|the\suser(?:'s)?\s(?:wants|asked|said|is\sasking|request)|the\sreviewer|the\sformer|the\slatter|out\sof\sscope|follow-?ups?|
  scope\scall|next\s(?:slice|pass|tranche|round)|tranche|still\sopen|remaining\s(?:work|gap|item|issue|piece)s?|
  not\syet|todo|tbd|to\sdo\slist|worth\s(?:flagging|noting|knowing|a|doing|mentioning|it|keeping|fixing|confirming|checking))\b""", re.I | re.X)
_HEDGE = re.compile(r"""\b(?:seems?|seemed|appears?\sto|looks?\slike|might|maybe|perhaps|probably|presumably|likely|
  possibly|suggests?|suspect(?:ed)?|
  guess(?:ing)?|i\sthink|not\ssure|unclear|unsure|could\sbe|may\sbe|may\shave|apparently|hopefully|should\s(?:now|work|be\s(?:fine|fixed|good|ok|
  safe|enough|resolved|ready|able\sto))|arguably|hypothes[ie]s|assum(?:e|ing)\s|theor(?:y|etical)|would\s(?:be|need|have|require|mean|help|love|like|
  give|let|make|only|also|still|just|say|do|work|add|get|take|go|suggest|recommend|keep|leave)|could\s(?:also|add|use|do|make|have|just|either|in)|
  going\sto|will\sneed|tbh|imo|kind\sof|sort\sof|if\snot|either\sway|unless\syou|until\syou|roughly)\b""", re.I | re.X)
_STATUS = re.compile(r"""(?:\b(?:\d+|all|both|every|existing|the|full|new|unit|
  local)\s(?:[\w`./-]+\s){0,5}?(?:tests?|checks?|suites?|packages|specs?)\b[^.]{0,40}
  \b(?:pass(?:es|ed|ing)?|green|clean|fail(?:s|ed|ing)?|succeed(?:ed)?|ok)\b|
  \b(?:lint|linter|vet|build|tests?|suite|ci|gofmt|typecheck|race|coverage|working\stree|types?|tree|branch)\b[^.]{0,30}\b(?:is|are|all|stays?|was|now|still|come|comes|runs?)?\s?\b(?:clean|green|passes|
  passed|passing|succeeds|happy|up\sto\sdate|in\ssync|compiles?|builds)\b|\bcompiles?\b[^.]{0,15}(?:clean|fine|now|successfully)|
  \bpassed\b[^.]{0,12}$|\b\d+\s(?:passed|failed|failures?|tests?|issues?\sfound|files?\schanged|insertions|deletions)\b|
  \b(?:successfully|no\sregressions?|no\sbehaviou?r\schange|working\sas\sexpected|works\sas\sexpected|as\sexpected|ready\sto|in\sprogress|
  is\sdone|are\sdone|is\scomplete|are\scomplete|now\scomplete|fully\scomplete|in\splace|is\sin|are\sin|landed\sin\s`|
  is\s(?:running|being|now\sup|committed|staged|pushed|open|ready)|are\s(?:running|being|committed|staged|pushed|open|ready)|
  committed\s(?:as|in|and|on)|pushed|draft(?:ed)?|up\sto\sdate|co-authored|origin/)\b)""", re.I | re.X)
_LITTER = re.compile(r"\[REDACTED|\[Image|\[Pasted|\[Request|\x00|�|[␀-␟]|={3,}|-{3,}|\.{4,}|→.*→.*→|(?:\|.*){3}|<[a-z]+[ >/]|\\n|^\W*\d+\W*$|"
                     r"\b[0-9a-f]{40}\b|\{\{|^\W*(?:[\w.-]+/)+[\w.-]+\W*$|^/|^@|https?://\S{60}|Users/|/home/|~/|^\d+[.):]|"
                     r"[═║╔╚│┌└├─]|\bexit (?:code|status) \d|\bline \d+, in\b|^at \w+\.|Traceback|^\w*Error:|^\d{4}[-/]\d\d")
_PRAISE = re.compile(r"\b(?:elegant|beautiful(?:ly)?|robust|comprehensive|seamless(?:ly)?|powerful|maintainab\w+|well[- ](?:thought|structured|constructed|"
                     r"documented|tested|designed|written)|great|excellent|impressive|nicely|solid|thorough(?:ly)?|smooth(?:er|ly)?|user[- ]friendly|"
                     r"professional|high[- ]quality|best[- ]in[- ]class|production[- ]ready|much (?:cleaner|simpler|better|easier|nicer|more)|"
                     r"legit(?:imate)?|sensible|good (?:call|catch|question|point|shape|idea)|nice)\b|[!😀-🙏🎉🚀💯]", re.I)
_ENDS = re.compile(r"(?::|,|;|…|\.\.\.|\b(?:and|or|the|a|of|to|with|for|in|that|because|instead|below|above|too))[\"'”)]*$", re.I)
_LEADS = re.compile(r"^[A-Z][\w ,'/()`-]{0,48}[:—–] ")

_PRONOUN = re.compile(r"\b(?:it|its|it's|they|them|their|this|that|these|those|he|she|there|both|same|one)\b", re.I)
_NEEDS_NOUN = re.compile(r"\b(?:it|its|it's|they|them|their|this|those|these)\b", re.I)
_PAST = re.compile(r"""^(?:\w+ly\s)?(?:added|updated|changed|removed|fixed|created|implemented|replaced|moved|
  renamed|refactored|wired|extracted|
  introduced|rewrote|cleaned|simplified|switched|committed|pushed|merged|opened|ran|made|converted|improved|extended|dropped|reverted|
  rebased|bumped|set|kept|used|tested|verified|checked|documented|split|folded|deleted|adjusted|tightened|promoted|exposed|reworked|
  collapsed|consolidated|corrected|enabled|disabled|passed|returned|found|saved|built|wrote|put|reused|restored|resolved|addressed|
  maintained|preserved|ensured|handled|applied|migrated|upgraded|released|deployed|published|inlined|hoisted|pinned|routed|threaded|
  unified|swapped|annotated|filed|posted|replied|reset|squashed|amended|left|gave|took|got|went|did|confirmed|caught|covered|
  configured|installed|generated|parsed|supported|provided|reduced|increased|eliminated|integrated|enhanced|included|
  updates|adds|removes|fixes|creates|replaces|moves|renames|makes|ensures|handles|uses|returns|shows|provides|supports|includes|
  gets|sets|checks|keeps|allows|drops|runs|takes|builds|reads|writes|sends|calls|tests|validates|verifies|covers|avoids|prevents|
  catches|picks|falls|throws|parses|loads|stores|wraps|matches|requires|needs|means|works|only|just)\b""", re.I | re.X)
_IMPERATIVE = re.compile(r"""^(?:please\s)?(?:add|update|change|remove|fix|create|implement|replace|move|rename|
  refactor|wire|extract|introduce|rewrite|
  clean|simplify|switch|commit|push|merge|open|make|convert|improve|extend|drop|revert|rebase|bump|keep|test|verify|check|document|split|
  fold|delete|adjust|review|look|read|investigate|confirm|consider|continue|start|stop|try|see|note|decide|pick|choose|define|design|
  build|write|put|show|find|search|list|explain|describe|analy[sz]e|identify|provide|return|go|take|get|give|do|leave|let|import|export|
  parse|handle|support|allow|enable|disable|validate|generate|compute|track|mark|land|ship|file|ask|tell|report|ensure|align|tighten|
  audit|stage|draft|capture|reproduce|expose|promote|treat|turn|tune|walk|wait|reuse|store|cache|compare|resolve|mirror|fetch|iterate|
  summari[sz]e|collect|save|apply|gate|guard|plumb|thread|hoist|normalize|surface)\b""", re.I | re.X)

# A finite verb, so that a heading or a noun phrase does not pass for a sentence.
_FINITE = re.compile(r"""\b(?:is|isn't|are|aren't|was|wasn't|were|weren't|has|hasn't|have|haven't|had|do|does|
  doesn't|don't|did|didn't|can|can't|cannot|
  could|couldn't|will|won't|would|wouldn't|should|shouldn't|must|may|needs?|uses?|used|returns?|returned|requires?|required|supports?|
  sends?|sent|gets?|got|sets?|takes?|took|makes?|made|keeps?|kept|runs?|ran|fails?|failed|breaks?|broke|works?|worked|means?|meant|
  causes?|caused|stores?|stored|reads?|writes?|wrote|calls?|called|expects?|expected|accepts?|rejects?|rejected|ignores?|ignored|
  skips?|skipped|drops?|dropped|loses?|lost|leaks?|leaked|blocks?|blocked|holds?|held|depends?|belongs?|lives?|stays?|stayed|remains?|
  starts?|started|stops?|stopped|falls?|fell|goes|went|comes?|came|gives?|gave|shows?|showed|treats?|treated|handles?|handled|
  matches|matched|contains?|contained|includes?|included|provides?|provided|defines?|defined|creates?|created|adds?|added|removes?|
  removed|replaces?|replaced|changes?|changed|moves?|moved|produces?|produced|generates?|generated|prevents?|prevented|allows?|allowed|
  enables?|enabled|disables?|disabled|throws?|threw|raises?|raised|emits?|emitted|prints?|printed|renders?|rendered|resolves?|resolved|
  converts?|converted|wraps?|wrapped|checks?|checked|verifies|verified|validates?|validated|exposes?|exposed|applies|applied|
  inherits?|inherited|overrides?|overrode|overwrites?|reports?|reported|reflects?|maps?|mapped|points?|pointed|refers?|resets?|
  mirrors?|mirrored|pushes|pushed|pulls?|pulled|fetches|fetched|merges?|merged|commits?|committed|releases?|released|ships?|shipped|
  lands?|landed|prefers?|preferred|avoids?|avoided|ensures?|costs?|saves?|saved|adds|lacks?|lacked|wants?|wanted|carries|carried|
  decides?|decided|determines?|triggers?|triggered|follows?|followed|leads?|led|yields?|serves?|served|loads?|loaded|parses?|parsed|
  compares?|counts?|counted|tracks?|tracked|extends?|collapses?|survives?|survived|differs?|exits?|exited|hangs?|hung|crashes|crashed|
  times|waits?|waited|retries|retried|reuses?|reused|shares?|shared|passes|passed|picks?|picked|assumes?|assumed|relies|relied|
  surfaces?|surfaced|swallows?|swallowed|flattens?|hides?|hid|turns?|turned|becomes?|became|sits?|covers?|covered|tests?|tested|
  installs?|installed|deploys?|deployed|upgrades?|upgraded|renames?|renamed|migrates?|migrated|reaches|reached|closes|closed|opens?|opened|
  builds?|built|compiles?|compiled|bumps?|bumped|fixes|fixed|breaks|exists?|existed|affects?|affected|solves?|solved|
  proves?|proved|confirms?|confirmed|forwards?|forwarded|streams?|streamed|buffers?|buffered|computes?|computed|invalidates?|invalidated|
  implements?|implemented|registers?|registered|deletes?|deleted|updates?|updated|inserts?|doubles?|bypasses|bypassed|speaks?|advertises|
  negotiates|lets?|omits?|omitted|assigns?|assigned|copies|copied|encodes?|decodes?|authenticates?|targets?|satisfies|it's|that's|
  there's|they're|we're|you're|'s)\b""", re.I | re.X)

_IDENTIFIER = re.compile(r"`[^`]+`|\b\w+\.\w{2,}\b|\b[a-z]+[A-Z]\w+|\b[A-Z][a-z]+[A-Z]\w*|\b\w+_\w+|(?<!\w)--?[a-z][\w-]+|\bv?\d+\.\d+[\w.]*|"
                         r"\b[A-Z]{2,}[0-9]*\b|\b[A-Z][a-z]+-[A-Z]\w+|\b[a-z]+-[a-z]+(?:-[a-z]+)*\b|#\d+|\b[45]\d\d\b")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}")


def identifiers(text: str) -> list[str]:
    """The specific things a sentence names: code, flags, versions, compounds, acronyms, proper names."""
    return _IDENTIFIER.findall(text) + _NAME.findall(text)


def code_share(text: str) -> float:
    """The share of a sentence's characters that is code, paths or symbols."""
    code = sum(len(m) for m in re.findall(r"`[^`]+`|\S*[/\\_{}=<>$]\S*", text))
    return code / max(1, len(text))


def refused(text: str, by_user: bool = False) -> str:
    """Why a sentence cannot be kept as it stands, in a word; '' when it can."""
    if not SHORTEST <= len(text) <= LONGEST:
        return "length"
    if "?" in text.rstrip("\"'”)`")[-1:] or re.search(r"\?(?:\s|$)", re.sub(r"`[^`]*`", "", text)):
        return "question"
    if _ENDS.search(text):
        return "unfinished"
    if _LITTER.search(text):
        return "litter"
    if not by_user and not re.search(r"[.)\]`\"”'。]$", text) and len(wl.content_words(text)) < 8:
        return "unfinished"
    if len(wl.content_words(re.sub(r"`[^`]*`", " x ", text))) < SHORTEST_WORDS:
        return "short"
    if code_share(text) > 0.5:
        return "code"
    if text.count("(") != text.count(")") or text.count("`") % 2 or text.count('"') % 2:
        return "unbalanced"
    if by_user:
        return _refused_of_user(text)
    return _refused_of_assistant(text)


def _refused_of_assistant(text: str) -> str:
    body = _LEADS.sub("", text)
    bare = re.sub(r"`[^`]*`|\"[^\"]*\"|“[^”]*”", "X", text)
    for reason, pattern, subject in (
            ("leans", _OPENS, text), ("turn", _TURN, text), ("leans", _OPENS, body), ("turn", _TURN, body), ("self", _SELF, bare),
            ("address", _ADDRESS, bare), ("here", _HERE, bare), ("hedge", _HEDGE, bare), ("praise", _PRAISE, bare),
            ("status", _STATUS, text)):
        if pattern.search(subject):
            return reason
    if not _FINITE.search(bare):
        return "no verb"
    if leans_on_before(bare):
        return "leans"
    return ""


_USER_CHATTER = re.compile(r"\b(?:this|that'?s?|these|those|above|below|here|again|btw|lol|thanks|thank you|hey|sorry|ok|okay|yes|yeah|yep|hm+|"
                           r"oh|commit and push|go ahead|continue|keep going|can you|could you|would you|i think|i guess|not sure|i wonder|"
                           r"maybe|let me know|as well|the (?:first|second|other|last) one|one|it)\b|^(?:no|nah|na|and|but|so|also|or|then|"
                           r"just|you|they|he|she|what|why|how|when|is|are|do|does|did|has|was)\b|[?]|\b(?:fuck\w*|shit\w*|stupid|damn)\b", re.I)


def _refused_of_user(text: str) -> str:
    if _USER_CHATTER.search(re.sub(r"`[^`]*`", "X", text)):
        return "leans"
    return "" if _FINITE.search(text) or _IMPERATIVE.search(text) or _RULE.search(text) else "no verb"


def leans_on_before(bare: str) -> bool:
    """A pronoun stands where nothing in the sentence has been named yet that it could stand for."""
    match = _NEEDS_NOUN.search(bare)
    if not match:
        return False
    before = wl.content_words(bare[: match.start()])
    return len(before) < 2 and not re.search(r"`|X", bare[: match.start()])


# ------------------------------------------------------------------ halls

_DISCOVERY = re.compile(r"""\b(?:root\scause|turn(?:s|ed)\sout|the\s(?:real|actual|underlying|true)\s(?:cause|reason|
  problem|issue|bug)|caused\sby|
  was\scaused|(?:is|was|are|were)\s(?:due\sto|because)|never\s(?:\w+ly\s)?(?:attached|called|set|reached|returned|fired|matched|ran|run|read|used|
  closed|checked|sent|happens?|worked|written|populated|invoked|cleared|updated)|silently|despite|contrary\sto|mismatch|race\scondition|
  deadlock\w*|regress(?:ion|ed|es)|leak(?:s|ed|ing)?|swallow(?:s|ed)|double[sd]?-|stale|corrupt\w*|overwr(?:ites?|ote|itten)|
  (?:broke|breaks|failed|fails|failing|crashe[sd]|hung|hangs|rejected|rejects|errors?|missed|misses|drops|dropped|lost|blocked|returns?\s\w+\sinstead)
  \b[^.]{0,80}\b(?:because|since|when|due\sto|as|if|on|with|after|unless|for|without)|because\b[^.]{0,80}\b(?:fail|broke|reject|crash|error|hang|
  time|leak|los[et]|miss|wrong|never|null|nil|None|empty|not)\w*|wasn't|weren't|isn't\s(?:actually|really)|doesn't\s(?:actually|really)|
  found\sthat|discovered|revealed|shows\sthat|showed\sthat|proved|proves|no\slonger|the\s(?:bug|culprit|problem)\s(?:was|is)|
  incorrectly|wrongly|mistakenly|unexpectedly|accidentally|bug\sin)\b""", re.I | re.X)
_FACT = re.compile(r"""\b(?:is|are|uses|requires|supports|returns|sends|stores|contains|accepts|expects|depends\son|
  only\s(?:works|applies|runs|
  accepts|supports|covers|affects|when|if|for)|by\sdefault|defaults?\sto|means\s(?:that\s)?|because|so\sthat|unless|has|have|lives\sin|
  handles|treats|maps|inherits|belongs|cannot|can't|does\snot|doesn't|do\snot|don't|ignores|keeps|reads|writes|calls|resolves|
  wraps|exposes|implements|extends|consists|never|always|equals|takes|provides|allows|enables|follows|runs|holds|carries|
  falls\sback|skips|rejects|matches|applies|works|lets|gives|needs)\b""", re.I | re.X)
_ADVICE = re.compile(r"""\b(?:(?:should|must|ought\sto)(?!\s(?:now|work|pass|see|have|fail))|avoid(?!s|ed)|
  make\ssure|be\scareful|ensure\s(?:that\s)?|prefer(?!red|s)|never\s\w+|always\s\w+|
  instead\sof|rather\sthan|recommend(?:ed|s)?|best\spractice|needs?\sto\sbe|don't|do\snot|better\s(?:to|than)|safer|
  only\suse|use\s`[^`]+`\s(?:when|for|to|instead|over)|watch\sout|beware)\b""", re.I | re.X)
_ADVICE_STRONG = re.compile(r"""\b(?:(?:should|must)\s(?:not|never|always|be|use|only|stay|keep|live|go|match|remain|
  return|include|carry|run|call|set|hold|happen|treat|do|
  come|move|check|take)|avoid\s|make\ssure|be\scareful|best\spractice|recommended|beware|watch\sout|never\suse|always\suse|prefer\s|instead\sof)\b""", re.I | re.X)
_EVENT = re.compile(r"""\b(?:(?:was|were|is|are|got|been|has|have)\s(?:now\s)?(?:merged|released|deployed|migrated|
  shipped|published|upgraded|bumped|
  renamed|reverted|dropped|adopted|split|moved|removed|replaced|decided|archived|tagged|rewritten|closed|introduced)|merged\s(?:into|as|via|to|in)|released\s(?:as|in|with|v)|
  deployed\sto|decided\s(?:to|on|against)|switched\s(?:from|to)|migrated\s(?:from|to)|upgraded\s(?:from|to)|renamed\s(?:from|to)|moved\s(?:from|to|into)|
  v?\d+\.\d+(?:\.\d+)?\s?(?:→|->|to)\s?v?\d+\.\d+)\b""", re.I | re.X)
_EVENT_OPENS = re.compile(r"""^(?:fixed|bumped|upgraded|migrated|renamed|replaced|released|merged|removed|switched|
  reverted|dropped|deployed|published|moved|
  split|converted|rewrote|introduced|consolidated|extracted)\b""", re.I | re.X)
_TOOLS = (r"git|gh|go|gofmt|golangci-lint|npm|npx|pnpm|yarn|node|deno|bun|bunx|pip|pipx|uv|uvx|python3?|pytest|ruff|mypy|pyright|ty|poetry|cargo|rustc|rustup|"
          r"make|cmake|just|mise|docker|docker-compose|podman|kubectl|helm|terraform|ansible|aws|gcloud|az|brew|apt|apt-get|curl|wget|ssh|scp|rsync|"
          r"sed|awk|grep|rg|jq|find|xargs|tmux|systemctl|crontab|psql|sqlite3|redis-cli|mysql|claude|codex|act|goreleaser|eslint|prettier|tsc|vite|"
          r"vitest|jest|playwright|cypress|webpack|esbuild|rails|bundle|rake|mvn|gradle|gradlew|dotnet|swift|xcodebuild|flutter|composer|php|vercel|"
          r"wrangler|fly|heroku|pre-commit|shellcheck|openssl|launchctl|timeout|journalctl|lsof|chmod|bash|sh|zsh|tauri|alembic|black|tox|nox")
_COMMAND = re.compile(r"`(?:[A-Z_]+=\S+ )*(?:" + _TOOLS + r")(?: [^`]+)?`|`--?[a-z][\w-]*(?:[= ][^`]+)?`|`[A-Z][A-Z0-9]+_[A-Z0-9_]+(?:=[^`]*)?`")
_TOOL_VERB = re.compile(r"""\b(?:run|runs|running|use|uses|using|install|installs|installed|pass|passing|set|sets|
  setting|flag|flags|command|option|works|enables|
  disables|prints|accepts|requires|needs|invoke|invokes|alias|env|environment|configure|shows|lists|creates|writes|reads|skips|supports|defaults|
  build|builds|checks|generates|takes|exports|via|by\sdefault|dry-run|gives|overrides|controls)\b""", re.I | re.X)
_RULE = re.compile(r"""\b(?:always|never|prefer|i'd\sprefer|i\sprefer|i'd\srather|don't\s(?:use|want|like|add|commit|
  push|need|do|make|create|write|
  include|mention|touch|change)|do\snot\s(?:use|want|like|add|commit|push|need|do|make|create|write|include|mention|touch|change)|
  we\sdon't|we\snever|we\salways|instead\sof|rather\sthan|avoid|make\ssure|be\ssure|must\s(?:not|be|have|use|never|always)|only\suse|stick\s(?:to|with)|
  keep\s(?:it|the|things|everything|in\smind)|no\sneed\s(?:to|for)|should\s(?:always|never|only|not|be|use|have)|want\s(?:to\s(?:keep|avoid|use|
  stay|be\sable)|the|a|all)|i\s(?:like|hate|dislike|love)|i'd\slike\s(?:to\s(?:still|keep|use|avoid|have|match|stay)|the)|not\sa\sfan|
  (?:i'm|i\sam)\s(?:fine|okay|ok|happy|concerned|more\sconcerned|most\sconcerned)\s|let's\s(?:use|keep|stick|avoid|not|go\swith|always|never)|
  use\s[\w`./-]+\s(?:for|not|and\snot|instead|over)|without\s(?:adding|breaking|changing|using)|i\sdo\snot\swant|important\s(?:that|to))\b""", re.I | re.X)
_WHY = re.compile(r"\b(?:because|since|so that|so the|so it|which means|which (?:is|makes|lets|gives|causes|keeps|can)|unless|otherwise|only (?:when|if|for|works)|due to|in order to|"
                  r"to avoid|to prevent|rather than|instead of|by default|even (?:when|if|though)|without|whereas|while|but|not|never|until|when|if)\b", re.I)


@functools.lru_cache(maxsize=8192)
def hall_scores(text: str, by_user: bool = False) -> tuple[tuple[str, float], ...]:
    """(hall, strength of its cues) for a sentence that can stand alone, strongest first; empty when it has none."""
    if by_user:
        return (("preference", 3.0),) if _RULE.search(text) else ()
    found: dict[str, float] = {}
    bare = re.sub(r"`[^`]*`", "X", text)
    if hits := len(_DISCOVERY.findall(bare)):
        found["discovery"] = 1.4 + 0.6 * min(hits, 3)
    if _ADVICE.search(bare):
        found["advice"] = 2.2 if _ADVICE_STRONG.search(bare) else 1.2
    if _EVENT.search(bare) or _EVENT_OPENS.search(text):
        found["event"] = 1.7
    commands = len(_COMMAND.findall(text))
    if commands and _TOOL_VERB.search(bare):
        found["tooling"] = 1.3 + 0.4 * min(commands, 2)
    if _FACT.search(bare):
        found["fact"] = 1.2 + 0.4 * min(2, len(_WHY.findall(bare)))
    return tuple(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def explains(text: str) -> int:
    """How many connectives of reason or condition a sentence has."""
    return len(_WHY.findall(text))


def is_fragment(text: str, item: bool) -> bool:
    """A list item that is an order or a clause without its subject ('Removed the flag', 'Check the cache')."""
    return bool(_PAST.match(text) or (item and _IMPERATIVE.match(text)))


def is_event_fragment(text: str) -> bool:
    """A subjectless report that still reads alone: what was changed, to what or why ('Bumped `x` 1.2 → 1.3 because ...')."""
    return bool(_EVENT_OPENS.match(text)) and len(identifiers(text)) >= 2 and bool(
        re.search(r"→|->|\b(?:because|so that|so|by|instead of|from|with|to avoid|since|due to|in favou?r of|into|as)\b", text))
