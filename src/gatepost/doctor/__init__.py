"""Whether Gatepost has all that it needs: what `gatepost doctor` and a page of the console show.

check.py        one thing that was looked at
judgements.py   what is made of what was found
effects.py      what is made of what was tried and counted
examination.py  what is looked at, in order
standings.py    how OWASP ASVS 5.0 stands
"""
