-- The language that a user chose, for pages and mails. An application may have a column of that name: it stays as it is,
-- if it can hold one.
DO $$
DECLARE
    v_type constant oid := (
        SELECT a.atttypid FROM pg_attribute a
        WHERE a.attrelid = 'users'::regclass AND a.attname = 'language' AND NOT a.attisdropped
    );
BEGIN
    IF v_type IS NULL THEN
        ALTER TABLE users ADD COLUMN language varchar
            CONSTRAINT users_language_check CHECK (language COLLATE "C" ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$');
        COMMENT ON COLUMN users.language IS 'The language that the user chose (RFC 5646), such as de or pt-BR. NULL: none.';
    ELSIF (SELECT t.typcategory <> 'S' FROM pg_type t WHERE t.oid = v_type) THEN
        RAISE EXCEPTION 'users.language has the type %, where Gatepost keeps the language that a user chose as text: '
            'rename the column, or make it text', format_type(v_type, NULL);
    END IF;
END
$$;
