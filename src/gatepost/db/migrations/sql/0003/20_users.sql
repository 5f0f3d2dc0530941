-- Until when a password works that an administrator gave. It must be changed at the next sign-in.
ALTER TABLE users ADD COLUMN IF NOT EXISTS temporary_password_expires_at timestamptz;

COMMENT ON COLUMN users.temporary_password_expires_at IS
    'Until when the password works that an administrator gave. NULL: it is the user''s own.';

-- Another password, whoever sets it and by whichever column, is no temporary one any more; a temporary one
-- comes together with its own time. After users_password_columns, whose name comes first in the alphabet.
CREATE OR REPLACE FUNCTION users_temporary_password() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.temporary_password_expires_at := NULL;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER users_temporary_password BEFORE UPDATE ON users
    FOR EACH ROW WHEN (NEW.hashed_password IS DISTINCT FROM OLD.hashed_password
        AND NEW.temporary_password_expires_at = OLD.temporary_password_expires_at)
    EXECUTE FUNCTION users_temporary_password();

-- What a search for users reads, see store/directory.py: a range of one of these, in its order. What an
-- application's table holds may be NULL, longer than an index takes, and of any collation.
CREATE INDEX IF NOT EXISTS users_search_email_idx ON users (
    coalesce(is_admin, false),
    coalesce(is_active, false),
    (lower(left(coalesce(email, '')::text COLLATE "default", 320)) COLLATE "C"),
    id
);

CREATE INDEX IF NOT EXISTS users_search_name_idx ON users (
    coalesce(is_admin, false),
    coalesce(is_active, false),
    (lower(left(coalesce(name, '')::text COLLATE "default", 100)) COLLATE "C"),
    id
);

CREATE INDEX IF NOT EXISTS users_search_last_name_idx ON users (
    coalesce(is_admin, false),
    coalesce(is_active, false),
    (lower(split_part(rtrim(left(coalesce(name, '')::text COLLATE "default", 100)), ' ', -1)) COLLATE "C"),
    id
) WHERE strpos(rtrim(left(coalesce(name, '')::text COLLATE "default", 100)), ' ') > 0;
