"""The words that tell a sentence's worth, as lists one can read and extend.

Each entry is a phrase: '_' stands for a space, '*' for any ending, '%' for a number, '~' for any word; (a|b) are alternatives.
"""

# A sentence that opens with one of these points at something said before it.
POINTS_BACK = """
this that these those it its it's they they're their them he she his her here here's such neither same similarly likewise
either another
each_of one_of_(them|these|those) my your our
there(_is|_are|'s)_(one|two|three|also|still|no|a_(subtle|small|few|couple|second|third))
the_(former|latter|other|others|rest|same|first|second|third|last|following|above|below|next|only|two|three|four|five|six|key|main|actual)
the_(biggest|bigger|big|remaining|most|new|newer|old|older|current|existing|original|cleanest|simplest|fastest|easiest|safest|best|right)
the_(real|honest|short|bottom|net|exact|entire|whole|important|one|full|fuller|underlying|high|low|medium|practical|interesting|other)
the_(separate|theoretical|core|central|critical|crux|upshot|takeaway|point|bit|part|piece|thing|things|previous|earlier|latest|relevant|proposed)
the_(suggested|recommended|requested|corresponding|resulting|updated|final|initial|failing|broken|affected|conceptual|general|specific)
the_(missing|fundamental) the_~_changes
the_(typical|usual|common|obvious|likely|tradeoff|tradeoffs|trade-off|trade-offs|diagnosis|theory|hypothesis|reviewer|author|user|coworker)
"""

# 'The' and one of these alone is as good as 'it'; with a name behind it ('the test `x`', 'the build of Y') it is not.
BARE_NOUNS = """
fix fixes change changes issue issues problem problems test tests code error errors failure failures bug bugs function
functions method
methods implementation approach result results output outputs answer reason cause review branch pr commit commits comment
comments diff
difference differences solution idea plan rule goal catch work build lint linter suite file files script scripts command
commands line lines
check checks helper helpers update updates refactor refactoring rewrite claim question risk gap option options upside downside
benefit cost
effect consequence logs log trace message messages data field fields value values list table section split shape pattern path
paths design
decision system feature project repo repository name names version versions finding findings logic flow structure migration
rename title body
description worktree tree agent agents task tasks summary report document documents doc docs wording phrasing framing behavior
behaviour story
concern case cases condition assertion assertions mock fixture coverage evidence codebase template sentence paragraph link
button page
element component parameter argument flag flags type types class interface dependency dependencies package packages module
library config
configuration setup image header headers request requests response loop block step steps phase variable object wrapper
server client app
application workflow job process environment prompt text content layout style styling screen view panel entry entries item
items number
numbers count state status order index query schema model distinction mechanism guard rest run pass call caller callers caveat
example setting settings picture
"""

