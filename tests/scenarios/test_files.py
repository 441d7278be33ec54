"""`python -m http.server` with large files behind the proxy, and the same files served by the proxy itself.

Rule: files are compared by their sum, ranges byte by byte.
"""

from __future__ import annotations

import hashlib

import pytest
import requests

from tests.support.servers import file_server
from tests.support.slow import BLOCK

SIZE = 64 << 20


@pytest.fixture
def folder(tmp_path):
    """A folder with one large file and a small one in a folder below."""
    place = tmp_path / "site"
    (place / "sub").mkdir(parents=True)
    with (place / "large.bin").open("wb") as file:
        for _ in range(SIZE // len(BLOCK)):
            file.write(BLOCK)
    (place / "sub" / "page.html").write_text("<p>page</p>")
    return place


def sum_of(response: requests.Response) -> tuple[int, str]:
    """Read a response in pieces, and give its length and sum."""
    digest, size = hashlib.sha256(), 0
    for piece in response.iter_content(65536):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def expected() -> tuple[int, str]:
    """Give the large file's length and sum."""
    digest = hashlib.sha256()
    for _ in range(SIZE // len(BLOCK)):
        digest.update(BLOCK)
    return SIZE, digest.hexdigest()


def test_a_large_file_of_a_file_server_arrives_whole(start_daemon, start_child, folder):
    """A download of 64 MiB has the file's sum, twice over one connection, and a folder redirects within the site."""
    daemon = start_daemon(f'hosts: {{"*": {file_server(start_child, folder)}}}')
    with requests.Session() as session:
        for _ in range(2):
            with session.get(f"{daemon.url}/large.bin", stream=True, timeout=20) as response:
                assert response.headers["Content-Length"] == str(SIZE)
                assert sum_of(response) == expected()
        moved = session.get(f"{daemon.url}/sub", timeout=10)
        assert [hop.status_code for hop in moved.history] == [301]
        assert "page.html" in moved.text
        assert session.get(f"{daemon.url}/nothing", timeout=10).status_code == 404


@pytest.fixture
def files(start_daemon, folder):
    """The daemon that serves the folder itself."""
    return start_daemon(f'hosts: {{"*": {{files: {folder}}}}}')


def test_a_large_file_is_served_whole(files):
    """The daemon's own file leaf gives the whole file with its length and type."""
    with requests.get(f"{files.url}/large.bin", stream=True, timeout=20) as response:
        assert response.status_code == 200
        assert sum_of(response) == expected()
    page = requests.get(f"{files.url}/sub/page.html", timeout=10)
    assert (page.text, page.headers["Content-Type"].split(";")[0]) == ("<p>page</p>", "text/html")


RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=65530-65545": (65530, 65546),
    f"bytes={SIZE - 10}-": (SIZE - 10, SIZE),
    "bytes=-7": (SIZE - 7, SIZE),
    "bytes=1000000-3000000": (1_000_000, 3_000_001),
}


@pytest.mark.parametrize("wanted", RANGES)
def test_a_range_of_a_file_is_exactly_that(files, wanted):
    """A range request gives 206 and just those octets (RFC 9110, section 14)."""
    start, end = RANGES[wanted]
    response = requests.get(f"{files.url}/large.bin", headers={"Range": wanted}, timeout=20)
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"
    first = start % len(BLOCK)
    repeated = BLOCK * (2 + (end - start) // len(BLOCK))
    assert response.content == repeated[first : first + end - start]


def test_a_file_that_the_client_has_is_not_sent_again(files):
    """If-Modified-Since with the file's date gives 304 without a body, and HEAD gives the length alone."""
    head = requests.head(f"{files.url}/large.bin", timeout=10)
    assert head.headers["Content-Length"] == str(SIZE)
    since = {"If-Modified-Since": head.headers["Last-Modified"]}
    again = requests.get(f"{files.url}/large.bin", headers=since, timeout=10)
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/../routes.yaml", "/%2e%2e/routes.yaml", "/sub/..%2f..%2froutes.yaml", "/nothing"])
def test_nothing_outside_of_the_folder_is_served(files, path):
    """A path that leads out of the folder, however written, is refused or not found."""
    with files.connect() as client:
        status = client.ask(f"GET {path} HTTP/1.1\r\nHost: app.test\r\n\r\n".encode()).status
    assert status in {400, 403, 404}
