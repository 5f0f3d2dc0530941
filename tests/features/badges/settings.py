"""The setting of badges, beside the kernel's."""

from pydantic import Field

from gatepost.settings import Settings


class BadgeSettings(Settings):
    """What can be set of badges."""

    badges_max: int = Field(3, ge=1, le=100, description="Badges that a user may have")
