-- Ids that are no numbers have a default too, so that Gatepost can add users where only the application made ids until
-- now. Whoever gives an id of their own may go on doing so.
DO $$
DECLARE
    made text := CASE WHEN to_regprocedure('pg_catalog.uuidv7()') IS NULL THEN 'gen_random_uuid()' ELSE 'uuidv7()' END;
    lacking record;
BEGIN
    SELECT coalesce(nullif(t.typbasetype, 0), t.oid) = 'uuid'::regtype AS is_uuid INTO lacking
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = 'users'::regclass AND a.attname = 'id' AND NOT a.atthasdef AND a.attidentity = ''
        AND t.typdefault IS NULL
        AND CASE coalesce(nullif(t.typbasetype, 0), t.oid)
            WHEN 'uuid'::regtype THEN true
            WHEN 'text'::regtype THEN true
            WHEN 'varchar'::regtype THEN a.atttypmod = -1 OR a.atttypmod >= 4 + 36
            ELSE false
            END;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF NOT lacking.is_uuid THEN
        made := made || '::text';
    END IF;
    EXECUTE format('ALTER TABLE users ALTER COLUMN id SET DEFAULT %s', made);
    IF EXISTS (SELECT FROM users) THEN
        RAISE WARNING 'users.id had no default, which Gatepost needs to add users. It is % from now on.', made
            USING ERRCODE = 'GP002';
    END IF;
END
$$;
