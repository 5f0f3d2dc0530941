"""Who lives in a demo: names of many languages and scripts, addresses and browsers that are nobody's.

E-mails are of the domains that RFC 2606 keeps for examples, addresses of the ranges that RFC 5737 and
RFC 3849 keep for documentation: nothing that is shown belongs to somebody.
"""

import ipaddress
from collections.abc import Sequence
from random import Random

from gatepost.models import Client

ADMIN = ("admin@example.com", "Ingrid Sørensen")
"""The administrator whom one signs in as."""
USER = ("user@example.com", "Maya Fernández")
"""The user whom one signs in as."""

DOMAINS = ("example.com", "example.org", "example.net")

# Hours from UTC, given names, family names: each with the letters of its e-mail.
_Name = tuple[str, str]
_CULTURES: Sequence[tuple[int, Sequence[_Name], Sequence[_Name], bool]] = (
    (
        0,
        (("Olivia", "olivia"), ("Amelia", "amelia"), ("George", "george"), ("Siobhán", "siobhan")),
        (("Hughes", "hughes"), ("O’Connor", "oconnor"), ("Fitzgerald-Ashworth", "fitzgerald-ashworth")),  # noqa: RUF001 - a name
        False,
    ),
    (
        1,
        (("Jürgen", "juergen"), ("Anneliese", "anneliese"), ("Björn", "bjoern"), ("Zoë", "zoe")),
        (("Müller", "mueller"), ("Großmann", "grossmann"), ("von Hohenzollern-Sigmaringen", "hohenzollern")),
        False,
    ),
    (
        1,
        (("François", "francois"), ("Élodie", "elodie"), ("Chloé", "chloe"), ("Jean-Baptiste", "jb")),
        (("Lefèvre", "lefevre"), ("Dubois", "dubois"), ("de La Rochefoucauld", "larochefoucauld")),
        False,
    ),
    (
        1,
        (("José", "jose"), ("Begoña", "begona"), ("Íñigo", "inigo"), ("María del Carmen", "mariadelcarmen")),
        (("Núñez", "nunez"), ("García Márquez", "garcia.marquez"), ("Peña", "pena")),
        False,
    ),
    (
        1,
        (("Łukasz", "lukasz"), ("Agnieszka", "agnieszka"), ("Jiří", "jiri"), ("Şebnem", "sebnem")),
        (("Wiśniewski", "wisniewski"), ("Dvořák", "dvorak"), ("Yıldırım", "yildirim")),  # noqa: RUF001 - Turkish
        False,
    ),
    (
        2,
        (("Олена", "olena"), ("Андрій", "andrii"), ("Ελένη", "eleni"), ("Γιώργος", "giorgos")),
        (("Шевченко", "shevchenko"), ("Коваленко", "kovalenko"), ("Παπαδόπουλος", "papadopoulos")),
        False,
    ),
    (
        3,
        (("فاطمة", "fatima"), ("محمد", "mohammed"), ("ليلى", "layla"), ("نوعا", "noa")),
        (("الزهراني", "alzahrani"), ("حداد", "haddad"), ("بن سالم", "bensalem")),
        False,
    ),
    (
        5,
        (("प्रिया", "priya"), ("अर्जुन", "arjun"), ("लक्ष्मी", "lakshmi"), ("விஜய்", "vijay")),
        (("शर्मा", "sharma"), ("कृष्णमूर्ति", "krishnamurthy"), ("पटेल", "patel")),
        False,
    ),
    (
        8,
        (("小明", "xiaoming"), ("丽娟", "lijuan"), ("志强", "zhiqiang"), ("雨桐", "yutong")),
        (("王", "wang"), ("欧阳", "ouyang"), ("陈", "chen")),
        True,
    ),
    (
        9,
        (("さくら", "sakura"), ("健太", "kenta"), ("陽子", "yoko"), ("민준", "minjun")),
        (("佐藤", "sato"), ("長谷川", "hasegawa"), ("김", "kim")),
        True,
    ),
    (
        -5,
        (("Emily", "emily"), ("DeShawn", "deshawn"), ("Thị Hương", "huong"), ("Kekoa", "kekoa")),
        (("Johnson", "johnson"), ("Nguyễn", "nguyen"), ("Kealiikanakaoleohaililani", "kealii")),
        False,
    ),
    (
        -3,
        (("João", "joao"), ("Conceição", "conceicao"), ("Thiago", "thiago"), ("Antônia", "antonia")),
        (("Gonçalves", "goncalves"), ("da Silva Araújo", "araujo"), ("Assunção", "assuncao")),
        False,
    ),
)

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X)"
_IPAD = "Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X)"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"

_BROWSERS: Sequence[tuple[int, str]] = (
    (22, f"{_WINDOWS} {_CHROME} Safari/537.36"),
    (9, f"{_WINDOWS} {_CHROME} Safari/537.36 Edg/142.0.0.0"),
    (6, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    (9, f"{_MAC} {_CHROME} Safari/537.36"),
    (8, f"{_MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15"),
    (2, "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0"),
    (3, f"{_LINUX} {_CHROME} Safari/537.36"),
    (4, "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    (18, f"{_ANDROID} {_CHROME} Mobile Safari/537.36"),
    (2, "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0"),
    (16, f"{_IPHONE} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1"),
    (2, f"{_IPHONE} AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1"),
    (3, f"{_IPAD} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1"),
    (1, "curl/8.17.0"),
    (1, "python-httpx/0.28.1"),
)

GUESSER = Client(ip_address="203.0.113.66", user_agent="python-requests/2.32.5")
"""The one address from which many accounts are tried."""

_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")


def names(rng: Random, count: int) -> list[tuple[str, str, int]]:
    """Return so many people: e-mail, name and hours from UTC; no e-mail twice."""
    taken = {ADMIN[0], USER[0]}
    found = []
    for _ in range(count):
        hours, given, family, family_first = rng.choice(_CULTURES)
        (first, first_letters), (last, last_letters) = rng.choice(given), rng.choice(family)
        name = f"{last}{first}" if family_first else f"{first} {last}"
        local, domain = f"{first_letters}.{last_letters}", rng.choice(DOMAINS)
        number = 1
        while (email := f"{local}{number if number > 1 else ''}@{domain}") in taken:
            number += 1
        taken.add(email)
        found.append((email, name, hours))
    return found


def devices(rng: Random, count: int) -> list[Client]:
    """Return so many browsers of one person, some of them at the same address."""
    weights, agents = zip(*_BROWSERS, strict=True)
    homes = [address(rng) for _ in range(min(count, 3))]
    return [
        Client(ip_address=rng.choice(homes), user_agent=agent)
        for agent in rng.choices(agents, weights=weights, k=count)
    ]


def address(rng: Random) -> str:
    """Return an address of documentation, one in four of IPv6; never one of those that guess."""
    if rng.random() < 0.25:
        number = (0x20010DB8 << 96) | (rng.getrandbits(32) << 64) | rng.getrandbits(64)
        return str(ipaddress.IPv6Address(number))
    return f"{rng.choice(_NETWORKS)}.{rng.randint(1, 59)}"


def bots(rng: Random, count: int) -> list[Client]:
    """Return so many addresses, all different, from which one account is tried."""
    agent = f"{_WINDOWS} {_CHROME} Safari/537.36"
    hosts = [f"{network}.{host}" for network in _NETWORKS for host in range(100, 250)]
    return [Client(ip_address=host, user_agent=agent) for host in rng.sample(hosts, count)]
