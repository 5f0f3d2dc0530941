"""Passkeys as people meet them: signing in, the second step, one's own ones, and what is said of them."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, Response

from gatepost.errors import (
    ChallengeExpired,
    EmailTaken,
    FreshSessionRequired,
    InvalidCode,
    InvalidCredentials,
    NotFound,
)
from gatepost.features.passkeys.errors import UnknownPasskey
from gatepost.features.passkeys.factor import METHOD
from gatepost.features.passkeys.service import OwnPasskeys
from gatepost.features.passkeys.settings import PasskeySettings, fits
from gatepost.features.passkeys.sign_ins import PasskeySignIns
from gatepost.features.passkeys.sign_ups import PasskeySignUps
from gatepost.gate import Gate
from gatepost.http.dependencies import CurrentSessionScheme
from gatepost.http.pages import sign_in, sign_up
from gatepost.http.pages.answers import read_answer, read_credential
from gatepost.http.pages.feature import FactorPages, Pages, Section
from gatepost.http.pages.forms import Form
from gatepost.http.pages.links import Link
from gatepost.http.pages.page import Page
from gatepost.http.pages.recovery import show_codes
from gatepost.http.pages.sentences import Words
from gatepost.http.pages.visit import Visit
from gatepost.models import Answer, Held, Holdings
from gatepost.models.rows import row_id
from gatepost.services.sign_in import Arrival
from gatepost.texts import Text

SIGN_IN, OPTIONS, OWN = "/sign-in/passkey", "/sign-in/passkey/options", "/account/passkeys"
SIGN_UP = "/sign-up/passkey"

WRONG = Text("error.invalid_credentials.passkey")


def why_not(visit: Visit) -> Text | None:
    """Return why there are no passkeys at this page; None where there are.

    Browsers have them at the host that they were made for, at those below it, and at no address.
    """
    host = visit.edge.host(visit.request.scope)
    settings = visit.gate.settings_as(PasskeySettings)
    if settings.rp_id is None:
        return Text("passkey.at_address") if _is_address(host) else Text("passkey.nowhere")
    url = visit.request.url
    # Without a PUBLIC_URL a development server may be at another port than it is told of.
    is_here = settings.public_url is not None or f"{url.scheme}://{url.netloc}" in settings.webauthn_origins
    if fits(host, settings.rp_id) and is_here:
        return None
    fitting = (each for each in settings.webauthn_origins if fits(urlsplit(each).hostname, settings.rp_id))
    return Text("passkey.elsewhere", place=next(fitting, settings.rp_id))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


# --- Signing in ---


def sign_in_way(visit: Visit) -> str | None:
    """Return the button below the form of signing in."""
    is_on = visit.gate.service(PasskeySignIns).is_on and why_not(visit) is None
    return "passkey_sign_in.html" if is_on else None


async def lead_back(visit: Visit) -> Response:
    """Lead to the page of signing in, which these belong to; after a mistake, show it."""
    if visit.problems is None and not visit.has_begun:
        return visit.redirect(visit.url("/sign-in", next=visit.next))
    unknown = visit.error.unknown_credential if isinstance(visit.error, UnknownPasskey) else None
    return await sign_in.show(visit, unknown_passkey=unknown)


async def send_options(visit: Visit, _: Form) -> Response:
    """Answer the script with what it has an authenticator sign.

    Raises:
        NotFound, TooManyAttempts: as `PasskeySignIns.begin`.
    """
    asked = await visit.gate.service(PasskeySignIns).begin(visit.client)
    return JSONResponse({"challenge": asked.challenge, **asked.public}, headers={"Cache-Control": "no-store"})


async def submit_sign_in(visit: Visit, form: Form) -> Response:
    """Start a session for the owner of the passkey.

    Raises:
        UnknownPasskey, InvalidCredentials, ChallengeExpired, NotFound, TooManyAttempts: as
            `PasskeySignIns.finish`.
    """
    arrival = Arrival(client=visit.client, by_cookie=True, remembered="remember" in form)
    credential, sign_ins = read_credential(form), visit.gate.service(PasskeySignIns)
    if credential is None:
        raise InvalidCredentials(WRONG)
    signed_in = await sign_ins.finish(form.get("challenge", ""), credential, arrival)
    return await visit.begin(signed_in)


# --- Signing up ---


def newcomer_way(visit: Visit) -> str | None:
    """Return the button below the form in which a newcomer chooses a password."""
    is_on = visit.gate.service(PasskeySignUps).is_on and why_not(visit) is None
    return "passkey_newcomer.html" if is_on else None


async def show_sign_up(visit: Visit) -> Response:
    """Show the form; who is signed in already goes on.

    Raises:
        NotFound: nobody signs up with a passkey here.
        GatepostError: there is no form for them, as `Admission.look`.
    """
    if not _signs_up(visit.gate):
        raise NotFound
    if visit.session is not None and (visit.problems is None or visit.has_begun):
        return visit.redirect(visit.next or visit.url("/account"))
    if (led_on := sign_up.invited(visit)) is not None:
        return led_on
    token = sign_up.invitation_of(visit, visit.typed)
    invitation = await visit.gate.admission.look(token, client=visit.client)
    return visit.render(
        "passkey_sign_up.html",
        token=token,
        email=invitation.email if invitation is not None else None,
        inputs=visit.site.own_inputs,
        why_not=why_not(visit),
    )


async def send_new_options(visit: Visit, form: Form) -> Response:
    """Answer the script with what it has an authenticator make.

    Raises:
        NotFound, TooManyAttempts, ValidationFailed: as `PasskeySignUps.begin`.
    """
    name, email = form.get("name", "").strip(), form.get("email", "").strip()
    asked = await visit.gate.service(PasskeySignUps).begin(email, name, visit.client)
    return JSONResponse({"challenge": asked.challenge, **asked.public}, headers={"Cache-Control": "no-store"})


async def lead_to_sign_up(visit: Visit) -> Response:
    """Lead to the page of signing up."""
    return visit.redirect(visit.url("/sign-up", next=visit.next))


def _signs_up(gate: Gate) -> bool:
    return gate.wiring.registrar is None and gate.service(PasskeySignUps).is_open


# --- One's own ---


async def section(visit: Visit, holdings: Holdings) -> Section | None:
    """Return the section of the page of one's security."""
    held, why = _of(holdings), why_not(visit)
    if not held and METHOD not in holdings.available and why is None:
        return None
    signals = await _signals(visit) if held and why is None else {}
    return Section(template="passkey_section.html", shown={"held": held, "why_not": why, "signals": signals})


