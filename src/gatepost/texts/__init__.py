"""Every sentence that people read, by a stable id: English is a catalogue like the other languages.

Code says `Text("field.too_short", count=8)`; what that reads like stands in `locale/en.po` and, for each
other language, in a file of its own. A feature brings its catalogues in its own folder.
"""

from gatepost.texts.catalogues import KERNEL, LANGUAGES, Catalogue, Text, Value, add, catalogue

__all__ = ["KERNEL", "LANGUAGES", "Catalogue", "Text", "Value", "add", "catalogue"]
