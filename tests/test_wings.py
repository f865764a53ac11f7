"""Which wing a session is filed under: worktrees, renames, two machines, two repositories of one name, no git at all."""

from __future__ import annotations

import wiki_lib as wl

import json
import os
import random
import shutil
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest
import sessions
from wiki_origin import Clones, parse_settings, plain_path, remote_key
from wiki_wings import Wings, folder_wing, repository_wings, wing_name

SHOP = "git@git.example.org:acme/shop.git"
SHOP_KEY = "git.example.org/acme/shop"


@pytest.fixture
def repo(git, home):
    """`repo("dev/api", "git@host.org:acme/api.git")` makes a repository below the home folder; returns its folder."""
    def make(folder: str, origin: str = "", **remotes: str) -> Path:
        path = home.path / folder
        path.mkdir(parents=True, exist_ok=True)
        git("init", "-q", cwd=path)
        git("commit", "-q", "--allow-empty", "-m", "x", cwd=path)
        for name, url in (({"origin": origin} if origin else {}) | remotes).items():
            git("remote", "add", name, url, cwd=path)
        return path
    return make


def wing(cwd, known=(), project_map=None, **more) -> str:
    """What a fresh run says of a folder."""
    wings = Wings(project_map or {}, known, **more)
    wings.learn([str(cwd)])
    return wings.of(str(cwd))


# ---------------------------------------------------------------- one remote in many dresses

@pytest.mark.parametrize("url", [
    "git@git.example.org:acme/shop.git", "git.example.org:acme/shop", "git@git.example.org:/acme/shop.git",
    "https://git.example.org/acme/shop", "https://git.example.org/acme/shop.git", "https://git.example.org/acme/shop/",
    "https://git.example.org/acme/shop.git/", "HTTPS://Git.Example.ORG/Acme/Shop.git", "http://git.example.org:8080/acme/shop",
    "https://user@git.example.org/acme/shop", "https://user:pa55@git.example.org/acme/shop", "git://git.example.org/acme/shop",
    "https://user:pa@55@git.example.org/acme/shop", "https://git.example.org//acme//shop.git",
    "https://git.example.org/acme/shop.git?private_token=glpat-1234", "https://git.example.org/acme/shop#readme",
    "ssh://git@git.example.org/acme/shop.git", "ssh://git@git.example.org:2222/acme/shop.git",
    "git+ssh://git@git.example.org/acme/shop", " git@git.example.org:acme/shop.git\n", "ssh://git@git.example.org:/acme/shop"])
def test_one_remote_however_it_is_written_is_one_key(url):
    """B10 M11"""
    assert remote_key(url) == SHOP_KEY


@pytest.mark.parametrize(("url", "key"), [
    ("git@ssh.github.com:acme/shop.git", "github.com/acme/shop"),
    ("ssh://git@ssh.github.com:443/acme/shop", "github.com/acme/shop"),
    ("https://www.github.com/acme/shop", "github.com/acme/shop"), ("git@github.com-work:acme/shop.git", "github.com/acme/shop"),
    ("https://github.corp.example/acme/shop", "github.corp.example/acme/shop"),
    ("git@gitlab.com:group/sub/shop.git", "gitlab.com/group/sub/shop"), ("ssh://git@[2001:db8::1]:22/a/b.git", "[2001:db8::1]/a/b"),
    ("https://dev.azure.com/acme/Big%20Plan/_git/shop", "dev.azure.com/acme/big plan/shop"),
    ("https://acme@dev.azure.com/acme/plan/_git/shop", "dev.azure.com/acme/plan/shop"),
    ("git@ssh.dev.azure.com:v3/acme/plan/shop", "dev.azure.com/acme/plan/shop"),
    ("https://acme.visualstudio.com/DefaultCollection/plan/_git/shop", "dev.azure.com/acme/plan/shop"),
    ("https://bitbucket.corp.example/scm/acme/shop.git", "bitbucket.corp.example/acme/shop"),
    ("ssh://git@bitbucket.corp.example:7999/acme/shop.git", "bitbucket.corp.example/acme/shop"),
    ("git@git.example.org:数据/项目.git", "git.example.org/数据/项目")])
def test_services_with_several_addresses_have_one_key(url, key):
    """B10"""
    assert remote_key(url) == key


@pytest.mark.parametrize("url", [
    "", "  ", "/srv/git/shop.git", "../shop", "./shop", "shop", "~/shop", "file:///srv/shop.git", "FILE:///srv/shop.git",
    "C:\\code\\shop", "c:/code/shop", "\\\\nas\\git\\shop", "https://", "https:///x", "https://host", "git@host:", "://x/y",
    "codecommit::eu-west-1://me@shop", "https://me:12/34@git.example.org/acme/shop", "\0", "git@:x/y"])
def test_what_is_no_address_has_no_key_and_no_part_of_a_password_gets_into_one(url):
    """B10"""
    assert remote_key(url) == ""


def test_no_credential_in_any_place_of_an_address_reaches_the_key():
    """B10 M12"""
    secret = "s3cr3tpassw0rd"
    for dress in ("https://u:{}@h.org/a/b", "https://{}@h.org/a/b", "https://{}:x-oauth-basic@h.org/a/b", "ssh://u:{}@h.org:22/a/b",
                  "https://h.org/a/b?access_token={}", "https://h.org/a/b.git#{}", "u:{}@h.org:a/b", "https://u:x@{}@h.org/a/b"):
        assert remote_key(dress.format(secret)) == "h.org/a/b", dress


# ---------------------------------------------------------------- what git says of a folder

