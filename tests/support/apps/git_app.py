"""Git's own HTTP backend as a WSGI application, streamed both ways.

Rule: run by gunicorn as `git_app:application`; GIT_PROJECT_ROOT names the folder of repositories. It
is a plain CGI gateway: what git says goes out as git says it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any

BLOCK = 65536
PASSED = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "REMOTE_ADDR")


def _variables(environ: dict[str, Any]) -> dict[str, str]:
    """Make the CGI variables of a request (RFC 3875, section 4.1)."""
    result = {name: environ.get(name, "") for name in PASSED}
    result |= {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_LENGTH"):
        result["CONTENT_LENGTH"] = environ["CONTENT_LENGTH"]
    return result | {"GIT_HTTP_EXPORT_ALL": "1", "PATH_TRANSLATED": ""}


def _feed(source: Any, sink: IO[bytes]) -> None:
    """Copy the request's body to git."""
    with sink:
        while data := source.read(BLOCK):
            try:
                sink.write(data)
            except BrokenPipeError:
                return  # git has answered without reading all of it


def _pieces(process: subprocess.Popen[bytes], feeder: threading.Thread) -> Iterator[bytes]:
    """Give git's output as it comes."""
    assert process.stdout is not None
    with process.stdout:
        while data := process.stdout.read1(BLOCK):  # type: ignore[attr-defined]
            yield data
    process.wait()
    feeder.join()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    """Run `git http-backend` for one request."""
    git = shutil.which("git")
    assert git is not None
    process = subprocess.Popen(
        [git, "http-backend"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **_variables(environ)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    feeder = threading.Thread(target=_feed, args=(environ["wsgi.input"], process.stdin))
    feeder.start()
    status, fields = "200 OK", []
    while line := process.stdout.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = value.strip()
        else:
            fields.append((name, value.strip()))
    start_response(status, fields)
    return _pieces(process, feeder)
