"""Files of a directory, with ranges, entity tags, types and dates.

Rule: nothing outside of the directory is served, nor anything in it that is hidden: no name that starts
with a dot (but ``.well-known``, RFC 8615), no ``..``, no listing of a directory, no device or pipe. A
symbolic link is followed only to what is inside the directory as well. What is served is only read,
never run: there are no processors.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from typing import Any

from twisted.python.filepath import InsecurePath
from twisted.web import http, static
from twisted.web.resource import IResource, Resource

from txproxy.model import fields
from txproxy.model.errors import DESTINATION_NOT_FOUND, ProxyError

from .error_page import error_page
from .reasons import reason_phrase

INDEX = ("index.html", "index.htm")
# Each range costs a seek and a part of its own; whoever asks for more gets the whole file instead, as
# RFC 9110, section 14.2 allows. Apache stops at 200, nginx has no limit of its own.
MAX_RANGES = 16
_RANGES = re.compile(rb"[ \t]*bytes[ \t]*=[ \t]*(?:[0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})"
                     rb"(?:[ \t]*,[ \t]*(?:[0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18}))*[ \t]*")  # fmt: skip
_TAG = re.compile(rb'(?:W/)?("[^"]*")')
_BUT_HIDDEN = ".well-known"


class _Page(Resource):
    """A page that says just its status, whatever the method."""

    isLeaf = True

    def __init__(self, status: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        title = f"{status} {reason_phrase(status).decode('ascii')}"
        self._status = status
        self._body = f"<!doctype html>\n<title>{title}</title>\n<h1>{title}</h1>\n".encode()

    def render(self, request: Any) -> bytes:
        """Give the page."""
        request.setResponseCode(self._status)
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        return self._body


class _NotFound(Resource):
    """The house's error page for what is not there, whatever the method."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        """Give the page, in the form that the client likes best."""
        accept = request.requestHeaders.getRawHeaders(b"Accept")
        error = ProxyError(DESTINATION_NOT_FOUND, "there is no such file")
        request_id = getattr(request.channel, "request_id", "")
        head, body = error_page(error, request_id, b", ".join(accept) if accept else None)
        request.setResponseCode(head.status, head.reason)
        for name, value in fields.items(head.block):
            request.setHeader(name, value)
        return body


# The stock class is typed in places only.
_File: Any = static.File