def test_a_folder_in_a_repository_and_its_worktrees_inside_and_outside_are_one_wing(repo, git, home):
    """B10 M11"""
    shop = repo("dev/my checkout", SHOP)
    (shop / "packages" / "web").mkdir(parents=True)
    outside, inside, agents = home.path / "elsewhere", shop / ".claude" / "worktrees" / "fix", shop / ".conductor" / "lisbon"
    codex = home.path / ".codex" / "worktrees" / "a1b2" / "shop"
    for tree in (outside, inside, agents, codex):
        git("worktree", "add", "-q", tree, cwd=shop)
    (outside / "packages").mkdir()
    link = home.path / "link"
    link.symlink_to(shop / "packages")
    for cwd in (shop, shop / "packages" / "web", shop / "gone" / "deep", outside / "packages", inside, agents, codex, link / "web",
                shop / ".git" / "hooks", f"{shop}/", f"{shop}/packages/../packages"):
        assert wing(cwd) == "shop", cwd


def test_worktrees_with_relative_paths_are_understood(repo, git, home):
    """B10"""
    shop, tree = repo("shop-folder", SHOP), home.path / "tree"
    git("worktree", "add", "-q", tree, cwd=shop)
    (tree / ".git").write_text(f"gitdir: ../shop-folder/.git/worktrees/{tree.name}\n")
    assert git("remote", cwd=tree).strip() == "origin" and wing(tree) == "shop"


def test_a_bare_repository_and_its_worktrees_are_one_wing(repo, git, home):
    """B10"""
    seed = repo("seed")
    git("clone", "-q", "--bare", seed, home.path / "plan.git", cwd=home.path)
    bare = home.path / "work" / ".bare"
    git("clone", "-q", "--bare", seed, bare, cwd=home.path)
    for one, name in ((home.path / "plan.git", "plan"), (bare, "work")):
        git("remote", "remove", "origin", cwd=one)
        tree = one.parent / f"{name}-tree"
        git("worktree", "add", "-q", tree, cwd=one)
        assert wing(tree) == wing(one) == wing(one / "refs") == name
        git("remote", "add", "origin", SHOP, cwd=one)
        assert wing(tree) == wing(one) == "shop"
    (bare.parent / ".git").write_text("gitdir: ./.bare\n")
    assert wing(bare.parent) == "shop"


def test_a_submodule_is_a_project_of_its_own(repo, git, home):
    """B10"""
    part, whole = repo("part"), repo("whole", SHOP)
    git("-c", "protocol.file.allow=always", "submodule", "add", "-q", part, "lib/thing", cwd=whole)
    inside = whole / "lib" / "thing"
    assert (inside / ".git").is_file() and wing(inside) == "part"          # a clone of a repository on this machine
    git("remote", "set-url", "origin", "https://git.example.org/acme/thing", cwd=inside)
    assert wing(inside) == "thing" and wing(whole / "lib") == "shop"


def test_a_repository_elsewhere_than_its_working_tree_is_read(git, home):
    """B10"""
    tree = home.path / "tree"
    git("init", "-q", "--separate-git-dir", home.path / "t-store", tree, cwd=home.path)
    assert wing(tree) == "tree"
    git("remote", "add", "origin", SHOP, cwd=tree)
    assert wing(tree) == "shop"


def test_a_repository_without_a_remote_is_called_by_its_top_folder(repo, git, home):
    """B10"""
    plan = repo("dev/plan")
    (plan / "src").mkdir()
    git("worktree", "add", "-q", home.path / "other", cwd=plan)
    assert wing(plan) == wing(plan / "src") == wing(home.path / "other") == "plan"


def test_clones_of_a_repository_on_this_machine_are_the_same_project(repo, git, home):
    """B10: paths as remotes name nothing on another machine."""
    shop, plan = repo("dev/shop-main", SHOP), repo("dev/plan")
    for source, address in ((shop, shop), (shop, f"file://{shop}"), (plan, plan), (plan, f"file://{plan}")):
        copy = home.path / "copies" / f"copy{len(os.listdir(home.path / 'copies')) if (home.path / 'copies').exists() else 0}"
        git("clone", "-q", address, copy, cwd=home.path)
        assert wing(copy) == ("shop" if source == shop else "plan")
    far = repo("far", "/srv/git/tools.git")
    wings = Wings({})
    wings.learn([str(far)])
    assert wings.of(str(far)) == "tools" and wings.memory() == {}


def test_origin_counts_before_the_other_remotes_and_their_order_does_not(repo):
    """B10"""
    others = {"zeta": "https://git.example.org/z/zeta", "alpha": "https://git.example.org/a/alpha"}
    assert wing(repo("a", SHOP, **others)) == "shop"
    assert wing(repo("b", "", **others)) == wing(repo("c", "", **dict(reversed(others.items())))) == "alpha"
    assert wing(repo("d", "/srv/mirror/x.git", **others)) == "alpha"


