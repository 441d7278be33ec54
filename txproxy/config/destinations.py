"""Where requests go: an upstream's name, a URL or a list of URLs, wherever the language takes them.

Rule: every place that takes one short form takes all of them, because they are read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, ValidationInfo

from . import values
from .addresses import backend_address, looks_like_url
from .model import BackendConfig
from .problem import Where, quoted
from .reading import Scalar, complain, report_of
from .tree import Blank, Broken, Mapping, Node, Sequence, Text, described, is_node


@dataclass(frozen=True)
class Destination:
    """What `proxy` says: a name, or backends written in place; neither if it was wrong."""

    where: Where
    name: str = ""
    backends: tuple[BackendConfig, ...] = ()
    base_path: str = ""


_URL = r"^(https?://|https?\+unix:|h2c://)|\$\{"
UrlText = Annotated[str, Field(pattern=_URL, examples=["http://127.0.0.1:8000"])]
NameText = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$|\$\{", description="The name of an upstream.")]
Share = Annotated[int, Field(ge=0, le=100)]
Split = Annotated[
    dict[str, Share], Field(description="Shares of the requests for several upstreams (not supported yet).")
]
PlaceForms = NameText | UrlText | list[UrlText]
DestinationForms = PlaceForms | Split


def backend(text: str, directory: str) -> BackendConfig:
    """Read the URL of a backend, which has no path."""
    made, path = _backend(text, directory)
    if path:
        raise ValueError(
            f"{quoted(text)} has a path; backends are only addresses, so put the path on the URL of a route's `proxy`"
        )
    return made


BackendUrl = Annotated[
    BackendConfig | None,
    Scalar(
        backend,
        None,
        "a URL such as http://127.0.0.1:8000",
        {"type": "string", "pattern": _URL, "examples": ["http://127.0.0.1:8000"]},
        rooted=True,
    ),
]


def _backend(text: str, directory: str) -> tuple[BackendConfig, str]:
    address, path = backend_address(text, directory)
    kind, host, port, socket_path, authority, tls = address
    scheme = "https" if tls else "http"
    url = f"{scheme}+unix:{socket_path}" if kind == "unix" else f"{scheme}://{authority}"
    made = BackendConfig(url=url, kind=kind, host=host, port=port, path=socket_path, authority=authority, tls=tls)
    return made, path


def short(key: str, value: object, info: ValidationInfo) -> object:
    """Give the mapping that a scalar is short for: `{key: value}` at the same place."""
    if not isinstance(value, Text):
        return value
    made = Mapping(value.where)
    value.label = info.field_name
    made[key] = value
    made.key_where[key] = value.where
    return made


def destination(value: object, info: ValidationInfo) -> object:
    """Read a destination in any of its forms; anything that is no node is passed on."""
    if not is_node(value):
        return value
    if isinstance(value, Text):
        return _single(value, info)
    if isinstance(value, Sequence):
        return _several(value, value.where, info)
    assert isinstance(value, Mapping | Blank)
    if isinstance(value, Mapping):
        complain(info, value, "a split over upstreams: not supported yet")
    elif not isinstance(value, Broken):
        complain(info, value, "nothing is written here; expected a URL, or the name of an upstream")
    return Destination(value.where)


def _single(text: Text, info: ValidationInfo) -> Destination:
    if looks_like_url(text):
        return _several([text], text.where, info)
    try:
        return Destination(text.where, name=str(values.upstream_name(text)))
    except ValueError as error:
        complain(
            info, text.where, f"{error}" if text else "the text is empty; expected a URL, or the name of an upstream"
        )
        return Destination(text.where)


def _several(nodes: list[Node], where: Where, info: ValidationInfo) -> Destination:
    if not nodes:
        complain(info, where, "an empty list; expected at least one URL")
    backends: list[BackendConfig] = []
    paths: list[str] = []
    for node in nodes:
        if isinstance(node, Broken):
            continue
        if not isinstance(node, Text):
            complain(info, node, f"expected a URL, found {described(node)}")
            continue
        try:
            if not looks_like_url(node):
                raise ValueError(
                    f"{quoted(node)} is not a URL; a list holds URLs, the name of an upstream stands alone"
                )
            made, path = _backend(node, report_of(info).directory(node.where))
        except ValueError as error:
            complain(info, node, str(error))
            continue
        if made in backends:
            complain(info, node, f"{quoted(node)} is in this list twice")
        elif paths and path != paths[0]:
            complain(
                info,
                node.where,
                f"the path {quoted(path or '/')} is not that of the first URL, {quoted(paths[0] or '/')}; "
                "all URLs of one list need the same",
            )
        backends.append(made)
        paths.append(path)
    complete = len(backends) == len(nodes)
    return Destination(where, backends=tuple(backends) if complete else (), base_path=paths[0] if paths else "")
