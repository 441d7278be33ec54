"""A Flask application with what such applications have: forms, uploads, redirects, cookies, streams.

Rule: run by gunicorn as `flask_app:app`; it is ordinary code that knows nothing of a proxy.
"""

from __future__ import annotations

import hashlib
import queue
from collections.abc import Iterator

from flask import Flask, Response, redirect, request, session, url_for

app = Flask(__name__)
app.secret_key = "only-for-tests"
events: queue.Queue[str] = queue.Queue()


@app.get("/")
def index() -> str:
    """Greet whoever is logged in."""
    return f"hello {session.get('name', 'stranger')}"


@app.post("/login")
def login() -> Response:
    """Take a form, remember the name, and send the browser back."""
    session["name"] = request.form["name"]
    response = redirect(url_for("index", _external=True))
    response.set_cookie("theme", "dark mode; really", path="/")
    response.set_cookie("lang", "de", httponly=True)
    return response


@app.post("/upload")
def upload() -> dict[str, object]:
    """Take a multipart form with a file, and say what arrived."""
    file = request.files["file"]
    content = file.read()
    return {
        "filename": file.filename,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "note": request.form["note"],
    }


@app.put("/raw")
def raw() -> dict[str, object]:
    """Take a body as it is, chunked or not."""
    content = request.stream.read()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@app.get("/missing")
def missing() -> tuple[str, int]:
    """Be a 404 of the application's own."""
    return "the application says no", 404


@app.get("/crash")
def crash() -> str:
    """Fail."""
    raise RuntimeError("as intended")


@app.get("/events")
def stream() -> Response:
    """Stream one server-sent event for each text put to /say, until `end`."""

    def lines() -> Iterator[str]:
        yield "retry: 1000\n\n"
        while (text := events.get(timeout=30)) != "end":
            yield f"data: {text}\n\n"

    return Response(lines(), mimetype="text/event-stream")


@app.post("/say")
def say() -> tuple[str, int]:
    """Put one text into the stream."""
    events.put(request.get_data(as_text=True))
    return "", 204