# A sentence that opens with one of these continues, answers, reports or announces.
TURNS = """
and but so or nor yet also then however otherwise instead therefore thus hence meanwhile additionally furthermore moreover
still besides plus
too again alternatively conversely accordingly consequently finally lastly first second third firstly secondly next now
once_(that|this|it)
(after|before|with|without|for|at|by|in|on|from|given|despite|until|since|unlike|under|beyond)_(that|this|these|those|it|them)
with_the_(fix|change|patch|rewrite|refactor)
in_(both|each|either|other|short|summary|practice|fact|addition|theory|particular|principle|general|contrast) on_(top|balance)
for_(now|example|instance|reference|context|completeness|the_record) on_the_other
as_(a_result|such|for|expected|noted|mentioned|before|you|we)
as_(discussed|planned|requested|always|is) by_(contrast|the_way)
to_(be_clear|summari*|recap|clarify|make_sure|be_safe|be_fair|be_honest)
to_be_precise to_answer rather overall basically essentially literally actually honestly frankly concretely specifically
notably importantly
interestingly unfortunately fortunately luckily apparently presumably hopefully maybe perhaps probably likely sure ok okay yes
yeah yep nope
right correct exactly agreed done great good nice perfect excellent awesome thanks thank sorry hmm ah aha oh wow well got_it
understood
confirmed verified fair worth not_(a|an|the|primarily|yet|sure|quite|only|just|strictly|really) ditto status summary update
remember recall
recap question quick side small tiny minor
one_(more|last|caveat|thing|small|note|edge|nit|gap|detail|question|other|subtle|point|minor|risk)
two_(things|small|more|notes|options|ways|minor|follow|real|caveats|possible|separate|distinct) three_(things|options|ways|more)
a_(few|couple|quick|small|minor|subtle|cleaner|better|simpler|test|safer|separate|follow) some_of
all_(of_(the|this|these|those|it)|done|good|set)
all_(three|four|five|six|the) which where who whose whether why how because like eg e.g i.e etc via per_(your|my|our) given
looking based assuming_(you|that|this) going moving checking running reading reviewing working starting trying adding fixing
updating writing
implementing building testing committing pushing making creating continuing investigating waiting switching applying verifying
rerunning
re-running digging tracing thinking pulling kicking doing taking getting opening comparing scanning inspecting searching
using_(this|that)
want wanted would_(you|be) should_(i|we|you) shall can_(you|we|i) could_(you|we|i) may_(i|we) do_(you|we) does did is are was
were will
have_(you|we) has had if_(you|we|not|so|that|this|it|i|they|needed|wanted|anything) when_(you're|i|this|that|it)
until_(then|that|this) tl;dr
net bottom_line recommendation recommended suggestion verdict proposal proposed follow-up followup todo note nit caveat nb fyi
btw ps optional
deferred skipped out_of_scope part_of based_on pre-existing separately noted unrelated
what_(changed|i|you|it|this|that|we|happened|remains|was)
(step|phase|option|task|item|part|round|attempt|claim|approach|scenario|case|point|finding|issue|bug|problem|goal|plan|idea|question)_(%|[a-d])
(high|medium|low|critical|blocker|major|minor|info|severity|priority): fails works passes seems looks appears sounds
already new a_tiny the_%_case when_(true|false|set|unset) two_cases the_alternative the_reasoning without_the_block question
tradeoff trade-off
unreachable total total_~
constitution_check
what's what's_(still|left|missing) (to|for)_(get|work)_around_(it|this|that) please you_can_now you_can
(so|and)_(yes|no|far) if_(yes|no|both|neither|either|true) more less better worse faster slower cheaper earlier later doesn't
don't isn't
can't won't didn't no line_% lines_% takeaway what tests: test: fix: fixes: coverage: docs: bonus* benefit: loses: wins: chosen
defensive cosmetic existing existing: short_answer
short_version fix_is fix_for
the_(one-sentence|one-line|two|fix:)
both_(are|were|have|use|mean|work|need|can|of|losses|sides|halves|results|bugs|fixes|changes|cases|options|paths_are)
(nice|good|bad|real|known|possible|likely|expected|actual|desired|current|new|old|remaining|minor|final)_ behavior* behaviour*
(change|changes|scope|impact|effort|how|what|where|when|result|results|output|setup|example):
(examples|approach|layout|structure|state|verdict|severity|confidence|evidence|repro|pros|cons):
(alternative|alternatives|resolution|mitigation):
"""

# The writer speaks of themselves or of the two of them.
SELF = """
i i'm i’m i'll i’ll i've i’ve i'd i’d me my mine myself let's let’s let_me lemme we'll we’ll
we_(can|could|need|want|have|did|just)
we_(discussed|are_going|already|also) we're_going we've we’ve we'd
"""

# The writer speaks to the person.
ADDRESS = """
you_(asked|said|want|wanted|mentioned|pointed|noted|explicitly|described|showed|pasted|already|might_want|may_want|were|did|see|saw|prefer)
you_(like|decide|think|thought|meant|need_to_decide|linked|shared|flagged|suggested|raised|hit|gave|made|ran|told|have_two|just|are_right|end_up)
you're you’re you've you’ve you'll you’ll you'd you’d
your yours you_need
want_me would_you shall_i tell_me happy_to feel_free say_the_word give_me ping_me ready_(to|for) good_to_go up_to_you go_ahead
"""

