"""Steps with passkeys: signing up and in, set up, asked for after a password, confirmed by, removed."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import multiple, precondition, rule
from tests.properties.machine.factors import FactorSteps
from tests.properties.machine.steps import USERS, all_workers, flags, known, numbers, owners, picks
from tests.properties.model.users import OWNER, THIEF, Caller, ModelUser

from gatepost.features.passkeys.soft_authenticator import SoftAuthenticator

ORIGIN = "https://gatepost.test"
PROVES = ("passkey", "mfa")
hows = st.sampled_from(
    ["as asked", "as asked", "as asked", "for another challenge", "by another device", "by a copy"]
)


class Device(SoftAuthenticator):
    """One that may sign another challenge than it was given."""

    other: str | None = None

    def client_data(self, kind: str, challenge: str) -> bytes:
        return super().client_data(kind, self.other or challenge)


class PasskeySteps(FactorSteps):
    """What is done with passkeys."""

    def __init__(self) -> None:
        super().__init__()
        self.signed: list[dict[str, Any]] = []
        """Sign-ins that were sent."""
        self.lost: list[SoftAuthenticator] = []
        """Devices whose passkey was removed here, and not there."""

    # Setting up.

    @precondition(lambda self: len(self.world.users) < 3)
    @rule(target=known, worker=numbers, email=st.sampled_from(USERS), how=hows, verifies=flags)
    def sign_up_by_passkey(self, worker: int, email: str, how: str, verifies: bool) -> Any:
        """Register with a passkey, and never have a password."""
        if self.world.user(email) is not None:
            return multiple()
        who, device = {"email": email, "name": "x"}, Device(ORIGIN, verifies=verifies)
        data = self.call(worker, "POST", "register/passkey/options", OWNER, None, who).data
        device.other = "A" * 43 if how == "for another challenge" else None
        made = {"challenge": data["challenge"], "credential": device.create(data["publicKey"])}
        device.other = None
        answer = self.call(worker, "POST", "register", OWNER, None, who | made)
        if how == "for another challenge" or not verifies:
            self.refused(answer, "invalid_code")
            return multiple()
        if self.world.is_held(email):
            self.refused(answer, "email_taken", 409)
            return multiple()
        assert answer.status == 201
        user = ModelUser(email, answer.data["user"]["id"], password=None, passkeys=[device])
        user.recovery_codes = dict.fromkeys(answer.data["recovery_codes"], True)
        self.world.users.append(user)
        self.posted("verify_email", email, user, has_code=True)
        return self.world.start(user, answer.token, OWNER, PROVES)

    @rule(target=known, worker=numbers, token=picks, by=owners, by_cookie=flags)
    def remove_the_password(self, worker: int, token: int, by: Caller, by_cookie: bool) -> Any:
        session = self.session(token)
        answer = self.ask(worker, "DELETE", "password", by, session, by_cookie)
        opened = self.opens(answer, session, by, by_cookie)
        if opened is None or not self.is_fresh_enough(answer, session):
            return multiple()
        user = opened.user
        if user.password is None:
            self.refused(answer, "not_found", 404)
            return multiple()
        if len(user.ways_in) == 1:
            self.refused(answer, "last_way_in", 409)
            return multiple()
        assert answer.status == 200
        user.password = None
        self.world.sent.append(("password_changed", user.email))
        assert self.happened() == ["password.removed", "session.revoked_all", "session.started"]
        methods, at = session.newest, session.authenticated_at
        return self.world.begin_anew(opened, "password_changed", answer.token, by, methods, at)

    @rule(target=known, worker=numbers, token=picks, by=owners, by_cookie=flags, how=hows, verifies=flags)
    def set_a_passkey_up(
        self, worker: int, token: int, by: Caller, by_cookie: bool, how: str, verifies: bool
    ) -> Any:
        session = self.session(token)
        answer = self.ask(worker, "POST", "factors/passkeys/options", by, session, by_cookie)
        opened = self.opens(answer, session, by, by_cookie)
        if opened is None or not self.is_fresh_enough(answer, session):
            return multiple()
        waiting = self.begun(session, "passkey")
        device = Device(ORIGIN, verifies=verifies)
        device.other = "A" * 43 if how == "for another challenge" else None
        body = {"credential": device.create(answer.data["publicKey"])}
        device.other = None
        answer = self.ask(worker, "POST", "factors/passkeys", by, session, by_cookie, body)
        if how == "for another challenge":
            self.refused(answer, "invalid_code")
            self.world.miss(waiting)
            return multiple()
        assert answer.status == 200
        waiting.is_gone = True
        self.world.enrol(opened.user, device, answer.data.get("recovery_codes", []))
        assert self.happened() == ["factor.enrolled", "session.revoked_all", "session.started"]
        return self.begin_anew(session, opened, answer, by, PROVES)

    @rule(target=known, worker=numbers, token=picks, by=owners, by_cookie=flags, pick=picks)
    def remove_a_passkey(self, worker: int, token: int, by: Caller, by_cookie: bool, pick: int) -> Any:
        session = self.session(token)
        user = session.user
        device = self.picked(user.passkeys, pick) if user.passkeys else None
        named = 0 if device is None else user.passkeys.index(device)
        rows = self.run("SELECT id FROM auth_passkeys WHERE user_id = $1 ORDER BY id", user.id)
        path = f"factors/passkeys/{rows[named]['id'] if rows else 1}"
        answer = self.ask(worker, "DELETE", path, by, session, by_cookie)
        opened = self.opens(answer, session, by, by_cookie)
        if opened is None or not self.is_fresh_enough(answer, session):
            return multiple()
        if device is None:
            self.refused(answer, "not_found", 404)
            return multiple()
        if len(user.ways_in) == 1 and device.verifies:
            self.refused(answer, "last_way_in", 409)
            return multiple()
        assert answer.status == 200
        user.lose(device)
        self.lost.append(device)
        self.world.sent.append(("factor_changed", user.email))
        assert self.happened() == ["factor.removed", "session.revoked_all", "session.started"]
        return self.begin_anew(session, opened, answer, by)

    # Signing in.

    @precondition(lambda self: self.lost or any(user.passkeys for user in self.world.users))
    @rule(target=known, worker=all_workers, pick=picks, how=hows, by=st.sampled_from([OWNER, OWNER, THIEF]))
    def sign_in_by_passkey(self, worker: int, pick: int, how: str, by: Caller) -> Any:
        """Sign in with nothing but a passkey, also one that was removed."""
        owned = [(device, user) for user in self.world.users for device in user.passkeys]
        device, user = self.picked([*((each, None) for each in self.lost), *owned], pick)
        data = self.call(worker, "POST", "login/passkey/options", by, None).data
        is_copy = self.is_copied(device, user, how)
        body = {"challenge": data["challenge"], "credential": self.sign(device, data["publicKey"], how)}
        self.signed.append(body)
        answer = self.call(worker, "POST", "login/passkey", by, None, body)
        if user is None:
            self.refused(answer, "unknown_passkey")
            return multiple()
        is_good = how != "for another challenge" and device.verifies
        if is_copy or not user.is_active or not is_good:
            self.refused(answer, "invalid_credentials")
            self.uncount(device, user, is_copy=is_copy, is_good=is_good)
            return multiple()
        assert self.happened() == ["session.started"]
        return self.entered(answer, user, PROVES, by, worker)

    @precondition(lambda self: self.signed)
    @rule(worker=numbers, pick=picks)
    def replay_a_sign_in(self, worker: int, pick: int) -> None:
        answer = self.call(worker, "POST", "login/passkey", THIEF, None, self.picked(self.signed, pick))
        self.refused(answer, "challenge_expired")

    @precondition(lambda self: any(user.passkeys for user in self.world.users) and self.world.challenges)
    @rule(target=known, worker=numbers, pick=picks, device=picks, how=hows)
    def answer_a_challenge_by_passkey(self, worker: int, pick: int, device: int, how: str) -> Any:
        """Sign after the password, with a device of the user or of another one."""
        challenge = self.picked(self.world.challenges, pick)
        if challenge.enrols:
            return multiple()
        user, asked = challenge.user, {"challenge": challenge.token, "method": "passkey"}
        begun = self.call(worker, "POST", "login/factor/options", OWNER, None, asked)
        if not self.world.is_good(challenge):
            self.refused(begun, "challenge_expired")
            return multiple()
        if not user.passkeys:
            self.refused(begun, "validation_failed", 422)
            return multiple()
        used = self.device(user, device, how)
        is_copy = self.is_copied(used, user, how)
        body = asked | {"credential": self.sign(used, begun.data["publicKey"], how)}
        answer = self.call(worker, "POST", "login/factor", OWNER, None, body)
        if is_copy or how == "for another challenge" or used not in user.passkeys:
            self.refused(answer, "invalid_code")
            self.world.miss(challenge)
            self.uncount(used, user, is_copy=is_copy, is_good=is_copy)
            return multiple()
        assert answer.status == 200
        challenge.is_gone = True
        assert self.happened() == ["session.started"]
        return self.world.start(user, answer.token, OWNER, (*challenge.proven, *PROVES))

    # Confirming.

    @precondition(lambda self: any(user.passkeys for user in self.world.users))
    @rule(target=known, worker=numbers, token=picks, by=owners, by_cookie=flags, pick=picks, how=hows)
    def confirm_by_passkey(
        self, worker: int, token: int, by: Caller, by_cookie: bool, pick: int, how: str
    ) -> Any:
        """Prove once more who one is, by a passkey: after the password, or alone where it checks a PIN."""
        session = self.session(token)
        user, key = session.user, (session.user, session.authenticated_at)
        body = {"method": "passkey"}
        begun = self.ask(worker, "POST", "confirm/options", by, session, by_cookie, body)
        opened = self.opens(begun, session, by, by_cookie)
        if opened is None:
            return multiple()
        waiting = self.world.confirming.get(key)
        is_waiting = self.world.is_good(waiting)
        if not user.passkeys:
            code, status = ("validation_failed", 422) if is_waiting else ("challenge_expired", 401)
            self.refused(begun, code, status)
            return multiple()
        if waiting is None or not is_waiting:
            waiting = self.world.confirming[key] = self.world.challenge(user, None)
        device = self.device(user, pick, how)
        is_copy = self.is_copied(device, user, how)
        credential = self.sign(device, begun.data["publicKey"], how)
        answer = self.ask(
            worker, "POST", "confirm", by, session, by_cookie, body | {"credential": credential}
        )
        is_good = how != "for another challenge" and device in user.passkeys
        is_good = is_good and bool(waiting.proven or device.verifies)
        if is_copy or not is_good:
            self.refused(answer, "invalid_code")
            self.world.miss(waiting)
            self.uncount(device, user, is_copy=is_copy, is_good=is_copy and is_good)
            return multiple()
        assert answer.status == 200
        waiting.is_gone = True
        assert self.happened() == ["session.confirmed"]
        return self.world.confirm(opened, answer.token, by, (*waiting.proven, *PROVES))

    # Devices.

    def device(self, user: ModelUser, pick: int, how: str) -> SoftAuthenticator:
        """Return a device of a user, or one whose passkey is another's or was removed."""
        others = [each for other in self.world.users if other is not user for each in other.passkeys]
        others += self.lost
        return self.picked(others if how == "by another device" and others else user.passkeys, pick)

    def sign(self, device: SoftAuthenticator, public_key: dict[str, Any], how: str) -> dict[str, Any]:
        """Sign what was asked for, with the passkey that the device has."""
        assert isinstance(device, Device)
        device.other = "A" * 43 if how == "for another challenge" else None
        device.passkeys[0].count -= how == "by a copy" and device.passkeys[0].count > 0
        signed = device.get(public_key | {"allowCredentials": []})
        device.other = None
        return signed

    def is_copied(self, device: SoftAuthenticator, user: ModelUser | None, how: str) -> bool:
        """Say whether this signs with a count that was there before; one that never counted does not."""
        is_theirs = user is not None and user.is_active and device in user.passkeys
        return how == "by a copy" and is_theirs and device.passkeys[0].count > 0

    def uncount(
        self, device: SoftAuthenticator, user: ModelUser, *, is_copy: bool, is_good: bool = False
    ) -> None:
        """Note that a signature was not counted here, and that its owner was told of a copy that was good."""
        if is_copy and is_good:
            self.world.sent.append(("factor_changed", user.email))
        assert ("factor.copied" in self.happened()) is (is_copy and is_good)
        device.passkeys[0].count -= not (is_copy or is_good)
