"""The audit trail of imports in sentences."""

from gatepost.http.pages.feature import Pages
from gatepost.http.pages.sentences import Words

PAGES = Pages(sentences={"users.imported": Words("plain", is_personal=False)})
