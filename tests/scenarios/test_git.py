"""Git over HTTP: clone and push, with uploads of announced and of unannounced length.

Rule: git and its own HTTP backend, nothing in between but the proxy.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.servers import gunicorn

QUIET = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@app.test",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@app.test",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "NO_PROXY": "*",
}


def git(folder: Path, *words: str) -> str:
    """Run git in a folder and give its output."""
    done = subprocess.run(
        ["git", *words],
        cwd=folder,
        env={**os.environ, **QUIET},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()


@pytest.fixture
def forge(tmp_path, start_child, start_daemon):
    """A bare repository on a server, and the daemon before it."""
    root = tmp_path / "forge"
    root.mkdir()
    git(root, "init", "--quiet", "--bare", "--initial-branch=main", "project.git")
    git(root / "project.git", "config", "http.receivepack", "true")
    backend = gunicorn(start_child, "git_app:application", {**QUIET, "GIT_PROJECT_ROOT": str(root)})
    return start_daemon(f'limits: {{body: 64MiB}}\nhosts: {{"*": {backend}}}')


@pytest.mark.parametrize("post_buffer", ["1048576000", "65536"])
def test_what_is_pushed_is_what_is_cloned(forge, tmp_path, post_buffer):
    """A push of some MiB, in one piece or in chunks, and a clone of it end with the same commit and tree."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    git(mine, "init", "--quiet", "--initial-branch=main")
    git(mine, "config", "http.postBuffer", post_buffer)
    for number in range(3):
        (mine / f"file{number}").write_bytes(os.urandom(1 << 20))
        git(mine, "add", ".")
        git(mine, "commit", "--quiet", "-m", f"commit {number}")
    git(mine, "remote", "add", "origin", f"{forge.url}/project.git")
    git(mine, "push", "--quiet", "origin", "main")
    git(tmp_path, "clone", "--quiet", f"{forge.url}/project.git", str(theirs))
    assert git(theirs, "rev-parse", "HEAD", "HEAD^{tree}") == git(mine, "rev-parse", "HEAD", "HEAD^{tree}")
    git(theirs, "fsck", "--strict")
    (theirs / "more").write_text("more")
    git(theirs, "add", ".")
    git(theirs, "commit", "--quiet", "-m", "more")
    git(theirs, "push", "--quiet", "origin", "main")
    git(mine, "pull", "--quiet", "origin", "main")
    assert git(mine, "rev-parse", "HEAD") == git(theirs, "rev-parse", "HEAD")
    assert {entry["cause"] for entry in forge.logged(6)} == {None}
