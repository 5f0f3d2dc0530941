"""What is said of a passkey that nobody has."""

from collections.abc import Mapping

from gatepost.errors import InvalidCredentials


class UnknownPasskey(InvalidCredentials):
    """Nobody has this passkey: `unknown_credential` is for `signalUnknownCredential()`.

    Attributes:
        unknown_credential: has a browser forget the passkey (WebAuthn §5.1.10.2). Ids are random: nobody
            learns by guessing which there are.
    """

    code = "unknown_passkey"

    def __init__(self, unknown_credential: Mapping[str, str] | None = None) -> None:
        """Take which passkey it is."""
        super().__init__()
        self.unknown_credential = unknown_credential

    @property
    def details(self) -> Mapping[str, object]:
        """What tells the browser to forget it."""
        return {"unknown_credential": self.unknown_credential}
