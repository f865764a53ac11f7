"""Words that stand for one another, for search: irregular forms and a small thesaurus of everyday and working English.

One group a line. `a b c`: each stands for the others. `a: b c`: b and c stand for a where a is asked (a kind and its
members), never the other way round. Add a line to teach search a word; nothing needs to be indexed again.
"""
from __future__ import annotations

import re
from collections.abc import Iterable

IRREGULAR_SHARE = 0.8      # how much an irregular form counts beside the word itself
THESAURUS_SHARE = 0.5      # how much a neighbour does

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
accident crash collision
achieve accomplish attain
activity hobby pastime interest
add insert append include
admin administrator
adopt adoption
advice advise suggest tip recommend
afraid scared fear frightened
age old birthday
aid help assist support
allergy allergic
allow permit enable
ambition aspire dream goal hope
ancestor heritage roots
angry mad annoyed upset
anniversary celebrate
apartment flat home house
api endpoint route
app application program
approve accept confirm
argument parameter option flag
async asynchronous concurrent
attend visit join went
auth authentication authorization login credential
author writer novelist
award prize medal trophy
baby newborn infant
background daemon worker
backup snapshot dump
beach ocean sea coast shore
beautiful pretty lovely gorgeous
beverage drink
big large huge
bike bicycle cycling
boat ship sail
book novel
boss manager supervisor
boyfriend partner
breakfast lunch dinner meal
brother sister sibling
bug defect issue error fault problem
build compile bundle
business company firm startup
buy purchase shop order
cache memoize buffer
calm relax peaceful serene
camera photo photography
car vehicle
career job profession occupation work
cause reason why root
celebrate celebration party
challenge difficulty obstacle struggle setback
change modify edit update alter
charity nonprofit donate fundraiser volunteer
check verify validate test
child kid son daughter toddler
choose pick select decide
church faith religion worship
citizen national
city town
class course lesson workshop
cleanup tidy prune purge
clothes clothing fashion outfit wear
club group society
cluster kubernetes k8s
coach trainer mentor
coffee cafe espresso
colleague coworker teammate
collect collection memorabilia
color colour
comfort soothe console
command cli shell terminal
community neighborhood local
competition contest tournament championship match race
compress zip gzip
concert gig festival show
confident confidence
config configuration setting preference option
connect connection socket
contact call reach
container docker podman
cook bake recipe
counsel counselor therapist therapy
country nation
couple pair married
create make add new generate
culture tradition custom
dad father
dance ballet salsa
dangerous risky unsafe
database db
date day time
daughter son child
deadlock hang stuck freeze
debug trace diagnose
decide decision choose choice
degree diploma graduate
delete remove drop erase
dependency package library module
deploy deployment release rollout ship
deprecated obsolete legacy outdated
diet vegan vegetarian
dinner supper meal
directory folder dir
disable deny block
disappoint letdown
disease illness sick
doctor physician
document documentation docs readme
dog puppy pup
donate give charity
download fetch pull
draw sketch
drawing sketch painting
duplicate copy repeated
eat food meal
education school degree college university study
email mail smtp
employ hire job
encrypt encryption tls ssl cipher
enjoy like love fun
environment env venv
error failure exception crash traceback bug
excited thrilled stoked eager
exercise workout gym fitness training
experience happened went
expire expiry timeout ttl
fail failure broken
faith religion belief god
family relatives
famous celebrity
fan supporter admirer
fantasy magic dragon
fast quick rapid speed performance
father dad
favorite favourite best love
feel feeling emotion
festival fair parade carnival
film movie cinema
finance financial money
finish complete done
fix repair resolve solve mend
flaky intermittent unstable
flower plant garden bloom
food meal dish cuisine snack
friend buddy pal
frontend ui browser css html
fun enjoyable
function method procedure
funny humor laugh joke
future plan upcoming
game play gaming
garden plant flower
gift present
girlfriend partner
glad happy joy
goal aim target
graduate graduation
grandfather grandpa
grandmother grandma granny
gratitude grateful thankful appreciate
gym fitness workout
habit routine
hang freeze stuck block
happy glad joy delight
hate dislike
help assist support aid
hike trail trek
hobby pastime interest
holiday vacation
home house apartment
hometown origin born
hope wish
hospital clinic
house home
husband wife spouse
idea thought suggestion
ill sick
image picture photo
impact effect influence
import load require
important significant meaningful
improve optimize enhance
injury injure hurt wound
inspire inspiration motivate
install setup
interest hobby passion
javascript js typescript node
jewelry necklace ring bracelet
job work career
journey trip travel
kid child
kill terminate stop abort
kind type sort
latency slow delay
leak exposed
learn study
like enjoy love
limit quota cap throttle
link url hyperlink
lint format ruff eslint prettier
live reside
location place
lock mutex semaphore
log logging logger
lonely alone
lose lost
love adore
lunch meal
marry wedding engaged
meal dinner lunch breakfast
meaning symbolize represent
medicine medication drug
meet met encounter
memory ram heap oom
memory remember recall
mentor coach guide
merge rebase conflict
migrate migration upgrade port
military army navy veteran
mock stub fake fixture
mom mother mum
money cash fund
monitor monitoring alert metric observability
mother mom mum
motivate inspire drive
mountain hill peak summit
move relocate
movie film
museum exhibit gallery
music song
nature outdoors forest park
neighbor neighbour neighborhood
nervous anxious worried
new recent latest
obstacle hurdle challenge
ocean sea beach
old ancient
pain ache hurt
paint painting
parallel concurrent thread
parent mother father
park playground
parse parser
partner spouse
party celebration
passion passionate
password secret credential
path filename file
patient doctor
peace calm
performance speed latency throughput benchmark
permission access privilege
phone mobile call
photo photograph picture pic
pipeline workflow ci
place location spot
plan intend
plan roadmap
poem poetry
police officer
political politics election government
prefer preference favourite favorite
present gift
print output display show
privacy private personal
problem issue trouble
process task job
prod production live
profession career
proud pride
purchase buy
purpose aim reason
python pip pytest
query question ask
queue backlog
race marathon run
rain storm weather
random seed
read book
receive got given
recommend suggest
redirect forward
refactor restructure rewrite cleanup
regex regexp pattern
regression broke
relax unwind destress
religious church faith
remember memory recall remind
remote upstream origin
rename move
repo repository
request call
reside live
respond response react reply
restart reboot
restaurant cafe diner
retry retries attempt backoff
revert rollback undo
rich wealthy
romantic love
sad unhappy depressed
salary wage pay
scared afraid
schedule cron timer
schema table column
school college university class
science scientist
screenplay script
sea ocean
search find lookup
secure security vulnerability
sell sale
send transmit post
server service host backend
share show
shoes sneakers boots
shop store boutique
sick ill
sing song
single unmarried
sister brother sibling
skill ability talent
skip ignore
small little tiny
snack food
snow ski winter
social friends
song music
sort order
speech talk
spouse husband wife
start begin launch commence startup
stop halt end
store save persist
store shop
story tale
stress anxiety pressure
stressed overwhelmed
string text
strong strength
student pupil
study learn
success achieve
suffer pain
suggest recommend
support help encourage
surprise unexpected
swim pool
sync synchronize
talent skill
talk speak chat discuss
teacher instructor
team squad
test spec unittest pytest
therapy counseling
thing object item
thread concurrent
throttle rate limit
timeout expire deadline
timezone utc
tired exhausted
token jwt
tool utility
tournament competition
town city
tradition custom
transaction commit rollback
travel trip
tree forest
trip travel vacation journey tour
truck car
type typing annotation
university college
upload push
upset sad
user customer client
vacation holiday trip
vehicle car
version release
view scenery
visit trip went
war military
warn warning caution
watch saw
water lake river
website site web page
wedding marriage
weekend saturday sunday
wife husband
wiki notes knowledge
win won victory
work job
worry anxious
young youth
accident: crash collision fall injury
achievement: award medal goal record
activity: camp hike swim run paint draw cook bake garden dance read fish yoga pottery museum game climb ski surf sing
activity: knit sew skate bowling picnic kayak sail
animal: dog cat puppy kitten bird horse fish turtle rabbit hamster snake lizard frog cow pig sheep goat chicken duck
animal: bear wolf fox deer lion tiger elephant monkey whale dolphin bee butterfly wildlife
appliance: fridge oven microwave dishwasher washer
art: paint draw sculpture pottery sketch canvas mural gallery ceramics photography
attitude: positive negative optimistic
authentication: token password oauth session login jwt saml sso
author: novelist writer poet
award: medal trophy prize honor certificate
bag: backpack purse suitcase
band: guitar drummer singer bassist concert album
beverage: coffee tea wine beer juice soda smoothie cocktail latte
birthday: party cake
book: novel author read series story fantasy fiction biography memoir chapter
browser: chrome firefox safari edge
building: house tower office church school library
camp: tent campfire
career: teacher nurse engineer doctor counselor lawyer writer actor chef scientist artist
cause: charity rights environment poverty homeless education veterans awareness
celebrate: birthday anniversary graduation wedding holiday party
celebration: birthday anniversary graduation wedding holiday party
ci: jenkins actions workflow pipeline travis
city: london paris berlin rome madrid barcelona lisbon vienna amsterdam prague dublin athens moscow istanbul tokyo
city: kyoto beijing shanghai seoul singapore sydney mumbai delhi bangkok cairo york chicago boston seattle francisco
city: angeles diego miami houston dallas austin denver portland philadelphia atlanta vegas detroit orleans toronto
city: vancouver montreal
clothes: shirt dress jacket coat jeans pants shoes hat sweater skirt socks gloves
cloud: aws azure gcp lambda kubernetes heroku
color: red blue green yellow purple orange pink black white brown gray
colour: red blue green yellow purple orange pink black white brown gray
company: google apple amazon microsoft nike adidas tesla
console: playstation xbox nintendo switch sega
continent: europe asia africa america australia
country: england britain uk scotland wales ireland france germany spain italy portugal netherlands belgium switzerland
country: austria sweden norway denmark finland poland greece turkey russia ukraine egypt morocco kenya nigeria israel
country: india china japan korea thailand vietnam indonesia philippines australia zealand canada mexico brazil
country: argentina chile peru colombia usa america
craft: knit sew crochet pottery woodwork origami
crafts: knit sew pottery
database: postgres postgresql mysql sqlite mongodb redis mariadb dynamodb
degree: bachelor master phd diploma university
dessert: cake pie cookie brownie pudding icecream cupcake tart cheesecake chocolate muffin
device: phone laptop tablet camera computer
disaster: fire flood earthquake hurricane storm
disease: cancer diabetes flu asthma arthritis
editor: vim emacs vscode neovim
education: school college university degree course class study
emotion: happy sad angry afraid proud anxious excited nervous grateful lonely joy
european: england britain france germany spain italy portugal netherlands switzerland austria sweden norway denmark
european: greece london paris berlin rome
event: party festival parade conference concert ceremony fair workshop meeting wedding gala show fundraiser tournament
event: race exhibit
exercise: yoga run swim box lift cycle jog pilates squat pushup stretch cardio weights aerobics
family: husband wife son daughter brother sister mother father mom dad parents kids cousin aunt uncle grandma grandpa
feeling: happy sad proud anxious excited nervous grateful lonely
file: csv json yaml pdf
financial: money income salary rich afford debt loan savings wealth
flower: rose sunflower tulip lily daisy orchid
food: pizza pasta sushi salad soup burger bread chicken rice steak sandwich taco curry noodle cheese egg salmon
food: vegetable fruit
framework: django flask react vue angular rails spring fastapi
fruit: apple banana orange strawberry blueberry raspberry grape lemon mango peach cherry coconut
furniture: chair table couch sofa bed desk shelf lamp
game: chess poker monopoly catan zelda mario minecraft pokemon fortnite
gift: necklace flowers card toy
health: medical doctor hospital diet medication blood weight checkup
hobby: paint read cook garden photography knit music dance game write hike fish
holiday: christmas thanksgiving easter halloween hanukkah
identity: gender ethnicity nationality transgender gay lesbian queer
illness: cancer diabetes flu asthma fever cold
ingredient: flour sugar butter egg salt milk oil
injury: sprain fracture broken wound ankle knee
instrument: guitar piano violin drum flute cello saxophone clarinet trumpet harp bass keyboard
interest: music art sport science history travel read
jewelry: necklace ring bracelet earring pendant
language: english spanish french german italian japanese chinese korean russian arabic portuguese hindi
lint: ruff eslint flake8 pylint
linux: ubuntu debian fedora arch
martial: karate judo taekwondo boxing kickboxing jiujitsu aikido kungfu
material: wood metal plastic glass clay cotton
meal: breakfast lunch dinner brunch supper
medicine: pill vaccine antibiotic aspirin
mental: anxiety stress depression therapy counseling
military: army navy veteran soldier marine airforce
movie: comedy drama thriller horror sequel trilogy actor director
music: song band guitar piano concert album singer jazz rock classical pop
nature: forest mountain river lake ocean beach sunset trail park
network: dns proxy tcp socket firewall vpn
outdoor: hike camp climb trail park nature kayak picnic fish mountaineer rafting
pet: dog cat puppy kitten bird fish hamster rabbit turtle snake parrot guinea
place: beach park museum cafe restaurant church library gym school
plant: flower tree cactus succulent herb
political: liberal conservative election vote campaign democrat republican
politics: liberal conservative election vote campaign government
profession: teacher nurse engineer doctor lawyer writer actor chef scientist artist pilot
programming: python javascript typescript java rust golang ruby kotlin swift
recipe: cake cookie soup bread pie sauce
relationship: married dating single divorced breakup boyfriend girlfriend engaged partner
relative: cousin aunt uncle niece nephew grandmother grandfather
religion: church faith god pray christian muslim jewish buddhist hindu bible
religious: church faith god pray christian muslim jewish buddhist hindu bible
road: trip drive
room: kitchen bedroom bathroom livingroom
school: elementary highschool college university classroom
science: physics chemistry biology astronomy
season: spring summer autumn fall winter
secret: key token password credential apikey
self: myself
shelter: homeless
sport: basketball football soccer tennis baseball hockey surf swim golf volleyball ski cycling boxing rugby cricket
sport: gymnastics skating snowboard badminton wrestling rowing run
state: california florida texas oregon washington nevada arizona colorado utah michigan ohio illinois indiana
state: wisconsin minnesota iowa missouri kansas nebraska carolina tennessee kentucky virginia georgia alabama
state: mississippi louisiana pennsylvania jersey connecticut massachusetts vermont maine hampshire maryland hawaii
state: alaska idaho montana wyoming dakota oklahoma arkansas delaware
status: single married divorced employed retired
stress: deadline overwhelmed anxiety burnout
subject: math history science english
summer: july august june
symbol: flag sign cross rainbow tattoo logo
trait: kind honest brave thoughtful caring generous patient selfless loyal driven
transport: car bus train plane bike taxi subway
travel: trip flight visit vacation tour abroad airport hotel passport roadtrip
tree: oak pine maple palm
tv: show series episode season netflix
unit: test
vcs: git svn mercurial
vegetable: carrot tomato potato onion broccoli spinach
vehicle: car truck bus van motorcycle bike train plane boat
video: film youtube
violin: music
volunteer: charity shelter community donate soup
weather: rain snow sun storm wind cloudy
weight: diet
winter: snow december january
write: book story novel script poem blog essay journal article screenplay
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
