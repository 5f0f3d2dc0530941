-- A limit on statements is meant for requests, not for this. Warnings are what this has to say.
SET LOCAL statement_timeout = 0;

SET LOCAL client_min_messages = warning;

-- One migration at a time: the key is the eight bytes of "gatepost" read as a number. It belongs to the
-- transaction and not to the session, so that it holds behind a pooler in transaction mode as well.
SELECT pg_advisory_xact_lock(7449363237674382196);
