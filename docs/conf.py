"""How Sphinx builds these pages: `sphinx-build -n -W docs docs/_build/html`.

Rule: what the program knows is written by the program. The pages on the route map and on causes of
failure are made here, at build time, from the config model and from the table of causes.
"""

from pathlib import Path

from sphinx.application import Sphinx

import txproxy
from txproxy.config import reference
from txproxy.model.errors import CAUSES

project = "txproxy"
author = "txproxy authors"
copyright = author
release = txproxy.__version__
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
html_theme = "alabaster"
html_theme_options = {"description": "A reverse proxy on Twisted", "fixed_sidebar": True}
suppress_warnings = ["myst.strikethrough"]


def causes() -> str:
    """Write the table of causes as a page."""
    lines = [
        "# Causes of failure",
        "",
        "One token stands for one kind of failure, in the access log (`cause`), in the `Proxy-Status` field",
        "(RFC 9209) and on the error page. Status 499 is only logged: nobody is there to read it.",
        "",
        "| token | status | what the client reads |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{cause.token}` | {cause.status} | {cause.sentence} |" for cause in CAUSES.values()]
    return "\n".join(lines) + "\n"


def write_generated_pages(app: Sphinx) -> None:
    """Write the pages that the program knows better than its writers, if they changed."""
    for name, text in {"causes.md": causes(), "route-map.md": reference()}.items():
        page = Path(app.srcdir) / "reference" / name
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Ask Sphinx to write the generated pages before it reads any."""
    app.connect("builder-inited", write_generated_pages)
