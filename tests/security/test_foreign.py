# ruff: noqa: E501 - a hash is one word
"""Hashes that other software made, as that software made them: all of `PASSWORD`.

Django 5.2 (also of a salt with characters that libpass refuses), Werkzeug 3.1, argon2-cffi 25.1,
libpass 1.9 and bcrypt 5 wrote them, at the lowest costs they allow.
"""

import pytest

from gatepost.security import foreign
from gatepost.security.passwords import Password, PasswordCheck, PasswordHasher

PASSWORD = "p\N{LATIN SMALL LETTER A WITH DIAERESIS}sswort \u5bc6\u78bc"

ARGON2 = {
    "django argon2": "argon2$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$U2qH4ZWb3a6oPQ3QWlghe+iXjyt1RZpMtLcMEnxoLe4",
    "argon2id": "$argon2id$v=19$m=64,t=1,p=1$FAyjpmdgsgwgCT7ZaYsNwA$8/wXWXLz2vOQQzSihRmqUvzYkSdPWjzxllNrHaxu268",
    "argon2i": "$argon2i$v=19$m=64,t=1,p=1$IxmLE8Gs9b9VVAh2X7zCfQ$CQMTZVCzL6h3CPDJXn4udXegfrI0sDz785QQp0oFvdA",
    "argon2d": "$argon2d$v=19$m=64,t=1,p=1$VYdIrBiQfX8kb4DWGqzmcA$KH2Hd3BsqDrOWKC2BEqg/x/XAVmNX5+mGdWnFjA5Veg",
}
OTHERS = {
    "django pbkdf2": "pbkdf2_sha256$1000$sal.t-\N{LATIN SMALL LETTER E WITH ACUTE}$nrs0NpigCHrpsLLv5uT1bncuiJTaGD5OZ27BygL7CPw=",
    "django pbkdf2 sha1": "pbkdf2_sha1$1000$salt$eyU9WjRG1jGHdAET7mxrDjh1kco=",
    "django scrypt": "scrypt$16$salt$8$1$emmghPXRxuhafmpkLCOZvFYrZuifh/SnVLc+Q2NR0SBTawKDbExmr0TMm95iYYUVGdMxRVV3Plxmp93VCoH3Ig==",
    "django bcrypt_sha256": "bcrypt_sha256$$2b$04$789goqHE3UtUuG1f6E1KFuzTJRP0r5oBKJnfWgoMYydQPSYZoG1Y6",
    "django bcrypt": "bcrypt$$2b$04$iSKBSPz8gHAYj/S8FMq.Yu1cl4xi5Yr6tzV75GidzPVAHYYZombl6",
    "werkzeug scrypt": "scrypt:1024:8:1$fWLZaM2CljDSyqDk$11f8acc837063fd61129d245d714da9d7e3b36676c232dcded87d658feaf692bf040158bf0a3e5bd5d97ce99239d58674b3431d193d1e822b0eadf04f979be7b",
    "werkzeug pbkdf2": "pbkdf2:sha256:1000$nrlihSsOl3KGBFtl$ef56121a3c3dc3aa056db570599204d24271452db2337e6bb377a0b0ae626cbd",
    "werkzeug pbkdf2 sha512": "pbkdf2:sha512:1000$jxRXzqG80h2Yca4z$6211cbf04b02d3ef9a9397080c021d1f21f9de7ccfd43c45ac7bb6de9c0c94cdfc15f36e5ab654360ea44315ad670f13f4d7ebc99988012ca6e598f577c22b3f",
    "passlib pbkdf2": "$pbkdf2$1000$CqG0di5lDMGYk9Jaq5Wydg$uAazgUmBVrJcYQz0./YdOCT9.K0",
    "passlib pbkdf2 256": "$pbkdf2-sha256$1000$Sqn13tu7V6qVUkqp9f4/Jw$WVj3wv10TDE0l41qwpF6I5/WmrrcLl9B1KaaUi4wssI",
    "passlib pbkdf2 512": "$pbkdf2-sha512$1000$knJOiVGqVcoZY6x1LmUMQQ$laDfO71XbX0lGzGoHI/MxGCaGOwOU3MtSN38Jx4cHNR3TZXzS.7RTnIjov1jG7O1X3.aQJ2c.EdofzZAB0JEAg",
    "passlib scrypt": "$scrypt$ln=4,r=8,p=1$eE+JEYIwZuzdGyOEsNZ6bw$MHDZooaRElFpGJN91Ai79je8ieXAJxJaEQgyHVfToR0",
    "passlib bcrypt_sha256 v1": "$bcrypt-sha256$2b,4$1ELR9lU/VUPAviFtaalHxu$Xpo2r2cyt/3ilKUfJtNUnwtf7X7QqiO",
    "bcrypt 2a": "$2a$04$S3ydR6xiEIW521YXm38McOkR/LVd3JmN1s/nGPcFsHX4nvEgTZWlK",
    "bcrypt 2y": "$2y$04$Wf900iLBQ/4u4EWjUVezH.UkN7PGYEZm5GiJh4LRGRAU48uPR1y9y",
}
HASHES = [pytest.param(stored, id=name) for name, stored in (ARGON2 | OTHERS).items()]

