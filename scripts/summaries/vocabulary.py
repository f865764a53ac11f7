"""Names of rooms that everybody uses, with the other words people say for them, and words that never name a room."""
from __future__ import annotations

import functools

# One room a line: its name, then (after a colon) what else it is called. A word that is only a room in company
# ('go', 'make') is left out: the compound stands instead. A leading '~' marks a broad room, which counts for less.
ROOMS = """
~git
go: golang
python: python3 cpython
rust: rustlang
javascript
typescript
java
kotlin
swift
ruby-lang
php
csharp: c#
c-plus-plus: c++ cpp
elixir
scala
haskell
zig
lua
bash: bash-script bash-scripts shell-script shell-scripts shell-scripting
powershell
webassembly: wasm
html
css: stylesheet stylesheets
sass: scss
tailwind: tailwindcss tailwind-css
node: nodejs node.js
deno
bun
react: reactjs
react-native
vue: vuejs vue.js
nuxt
svelte: sveltekit
angular
solidjs
next-js: nextjs next.js
remix
astro
express: expressjs express.js
fastify
nestjs
htmx
jquery
d3
three-js: threejs three.js
webgl
vite
webpack
esbuild
rollup
babel
eslint: eslintrc
prettier
biome
tauri
electron
flutter
android
ios
macos: mac-os osx
windows-os
wsl
linux
django
flask
fastapi
pydantic: pydantic-model pydantic-models
sqlalchemy
alembic
celery
jinja: jinja2 jinja-template jinja-templates
click-cli
typer
rich-text
textual
tui: terminal-ui terminal-user-interface tuis
numpy
pandas
pytorch
tensorflow
transformers-js: transformers.js
jupyter: notebook notebooks ipynb
uv
poetry
pip
ruff
black-formatter
mypy
pyright
ty-checker
pytest: py.test
hypothesis-testing
tox
cargo
tokio
clippy
gofmt
golangci-lint: golangci golangcilint golangci-lint-config
go-modules: go-mod go.mod gomod go-module module-path
go-git
go-billy
goroutines: goroutine
cobra
viper
pflag
testify
rails
sinatra
spring: spring-boot
gradle
maven
dotnet: .net
jest
vitest
mocha
playwright
cypress
selenium
storybook
browser-tests: browser-test browser-testing
end-to-end-tests: e2e e2e-test e2e-tests end-to-end end-to-end-test end-to-end-testing
unit-tests: unit-test unit-testing
integration-tests: integration-test integration-testing
smoke-tests: smoke-test smoke-testing
snapshot-tests: snapshot-test snapshot-testing
property-testing: property-test property-tests property-based-testing
fuzzing: fuzz fuzzer fuzz-test fuzz-tests
~test-coverage: code-coverage coverage
test-isolation: hermetic-test hermetic-tests
flaky-tests: flaky flaky-test flakiness
~testing: tests test-suite
mocking: mock mocks mocked unittest.mock
test-fixtures: fixture fixtures test-fixture
benchmarks: benchmark benchmarking
~profiling: profiler
~performance: perf performance-optimization
memory-usage: memory-footprint memory-consumption peak-memory
memory-leak: memory-leaks
garbage-collection: gc
race-conditions: race-condition data-race data-races race-detector
deadlocks: deadlock
~concurrency: concurrent
parallelism: parallelization
timeouts: timeout timing-out timed-out
~retries: retry retrying
retry-policy: retry-policies retry-logic retry-strategy backoff exponential-backoff retry-budget retry-budgets
jitter: full-jitter
circuit-breaker: circuit-breakers
rate-limiting: rate-limit rate-limits throttling throttle
idempotency-key: idempotency-keys
idempotency: idempotent
~caching: cache caches cached
cache-invalidation
pagination: paginate paginated
~streaming: streams streamed
~buffering
compression: gzip zstd brotli
serialization: serialisation deserialization
~encoding: utf-8 unicode
localization: i18n l10n internationalization
time-zones: timezone timezones time-zone
timestamps: timestamp
floating-point
date-parsing
regex: regexp regular-expression regular-expressions
~parsing: parser parsers
json
jsonl
~yaml
toml
xml
csv
protobuf: protocol-buffers
grpc
graphql
rest-api: restful
openapi: swagger
websockets: websocket
server-sent-events: sse
webhooks: webhook
~http: https
http2: http/2 http-2
http-500: http-500-error
http-401: 401 401s
http-403: 403 403s
redirects: redirect http-redirect http-redirects 307 302
smart-http
proxy: proxies reverse-proxy
dns
tls: ssl skip-tls-verify
cors
csp: content-security-policy
cookies: cookie
user-agent: useragent user-agents user-agent-string
mime-types: mime-type mime
ssh: openssh
authentication: auth authn
authorization: authz permission permissions
oauth: oauth2 oidc
jwt
sso: saml
credentials: credential creds
credential-helper: credential-helpers git-credentials git-credential
secrets: secret
redaction: redact redacted
security: vulnerability vulnerabilities
xss
sql-injection
csrf
ssrf
dependabot: dependabot-alert dependabot-alerts security-alert security-alerts
renovate
~dependencies: dependency deps dependency-update dependency-updates dependency-bump dependency-upgrade dependency-management
licenses: license-check license-compliance
supply-chain
postgres: postgresql psql
mysql: mariadb
sqlite: sqlite3
mongodb: mongo
redis
elasticsearch: opensearch
kafka
rabbitmq: amqp
nats: jetstream
dynamodb
duckdb
clickhouse
snowflake-db
bigquery
prisma
drizzle
supabase
firebase
full-text-search: fts fts5
~database: databases db
migrations: migration database-migration database-migrations schema-migration schema-migrations migration-script schema-change
wal: write-ahead-log write-ahead-logging wal-mode
rollback: rollbacks roll-back
database-locking: database-is-locked locked-database write-lock
expand-contract: expand-and-contract
sql
orm
~transactions: transaction transactional
indexing: indexer
vector-search: embeddings embedding vector-store chromadb
rag: retrieval-augmented-generation
docker: dockerfile
docker-compose: compose-file docker-compose.yml docker-compose.yaml
kubernetes: k8s kubectl
helm
terraform
ansible
nginx
caddy
aws: amazon-web-services
s3
lambda-functions: aws-lambda
gcp: google-cloud
azure
cloudflare
cloudflare-workers
vercel
netlify
heroku
github-actions: github-action github-workflow github-workflows gh-actions github-ci
gitlab
github-pages
~github-issues: github-issue gh-issue
~pull-requests
ci: continuous-integration ci-pipeline ci-cd ci/cd
deployment: deploy deploys deployments
release: releases releasing release-process release-notes release-automation
changelog: changelog.md changelogs
versioning: semver semantic-versioning version-bump
version-compatibility: backward-compatibility backwards-compatibility compatibility-check compatibility
goreleaser
homebrew: homebrew-tap homebrew-cask homebrew-casks brew-tap
packaging
justfile
makefile
mise
pre-commit: pre-commit-hook pre-commit-hooks
git-hooks: git-hook
rebase: rebasing
merge-conflicts: merge-conflict conflict-resolution
git-remote: git-remotes remote-url remote-urls origin-url origin-urls git-remote-url
git-worktrees: worktree worktrees git-worktree
git-lfs: lfs
submodules: submodule
monorepo
force-push: force-pushes force-pushing
force-with-lease
fast-forward: non-fast-forward fast-forwards
packfile: packfiles pack-file pack-files
empty-pack: empty-packs
thin-pack: thin-packs
receive-pack: git-receive-pack
upload-pack: git-upload-pack
git-protocol: protocol-v2 wire-protocol git-protocol-v2
pull-refs: pull-ref
git-notes
sha256: sha-256 sha256-conversion convert-sha256
gpg: commit-signing signed-commits
atomic-push: atomic-pushes atomic atomicity atomic-capability
~mirroring: mirror mirrored repository-mirroring
~code-review: code-reviews pr-review review reviews reviewing reviewed review-comments review-memo
refactoring: refactor refactored refactors refactorings
rewrite: full-rewrite rewriting rewrite-from-scratch
~architecture: software-architecture architecture-review
api-design: public-api api-surface api-contract stable-api
dead-code: unused-code
code-duplication: duplicate-code duplicated-code deduplication dedupe
naming: naming-convention naming-conventions
renaming: rename renamed rename-package package-rename repository-rename repo-rename
linting: lint linter linters lint-errors lint-error linting-errors lint-fixes linting-error linting-failures
code-formatting: code-style
type-checking: type-checker typecheck type-check typechecking type-errors type-error type-hints type-hint type-issues typing
type-safety: type-annotations
~error-handling: error-wrapping error-messages error-message error-reporting
~logging: logs logger structured-logging debug-logging
~tracing: opentelemetry otel
monitoring: observability
batching: batched-push batch-size
file-locking: flock file-lock
plan-mode
ai-agents
specification: spec specs spec-driven-development
~metrics: prometheus grafana
alerting
sentry
~debugging
~cli: command-line command-line-interface cli-command cli-commands subcommand subcommands
cli-help: help-output help-text usage-text command-help
cli-flags: command-line-flags
shell-completion: completions shell-completions
progress-reporting: progress progress-bar progress-bars progress-indicator progress-indicators progress-output
throughput: throughput-indicators throughput-indicator transfer-rate
~configuration: config-file config-files
environment-variables: environment-variable env-vars env-var
feature-flags: feature-flag
dry-run: dry-runs
symlinks: symlink symlinks
~installation: installation-instructions install-instructions
~documentation: doc-updates
readme: readme.md readmes
claude-md: claude.md
agents-md: agents.md
adr: architecture-decision-record
onboarding
~ui: user-interface ui-ux frontend-ui
responsive-design: responsive-layout
accessibility: a11y aria
dark-mode: dark-theme
animation: animations
~charts: chart
timeline: timelines
tooltips: tooltip
~forms: form-validation
drag-and-drop
keyboard-shortcuts: keybindings shortcuts
modal-dialogs: modal
syntax-highlighting
markdown
asciidoc: adoc
pdf
ruby-elements: ruby-element html-ruby ruby-annotation ruby-annotations ruby-text ruby-base
svg
fonts: font
favicon
image-processing
audio: audio-recording sound
~video
web-workers: web-worker webworker
service-worker: service-workers
browser-compatibility: cross-browser
cross-platform: portability
web-scraping: scraper scraping
web-search: websearch
seo
analytics
~search: search-index
state-management
event-sourcing
message-queue: message-queues job-queue job-queues work-queue queues queue
scheduling: scheduler cron cron-job cron-jobs
background-jobs: background-job
~orchestration: orchestrator
load-balancing: load-balancer
microservices: microservice
serverless
plugins: plugin plugin-system
dependency-injection
design-tokens
tokenizer: tokenization tokenisation tokenizers
llm: llms large-language-model language-model
openai
anthropic
ollama
llama-cpp: llama-server llama.cpp
claude-code: claude-cli claude-code-cli claude-p claude-code-sdk
codex: codex-cli
gemini
haiku: haiku-model
copilot
cursor-ide: cursor-rules
vscode: vs-code visual-studio-code
neovim: nvim vim
tmux
mcp: model-context-protocol mcp-server mcp-servers
subagents: subagent sub-agent sub-agents
multi-agent: parallel-agents agent-team agent-teams
agent-skills: slash-command slash-commands skill skills
prompt-engineering: system-prompt prompt-template
hooks: session-hook session-hooks
~transcripts: transcript
token-usage: token-count token-counts
cost-tracking
context-window
~checkpoints: checkpoint checkpointing
~archives: archive tar tarball tarballs tar-archives zip zip-archives nested-archives
checksums: checksum sha1
file-upload: uploads file-uploads
backups: backup
data-migration
import-export: data-export data-import
email: smtp
~notifications: notification push-notifications
payments: stripe payment
geolocation
spec-kit: speckit specify
~data-validation: input-validation schema-validation validation
null-safety: null-pointer nil-pointer
exit-codes: exit-code
~signals: sigterm sigint
subprocess: subprocesses child-process
file-permissions
path-handling
stdin: stdout
file-watching: file-watcher hot-reload live-reload
gitignore: .gitignore
codeowners
stacked-prs
"""

