"""Secrets never reach the disk. Every secret here is made at run time from parts; none stands in this file."""

from __future__ import annotations

import json
import random
import re
from urllib.parse import quote

import pytest
import wiki_redact
from hypothesis import example, given, settings
from hypothesis import strategies as st
from planted import CONTEXTS, SETTING_CONTEXTS, kinds, pem, settings_of
from wiki_redact import NONE, RULES, redact, redact_many, redact_name


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("kind", kinds(0))
def test_a_secret_is_found_in_every_context(kind, context):
    """M12"""
    for seed in range(8):
        secret = kinds(seed)[kind]
        text = CONTEXTS[context](secret)
        clean, counts = redact(text)
        longest = max(secret.split("\n"), key=len)
        assert longest not in clean and quote(longest, safe="") not in clean, clean
        assert f"[REDACTED:{kind}]" in clean and counts[kind] >= 1, clean
        assert redact(clean) == (clean, {})


@pytest.mark.parametrize("context", SETTING_CONTEXTS)
@pytest.mark.parametrize("kind", settings_of(0))
def test_a_secret_known_by_its_name_is_found_in_every_context(kind, context):
    """M12"""
    for seed in range(8):
        written, secret = settings_of(seed)[kind]
        clean, counts = redact(SETTING_CONTEXTS[context](written))
        assert secret not in clean, clean
        assert counts.get(kind), (counts, clean)
        assert redact(clean) == (clean, {})


@pytest.mark.parametrize("colour", ["\x1b[31m", "\u241b[31m", "\u241b[01;31m\u241b[K", "\u241b[38;5;12m", "\\u001b[31m"],
                         ids=["raw", "in a file", "by grep", "of 256", "escaped"])
def test_a_secret_is_found_in_the_colours_of_a_terminal(colour):
    """M12"""
    off = colour[:colour.index("[")] + "[0m"
    for secret in kinds(3).values():
        line = max(secret.split("\n"), key=len)
        assert line not in redact(f"> {colour}{secret}{off} <")[0]
    for kind in ("password", "secret", "token", "api-key", "aws-secret", "bearer-token"):
        written, secret = settings_of(3)[kind]
        for text in (f"> {colour}{written}{off} <", written.replace(secret, f"{colour}{secret}{off}")):
            assert secret not in redact(text)[0], text


@pytest.mark.parametrize("before, after", [("\\u003d", "\\u0026x=1"), ("%253D", "%2526"), ("\\t", "\\n"), ("、", "。"), ("é", "")])
def test_what_stands_around_a_secret_may_be_escaped_or_of_any_script(before, after):
    """M12"""
    for secret in kinds(4).values():
        assert max(secret.split("\n"), key=len) not in redact(f"{before}{secret}{after}")[0]
    signed = "https://files.internal/a?se=2027\\u0026sig=" + kinds(4)["github-pat"][4:]
    assert "[REDACTED:url-token]" in redact(signed)[0]


def test_a_name_is_written_down_without_its_secret_and_stays_one_of_its_own():
    """B5"""
    here, there = (f"/home/dev/{secret}/api.jsonl" for secret in (kinds(1)["github-pat"], kinds(2)["github-pat"]))
    assert redact_name(here) != redact_name(there) and redact_name(here) == redact_name(here)
    assert all(re.fullmatch(r"/home/dev/\[REDACTED:github-pat\]/api.jsonl~[0-9a-f]{8}", redact_name(p)) for p in (here, there))
    folder = "/root/.claude/projects/-home-dev-" + re.sub(r"[^A-Za-z0-9]", "-", kinds(1)["github-pat"])
    assert redact_name(folder).startswith("/root/.claude/projects/[REDACTED:name]~")
    for plain in ("/root/.claude/projects/-home-dev-api/3de77ea9-3685-4e06-8d85-29c7b6592474.jsonl", "a1f3", ""):
        assert redact_name(plain) == plain


def test_there_are_at_least_forty_kinds():
    """M12"""
    assert len(kinds(0) | settings_of(0)) >= 40
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    assert all(name == name.lower() and " " not in name for name in names)


def pair(name: str, secret: str) -> list[str]:
    """The ways in which a name is given a value."""
    return [
        f'{{"{name}": "{secret}"}}', f'{{\\"{name}\\": \\"{secret}\\"}}', f"{name} = '{secret}'", f"{name}: {secret}",
        f'"{name}" => "{secret}"', f'{name}: str = "{secret}"', f'{name} := "{secret}"', f"https://x.internal/?a=1&{name}={secret}",
        f"{name}: |\n  {secret}", f"-e {name.upper()}={secret}", f"+  {name}: {secret}", f'<add {name}="{secret}" />',
        f"curl -d '{name}={secret}' x.internal", f"`{name}={secret}`",
    ]


