"""What pages say of passkeys."""

from gatepost.http.pages.feature import Pages
from gatepost.http.pages.sentences import Words

PAGES = Pages(sentences={"passkey.renamed": Words("plain")})