# The sentence needs the screen, the change or the talk it was said in.
BOUND = """
this these those
as_(above|below|follows|mentioned|noted|discussed|described|requested)
(see|listed|described|mentioned|shown|noted|outlined)_(above|below|earlier|here)
so_far the_following right_now just_now at_this_point in_flight next_step
(in|over|via|from|to|at|by|into|through|on|for|of|with)_that_~ test_server test_servers
the_other_(two|three|one|ones|side|half)
the_other_(finding|findings|option|options) option_(%|[a-d])
(finding|comment|point|claim|item|step|phase|task|batch|slice|review)_%
(findings|comments|points|claims|items|steps|phases|tasks|finding|comment)_#%
the_user_(wants|asked|said|is) the_reviewer the_failing the_failed the_former the_latter out_of_scope follow-up follow-ups
followup scope_call next_(slice|pass|tranche|round)
tranche still_open remaining_(work|gap|item|issue|piece)* not_yet todo tbd
worth_surfacing worth_(flagging|noting|knowing|a|doing|mentioning|it|keeping|fixing|confirming)
worth_(checking|considering|calling) in_this_(repo|session|pass|round)
the_(review|memo|plan|issue|audit|spec|doc|brief|ticket)_(says|said|asks|asked|notes|lists|claims)
the_(diff|patch|commit|pr|branch) since_the_(review|last) no_action post-fix pre-fix as_of_now
the_(pr|branch|diff)_(comment|review)*
at_the_moment strong_signal obvious_(addition|next|fix|follow-up) they'd while_we're
ahead_% future_(code|callers|caller|work|changes|paths) (that|which)_(confirms|proves|rules) functionally_fine
(is|are)_fine works_fine has_to_give
the_(two|three|four|five)_(named|listed|given) (single|only|one)_remaining ongoing
the_new_(path|code|flow|behavior|behaviour|version|logic|approach|design|tests|test|rule|check|field|helper|function|implementation)
"""

# Words that often need the moment they were said in, but not always: each costs a little.
DATED = """
here yet currently today the_new the_old symptom such_(a|an) above below earlier previously now still already will any_more
anymore
"""

# Talk about the work of reviewing and changing rather than about the thing.
WORKSHOP = """
reviewer reviewers finding findings nit nits comment comments pr_#% prs pull_request commit_`~` copilot codex_review smoke_test
smoke_tests unit_test unit_tests integration_test integration_tests e2e asymmetry folded_into no_tags
insertions deletions checklist checklists follow-up assert* testmain
the_~_test_(sets|seeds|uses|checks|guards|pins) tests_(use|cover|pin|check|verify)
the_tests the_test test_files coverage (in|of|out_of)_scope unfixable agent_% correctly_~
harmless confirmed_(both|all|that|by) no_current_gain simplif* section_is_needed exhaustive mediums lows highs gated_e2e_*
no_current_gain (is|are)_sound dead_code cleanup cosmetic this_pr rebase rebased stash stashed worktree doc_comment docstring
nolint changelog task_% phase_% test_case
"""

# What a follow-up sentence may open with when it is kept together with the sentence it leans on.
FOLLOWS = """
it its it's they their that that's so therefore otherwise instead both neither this these
"""

DECISION = """
we_(decided|chose|agreed|settled|rejected|picked|opted|stayed|stay|dropped) decided_(to|on|against)
(was|were)_(rejected|chosen|decided)
the_decision decision: chosen_because chose settled_on
"""

