"""What every answer says to browsers, errors and the last resort among them (ASVS 3.4, 14.3.2)."""

from gatepost.settings import Settings

Headers = list[tuple[bytes, bytes]]

API_POLICY = b"default-src 'none'; frame-ancestors 'none'"
"""Content security policy of what is no page: nothing in it is ever run, shown or framed."""

PAGE_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""What pages say besides their own content security policy."""


def api_headers(settings: Settings) -> Headers:
    """Return the headers of every answer; one that sets such a header itself keeps its own, but for Vary."""
    vary = b"Authorization, Cookie" + (b", Origin" if settings.allowed_origins else b"")
    headers = [
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        (b"vary", vary),
        (b"content-security-policy", API_POLICY),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
    if (settings.public_url or "").startswith("https://"):
        headers.append((b"strict-transport-security", b"max-age=63072000; includeSubDomains"))
    return headers
