"""What is raised when a route map cannot be served although it reads well.

Rule: whoever composes a part of it raises this, with the place in the map.
"""

from __future__ import annotations


class ComposeError(Exception):
    """Something that the route map names cannot be had; `where` is where it is named."""

    def __init__(self, where: object, message: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where
        self.message = message
