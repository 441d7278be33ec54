"""The clients that people use: curl, requests, httpx, aiohttp, Node's fetch, each in its own way.

Rule: every client fetches, posts and reuses its connection against the same echoing backend.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess

import aiohttp
import httpx
import pytest
import requests

from tests.support.backend import answering
from tests.support.messages import Request

BODY = os.urandom(300_000)
SUM = hashlib.sha256(BODY).hexdigest()


def describe(request: Request) -> bytes:
    """Answer with what arrived, in chunks, so that every client has to read them."""
    told = {
        "method": request.method,
        "target": request.target,
        "host": request.value("host"),
        "sum": hashlib.sha256(request.body).hexdigest(),
        "cookie": request.values("cookie"),
    }
    text = json.dumps(told).encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (text[:10], text[10:]))
    return (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n"
        b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n" + chunks + b"0\r\n\r\n"
    )


@pytest.fixture(scope="module")
def daemon(start_shared_daemon):
    """One daemon before one backend for all clients."""
    with answering(describe) as backend:
        yield start_shared_daemon(f'hosts: {{"*": {backend.url}}}')


def connections_of(daemon, agent: str, count: int) -> set[int]:
    """Give the client ports that the access log saw from this user agent."""
    return {entry["client_port"] for entry in daemon.logged(count, user_agent=agent)}


def test_curl(daemon, tmp_path):
    """Curl sends with Expect: 100-continue, compares sums, and uses one connection for two URLs."""
    (tmp_path / "body").write_bytes(BODY * 4)
    posted = ["-T", "body", "-H", "Expect: 100-continue", f"{daemon.url}/put?x=%20y"]
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "-A", "curl-test", f"{daemon.url}/a", f"{daemon.url}/b"],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert [json.loads(part + "}")["target"] for part in done.stdout.split("}")[:-1]] == ["/a", "/b"]
    assert len(connections_of(daemon, "curl-test", 2)) == 1
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "-v", *posted],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "413" in done.stderr  # 1.2 MB are more than the default limit
    (tmp_path / "body").write_bytes(BODY)
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "-v", *posted],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    told = json.loads(done.stdout)
    assert (told["method"], told["target"], told["sum"]) == ("PUT", "/put?x=%20y", SUM)
    assert "100 Continue" in done.stderr


def test_curl_chunked_and_by_http_1_0(daemon, tmp_path):
    """Curl uploads from a pipe in chunks, and speaks HTTP/1.0 where asked."""
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "-T", "-", f"{daemon.url}/pipe"],
        input=BODY,
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert json.loads(done.stdout)["sum"] == SUM
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "-0", f"{daemon.url}/old"], capture_output=True, timeout=30, check=True
    )
    assert json.loads(done.stdout)["target"] == "/old"


def test_requests(daemon):
    """Requests keeps its connection and both cookies, and sends bytes and generators."""
    with requests.Session() as session:
        session.headers["User-Agent"] = "requests-test"
        assert session.get(f"{daemon.url}/a?b=c%2Fd", timeout=10).json()["target"] == "/a?b=c%2Fd"
        assert session.post(daemon.url, data=BODY, timeout=10).json()["sum"] == SUM
        answer = session.post(daemon.url, data=iter([BODY[:9], BODY[9:]]), timeout=10).json()
        assert (answer["sum"], answer["cookie"]) == (SUM, ["a=1; b=2"])
    assert len(connections_of(daemon, "requests-test", 3)) == 1


def test_httpx(daemon):
    """Httpx keeps its connection, and streams both ways."""
    with httpx.Client(trust_env=False, headers={"User-Agent": "httpx-test"}) as client:
        assert client.get(f"{daemon.url}/a").json()["target"] == "/a"
        assert client.post(daemon.url, content=BODY).json()["sum"] == SUM
        assert client.post(daemon.url, content=iter([BODY[:9], BODY[9:]])).json()["sum"] == SUM
        assert client.head(daemon.url).content == b""
    assert len(connections_of(daemon, "httpx-test", 4)) == 1


def test_aiohttp(daemon):
    """Aiohttp sends fifty requests over a few connections at the same time, each with its own answer."""

    async def story() -> list[str]:
        limit = aiohttp.TCPConnector(limit=5)
        async with aiohttp.ClientSession(connector=limit, headers={"User-Agent": "aiohttp-test"}) as session:

            async def ask(number: int) -> str:
                async with session.post(f"{daemon.url}/{number}", data=BODY) as response:
                    told = await response.json()
                assert told["sum"] == SUM
                return str(told["target"])

            async with asyncio.timeout(30):
                return list(await asyncio.gather(*(ask(number) for number in range(50))))

    assert asyncio.run(story()) == [f"/{number}" for number in range(50)]
    assert len(connections_of(daemon, "aiohttp-test", 50)) <= 5


NODE = """
const url = process.argv[1];
const fail = (why) => { console.error(why); process.exit(1); };
const plain = await (await fetch(url + "/a")).json();
if (plain.target !== "/a") fail("target");
const body = new Uint8Array(300000).fill(7);
const pieces = [body.subarray(0, 5), body.subarray(5)];
const stream = new ReadableStream({ start(c) { pieces.forEach((piece) => c.enqueue(piece)); c.close(); } });
const response = await fetch(url + "/b", { method: "POST", body: stream, duplex: "half" });
const told = await response.json();
console.log(JSON.stringify({ sum: told.sum, cookies: response.headers.getSetCookie() }));
"""


def test_node_fetch(daemon):
    """Node's fetch streams an upload and sees both cookies."""
    done = subprocess.run(
        ["node", "--input-type=module", "-e", NODE, daemon.url], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"sum": hashlib.sha256(b"\7" * 300_000).hexdigest(), "cookies": ["a=1", "b=2"]}