# Words that fill sessions and name nothing a person would look for, alone or at the end of a compound.
GENERIC = frozenset("""
able about absolute accept accepted accepts access accomplished account act action actions active actual actually add
added adding addition additional address addressed adds adjust advanced agent agents agnostic agree ahead alias all
allow allowed allows alone also alternative alternatives always analysis analyze annotate answer answers anything
apart
api apis app appear append appears application applied apply approach appropriate area areas args argument arguments
array around article ask asked asking aspect assert assumption assumptions attempt attempts attribute author auto
automatic automatically available avoid avoiding aware away back background bad bar base based baseline basic
basically
batch become behavior behaviors behaviour best better big bigger binary bit block blocked blocker blocking blocks body
bool boolean bot both bottom box branch branches break breaking breaks brief bring broad broken bug bugs build
building
builds built bullet bunch button buttons byte bytes call called caller callers calling calls cannot capture captured
captures care careful case cases catch cause caused central certain chain challenge chance change changed changes
changing channel character chat check checked checking checkout checks child choice choose chosen chunk clarify class
classes clean cleaned cleaner cleanup clear cleared clearly click client clients clone close closed closer cls clue
code
codebase coded codes collapse collect collection column columns combine combined come comes command commands comment
comments commit commits committed common commonly compare compared comparison compatible compile compiled complete
completed completely completeness completion complex complexity component components comprehensive concept concern
concerned concerns concrete condition conditional config configs configure configured confirm confirmed conflict
conflicts confused confusing connect connected connection consider considered consistency consistent constant
constants
constraint constraints construct consumer contain contained contains content contents context continue continues
contract control controls convention conventions conversation conversations convert converted copy core corner correct
corrected correctly correctness cosmetic cost could count counter counts couple course cover covered coverage-gap
covering covers create created creates creating creation criteria critical cross crucial css-class curious current
currently custom cycle daily data date dates day days dead deal debug decide decided decision decisions deep deeper
def
default defaults define defined definition delete deleted deletion depend depends deps-dev depth describe described
description design designed desired detail detailed details detect detected detection determine dev developer
development diagram did diff difference differences different differently dir direct direction directly directories
directory dirty disable disabled discuss discussed display distinct distinction div do doc document documented
documenting documents does doing done double doubt down draft drive drop dropped due duplicate duplicated duplicates
during each earlier early easier easily easy edge edge-case edit edited editing edits effect effective effectively
efficient effort either element elements else embed embedded emit empty enable enabled end endpoint endpoints ends
enforce engine enhance enhanced enough ensure ensures entire entirely entries entry enum env environment equal
equivalent error errors especially essential etc even event events ever every everything everywhere evidence exact
exactly examine example examples excellent except exception exceptions execute executed execution exist existed
existence existing exists exit exits expand expect expected expects experience explain explained explicit explicitly
explore export expose exposed extend extended extension extra extract extracted extraction face fact fail failed
failing
fails failure failures fair fall fallback falls false far fast faster feature features feedback feel fetch fetched few
field fields figure file filename files fill filter filtered filtering final finally find finding findings finds fine
finish finished first fit fix fixed fixes fixing flag flags flat flow flows focus focused folder folders follow
follow-up follow-ups followed following follows fork form format formats formatted formatting former forward found
four
frame framework free fresh friendly from front full fully func function functional functionality functions further
future gap gaps gather general generally generate generated generates generating generation generator generic get gets
getting git-diff give given gives global go goal goes going good got great green group grouped groups guard guess
guide
guideline half hand handle handled handler handlers handles handling happen happened happening happens happy hard hash
hashes have head header headers heading heads health heavy height held help helper helpers helpful here hidden hide
high
higher highest highlight history hit hits hold honest hook host hostname hosts hour hours however html-file huge human
idea ideas identical identified identifier identify ignore ignored image images immediately impact implement
implementation implementations implemented implementing implements import important imported imports improve improved
improvement improvements inactive include included includes including incorrect increase increment indeed independent
index indicate indicator individual info information init initial initialize inline inner input inputs insert inside
insight inspect install installed instance instances instead instruction instructions int integrate integration intend
intended intent interactive interesting interface interfaces internal internals into introduce introduced invalid
investigate investigation invocation involved irrelevant isolated isolation issue issue-list issues item items
iteration
its itself job jobs join just keep keeping keeps kept key keys kick kind kinds knew know known label labels land
landed
language large larger last lastly late later latest latter launch layer layers layout lead leak leaks learn least
leave
left legacy length less let level levels lib library library-code life like likely limit limited limits line lines
link
links list listed listing lists literal little live lives load loaded loading loads local locally location lock log
logic login long longer look looked looking looks loop lost lot low lower machine main mainly maintain maintained
major
make makes making manage manager manual manually many map mapping mark marked marker markers master match matched
matches matching material matter maximum maybe mean meaning meaningful means meant measure mechanism medium meet
member
memo memory mention mentioned merge merged merges merging message messages met meta metadata method methods middle
migrate migrated might min mind minimal minimum minor minute minutes miss missed missing mistake mix mixed mode model
models modern modification modified modify module modules moment more most mostly move moved moves moving much multi
multiple must name named names narrow native natural navigation near nearly necessary need needed needing needs
negative
nested never new newest newly next nice nit nits nobody noise non none nor normal not notable note notes nothing
notice
now null number numbers object objects obvious occur occurrence odd off offer offset often okay old older once one
ones
only onto open opened opens operation operations opportunity opposite option optional options order ordered ordering
org
organization organize organized origin original otherwise ought out outcome outer output outputs outside over overall
overhead overlap override overview own owner owns pack package packages page pages pair panel paragraph param
parameter
parameters params parent parse parsed part parts party pass passed passes passing past paste patch path paths pattern
patterns peer pending people per perfect perform person phase phases phrase pick picked piece pieces pin pipe pipeline
pipelines place placeholder places plain plan planned planning plans please plus point pointer points policy pool poor
popular populated port position positive possible possibly post potential practical practice practices pre precise
prefer preferred prefix prefixes prepare present preserve preserved press pretty prevent preview previous previously
primary print printed prints prior priority private probably probe problem problems procedure proceed process
processed
processes processing produce produced product production program project projects prompt prompts proof proper properly
properties property propose proposed provide provided provider providers provides public pull pulled pure purpose push
pushed pushes pushing put python-code quality question questions quick quickly quiet quite raise random range rate
rather ratio raw reach reached read readable reader reading reads ready real really reason reasonable reasons rebuild
receive received recent recently recommend recommendation recommendations record recorded records recover reduce
reduced
redundant ref refer reference references reflect reflects refresh refs regard register registered regression
regressions
regular reject rejected rejection related relation relative relevant reliable rely remain remaining remains remember
remote remotes remove removed removes removing render rendered renderer rendering renders repeat repeated replace
replaced replacement replaces reply repo repos report reported reporting reports repositories repository represent
request requested requests require required requirement requirements requires research reset resolve resolved resolves
resource resources respect respond response responses rest restore result results retain return returned returning
returns reuse revert reverted review reviewed reviewer reviewers reviewing reviews revise revision right risk risks
role
root rough round route row rows rule rules run runner running runs runtime safe safely safety same sample satisfy save
saved saves saying scale scan scenario scenarios schema scheme scope score scratch screen script scripts section
sections secure see seem seems seen segment select selected selection self send sending sends sense sensible sent
sentence separate separated separately separation sequence series serious serve served server servers serves service
services session sessions set sets setting settings setup several shape shapes share shared ship shipped short shorter
should show showing shown shows shrink side sides sign signal signature significant silent silently similar similarly
simple simpler simplest simplified simplify simply single site situation size sizes skip skipped skips slice slices
slight slightly slot slow small smaller smart soft software solid solution solutions solve solved some someone
something
sometimes somewhere soon sort sound source sources space spawn special specific specifically specified spell spend
split
spot stable stack staged stale stand standard standards start started starting starts state states static status stay
stays steal step steps stick still stop stops storage store stored stores story straight straightforward strategy
stream
strict strictly string strings strip strong struct structs structure structured structures stub stuff style styles
styling sub subject subset successful successfully such suffix suggest suggested suggestion suggestions suite suites
sum
summaries summary super support supported supporting supports suppose sure surface surfaces surprise switch switched
symbol symptom sync syntax system systems tab table tables tag tags tail take taken takes taking talk target targets
task tasks team teams tech technical tell temp template templates temporary ten term terminal terms terse test
testable
tested tester text than thank thanks theme then theory thing things think third thorough though thought thoughts
thread
threads three threshold through throw tidy tied tight time times tiny tip tips title titles today together token
tokens
told ton too took tool tooling tools top topic total totally touch touched touches toward track tracked tracking
traffic
trail transfer transform transition transport travel treat treated tree trees trick tricky tried tries trigger
triggered
triggers trim trivial true trust truth try trying turn turned turns twice two type typed types typical typically typo
ugly ultimately ultrathink unable unchanged unclear under underlying understand understanding unique unit units
unknown
unless unlike unnecessary unrelated unresolved unsafe unset unstaged until untouched unused unusual up update updated
updates updating upgrade upgraded upgrades upload upon upper upstream url urls usage use used useful useless user
user-facing users uses using usual usually util utilities utility utils valid validate validated validator value
values
var variable variables variant variants various vendor verdict verification verified verify version versions versus
very
via view visible visual vs wait waiting walk want wanted wants warmup warn warning warnings watch way ways weak web
week
weight weird well went whatever where whether whole why wide width wiki will win window wire wise with within without
wonder word wording words work worked worker workers workflow workflows working works workspace world worry worse
worst
worth would wrap wrapped wrapper write writes writing written wrong wrote yes yesterday yet you zero january february
march april may june july august september october november december monday tuesday wednesday thursday friday clearer
newer nicer safer stricter wider tighter separate-commit pr prs github repo-root ui-element foo baz qux example-com
localhost http-error png jpg jpeg gif com www net io md py js ts tsx jsx rs rb sh yml txt cfg ini mod tmp usr bin src
opt home desktop main-branch kb mb gb ms sec secs mins loc todo todos fixme wip tbd fyi imo lgtm nope yep whose alert
alerts already assessment protocol protocols stat stats experiment pretend recap yup gonna wanna another anyway
because
been before behind being below between everyone customer customers network night noon bump interaction interactions
minutes phone hey claude hello second seconds backend backends random decimal compilation looser tighter narrower
""".split())

NEVER = frozenset("file files code error errors test function issue change update user project branch bug feature task commit "
                  "command script work session conversation message repo repository".split())


@functools.lru_cache(maxsize=65536)
def singular(word: str) -> str:
    """A word without its plural ending; words that only look plural stay."""
    if len(word) <= 3 or word.endswith(("ss", "us", "is", "js", "ops", "os", "aws", "https", "kubernetes", "redis")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zzes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") else word


def topic_key(name: str) -> str:
    """What two names of the same thing share: words in the singular, joined by '-'."""
    return "-".join(singular(w) for w in name.split("-") if w)


@functools.cache
def rooms_known() -> tuple[dict[str, str], frozenset[str]]:
    """({key: room} for every name and its other names, the broad rooms)."""
    named: dict[str, str] = {}
    broad: set[str] = set()
    lines = [line for line in ROOMS.split("\n") if line.strip()]
    for line in lines:
        name, _, others = line.partition(":")
        room = name.strip().lstrip("~")
        if name.startswith("~"):
            broad.add(room)
        named.setdefault(topic_key(room), room)
        for other in others.split():
            named.setdefault(topic_key(other.replace(".", "-").replace("/", "-").strip("-")), room)
    return named, frozenset(broad)
