"""WebSockets through the proxy: the websockets package on both sides, and Jupyter Server's kernel channels.

Rule: messages arrive as sent, in order, and a close is seen with its code on the other side.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import uuid

import pytest
import requests
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from tests.support.addresses import HOST, free_port


def conversation(socket: ServerConnection) -> None:
    """Echo every message; close with the code that is asked for."""
    for message in socket:
        if isinstance(message, str) and message.startswith("close "):
            socket.close(int(message.split()[1]), "as asked")
        elif message == "vanish":
            socket.socket.close()
        else:
            socket.send(message)


@pytest.fixture(scope="module")
def daemon(start_shared_daemon):
    """A daemon before a WebSocket server that echoes."""
    with serve(conversation, HOST, 0, max_size=None, compression="deflate") as server:
        port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield start_shared_daemon(f'hosts: {{"*": "http://{HOST}:{port}"}}')
        server.shutdown()
        thread.join(10)


def socket_to(daemon, **more):
    """Open a WebSocket through the daemon."""
    return connect(
        f"ws://{daemon.authority}/chat", proxy=None, max_size=None, open_timeout=10, close_timeout=10, **more
    )


@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_arrive_as_sent(daemon, compression):
    """Text, binary, empty, fragmented and large messages come back the same and in order."""
    messages = ["text", "", b"\0\xff" * 1000, os.urandom(3 << 20), "\u2603" * 70000]
    with socket_to(daemon, compression=compression) as socket:
        for message in messages:
            socket.send(message)
            assert socket.recv(timeout=20) == message
        socket.send(iter(["in ", "three ", "parts"]))
        assert socket.recv(timeout=10) == "in three parts"
        assert socket.ping().wait(10)


def test_many_messages_before_the_first_is_read(daemon):
    """Messages that pile up both ways all arrive, in order."""
    with socket_to(daemon) as socket:
        reader: list[object] = []
        thread = threading.Thread(target=lambda: reader.extend(socket.recv(timeout=20) for _ in range(2000)))
        thread.start()
        for number in range(2000):
            socket.send(f"message {number}")
        thread.join(30)
        assert reader == [f"message {number}" for number in range(2000)]


def test_a_close_is_seen_with_its_code(daemon):
    """What the server closes with is what the client sees."""
    with socket_to(daemon) as socket:
        socket.send("close 4001")
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as asked")


def test_an_orderly_end_is_logged_as_one(daemon):
    """A tunnel that both sides closed has the status 101, no cause, and its octets both ways."""
    with socket_to(daemon, user_agent_header="orderly") as socket:
        socket.send("close 1000")
        with pytest.raises(ConnectionClosedOK):
            socket.recv(timeout=10)
    [entry] = daemon.logged(1, user_agent="orderly")
    assert (entry["status"], entry["cause"]) == (101, None)
    assert entry["bytes_received"] > 0
    assert entry["bytes_sent"] > 0


def test_a_server_that_vanishes_takes_the_client_along(daemon):
    """A tunnel whose server's end is gone ends for the client as well."""
    with socket_to(daemon) as socket:
        socket.send("vanish")
        with pytest.raises(ConnectionClosedError):
            socket.recv(timeout=10)


@pytest.fixture
def jupyter(tmp_path, start_child, start_daemon):
    """Jupyter Server with a token, and the daemon before it."""
    port = free_port()
    places = {
        name: str(tmp_path / name)
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")
    }
    argv = [
        sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--ip={HOST}", f"--port={port}",
        "--port-retries=0", "--IdentityProvider.token=secret", f"--ServerApp.root_dir={tmp_path}",
    ]  # fmt: skip
    start_child(argv, (HOST, port), {**places, "HOME": str(tmp_path), "JUPYTER_PREFER_ENV_PATH": "0"})
    return start_daemon(f'limits: {{body: 16MiB}}\nhosts: {{"*": "http://{HOST}:{port}"}}')


def execute(code: str) -> str:
    """Make the message that asks a kernel to run code (Jupyter's messaging protocol 5.3)."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "username": "",
        "session": "s",
        "version": "5.3",
    }
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    return json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"})


def test_a_jupyter_kernel_computes(jupyter):
    """A kernel started over HTTP runs code over its WebSocket, with output as it is printed, and is shut down."""
    auth = {"Authorization": "token secret"}
    answer = requests.post(f"{jupyter.url}/api/kernels", headers=auth, json={}, timeout=30)
    assert answer.status_code == 201
    kernel = answer.json()["id"]
    assert answer.headers["Location"].endswith(kernel)
    address = f"ws://{jupyter.authority}/api/kernels/{kernel}/channels?session_id=s"
    printed = ""
    with connect(address, additional_headers=auth, proxy=None, open_timeout=30, max_size=None) as socket:
        socket.send(execute("print(6 * 7)\nprint('x' * 200000)"))
        while len(printed) < 200_003:
            message = json.loads(socket.recv(timeout=30))
            if message["msg_type"] == "stream":
                printed += message["content"]["text"]
    assert printed == "42\n" + "x" * 200_000 + "\n"
    assert requests.delete(f"{jupyter.url}/api/kernels/{kernel}", headers=auth, timeout=30).status_code == 204
    entries = jupyter.logged(3)
    assert not [entry for entry in entries if "secret" in json.dumps(entry)]


def test_jupyter_refuses_a_stranger_through_the_proxy(jupyter):
    """Without the token the application's own 403 comes through."""
    assert requests.get(f"{jupyter.url}/api/kernels", timeout=10).status_code == 403
