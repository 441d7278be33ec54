"""Flask and Django under gunicorn, used as a browser uses them.

Rule: the applications know nothing of a proxy, and their users must not notice one.
"""

from __future__ import annotations

import hashlib
import os

import pytest
import requests

from tests.support.servers import gunicorn

UPLOAD = os.urandom(3 << 20)
SUM = hashlib.sha256(UPLOAD).hexdigest()


def before(start_daemon, start_child, application: str):
    """Start an application under gunicorn with a daemon before it."""
    return start_daemon(f'limits: {{body: 16MiB}}\nhosts: {{"*": {gunicorn(start_child, application)}}}')


@pytest.fixture(params=["flask_app:app", "django_app:application"])
def site(request, start_daemon, start_child):
    """The daemon before each of the two."""
    return before(start_daemon, start_child, request.param)


@pytest.fixture
def browser():
    """A client that keeps cookies and follows redirects."""
    with requests.Session() as session:
        yield session


def form_fields(page: str, name: str) -> dict[str, str]:
    """Fill in a form, with Django's token where the page has one."""
    words = page.split()
    return {"name": name} | ({"csrfmiddlewaretoken": words[2]} if len(words) > 2 else {})


def test_a_form_a_redirect_and_cookies_make_a_session(site, browser):
    """A posted form redirects to the page under the address that the browser used, and its cookies are kept."""
    page = browser.get(site.url, timeout=10)
    assert "stranger" in page.text
    answer = browser.post(f"{site.url}/login", data=form_fields(page.text, "Zo\u00eb"), timeout=10)
    assert [hop.status_code for hop in answer.history] == [302]
    assert answer.history[0].headers["Location"].rstrip("/") == site.url
    assert answer.url.rstrip("/") == site.url
    assert "hello Zo\u00eb" in answer.text
    assert {"theme", "lang"} <= set(browser.cookies.keys())


def test_several_cookies_arrive_as_several_fields(site, browser):
    """Each Set-Cookie stays a field of its own."""
    page = browser.get(site.url, timeout=10)
    answer = browser.post(f"{site.url}/login", data=form_fields(page.text, "a"), allow_redirects=False, timeout=10)
    cookies = answer.raw.headers.getlist("Set-Cookie")
    assert {cookie.split("=")[0] for cookie in cookies} >= {"theme", "lang"}
    assert len(cookies) == 3


def test_a_multipart_upload_arrives_whole(site):
    """A file of some MiB in a multipart form has the same sum at the application."""
    answer = requests.post(
        f"{site.url}/upload", files={"file": ("r\u00e4t.bin", UPLOAD)}, data={"note": "with a note"}, timeout=20
    )
    assert answer.json() == {
        "filename": "r\u00e4t.bin",
        "size": len(UPLOAD),
        "sha256": SUM,
        "note": "with a note",
    }


def test_a_body_of_unannounced_length_arrives_whole(start_daemon, start_child):
    """A generator sent as chunks has the same sum at the application."""
    site = before(start_daemon, start_child, "flask_app:app")
    pieces = (UPLOAD[start : start + 50_000] for start in range(0, len(UPLOAD), 50_000))
    answer = requests.put(f"{site.url}/raw", data=pieces, timeout=20)
    assert answer.json() == {"size": len(UPLOAD), "sha256": SUM}


def test_what_the_application_says_of_errors_is_passed_on(start_daemon, start_child):
    """404 and 500 of the application are the application's own pages, not the proxy's."""
    site = before(start_daemon, start_child, "flask_app:app")
    missing = requests.get(f"{site.url}/missing", timeout=10)
    assert (missing.status_code, missing.text) == (404, "the application says no")
    assert "Proxy-Status" not in missing.headers
    assert requests.get(f"{site.url}/crash", timeout=10).status_code == 500
    assert [entry["cause"] for entry in site.logged(2)] == [None, None]


def test_an_answer_in_pieces_arrives_whole(start_daemon, start_child):
    """A streamed answer of unannounced length is complete, in order."""
    site = before(start_daemon, start_child, "django_app:application")
    answer = requests.get(f"{site.url}/stream", timeout=10)
    assert answer.text == "".join(f"line {number}\n" for number in range(1000))


def test_each_server_sent_event_arrives_at_once(start_daemon, start_child):
    """An event is at the client before the next one is even said: nothing on the way waits for more."""
    site = before(start_daemon, start_child, "flask_app:app")
    with requests.get(f"{site.url}/events", stream=True, timeout=10) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        lines = stream.iter_lines(chunk_size=1)
        assert next(lines) == b"retry: 1000"
        for number in range(20):
            assert next(lines) == b""
            requests.post(f"{site.url}/say", data=f"event {number}", timeout=10)
            assert next(lines) == f"data: event {number}".encode()
        requests.post(f"{site.url}/say", data="end", timeout=10)
        assert list(lines) == [b""]
