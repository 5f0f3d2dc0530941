"""Pages that follow on something, as the preview shows them: with second factors that nobody has."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from starlette.responses import Response

from gatepost.demo.people import USER
from gatepost.feature import Feature
from gatepost.features.passkeys.factor import METHOD as PASSKEY
from gatepost.features.recovery_codes import codes
from gatepost.features.recovery_codes.way_back import METHOD as RECOVERY_CODE
from gatepost.features.totp.factor import METHOD as TOTP
from gatepost.http.dependencies import CurrentSessionScheme
from gatepost.http.pages import factor, security
from gatepost.http.pages.feature import FactorPages
from gatepost.http.pages.page import Page
from gatepost.http.pages.recovery import show_codes
from gatepost.http.pages.visit import Visit
from gatepost.models import Due, Held, Holdings


def factor_pages(features: Iterable[Feature]) -> list[Page]:
    """Return the second step by each method and its setting up, and one's own factors in their states."""
    shown = {
        method: pages
        for feature in features
        if feature.pages is not None
        for method, pages in feature.pages().factors.items()
    }
    steps = [_step(method, shown, enrols=False) for method in shown]
    set_up = [_step(method, shown, enrols=True) for method, each in shown.items() if each.enrol is not None]
    own = [
        Page(path="/preview/security", show=_show_security, who=CurrentSessionScheme),
        Page(path="/preview/remove-password", show=_show_remove_password, who=CurrentSessionScheme),
        Page(path="/preview/passkey", show=_show_passkey, who=CurrentSessionScheme),
        Page(path="/preview/authenticator", show=_show_app, who=CurrentSessionScheme),
        Page(path="/preview/recovery-codes", show=_show_codes, who=CurrentSessionScheme),
    ]
    new = [
        Page(path="/preview/setup", show=_show_setup),
        Page(path="/preview/passkey-sign-up", show=_show_passkey_sign_up),
    ]
    return [*steps, *set_up, *new, *own]


def _step(method: str, shown: dict[str, FactorPages], *, enrols: bool) -> Page:
    due = Due(methods=(method, *(each for each in shown if each != method)))
    if enrols:
        due = Due(methods=tuple(each for each in due.methods if shown[each].enrol is not None), enrols=True)

    async def show(visit: Visit) -> Response:
        options = await _begun(visit, method) if enrols else {"publicKey": {}}
        who = factor.Whose(email=USER[0], id=1)
        return factor.render(visit, method, factor.labels(visit, due), options, who=who, enrols=enrols)

    return Page(path=f"/preview/factor/{method}{'/set-up' if enrols else ''}", show=show)


async def _begun(visit: Visit, method: str) -> dict[str, object]:
    """Return what an invented user is shown who begins to set a factor up."""
    user = await visit.gate.administration.find(USER[0])
    [found] = [each for each in visit.gate.wiring.factors if each.method == method]
    async with visit.gate.database.connection() as conn:
        return dict((await found.begin(conn, user, {})).public)


async def _show_setup(visit: Visit) -> Response:
    length = visit.gate.settings.password_min_length
    return visit.render("setup.html", token="", min_length=length, inputs=visit.site.own_inputs)


async def _show_passkey_sign_up(visit: Visit) -> Response:
    inputs = visit.site.own_inputs
    return visit.render("passkey_sign_up.html", token=None, email=None, inputs=inputs, why_not=None)


async def _show_remove_password(visit: Visit) -> Response:
    return visit.render("remove_password.html")


async def _show_security(visit: Visit) -> Response:
    now = visit.gate.now()
    holdings = await visit.gate.factors.of(visit.signed_in.user.id)
    held = (*_passkeys(now), _app(now))
    left = Held(method=RECOVERY_CODE, created_at=now - timedelta(days=90), left=3)
    return await security.render(
        visit, Holdings(factors=held, ways_back=(left,), available=holdings.available, required=False)
    )


async def _show_passkey(visit: Visit) -> Response:
    return visit.render("passkey.html", held=_passkeys(visit.gate.now())[0])


async def _show_app(visit: Visit) -> Response:
    return visit.render("totp.html", held=_app(visit.gate.now()), options=None)


async def _show_codes(visit: Visit) -> Response:
    return show_codes(visit, codes.make(), place=visit.url("/security"))


def _passkeys(now: datetime) -> tuple[Held, Held]:
    used = Held(
        method=PASSKEY,
        created_at=now - timedelta(days=300),
        last_used_at=now - timedelta(hours=2),
        last_used_from="198.51.100.24",
        id="1",
        name="Apple Passwords",
        suffices=True,
        is_synced=True,
    )
    unused = Held(
        method=PASSKEY, created_at=now - timedelta(days=174), id="2", name="YubiKey, blue", is_synced=False
    )
    return used, unused


def _app(now: datetime) -> Held:
    return Held(
        method=TOTP,
        created_at=now - timedelta(days=90),
        last_used_at=now - timedelta(days=4),
        last_used_from="198.51.100.24",
    )