# A guess, a wish, a plan.
HEDGES = """
seems seem seemed appears_to appear_to looks_like look_like might maybe perhaps probably presumably likely unlikely possibly
suggests suggest suspect
suspected speculation speculat* or_should haven't_(proven|verified|confirmed|tested|checked)
(once|when|until|after)_#%_(merges|lands|ships) guess guessing
i_think not_sure unclear unsure could_be may_be may_have apparently hopefully arguably hypothes*
assume assuming
theor* (until|once|when)_the_~_(pr|change|fix|branch)_(lands|merges|is_merged)
should_(now|work|be_fine|be_fixed|be_good|be_ok|be_safe|be_enough|be_resolved|be_ready|be_able_to|also_work|see|pass)
could_(also|add|use|do|make|have|just|either|in|still|become|turn|return|keep|instead|then|get) going_to
will_(need|now|also|want|be_able) tbh imo
kind_of sort_of if_not either_way unless_you until_you roughly if_it_(does|is|turns) if_so worst_case to_be_sure plan_to
plans_to we_don't_know don't_know_(if|whether)
i_believe supposedly allegedly candidate one_option another_option alternatively
"""

# What would happen otherwise: a guess or a wish, unless the sentence gives the reason something was decided for.
WOULD = """
would wouldn't
"""

# The state of the work rather than of the world.
STATUS = """
successfully a_separate_(problem|issue|bug) (is|are)_all_(green|clean|good|passing|done) (branch|main|head)_is ahead_of
saved_to_`~`
all_%_(issues|tasks|items|tests|files|findings|comments) no_regression* no_behavior_change no_behaviour_change
(working|works|behaves)_as_(expected|intended|designed)
as_expected ready_to in_progress
(is|are)_(done|complete|in|in_place|running|being|committed|staged|pushed|open|ready|green|clean|merged_now|up_to_date|in_sync|finished|unchanged)
build_(succeeded|completed) (release|bundle)_completed now_complete fully_complete (is|are|now)_in_place landed_in
committed_(as|in|and|on) pushed drafted up_to_date co-authored
all_set no_conflicts
now_(properly|correctly) (compiles|compiled|builds|lints|passes|typechecks)_(clean|cleanly|fine|now|successfully)
(tests|lint|build|vet|suite|ci|checks)_(pass|passes|passed|clean|green|stay)
(lint|build|vet|ci|suite|typecheck|working_tree|tree|everything|gofmt)_(is|are|was|stays|stay|now)_(clean|green|fine|good|happy|passing)
(added|updated|wrote|new)_(%|a|the|some|more|two|three|unit|regression)_(test|tests|regression*) regression_test
regression_tests new_tests (%)_(passed|failed|failing|failures)
"""

# Praise and colour: no memory rests on it.
PRAISE = """
elegant beautiful* robust comprehensive seamless* powerful maintainab*
well-(thought|structured|constructed|documented|tested|designed|written)
well_(thought|structured|constructed|documented|tested|designed|written) great excellent impressive nicely nice solid thorough*
smooth* user-friendly
professional high-quality high_quality best-in-class production-ready much_(cleaner|simpler|better|easier|nicer|more) cleaner
legit legitimate sensible
good_(call|catch|question|point|shape|idea|news) right_(split|call|shape|move|answer|altitude|owner|thing|scope|tool)
clean_(and|separation|design) consistent_experience a_ton tons_of a_lot kinda weird weirdly ugly sloppy stuff gross annoying
funny fun magic basically essentially_free for_free intuitive modern excited
love perfect delightful
"""

PAST = """
added updated changed removed fixed created implemented replaced moved renamed refactored wired extracted introduced rewrote
cleaned simplified switched
committed pushed merged opened ran made converted improved extended dropped reverted rebased bumped set kept used tested
verified checked documented
split folded deleted adjusted tightened promoted exposed reworked collapsed consolidated corrected enabled disabled passed
returned found saved built
wrote put reused restored resolved addressed maintained preserved ensured handled applied migrated upgraded released deployed
published inlined hoisted
pinned routed threaded unified swapped annotated filed posted replied reset squashed amended left gave took got went did caught
covered configured
installed generated parsed supported provided reduced increased eliminated integrated enhanced included rewired reordered
normalized stripped marked
updates highlights lists adds removes fixes creates replaces moves renames makes ensures handles uses returns shows provides
supports includes
gets sets keeps allows
drops runs takes builds reads writes sends calls validates verifies covers avoids prevents catches picks falls throws parses
loads stores wraps matches
requires needs means works only just fails breaks lets gives goes comes stays lives sits exits prints emits rejects accepts
ignores skips treats
contains depends tells says exposes registers computes tests asserts clears closes opens starts stops waits retries resolves
extends inherits
collapses turns
"""

