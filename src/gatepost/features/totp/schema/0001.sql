-- Authenticator apps: one to a user, who may move it to another telephone.
CREATE TABLE IF NOT EXISTS auth_totp (
    user_id {user_id} PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret bytea NOT NULL,
    key_id varchar COLLATE "C" NOT NULL,
    last_step bigint NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    last_used_from varchar,
    CONSTRAINT auth_totp_shape CHECK (
        octet_length(secret) BETWEEN 29 AND 200 AND length(key_id) BETWEEN 1 AND 64 AND last_step >= 0
        AND created_at >= '2000-01-01Z'::timestamptz AND created_at < '3000-01-01Z'::timestamptz
        AND last_used_at >= '2000-01-01Z'::timestamptz AND last_used_at < '3000-01-01Z'::timestamptz
        AND length(last_used_from) <= 64
    )
);

COMMENT ON TABLE auth_totp IS 'Authenticator apps (RFC 6238), one to a user.';
COMMENT ON COLUMN auth_totp.user_id IS 'Whose it is.';
COMMENT ON COLUMN auth_totp.secret IS 'The secret, sealed with AES-GCM for this user; the key is not in the database.';
COMMENT ON COLUMN auth_totp.key_id IS 'Tells which key sealed it.';
COMMENT ON COLUMN auth_totp.last_step IS 'The newest step of time whose code was used: no code of it, or of one before, is good any more.';
COMMENT ON COLUMN auth_totp.last_used_at IS 'When a code signed in or confirmed last. NULL: never.';
COMMENT ON COLUMN auth_totp.last_used_from IS 'From which address that was.';