def test_nicknames_of_hosts_are_told_only_here_so_they_are_undone(repo, git, home):
    """B10: url.insteadOf in the repository's own, the person's and an included configuration, and ssh's Host."""
    (home.path / ".ssh").mkdir()
    (home.path / ".ssh" / "config").write_text("Host work other\n  HostName git.example.org\nHost *\n  HostName x\n"
                                               "Host corp.example\n  HostName 10.0.0.1\n"
                                               "host=mine.github.com\nHostName=github.com\n")
    (home.path / ".gitconfig").write_text(
        '[url "https://git.example.org/"]\n\tinsteadOf = ex:\n[url "https://mirror.example.net/"]\n'
        '\tinsteadOf = https://git.example.org/\n[includeIf "gitdir:~/jobs/"]\n\tpath = .gitconfig-jobs\n')
    (home.path / ".gitconfig-jobs").write_text('[url "git@git.example.org:acme/"]\n\tinsteadOf = "acme:"\n')
    addresses = {"ex:acme/shop": "shop", "https://git.example.org/acme/shop": "shop", "work:acme/shop": "shop",
                 "git@other:acme/shop.git": "shop", "own:shop": "shop", "acme:shop": "shop"}
    keys = set()
    for n, url in enumerate(addresses):
        made = repo(f"jobs/{n}", url)
        if url == "own:shop":
            git("config", "url.ssh://git@git.example.org/acme/.insteadOf", "own:", cwd=made)
        keys.add(Clones().of(str(made)).key)
    assert keys == {SHOP_KEY}
    assert Clones().of(str(repo("not-a-job", "acme:shop"))).key == "acme/shop"
    assert Clones().of(str(repo("m", "git@mine.github.com:acme/shop"))).key == "github.com/acme/shop"
    assert Clones().of(str(repo("n", "git@corp.example:acme/shop"))).key == "corp.example/acme/shop"


@pytest.mark.parametrize("text", [
    b"", b"\xff\xfe\x00bad\x00", b"[remote \"origin\"]\n\turl", b"[remote \"origin\n\turl = x\n", b"[", b"]]]]\n= = =\n\x00\x00",
    b"[include]\n\tpath = config\n", b"<<<<<<< HEAD\n[core]\n", b"[remote \"origin\"]\n\turl = \n"])
def test_a_broken_configuration_leaves_the_folders_name(text, repo):
    """B10"""
    plan = repo("plan")
    (plan / ".git" / "config").write_bytes(text)
    assert wing(plan) == "plan"


@pytest.mark.parametrize("text", [
    '[remote "origin"]\n\turl = @\n', '[remote "origin"]\r\n\turl=@\r\n', '[remote.origin] url = @\n',
    '\ufeff[REMOTE "origin"]\nURL = "@" ; here\n', '[remote "origin"]\n\turl = \\\n@\n',
    '[user]\n\tname = "J\udcf6rg\n[remote "origin"]\n\turl = @\n',
    '[remote "origin"]\n\tfetch = +refs/*:refs/remotes/[x]/*\n\turl = @\n\turl = https://other.org/x/y\n',
    '# [remote "origin"]\n#\turl = https://no.org/x/y\n[remote "origin"]\n\tpushurl = https://no.org/p/q\n\turl = @ # x\n'])
def test_a_configuration_is_read_as_git_reads_it(text, repo):
    """B10"""
    shop = repo("plan")
    (shop / ".git" / "config").write_text(text.replace("@", SHOP), errors="surrogateescape", newline="")
    assert Clones().of(str(shop)).key == SHOP_KEY


def test_settings_are_those_that_git_lists(repo, git):
    """B10: compared with git itself."""
    shop = repo("x", SHOP)
    for name, value in (("a.b", 'q"uo;te\\d #x'), ("url.git@h:.insteadOf", "ex:"), ("branch.we/ird \"one\".merge", "refs/heads/x")):
        git("config", name, value, cwd=shop)
    said = {line.partition("\n")[0]: line.partition("\n")[2]
            for line in git("config", "--local", "--list", "-z", cwd=shop).split("\0") if line}
    assert {f"{s}.{k}": v for s, k, v in parse_settings((shop / ".git" / "config").read_text())} == said


def test_an_unreadable_odd_or_empty_dot_git_is_no_repository(repo, home):
    """B10: git, too, goes on to the folder above."""
    shop = repo("dev/checkout", SHOP)
    for n, make in enumerate((lambda p: p.mkdir(), lambda p: p.write_text("gitdir: /nowhere\n"), lambda p: p.write_text("junk"),
                              os.mkfifo, lambda p: p.symlink_to(p), lambda p: p.write_bytes(b"\xff\0"))):
        inside = shop / f"part{n}"
        inside.mkdir()
        make(inside / ".git")
        assert wing(inside) == "shop", n
    lone = home.path / "lone"
    lone.mkdir()
    os.mkfifo(lone / ".git")
    assert wing(lone) == "lone"


def test_a_worktree_whose_repository_is_gone_is_called_after_it(repo, git, home):
    """B10"""
    shop, tree = repo("dev/plan", SHOP), home.path / "fix-7"
    git("worktree", "add", "-q", tree, cwd=shop)
    shutil.rmtree(shop / ".git" / "worktrees")
    assert wing(tree) == "shop"
    shutil.rmtree(shop)
    assert wing(tree) == "plan"


def test_the_home_folders_own_repository_says_nothing_of_the_projects_below(git, home):
    """B10: dotfiles are kept in git in many a home folder."""
    git("init", "-q", cwd=home.path)
    git("remote", "add", "origin", "git@git.example.org:me/dotfiles.git", cwd=home.path)
    (home.path / "dev" / "notes").mkdir(parents=True)
    assert wing(home.path / "dev" / "notes") == "notes" and wing(home.path) == "dotfiles"


@pytest.mark.parametrize("cwd", ["", ".", "..", "/", "//", "\0", "/a\0b", "/\ud800/x", "relative/path", "~", "/" + "a/" * 5000,
                                 "/x\n/y\n", "C:", "\\\\", "\\\\wsl$\\Ubuntu", "\\\\?\\C:\\x", "/dev/null/x", "   "])
