"""The route map's language: YAML in, frozen models or a list of problems out; pure.

Rule: nothing in here imports Twisted, OpenSSL, socket or asyncio, or any floor but `model`; and no route
map, however wrong, makes anything in here raise.
"""

from .loading import Loaded, load, load_text, load_value
from .manual import reference
from .model import (
    BackendConfig,
    CertificateDirectory,
    CertificateFiles,
    Config,
    FilesLeaf,
    HostConfig,
    HostTls,
    Hsts,
    Leaf,
    Legacy,
    Listen,
    ProxyLeaf,
    ProxyProtocol,
    RedirectLeaf,
    ResourceLeaf,
    RespondLeaf,
    RouteConfig,
    RouteTest,
    Tls,
    UpstreamConfig,
    UpstreamTls,
    WsgiLeaf,
)
from .problem import Problem, Where
from .schema import json_schema
from .settings import AccessLog, HeaderEdits, KeepAlive, Limits, Log, Timeouts, UpstreamTimeouts

__all__ = [
    "AccessLog",
    "BackendConfig",
    "CertificateDirectory",
    "CertificateFiles",
    "Config",
    "FilesLeaf",
    "HeaderEdits",
    "HostConfig",
    "HostTls",
    "Hsts",
    "KeepAlive",
    "Leaf",
    "Legacy",
    "Limits",
    "Listen",
    "Loaded",
    "Log",
    "Problem",
    "ProxyLeaf",
    "ProxyProtocol",
    "RedirectLeaf",
    "ResourceLeaf",
    "RespondLeaf",
    "RouteConfig",
    "RouteTest",
    "Timeouts",
    "Tls",
    "UpstreamConfig",
    "UpstreamTimeouts",
    "UpstreamTls",
    "Where",
    "WsgiLeaf",
    "json_schema",
    "load",
    "load_text",
    "load_value",
    "reference",
]
