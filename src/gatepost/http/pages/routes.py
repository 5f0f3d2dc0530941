"""The pages' table of contents."""

from gatepost.errors import EmailTaken, InvalidCode, InvalidCredentials
from gatepost.http.console import ConsoleSessionScheme
from gatepost.http.dependencies import (
    AdminSessionScheme,
    CurrentSessionScheme,
    FreshSessionScheme,
)
from gatepost.http.pages import (
    account,
    activity,
    confirm,
    data,
    delete,
    devices,
    email,
    export,
    factor,
    languages,
    password,
    security,
    sign_in,
    sign_out,
    sign_up,
)
from gatepost.http.pages.admin import end_sessions, events, overview, sessions, system, user, users
from gatepost.http.pages.page import Page

PAGES = (
    Page(path="/sign-in", show=sign_in.show, submit=sign_in.submit),
    Page(path="/sign-in/factor", show=factor.show, submit=factor.submit, fields={InvalidCode: "code"}),
    Page(path="/sign-up", show=sign_up.show, submit=sign_up.submit, fields={EmailTaken: "email"}),
    Page(path="/sign-out", show=sign_out.show, submit=sign_out.submit),
    Page(path="/language", show=languages.show, submit=languages.submit),
    Page(
        path="/confirm",
        show=confirm.show,
        submit=confirm.submit,
        who=CurrentSessionScheme,
        fields={InvalidCredentials: "password", InvalidCode: "code"},
    ),
    Page(path="/account", show=account.show, submit=account.submit, who=CurrentSessionScheme),
    Page(path="/account/data", show=data.show, who=CurrentSessionScheme),
    Page(path="/security", show=security.show, who=CurrentSessionScheme),
    Page(
        path="/account/password",
        show=password.show,
        submit=password.submit,
        who=CurrentSessionScheme,
        fields={InvalidCredentials: "current"},
    ),
    Page(
        path="/account/email",
        show=email.show,
        submit=email.submit,
        who=CurrentSessionScheme,
        fields={InvalidCredentials: "password", EmailTaken: "email"},
    ),
    Page(path="/account/export", show=export.show, submit=export.submit, who=FreshSessionScheme),
    Page(
        path="/account/delete",
        show=delete.show,
        submit=delete.submit,
        who=FreshSessionScheme,
        fields={InvalidCredentials: "password"},
    ),
    Page(path="/activity", show=activity.show, who=CurrentSessionScheme),
    Page(path="/devices", show=devices.show, submit=devices.submit, who=CurrentSessionScheme),
    Page(path="/admin", show=overview.show, who=ConsoleSessionScheme),
    Page(path="/admin/users", show=users.show, who=ConsoleSessionScheme),
    Page(
        path="/admin/new-user",
        show=users.ask_new,
        submit=users.create,
        who=ConsoleSessionScheme,
        fields={EmailTaken: "email"},
    ),
    Page(path="/admin/users/{id}", show=user.show, submit=user.submit, who=ConsoleSessionScheme),
    Page(path="/admin/users/{id}/{verb}", show=user.ask, submit=user.submit, who=ConsoleSessionScheme),
    Page(path="/admin/sessions", show=sessions.show, submit=sessions.submit, who=ConsoleSessionScheme),
    Page(
        path="/admin/sessions/end",
        show=end_sessions.show,
        submit=end_sessions.submit,
        who=ConsoleSessionScheme,
    ),
    Page(path="/admin/system", show=system.show, who=ConsoleSessionScheme),
    Page(path="/admin/events", show=events.show, who=ConsoleSessionScheme),
    Page(path="/admin/events/export", show=events.show, submit=events.export, who=ConsoleSessionScheme),
    # As the API's stream: what began on a page goes on when the session is no longer fresh.
    Page(path="/admin/events/live", show=events.live, who=AdminSessionScheme),
)