def test_any_string_may_be_a_folder(cwd):
    """B10"""
    name = wing(cwd)
    assert name and wl.slug(name) == name
    Wings({"*/x": "x"}).excluded(cwd, name, ["*", "~/x", "C:\\x"])


# ---------------------------------------------------------------- paths alone

@pytest.mark.parametrize(("cwd", "name"), [
    ("/Users/me/dev/api", "api"), ("/home/me/dev/API/", "api"), ("C:\\Users\\me\\dev\\api", "api"), ("C:/Users/me/dev/api", "api"),
    ("\\\\?\\C:\\Users\\me\\dev\\api", "api"), ("/mnt/c/Users/me/dev/api", "api"), ("\\\\wsl$\\Ubuntu\\home\\me\\dev\\api", "api"),
    ("\\\\wsl.localhost\\Ubuntu-22.04\\home\\me\\dev\\api", "api"), ("//wsl$/Ubuntu/home/me/dev/api", "api"),
    ("/c/Users/me/dev/api", "api"), ("\\\\nas\\share\\api", "api"), ("e:\\src\\api", "api"),
    ("/Users/me", "home"), ("/home/me/", "home"), ("/root", "home"), ("C:\\Users\\me", "home"), ("/mnt/c/Users/me", "home"),
    ("\\\\wsl$\\Ubuntu\\home\\me", "home"), ("/var/root", "home"), ("", "unknown"), ("/", "unknown"), (".", "unknown"),
    ("/srv/api/.claude/worktrees/fix/src", "api"), ("/srv/api/.worktrees/3", "api"), ("/srv/api/.conductor/lisbon", "api"),
    ("/srv/api/.git/worktrees/x", "api"), ("C:\\src\\api\\.claude\\worktrees\\x", "api"), ("/srv/api/.trees/x", "api"),
    ("/home/me/.codex/worktrees/4f2a/api", "api"), ("/home/me/.codex/worktrees/4f2a/api/src", "api"),
    ("/data/cx/worktrees/4f2a9c/api", "api"), ("/home/me/.cursor/worktrees/api/x7f", "api"),
    ("/Users/me/.claude-worktrees/api/brave-fox", "api"), ("/Users/me/conductor/workspaces/api/tokyo", "api"),
    ("/srv/experiments/worktrees", "worktrees"), ("/srv/worktrees/api", "api"), ("/srv/.conductor", "conductor"),
    ("/dev/home", "home-project"), ("/dev/unknown", "unknown-project"), ("/dev/Café", "cafe"), ("/dev/a.b..c", "a-b-c"),
    ("/dev/od\\d", "od-d"), ("/home/me/dev/COM1", "com1-page"), ("/dev/build", "build-page")])
def test_a_folder_that_is_not_here_is_called_by_its_path(cwd, name):
    """B10 M11"""
    assert folder_wing(cwd) == name


def test_a_name_is_one_wing_however_a_file_system_spells_it():
    """B10: macOS decomposes what Linux leaves composed."""
    for name in ("Café", "データ", "한글", "Ångström"):
        assert wing_name(unicodedata.normalize("NFD", name)) == wing_name(unicodedata.normalize("NFC", name))
    odd = ["build", "dist", "vendor", "CON", "nul", "LPT1", "index", "...", "", "-", "数据", "a" * 300, "home", "Home", "UNKNOWN",
           "a/b"]
    for name in odd:
        made = wing_name(name)
        assert wl.slug(made) == made == wing_name(name) and len(made) <= 70 and made not in {"build", "dist", "con", "nul", "home"}


@pytest.mark.parametrize(("project", "name"), [
    ("-home-me-api", "api"), ("-Users-me-dev-api", "dev-api"), ("-Users-me", "home"), ("-root", "home"),
    ("-mnt-c-Users-me-api", "api"), ("C--Users-me-api", "api"),
    ("-home-me-api--claude-worktrees-fix", "api"), ("", "unknown"), ("-", "unknown")])
def test_a_session_that_names_no_folder_goes_by_the_agents_name_for_it(project, name):
    """B10"""
    assert folder_wing("", project) == name


def test_a_path_has_one_dress():
    """B10"""
    assert {plain_path(p) for p in ("C:\\Users\\me\\x", "c:/Users/me/x/", "/mnt/c/Users/me/x", "/c/Users/me/x",
                                    "/cygdrive/c/Users/me/x", "\\\\?\\C:\\Users\\me\\x")} == {"/mnt/c/Users/me/x"}
    assert plain_path("/home/me/od\\d") == "/home/me/od\\d"


# ---------------------------------------------------------------- several repositories

def test_names_that_clash_are_told_apart_whichever_came_first():
    """B10 M11"""
    keys = ["h.org/acme/api", "h.org/zoo/api", "other.org/zoo/api", "h.org/acme/web", "h.org/x/acme-api", "h.org/acme/home",
            "h.org/g/s/api", "h.org/G2/s/api", "h.org/l/" + "n" * 80, "h.org/m/" + "n" * 80, "h.org/acme/数据", "h.org/acme/资料"]
    wings = repository_wings(keys)
    for _ in range(20):
        random.shuffle(keys)
        assert repository_wings(keys) == wings
    assert len(set(wings.values())) == len(keys) and all(wl.slug(w) == w and len(w) <= 60 for w in wings.values())
    assert wings["h.org/acme/web"] == "web" and wings["h.org/x/acme-api"] == "acme-api"
    assert wings["h.org/acme/home"] == "home-project"
    assert wings["other.org/zoo/api"] == "other-org-zoo-api" and wings["h.org/acme/api"] == "h-org-acme-api"