ORDERS = """
add update change remove fix create implement replace move rename refactor wire extract introduce rewrite clean simplify switch
commit push merge open
make convert improve extend drop revert rebase bump keep test verify check document split fold delete adjust review look read
investigate confirm consider
continue start stop try see note decide pick choose define design build write put show find search list explain describe
analyze analyse identify
provide return go take get give do leave let import export parse handle support allow enable disable validate generate compute
track mark land ship file
ask tell report ensure align tighten audit stage draft capture reproduce expose promote treat turn tune walk wait reuse store
cache compare resolve
mirror fetch iterate summarize summarise collect save apply gate guard plumb thread hoist normalize surface pass use run set
avoid standardize skip
require prefer wrap augment surface prepend append shorten relax expand detect migrate stay adopt upgrade downgrade install
configure inject lower raise cap limit retry count record fail carry strip route
"""

# Finite verbs (auxiliaries are added by the code), so that a noun phrase does not pass for a sentence.
VERBS = """
need use return require support send get set take make keep run fail break work mean cause store read write call expect accept
reject ignore skip drop
lose leak block hold depend belong live stay remain start stop fall go come give show treat handle match contain include
provide define create add
remove replace change move produce generate prevent allow enable disable throw raise emit print render resolve convert wrap
check verify validate expose
apply inherit override overwrite report reflect map point refer reset mirror push pull fetch merge commit release ship land
prefer avoid ensure cost save
lack want carry decide determine trigger follow lead yield serve load parse compare count track extend collapse survive differ
exit hang crash wait retry
reuse share pass pick assume rely surface swallow flatten hide turn become sit cover test install deploy upgrade rename migrate
reach close open build
compile bump fix exist affect solve prove confirm forward stream buffer compute invalidate implement register delete update
insert double bypass speak
advertise negotiate let omit assign copy encode decode authenticate target satisfy walk sort scan warn sign strip rewrite tag
trim truncate flush poll
publish subscribe queue schedule log cache index search filter group escape quote hash encrypt decrypt mount bind listen
connect retain own import
export load unload fork spawn kill leave say tell begin end contain honor honour respect enforce rotate expire limit cap
throttle help consume sleep demand win answer look stand bear
"""
IRREGULAR = """
is isn't are aren't was wasn't were weren't has hasn't have haven't had do does doesn't don't did didn't can can't cannot could
couldn't will won't would
wouldn't should shouldn't must may sent got took made kept ran broke meant read wrote lost held fell went came gave showed
threw led became sat built let
spoke knew chose hid hung said told began left slept spun wound it's that's there's they're we're you're
"""

# ---------------------------------------------------------------- cues of the halls

