"""The templates of mails: HTML is escaped, plain text is not."""

from datetime import datetime
from pathlib import Path

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    pass_context,
    select_autoescape,
)
from jinja2.runtime import Context
from markupsafe import Markup, escape

from gatepost.texts import Text, Value


def environment(own: Path | None, ours: Path, *, reload: bool) -> Environment:
    """Return what finds templates, first in the owner's directory; theirs may extend `gatepost/mail/…`.

    Args:
        own: TEMPLATES_DIR; None where there is none.
        ours: the directory of those of Gatepost.
        reload: each change is seen at once.
    """
    loader = FileSystemLoader(ours)
    loaders: list[BaseLoader] = [loader, PrefixLoader({"gatepost": loader})]
    if own is not None:
        loaders.insert(0, FileSystemLoader(own))
    made = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=select_autoescape(["html"]),
        auto_reload=reload,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["_"] = _text
    made.filters["time"] = _time
    return made


@pass_context
def _text(context: Context, id: str, /, **values: Value) -> str:  # noqa: A002 - the field's name for it
    """Return a text of the catalogues; in HTML it may have markup, and what goes into it is escaped."""
    say = context["language"].say
    if not context.eval_ctx.autoescape:
        return str(say(Text(id, **values)))
    escaped = {name: each if isinstance(each, int) else escape(each) for name, each in values.items()}
    # Catalogues are ours, like the templates.
    return Markup(say(Text(id, **escaped)))  # noqa: S704


@pass_context
def _time(context: Context, at: datetime) -> str:
    return str(context["language"].time(at))
