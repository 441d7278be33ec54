"""The command `txproxy`, and `python -m txproxy`.

Rule: every command is a function from parsed arguments to an exit status: 0 done, 1 the route map (or
the world) has problems, 2 the command line is wrong. What was asked for goes to standard output, all
else to standard error; nothing that a user can cause ends in a traceback. What a command needs is
imported when it runs: `--version` waits for nothing, and `run` chooses the reactor first.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from txproxy import __version__

if TYPE_CHECKING:
    from txproxy.config.model import Config

OK, PROBLEMS, USAGE = 0, 1, 2
# What a shell reports for a program that SIGINT ended; and the write to a pipe that nobody reads any more.
INTERRUPTED, UNREAD = 130, 141

_EPILOG = """\
exit status: 0 done; 1 the route map has problems, or cannot be served; 2 the command line is wrong.

`txproxy COMMAND --help` tells more of each. As a daemon: `twistd txproxy -c FILE`.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and give the exit status.

    :param argv: without the program's name; None: the process's.
    :raises SystemExit: 0 after --help and --version, 2 for a command line that makes no sense.
    """
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `txproxy routes FILE | head`: what is left in the buffer must not fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="txproxy",
        description="A reverse proxy on Twisted, steered by one YAML route map.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"txproxy {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_check, _add_explain, _add_routes, _add_run, _add_ca, _add_schema, _add_demo):
        add(commands)
    return parser


def _add(
    commands: Any, name: str, run: Callable[..., int], summary: str, description: str, example: str = ""
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"example: {example}" if example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the route map")


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text for people (default), or JSON")


# check


def _add_check(commands: Any) -> None:
    parser = _add(
        commands,
        "check",
        _check,
        "find every problem in a route map, and run its tests",
        "Report every problem as file:line:column: message, with the line and a mark under the place:\n"
        "the language, names, routes that are never reached, code that cannot be imported (tried in a\n"
        "process of its own), missing directories, and the map's own tests. Nothing is bound or called.",
        "txproxy check routes.yaml",
    )
    _add_file(parser)
    _add_format(parser)


def _check(arguments: argparse.Namespace) -> int:
    from .checking import check

    checked = check(arguments.file, os.environ)
    if arguments.format == "json":
        _print_json(checked.as_json())
    else:
        for finding in checked.findings:
            print(finding.render())
        print(checked.summary)
    return OK if checked.ok else PROBLEMS


# explain


def _add_explain(commands: Any) -> None:
    parser = _add(
        commands,
        "explain",
        _explain,
        "tell what would happen to a request, and why",
        "Play one request through the code that serves, without sending it anywhere: the host and route\n"
        "that are chosen, why each route before it was not, and the request as the backend would get it,\n"
        "byte for byte, or the answer that txproxy would give itself. Applications are not called.",
        "txproxy explain routes.yaml POST http://app.example.com/api/users -H 'X-Version: 2'",
    )
    _add_file(parser)
    parser.add_argument("method", metavar="METHOD", help="GET, POST, ...")
    parser.add_argument("url", metavar="URL", help="http://host/path?query; http:// may be left out")
    parser.add_argument(
        "-H",
        "--header",
        metavar="'NAME: VALUE'",
        action="append",
        default=[],
        type=_header,
        help="a header field; may be repeated",
    )
    parser.add_argument("--from", metavar="IP", dest="client", help="the client's address (default 127.0.0.1)")
    parser.add_argument("--listener", metavar="ADDRESS", help="the listener it comes to, as in the map's `listen`")
    _add_format(parser)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME: VALUE")
    return name, value.strip(" \t")


def _explain(arguments: argparse.Namespace) -> int:
    config = _loaded(arguments.file)
    if config is None:
        return PROBLEMS
    from .asking import NotAsked, asked
    from .explaining import explain
    from .rehearsal import Rehearsal

    try:
        request = asked(
            config,
            arguments.method,
            arguments.url,
            arguments.header,
            client_ip=arguments.client,
            listener=arguments.listener,
        )
    except NotAsked as error:
        return _fail(str(error), USAGE)
    explanation = explain(config, Rehearsal(config), request)
    if arguments.format == "json":
        _print_json(explanation.as_json())
    else:
        print(explanation.as_text(), end="")
    return OK


# routes


def _add_routes(commands: Any) -> None:
    parser = _add(
        commands,
        "routes",
        _routes,
        "print a route map as a table",
        "Print every route with its host, path and other conditions, where it leads, and where it is\n"
        "written. Those of one host are tried from top to bottom.",
    )
    _add_file(parser)
    _add_format(parser)


def _routes(arguments: argparse.Namespace) -> int:
    config = _loaded(arguments.file)
    if config is None:
        return PROBLEMS
    from . import routes_table

    if arguments.format == "json":
        _print_json(routes_table.as_json(config))
    else:
        print(routes_table.as_text(config), end="")
    return OK


# run


def _add_run(commands: Any) -> None:
    parser = _add(
        commands,
        "run",
        _run,
        "serve a route map, in the foreground",
        "Serve until SIGTERM or SIGINT, which let requests in flight end within `timeouts.drain`; a\n"
        "second one cuts them off. The log goes to standard error, the access log where the map says.",
        "txproxy run -c routes.yaml",
    )
    parser.add_argument("-c", "--config", metavar="FILE", required=True, help="the route map")
    parser.add_argument(
        "--reactor",
        metavar="NAME",
        help="Twisted's reactor, as twistd names it: uvloop (default, where uvloop is installed), epoll, poll, ...",
    )


def _run(arguments: argparse.Namespace) -> int:
    from .running import CannotRun, load_or_complain, run

    try:
        run(load_or_complain(arguments.config, os.environ, _tell), reactor_name=arguments.reactor)
    except CannotRun as error:
        return _fail(str(error), PROBLEMS, prefix="")
    return OK


# ca


def _add_ca(commands: Any) -> None:
    parser = _add(
        commands,
        "ca",
        _ca,
        "print the root of the development CA, and how to trust it",
        "Print the root certificate of the CA that issues for the names of `tls.internal`, as PEM, and on\n"
        "standard error how programs are told to trust it. It is made if it does not exist: in the map's\n"
        "`state`, else in $STATE_DIRECTORY or the user's state directory. Run it as the daemon's user.",
        "txproxy ca -c routes.yaml > root.pem",
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="the route map, whose `state` counts")
    parser.add_argument("--path", action="store_true", help="print nothing but the path of the root's file")


def _ca(arguments: argparse.Namespace) -> int:
    state = None
    if arguments.config is not None:
        config = _loaded(arguments.config)
        if config is None:
            return PROBLEMS
        state = config.state
    from .development_ca import CaError, how_to_trust, root

    try:
        path, pem = root(state, os.environ)
    except CaError as error:
        return _fail(str(error), PROBLEMS)
    if arguments.path:
        print(path)
    else:
        print(pem, end="")
        _tell(how_to_trust(path))
    return OK


# schema


def _add_schema(commands: Any) -> None:
    _add(
        commands,
        "schema",
        _schema,
        "print the JSON Schema of the route map, for editors",
        "Print the JSON Schema of the route map's language. With the YAML language server, the first line\n"
        "of a map then is:  # yaml-language-server: $schema=./txproxy.schema.json",
        "txproxy schema > txproxy.schema.json",
    )


def _schema(_: argparse.Namespace) -> int:
    from txproxy.config.schema import json_schema

    _print_json(json_schema())
    return OK


# demo


def _add_demo(commands: Any) -> None:
    parser = _add(
        commands,
        "demo",
        _demo,
        "serve two small applications of its own; needs no file",
        "Serve two small built-in applications, on http://a.localhost:PORT/ and http://b.localhost:PORT/,\n"
        "and by https on another port, by the route map that is etc/demo.yaml in the source tree.",
    )
    parser.add_argument("--port", type=_port, default=8080, help="on 127.0.0.1 (default 8080; 0: any free one)")
    parser.add_argument(
        "--tls-port", type=_port, default=8443, metavar="PORT", help="for https (default 8443; 0: any free one)"
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def _demo(arguments: argparse.Namespace) -> int:
    from .demo import serve
    from .running import CannotRun

    try:
        serve(arguments.port, arguments.tls_port)
    except CannotRun as error:
        return _fail(str(error), PROBLEMS, prefix="")
    return OK


# For all of them.


def _loaded(file: str) -> Config | None:
    """Read a route map for a command that needs it whole; tell what is wrong."""
    from .running import CannotRun, load_or_complain

    try:
        return load_or_complain(file, os.environ, _tell)
    except CannotRun as error:
        _tell(str(error))
        return None


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _fail(text: str, status: int, prefix: str = "txproxy: ") -> int:
    _tell(prefix + text)
    return status