DISCOVERY = """
root_cause turns_out turned_out the_(real|actual|underlying|true)_(cause|reason|problem|issue|bug) caused_by was_caused
(is|was|are|were)_(due_to|because)
never_(attached|called|set|reached|returned|fired|matched|ran|run|read|used|closed|checked|sent|happens|worked|written|populated|invoked|cleared|updated)
silently despite contrary_to mismatch race_condition deadlock* regression regress* leak leaks leaked leaking swallow swallows
swallowed stale corrupt*
overwrites overwrote overwritten wasn't weren't isn't_(actually|really) doesn't_(actually|really) found_that discovered
revealed shows_that showed_that
proved proves no_longer the_(bug|culprit|problem)_(was|is) incorrectly wrongly mistakenly unexpectedly accidentally bug_in
bug_where broke crashed hung
fails_(because|when|if|with|on|unless|without) failed_(because|when|with|on) rejected_(because|when|with) rejects breaks
crashes hangs drops loses
misses undetectable indistinguishable double-* off-by-one undocumented limitation workaround only_works nil_pointer hardcoded
"""
ADVICE = """
should_(not|never|always|be|use|only|stay|keep|live|go|match|remain|return|include|carry|run|call|set|hold|happen|treat|do|come|move|check|take|have|avoid)
should_(exist|point|refuse|reject|default|follow|get|mean|own|fail|also|rely|share)
must_(not|be|never|always|use|stay|keep|match|have|run|call|set|include)
shouldn't mustn't be_careful best_practice recommended recommends beware watch_out never_use always_use always_run
prefer_(`|the|a|to|using|an)
safer_to better_to it's_(safer|better)_to avoid_(using|the|a|adding|calling)
don't_(use|rely|assume|add|call|mix|commit|forget|run) do_not_(use|rely|assume|run)
needs_to_be need_to_be has_to_be
"""
EVENT = """
(was|were|got|been|has_been|have_been)_(merged|released|deployed|migrated|shipped|published|upgraded|bumped|renamed|reverted|dropped|adopted|split|moved)
(was|were|got|been|has_been|have_been)_(removed|replaced|decided|archived|tagged|rewritten|closed|introduced|deprecated|rejected|approved)
merged_(into|as|via|to|in) released_(as|in|with) deployed_to decided_(to|on|against) switched_(from|to) migrated_(from|to)
upgraded_(from|to) renamed_(from|to)
moved_(from|to|into) bumped_(from|to) introduced_in
"""
REPORTS = """
fixed bumped upgraded migrated renamed replaced released merged removed switched reverted dropped deployed published moved
split converted rewrote
introduced consolidated extracted
"""
FACT = """
is are uses requires supports returns sends stores contains accepts expects depends_on
only_(works|applies|runs|accepts|supports|covers|affects|when|if|for)
by_default defaults_to default_to means because so_that unless has have lives_in handles treats maps inherits belongs cannot
can't does_not doesn't do_not
don't ignores keeps reads writes calls resolves wraps exposes implements extends consists never always equals takes provides
allows enables follows
runs holds carries falls_back skips rejects matches applies works lets gives needs drops fails emits produces prints creates
"""
WHY = """
because since so_that so_the so_it which_(is|makes|lets|gives|causes|keeps|can|means|breaks|would) unless otherwise
only_(when|if|for|works) due_to in_order_to
to_(avoid|prevent|keep) rather_than instead_of by_default even_(when|if|though) without whereas while but not never until when
if
"""
TOOL_VERBS = """
run runs running use uses using install installs installed pass passing set sets setting flag flags command option works
enables disables prints accepts
requires needs invoke invokes alias env environment configure shows lists creates writes reads skips supports defaults build
builds checks
generates takes exports via by_default dry-run gives overrides controls catches lets forces
rewrites formats fixes restarts
"""
PROGRAMS = """
git gh go gofmt golangci-lint npm npx pnpm yarn node deno bun bunx pip pipx uv uvx python python3 pytest ruff mypy pyright ty
poetry cargo rustc rustup make
cmake just mise docker docker-compose podman kubectl helm terraform ansible aws gcloud az brew apt apt-get curl wget ssh scp
rsync sed awk grep rg jq find
xargs tmux systemctl crontab psql sqlite3 redis-cli mysql claude codex act goreleaser eslint prettier tsc vite vitest jest
playwright cypress webpack
esbuild rails bundle rake mvn gradle gradlew dotnet swift xcodebuild flutter composer php vercel wrangler fly heroku pre-commit
shellcheck openssl
launchctl timeout journalctl lsof chmod bash sh zsh tauri alembic black tox nox
"""

# ---------------------------------------------------------------- a person's own rules

