"""The console: what administrators see and do. Reading takes a recent session, changing a fresh one.

overview.py      figures and charts
users.py         who has an account
user.py          one of them, and what can be done about the account
sessions.py      who is signed in, and an end to it
end_sessions.py  an end to all of a filter
events.py        the audit trail: searched, live, to take away
filters.py       what the last three are filtered by
"""
