"""`gatepost secret`: a new SECRET_KEY, and what features do when it was changed."""

import secrets

import typer

from gatepost.terminal.options import AsJson
from gatepost.terminal.output import Output

KEY_BYTES = 48
"""Random bytes: 384 bits, 64 characters of base64."""

app = typer.Typer(name="secret", invoke_without_command=True)


@app.callback(epilog="Example: SECRET_KEY=$(gatepost secret)")
def secret(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Print a new random SECRET_KEY, and nothing else."""
    if context.invoked_subcommand is None:
        key = secrets.token_urlsafe(KEY_BYTES)
        Output(as_json=as_json).done({"secret_key": key}, key)
