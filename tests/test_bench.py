"""The bench's own arithmetic, what it refuses to believe, and that the pages show what was measured."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import asyncpg
import pytest

from gatepost.models import Client, Period

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the bench is not installed

from bench import chart, checks, report, sizing, tables, targets, trail, wrk
from bench.failures import Wrong
from bench.measures import console, history, overview
from bench.measures.pgbench import lookup_script
from bench.measures.refresh import statement
from bench.peer_list import PEERS_MEASURED
from bench.places import RESULTS
from bench.results import SCHEMA, Results, Row, Sample, ratios
from bench.seeds import Credential
from bench.subjects import Program, Subject

ROOT = Path(__file__).resolve().parent.parent


def row(key: str, *values: float, group: str = "gatepost", **changed: Any) -> Row:
    samples = tuple(Sample(value=value, round=n) for n, value in enumerate(values, 1))
    return Row(**{"key": key, "group": group, "name": key, "samples": samples} | changed)


def measured(*rows: Row, **plan: Any) -> Results:
    found = Results(
        date="2026-01-02T03:04Z",
        machine={
            "cpu": "A processor",
            "cores": 2,
            "virtual": False,
            "memory_gb": 8.0,
            "system": "A system",
            "kernel": "6.1",
            "load_before": 0.0,
        },
        versions={"postgresql": "18.6"},
        plan={"quick": False, "rounds": 3} | plan,
        rows=rows,
        facts={"user_bytes": 250.0, "used_session_bytes": 500.0, "event_bytes": 200.0},
    )
    return replace(found, targets=targets.verdicts(found))


# --- Arithmetic ---


def test_a_row_tells_the_median_and_the_least_and_greatest() -> None:
    assert row("me", 10, 30, 11, 12, 9).median() == 11
    assert row("me", 10, 30, 11, 12, 9).spread() == (9, 30)
    assert row("me").median() is None
    assert row("me").spread() is None


def test_rounds_are_set_beside_each_other_only_where_both_rows_have_them() -> None:
    over = replace(row("over"), samples=(Sample(value=6, round=1), Sample(value=8, round=3)))
    under = replace(row("under"), samples=(Sample(value=3, round=1), Sample(value=5, round=2)))

    assert ratios(over, under) == [2.0]


@pytest.mark.parametrize(("found", "met"), [(45.0, True), (44.9, False)])
def test_a_target_is_met_from_its_bound_on(found: float, met: bool) -> None:
    results = measured(row("me-granian", found), row("hello-granian", 100, group="limit"))

    verdict = next(each for each in results.targets if each.key == "me-hello-granian")

    assert (verdict.value, verdict.met) == (found / 100, met)


@pytest.mark.parametrize(("found", "met"), [(120.0, True), (120.1, False)])
def test_a_limit_is_kept_up_to_its_bound(found: float, met: bool) -> None:
    results = measured(row("memory", found, unit="MB"))

    assert next(each for each in results.targets if each.key == "memory").met is met


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert {each.met for each in measured().targets} == {None}


def test_a_target_rests_on_rows_that_are_measured() -> None:
    known = {ask.key for peer in PEERS_MEASURED for ask in peer.asks} | {
        *("me-granian", "me-uvicorn", "verify-granian", "route-session", "route-open", "me-storm"),
        *("hello-granian", "hello-uvicorn", "node-pool", "login", "bcrypt", "refresh", "pgbench-refresh"),
    }

    assert {key for each in targets.RATIOS for key in (each.over, each.under)} <= known


def test_targets_of_growth_name_the_sizes_of_the_run() -> None:
    results = measured(row("me-10", 100), row("me-1000", 95), growth=True, least=10, most=1000, expiring=100)

    assert results.targets[0].measure == "`/me` at 1,000 sessions, beside `/me` at 10"
    assert (results.targets[0].value, results.targets[0].met) == (0.95, True)


@pytest.mark.parametrize(("milliseconds", "met"), [(100.0, True), (100.1, False)])
def test_the_overview_has_its_target_and_table(milliseconds: float, met: bool) -> None:
    plan = {"trail": True, "events": 10_000_000, "live": 1000}
    samples = [
        Sample(value=taken, round=n, database_us=1000 * worked)
        for n, (taken, worked) in enumerate([(200, milliseconds), (10, 1), (300, 200)], 1)
    ]
    found = row("overview-30d", samples=tuple(samples), unit="ms", name="overview, 30d")
    results = replace(measured(found, **plan), facts={"overview_count_seconds": 12.0})

    verdict = next(each for each in results.targets if each.key == "overview-30d")

    assert verdict.measure == (
        "PostgreSQL's processor time for the overview of 30d, with 10,000,000 events and 1,000 live sessions"
    )
    assert (verdict.value, verdict.met) == (milliseconds, met)
    assert "| overview, 30d | 200 ms | 10 … 300 | 100 ms |" in tables.overview_markdown(results)


@pytest.mark.parametrize(("milliseconds", "met"), [(50.0, True), (50.1, False)])
def test_the_slowest_page_of_a_kind_is_judged(milliseconds: float, met: bool) -> None:
    rows = [
        row(key, samples=(Sample(value=99, round=1, database_us=1000 * taken),), unit="ms")
        for key, taken in (("users-email", milliseconds), ("users-created", 1), ("user-a", 90))
    ]
    results = measured(*rows, trail=True, events=10, live=5)

    verdict = next(each for each in results.targets if each.key == "pages-users")

    assert (verdict.value, verdict.met) == (milliseconds, met)
    assert verdict.measure == (
        "PostgreSQL's processor time for a list of users, the slowest of 2, with 10 events and 5 users"
    )


def test_every_page_is_of_a_kind_that_is_judged() -> None:
    assert {key.partition("-")[0] for key in console.PAGES} == set(targets.PAGES)


async def test_a_month_is_measured_and_what_was_found_is_checked(db: Any, owner_dsn: str) -> None:
    users, events = 300, 20_000
    await db.execute(history._USERS, users)
    await db.execute(history._SESSIONS, users, datetime.now(UTC) + timedelta(days=1))
    done: list[int] = []
    await history.add_events(db, events, users, done.append)
    assert (
        sum(done)
        == events
        == await db.fetchval("SELECT count(*) FROM auth_events WHERE action <> 'schema.migrated'")
    )
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE detail ->> 'admin_id' = '1'") == 97
    gate = trail.gate_of(owner_dsn)
    await gate.open(background=False, patient=True)
    try:
        await gate.housekeeping.run(client=Client())
        assert (await overview.sample(gate, Period.MONTH, 1, events=events)).value > 0
        with pytest.raises(Wrong, match="failed logins"):
            await overview.sample(gate, Period.MONTH, 1, events=2 * events)
        for page in console.PAGES.values():
            assert (await console.sample(gate, page, 1)).value > 0
        with pytest.raises(Wrong, match="any: 50"):
            await console.sample(gate, replace(console.PAGES["users-email"], name="any", least=51), 1)
    finally:
        await gate.close()


# --- JSON ---


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = measured(row("me-granian", 5, 6, note="a note"), row("hello-granian", 10, 11, group="limit"))
    results.write(tmp_path / "results.json")

    assert Results.read(tmp_path / "results.json").row("me-granian") == results.row("me-granian")
    # What is read is written the same, so that the pages do not change by it.
    read = Results.read(tmp_path / "results.json")
    read.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "results.json").read_bytes()


def test_results_of_another_schema_are_refused(tmp_path: Path) -> None:
    replace(measured(), schema=SCHEMA + 1).write(tmp_path / "results.json")

    with pytest.raises(ValueError, match="schema"):
        Results.read(tmp_path / "results.json")


# --- What is believed ---


def told(**changed: float) -> dict[str, float]:
    kinds = ("connect", "read", "write", "status", "timeout")
    figures = {"requests": 10_000, "seconds": 2.0, "bytes": 2_000_000, "p50_ms": 1.0, "p99_ms": 2.0}
    return {**dict.fromkeys(kinds, 0), **figures, **changed}


def test_a_load_that_went_well_is_believed() -> None:
    assert wrk.believed(told(), 200, closes=False).rate == 5_000


@pytest.mark.parametrize("fault", ["connect", "read", "write", "status", "timeout"])
def test_one_failed_request_of_ten_thousand_is_enough_to_believe_nothing(fault: str) -> None:
    with pytest.raises(Wrong, match=fault):
        wrk.believed(told(**{fault: 1}), 200, closes=False)


@pytest.mark.parametrize("size", [150, 250])
def test_answers_of_another_length_than_the_checked_ones_are_not_believed(size: float) -> None:
    with pytest.raises(Wrong, match="bytes"):
        wrk.believed(told(), size, closes=False)


@asynccontextmanager
async def answering(statuses: dict[str, int], owner: str) -> AsyncIterator[int]:
    """Serve HTTP: by Authorization header a status, and always the same owner."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            headers = {}
            while (line := (await reader.readline()).decode().strip()) and line:
                name, _, value = line.partition(": ")
                headers[name] = value
            status = statuses.get(headers.get("Authorization", ""), statuses[""])
            body = owner.encode() if status == 200 else b"nobody"
            writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))
            await writer.drain()
            assert head.startswith(b"GET /me ")
        writer.close()
        await writer.wait_closed()

    tasks: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(
        lambda reader, writer: tasks.append(asyncio.create_task(serve(reader, writer))), "127.0.0.1", 0
    )
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.gather(*tasks)


