-- One user an e-mail, by one rule: that of the server (security/emails.py), which knows Unicode and IDNA. What
-- lower() makes of a letter that is not ASCII depends on the database's locale. email_key is the canonical e-mail
-- where it is more than the e-mail in ASCII lower case; for most it is NULL.
ALTER TABLE users ADD COLUMN IF NOT EXISTS email_key varchar;

COMMENT ON COLUMN users.email_key IS
    'The canonical e-mail, by which users are found. NULL: it is the e-mail in ASCII lower case.';

CREATE OR REPLACE FUNCTION gatepost_email_key(p_email text, p_key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(p_key, lower(p_email COLLATE "C"))
$$;

COMMENT ON FUNCTION gatepost_email_key IS
    'The canonical e-mail of a user, of the columns email and email_key.';

-- Whether ASCII lower case is all that the rule does to an e-mail.
CREATE OR REPLACE FUNCTION gatepost_email_is_plain(p_email text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT p_email COLLATE "C" ~ '^[!-~]*$' AND strpos(lower(p_email COLLATE "C"), 'xn--') = 0
$$;

COMMENT ON FUNCTION gatepost_email_is_plain IS 'Whether the canonical form of an e-mail is its ASCII lower case.';

-- Another e-mail has another key, which its writer gives or the server finds. Asked in the function, not by the
-- trigger: the type of a column that a trigger names can't be changed, and e-mail is the application's.
CREATE OR REPLACE FUNCTION users_email_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.email IS DISTINCT FROM OLD.email AND NEW.email_key = OLD.email_key THEN
        NEW.email_key := NULL;
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER users_email_key BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION users_email_key();

DO $$
DECLARE
    doubled text;
    former text;
BEGIN
    SELECT string_agg(same.ids, '; ') INTO doubled FROM (
        SELECT string_agg(u.id::text, ', ' ORDER BY u.id) AS ids FROM users u
        WHERE u.email IS NOT NULL
        GROUP BY gatepost_email_key(u.email, u.email_key) COLLATE "C"
        HAVING count(*) > 1 ORDER BY (array_agg(u.id ORDER BY u.id))[1] LIMIT 20
    ) same;
    IF doubled IS NOT NULL THEN
        RAISE EXCEPTION 'Users have the same e-mail, upper and lower case aside: the ids %. '
            'Give each user an e-mail of their own.', doubled USING ERRCODE = 'GP001';
    END IF;

    -- Until now the rule was the database's. Its index goes, unless the application made it.
    FOR former IN
        SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = 'users'::regclass AND c.relname IN ('users_email_key', 'users_email_lower_key')
            AND i.indnkeyatts = 1
            AND pg_get_indexdef(i.indexrelid, 1, true) IN ('lower(email)', 'lower(email::text)')
            AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
    LOOP
        EXECUTE format('DROP INDEX %s', former);
    END LOOP;

    IF EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = 'users'::regclass AND i.indisunique AND i.indnkeyatts = 1
            AND pg_get_indexdef(i.indexrelid, 1, true) LIKE 'gatepost_email_key(%'
    ) THEN
        RETURN;
    ELSIF to_regclass(format('%I.users_email_key', current_schema())) IS NULL THEN
        CREATE UNIQUE INDEX users_email_key ON users ((gatepost_email_key(email, email_key)) COLLATE "C");
    ELSE
        CREATE UNIQUE INDEX users_email_lower_key ON users ((gatepost_email_key(email, email_key)) COLLATE "C");
    END IF;
END
$$;

-- Those whose key the server is yet to find.
CREATE INDEX IF NOT EXISTS users_email_unkeyed_idx ON users (id)
    WHERE email_key IS NULL AND NOT gatepost_email_is_plain(email);
