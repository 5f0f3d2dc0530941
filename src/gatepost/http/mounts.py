"""Where the API and the pages stand in an application, also where a proxy takes the root off the path."""

from collections.abc import Iterable, Iterator

from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope


class PlacedMount(Mount):
    """A mount that is found behind a proxy that strips the root, too.

    ASGI has the path begin with the root, as servers hand it over that know of one. `FastAPI(root_path=…)`
    sets the root alone, and leaves the path as it came: an application's own routes are found all the same,
    but what is mounted on it would look for a path that begins with the root.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say whether this is meant, and hand on a path that begins with the root."""
        if self.path not in scope["path"]:
            return Match.NONE, {}  # every route of the application comes by here
        root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
        if path != root and not path.startswith(f"{root}/"):
            # Below another mount the root has grown by that one's path, which the path has already.
            path = scope.get("app_root_path", root).rstrip("/") + path
        match, child = super().matches({**scope, "root_path": root, "path": path})
        return match, child if match is Match.NONE else {**child, "path": path}


def hiding(routes: Iterable[BaseRoute], path: str) -> Iterator[BaseRoute]:
    """Yield the routes that would take requests which are meant for what is mounted at a path after them."""
    asked: Scope = {"type": "http", "method": "GET", "path": f"{path}/me", "root_path": "", "headers": []}
    for route in routes:
        if isinstance(route, PlacedMount):
            continue  # of a Gatepost
        is_below = str(getattr(route, "path", "")).startswith(f"{path}/")
        if is_below or route.matches(asked)[0] is not Match.NONE:
            yield route
