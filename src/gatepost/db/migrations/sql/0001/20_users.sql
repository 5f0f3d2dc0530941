CREATE TABLE IF NOT EXISTS users (
    id {id} PRIMARY KEY,
    email varchar NOT NULL,
    name varchar NOT NULL,
    hashed_password varchar,
    is_admin boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Whom the application has marked as deleted, and whose rows are there, nobody signs in as. Afterwards it is the
-- application's to keep the two in step: docs/database.md has a trigger for it.
DO $$
DECLARE
    gone text;
BEGIN
    SELECT format(CASE t.typcategory WHEN 'B' THEN '%I IS TRUE' ELSE '%I IS NOT NULL' END, a.attname) INTO gone
    FROM unnest(ARRAY['deleted_at', 'deleted_on', 'is_deleted', 'deleted', 'soft_deleted_at']) WITH ORDINALITY
        AS candidate (name, place)
    JOIN pg_attribute a ON a.attrelid = 'users'::regclass AND a.attname = candidate.name AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid AND t.typcategory IN ('B', 'D')
    ORDER BY candidate.place LIMIT 1;

    IF gone IS NULL OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'users'::regclass
            AND attname = 'is_active' AND NOT attisdropped) THEN
        RETURN;
    END IF;
    ALTER TABLE users ADD COLUMN is_active boolean NOT NULL DEFAULT true;
    EXECUTE format('ALTER TABLE users ALTER COLUMN is_active TYPE boolean USING NOT (%s)', gone);
END
$$;

-- What an application's own table lacks. Nothing in it is dropped, no column that it has is changed.
ALTER TABLE users
    ADD COLUMN IF NOT EXISTS is_admin boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS is_active boolean NOT NULL DEFAULT true,
    ADD COLUMN IF NOT EXISTS created_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN IF NOT EXISTS updated_at timestamptz NOT NULL DEFAULT now();

-- The name, from where the application keeps it. ALTER ... USING fills the new column without an UPDATE,
-- so that no trigger of the application runs and no row security hides a row.
DO $$
DECLARE
    source text;
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'name'
            AND NOT attisdropped) THEN
        RETURN;
    END IF;
    SELECT a.attname INTO source
    FROM unnest(ARRAY['full_name', 'display_name', 'username']) WITH ORDINALITY AS candidate (name, place)
    JOIN pg_attribute a ON a.attrelid = 'users'::regclass AND a.attname = candidate.name AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid AND t.typcategory = 'S'
    ORDER BY candidate.place LIMIT 1;

    ALTER TABLE users ADD COLUMN name varchar NOT NULL DEFAULT '';
    IF source IS NOT NULL THEN
        EXECUTE format('ALTER TABLE users ALTER COLUMN name TYPE varchar USING coalesce(%I::varchar, '''')', source);
    END IF;
END
$$;

-- The password's hash, from the application's column of another name. The trigger then keeps the two the
-- same, whichever is written, so that the application goes on working beside Gatepost.
DO $$
DECLARE
    source text;
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'hashed_password'
            AND NOT attisdropped) THEN
        RETURN;
    END IF;
    SELECT a.attname INTO source
    FROM unnest(ARRAY['password_hash', 'password_digest', 'encrypted_password', 'hashed_pw', 'pw_hash',
        'passwd', 'password']) WITH ORDINALITY AS candidate (name, place)
    JOIN pg_attribute a ON a.attrelid = 'users'::regclass AND a.attname = candidate.name AND NOT a.attisdropped
    ORDER BY candidate.place LIMIT 1;

    ALTER TABLE users ADD COLUMN hashed_password varchar;
    IF source IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format('ALTER TABLE users ALTER COLUMN hashed_password TYPE varchar USING %I::varchar', source);
    EXECUTE format($create$
        CREATE FUNCTION users_password_columns() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            IF TG_OP = 'INSERT' THEN
                NEW.hashed_password := coalesce(NEW.hashed_password, NEW.%1$I);
                NEW.%1$I := NEW.hashed_password;
            ELSIF NEW.hashed_password IS DISTINCT FROM OLD.hashed_password THEN
                NEW.%1$I := NEW.hashed_password;
            ELSE
                NEW.hashed_password := NEW.%1$I;
            END IF;
            RETURN NEW;
        END
        $body$
    $create$, source);
    EXECUTE format('CREATE TRIGGER users_password_columns BEFORE INSERT OR UPDATE OF hashed_password, %I ON users '
        'FOR EACH ROW EXECUTE FUNCTION users_password_columns()', source);
END
$$;

-- One user an e-mail, whatever its case. An application's table may have an index of that name already.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = 'users'::regclass AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
            AND i.indnkeyatts = 1
            AND pg_get_indexdef(i.indexrelid, 1, true) IN ('lower(email)', 'lower(email::text)')
    ) THEN
        RETURN;
    ELSIF to_regclass(format('%I.users_email_key', current_schema())) IS NULL THEN
        CREATE UNIQUE INDEX users_email_key ON users (lower(email));
    ELSE
        CREATE UNIQUE INDEX users_email_lower_key ON users (lower(email));
    END IF;
END
$$;
