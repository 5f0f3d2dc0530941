"""Who lives in a demo: names of many languages and scripts, addresses and browsers that are nobody's.

E-mails are of the domains that RFC 2606 keeps for examples, addresses of the ranges that RFC 5737 and
RFC 3849 keep for documentation: nothing that is shown belongs to somebody.
"""

import ipaddress
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from gatepost.models import Client

ADMIN = ("admin@example.com", "Ingrid Sørensen")
"""The administrator whom one signs in as."""
USER = ("user@example.com", "Maya Fernández")
"""The user whom one signs in as."""

DOMAINS = ("example.com", "example.org", "example.net")

_LOCALS = ("{0}.{1}",) * 6 + ("{initial}.{1}", "{1}.{0}", "{0}_{1}", "{initial}{1}")
"""What stands before the @-sign, of the given and the family name."""


@dataclass(frozen=True, slots=True)
class _Culture:
    """Names of one language, separated by spaces; `_` stands for a space within one.

    Letters that an e-mail can't have are those behind `=`, or the name's own without their marks.
    """

    hours: int
    given: str
    family: str
    family_first: bool = False


_CULTURES: Sequence[_Culture] = (
    _Culture(
        0,
        "Olivia Amelia George Siobhán Callum Harriet Rhys Isla Declan Poppy Tobias Niamh",
        "Hughes O’Connor=oconnor Fitzgerald-Ashworth Bennett Okafor Mackenzie Whitaker Patterson Llewellyn",  # noqa: RUF001 - a name
    ),
    _Culture(
        1,
        "Jürgen=juergen Anneliese Björn=bjoern Zoë Lukas Frieda Matthias Greta Johannes Ursula Till Svenja",
        "Müller=mueller Großmann=grossmann von_Hohenzollern-Sigmaringen=hohenzollern Schröder=schroeder "
        "Weiß=weiss Kaiser Brandt Vogelsang Albrecht",
    ),
    _Culture(
        1,
        "François Élodie Chloé Jean-Baptiste=jb Margaux Thibault Inès Rémi Solène Hugo Océane Aurélien",
        "Lefèvre Dubois de_La_Rochefoucauld=larochefoucauld Mercier Girard Benali Chevalier Diallo Roux",
    ),
    _Culture(
        1,
        "José Begoña Íñigo María_del_Carmen=mariadelcarmen Lucía Álvaro Nerea Joaquín Pilar Rubén Xavier",
        "Núñez García_Márquez Peña Castellanos Ibáñez Romero Etxeberria Vidal Quiroga",
    ),
    _Culture(
        1,
        "Łukasz=lukasz Agnieszka Jiří Zdeňka Małgorzata=malgorzata Wojciech Tereza Bartosz Ondřej Kinga",
        "Wiśniewski Dvořák Zieliński Novotný Kaczmarek Svoboda Jabłoński=jablonski Černý",
    ),
    _Culture(
        1,
        "Astrid Søren=soren Freja Mikkel Åsa Håkon Linnea Eero Aino Þórdís=thordis Sindri",
        "Lindqvist Nørgaard=norgaard Bjørnsen=bjornsen Virtanen Haugen Sigurðardóttir=sigurdardottir Berg",
    ),
    _Culture(
        2,
        "Олена=olena Андрій=andrii Наталія=nataliia Ірина=iryna Богдан=bohdan Соломія=solomiia",
        "Шевченко=shevchenko Коваленко=kovalenko Ткачук=tkachuk Бондар=bondar Мельник=melnyk Гнатюк=hnatiuk",
    ),
    _Culture(
        2,
        "Ελένη=eleni Γιώργος=giorgos Δήμητρα=dimitra Νίκος=nikos Κατερίνα=katerina Σπύρος=spyros",
        "Παπαδόπουλος=papadopoulos Καραγιάννης=karagiannis Οικονόμου=oikonomou Βλάχος=vlachos",
    ),
    _Culture(
        3,
        "Şebnem Emre Yiğit Çiğdem Burak Elif Deniz Gülşah Oğuz",
        "Yıldırım=yildirim Öztürk Kılıç=kilic Şahin Aydın=aydin Çelik Demirci",  # noqa: RUF001 - Turkish
    ),
    _Culture(
        3,
        "فاطمة=fatima محمد=mohammed ليلى=layla يوسف=yousef نور=nour خالد=khaled مريم=maryam سلمى=salma",
        "الزهراني=alzahrani حداد=haddad بن_سالم=bensalem منصور=mansour الشريف=alsharif خوري=khoury",
    ),
    _Culture(
        5,
        "प्रिया=priya अर्जुन=arjun लक्ष्मी=lakshmi रोहित=rohit अनन्या=ananya विक्रम=vikram कविता=kavita",
        "शर्मा=sharma कृष्णमूर्ति=krishnamurthy पटेल=patel अग्रवाल=agarwal चतुर्वेदी=chaturvedi नायर=nair",
    ),
    _Culture(
        8,
        "小明=xiaoming 丽娟=lijuan 志强=zhiqiang 雨桐=yutong 建国=jianguo 思远=siyuan 晓雯=xiaowen",
        "王=wang 欧阳=ouyang 陈=chen 刘=liu 司马=sima 赵=zhao 黄=huang 林=lin",
        family_first=True,
    ),
    _Culture(
        9,
        "さくら=sakura 健太=kenta 陽子=yoko 大輔=daisuke 美咲=misaki 翔=sho 直樹=naoki 結衣=yui",
        "佐藤=sato 長谷川=hasegawa 鈴木=suzuki 高橋=takahashi 渡辺=watanabe 小野寺=onodera",
        family_first=True,
    ),
    _Culture(
        9,
        "민준=minjun 서연=seoyeon 지훈=jihun 하은=haeun 도윤=doyun 수빈=subin",
        "김=kim 이=lee 박=park 남궁=namgung 최=choi 정=jung",
        family_first=True,
    ),
    _Culture(
        -5,
        "Emily DeShawn Thị_Hương=huong Kekoa Madison Mateo Aaliyah Wyatt Brooklyn Ezekiel Savannah Rajesh",
        "Johnson Nguyễn=nguyen Kealiikanakaoleohaililani=kealii Ramirez Washington Goldberg Castillo Yazzie",
    ),
    _Culture(
        -3,
        "João Conceição Thiago Antônia Rafaela Caetano Letícia Otávio Beatriz Vinícius Luísa",
        "Gonçalves da_Silva_Araújo=araujo Assunção Cavalcanti Figueiredo Monteiro Teixeira Brandão",
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

USER_DEVICES = (
    Client(ip_address="198.51.100.24", user_agent=_BROWSERS[10][1]),
    Client(ip_address="198.51.100.24", user_agent=_BROWSERS[7][1]),
    Client(ip_address="203.0.113.9", user_agent=_BROWSERS[1][1]),
)
"""Of the user whom one signs in as: a phone and a computer at home, one at work."""

GUESSER = Client(ip_address="203.0.113.66", user_agent="python-requests/2.32.5")
"""The one address from which many accounts are tried."""

_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")


def names(rng: Random, count: int) -> list[tuple[str, str, int]]:
    """Return so many people: e-mail, name and hours from UTC; no e-mail twice, and few names."""
    emails, called = {ADMIN[0], USER[0]}, {ADMIN[1], USER[1]}
    found = []
    for _ in range(count):
        for _ in range(20):
            culture = rng.choice(_CULTURES)
            first, first_letters = _one(rng, culture.given)
            last, last_letters = _one(rng, culture.family)
            name = f"{last}{first}" if culture.family_first else f"{first} {last}"
            if name not in called:
                break
        called.add(name)
        local = rng.choice(_LOCALS).format(first_letters, last_letters, initial=first_letters[0])
        domain = rng.choice(DOMAINS)
        number = 1
        while (email := f"{local}{number if number > 1 else ''}@{domain}") in emails:
            number += 1
        emails.add(email)
        found.append((email, name, culture.hours))
    return found


def _one(rng: Random, names: str) -> tuple[str, str]:
    """Return one of some names, and the letters of its e-mail."""
    name, _, letters = rng.choice(names.split()).partition("=")
    plain = unicodedata.normalize("NFKD", letters or name).encode("ascii", "ignore").decode()
    return name.replace("_", " "), plain.lower().replace("_", ".")


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