def test_a_wing_only_grows_longer_as_more_repositories_are_known():
    """B10: so that the longest of those that the state remembers is today's."""
    keys = [f"h{a}.org/o{b}/r{c}" for a in range(2) for b in range(3) for c in range(2)] + ["h0.org/z/o1-r1"]
    for seed in range(20):
        random.Random(seed).shuffle(keys)
        for n in range(1, len(keys)):
            before, after = repository_wings(keys[:n]), repository_wings(keys[:n + 1])
            assert all(len(after[k]) >= len(before[k]) for k in before)


def test_a_fork_is_the_project_it_was_forked_from(repo):
    """B10: origin is mine, upstream the original; a clone of either is the same project, on any machine."""
    fork, original = repo("a", "git@git.example.org:me/shop.git", upstream=SHOP), repo("b", SHOP)
    mine, other = repo("c", "https://git.example.org/me/shop"), repo("d", "git@git.example.org:zoo/shop.git")
    for order in ([fork, original, mine], [mine, original, fork]):
        wings = Wings({})
        wings.learn(map(str, order))
        assert {wings.of(str(f)) for f in order} == {"shop"}
    wings.learn([str(other)])
    assert wings.of(str(other)) == "zoo-shop" and {wings.of(str(f)) for f in order} == {"acme-shop"}
    alone = Wings({}, {})
    alone.learn([str(mine), str(other)])
    assert alone.of(str(mine)) == "me-shop"


def test_a_template_is_not_the_project_made_from_it(repo):
    """B10"""
    made = repo("a", SHOP, upstream="git@git.example.org:tools/template.git")
    wings = Wings({})
    wings.learn([str(made), str(repo("b", "git@git.example.org:tools/template.git"))])
    assert wings.of(str(made)) == "shop"


def test_a_repository_that_moved_to_another_owner_is_the_same_project(git, home, repo):
    """B10: git wrote down where it was cloned from."""
    store = home.path / "srv" / "acme" / "shop.git"
    git("clone", "-q", "--bare", repo("seed"), store, cwd=home.path)
    swap = f"url.file://{home.path}/srv/.insteadOf=https://git.example.org/"
    clone = home.path / "clone"
    git("-c", swap, "clone", "-q", "https://git.example.org/acme/shop.git", clone, cwd=home.path)
    git("remote", "set-url", "origin", "https://new.example.org/newco/shop.git", cwd=clone)
    wings = Wings({}, {SHOP_KEY: {"shop"}})
    wings.learn([str(clone)])
    assert wings.of(str(clone)) == "shop"
    assert wings.memory() == {"new.example.org/newco/shop": [SHOP_KEY, "shop"]}


# ---------------------------------------------------------------- the whole program

@pytest.fixture
def mine(run_script):
    """`mine("--force")` runs extract-sessions.py in a process of its own; returns what it printed."""
    return lambda *args, **options: run_script("extract-sessions.py", *args, **options).stdout


def claude(home, cwd, seed, **fields) -> sessions.Claude:
    """A short session of Claude Code in a folder, in the project folder that the agent would make for it."""
    c = sessions.Claude(home.claude, "".join(x if x.isalnum() else "-" for x in str(cwd)), seed=str(seed), **fields)
    c.cwd = str(cwd)
    c.user(f"Question {seed}").assistant("Answer").write()
    return c


def codex(home, cwd, seed, url="") -> sessions.Codex:
    git = {"branch": "main"} | ({"repository_url": url} if url else {})
    c = sessions.Codex(home.codex, seed=str(seed), git=git)
    c.lines[0] = json.dumps({**json.loads(c.lines[0]), "payload": {**json.loads(c.lines[0])["payload"], "cwd": str(cwd)}})
    c.cwd = str(cwd)
    c.user(f"Question {seed}").assistant("Answer").write()
    return c


def filed(home) -> dict[str, str]:
    """{session id: the wing its transcript is in}; the folder and the front matter agree, and none is there twice."""
    found: dict[str, str] = {}
    for path in home.wiki.glob("conversations/*/*.md"):
        meta = wl.parse_conversation("x", path.read_text(encoding="utf-8")).meta
        assert meta["wing"] == path.parent.name and meta["session_id"] not in found
        found[str(meta["session_id"])] = path.parent.name
    return found


def state(home) -> dict[str, set[str]]:
    return wl.Wiki(home.wiki).state(".wings-state.json")


def test_both_agents_in_worktrees_links_and_subfolders_are_filed_together_without_a_process(home, mine, repo, git, fake_bin):
    """B10 M11: and no git is started for it (the one on PATH is only there to be counted)."""
    shop = repo("dev/checkout", SHOP)
    (shop / "src").mkdir()
    tree = home.path / "tree"
    git("worktree", "add", "-q", tree, cwd=shop)
    mine()                                                        # the wiki's own repository is made, by git
    called = home.path / "called"
    fake_bin("git", f'#!/bin/sh\necho "$@" >> {called}\nexit 1\n')
    made = [claude(home, c, n) for n, c in enumerate((shop, shop / "src", tree))] + [codex(home, tree, 7), codex(home, shop, 8)]
    mine()
    assert filed(home) == {c.session: "shop" for c in made} and state(home) == {SHOP_KEY: {"shop"}}
    said = called.read_text().splitlines() if called.exists() else []
    assert all(line.startswith(f"-C {home.wiki} ") for line in said) and len(said) < len(made)


