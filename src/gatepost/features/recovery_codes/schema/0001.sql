-- Recovery codes: each signs in once in the place of a second factor.
CREATE TABLE IF NOT EXISTS auth_recovery_codes (
    digest varchar COLLATE "C" PRIMARY KEY,
    user_id {user_id} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    used_at timestamptz,
    used_from varchar,
    CONSTRAINT auth_recovery_codes_shape CHECK (
        length(digest) BETWEEN 1 AND 200 AND length(used_from) <= 64
        AND created_at >= '2000-01-01Z'::timestamptz AND created_at < '3000-01-01Z'::timestamptz
        AND used_at >= '2000-01-01Z'::timestamptz AND used_at < '3000-01-01Z'::timestamptz
    )
);

CREATE INDEX IF NOT EXISTS auth_recovery_codes_user_id_idx ON auth_recovery_codes (user_id);

COMMENT ON TABLE auth_recovery_codes IS 'Recovery codes, each good for one use in the place of a second factor.';
COMMENT ON COLUMN auth_recovery_codes.digest IS 'HMAC-SHA256 of the user and the code; the key is not in the database.';
COMMENT ON COLUMN auth_recovery_codes.user_id IS 'Whose it is.';
COMMENT ON COLUMN auth_recovery_codes.used_at IS 'When it was used. NULL: it is good.';
COMMENT ON COLUMN auth_recovery_codes.used_from IS 'From which address that was.';