async def profile_section(visit: Visit) -> Section | None:
    """Return what the page of one's profile has after another name: managers of passkeys are to show it."""
    if visit.edge.cookies.notice(visit.request.scope) != "name_changed" or why_not(visit) is not None:
        return None
    signals = await _signals(visit)
    return Section(template="passkey_signals.html", shown={"signals": signals}) if signals else None


async def _signals(visit: Visit) -> dict[str, Mapping[str, object]]:
    """Return what the browser is told of a user's passkeys, by the methods of `PublicKeyCredential`."""
    own, user = visit.gate.service(OwnPasskeys), visit.signed_in.user
    accepted = await own.accepted(user.id)
    details = own.details(user, accepted)
    told = {"signalAllAcceptedCredentials": accepted, "signalCurrentUserDetails": details}
    return {method: value for method, value in told.items() if value is not None}


async def ask_new(visit: Visit) -> Response:
    """Show the form that adds a passkey.

    Raises:
        NotFound, FreshSessionRequired: as `Factors.begin`.
    """
    why, options = why_not(visit), None
    if why is None:
        options = await visit.gate.factors.begin(visit.token, METHOD, visit.client, by_cookie=visit.by_cookie)
    return visit.render("new_passkey.html", options=options, why_not=why)


async def add(visit: Visit, form: Form) -> Response:
    """Add it, and show the recovery codes that come with the first factor.

    Raises:
        InvalidCredentials, NotFound, FreshSessionRequired: as `Factors.enrol`.
    """
    answer = Answer(method=METHOD, credential=read_answer(form).credential, name=form.get("name") or None)
    factors, place = visit.gate.factors, visit.url("/security")
    try:
        signed_in = await factors.enrol(visit.token, answer, visit.client, by_cookie=visit.by_cookie)
    except InvalidCode:
        raise InvalidCredentials(Text("passkey.not_added")) from None
    except ChallengeExpired as error:
        return visit.redirect(visit.here, notice=error.code)
    if signed_in.recovery_codes:
        return show_codes(visit, signed_in.recovery_codes, place=place, signed_in=signed_in)
    return visit.go_on(signed_in, place, notice=f"passkey_added.{signed_in.others_ended}")


