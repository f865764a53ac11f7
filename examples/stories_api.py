"""The ferry booking service: an invented project, its code and four sessions about it."""

from story import Edit, Read, Repo, Run, Story, Turn, Write

RETRY = '''"""Retries for calls to the payment provider."""
import random
import time

BASE_SECONDS = 0.05
ATTEMPTS = 3


def call_with_retry(call, is_transient):
    for attempt in range(ATTEMPTS):
        try:
            return call()
        except Exception as error:
            if attempt + 1 == ATTEMPTS or not is_transient(error):
                raise
            time.sleep(BASE_SECONDS * 2**attempt + random.uniform(0, 0.05))
'''

TEST_RETRY = """import time
import unittest

from ferry.retry import call_with_retry


class RetryTest(unittest.TestCase):
    def test_the_second_attempt_comes_quickly(self):
        answers = [TimeoutError(), "paid"]

        def pay():
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        started = time.time()
        self.assertEqual(call_with_retry(pay, lambda error: True), "paid")
        self.assertLess(time.time() - started, 0.095)
"""

STORE = '''"""Seats and bookings, in one SQLite file."""
import sqlite3


def connect(path):
    connection = sqlite3.connect(path, timeout=5, isolation_level=None)
    connection.execute("CREATE TABLE IF NOT EXISTS seats (sailing TEXT PRIMARY KEY, free INTEGER NOT NULL)")
    return connection


def book(connection, sailing, seats):
    connection.execute("BEGIN")
    try:
        (free,) = connection.execute("SELECT free FROM seats WHERE sailing = ?", (sailing,)).fetchone()
        if free < seats:
            raise ValueError("not enough seats")
        connection.execute("UPDATE seats SET free = free - ? WHERE sailing = ?", (seats, sailing))
        connection.execute("COMMIT")
    except Exception:
        connection.execute("ROLLBACK")
        raise
'''

API = Repo(
    "api",
    "git@example.com:acme/api.git",
    {
        ".gitignore": "__pycache__/\n*.db*\n",
        "README.md": "# api\n\nThe booking service of the ferry line. Tests: `python3 -m unittest discover -s tests "
        "-t .`\n",
        "ferry/__init__.py": "",
        "ferry/retry.py": RETRY,
        "ferry/store.py": STORE,
        "tests/__init__.py": "",
        "tests/test_retry.py": TEST_RETRY,
    },
)

TESTS = "python3 -m unittest discover -s tests -t . 2>&1 | tail -15"

