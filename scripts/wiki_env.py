#!/usr/bin/env python3
"""The environment makes itself: the first run of any script creates it, later runs step into it.

`enter()` is called by wiki_lib.py before anything else is imported. Run by hand, this file makes the environment where
it is missing and prints the path of its python:

    python3 scripts/wiki_env.py          # what the scripts need
    python3 scripts/wiki_env.py --dev    # and what the tests need

Only the standard library is used here, in the syntax of Python 3.6: a python3 that is too old for everything else must
still be able to step into an environment, to find a newer interpreter, or to say what is missing.
"""
import os
import signal
import sys

OLDEST = (3, 11)                  # what pyproject.toml requires
NEWEST = (3, 19)                  # python3.N is looked for on PATH from here downwards
SECONDS = {"uv": 5, "pip": 20}    # what the first run says it will take
STAMP = "memex-stamp"             # inside the environment, written last: interpreter, place, then the lock's own text
DEV_STAMP = "memex-dev-stamp"     # the same for what the tests need
GUARD = "_MEMEX_ENTERING"         # pid:count of restarts, so that an environment that is none cannot loop

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
LOCK = os.path.join(ROOT, "requirements.lock")
DEV_LOCK = os.path.join(ROOT, "requirements-dev.lock")

# Variables that would lead an installer, or the python inside, somewhere else.
MISLEADING = (
    "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV", "CONDA_PREFIX",
    "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_CONSTRAINT", "PIP_REQUIREMENT", "PIP_REQUIRE_VIRTUALENV",
    "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE_NEWER",
)
OFFLINE = (
    "NewConnectionError", "name resolution", "Max retries exceeded", "dns error", "error sending request",
    "Failed to fetch", "ConnectTimeout", "Network is unreachable", "Could not connect",
    "No matching distribution found",
)


class NoEnvironment(Exception):
    """One line for a person: what is wrong with what; what to do."""


# -- stepping in ------------------------------------------------------------------------------------------------------

def enter():
    """Make sure that this process runs inside the project's environment, making it where it is missing.

    Returns at once inside a current environment, and when the program that runs is not a file of this checkout (pytest,
    an interactive python). Otherwise does not return: the same command line starts again in the environment's python.
    On failure: one line on stderr and exit status 1.
    """
    if not _runs_a_file_of_ours():
        return
    here = os.path.realpath(sys.prefix)
    if sys.version_info >= OLDEST and _stamp(here) == _wanted_stamp(here, _tag(), LOCK):
        os.environ.pop(GUARD, None)
        if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)      # until run(): ^C while modules are loaded ends it, and no more
        return
    try:
        _start_again_in(_ready_or_made(here))
    except NoEnvironment as problem:
        _die(str(problem))
    except OSError as problem:
        _die("cannot be made: %s; see that %s or XDG_CACHE_HOME can be written" % (problem, ROOT))
    except KeyboardInterrupt:
        sys.exit(130)


def _runs_a_file_of_ours():
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    if not main:
        return False
    main = os.path.realpath(main)
    # A program installed in the environment itself (pytest) is in the checkout and yet is not ours.
    return main.startswith(ROOT + os.sep) and not main.startswith(os.path.join(ROOT, ".venv") + os.sep)


def _start_again_in(venv):
    count = _restarts() + 1
    if count > 3:
        raise NoEnvironment("%s does not recognise itself; remove it and run again" % venv)
    os.environ[GUARD] = "%d:%d" % (os.getpid(), count)
    for name in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"):      # or another project's packages come first
        os.environ.pop(name, None)
    sys.stdout.flush()
    sys.stderr.flush()
    python = _python(venv)
    os.execv(python, [python] + list(getattr(sys, "orig_argv", [None] + sys.argv)[1:]))


def _restarts():
    pid, _, count = os.environ.get(GUARD, "").partition(":")      # the pid survives exec, and children have their own
    return int(count) if pid == str(os.getpid()) and count.isdigit() else 0


# -- where it is, and whether it is current ---------------------------------------------------------------------------

def _in_checkout():
    return os.path.realpath(os.path.join(ROOT, ".venv"))


def _in_cache():
    import hashlib
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    name = "venv-" + hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:12]
    return os.path.join(os.path.realpath(cache), "memex", name)


def _python(venv):
    return os.path.join(venv, "bin", "python")


def _tag():
    """Which interpreter the packages were made for: a patch release may change, these may not."""
    return "%s %s %s" % (sys.implementation.cache_tag, os.uname()[0], os.uname()[4])


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None


