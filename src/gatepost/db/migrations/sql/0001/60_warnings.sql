-- What an adopted table means for its owner. Nothing of it stops the migration.
DO $$
DECLARE
    line text;
    twin text;
    found_rows boolean;
BEGIN
    -- The application's password column, where the trigger keeps one beside hashed_password.
    SELECT a.attname INTO twin FROM pg_trigger t JOIN pg_attribute a ON a.attrelid = t.tgrelid
        AND a.attnum = ANY (t.tgattr) AND a.attname <> 'hashed_password'
    WHERE t.tgrelid = 'users'::regclass AND t.tgname = 'users_password_columns';

    FOR line IN
        SELECT format('%1$s.%2$I is NOT NULL without a default, so that Gatepost can''t add rows to %1$s '
            'unless a trigger%3$s fills it. Run: ALTER TABLE %1$s ALTER COLUMN %2$I SET DEFAULT ...;',
            c.relname, a.attname,
            CASE WHEN c.relname = 'users' THEN format(', or @auth.on_insert(''%s'') in your application,', a.attname) END)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
        WHERE c.oid IN ('users'::regclass, 'user_sessions'::regclass) AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND t.typdefault IS NULL
            AND a.attname <> ALL (ARRAY['email', 'name', 'hashed_password', 'is_admin', 'is_active', 'created_at',
                'updated_at', 'session_token', 'user_id', 'expires_at', 'last_used_at', 'ip_address', 'user_agent',
                coalesce(twin, '')])
        ORDER BY c.oid, a.attnum
    LOOP
        RAISE WARNING '%', line USING ERRCODE = 'GP002';
    END LOOP;

    IF twin IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM users WHERE %1$I <> '''' AND %1$I NOT LIKE ''$2%%'')', twin)
            INTO found_rows;
        IF found_rows THEN
            RAISE WARNING 'Some hashes in users.% are not bcrypt. Most are replaced, each at its user''s next sign-in, '
                'by what PASSWORD_HASH says: an application that goes on using the column must accept it.', twin
                USING ERRCODE = 'GP002';
        END IF;
    ELSIF EXISTS (SELECT FROM users) AND NOT EXISTS (SELECT FROM users WHERE hashed_password IS NOT NULL) THEN
        RAISE WARNING 'No user has a password that Gatepost knows of. Give them one: gatepost users set-password.'
            USING ERRCODE = 'GP002';
    END IF;

    IF EXISTS (SELECT FROM users WHERE is_active IS NULL) THEN
        RAISE WARNING 'Users whose is_active is NULL count as disabled. If they are not, run: '
            'UPDATE users SET is_active = true WHERE is_active IS NULL;' USING ERRCODE = 'GP002';
    END IF;

    IF EXISTS (SELECT FROM user_sessions WHERE is_active) THEN
        RAISE WARNING 'The sessions that are in user_sessions hold their tokens in plain text and are not accepted: '
            'their users sign in again.' USING ERRCODE = 'GP002';
    END IF;

    FOR line IN
        SELECT format('The index %s holds last_used_at, which makes each use of a session write to every index. '
            'Run: DROP INDEX %1$s;', i.indexrelid::regclass)
        FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = 'user_sessions'::regclass AND a.attname = 'last_used_at'
    LOOP
        RAISE WARNING '%', line USING ERRCODE = 'GP002';
    END LOOP;
END
$$;