FLAKY_RETRY_TEST = Story(
    "flaky-retry-test",
    "api",
    (
        Turn(
            "2026-04-13T09:12",
            "tests/test_retry.py fails about one run in ten on the build server, and never when I look at it. "
            "Find the cause before you change anything.",
            (
                Run(
                    "git log --oneline && ls ferry tests",
                    "Look around",
                    say="I'll start with the test and the code it covers.",
                ),
                Read("tests/test_retry.py"),
                Read("ferry/retry.py"),
                Run(
                    'for seed in 1 2 3 4 5 6 7 8 9 10 11 12; do python3 -c "import random, sys, unittest; '
                    "random.seed($seed); "
                    "jitter = random.uniform(0, 0.05); random.seed($seed); "
                    "r = unittest.main('tests.test_retry', exit=False, argv=['x'], "
                    "testRunner=unittest.TextTestRunner(open('/dev/null', 'w'))).result; "
                    "print($seed, 'jitter %.3f' % jitter, 'ok' if r.wasSuccessful() else 'FAILED')\"; done",
                    "Run the test with known random seeds",
                    say="Let me run it with known seeds, so that a failure can be repeated.",
                ),
            ),
            "The root cause of the flaky retry test is the random jitter in `call_with_retry`, not the build server. "
            "`call_with_retry` sleeps 50 ms plus up to 50 ms of jitter, while the test demands that the second "
            "attempt comes "
            "within 95 ms of the real clock. Every run whose jitter comes out above 45 ms fails, which is one run in "
            "ten on any "
            "machine.\n\nThe test also reads `time.time()`, so a clock correction by NTP in the middle of a run "
            "could fail it "
            "even without jitter.",
        ),
        Turn(
            "2026-04-13T09:24",
            "Makes sense. I don't want a looser limit, that only hides it. What do you suggest instead?",
            (
                Edit(
                    "ferry/retry.py",
                    "def call_with_retry(call, is_transient):",
                    "def call_with_retry(call, is_transient, sleep=time.sleep, jitter=random.uniform):",
                ),
                Edit(
                    "ferry/retry.py",
                    "            time.sleep(BASE_SECONDS * 2**attempt + random.uniform(0, 0.05))",
                    "            sleep(BASE_SECONDS * 2**attempt + jitter(0, 0.05))",
                ),
                Write(
                    "tests/test_retry.py",
                    "import unittest\n\nfrom ferry.retry import call_with_retry\n\n\n"
                    "class RetryTest(unittest.TestCase):\n"
                    "    def test_the_pauses_double_and_carry_jitter(self):\n"
                    '        answers, pauses = [TimeoutError(), TimeoutError(), "paid"], []\n\n'
                    "        def pay():\n"
                    "            answer = answers.pop(0)\n"
                    "            if isinstance(answer, Exception):\n"
                    "                raise answer\n"
                    "            return answer\n\n"
                    "        paid = call_with_retry(pay, lambda error: True, pauses.append, lambda low, high: high)\n"
                    '        self.assertEqual(paid, "paid")\n'
                    "        self.assertEqual([round(p, 3) for p in pauses], [0.1, 0.15])\n",
                ),
                Run(TESTS, "Run the tests"),
            ),
            "We decided to pass the clock into `call_with_retry`: `sleep` and `jitter` are now parameters whose "
            "defaults are "
            "`time.sleep` and `random.uniform`. The retry test hands in a list that collects the pauses and a jitter "
            "that always "
            "returns its upper bound, so it asserts the exact pauses of 0.1 and 0.15 seconds and takes no real time. "
            "A looser limit was rejected because it would also have hidden the next unwanted change of the backoff.",
        ),
        Turn(
            "2026-04-13T09:41",
            "Good. For the future: never sleep in a test and never read the real clock in one, I always want both "
            "passed in. "
            "Put that into CONTRIBUTING.md and commit.",
            (
                Write(
                    "CONTRIBUTING.md",
                    "# Rules\n\n- A test never sleeps and never reads the real clock; code that needs time takes it "
                    "as a parameter.\n",
                ),
                Run(
                    "grep -rnE '(time|datetime)\\.' tests; git add -A && git commit -q -m 'Retry test: pass the "
                    "clock in' && git log --oneline -1",
                    "Look for other offenders and commit",
                ),
            ),
            "CONTRIBUTING.md now says that a test never sleeps and never reads the real clock, and that code which "
            "needs time "
            "takes it as a parameter. `grep -rnE '(time|datetime)\\.' tests` finds offenders and prints nothing now, "
            "so it can "
            "become a check of the build.",
        ),
    ),
)

HAMMER = '''"""Books one seat from eight threads at once and counts what goes wrong."""
import os
import sys
import tempfile
import threading
import time
from collections import Counter

sys.path.insert(0, ".")
from ferry.store import book, connect

path = os.path.join(tempfile.mkdtemp(), "seats.db")
connect(path).execute("INSERT INTO seats VALUES ('noon', 1000)")
results = Counter()
sys.setswitchinterval(0.00001)


def customer():
    connection = connect(path)
    for _ in range(20):
        try:
            book(connection, "noon", 1)
            results["booked"] += 1
        except Exception as error:
            results[str(error)] += 1


threads = [threading.Thread(target=customer) for _ in range(8)]
started = time.monotonic()
[t.start() for t in threads]
[t.join() for t in threads]
print(dict(results), "within the timeout" if time.monotonic() - started < 5 else "timed out")
'''

