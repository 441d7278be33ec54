"""What a proxy in front of us sends first: ``python -m fuzz proxy_header``.

Rule: the documented outcomes are a header with its length, a wish for more, and `ProxyHeaderError`. More
bytes change neither of the first and the last, and the pieces in which a header comes do not matter.
"""

from __future__ import annotations

from ipaddress import ip_address

from txproxy.protocols.proxy_protocol.codec import HeaderReader, ProxyHeader, ProxyHeaderError, proxy_header

_BEGINNINGS = (
    b"",
    b"PROXY TCP4 ",
    b"PROXY TCP6 ",
    b"PROXY UNKNOWN",
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21",
)


def one_input(data: bytes) -> None:
    """Read the input; its first byte says what stands in front of it and in which pieces it comes."""
    first, rest = (data[0], data[1:]) if data else (0, b"")
    data = _BEGINNINGS[first % len(_BEGINNINGS)] + rest
    whole = _outcome(data)
    if whole is not None:
        assert _outcome(data + b"\r\n\xff") == whole
    if isinstance(whole, tuple):
        _judge(*whole)
        assert _by_pieces(data, first + 1) == whole


def _outcome(data: bytes) -> tuple[ProxyHeader, int] | str | None:
    try:
        return proxy_header(data)
    except ProxyHeaderError:
        return "refused"


def _by_pieces(data: bytes, step: int) -> tuple[ProxyHeader, int] | None:
    reader = HeaderReader()
    for at in range(0, len(data), step):
        found = reader.feed(data[at : at + step])
        if found is not None:
            return found[0], min(at + step, len(data)) - len(found[1])
    return None


def _judge(header: ProxyHeader, size: int) -> None:
    assert 15 <= size <= 16 + 216 + 4096
    for address, port in (
        (header.source, header.source_port),
        (header.destination, header.destination_port),
    ):
        assert 0 <= port <= 65535
        assert not address or str(ip_address(address)) == address
        assert address or not port
    assert not (header.local and (header.source or header.source_path))
    assert header.ssl is None or header.ssl.certificate or not header.ssl.verified
    repr((header.alpn, header.authority, header.unique_id))