def test_a_worktree_that_is_gone_is_still_its_project(home, mine, repo, git):
    """B10: what earlier sessions of the folder tell counts, also when .mine-state.json was lost."""
    shop, tree = repo("dev/checkout", SHOP), home.path / "fix-7"
    git("worktree", "add", "-q", tree, cwd=shop)
    (tree / "src").mkdir()
    first = claude(home, tree, 1)
    mine()
    git("worktree", "remove", "--force", tree, cwd=shop)
    below, same = claude(home, tree / "src", 2), claude(home, tree, 3)
    mine()
    assert filed(home) == {first.session: "shop", below.session: "shop", same.session: "shop"}
    (home.wiki / ".mine-state.json").unlink()
    after = codex(home, tree, 4)
    mine()
    assert filed(home)[after.session] == "shop"
    text = "".join(p.read_text() for p in home.wiki.rglob("*") if p.is_file() and ".git" not in p.parts
                   and p.name != ".mine-state.json")
    assert str(tree) not in text                                 # nothing of this machine in what travels


def test_codex_says_itself_where_a_folder_that_is_gone_was_cloned_from(home, mine):
    """B10"""
    here = codex(home, "/home/other/.codex/worktrees/4f2a/checkout", 1, "https://me:hunter2secret@git.example.org/acme/shop.git")
    path = codex(home, "/home/other/dev/plan", 2, "/srv/git/x.git")
    other = claude(home, "/home/other/.codex/worktrees/4f2a/checkout", 3)      # and so tells it of another agent's session there
    mine()
    assert filed(home) == {here.session: "shop", path.session: "plan", other.session: "shop"}
    assert state(home) == {SHOP_KEY: {"shop"}}
    assert "hunter2secret" not in "".join(p.read_text() for p in home.wiki.rglob("*.json") if p.is_file())


def test_a_renamed_folder_keeps_its_wing_where_it_has_a_remote(home, mine, repo):
    """B10 M11: without one it is called as it is called now, and project_map joins the two."""
    shop, plan = repo("dev/first", SHOP), repo("dev/plan")
    claude(home, shop, 1), claude(home, plan, 2)
    mine()
    shop.rename(home.path / "dev" / "second"), plan.rename(home.path / "dev" / "scheme")
    after, other = claude(home, home.path / "dev" / "second", 3), claude(home, home.path / "dev" / "scheme", 4)
    mine()
    assert filed(home)[after.session] == "shop" and filed(home)[other.session] == "scheme"
    (home.wiki / "wiki.yaml").write_text("project_map: {'~/dev/scheme': plan}\n")
    last = claude(home, home.path / "dev" / "scheme", 5)
    mine()
    assert filed(home)[last.session] == "plan"


def test_a_project_that_is_given_a_remote_later_stays_in_its_wing(home, mine, repo, git):
    """B10"""
    shop = repo("dev/shop")
    (shop / "src").mkdir()
    first = claude(home, shop / "src", 1)
    mine()
    git("remote", "add", "origin", SHOP, cwd=shop)
    first.user("More").write()
    second = claude(home, shop, 2)
    mine()
    assert filed(home) == {first.session: "shop", second.session: "shop"} and mine() == ""


def test_two_repositories_of_one_name_part_when_both_are_known(home, mine, repo):
    """B10 M11: what is filed stays; from then on both go by owner and name, and the state remembers what each was."""
    acme, zoo = repo("a/api", "https://git.example.org/acme/api"), repo("z/api", "https://git.example.org/zoo/api")
    first = claude(home, acme, 1)
    mine()
    assert filed(home) == {first.session: "api"}
    second, third = claude(home, zoo, 2), claude(home, acme, 3)
    first.user("More").write()
    mine()
    assert filed(home) == {first.session: "api", second.session: "zoo-api", third.session: "acme-api"}
    assert state(home) == {"git.example.org/acme/api": {"api", "acme-api"}, "git.example.org/zoo/api": {"zoo-api"}}
    wings = Wings({}, state(home))
    assert wings.all_of(str(acme)) == ["acme-api", "api"] and wings.all_of(str(zoo)) == ["zoo-api"]
    assert mine() == ""
    shutil.rmtree(acme)
    late = claude(home, acme, 4)
    mine()
    assert filed(home)[late.session] == "acme-api"


def test_two_machines_that_decided_apart_come_to_the_same_wings(home, mine, repo):
    """B10 B1: the state is joined by union; the wings are a function of what it knows."""
    wikis = [home.path / "one", home.path / "two"]
    folders = [repo("a/api", "https://git.example.org/acme/api"), repo("z/api", "git@git.example.org:zoo/api.git")]
    for wiki, folder in zip(wikis, folders, strict=True):
        claude(home, folder, wiki.name)
        mine("--sessions", home.claude, env={"WIKI_DIR": wiki})
        assert {p.parent.name for p in wiki.glob("conversations/*/*.md")} == {"api"}
        shutil.rmtree(home.claude)
    both = {}
    for wiki in wikis:
        for key, words in wl.Wiki(wiki).state(".wings-state.json").items():
            both.setdefault(key, set()).update(words)
    for wiki, folder in zip(wikis, folders[::-1], strict=True):
        (wiki / ".wings-state.json").write_text(wl.render_words(both))
        claude(home, folder, f"later {wiki.name}")
        mine("--sessions", home.claude, env={"WIKI_DIR": wiki})
        shutil.rmtree(home.claude)
    assert {p.parent.name for p in wikis[0].glob("conversations/*/*.md")} == {"api", "zoo-api"}
    assert {p.parent.name for p in wikis[1].glob("conversations/*/*.md")} == {"api", "acme-api"}
    assert (wikis[0] / ".wings-state.json").read_bytes() == (wikis[1] / ".wings-state.json").read_bytes()


