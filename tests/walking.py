"""Tests that walk many cases over one application: where making it for each case takes longer than the case.

Each case finds the database as the first one did, clients with their cookies, and what else fixtures made of
ours, as it was. All cases are walked, and those that failed are told of by name.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from tests import secrecy
from tests.maker import Maker
from tests.stock import Database

Test = TypeVar("Test", bound=Callable[..., Any])


def walked(
    names: str | Sequence[str],
    cases: Iterable[Any],
    *,
    ids: Iterable[Any] | Callable[[Any], Any] | None = None,
) -> Callable[[Test], Test]:
    """Have a test walk cases; the arguments are those of `pytest.mark.parametrize`."""
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    named = list(_named(wanted, list(cases), ids))
    assert named, "there is no case"

    def walk(test: Test) -> Test:
        signature = inspect.signature(test)
        asked = {name: each for name, each in signature.parameters.items() if name not in wanted}
        request = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD)

        async def awaiting(**given: Any) -> None:
            ground = Ground(given)
            for name, case in named:
                with ground.case(name) as fixtures:
                    await ground.prepare()
                    await test(**{each: fixtures[each] for each in asked}, **case)
            await ground.end()
            ground.tell()

        def at_once(**given: Any) -> None:
            ground = Ground(given)
            for name, case in named:
                with ground.case(name) as fixtures:
                    ground.prepare_at_once()
                    test(**{each: fixtures[each] for each in asked}, **case)
            ground.end_at_once()
            ground.tell()

        walker: Any = awaiting if inspect.iscoroutinefunction(test) else at_once
        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(walker, name, getattr(test, name))
        walker.pytestmark = getattr(test, "pytestmark", [])
        walker.__wrapped__ = test
        walker.__signature__ = signature.replace(parameters=list({"request": request, **asked}.values()))
        return cast("Test", walker)

    return walk


def _named(
    names: list[str], cases: list[Any], ids: Iterable[Any] | Callable[[Any], Any] | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what each case is called, and its arguments."""
    told = [None] * len(cases) if ids is None or callable(ids) else list(ids)
    for case, name in zip(cases, told, strict=True):
        values = case
        if isinstance(case, type(pytest.param())):
            values, name = case.values, case.id or name
        elif len(names) == 1:
            values = (case,)
        given = dict(zip(names, values, strict=True))
        if name is None:
            name = ", ".join(str(ids(each)) if callable(ids) else f"{each!r:.80}" for each in values)
        yield str(name), given


class Ground:
    """What the cases of a test share, and how the first one found it."""

    def __init__(self, given: dict[str, Any]) -> None:
        request: pytest.FixtureRequest = given["request"]
        self._given: dict[str, Any] = request.node.funcargs | given
        self._coverage = getattr(request.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
        self._count = 0
        self._failed: dict[str, BaseException] = {}
        self._database: Database | None = None
        ours = [each for each in self._given.values() if type(each).__module__.startswith("tests.")]
        self._held = [(each, dict(vars(each))) for each in ours if hasattr(each, "__dict__")]
        values = chain(self._given.values(), *(held.values() for _, held in self._held))
        clients = [each for each in values if isinstance(each, httpx.AsyncClient)]
        self._cookies = [(client, list(client.cookies.jar)) for client in clients]

    @contextmanager
    def case(self, name: str) -> Iterator[dict[str, Any]]:
        """Note how a case fails; what it patches is its own, and coverage watches the first."""
        self._count += 1
        away = self._coverage if self._count > 1 and self._coverage and self._coverage.started else None
        if away:
            away.pause()
        try:
            with pytest.MonkeyPatch.context() as patch:
                yield self._given | {"monkeypatch": patch}
        except (Exception, pytest.fail.Exception) as failure:
            failure.add_note(f"in the case {name}")
            self._failed[name] = failure
        finally:
            if away:
                away.resume()

    def tell(self) -> None:
        """Fail where a case did; of many that fail alike the report may show one."""
        if self._failed:
            told = f"{len(self._failed)} of {self._count} cases failed: {'; '.join(self._failed)}"
            raise BaseExceptionGroup(told, list(self._failed.values()))

    async def prepare(self) -> None:
        """Have a case find everything as the first one did; in the event loop of the application."""
        if self._count > 1:
            if isinstance(app := self._given.get("app"), FastAPI):
                await app.state.gatepost.session_tokens._touches.flush()
            self._put_back_the_rest()
        if self._maker:
            await self._maker.run(self._put_back)

    def prepare_at_once(self) -> None:
        """As `prepare`, outside of an event loop."""
        if self._count > 1:
            self._put_back_the_rest()
        if self._maker:
            self._maker.wait(self._put_back)

    async def end(self) -> None:
        """Let go of the database; in the event loop."""
        if self._maker:
            await self._maker.run(self._leave)

    def end_at_once(self) -> None:
        """As `end`, outside of an event loop."""
        if self._maker:
            self._maker.wait(self._leave)

    def _put_back_the_rest(self) -> None:
        for client, cookies in self._cookies:
            client.cookies.clear()
            for cookie in cookies:
                client.cookies.jar.set_cookie(cookie)
        for each, held in self._held:
            vars(each).update(held)
        if "caplog" in self._given:
            self._given["caplog"].clear()

    @property
    def _maker(self) -> Maker | None:
        return Maker.of(self._given["server_dsn"]) if "owner_dsn" in self._given else None

    async def _put_back(self) -> None:
        """Note what the database holds before the first case, and put that back before each other one."""
        if self._database is None:
            name = urlsplit(self._given["owner_dsn"]).path[1:]
            self._database = await Database.connected(self._given["server_dsn"], name)
            await self._database.conn.execute("SET lock_timeout = '10s'")
            return
        for table, row in await secrecy.rows(self._database.conn):
            secrecy.search(row, f"a row of {table}")
        await self._database.emptied()

    async def _leave(self) -> None:
        if self._database is not None:
            await self._database.conn.close()
