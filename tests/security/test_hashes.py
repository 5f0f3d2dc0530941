# ruff: noqa: E501 - hashes are as long as they are
"""Hashes made elsewhere: one of each kind, as the library itself or the maker's own tests have it.

Those of `PASSWORD` were written by Django 5.2 (also with characters in the salt that passlib refuses), Werkzeug
3.1, argon2-cffi 25.1, passlib 1.7.4, bcrypt 5, @better-auth/utils 0.5 and, for Devise's, bcrypt 4.0, which reads
over what comes after 72 bytes as Ruby's does. Costs are the lowest that they allow.
"""

import sys

import pytest
from tests.counting import hashing

from gatepost.security import hashes
from gatepost.security.hashes import stored as bounds
from gatepost.security.passwords import Password, PasswordCheck, PasswordHasher

PASSWORD = "p\N{LATIN SMALL LETTER A WITH DIAERESIS}sswort \u5bc6\u78bc"

# The names of tests hold these names alone, so that they are the same in every worker.
MADE = {
    "django argon2": "argon2$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$U2qH4ZWb3a6oPQ3QWlghe+iXjyt1RZpMtLcMEnxoLe4",
    "argon2id": "$argon2id$v=19$m=64,t=1,p=1$FAyjpmdgsgwgCT7ZaYsNwA$8/wXWXLz2vOQQzSihRmqUvzYkSdPWjzxllNrHaxu268",
    "argon2i": "$argon2i$v=19$m=64,t=1,p=1$IxmLE8Gs9b9VVAh2X7zCfQ$CQMTZVCzL6h3CPDJXn4udXegfrI0sDz785QQp0oFvdA",
    "argon2d": "$argon2d$v=19$m=64,t=1,p=1$VYdIrBiQfX8kb4DWGqzmcA$KH2Hd3BsqDrOWKC2BEqg/x/XAVmNX5+mGdWnFjA5Veg",
    "argon2id 1.0": "$argon2id$v=16$m=64,t=1,p=2$c2FsdHNhbHRzYWx0$mrkKWFRclsooZTnTYlBwDlm7+4/6PmFwCK2W/VqvZz4",
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
    "passlib bcrypt_sha256 v1 2a": "$bcrypt-sha256$2a,4$sd9Kd/K5WRraIDGvH82uHO$93Oe.PfqK8yuRh0BIFsZJfyB5TqCbCa",
    "passlib sha256_crypt": "$5$rounds=1000$saltstringsaltst$dOv4yGeRzwavdTze1.f0n.m4Y6Z0.KRj.Rtn339OeE9",
    "passlib sha256_crypt of 5000": "$5$ab$qQIHGitxRpwwdThUk9jaVzYgULMOtrHAPfb1U7.FQx7",
    "passlib sha512_crypt": "$6$rounds=1000$5J7KwEO/6skyrJS4$HSLOCeekz3PkPB2a42Gar1psmqnrBztAfvAcUcPxP4kmHj2cEzwqxOrFvEWlYv6OWh4TDZuXxgPg21KHnC9ge.",
    "passlib sha512_crypt of 5000": "$6$ooD5zKRf4GdfvVh/$jor13NXu08e2xvS/F6Zbsjpno9UogBp7u0.Mz88ARJHZJE502BITD6aaEri.arYYoSazQgJSvR7dBimBFVCFo/",
    "passlib md5_crypt": "$1$z97CpFvI$WW50gujRWodAHVpNxaQDu.",
    "passlib apr_md5_crypt": "$apr1$OrogsQhN$AtqrtaViAtcLrGWu5yqH5.",
    "passlib phpass": "$P$5kEx4ZN8bDW9lwdvkzLdWBE0ioC4OY0",
    "passlib phpass of phpBB": "$H$5wAhs.k7qs1SiYHb4XFpJH88cLEBxX.",
    "bcrypt 2a": "$2a$04$S3ydR6xiEIW521YXm38McOkR/LVd3JmN1s/nGPcFsHX4nvEgTZWlK",
    "bcrypt 2y": "$2y$04$Wf900iLBQ/4u4EWjUVezH.UkN7PGYEZm5GiJh4LRGRAU48uPR1y9y",
    "better-auth": "2b521543b59f5979876d5277c53d379f:1fe166de0f5aeb7b040b4429c225c2eaa2f6ed60cc225af16d997b74aaee87e1ee4b0359cb8cdc2d2fe9a4d634746006cb64b38775b14d0189084847e1c8567f",
}
# By their own passwords: of Kratos's tests, firebase/scrypt's README, the specification of sha-crypt and, for
# WordPress, of a site that its own code made.
PUBLISHED = {
    "kratos argon2id": ("test", "$argon2id$v=19$m=32,t=2,p=4$cm94YnRVOW5jZzFzcVE4bQ$MNzk5BtR2vUhrp6qQEjRNw"),
    "kratos pbkdf2 256": (
        "test",
        "$pbkdf2-sha256$i=100000,l=32$1jP+5Zxpxgtee/iPxGgOz0RfE9/KJuDElP1ley4VxXc$QJxzfvdbHYBpydCbHoFg3GJEqMFULwskiuqiJctoYpI",
    ),
    "kratos pbkdf2 512": (
        "test",
        "$pbkdf2-sha512$i=100000,l=32$bdHBpn7OWOivJMVJypy2UqR0UnaD5prQXRZevj/05YU$+wArTfv1a+bNGO1iZrmEdVjhA+lL11wF4/IxpgYfPwc",
    ),
    "kratos scrypt": (
        "test",
        "$scrypt$ln=16384,r=8,p=1$2npRo7P03Mt8keSoMbyD/tKFWyUzjiQf2svUaNDSrhA=$MiCzNcIplSMqSBrm4HckjYqYhaVPPjTARTzwB1cVNYE=",
    ),
    "kratos firescrypt": (
        "8x4WjoDbSxJZdR",
        "$firescrypt$ln=14,r=8,p=1$sPtDhWcd1MfdAw==$xbSou7FOl6mChCyzpCPIQ7tku7nsQMTFtyOZSXXd7tjBa4NtimOx7v42Gv2SfzPQu1oxM2/k4SsbOu73wlKe1A==$Bw==$YE0dO4bwD4JnJafh6lZZfkp1MtKzuKAXQcDCJNJNyeCHairWHKENOkbh3dzwaCdizzOspwr/FITUVlnOAwPKyw==",
    ),
    "firebase": (
        "user1password",
        "$firescrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==$Bw==$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
    ),
    "kratos md5-crypt": ("test", "$md5-crypt$TVEiiKNb$SN6/pUaRQS/E8Jh46As2C/"),
    "kratos md5-crypt without salt": ("test", "$md5-crypt$$whuMjZj.HMFoaTaZRRtkO0"),
    "kratos md5": ("test", "$md5$CY9rzUYh03PK3k6DJie09g=="),
    "kratos md5 {SALT}{PASSWORD}": ("test", "$md5$pf=e1NBTFR9e1BBU1NXT1JEfQ==$MTIz$q+RdKCgc+ipCAcm5ChQwlQ=="),
    "kratos md5 {SALT}$${PASSWORD}": (
        "test",
        "$md5$pf=e1NBTFR9JCR7UEFTU1dPUkR9$MTIzNA==$ud392Z8rfZ+Ou7ZFXYLKbA==",
    ),
    "kratos sha1 {PASSWORD}%%{SALT}": (
        "test",
        "$sha1$pf=e1BBU1NXT1JEfSUle1NBTFR9$NW9wbWtnejAzcg==$YX0AW8/MW5ojUlnzTaR43ucHCog=",
    ),
    "kratos sha256": (
        "test",
        "$sha256$pf=e1NBTFR9e1BBU1NXT1JEfQ==$NW9wbWtnejAzcg==$0gfRVLCvtBCk20udLDEY5vNhujWx7RGjwRIS1ebMsLY=",
    ),
    "kratos sha512": (
        "test",
        "$sha512$pf=e1NBTFR9e1BBU1NXT1JEfQ==$NW9wbWtnejAzcg==$6ctpVuApMNp0CgBXcdHw/GC562eFEFGr4gpgANX8ZYsX+j5B19IkdmOY2Fytsz3QUwSWdGcUjbqwgJGTH0UYvw==",
    ),
    "kratos ssha": ("test123", "{SSHA}JFZFs0oHzxbMwkSJmYVeI8MnTDy/276a"),
    "kratos ssha256": ("test123", "{SSHA256}czO44OTV17PcF1cRxWrLZLy9xHd7CWyVYplr1rOhuMlx/7IK"),
    "kratos ssha512": (
        "test123",
        "{SSHA512}xPUl/px+1cG55rUH4rzcwxdOIPSB2TingLpiJJumN2xyDWN4Ix1WQG3ihnvHaWUE8MYNkvMi5rf0C9NYixHsE6Yh59M=",
    ),
    "kratos hmac-md5": ("test", "$hmac-md5$ZmU4Njk3Zjc0MmQwODA0MDVkMTI3MGU2MTYzMzE2Zjk=$MTIzNDU="),
    "kratos hmac-sha1": (
        "test",
        "$hmac-sha1$NDMyNjcxZTUyY2Y2YTBmYjZjZDE2NjQxYjAwNjFiZjAwOGEzNWM5MA==$MTIzNDU=",
    ),
    "kratos hmac-sha256": (
        "test",
        "$hmac-sha256$ZTAzMWJhMWMyOTM4YjFkMjgzZjkxOWExZGY5YWM2NmMxOTJhN2RkNzQ0MzJkNWZkNGFkYTI5OTk0MWJhMTA5Zg==$MTIzNDU=",
    ),
    "wordpress 6.8": ("admin", "$wp$2y$10$Q1xinFjrZeLWJBvxviIL6u834Fu.evIEFHAUVisQ5O.w9Dm0sMdES"),
    "sha-crypt 512 of 1400": (
        "a very much longer text to encrypt.  This one even stretches over morethan one line.",
        "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
    ),
    "crypt md5 of FreeBSD": ("0.s0.l33t", "$1$deadbeef$0Huu6KHrKLVWfqa4WljDE0"),
}
VECTORS = {name: (PASSWORD, stored) for name, stored in MADE.items()} | PUBLISHED
HASHES = [pytest.param(*vector, id=name) for name, vector in VECTORS.items()]
SLOW = {"wordpress 6.8"} | {name for name in VECTORS if "fire" in name}