DATABASE_IS_LOCKED = Story(
    "database-is-locked",
    "api",
    (
        Turn(
            "2026-04-16T13:05",
            'The booking endpoint answers 500 with "database is locked" when many people book the same sailing. '
            "We already have a timeout of five seconds on the connection, so why does it not wait?",
            (
                Read("ferry/store.py", say="I'll read the store first and then try to provoke it."),
                Write("tools/hammer.py", HAMMER),
                Run("python3 tools/hammer.py", "Provoke the lock with eight threads"),
            ),
            'The root cause of "database is locked" is that `book()` reads before it writes inside a deferred '
            "transaction. "
            "Two bookings can both hold a read lock on the SQLite file and then both want the write lock; SQLite "
            "sees that "
            "waiting could never end and refuses one of them at once, without using the busy timeout. "
            "Raising the timeout therefore cannot help. `tools/hammer.py` shows it: bookings from eight threads fail "
            "long "
            "before the timeout of five seconds is over.",
        ),
        Turn(
            "2026-04-16T13:22",
            "How do we fix that for good? And be honest: is SQLite still the right choice for us?",
            (
                Edit("ferry/store.py", 'connection.execute("BEGIN")', 'connection.execute("BEGIN IMMEDIATE")'),
                Edit(
                    "ferry/store.py",
                    '    connection.execute("CREATE TABLE',
                    '    connection.execute("PRAGMA journal_mode = WAL")\n    connection.execute("CREATE TABLE',
                ),
                Run("for i in 1 2 3; do python3 tools/hammer.py; done", "Try again, three times"),
            ),
            "Every transaction that will write now begins with `BEGIN IMMEDIATE`, which takes the write lock up "
            "front, so the "
            "second booking waits inside the busy timeout instead of failing. The database also runs in WAL mode "
            "now, so the "
            "list of sailings can be read while a booking is written.\n\n"
            "We decided to stay with SQLite: the API runs on one host, and `tools/hammer.py` makes 160 bookings from "
            "eight "
            "threads without an error. PostgreSQL should be reconsidered when a second API host is needed, because "
            "WAL does "
            "not work over a network file system.",
        ),
        Turn(
            "2026-04-16T13:48",
            "Fine by me. Add a test that would have caught it and write the rule down where the next person finds it.",
            (
                Write(
                    "tests/test_store.py",
                    "import os\nimport sqlite3\nimport tempfile\nimport unittest\n\nfrom ferry import store\n\n\n"
                    "class StoreTest(unittest.TestCase):\n"
                    "    def test_a_booking_takes_the_write_lock_before_it_reads(self):\n"
                    '        path = os.path.join(tempfile.mkdtemp(), "seats.db")\n'
                    "        first, second = store.connect(path), store.connect(path)\n"
                    "        first.execute(\"INSERT INTO seats VALUES ('noon', 10)\")\n"
                    "        statements = []\n"
                    "        second.set_trace_callback(statements.append)\n"
                    '        store.book(second, "noon", 2)\n'
                    '        self.assertEqual(statements[0], "BEGIN IMMEDIATE")\n'
                    '        self.assertEqual(first.execute("SELECT free FROM seats").fetchone(), (8,))\n',
                ),
                Run(TESTS, "Run the tests"),
                Read("CONTRIBUTING.md"),
                Edit(
                    "CONTRIBUTING.md",
                    "takes it as a parameter.\n",
                    "takes it as a parameter.\n- A transaction that writes begins with BEGIN IMMEDIATE, never with a "
                    "plain BEGIN.\n",
                ),
                Run(
                    "python3 -W error::ResourceWarning -m unittest -q tests.test_store 2>&1 | tail -8",
                    "See whether connections are left open",
                ),
                Run("git add -A && git commit -q -m 'Take the write lock first' && git log --oneline -2", "Commit"),
            ),
            "`tests/test_store.py` checks that a booking begins with `BEGIN IMMEDIATE`, and CONTRIBUTING.md says so "
            "as a rule: "
            "always open a writing transaction with `BEGIN IMMEDIATE`, never with a plain `BEGIN` followed by a "
            "`SELECT`. "
            "Watch out for the `sqlite3` module of Python here: with its default `isolation_level` it opens a deferred "
            "transaction by itself before an `UPDATE`, so `connect()` must keep `isolation_level=None`.",
        ),
    ),
)

STORM = '''"""How many requests reach the provider when it answers nothing for a while?"""
import sys

sys.path.insert(0, ".")
from ferry import retry

requests = 0


def pay():
    global requests
    requests += 1
    raise TimeoutError


options = {"sleep": lambda seconds: None}
if hasattr(retry, "RetryBudget"):
    options["budget"] = retry.RetryBudget()
for _ in range(1000):
    try:
        retry.call_with_retry(pay, lambda error: True, **options)
    except TimeoutError:
        pass
print("1000 bookings,", requests, "requests")
'''

BUDGETED_RETRY = '''"""Retries for calls to the payment provider."""
import random
import time

BASE_SECONDS = 0.05
MAX_PAUSE_SECONDS = 20
ATTEMPTS = 3
BUDGET_RATIO = 0.1


class RetryBudget:
    """Retries are paid for by first attempts: ten of those buy one retry, a hundred retries can be saved up."""

    def __init__(self, ratio=BUDGET_RATIO, saved=10.0):
        self.ratio, self.saved = ratio, saved

    def first_attempt(self):
        self.saved = min(100.0, self.saved + self.ratio)

    def take(self):
        if self.saved < 1:
            return False
        self.saved -= 1
        return True


def pause_before(attempt, jitter=random.uniform):
    """Full jitter: anywhere between nothing and the doubled pause."""
    return jitter(0, min(MAX_PAUSE_SECONDS, BASE_SECONDS * 2**attempt))


def call_with_retry(call, is_transient, sleep=time.sleep, jitter=random.uniform, budget=None):
    budget = budget or RetryBudget()
    budget.first_attempt()
    for attempt in range(ATTEMPTS):
        try:
            return call()
        except Exception as error:
            if attempt + 1 == ATTEMPTS or not is_transient(error) or not budget.take():
                raise
            sleep(getattr(error, "retry_after", None) or pause_before(attempt, jitter))
'''

