"""What the lists of the kernel and of the shipped features come to."""

from gatepost import errors
from gatepost.errors import GatepostError, SetupError
from gatepost.features import FEATURES
from gatepost.http.pages.routes import PAGES as KERNEL_PAGES
from gatepost.http.pages.sentences import WORDS
from gatepost.models import Action, AuditAction

ACTIONS: tuple[Action, ...] = (
    *AuditAction,
    *(action for feature in FEATURES for action in feature.actions or ()),
)
"""Everything that may stand on the trail."""

SENTENCES = WORDS | {
    key: words
    for feature in FEATURES
    if feature.pages is not None
    for key, words in feature.pages().sentences.items()
}
"""What is said of it."""


PAGES = (
    *KERNEL_PAGES,
    *(page for feature in FEATURES if feature.pages is not None for page in feature.pages().pages),
)
"""Every page."""


def kernel_errors(kind: type[GatepostError]) -> list[type[GatepostError]]:
    """Return all that stand below one in `gatepost.errors`; the commands have some of their own."""
    found = []
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            found += [each, *kernel_errors(each)]
    return found


# The commands raise SetupError itself where none of its leaves fits.
CODED = [
    *(kind for kind in kernel_errors(GatepostError) if "code" in vars(kind) and kind is not SetupError),
    *(kind for feature in FEATURES for kind in feature.errors),
]
"""Every error that has a code."""

ON_HTTP = [kind for kind in CODED if not issubclass(kind, SetupError)]
"""Those that callers see."""

STATUS = {kind.code: kind.status for kind in ON_HTTP}
"""Code → status."""