@pytest.mark.parametrize("name", ["password", "db_password", "passwd", "client_secret", "access_token", "api_key", "apiKey",
                                  "secret_key", "private_key", "authToken", "encryption-key", "SMTP_PASS", "MYSQL_PWD"])
def test_a_name_that_means_a_secret_is_enough_however_it_is_set(name):
    """M12"""
    secret = "s3cr" + "Et" + "9fQ2xW"
    for text in pair(name, secret):
        clean, _ = redact(text)
        assert secret not in clean, text
        assert clean.count("\n") == text.count("\n")


def test_an_env_dump_keeps_its_names():
    """M12"""
    dump = "HOME=/home/ann\nAPI_TO" + "KEN=f00dfeed99aa\nPATH=/bin\nDB_PASS" + "WORD=letmeinplease\nLANG=C.UTF-8\n"
    clean, counts = redact(dump)
    assert clean == ("HOME=/home/ann\nAPI_TOKEN=[REDACTED:token]\nPATH=/bin\nDB_PASSWORD=[REDACTED:password]\nLANG=C.UTF-8\n")
    assert counts == {"token": 1, "password": 1}


def test_user_and_host_of_a_url_stay():
    """M12"""
    clean, _ = redact("redis://:" + "Zk3ppLq9" + "@cache.internal:6379/0 and https://ann:" + "Zk3ppLq9" + "@git.internal/x.git")
    assert clean == ("redis://:[REDACTED:url-password]@cache.internal:6379/0 and "
                     "https://ann:[REDACTED:url-password]@git.internal/x.git")


# ---- private keys ---------------------------------------------------------------------------------------------------

LABELS = ["RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY",
          "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("dress", [
    lambda block: block,
    lambda block: block.replace("\n", "\\n"),
    lambda block: block.replace("\n", "\\\\n"),
    lambda block: block.replace("\n", "\r\n"),
    lambda block: "\n".join("    " + line for line in block.split("\n")),
    lambda block: "\n".join(f"{i:6}\t{line}" for i, line in enumerate(block.split("\n"), 1)),
    lambda block: "\n".join("+" + line for line in block.split("\n")),
    lambda block: "\n".join("> " + line for line in block.split("\n")),
    lambda block: block.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n", 1),
], ids=["plain", "escaped", "escaped twice", "CRLF", "indented", "numbered", "diff", "quoted", "with headers"])
def test_a_private_key_becomes_one_placeholder_whole_or_cut_off(label, dress):
    """M12"""
    block = dress(pem(label, random.Random(7)))
    clean, counts = redact(f"before\n{block}\nafter")
    assert counts == {"pem-private-key": 1}
    assert clean.startswith("before\n") and clean.endswith("[REDACTED:pem-private-key]\nafter")
    cut, counts = redact(f"before\n{block[:-60]}")
    assert counts == {"pem-private-key": 1}
    assert not any(line in cut for line in pem(label, random.Random(7)).split("\n")[1:-1]), cut


def test_two_keys_are_two_placeholders_and_what_lies_between_stays():
    """M12"""
    one, two = pem("RSA PRIVATE KEY", random.Random(1)), pem("EC PRIVATE KEY", random.Random(2))
    assert redact(f"{one}\nand\n{two}\n")[0] == "[REDACTED:pem-private-key]\nand\n[REDACTED:pem-private-key]\n"


# ---- what is left alone ---------------------------------------------------------------------------------------------

HARMLESS = r'''
token = token_factory(settings, scope="read")
password: str = Field(..., min_length=12)
const apiKey = process.env.API_KEY ?? ""
api_key = os.environ["OPENAI_API_KEY"]
"api_key": "${OPENAI_API_KEY}", "password": "<your-password>", "token": "xxxxxxxxxxxxxxxx"
DB_PASSWORD=changeme SECRET_KEY=your-secret-key-here API_TOKEN=<token> TOKEN=$(cat token.txt)
export GITHUB_TOKEN=$GITHUB_TOKEN; export ANTHROPIC_API_KEY="your-api-key"
Authorization: Bearer $TOKEN
Authorization: Bearer <token>
use bearer authentication, or Basic authentication with a username and password
The token: it is refreshed hourly. The secret: there is none. Password: forgotten.
input_tokens: 1234567890, "max_tokens": 128000, "cache_read_input_tokens": 99999999
primary_key = "user_id2"; cache_key = "user:123:profile"; foreign_key: accounts.id2
https://user:password@example.com/ and postgres://postgres:postgres@localhost:5432/test
git@github.com:simonw/datasette.git and https://example.com:8080/a@b and http://localhost:3000/@vite/client
http://[::1]:8080/x@y npm i @types/node@20.1.0 --save
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
commit 3f786850e387550fdab836ed7e6dc881de23001b 0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0
PWD=/home/ann/projects/api OLDPWD=/home/ann SSH_PRIVATE_KEY=/home/ann/.ssh/id_ed25519
if line.startswith("-----BEGIN RSA PRIVATE KEY-----"): raise ValueError("a private key")
-----BEGIN CERTIFICATE-----
sk-learn-contrib-hdbscan-wheels task-manager-configuration-file-watcher sk-toggleable__content-arrow
"secret": "kubernetes-secret-name", secretName: my-tls-secret, "tokenType": "Bearer"
password=password1&password_confirmation=password1 {"type": "password", "name": "password"}
def hf_load_pretrained_model_weights_from_hub(): npm_config_registry_url_for_the_workspace = 1
const token = await getAccessToken({ tenant: "a1b2c3d4" }); token.value = other.token2.value
secret_key_base: <%= ENV["SECRET_KEY_BASE"] %> api_key: {{ .Values.apiKey }} password: ********
{"keywords": "key: value pairs", "sortKey": "created_at_2024", "publicKey": "MFkwEwYHKoZIzj0CAQ"}
theme-dark key-value-store-abcdef key-0123456789abcdef secret_manager_service_account
'''