def _stamp(venv, name=STAMP):
    return _read(os.path.join(venv, name))


def _wanted_stamp(venv, tag, lock):
    """The lock's whole text rather than its digest: as quick to compare, and hashlib need not be loaded."""
    return "%s\n%s\n%s" % (tag, venv, _read(lock))


def _looks_current(venv):
    """Judged from outside: everything but the interpreter, which the environment's own python judges when it starts."""
    stamp = _stamp(venv) or ""
    wanted = _wanted_stamp(venv, stamp.partition("\n")[0], LOCK)
    return stamp == wanted and os.access(_python(venv), os.X_OK)


def _is_current(venv):
    """Judged by starting its python: slower, and certain."""
    return _looks_current(venv) and _stamp(venv).partition("\n")[0] == _tag_of(_python(venv))


def _tag_of(python):
    import subprocess
    code = "import sys, os; sys.path.insert(0, %r); import wiki_env; print(wiki_env._tag())" % os.path.dirname(__file__)
    try:
        return subprocess.check_output([python, "-I", "-c", code], env=_clean_environ(), universal_newlines=True,
                                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _ready_or_made(here, dev=False):
    """The path of a current environment; `here` is where this process runs, found wanting already."""
    checkout = _in_checkout()
    if checkout != here and not dev and _looks_current(checkout):
        return checkout
    writable = os.access(ROOT, os.W_OK)
    venv = checkout if writable else _in_cache()
    if writable or venv == here or dev or not _looks_current(venv):
        _make(venv, dev)
    return venv


# -- making it --------------------------------------------------------------------------------------------------------

def _make(venv, dev):
    """Under a lock, so that a second first run waits; wiped before and stamped after: half of one is never used."""
    import shutil
    if not os.path.exists(LOCK):
        raise NoEnvironment("%s is missing; restore it with: git checkout -- requirements.lock" % LOCK)
    parent = os.path.dirname(venv)
    try:
        os.makedirs(parent, exist_ok=True)
        locked = _lock(venv + ".lock")
    except OSError as problem:
        why = "%s cannot be written (%s); set XDG_CACHE_HOME to one that can" % (parent, problem.strerror)
        raise NoEnvironment(why) from None
    try:
        if not _is_current(venv):
            for stamp in (STAMP, DEV_STAMP):
                if os.path.exists(os.path.join(venv, stamp)):
                    os.unlink(os.path.join(venv, stamp))
            if os.path.isdir(venv):
                shutil.rmtree(venv)
            _build(venv, locked)
            _write_stamp(venv, STAMP, LOCK)
        if dev and _stamp(venv, DEV_STAMP) != _wanted_stamp(venv, _stamp(venv).partition("\n")[0], DEV_LOCK):
            _say("adding what the tests need to %s" % _shown(venv))
            _add_dev(venv, locked)
            _write_stamp(venv, DEV_STAMP, DEV_LOCK)
    finally:
        os.close(locked)


def _lock(path):
    import fcntl
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _say("waiting for another run, which is making the environment")
        fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def _build(venv, locked):
    """With uv where there is one; with venv and pip where there is none, or where it cannot (its own certificates)."""
    import shutil
    uv = shutil.which("uv")
    base = _interpreter(needs_ensurepip=not uv)
    _say("making its environment in %s (once; about %d s)" % (_shown(venv), SECONDS["uv" if uv else "pip"]))
    if uv:
        choice = ["--python", base or ">=%d.%d" % OLDEST]      # without one, uv fetches its own
        failed = (_run([uv, "venv", "--quiet", "--no-project"] + choice + [venv], locked)
                  or _run(_uv_install(uv, venv, LOCK), locked))
        if not failed:
            return
        _say("uv could not (%s); trying pip" % _last_line(failed))
        shutil.rmtree(venv, ignore_errors=True)
        base = _interpreter(needs_ensurepip=True)
    failed = _run([base, "-I", "-m", "venv", venv], locked) or _run(_pip_install(venv, LOCK), locked)
    if failed:
        raise NoEnvironment(_told(failed))


def _add_dev(venv, locked):
    import shutil
    uv = shutil.which("uv")
    if uv and not _run(_uv_install(uv, venv, DEV_LOCK), locked):
        return
    if _run([_python(venv), "-I", "-m", "pip", "--version"], locked):      # an environment that uv made
        _run([_python(venv), "-I", "-m", "ensurepip"], locked)
    failed = _run(_pip_install(venv, DEV_LOCK), locked)
    if failed:
        raise NoEnvironment(_told(failed))


def _uv_install(uv, venv, lock):
    return [uv, "pip", "install", "--quiet", "--python", _python(venv), "--require-hashes", "-r", lock]


def _pip_install(venv, lock):
    return [_python(venv), "-I", "-m", "pip", "install", "--quiet", "--retries", "2", "--no-deps", "--require-hashes",
            "-r", lock]


def _write_stamp(venv, name, lock):
    tag = _tag_of(_python(venv))
    if not tag:
        raise NoEnvironment("%s does not start; remove %s and run again" % (_python(venv), venv))
    path = os.path.join(venv, name)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(_wanted_stamp(venv, tag, lock))
    os.replace(path + ".new", path)


def _interpreter(needs_ensurepip):
    """The python to build on: this one, else a newer python3.N from PATH; None leaves the choice to uv."""
    import shutil
    names = ["python3.%d" % minor for minor in range(NEWEST[1], OLDEST[1] - 1, -1)] + ["python3"]
    mine = getattr(sys, "_base_executable", None) or sys.executable
    found = [path for path in [mine] + [shutil.which(name) for name in names] if path]
    lacking = None
    for path in found:
        if not _probe(path, "sys.version_info >= %r" % (OLDEST,)):
            continue
        if not needs_ensurepip or _probe(path, "__import__('ensurepip') and __import__('venv')"):
            return path
        lacking = lacking or _probe(path, "'%d.%d' % sys.version_info[:2]")
    if lacking:
        raise NoEnvironment("python %s has no ensurepip; install it (Debian, Ubuntu: sudo apt install python%s-venv) "
                            "or install uv, then run again" % (lacking, lacking))
    if needs_ensurepip:
        raise NoEnvironment("python %d.%d is too old and no newer one is on PATH; install Python %d.%d or newer"
                            % (sys.version_info[:2] + OLDEST))
    return None


def _probe(python, expression):
    """What that python makes of the expression, as text; '' when false or when it does not start (a pyenv shim)."""
    import subprocess
    code = "import sys; print(%s or '')" % expression
    try:
        return subprocess.check_output([python, "-I", "-c", code], env=_clean_environ(), universal_newlines=True,
                                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _run(command, locked):
    """Runs it in silence; returns '' when it went well, else what it printed."""
    import subprocess
    # The child holds the lock too: killed with kill -9, this process leaves an installer behind that still writes.
    process = subprocess.Popen(command, env=_clean_environ(), pass_fds=[locked], universal_newlines=True, cwd=ROOT,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output = process.communicate()[0]
    except BaseException:
        process.kill()
        process.wait()
        raise
    return "" if process.returncode == 0 else output.strip() or "%s ended with %d" % (command[0], process.returncode)


def _clean_environ():
    env = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    env.update(PYTHONNOUSERSITE="1", PIP_USER="0", PIP_NO_INPUT="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    home = env.get("HOME")
    if not home or not os.access(home, os.W_OK):
        env.update(PIP_NO_CACHE_DIR="1", UV_NO_CACHE="1")
    return env


# -- words ------------------------------------------------------------------------------------------------------------

def _shown(venv):
    return ".venv" if venv == _in_checkout() else venv


def _told(output):
    """An installer's output as one line: what happened; what to do."""
    if any(sign in output for sign in OFFLINE):
        return "no packages can be fetched (no network?); connect once and run again, or set PIP_INDEX_URL to a mirror"
    return "%s; mend that and run again" % _last_line(output)


def _last_line(output):
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines[-1:] or ["no word of why"])[-1][:300]


def _say(text):
    sys.stderr.write("memex: %s\n" % text)
    sys.stderr.flush()


def _die(text):
    sys.stderr.write("%s: environment: %s\n" % (os.path.basename(sys.argv[0] or "memex"), text))
    sys.exit(1)


def main(arguments):
    """Makes the environment where it is missing and prints its python's path."""
    if any(argument not in ("--dev",) for argument in arguments):
        sys.stdout.write((__doc__ or "").split("\n\n", 1)[1])
        return 0 if "--help" in arguments else 2
    try:
        venv = _ready_or_made(here=None, dev="--dev" in arguments)
    except (NoEnvironment, OSError) as problem:
        _die(str(problem))
    sys.stdout.write(_python(venv) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