hasher = PasswordHasher(4)


def check(password: str, stored: str, checking: PasswordHasher = hasher) -> PasswordCheck:
    return checking.check(Password.read(password), stored)


@pytest.mark.parametrize(("password", "stored"), HASHES)
def test_the_password_matches_and_is_due_for_a_hash_of_our_own(password: str, stored: str) -> None:
    assert check(password, stored) == PasswordCheck(matches=True, needs_rehash=True)


@pytest.mark.parametrize(("password", "stored"), HASHES)
@pytest.mark.parametrize("other", ["{}x", " {}", "", "x" * 1024], ids=["longer", "space", "none", "endless"])
def test_another_password_does_not_match(password: str, stored: str, other: str) -> None:
    assert check(other.format(password), stored) == PasswordCheck(matches=False)


@pytest.mark.parametrize(("password", "stored"), HASHES)
def test_a_changed_digest_does_not_match(password: str, stored: str) -> None:
    at = stored.index("$Bw==") - 8 if "$firescrypt$" in stored else len(stored) - 8
    at = stored.rindex("$") - 8 if stored.startswith("$hmac") else at
    changed = stored[:at] + ("A" if stored[at] != "A" else "B") + stored[at + 1 :]
    assert not check(password, changed).matches


@pytest.mark.parametrize(
    ("password", "stored"), [case for case in HASHES if case.id not in SLOW and "hmac" not in str(case.id)]
)
def test_a_digest_that_was_cut_off_does_not_match(password: str, stored: str) -> None:
    """As a column that is too narrow does it."""
    for length in range(len(stored) - 24, len(stored)):
        if stored[length:].strip("="):
            assert not check(password, stored[:length]).matches