@pytest.mark.parametrize("line", HARMLESS.strip().split("\n"))
def test_code_and_prose_about_secrets_are_left_alone(line):
    """M12"""
    assert redact(line) == (line, {})


def test_text_without_a_secret_comes_back_as_the_same_object():
    text = "The retry test failed because the clock was not frozen.\n" * 200
    clean, counts = redact(text)
    assert clean is text and counts is NONE and not counts


@pytest.mark.parametrize("marked", ["[REDACTED:aws-key]", "REDACTED", "[REDACTED]", "***REDACTED***"])
def test_what_is_redacted_already_is_no_secret(marked):
    for text in pair("password", marked) + [f"Authorization: Bearer {marked}", f"https://ann:{marked}@x.internal/"]:
        assert redact(text) == (text, {})


# ---- laws -----------------------------------------------------------------------------------------------------------

PIECES = st.one_of(
    st.text(max_size=30),
    st.sampled_from([" ", "\n", "\\n", '"', "'", "=", ": ", "&", "?", "@", "://", "-----", "[REDACTED:aws-key]", "\ud800", "é"]),
    st.sampled_from(["password", "API_KEY", "token", "Bearer ", "Authorization: ", "Cookie: sid=", "--secret ", "curl -u a:"]),
    st.integers(0, 3).flatmap(lambda seed: st.sampled_from(list(kinds(seed).values()))),
    st.integers(0, 3).flatmap(lambda seed: st.sampled_from([written for written, _ in settings_of(seed).values()])))
TEXTS = st.lists(PIECES, max_size=12).map("".join)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("\x01\x02\x03" * 9)
def test_redacting_twice_changes_nothing(text):
    """M12"""
    clean, counts = redact(text)
    assert redact(clean) == (clean, {})
    assert (clean is text) == (not counts)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, max_size=8))
def test_redacting_many_is_redacting_each(texts):
    assert redact_many(texts) == [redact(text) for text in texts]


def without_the_gate(text: str) -> set[str]:
    """The rules that would replace something if every one of them were tried."""
    return {rule.name for rule in RULES if wiki_redact.replace(rule, text)[1]}


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("Bearer " + "-ioEs0TqeP8l1bHabcdef5")
@example("BEARER " + "_ioEs0TqeP8l1bHabcdef5")
@example("&" + "a" * 28 + "_token=" + "BkDzJFtwZpIaTucro7vr")
def test_the_gate_lets_through_whatever_a_rule_would_find(text):
    assert without_the_gate(text) <= {rule.name for rule in wiki_redact.suspected(text)}


def test_a_hostile_text_is_done_quickly():
    for text in ("-----BEG" + "IN PRIVATE KEY-----" + "-a" * 50_000, "password=" * 20_000, "://a:" * 20_000, "token: " * 20_000,
                 "eyJ" * 30_000, "x" * 200_000, "-" * 200_000, "curl -u " * 10_000, "Cookie: a=b; " * 10_000):
        redact(text)


# ---- real sessions --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("every", [36, pytest.param(3, marks=pytest.mark.real)])
def test_real_sessions_have_fewer_than_one_line_in_a_thousand_touched(corpus, every):
    """M12; of a third of the sessions where marked `real`."""
    lines = touched = 0
    for path in sorted(corpus.glob("claude/**/*.jsonl"))[::every]:
        for record in path.read_bytes().split(b"\n"):
            for text in strings(record):
                clean, counts = redact(text)
                lines += text.count("\n") + 1
                touched += sum(counts.values())
                assert without_the_gate(text) == set() if clean is text and len(text) < 2_000 else True
    assert lines > 1_000
    assert touched / lines < 0.001


def strings(record: bytes) -> list[str]:
    try:
        values = [json.loads(record)]
    except ValueError:
        return []
    found = []
    while values:
        value = values.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            values += value.values()
        elif isinstance(value, list):
            values += value
    return found