RETRY_STORM = Story(
    "retry-storm",
    "api",
    (
        Turn(
            "2026-04-27T08:30",
            "The payment provider was slow for ten minutes on Saturday and wrote to us that our retries made it worse: "
            "they saw three times our normal traffic. What should our retry policy be?",
            (
                Read("ferry/retry.py"),
                Write(
                    "tools/storm.py", STORM, say="A small simulation shows what the provider sees when nothing answers."
                ),
                Run("python3 tools/storm.py", "Count the requests during an outage"),
            ),
            "The provider is right: during an outage `call_with_retry` tries every booking three times, so 1000 "
            "bookings turn "
            "into 3000 requests exactly when the provider can bear them least. Backoff alone does not help, because "
            "it only "
            "delays the retries by a quarter of a second; the number of requests stays the same. The jitter of 50 ms "
            "is too narrow as "
            "well: customers who failed together come back together.",
        ),
        Turn(
            "2026-04-27T08:44",
            "So what do you propose? It must stay simple, nobody here wants to run a circuit breaker service.",
            (
                Write("ferry/retry.py", BUDGETED_RETRY),
                Read("tests/test_retry.py"),
                Write(
                    "tests/test_retry.py",
                    "import unittest\n\nfrom ferry.retry import RetryBudget, call_with_retry, pause_before\n\n\n"
                    "class RetryTest(unittest.TestCase):\n"
                    "    def test_the_longest_pause_doubles_and_is_capped(self):\n"
                    "        longest = [pause_before(n, lambda low, high: high) for n in (0, 1, 2, 30)]\n"
                    "        self.assertEqual(longest, [0.05, 0.1, 0.2, 20])\n\n"
                    "    def test_an_empty_budget_means_no_retry(self):\n"
                    "        calls = []\n\n"
                    "        def pay():\n"
                    "            calls.append(1)\n"
                    "            raise TimeoutError\n\n"
                    "        with self.assertRaises(TimeoutError):\n"
                    "            call_with_retry(pay, lambda error: True, budget=RetryBudget(saved=0))\n"
                    "        self.assertEqual(len(calls), 1)\n",
                ),
                Run(TESTS + "; python3 tools/storm.py", "Tests and simulation"),
            ),
            "We decided on full jitter plus a retry budget. The pause is drawn from the whole range between zero and "
            "the doubled "
            "backoff, capped at 20 seconds, so customers who failed together do not come back together. The retry "
            "budget lets "
            "ten first attempts pay for one retry, which limits the extra load of an outage to about ten percent: the "
            "simulation went from 3000 requests down to about 1100. A circuit breaker was rejected because it needs "
            "state shared "
            "between processes, while the budget is a number in memory.",
        ),
        Turn(
            "2026-04-27T09:10",
            "What about their 429 answers with Retry-After? And is it safe to repeat a payment at all?",
            (
                Run("grep -n retry_after ferry/retry.py", "Where Retry-After is read"),
                Read("CONTRIBUTING.md"),
                Edit(
                    "CONTRIBUTING.md",
                    "never with a plain BEGIN.\n",
                    "never with a plain BEGIN.\n- Calls to other services go through call_with_retry with the budget "
                    "of the process; "
                    "only calls with an idempotency key may be repeated.\n",
                ),
                Run("git add -A && git commit -q -m 'Retry budget and full jitter' && git log --oneline -1", "Commit"),
            ),
            "A `Retry-After` from the provider now wins over our own pause: an error that carries `retry_after` is "
            "waited for "
            "exactly that long. Repeating a payment is only safe with an idempotency key, because a timeout does not "
            "tell whether "
            "the provider has charged the card. CONTRIBUTING.md therefore says that only calls with an idempotency "
            "key may go "
            "through the retry policy, which is the same rule the web front end follows for bookings.",
        ),
    ),
)