def test_a_second_machines_clone_is_the_same_wing(home, mine, repo):
    """B10 M11"""
    one, two = repo("dev/shop", SHOP), repo("src/work/my-shop", "https://token@git.example.org:443/Acme/Shop")
    made = [claude(home, one, 1), codex(home, two, 2)]
    mine()
    assert filed(home) == {c.session: "shop" for c in made} and state(home) == {SHOP_KEY: {"shop"}}


def test_the_wings_do_not_depend_on_how_the_sessions_are_read(home, mine, repo, monkeypatch, script):
    """B10: nor on how many fit into memory at once."""
    extract = script("extract-sessions")
    acme, zoo = repo("a/api", "https://git.example.org/acme/api"), repo("z/api", "https://git.example.org/zoo/api")
    made = {claude(home, acme, 1).session: "acme-api", codex(home, zoo, 2).session: "zoo-api"}
    monkeypatch.setattr(script("session_batches"), "BATCH_BYTES", 10)
    monkeypatch.setattr("sys.argv", ["extract-sessions.py"])
    assert not extract.main()
    assert filed(home) == made


def test_an_excluded_project_leaves_no_name_behind(home, mine, repo, git):
    """B10 M9: by glob, path, link, wing, address, through its worktrees and after they are gone; for both agents."""
    plans, other = repo("clients/plans", "git@git.example.org:acme/secret-plans.git"), repo("dev/other", SHOP)
    tree, link = home.path / "trees" / "fix-7", home.path / "linked"
    git("worktree", "add", "-q", tree, cwd=plans)
    link.symlink_to(home.path / "clients")
    shown = claude(home, other, 9)
    for seed, cwd in enumerate((plans, tree, plans / "src")):
        claude(home, cwd, seed), codex(home, cwd, f"x{seed}")
    for rule in ("~/clients", "~/clients/*", f"{home.path}/clients/plans", "clients", "*/plans", "secret-plans", "Secret Plans",
                 "secret-*", "git.example.org/acme/secret-*", "acme-secret-plans", "~/linked"):
        shutil.rmtree(home.wiki, ignore_errors=True)
        home.wiki.mkdir()
        (home.wiki / "wiki.yaml").write_text(f"exclude: ['{rule}']\n")
        mine()
        assert filed(home) == {shown.session: "shop"} and state(home) == {SHOP_KEY: {"shop"}}, rule
        assert mine() == ""
    (home.wiki / "wiki.yaml").write_text("exclude: ['~/clients']\n")
    git("worktree", "remove", "--force", tree, cwd=plans)
    claude(home, tree, "late")
    mine()
    assert filed(home) == {shown.session: "shop"}
    (home.wiki / "wiki.yaml").write_text("")
    mine()
    assert set(filed(home).values()) == {"shop", "secret-plans"}


def test_a_changed_map_moves_what_was_left_out_before(home, mine):
    """B10: a wing's name kept a session out; under its new one it is wanted."""
    c = claude(home, "/home/dev/billing", 1)
    home.wiki.mkdir()
    (home.wiki / "wiki.yaml").write_text("exclude: [billing-internal]\nproject_map: {'*/billing': billing-internal}\n")
    mine()
    assert filed(home) == {}
    (home.wiki / "wiki.yaml").write_text("exclude: [billing-internal]\nproject_map: {'*/billing': Money}\n")
    mine("--project", "money")
    assert filed(home) == {c.session: "money"}


def test_the_map_counts_first_also_for_worktrees_and_other_dresses_of_a_path(home, mine, repo, git):
    """B10 M11"""
    shop, tree = repo("dev/shop", SHOP), home.path / "elsewhere"
    git("worktree", "add", "-q", tree, cwd=shop)
    home.wiki.mkdir()
    (home.wiki / "wiki.yaml").write_text("project_map: {'~/dev/shop': Store, '/mnt/c/Users/*/billing': money, '*': rest}\n")
    made = {claude(home, tree, 1): "store", codex(home, shop / "src", 2): "store",
            claude(home, "C:\\Users\\me\\Billing\\x", 3): "money", claude(home, "/srv/any", 4): "rest",
            claude(home, "/mnt/c/Users/me/billing", 5): "money"}
    mine()
    assert filed(home) == {c.session: wing for c, wing in made.items()} and state(home) == {}


def test_a_session_stays_in_the_wing_it_began_in(home, mine, repo):
    """B10: wherever it goes, and whatever is read of it later."""
    shop = repo("dev/shop", SHOP)
    c = claude(home, shop, 1)
    c.cwd = "/home/dev/secret/x"
    c.user("Moved").assistant("Yes").write()
    home.wiki.mkdir()
    (home.wiki / "wiki.yaml").write_text("exclude: ['*/secret']\n")
    mine()
    c.cwd = str(home.path / "dev")
    for n in range(3):
        c.user(f"More {n}").assistant("Yes").write()
        mine()
    c.cwd = "/home/dev/secret/y"
    c.user("Last words").assistant("Yes").write()
    mine()
    assert filed(home) == {c.session: "shop"} and "Last words" in "".join(
        p.read_text() for p in home.wiki.glob("conversations/shop/*.md"))


def test_a_session_that_is_copied_or_moved_to_another_folder_stays_one_transcript(home, mine):
    """B10 M7: restored under another machine's folder name, with or without what was remembered."""
    c = claude(home, "/Users/me/dev/api", 1)
    mine()
    moved = home.claude / "projects" / "-mnt-c-Users-you-api" / c.path.name
    for step in (lambda: c.write(moved), lambda: c.path.unlink(), lambda: (home.wiki / ".mine-state.json").unlink()):
        step()
        mine()
        assert filed(home) == {c.session: "api"}
    c.user("More").write(moved)
    assert "4 messages" not in mine() and filed(home) == {c.session: "api"}