def test_every_kind_is_tried() -> None:
    written = [stored for _, stored in VECTORS.values()]
    untried = {
        kind.name for kind in hashes.KINDS if not any(kind.form.fullmatch(stored) for stored in written)
    }
    assert untried == {"bcrypt-sha256"}  # ours, tried with the hashes that are made here


@pytest.mark.parametrize("kind", [kind for kind in hashes.KINDS if kind.begins], ids=lambda kind: kind.name)
def test_what_begins_like_a_kind_and_is_none_is_corrupt(kind: hashes.Kind) -> None:
    for begins in kind.begins:
        with pytest.raises(hashes.CorruptHash):
            hashes.read(begins)


# passlib 1.7.4's, which has a block of each digest on either side of a password's end
LENGTHS = {
    1: ("eeQSk6gfU9BRZYJReoVWuVaNAzKa371bg9tNLHdX.v7", "eSlDmdCX8nqs9SNxRTvrN."),
    15: ("0VIY/RBrgMZhj0DdPPg4fRZfHSwvlhOMVn0XlyblbxC", "OwDH3wMKleqTkZ3AfQJJO/"),
    16: ("rfFr5CFSEZOIdVvfpWPuu5SknLANc2M3.1iZoeONaLD", "OqVKN1eqjvbzZEB5CHv4y1"),
    17: ("T8aU69YHsS4OSaMLDe.aft6cBPA90H.40RjrXyFNXe2", "4w8gylqqNEyQ/HiC.ILJ.."),
    31: ("UV.87vXW4/kvVnPGvHpebxBcjL5eyLHMGZQONbNJfE0", "JZ01VuelacFfwX.jHUDIU1"),
    32: ("6FXzQleDqhdTAWBtlwbZCjJPlh276m2vhrltbmTSsB0", "xcQtrLa9c5DQWS/e5sAVl1"),
    33: ("YmCxo989T0DRSwlmUN4tfzxWJTlcLwJbM/kp5WXVwr0", "j1h1kUx4yYGbF.zOmz9I6/"),
    64: ("KIt7xq80LRDWx/Lea5BsoTm2hbJA9SSKnJmieEQPbl4", "SgcRh8b6i5nMfd5q3FeZN1"),
    65: ("pbpxUPP9mi3xjTpso5g8OGL/nNqGVLDONuVTO80emM4", "TEb9CQuEA3bkutYCm9sMo/"),
    128: ("WrCOvkLkA/XIXjZqXBG1O43pnqvQmStawOklUOH4F8D", "fq/5eb8tzCEZ1hxoDUXfR0"),
}


