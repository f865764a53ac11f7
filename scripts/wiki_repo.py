"""What a wiki's repository is told once, and what a person must finish in it before a program commits."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from wiki_text import WikiError

UNFINISHED = {"REVERT_HEAD": "revert", "CHERRY_PICK_HEAD": "cherry-pick", "rebase-merge": "rebase", "rebase-apply": "rebase"}
NAME, EMAIL = "memex", "memex@localhost"          # who commits where git knows nobody

Git = Callable[..., str]                          # Wiki.git: its stdout; check=False where a no is an answer


def refuse_unfinished(root: Path, git: Git, merging: bool = False) -> None:
    """WikiError while a person's revert, cherry-pick, rebase or (unless `merging`: sync finishes those) merge is under way:
    committed half-done, what it was about to put back would be gone."""
    folder = root / ".git"
    if not folder.is_dir():                       # a work tree of a repository elsewhere
        folder = Path(git("rev-parse", "--absolute-git-dir").strip())
    for name, what in UNFINISHED.items():
        if (folder / name).exists():
            raise WikiError(f"{root}: a {what} is unfinished; finish it with git {what} --continue, or undo it with "
                            f"git {what} --abort")
    if not merging and (folder / "MERGE_HEAD").exists():
        raise WikiError(f"{root}: a merge is unfinished; finish it with wiki-sync.sh --commit, or undo it with git merge --abort")


def teach(root: Path, git: Git) -> None:
    """Tell this repository, once, how a person's own git is to treat it. Promotions into an empty folder look like a folder
    renamed, and a revert of one of them would carry the others along. Without an identity no revert ends at all; ours
    goes when the person gives git one."""
    config = root / ".git" / "config"
    text = config.read_text(encoding="utf-8", errors="replace").lower() if config.is_file() else git("config", "--list")
    if "directoryrenames" not in text.lower():
        git("config", "merge.directoryRenames", "false", check=False)
        if os.environ.get("HOME"):                # cron's bare environment does not know whom the person's own knows
            for key, value in (("user.name", NAME), ("user.email", EMAIL)):
                if not git("config", key, check=False).strip():
                    git("config", key, value, check=False)
    elif EMAIL in text and git("config", "--global", "user.email", check=False).strip():
        for key, value in (("user.name", NAME), ("user.email", EMAIL)):
            if git("config", "--local", key, check=False).strip() == value:
                git("config", "--local", "--unset", key, check=False)