RULES = """
prefer i'd_prefer i_prefer i'd_rather
don't_(use|want|like|add|commit|push|make|create|write|include|mention|touch|change)
do_not_(use|want|like|add|commit|push|make|create|write|include|mention|touch|change) we_don't_(use|want|support)
we_never we_always
avoid make_sure be_sure must_(not|be|have|use|never|always) only_use stick_(to|with) keep_(it|the|things|everything|in_mind)
no_need_(to|for)
should_(always|never|only|not|use|be|stay) from_now_on want_to_(keep|avoid|use|stay|match) i_(like|hate|dislike|love)
i'd_like_to_(still|keep|use|avoid|have|match|stay|support)
not_a_fan i'm_(fine|okay|ok|happy|concerned|more_concerned)_with let's_(use|keep|stick|avoid|not|go_with|always|never|switch)
use_~_(for|not|and_not|instead|over) without_(adding|breaking|using) i_do_not_want important_(that|to) i'd_go_with
"""
CHATTER = """
that's thats above below again btw lol thanks thank_you hey sorry ok okay yes yeah yep hmm oh
commit_and_push go_ahead continue
keep_going can_you could_you would_you i_think i_guess not_sure i_wonder maybe let_me_know as_well
let's_say suppose imagine just_investigation
the_(first|second|other|last)_one i_did
i_ran i_just i_see i_got i_checked i_tried i've fuck* shit* stupid damn
"""
CHATTER_OPENS = """
no nah na also or otherwise push commit open merge rebase it this these those they just you they he she what why how when is
are do does did has was review
check
verify look
read find explain describe
"""

# ---------------------------------------------------------------- what holds no longer at a session's end

# A defect told in the present tense: it holds until somebody works on it.
DEFECT = """
fails hard-fail* leak leaks leaking breaks crashes hangs loses misclassifies misclassified swallows discards discarding
missing lacks stale unclosed bug bugs mistake wrong wrongly incorrectly broken redundant mismatch mismatched inconsistent unsafe
only_fires fires_only silently without_closing linger lingers vulnerable defect gap oversight unnecessary unused
does_not_(match|handle|check|guarantee|close|cover|validate|set|reset|cancel|propagate|respect|honour|honor)
doesn't_(match|handle|check|guarantee|close|cover|validate|set|reset|cancel|propagate|respect|honour|honor)
do_not_(match|handle|check|guarantee|close|cover|validate) don't_(match|handle|check|guarantee|close|cover|validate)
is_not_(checked|closed|covered|handled|assignable|set|tested|validated|enforced)
isn't_(checked|closed|covered|handled|assignable|set|tested|validated|enforced)
never_(checked|closed|set|read|called|cleared|made|reset|used|reached|populated|cancelled|fires|runs)
no_(guard|check|validation|retry|timeout|fallback|coverage|notion) (there's|there_is|has|have|but|with)_no mutates drift regressed
but_only_for data-race data_race needs_(a|an|to_be) need_to_stay must_be_updated
"""
# Words of a state that work may end: enough only where a later change is about the same thing.
STATE = """
but still does_not doesn't cannot can't isn't aren't is_not_(a|an|the) are_not lacks should must would no only
only_works not_yet yet
"""
# The same sentence tells what was done about it.
MENDED = """
fixed fix: no_longer now resolved corrected used_to gated did
(was|were)_(fixed|removed|replaced|rewritten|failing|missing|caused|trying)
by_(adding|using|changing|switching|making|moving|removing|bumping|renaming)
"""
# A later report says that something went.
REMOVALS = """
removed removes replaced replaces renamed dropped reverted reworked rewrote rewritten migrated gone deleted superseded
no_longer_(exists|exist|used|needed|there|called|supported|has|necessary)
moved_(to|into|out) switched retired
"""
# A later report says that something was changed.
CHANGES = """
removed replaced renamed dropped fixed fix fixes changed switched bumped migrated reverted reworked rewrote rewritten
moved extracted now no_longer instead gone deleted collapsed superseded converted closed added resolved cleaned stripped
"""
# Systems that no session changes, beside the programs above and the products of vocabulary.py.
SYSTEMS = """
github gitlab bitbucket cloudflare receive-pack upload-pack git-receive-pack git-upload-pack linux macos windows posix http
"""
# A person orders it.
ORDERS_CHANGE = """
remove replace rename drop fix change switch bump migrate revert use instead delete undo move rework rewrite simplify
don't go_with
"""