LOSSY_BACKUP = Story(
    "lossy-backup",
    "api",
    (
        Turn(
            "2026-05-06T07:55",
            "Last night's backup has fewer bookings than the live database had at that time. backup.sh is a plain cp "
            "of "
            "bookings.db and has worked for a year. What changed?",
            (
                Run("git log --format='%ad %s' --date=short", "What changed lately"),
                Run(
                    "python3 - <<'EOF'\n"
                    "import shutil, sqlite3, tempfile\n"
                    "where = tempfile.mkdtemp() + '/'\n"
                    "live = sqlite3.connect(where + 'bookings.db', isolation_level=None)\n"
                    "live.execute('PRAGMA journal_mode = WAL')\n"
                    "live.execute('CREATE TABLE bookings (id INTEGER)')\n"
                    "live.execute('PRAGMA wal_checkpoint(TRUNCATE)')\n"
                    "live.executemany('INSERT INTO bookings VALUES (?)', [(n,) for n in range(500)])\n"
                    "shutil.copy(where + 'bookings.db', where + 'copy.db')\n"
                    "count = 'SELECT count(*) FROM bookings'\n"
                    "print('live', live.execute(count).fetchone()[0], 'copy', sqlite3.connect(where + "
                    "'copy.db').execute(count).fetchone()[0])\n"
                    "EOF",
                    "Copy a database in WAL mode with cp",
                    say="The log names a suspect, WAL mode. I'll check whether a plain copy of such a database is "
                    "complete.",
                ),
            ),
            "The backup loses bookings because the database has been in WAL mode since 16 April, and `cp` copies only "
            "`bookings.db`. In WAL mode the newest transactions stand in `bookings.db-wal` until a checkpoint moves "
            "them, so a copy "
            "of the main file alone is older than the database: in the experiment 500 bookings were live and none of "
            "them was in "
            "the copy. Copying both files is no way out either, since they change between the two copies.",
        ),
        Turn(
            "2026-05-06T08:10",
            "Ouch. What is the right way, without stopping the API?",
            (
                Write(
                    "tools/backup.py",
                    '"""Copies the live database: backup.py FROM TO. Safe while the API runs."""\n'
                    "import sqlite3\nimport sys\n\n\n"
                    "def backup(source, target):\n"
                    "    live, copy = sqlite3.connect(source), sqlite3.connect(target)\n"
                    "    live.backup(copy)\n"
                    '    (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()\n'
                    '    if verdict != "ok":\n'
                    '        raise SystemExit(f"{target}: {verdict}")\n'
                    '    return copy.execute("SELECT count(*) FROM bookings").fetchone()[0]\n\n\n'
                    'if __name__ == "__main__":\n'
                    '    print(backup(*sys.argv[1:3]), "bookings saved")\n',
                ),
                Run(
                    "python3 - <<'EOF'\n"
                    "import sqlite3, sys, tempfile\n"
                    "sys.path.insert(0, 'tools')\n"
                    "from backup import backup\n"
                    "where = tempfile.mkdtemp() + '/'\n"
                    "live = sqlite3.connect(where + 'bookings.db', isolation_level=None)\n"
                    "live.execute('PRAGMA journal_mode = WAL')\n"
                    "live.execute('CREATE TABLE bookings (id INTEGER)')\n"
                    "live.executemany('INSERT INTO bookings VALUES (?)', [(n,) for n in range(500)])\n"
                    "print('live 500, saved', backup(where + 'bookings.db', where + 'copy.db'))\n"
                    "EOF",
                    "The same experiment with the backup API",
                ),
            ),
            "The right way is SQLite's online backup API: `tools/backup.py` calls `Connection.backup()`, which sees "
            "the "
            "write-ahead log and gives a consistent copy while the API keeps writing. All 500 bookings of the "
            "experiment were in "
            "the copy. We decided to run `PRAGMA integrity_check` on every backup and to print the number of "
            "bookings, because a "
            "backup that nobody has read is only a hope.",
        ),
        Turn(
            "2026-05-06T08:31",
            "Commit it. I prefer Python for such tools over shell from now on. Anything else we should know about WAL?",
            (Run("git add -A && git commit -q -m 'Backups through the backup API' && git log --oneline -1", "Commit"),),
            "Committed. Two more things about WAL mode are worth knowing. A reader that stays in one transaction for "
            "hours keeps the "
            "checkpoint from finishing, so the file `bookings.db-wal` grows without limit; reports should therefore "
            "read in short "
            "transactions. And the three files `bookings.db`, `bookings.db-wal` and `bookings.db-shm` belong "
            "together: a deploy "
            "must never move or delete one of them alone.",
        ),
    ),
)