class Files(_File):  # type: ignore[misc]
    """A directory, or something in it.

    :param path: the directory, or a single file.
    :param root: the directory that nothing may lead out of; None: `path` itself.
    """

    #: at ``path: /robots.txt`` it is still the directory that has the file (see `mount`)
    keeps_last_segment = True
    childNotFound = _NotFound()  # type: ignore[no-untyped-call]
    forbidden = _Page(http.FORBIDDEN)
    indexNames: Sequence[str] = INDEX
    # A compressed file is a file of its own: as an encoding, browsers would unpack what people download.
    contentEncodings: dict[str, str] = {}  # noqa: RUF012 - never changed
    processors: dict[str, Any] = {}  # noqa: RUF012 - never changed

    def __init__(self, path: str, *, root: str | None = None) -> None:
        # Of an unknown type; text/html, the stock class's default, would run scripts of uploaded files.
        super().__init__(path, "application/octet-stream")
        self._root = os.path.realpath(path) if root is None else root

    def __repr__(self) -> str:
        return f"<Files {self.path}>"

    def createSimilarFile(self, path: str) -> Files:
        """Make the resource of something in this directory."""
        return type(self)(path, root=self._root)

    def directoryListing(self) -> IResource:
        """There is none."""
        return self.childNotFound

    def getChild(self, path: bytes, request: Any) -> IResource:
        """Find what is called so in this directory."""
        try:
            name = path.decode("utf-8")
            hidden = name.startswith(".") and name != _BUT_HIDDEN
            if hidden or "\0" in name or not os.path.isdir(self.path):
                return self.childNotFound
            if name:
                return self.createSimilarFile(self.child(name).path)
        except (UnicodeDecodeError, InsecurePath):
            return self.childNotFound
        for index in self.indexNames:
            if os.path.isfile(os.path.join(self.path, index)):
                return self.createSimilarFile(self.child(index).path)
        return self.directoryListing()

    def render_GET(self, request: Any) -> bytes | int:
        """Send the file, a part of it, or that it has not changed."""
        status = self._status()
        if status is None:
            return self.childNotFound.render(request)
        if stat.S_ISDIR(status.st_mode):
            return _to_directory(request)
        tag = b'"%x-%x"' % (status.st_mtime_ns, status.st_size)
        request.etag = tag
        known = request.requestHeaders.getRawHeaders(b"If-None-Match")
        if known:
            if _is_among(tag, b",".join(known)):
                request.setLastModified(status.st_mtime)
                request.setResponseCode(http.NOT_MODIFIED)
                return b""
            # RFC 9110, section 13.1.3: with a tag at hand, the date is not looked at.
            request.requestHeaders.removeHeader(b"If-Modified-Since")
        if not _range_holds(request, tag, status):
            request.requestHeaders.removeHeader(b"Range")
        return super().render_GET(request)  # type: ignore[no-any-return]

    render_HEAD = render_GET

    def _status(self) -> os.stat_result | None:
        """Look at what is to be served; None if it is not there, or not to be served."""
        try:
            real = os.path.realpath(self.path)
            status = os.stat(real)
        except OSError:
            return None
        inside = real == self._root or real.startswith(self._root.rstrip("/") + "/")
        # Opening a pipe waits for its writer, with the reactor.
        return status if inside and (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)) else None

    def _rangeToOffsetAndSize(self, start: int | None, end: int | None) -> tuple[int, int]:
        # RFC 9110, section 14.1.2: the last 100 bytes of a file of 10 are all of it.
        if start is None and end is not None:
            end = min(end, self.getFileSize())
        return super()._rangeToOffsetAndSize(start, end)  # type: ignore[no-any-return]


def _is_among(tag: bytes, known: bytes) -> bool:
    """Compare as RFC 9110, section 13.1.2 says: weakly, for a copy that was compressed on its way is as good."""
    return known.strip() == b"*" or tag in _TAG.findall(known)


def _range_holds(request: Any, tag: bytes, status: os.stat_result) -> bool:
    """Whether the Range of a request is one to be served."""
    asked = request.requestHeaders.getRawHeaders(b"Range")
    if not asked:
        return True
    if len(asked) > 1 or request.method != b"GET" or not _RANGES.fullmatch(asked[0]):
        return False
    if asked[0].count(b",") >= MAX_RANGES or _overlaps(asked[0], status.st_size):
        return False
    # RFC 9110, section 13.1.5: half of an old file and half of a new one make neither.
    unchanged = request.requestHeaders.getRawHeaders(b"If-Range")
    return not unchanged or unchanged[0] in (tag, http.datetimeToString(-(-status.st_mtime_ns // 10**9)))


def _overlaps(ranges: bytes, size: int) -> bool:
    """Whether the parts asked for are more than the whole."""
    total = 0
    for part in ranges.partition(b"=")[2].split(b","):
        first, _, last = part.strip().partition(b"-")
        start = int(first) if first else max(0, size - int(last))
        end = min(int(last) + 1, size) if first and last else size
        total += max(0, end - start)
    return total > size


def _to_directory(request: Any) -> bytes:
    """Redirect to the same address with a slash at its end, on whatever host and below whatever path this is."""
    path, mark, query = request.uri.partition(b"?")
    request.setResponseCode(http.MOVED_PERMANENTLY)
    # Only the last segment: an address that starts with // would be another site.
    request.setHeader(b"Location", b"./" + path.rpartition(b"/")[2] + b"/" + mark + query)
    request.defaultContentType = None
    return b""