@pytest.mark.parametrize("length", LENGTHS)
def test_crypt_takes_passwords_of_every_length(length: int) -> None:
    sha, md5 = LENGTHS[length]
    for stored in (f"$5$rounds=1000$s${sha}", f"$1$s${md5}"):
        assert check("x" * length, stored).matches
        assert not check("x" * (length + 1), stored).matches


@pytest.mark.parametrize(
    ("password", "stored"),
    [
        (PASSWORD, "$bcrypt-sha256$v=2,t=2b,r=4$3fPneG019kQ0tvkM0Py4/.$UW5Sxvj1Bco8EN8CN/wrpH0VoshBU5O"),
        ("a" * 73, "$bcrypt-sha256$v=2,t=2b,r=4$HbxO6nEbJhND6AjIBefuTu$v/3AgtTvrPEKKr9rcZ/FcQQhUlgIHYC"),
        ("nul\0inside", "$bcrypt-sha256$v=2,t=2b,r=4$5rIQGj91K4FwkYljnvmile$PuJlihykDV2LAh7VQzkXXe8MVVRJDMm"),
    ],
    ids=["short", "long", "nul"],
)
def test_what_passlib_made_in_the_form_of_our_own_matches_and_is_kept(password: str, stored: str) -> None:
    assert check(password, stored) == PasswordCheck(matches=True)
    assert check(password + "x", stored) == PasswordCheck(matches=False)


def test_better_auth_hashes_in_nfkc() -> None:
    stored = (
        "58231a80847b095e30e26ef4fc676117:e7b82369b76f015509964bf837ac8c9896abc84cc796eef63441c6d1c5dea818"
        "f19c6764e58ae50ef9b1b0d0a77f51a6c6212d695593467217612c9db1130269"
    )
    assert check("\N{LATIN SMALL LIGATURE FI}rewall no. \N{CIRCLED DIGIT ONE}", stored).matches


# --- Devise ---

PEPPER = "0123456789abcdef" * 8
PEPPERED = {
    "as its generator makes one": (PEPPER, "$2a$04$QJAc01jvLSLZh8ZcHaMl8eEvdWo2hxF554PlSmfbO2KMiegVU6dwK"),
    "short": ("short", "$2a$04$Bl2JX/syriuAM.FMtNBfa.nNUGp676mgag1PSkZtrMiVmSwsPBDwm"),
}


@pytest.mark.parametrize(("pepper", "stored"), PEPPERED.values(), ids=list(PEPPERED))
def test_a_hash_of_devise_is_checked_with_its_pepper(pepper: str, stored: str) -> None:
    devise = PasswordHasher(4, devise_pepper=pepper)
    assert check(PASSWORD, stored, devise) == PasswordCheck(matches=True, needs_rehash=True)
    for other in (PASSWORD + "x", PASSWORD + pepper, "x" * 72, "x" * 200):
        assert check(other, stored, devise) == PasswordCheck(matches=False)
    assert check(PASSWORD, stored) == PasswordCheck(matches=False)
    assert check(PASSWORD, stored, PasswordHasher(4, devise_pepper="another")) == PasswordCheck(matches=False)


def test_a_pepper_is_for_hashes_of_ruby_alone() -> None:
    devise = PasswordHasher(4, devise_pepper=PEPPER)
    for name, stored in MADE.items():
        assert check(PASSWORD, stored, devise).matches == (name != "bcrypt 2a"), name
    assert check(PASSWORD, devise.hash(Password.read(PASSWORD)), devise) == PasswordCheck(matches=True)


# --- Firebase, whose check needs a package that is not always there ---