def subject(credentials: Sequence[Credential]) -> Subject:
    program = Program(key="a", command=lambda _: (), environment=lambda _: {}, directory=ROOT)
    return Subject(
        key="a", group="peer", name="A server", program=program, path="/me", credentials=credentials
    )


USER = Credential("Authorization: Bearer good", "user1@example.com")


async def test_a_server_that_knows_its_users_and_refuses_others_is_measured() -> None:
    async with answering({"Bearer good": 200, "": 401}, '{"owner": "user1@example.com"}') as port:
        found = await checks.check(subject([USER]), port)

    assert found.body == len('{"owner": "user1@example.com"}')
    assert found.size == found.body + len("HTTP/1.1 200 X\r\ncontent-length: 30\r\n\r\n")


@pytest.mark.parametrize("owner", ["user11@example.com", "a.user1@example.com", "nobody"])
async def test_a_server_that_answers_as_somebody_else_is_not_measured(owner: str) -> None:
    async with answering({"Bearer good": 200, "": 401}, owner) as port:
        with pytest.raises(Wrong, match="somebody else"):
            await checks.check(subject([USER]), port)


async def test_a_server_that_lets_everybody_in_is_not_measured() -> None:
    async with answering({"": 200}, "user1@example.com") as port:
        with pytest.raises(Wrong, match="a token of nobody"):
            await checks.check(subject([USER]), port)


