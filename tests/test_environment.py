"""The environment makes itself (scripts/wiki_env.py), its locks agree, and no test sees a person's own home."""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CHECKOUT, INSTALLERS, SCRIPTS, TEST_CACHE, Home, made_once, run_program

PARSED_FROM = (3, 8)      # below it a SyntaxError comes before any word of ours
TELL = """#!/usr/bin/env python3
import wiki_env

wiki_env.enter()

import importlib.metadata
import os
import sys

names = ",".join(sorted(d.name for d in importlib.metadata.distributions() if d.name.startswith("memex-")))
print("|".join([sys.prefix, names, os.getcwd(), sys.stdin.read(), *sys.argv[1:]]))
"""
# `uv venv --quiet --no-project --python PYTHON FOLDER`, as quick as the real one: a bare environment, and a note of
# what was asked. It installs nothing. The real uv has its turn at the end of this file.
FAKE_UV = """#!/bin/sh
echo "$*" >> "$HOME/uv.log"
[ "$1" = venv ] || exit 0
mkdir -p "$6/bin"
ln -s "$5" "$6/bin/python"
echo "home = $(dirname "$5")" > "$6/pyvenv.cfg"
"""


# -- a checkout with one script and one small package -----------------------------------------------------------------

def wheel(folder: Path, name: str) -> str:
    """Makes the wheel of an empty package in the folder; returns its line for a lock."""
    folder.mkdir(exist_ok=True)
    info, file = f"{name.replace('-', '_')}-1.0.dist-info", folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    texts = {f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = [f"{path},sha256={digest(text)},{len(text)}" for path, text in texts.items()] + [f"{info}/RECORD,,"]
    with zipfile.ZipFile(file, "w") as archive:
        for path, text in {**texts, f"{info}/RECORD": "\n".join(record) + "\n"}.items():
            archive.writestr(path, text)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of one script, whose lock names one package that is found in `wheels` and nowhere else."""
    root = tmp_path / "checkout"
    (root / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPTS / "wiki_env.py", root / "scripts")
    (root / "scripts" / "tell.py").write_text(TELL)
    (root / "scripts" / "tell.py").chmod(0o755)
    (root / "requirements.lock").write_text(wheel(tmp_path / "wheels", "memex-small"))
    (root / "requirements-dev.lock").write_text(wheel(tmp_path / "wheels", "memex-tests"))
    return root


def bare_environ(home: Home, tmp_path: Path) -> dict[str, str]:
    """As a newcomer's: python3 is the machine's and not the one that runs the tests; packages come from `wheels`."""
    path = [folder for folder in home.environ["PATH"].split(os.pathsep) if folder != os.path.dirname(sys.executable)]
    return {"HOME": str(home.path), "PATH": os.pathsep.join(path), "LANG": "C.UTF-8", "XDG_CACHE_HOME": str(home.cache),
            "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels"), "PIP_CONFIG_FILE": os.devnull}


@pytest.fixture
def tell(home: Home, checkout: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Runs the checkout's script with nothing in the environment but a newcomer's variables, and those given."""
    def run(*args, input: str = "", status: int = 0, **env) -> subprocess.CompletedProcess:
        environ = {**bare_environ(home, tmp_path), **env}
        done = subprocess.run([checkout / "scripts" / "tell.py", *args], env=environ, input=input, text=True,
                              capture_output=True, cwd=tmp_path, timeout=120)
        assert done.returncode == status, done.stderr
        return done
    return run


def uv_calls(home: Home) -> list[str]:
    log = home.path / "uv.log"
    return log.read_text().splitlines() if log.exists() else []


# -- making it --------------------------------------------------------------------------------------------------------

def test_two_first_runs_at_once_make_one_environment(home, checkout, tmp_path):
    command, environ = [checkout / "scripts" / "tell.py"], bare_environ(home, tmp_path)
    both = [subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, cwd=tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert {out for out, _ in said} == {f"{checkout}/.venv|memex-small|{tmp_path}|\n"}
    assert "".join(err for _, err in said).count("making its environment") == 1
    assert "".join(err for _, err in said).count("waiting for another run") <= 1


def test_a_later_run_is_silent_and_keeps_arguments_input_and_folder(tell, checkout, fake_bin, tmp_path):
    fake_bin("uv", FAKE_UV)
    assert "making its environment in .venv" in tell().stderr
    later = tell("a b", "--json", "*", input="from stdin")

    assert later.stderr == ""
    assert later.stdout == f"{checkout}/.venv||{tmp_path}|from stdin|a b|--json|*\n"


def test_other_packages_on_pythonpath_do_not_come_first(tell, fake_bin, tmp_path):
    fake_bin("uv", FAKE_UV)
    (tmp_path / "other" / "memex_other-1.dist-info").mkdir(parents=True)
    (tmp_path / "other" / "memex_other-1.dist-info" / "METADATA").write_text("Name: memex-other\nVersion: 1\n")
    assert "memex-other" not in tell(PYTHONPATH=str(tmp_path / "other")).stdout


def the_lock_changed(checkout: Path) -> None:
    with open(checkout / "requirements.lock", "a") as lock:
        lock.write("# a newer one\n")


def it_was_made_for_another_python(checkout: Path) -> None:
    stamp = checkout / ".venv" / "memex-stamp"
    stamp.write_text(re.sub(r"^cpython-\d+", "cpython-39", stamp.read_text()))


def it_was_made_somewhere_else(checkout: Path) -> None:
    stamp = checkout / ".venv" / "memex-stamp"
    stamp.write_text(stamp.read_text().replace(str(checkout), "/elsewhere"))


def it_was_left_half_made(checkout: Path) -> None:
    (checkout / ".venv" / "memex-stamp").unlink()


def its_python_is_gone(checkout: Path) -> None:
    (checkout / ".venv" / "bin" / "python").unlink()
    (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.11")


@pytest.mark.parametrize("what", [the_lock_changed, it_was_made_for_another_python, it_was_made_somewhere_else,
                                  it_was_left_half_made, its_python_is_gone])
def test_an_environment_that_differs_is_made_anew(what, tell, checkout, fake_bin):
    fake_bin("uv", FAKE_UV)
    tell()
    (checkout / ".venv" / "left-over").touch()
    what(checkout)

    again = tell()
    assert "making its environment" in again.stderr
    assert again.stdout.startswith(f"{checkout}/.venv|")
    assert not (checkout / ".venv" / "left-over").exists()
    assert tell().stderr == ""


def test_uv_is_given_the_hashed_lock_and_a_python(tell, checkout, fake_bin, home):
    fake_bin("uv", FAKE_UV)
    tell()
    made, filled = uv_calls(home)
    assert re.fullmatch(rf"venv --quiet --no-project --python /\S+ {checkout}/\.venv", made)
    assert filled == (f"pip install --quiet --python {checkout}/.venv/bin/python --require-hashes "
                      f"-r {checkout}/requirements.lock")


def test_where_uv_fails_pip_makes_it(tell, fake_bin):
    fake_bin("uv", "#!/bin/sh\necho 'error: invalid peer certificate' >&2\nexit 2\n")
    done = tell()
    assert "uv could not (error: invalid peer certificate); trying pip" in done.stderr
    assert "|memex-small|" in done.stdout


def test_what_the_tests_need_is_added_to_the_same_environment(home, checkout, tmp_path, fake_bin):
    fake_bin("uv", FAKE_UV)
    for _ in range(2):
        done = subprocess.run([checkout / "scripts" / "wiki_env.py", "--dev"], env=bare_environ(home, tmp_path),
                              capture_output=True, text=True, check=True)
        assert done.stdout == f"{checkout}/.venv/bin/python\n"
    asked = [call.rpartition("/")[2] for call in uv_calls(home)]
    assert asked == [".venv", "requirements.lock", "requirements-dev.lock"]


def test_a_read_only_checkout_has_its_environment_in_the_cache(home, checkout, fake_bin, monkeypatch, capsys):
    fake_bin("uv", FAKE_UV)
    env = importlib.import_module("wiki_env")
    monkeypatch.setattr(env, "ROOT", str(checkout))
    monkeypatch.setattr(env, "LOCK", str(checkout / "requirements.lock"))
    access, denied = os.access, (str(checkout), os.W_OK)      # root may write anywhere: say no in its place
    monkeypatch.setattr(os, "access", lambda path, mode: (str(path), mode) != denied and access(path, mode))

    assert env.main([]) == 0
    [python] = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"{home.cache}/memex/venv-[0-9a-f]{{12}}/bin/python", python)
    assert os.access(python, os.X_OK) and not (checkout / ".venv").exists()
    assert env.main([]) == 0 and capsys.readouterr().err == ""


def test_without_home_it_is_made_all_the_same(checkout, tmp_path, home, fake_bin):
    fake_bin("uv", FAKE_UV.replace("$HOME", str(home.path)))
    environ = {name: value for name, value in bare_environ(home, tmp_path).items()
               if name not in ("HOME", "XDG_CACHE_HOME")}
    done = subprocess.run([checkout / "scripts" / "tell.py"], env=environ, stdin=subprocess.DEVNULL, text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{checkout}/.venv|")


# -- what can be in the way -------------------------------------------------------------------------------------------

def altered(checkout: Path, old: str, new: str) -> None:
    file = checkout / "scripts" / "wiki_env.py"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_a_python_that_is_too_old_is_told_so_in_one_line(tell, checkout):
    altered(checkout, "OLDEST = (3, 11)", "OLDEST = (3, 98)")
    told = tell(status=1).stderr.splitlines()[-1]
    assert re.fullmatch(r"tell\.py: environment: python 3\.\d+ is too old and no newer one is on PATH; "
                        r"install Python 3\.98 or newer", told)


def test_a_missing_ensurepip_names_the_package_to_install(tell, checkout):
    altered(checkout, "__import__('ensurepip')", "__import__('ensurepip_as_debian_leaves_it_out')")
    told = tell(status=1).stderr.splitlines()[-1]
    assert re.fullmatch(r"tell\.py: environment: python (3\.\d+) has no ensurepip; install it "
                        r"\(Debian, Ubuntu: sudo apt install python\1-venv\) or install uv, then run again", told)


def test_without_a_network_it_says_so_and_the_next_run_starts_afresh(tell, checkout, fake_bin):
    offline = {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    told = tell(status=1, **offline).stderr.splitlines()
    assert told[-1].startswith("tell.py: environment: no packages can be fetched (no network?); connect once")
    assert not (checkout / ".venv" / "memex-stamp").exists()
    fake_bin("uv", FAKE_UV)
    assert "making its environment" in tell().stderr


@pytest.mark.real
def test_a_package_with_other_bytes_than_the_lock_says_is_refused(tell, checkout, tmp_path):
    (checkout / "requirements.lock").write_text("memex-small==1.0 --hash=sha256:" + "0" * 64 + "\n")
    assert "DO NOT MATCH THE HASHES" in tell(status=1).stderr
    assert not (checkout / ".venv" / "memex-stamp").exists()


def test_a_missing_lock_file_is_one_clear_line(tell, checkout):
    (checkout / "requirements.lock").unlink()
    told = tell(status=1).stderr
    assert told.endswith("requirements.lock is missing; restore it with: git checkout -- requirements.lock\n")


@pytest.mark.parametrize("path", sorted(SCRIPTS.rglob("*.py")), ids=lambda path: path.relative_to(SCRIPTS).as_posix())
def test_an_older_python_can_parse_every_script(path):
    """It has to reach the line that steps into the environment (no match statement, no except*)."""
    ast.parse(path.read_text(), feature_version=PARSED_FROM)


# -- what it costs ----------------------------------------------------------------------------------------------------

def test_inside_the_environment_entering_costs_under_a_millisecond(tell, checkout, fake_bin, home, tmp_path):
    fake_bin("uv", FAKE_UV)
    tell()
    timed = TELL.replace("wiki_env.enter()", "import time; t = time.perf_counter(); wiki_env.enter(); "
                         "print(time.perf_counter() - t)")
    (checkout / "scripts" / "timed.py").write_text(timed)
    seconds = [float(subprocess.run([checkout / ".venv/bin/python", checkout / "scripts" / "timed.py"], text=True,
                                    env=bare_environ(home, tmp_path), capture_output=True, check=True,
                                    stdin=subprocess.DEVNULL).stdout.splitlines()[0]) for _ in range(5)]
    assert min(seconds) < 0.001


# -- the locks --------------------------------------------------------------------------------------------------------

def uv_lock() -> dict[str, dict]:
    return {package["name"]: package for package in tomllib.loads((CHECKOUT / "uv.lock").read_text())["package"]}


def needed(names: list[dict], packages: dict[str, dict]) -> set[str]:
    """The packages of those dependencies, and of theirs."""
    found: set[str] = set()
    while names:
        package = packages[names.pop()["name"]]
        if package["name"] not in found:
            found.add(package["name"])
            names = names + package.get("dependencies", [])
    return found


def from_uv(names: set[str], packages: dict[str, dict]) -> dict[tuple[str, str], set[str]]:
    """{(name, version): hashes} as uv.lock has them."""
    def hashes(package: dict) -> set[str]:
        source = [package["sdist"]] if "sdist" in package else []
        return {file["hash"] for file in [*package.get("wheels", []), *source]}

    return {(name, packages[name]["version"]): hashes(packages[name]) for name in names}


def from_requirements(path: Path) -> dict[tuple[str, str], set[str]]:
    """{(name, version): hashes} as the exported file has them."""
    text = re.sub(r"\\\n", " ", path.read_text())
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)(.*)$", text, re.M)
    return {(name, version): set(re.findall(r"--hash=(\S+)", rest)) for name, version, rest in found}


@pytest.mark.parametrize(("file", "groups"), [("requirements.lock", []), ("requirements-dev.lock", ["dev"])])
def test_the_hashed_requirements_say_what_uv_lock_says(file, groups):
    packages = uv_lock()
    memex = packages["memex"]
    direct = [*memex["dependencies"], *(entry for group in groups for entry in memex["dev-dependencies"][group])]
    assert from_requirements(CHECKOUT / file) == from_uv(needed(direct, packages), packages)


def test_uv_lock_was_made_from_this_pyproject():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    metadata = uv_lock()["memex"]["metadata"]
    assert sorted(project["project"]["dependencies"]) == sorted(said(metadata["requires-dist"]))
    assert sorted(project["dependency-groups"]["dev"]) == sorted(said(metadata["requires-dev"]["dev"]))


def said(entries: list[dict]) -> list[str]:
    return [entry["name"] + entry.get("specifier", "") for entry in entries]


@pytest.mark.parametrize("file", ["uv.lock", "requirements.lock", "requirements-dev.lock", "pyproject.toml"])
def test_no_lock_names_any_host_but_pypi(file):
    text = (CHECKOUT / file).read_text()
    assert set(re.findall(r"[a-z+]+://[^/\s\"']+", text)) <= {"https://pypi.org", "https://files.pythonhosted.org"}
    assert not re.search(r"--(extra-)?index-url|--find-links|^\s*(/|\.\.?/)|\bpath = ", text, re.M)


def test_the_locks_have_wheels_for_linux_and_macos():
    for name, package in uv_lock().items():
        wheels = [file["url"] for file in package.get("wheels", [])]
        assert name == "memex" or any("py3-none-any" in url or "py2.py3" in url for url in wheels) or all(
            any(re.search(platform, url) for url in wheels)
            for platform in ("linux.*x86_64", "linux.*aarch64", "macosx.*arm64", "macosx.*x86_64")), name


# -- the tests' own home ----------------------------------------------------------------------------------------------

def test_a_test_sees_nothing_of_the_persons_own(home, tmp_path):
    for name in ("HOME", "WIKI_DIR", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        assert Path(os.environ[name]).is_relative_to(tmp_path), name
    assert not [name for name in os.environ if name.startswith(("ANTHROPIC", "CLAUDE_CODE", "OPENAI"))]
    assert [shutil.which(name) for name in ("claude", "codex", "qmd")] == [None, None, None]
    assert importlib.import_module("wiki_lib").WIKI_DIR == home.wiki


# -- heavy: the real packages -----------------------------------------------------------------------------------------

@pytest.fixture
def clone(tmp_path: Path, git) -> Path:
    """A fresh clone of what is committed."""
    if not (CHECKOUT / ".git").exists():
        pytest.skip("this is no git checkout: there is nothing to clone")
    git("clone", "--quiet", CHECKOUT, tmp_path / "clone", cwd=tmp_path)
    return tmp_path / "clone"


def first_and_second_run(clone: Path, home: Home, path: str) -> tuple[subprocess.CompletedProcess, float]:
    """The --help of some script of the clone, twice; the first run's words and the second one's seconds."""
    environ = {"HOME": str(home.path), "PATH": path, "LANG": "C.UTF-8", **INSTALLERS}
    scripts = [script for script in sorted((clone / "scripts").glob("*-*.py")) if "wiki_lib" in script.read_text()]
    if not scripts:
        pytest.skip("no script is committed yet")
    options = {"env": environ, "capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "cwd": clone}
    first = subprocess.run([scripts[0], "--help"], **options)
    started = time.perf_counter()
    second = subprocess.run([scripts[0], "--help"], **options)
    seconds = time.perf_counter() - started
    assert first.returncode == second.returncode == 0, first.stderr
    assert second.stderr == "" and second.stdout == first.stdout
    return first, seconds


@pytest.mark.real
def test_a_fresh_clone_with_an_empty_home_makes_its_environment(clone, home, git, tmp_path):
    first, seconds = first_and_second_run(clone, home, bare_environ(home, tmp_path)["PATH"])
    assert first.stderr.startswith("memex: making its environment in .venv (once;")
    assert git("status", "--porcelain", cwd=clone) == ""
    assert seconds < 2


@pytest.fixture(scope="session")
def uv() -> Path:
    """The real uv, from PyPI into the tests' cache; skips where it cannot be had, or does not trust this network's certificates
    (it has its own; a proxy's are to be named in SSL_CERT_FILE)."""
    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        done = subprocess.run([folder / "venv" / "bin" / "pip", "install", "--quiet", "--no-cache-dir", "uv"],
                              env={**os.environ, **INSTALLERS}, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"pip cannot install uv: {done.stderr.strip()[-300:]}")

    program = made_once(TEST_CACHE / "uv", install) / "venv" / "bin" / "uv"
    done = subprocess.run([program, "pip", "compile", "--quiet", "--no-cache", "-"], input="orjson", text=True, capture_output=True,
                          env={"PATH": os.environ["PATH"], "HOME": str(TEST_CACHE), **INSTALLERS})
    if done.returncode != 0:
        pytest.skip(f"uv cannot reach the package index: {done.stderr.strip()[-300:]}")
    return program


@pytest.mark.real
def test_a_fresh_clone_makes_its_environment_with_the_real_uv(uv, clone, home, git, tmp_path):
    (home.bin / "uv").symlink_to(uv)
    first, _ = first_and_second_run(clone, home, bare_environ(home, tmp_path)["PATH"])
    assert "trying pip" not in first.stderr
    assert "uv = " in (clone / ".venv" / "pyvenv.cfg").read_text()
    assert git("status", "--porcelain", cwd=clone) == ""


@pytest.mark.real
def test_the_real_uv_finds_the_lock_up_to_date(uv, home, tmp_path):
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(CHECKOUT / name, tmp_path)
    run_program([uv, "lock", "--check", "--index-url", "https://pypi.org/simple"], home, INSTALLERS, True, cwd=tmp_path)