def test_windows_and_wsl_paths_of_a_project_are_one_wing(home, mine):
    """B10"""
    dresses = ["C:\\Users\\me\\src\\api", "/mnt/c/Users/me/src/api", "\\\\wsl$\\Ubuntu\\home\\me\\api", "e:\\x\\API\\"]
    made = [claude(home, cwd, n) for n, cwd in enumerate(dresses)] + [codex(home, dresses[0], 9)]
    mine()
    assert filed(home) == {c.session: "api" for c in made}


def test_sessions_of_no_project_and_of_odd_folders_are_filed_and_come_to_rest(home, mine):
    """B10: an unknown wing is allowed, loss is not."""
    odd = {"/Users/me": "home", "": "home", "/srv/a\0b": "a-b", "/srv/\ud800x": "x", "/srv/build": "build-page",
           "/srv/CON": "con-page", "/srv/数据": wl.slug("数据"), "/srv/" + "n" * 200: "n" * 60, "/srv/home": "home-project"}
    made = {claude(home, cwd, n).session: wing for n, (cwd, wing) in enumerate(odd.items())}
    mine()
    assert filed(home) == made and mine() == ""


def test_no_secret_in_a_folder_or_an_address_gets_into_a_wing(home, mine, repo):
    """B10 M12"""
    token = "ghp_" + "a1B2c3D4e5" * 3 + "F6g7H8"
    in_path = repo("dev/plan", f"https://git.example.org/{token}/shop.git")
    claude(home, in_path, 1), claude(home, f"/srv/{token}", 2)
    mine()
    assert state(home) == {} and "plan" in filed(home).values()
    everything = " ".join(f"{p} {p.read_bytes()!r}" for p in home.wiki.rglob("*") if p.is_file() and ".git" not in p.parts)
    assert token.lower() not in everything.lower().replace("-", "_")


def test_a_wiki_without_git_and_sessions_without_git_are_mined(home, mine, tmp_path, script):
    """B10: no git on PATH at all."""
    (tmp_path / "bin").mkdir()
    for name in ("python3", "env", "sh"):
        (tmp_path / "bin" / name).symlink_to(sys.executable if name == "python3" else shutil.which(name))
    home.wiki.mkdir()
    (home.wiki / "wiki.yaml").write_text("timezone: UTC\n")
    c = claude(home, home.path / "dev" / "plan", 1)
    subprocess.run([sys.executable, Path(script("extract-sessions").__file__)], check=True, capture_output=True,
                   env={**home.environ, "PATH": str(tmp_path / "bin")})
    assert filed(home) == {c.session: "plan"}


def test_ten_thousand_sessions_in_two_hundred_folders_are_named_at_once(home, repo, monkeypatch):
    """B10: the cost is that of the folders, not of the sessions."""
    folders = []
    for n in range(200):
        folder = home.path / "dev" / f"group{n % 10}" / f"r{n % 150}" / str(n)
        (folder / ".git").mkdir(parents=True)
        (folder / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        (folder / ".git" / "config").write_text(f'[core]\n\tbare = false\n[remote "origin"]\n\turl = git@h.org:o{n}/r{n % 150}\n')
        folders.append(str(folder))
    calls = 0
    real = {name: getattr(os, name) for name in ("stat", "lstat", "open")}

    def counted(name):
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            return real[name](*args, **kwargs)
        return call

    best = 9.0
    for counting in (False, False, False, True):
        for name in real if counting else ():
            monkeypatch.setattr(os, name, counted(name))
        begin = time.perf_counter()
        wings = Wings({"*/none/*": "x"}, {})
        wings.learn((f, "") for f in folders * 50)
        named = [wings.of(f) for f in folders * 50]
        assert not any(wings.excluded(f, w, ("~/never",)) for f, w in zip(folders * 50, named, strict=True))
        best = best if counting else min(best, time.perf_counter() - begin)
    assert len(set(named)) == 200 and calls < 200 * 30
    assert best < 0.25                                            # 0.03 s on an idle machine
    print(f"{best * 1000:.0f} ms, {calls / 200:.0f} calls a folder")


def test_a_new_session_is_told_of_the_wing_its_project_has_today(home, mine, repo, run_script):
    """B10: the hook, which has no Python, reads the same state."""
    acme, zoo = repo("a/api", "https://git.example.org/acme/api"), repo("z/api", "https://git.example.org/zoo/api")
    fork = repo("f/shop", "git@git.example.org:me/shop.git", upstream=SHOP)
    claude(home, acme, 1)
    mine()
    claude(home, zoo, 2), claude(home, acme, 3), claude(home, fork, 4)
    mine()
    told = home.wiki / "context" / "wake-up"
    told.mkdir(parents=True, exist_ok=True)
    for wing in ("api", "acme-api", "zoo-api", "shop"):
        (told / f"{wing}.md").write_text(f"this is {wing}\n")
    for folder, wing in ((acme, "acme-api"), (zoo, "zoo-api"), (fork, "shop")):
        said = run_script("hooks/session-start", input=json.dumps({"cwd": str(folder)})).stdout
        assert f"this is {wing}\\n" in said
    (told / "acme-api.md").unlink()                              # nothing was filed under its new name yet
    assert "this is api\\n" in run_script("hooks/session-start", input=json.dumps({"cwd": str(acme)})).stdout