async def test_pgbench_gets_the_statement_of_a_refresh_whole() -> None:
    sql = await statement()

    assert "UPDATE user_sessions" in sql
    assert "INSERT INTO auth_events" in sql
    assert "$" not in sql
    assert "\n" not in sql


async def test_pgbench_gets_a_value_for_each_parameter_of_the_check(
    db: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    _, _, sql = lookup_script().partition("\n")

    assert await db.fetch(re.sub(r":i\b", "1", sql)) == []


# --- Tables, chart, pages ---


def test_a_target_that_is_missed_says_so() -> None:
    results = measured(row("login", 1, 2, 3), row("bcrypt", 4, 4, 4, group="limit"))

    line = next(line for line in tables.targets_markdown(results.targets).splitlines() if "| login" in line)

    assert line.endswith("| ≥ 0.95 | 0.5 | 0.25 … 0.75 | **not met** |")


def test_the_table_has_every_row_also_one_without_a_figure() -> None:
    absent = row("django", group="peer", note="not measured: it could not be installed")
    results = measured(row("me-granian", 12_345.6), absent)

    table = tables.rows_markdown(results.rows)

    assert "| me-granian | 12,300 /s |" in table
    assert "| django | not measured |" in table
    assert "- django: not measured: it could not be installed." in tables.notes_markdown(results.rows)


def test_the_chart_draws_what_was_measured_to_scale() -> None:
    results = measured(row("me-granian", 1_000), row("django", 250, group="peer"), row("pyjwt", group="peer"))

    drawing = ElementTree.fromstring(chart.svg(results))  # noqa: S314 - drawn by ourselves

    bars = [float(bar.get("width", 0)) for bar in drawing.iter() if bar.get("height") == str(chart.BAR)]
    assert bars == sorted(bars, reverse=True)
    assert bars[0] == pytest.approx(bars[1] * 4, abs=0.2)
    assert len(bars) == 2


def test_a_hundred_times_the_users_need_a_hundred_times_as_much() -> None:
    samples = (Sample(value=4, round=1, cpu_us=50, database_us=10),)
    rows = [row(key, samples=samples) for key in ("me-granian", "refresh", "bcrypt")]

    small, large = (sizing.need(measured(*rows), users) for users in sizing.USERS)

    assert large.worker_cores == pytest.approx(100 * small.worker_cores)
    assert large.sessions_gb == pytest.approx(100 * small.sessions_gb)
    # A million users, a fifth of them here today, a hundred requests each, three times the mean.
    assert small.checks == pytest.approx(694.4, rel=1e-3)


@pytest.mark.parametrize("page", report.PAGES, ids=lambda page: page.name)
def test_the_pages_show_the_committed_results(page: Path) -> None:
    runs = (report.read(path) for path in (report.LATEST, report.GROWTH, report.TRAIL))

    assert report.inserted(page, *runs) == page.read_text("utf-8")


def test_what_is_published_is_of_one_run_and_not_of_a_quick_one() -> None:
    published = [
        results for path in (report.LATEST, report.GROWTH, report.TRAIL) if (results := report.read(path))
    ]
    assert not any(results.plan["quick"] or results.plan["rounds"] < 5 for results in published)
    for results in published:
        for shown, computed in zip(results.targets, targets.verdicts(results), strict=True):
            assert (shown.key, shown.bound, shown.met) == (computed.key, computed.bound, computed.met)
            assert shown.value == pytest.approx(computed.value, rel=1e-3)
    if latest := report.read(report.LATEST):
        page = (RESULTS / "latest.md").read_text("utf-8")
        assert page == report.report(latest, report.read(report.GROWTH), report.read(report.TRAIL))
        assert (RESULTS / "chart.svg").read_text("utf-8") == chart.svg(latest)
