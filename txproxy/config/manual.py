"""The route map's reference manual, in Markdown.

Rule: what a key means is said once, in the models that read it. Here stand only the order of the
sections and what is true of all keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from typing import Any, get_args

from .compose import MAX_DEPTH
from .language import BackendEntry, ListenEntry, ProxyProtocolEntry, RouteMap, TestEntry, UpstreamEntry
from .reading import OneOrMore, Says, Scalar, Table, Written
from .routes import HostEntry, LegacyEntry, RedirectEntry, RespondEntry, RouteEntry
from .schema import default_text
from .settings import AccessLog, HeaderEdits, KeepAlive, Limits, Log, Timeouts, UpstreamTimeouts
from .source import MAX_BYTES, MAX_INCLUDE_DEPTH
from .tls import CertificateEntry, HostTlsEntry, HstsEntry, TlsEntry, UpstreamTlsEntry

# A host's only route has a route's keys, so it has no section of its own.
SECTIONS: tuple[tuple[type[Written], str], ...] = (
    (RouteMap, "The route map"),
    (ListenEntry, "Listeners"),
    (ProxyProtocolEntry, "PROXY headers"),
    (TlsEntry, "TLS"),
    (CertificateEntry, "Certificates"),
    (HstsEntry, "Strict transport security"),
    (HostEntry, "Hosts"),
    (HostTlsEntry, "TLS of a host"),
    (RouteEntry, "Routes"),
    (RedirectEntry, "Redirects"),
    (RespondEntry, "Answers"),
    (HeaderEdits, "Header changes"),
    (LegacyEntry, "Legacy applications"),
    (UpstreamEntry, "Upstreams"),
    (BackendEntry, "Backends"),
    (UpstreamTlsEntry, "TLS to backends"),
    (KeepAlive, "Kept connections"),
    (UpstreamTimeouts, "Timeouts of upstreams and routes"),
    (Limits, "Limits"),
    (Timeouts, "Timeouts of clients"),
    (Log, "Logs"),
    (AccessLog, "The access log"),
    (TestEntry, "Tests"),
)

_INTRODUCTION = f"""# The route map

A route map is one YAML document. The smallest has two lines:

```yaml
hosts:
  app.example.com: http://127.0.0.1:8000
```

`txproxy check FILE` names every problem of a route map at once, `txproxy schema` prints a JSON Schema with which
editors complete and check it while it is written.

## Values

- A **duration** is one number with one unit: `250ms`, `5s`, `10m`, `1h`, `7d`.
- A **size** is a number of octets, or has a unit: `512`, `16KiB`, `1MiB`, `2GiB`.
- A **path** is relative to the file that names it.
- Where a list is expected, one value alone is a list of one.
- A key that does nothing useful without a value cannot be left empty; leave it out instead.
- What a value means depends on its key alone and not on YAML: `on` is a word, `0660` keeps its zero.

## Environment and other files

`${{NAME}}` stands for a variable of the environment, which must be set; `${{NAME:-default}}` for the default where it
is not set or empty; `$${{` for the two characters themselves. `!include path` stands for what another YAML file holds.
Anchors, aliases and merge keys (`<<`) work within one file.

A file has at most {MAX_BYTES >> 20} MiB and nests at most {MAX_DEPTH} levels deep; includes nest at most
{MAX_INCLUDE_DEPTH} files deep.

## What stands under a host

The same four hosts, from the shortest form to the longest:

```yaml
upstreams:
  app: {{backends: [http://10.0.0.5:8000, http://10.0.0.6:8000]}}
hosts:
  one.example.com: app                     # an upstream's name, a URL or a list of URLs
  two.example.com: {{proxy: app}}            # a mapping that is the host's only route
  three.example.com:                       # a list of routes, the first that matches wins
    - path: /static/*
      files: /srv/static
    - proxy: app
  four.example.com:                        # a mapping with `routes`, beside which settings for the host stand
    routes:
      - proxy: app
```
"""


def reference() -> str:
    """Give the reference of the route map's language as a page of Markdown."""
    return "\n".join([_INTRODUCTION, *(line for written, title in SECTIONS for line in _section(written, title))])


def _section(written: type[Written], title: str) -> Iterator[str]:
    later = written.later
    yield f"## {'Keys of the route map' if written is RouteMap else title}\n"
    yield f"{cleandoc(written.__doc__ or '')}\n"
    yield "| key | value | default | meaning |\n| --- | --- | --- | --- |"
    for key, field in written.by_key.items():
        if key not in later:
            cells = (f"`{key}`", _kind(written, key), _default(written, key), field.description or "")
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""
    if later:
        yield "Not supported yet, and refused until they are:\n"
        yield from (f"- `{key}`: {written.by_key[key].description}" for key in later)
        yield ""


def _kind(written: type[Written], key: str) -> str:
    field = written.by_key[key]
    said = [each.expected for each in field.metadata if isinstance(each, Says | Scalar | OneOrMore | Table)]
    inner = [title for inner in _inner(field.annotation) for known, title in SECTIONS if known is inner]
    links = [f"[{title.lower()}](#{title.lower().replace(' ', '-')})" for title in inner]
    return (said[-1] if said else "a mapping") + (f": {', '.join(links)}" if links else "")


def _inner(annotation: Any) -> Iterator[type[Written]]:
    """Give the mappings that a value can hold."""
    if isinstance(annotation, type) and issubclass(annotation, Written):
        yield annotation
        if annotation is HostEntry:
            yield RouteEntry
    for argument in get_args(annotation):
        yield from _inner(argument)


def _default(written: type[Written], key: str) -> str:
    if key in written.required:
        return "required"
    default = default_text(written, key)
    if default is None:
        return ""
    shown = f"[{', '.join(default)}]" if isinstance(default, list) else default or '""'
    return f"`{shown}`"
