"""What mails lead to: links and codes, each for one purpose, one mailbox and one time."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.properties.model.sessions import Sessions
from tests.properties.model.users import ModelUser

CODE_LIFETIME = timedelta(minutes=10)
CODE_TRIES = 5
LIFETIMES = {
    "password_reset": timedelta(minutes=30),
    "sign_in": timedelta(minutes=10),
    "verify_email": timedelta(hours=24),
    "sign_up": timedelta(hours=24),
    "email_change": timedelta(hours=24),
    "email_undo": timedelta(days=7),
    "invitation": timedelta(days=7),
}
"""What a link is for → how long it works."""


@dataclass(eq=False)
class ModelLink:
    """A link and its code, as a mail has them.

    Attributes:
        email: of the mailbox that it was sent to.
        user: whose it is; None for a newcomer's.
        code: None where it has none.
        stamp: of its user's credentials; None where it outlives a change of those.
        invitation: that a newcomer came with.
        makes_account: whoever has the mailbox has an account by it, where there is none.
    """

    id: int
    purpose: str
    email: str
    user: ModelUser | None
    token: str
    code: str | None
    made_at: datetime
    lifetime: timedelta
    stamp: int | None
    invitation: "ModelLink | None" = None
    makes_account: bool = False
    tries: int = 0
    is_used: bool = False
    is_revoked: bool = False

    def is_untouched(self) -> bool:
        return not (self.is_used or self.is_revoked)

    def has_code(self, now: datetime) -> bool:
        return self.code is not None and self.is_untouched() and now < self.made_at + CODE_LIFETIME


@dataclass
class Mail(Sessions):
    """Sessions, and what is in mailboxes."""

    links: list[ModelLink] = field(default_factory=list)

    def is_open(self, link: ModelLink) -> bool:
        """Say whether a link works."""
        if not link.is_untouched() or self.now >= link.made_at + link.lifetime:
            return False
        if link.user is None:
            return link.makes_account and self.user(link.email) is None
        return link.user.is_active and link.stamp in {None, link.user.stamp}

    def is_held(self, email: str) -> bool:
        """Say whether a former mailbox may take an e-mail back: till then nobody registers with it."""
        return any(
            (link.purpose, link.email) == ("email_undo", email)
            and link.is_untouched()
            and self.now < link.made_at + link.lifetime
            for link in self.links
        )

    def issue(self, link: ModelLink, *, by_mailbox: bool = False) -> ModelLink:
        """Note a new link; the last one of its purpose ends, of its mailbox or of its user."""
        if by_mailbox:
            self.supersede(link.purpose, link.email)
        elif link.user is not None:
            theirs = (each for each in self.links if each.user is link.user and each.stamp is not None)
            self.revoke(each for each in theirs if each.purpose == link.purpose)
        self.links.append(link)
        return link

    def supersede(self, purpose: str, email: str) -> None:
        self.revoke(link for link in self.links if (link.purpose, link.email) == (purpose, email))

    @staticmethod
    def revoke(links: Iterable[ModelLink]) -> None:
        for link in links:
            link.is_revoked = link.is_revoked or not link.is_used

    def try_code(self, purpose: str, email: str) -> ModelLink | None:
        """Take a try at the code of the newest link for a mailbox; None where there is none left."""
        untouched = (link for link in self.links if link.is_untouched())
        those = [link for link in untouched if (link.purpose, link.email) == (purpose, email)]
        if not those or not those[-1].has_code(self.now) or those[-1].tries >= CODE_TRIES:
            return None
        those[-1].tries += 1
        return those[-1]

    # What they do.

    def set_password(self, user: ModelUser, password: str) -> None:
        """Choose a password by a mail: whatever else an account has that nobody answered for is taken."""
        if not user.is_verified:
            user.lose_factors()
        user.password, user.is_verified = password, True
        user.move()
        self.end_all(user, "password_changed")
        self.sent.append(("password_changed", user.email))

    def verify(self, user: ModelUser, *, is_own: bool) -> None:
        """Have a mailbox answer; unless its user did that, whoever made the account loses it."""
        if not user.is_verified and not is_own:
            self.disown(user)
        user.is_verified = True

    def disown(self, user: ModelUser) -> None:
        user.password = None
        user.lose_factors()
        user.move()
        self.end_all(user, "password_set")

    def change_email(self, user: ModelUser, email: str) -> None:
        user.email, user.is_verified = email, True
        user.move()
        self.end_all(user, "email_changed")

    def undo(self, link: ModelLink) -> None:
        """Take a change back, and with it every later one."""
        assert link.user is not None
        self.change_email(link.user, link.email)
        later = self.links[self.links.index(link) + 1 :]
        self.revoke(other for other in later if other.user is link.user and other.stamp is None)
