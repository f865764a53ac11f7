"""Which wing a session is filed under: worktrees, renames, two machines, two repositories of one name, no git at all."""

from __future__ import annotations

import wiki_lib as wl

import os
import random
import shutil
import unicodedata
from pathlib import Path

import pytest
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
