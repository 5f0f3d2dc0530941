"""`gatepost secret`: a new SECRET_KEY."""

import secrets

from gatepost.terminal.options import AsJson
from gatepost.terminal.output import Output

KEY_BYTES = 48
"""Random bytes: 384 bits, 64 characters of base64."""


def secret(*, as_json: AsJson = False) -> None:
    """Print a new random SECRET_KEY, and nothing else."""
    key = secrets.token_urlsafe(KEY_BYTES)
    Output(as_json=as_json).done({"secret_key": key}, key)
