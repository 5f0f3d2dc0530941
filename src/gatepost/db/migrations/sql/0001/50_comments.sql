-- For whoever looks with \d+. A comment that is there already is the application's and stays.
DO $$
DECLARE
    note record;
    target text;
BEGIN
    FOR note IN
        SELECT c.relname, a.attname, written.note
        FROM (VALUES
            ('users', NULL, 'People who may sign in.'),
            ('users', 'email', 'Unique, upper and lower case aside.'),
            ('users', 'hashed_password', 'bcrypt, or a hash made elsewhere until its user signs in again. NULL: no password, no sign-in by one.'),
            ('users', 'is_admin', 'May use what is for administrators only.'),
            ('users', 'is_active', 'False: disabled. No sign-in, and every session is refused at once.'),
            ('user_sessions', NULL, 'Sessions, the ended ones too: one row is one token. Rows go when their history is old enough.'),
            ('user_sessions', 'session_token', 'First 8 characters of the token, a dot, and an HMAC of all of it. The token itself is stored nowhere.'),
            ('user_sessions', 'is_active', 'False once the session has ended, see ended_at and end_reason.'),
            ('user_sessions', 'expires_at', 'First instant at which the token is refused.'),
            ('user_sessions', 'last_used_at', 'When the token was last seen. Gathered and written late, at most once a minute.'),
            ('user_sessions', 'ip_address', 'Of the client that started the session.'),
            ('user_sessions', 'user_agent', 'Of the client that started the session, cut at 512 characters.'),
            ('user_sessions', 'ended_at', 'When the session ended, NULL while it lives.'),
            ('user_sessions', 'end_reason', 'Why it ended: expired, logout, logout_all, refreshed, revoked, user_disabled, password_set, or sql: is_active was set by hand.'),
            ('user_sessions', 'authenticated_at', 'When the password was last given. Refreshing does not move it.'),
            ('user_sessions', 'absolute_expires_at', 'No refresh takes expires_at past this.'),
            ('user_sessions', 'family_id', 'Id of the first session of the same sign-in, NULL: this one is the first.'),
            ('user_sessions', 'replaced_by', 'Id of the session that a refresh put in the place of this one.'),
            ('user_sessions', 'successor_nonce', 'Random part of the successor''s token, of no use without the key.'),
            ('auth_events', NULL, 'What happened, append-only: a trigger refuses UPDATE, DELETE and TRUNCATE.'),
            ('auth_events', 'action', 'Name of what happened, such as session.started or login.failed.'),
            ('auth_events', 'user_id', 'Whom it concerns, who may be deleted since. NULL: unknown.'),
            ('auth_events', 'session_id', 'Which session it concerns, whose row may be purged since.'),
            ('auth_events', 'ip_address', 'Of the client that asked, NULL for commands.'),
            ('auth_events', 'user_agent', 'Of the client that asked, NULL for commands.'),
            ('auth_events', 'detail', 'What else is worth knowing, by action.')
        ) AS written (tab, col, note)
        JOIN pg_class c ON c.oid = to_regclass(format('%I.%I', current_schema(), written.tab))
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = written.col
        WHERE CASE WHEN written.col IS NULL THEN obj_description(c.oid, 'pg_class')
            ELSE col_description(c.oid, a.attnum) END IS NULL
    LOOP
        target := CASE WHEN note.attname IS NULL THEN format('TABLE %I', note.relname)
            ELSE format('COLUMN %I.%I', note.relname, note.attname) END;
        EXECUTE format('COMMENT ON %s IS %L', target, note.note);
    END LOOP;
END
$$;