async def show_one(visit: Visit) -> Response:
    """Show one of them, to be renamed or removed.

    Raises:
        NotFound: the visitor has no such passkey.
    """
    held = await _asked_for(visit)
    return visit.render("passkey.html", held=held)


async def change(visit: Visit, form: Form) -> Response:
    """Rename or remove it.

    Raises:
        NotFound, ValidationFailed: as `OwnPasskeys.rename`.
        NotFound, FreshSessionRequired: as `Factors.remove`, and before it is renamed, too.
    """
    held, place = await _asked_for(visit), visit.url("/security")
    if form.get("action") == "remove":
        signed_in = await visit.gate.factors.remove(
            visit.token, METHOD, visit.client, by_cookie=visit.by_cookie, factor_id=held.id
        )
        return visit.go_on(signed_in, place, notice=f"passkey_removed.{signed_in.others_ended}")
    session, own = visit.signed_in, visit.gate.service(OwnPasskeys)
    if not session.is_fresh:
        raise FreshSessionRequired(await visit.gate.confirmations.methods(session))
    await own.rename(session, int(held.id or 0), form.get("name", ""), visit.client)
    return visit.redirect(place, notice="passkey_renamed")


async def _asked_for(visit: Visit) -> Held:
    asked = row_id(visit.request.path_params["id"])
    held = _of(await visit.gate.factors.of(visit.signed_in.user.id))
    found = next((each for each in held if asked is not None and each.id == str(asked)), None)
    if found is None:
        raise NotFound(Text("error.not_found.factor"))
    return found


def _of(holdings: Holdings) -> list[Held]:
    return [each for each in holdings.factors if each.method == METHOD]


PAGES = Pages(
    pages=(
        Page(path=SIGN_IN, show=lead_back, submit=submit_sign_in),
        Page(path=OPTIONS, show=lead_back, submit=send_options),
        Page(path=SIGN_UP, show=show_sign_up, submit=sign_up.submit, fields={EmailTaken: "email"}),
        Page(path=f"{SIGN_UP}/options", show=lead_to_sign_up, submit=send_new_options),
        Page(path=OWN, show=ask_new, submit=add, who=CurrentSessionScheme),
        Page(path=f"{OWN}/{{id}}", show=show_one, submit=change, who=CurrentSessionScheme),
    ),
    links=(Link(place="sign_up", path=SIGN_UP, text=Text("passkey.instead"), shown=_signs_up),),
    newcomer_way=newcomer_way,
    sign_in_way=sign_in_way,
    factors={
        METHOD: FactorPages(
            path=OWN,
            name=Text("passkey.name"),
            about=Text("passkey.about"),
            icon="key",
            answer="passkey_answer.html",
            enrol="passkey_enrol.html",
            asks=True,
            unusable=why_not,
            has_section=True,
        )
    },
    security_section=section,
    profile_section=profile_section,
    templates=Path(__file__).parent / "templates",
    scripts=Path(__file__).parent / "assets",
    notices={
        "passkey_added": lambda _: Text("passkey.added"),
        "passkey_removed": lambda _: Text("passkey.removed"),
        "passkey_renamed": lambda _: Text("passkey.renamed"),
    },
    sentences={"passkey.renamed": Words("plain")},
)