def test_without_cryptography_firebases_hashes_are_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    password, stored = PUBLISHED["firebase"]
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert check(password, stored) == PasswordCheck(matches=False, unreadable="unsupported_hash")


# --- What a check may cost ---


@pytest.mark.parametrize(
    "stored",
    [
        f"pbkdf2:sha256:{bounds.MAX_PBKDF2_ROUNDS + 1}$salt$" + "0" * 64,
        f"pbkdf2_sha256${bounds.MAX_PBKDF2_ROUNDS + 1}$salt$" + "A" * 43,
        f"$pbkdf2-sha256${bounds.MAX_PBKDF2_ROUNDS + 1}$c2FsdA$" + "A" * 43,
        f"$pbkdf2-sha1$i={bounds.MAX_PBKDF2_ROUNDS},l=21$c2FsdA$" + "A" * 28,
        "scrypt:524288:16:1$salt$" + "0" * 128,
        "scrypt$524288$salt$16$1$" + "A" * 86,
        "$scrypt$ln=20,r=8,p=1$c2FsdA$" + "A" * 43,
        "$scrypt$ln=31,r=8,p=1$c2FsdA$" + "A" * 43,
        "$scrypt$ln=4194304,r=8,p=1$c2FsdA$" + "A" * 43,
        "$firescrypt$ln=20,r=8,p=1$c2FsdA==$" + "A" * 86 + "$Bw==$" + "A" * 86,
        f"$argon2id$v=19$m={bounds.MAX_ARGON2_KIB + 1},t=1,p=1$c2FsdHNhbHQ$" + "A" * 43,
        f"$argon2id$v=19$m={bounds.MAX_ARGON2_KIB},t=5,p=1$c2FsdHNhbHQ$" + "A" * 43,
        f"$argon2id$v=19$m=4096,t=1,p={bounds.MAX_ARGON2_LANES + 1}$c2FsdHNhbHQ$" + "A" * 43,
        "$5$rounds=1000001$salt$" + "A" * 43,
        "$6$rounds=999999999$salt$" + "A" * 86,
        "$P$JkEx4ZN8bDW9lwdvkzLdWBE0ioC4OY0",
        "pbkdf2:sha256:1$" + "x" * bounds.MAX_LENGTH + "$" + "0" * 64,
    ],
    ids=lambda stored: stored[:40],
)
def test_a_cost_over_the_bound_is_not_paid(stored: str) -> None:
    with hashing() as work:
        assert check("x", stored) == PasswordCheck(matches=False, unreadable="corrupt_hash")
    assert work == [("bcrypt", 1 << 4)]


@pytest.mark.parametrize(
    "stored",
    [
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$" + "A" * 43,  # OWASP
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$" + "A" * 43,  # RFC 9106, argon2-cffi
        "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHQ$" + "A" * 43,  # Django
        "scrypt:32768:8:1$salt$" + "0" * 128,  # Werkzeug
        "scrypt$16384$salt$8$5$" + "A" * 86,  # Django
        "$scrypt$ln=16,r=8,p=1$c2FsdA$" + "A" * 43,  # passlib
        "scrypt:131072:8:1$salt$" + "0" * 128,  # OWASP
        "pbkdf2:sha256:1000000$salt$" + "0" * 64,  # Werkzeug
        "$6$rounds=656000$salt$" + "A" * 86,  # passlib
        "$P$DkEx4ZN8bDW9lwdvkzLdWBE0ioC4OY0",  # WordPress before 6.8, and four times that
    ],
    ids=lambda stored: stored[:40],
)
def test_the_costs_that_are_recommended_are_read(stored: str) -> None:
    hashes.read(stored)


def test_a_long_password_is_not_digested_a_million_times() -> None:
    for stored in (
        "$6$rounds=656000$salt$" + "A" * 86,
        "$P$JkEx4ZN8bDW9lwdvkzLdWBE0ioC4OY0".replace("J", "G"),
    ):
        with hashing() as work:
            assert check("x" * 1024, stored) == PasswordCheck(matches=False)
        assert work == [("bcrypt", 1 << 4)]


def test_a_digest_that_others_would_match_too_easily_is_corrupt() -> None:
    """It is the right one for the password."""
    stored = "$argon2id$v=19$m=64,t=1,p=1$6Aqf4h1yAqyu22qVaCDhDg$fHtR5wX1bnE"
    assert check(PASSWORD, stored) == PasswordCheck(matches=False, unreadable="corrupt_hash")


def test_memory_that_is_not_there_is_no_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr("hashlib.scrypt", fail)
    assert check(PASSWORD, MADE["django scrypt"]).unreadable == "corrupt_hash"
