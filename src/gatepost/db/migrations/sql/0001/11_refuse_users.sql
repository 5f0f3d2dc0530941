-- The application's users: one row must be told from another, by its id and by its e-mail.
DO $$
DECLARE
    target regclass := to_regclass(format('%I.users', current_schema()));
    problems text[] := '{}';
    doubled text;
BEGIN
    IF target IS NULL THEN
        RETURN;
    END IF;

    problems := problems || ARRAY(
        SELECT format('users.id is %1$s, and this SQL is for ids of the type {setting}. '
            'Run: USER_ID_TYPE=%2$s gatepost migrate --sql', format_type(a.atttypid, a.atttypmod), held.type)
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        CROSS JOIN LATERAL (
            SELECT replace(format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL), 'character varying', 'text')
        ) held (type)
        WHERE a.attrelid = target AND a.attname = 'id'
            AND format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL) <> ALL ('{{fitting_types}}'::text[])
    );

    IF NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = target AND a.attname = 'id' AND i.indnkeyatts = 1
            AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL
    ) THEN
        problems := problems || 'users.id is not unique. Run: ALTER TABLE users ADD PRIMARY KEY (id);'::text;
    END IF;

    -- Only the first of these columns is looked at: it is the one that holds the hashes.
    problems := problems || ARRAY(
        SELECT format('users.%1$I is %2$s, it must hold a text of 100 characters. '
            'Run: ALTER TABLE users ALTER COLUMN %1$I TYPE varchar USING %3$s;', held.attname, held.type,
            CASE WHEN held.atttypid = 'bytea'::regtype THEN format('convert_from(%I, ''UTF8'')', held.attname)
                ELSE quote_ident(held.attname) END)
        FROM (
            SELECT a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod) AS type
            FROM unnest(ARRAY['hashed_password', 'password_hash', 'password_digest', 'encrypted_password',
                'hashed_pw', 'pw_hash', 'passwd', 'password']) WITH ORDINALITY AS candidate (name, place)
            JOIN pg_attribute a ON a.attrelid = target AND a.attname = candidate.name AND NOT a.attisdropped
            ORDER BY candidate.place LIMIT 1
        ) held
        WHERE held.atttypid NOT IN ('varchar'::regtype, 'text'::regtype) OR held.atttypmod BETWEEN 4 AND 103
    );

    -- What Gatepost writes must be a column that can be written.
    problems := problems || ARRAY(
        SELECT format('users.%1$I is generated, and Gatepost writes to it. '
            'Run: ALTER TABLE users ALTER COLUMN %1$I DROP EXPRESSION;', a.attname)
        FROM pg_attribute a
        WHERE a.attrelid = target AND a.attgenerated <> '' AND a.attname = ANY (ARRAY['email', 'name',
            'hashed_password', 'is_admin', 'is_active', 'created_at', 'updated_at'])
        ORDER BY a.attnum
    );

    SELECT string_agg(same.ids, '; ') INTO doubled FROM (
        SELECT string_agg(u.id::text, ', ' ORDER BY u.id) AS ids FROM users u
        WHERE u.email IS NOT NULL
        GROUP BY lower(u.email::text) HAVING count(*) > 1 ORDER BY (array_agg(u.id ORDER BY u.id))[1] LIMIT 20
    ) same;
    IF doubled IS NOT NULL THEN
        problems := problems || format('Users have the same e-mail, upper and lower case aside: the ids %s. '
            'Give each user an e-mail of their own.', doubled);
    END IF;

    IF problems <> '{}' THEN
        RAISE EXCEPTION E'The existing table users can''t be taken over as it is:\n%',
            array_to_string(problems, E'\n') USING ERRCODE = 'GP001';
    END IF;
END
$$;
