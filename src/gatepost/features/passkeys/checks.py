"""What `gatepost doctor` finds of passkeys, and `gatepost migrate` warns of."""

from urllib.parse import urlsplit

from gatepost.db.pool import Connection
from gatepost.doctor.check import Check, ok, warning, wrong
from gatepost.features.passkeys import store
from gatepost.features.passkeys.settings import PasskeySettings, fits
from gatepost.settings import Settings


async def examine(settings: Settings) -> list[Check]:
    """Look whether browsers will have passkeys where these settings say that the pages are."""
    if not isinstance(settings, PasskeySettings):
        return []
    origins, rp_id = settings.webauthn_origins, settings.rp_id
    if rp_id is None:
        return [_nowhere(settings)]
    lost = [each for each in origins if not fits(urlsplit(each).hostname, rp_id)]
    if len(lost) == len(origins):
        return [
            wrong(
                "passkeys",
                f"nobody can use them: {rp_id} is neither the host of {origins[0]} nor a domain above it",
                "Set WEBAUTHN_RP_ID to that host or a domain above it, or leave it out",
            )
        ]
    if lost:
        return [
            warning(
                "passkeys",
                f"for {rp_id}, which pages of {', '.join(lost)} are not below",
                f"Browsers that know of related origins ask https://{rp_id}/.well-known/webauthn",
            )
        ]
    return [ok("passkeys", f"for {rp_id}")]


def _nowhere(settings: PasskeySettings) -> Check:
    if settings.environment == "production" and settings.public_url is None:
        return ok("passkeys", "off, as PUBLIC_URL is not set")
    return warning(
        "passkeys",
        "off: browsers have them at the name of a host, and PUBLIC_URL is an IP address",
        "Open the pages by a name: in development, http://localhost",
    )


async def checks(conn: Connection, settings: Settings) -> list[Check]:
    """Count the passkeys that were made for another domain: they are lost under this one."""
    rp_id = settings.rp_id if isinstance(settings, PasskeySettings) else None
    if rp_id is None:
        return []
    return [
        warning(
            "passkeys",
            f"{number:,} of {former} can't be used, as passkeys are for {rp_id} now",
            f"Their owners need another way in. If that was not meant: WEBAUTHN_RP_ID={former}",
        )
        for former, number in await store.of_other_domains(conn, rp_id)
    ]