hasher = PasswordHasher(4)


@pytest.mark.parametrize("stored", HASHES)
def test_the_password_matches_and_is_due_for_a_hash_of_our_own(stored: str) -> None:
    assert hasher.check(Password.read(PASSWORD), stored) == PasswordCheck(matches=True, needs_rehash=True)


@pytest.mark.parametrize("stored", HASHES)
@pytest.mark.parametrize("password", [PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper(), "", "x" * 1024])
def test_another_password_does_not_match(stored: str, password: str) -> None:
    assert hasher.check(Password.read(password), stored) == PasswordCheck(matches=False)


@pytest.mark.parametrize("stored", HASHES)
def test_a_changed_digest_does_not_match(stored: str) -> None:
    at = len(stored) - 8
    changed = stored[:at] + ("A" if stored[at] != "A" else "B") + stored[at + 1 :]
    assert not hasher.check(Password.read(PASSWORD), changed).matches


@pytest.mark.parametrize("stored", HASHES)
def test_a_digest_that_was_cut_off_does_not_match(stored: str) -> None:
    """As a column that is too narrow does it."""
    for length in range(len(stored) - 24, len(stored)):
        assert not hasher.check(Password.read(PASSWORD), stored[:length]).matches


@pytest.mark.parametrize(
    "stored",
    [
        f"pbkdf2:sha256:{foreign.MAX_PBKDF2_ROUNDS + 1}$salt$00",
        f"pbkdf2_sha256${foreign.MAX_PBKDF2_ROUNDS + 1}$salt$00",
        f"$pbkdf2-sha256${foreign.MAX_PBKDF2_ROUNDS + 1}$c2FsdA$" + "A" * 43,
        "scrypt:524288:16:1$salt$00",
        "scrypt$524288$salt$16$1$00",
        "$scrypt$ln=20,r=8,p=1$c2FsdA$" + "A" * 43,
        f"$argon2id$v=19$m={foreign.MAX_ARGON2_KIB + 1},t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
        f"$argon2id$v=19$m={foreign.MAX_ARGON2_KIB},t=5,p=1$c2FsdHNhbHQ$" + "A" * 43,
        f"$argon2id$v=19$m=4096,t=1,p={foreign.MAX_ARGON2_LANES + 1}$c2FsdHNhbHQ$" + "A" * 43,
    ],
)
def test_a_cost_over_the_bound_is_not_paid(stored: str) -> None:
    assert foreign.verify(b"x", stored) is None


@pytest.mark.parametrize(
    "stored",
    [
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$" + "A" * 43,  # OWASP
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$" + "A" * 43,  # RFC 9106, argon2-cffi
        "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHQ$" + "A" * 43,  # Django
        "scrypt:32768:8:1$salt$00",  # Werkzeug
        "scrypt$16384$salt$8$5$00",  # Django
        "$scrypt$ln=16,r=8,p=1$c2FsdA$" + "A" * 43,  # passlib
        "scrypt:131072:8:1$salt$00",  # OWASP
        "pbkdf2:sha256:1000000$salt$00",  # Werkzeug
    ],
)
def test_the_costs_that_are_recommended_are_paid(stored: str) -> None:
    assert foreign.verify(b"x", stored) is False


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(
            "$argon2id$v=19$m=64,t=1,p=1$6Aqf4h1yAqyu22qVaCDhDg$fHtR5wX1bnE", id="argon2 of 64 bits"
        ),
        pytest.param("pbkdf2:sha256:1$" + "x" * foreign.MAX_HASH_LENGTH + "$00", id="endless salt"),
    ],
)
def test_a_hash_of_an_absurd_length_is_not_read(stored: str) -> None:
    """The first is the right one for the password, and too easily that of another."""
    assert foreign.verify(PASSWORD.encode(), stored) is None
