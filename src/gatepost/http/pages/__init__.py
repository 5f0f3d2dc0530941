"""The pages for people: one route file and one template a page, all of them on the services of the API.

    routes.py        the table of contents
    application.py   what pages load, and what is answered where there is none
    page.py          how a page is served: who may see it, its form, what becomes of errors
    visit.py         what a page is given: one visit, and how it is answered
    site.py          what all visits share: templates, assets, the places that `next` may lead to
    language.py      the language of a visit: texts, times and numbers
    admin/           the console of administrators

Take a page's line out of `routes.py`, its file and its template, and it is gone without a trace.
"""
