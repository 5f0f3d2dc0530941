-- Links that are good for one use: invitations, and the one that makes the first administrator. What is stored
-- is a digest under a key that is not in the database. A link that a user was made by goes with that user.
CREATE TABLE IF NOT EXISTS auth_links (
    id bigserial PRIMARY KEY,
    purpose varchar NOT NULL CHECK (purpose IN ('invitation', 'setup')),
    digest varchar COLLATE "C" NOT NULL CONSTRAINT auth_links_digest_key UNIQUE,
    email varchar,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by {user_id} REFERENCES users (id) ON DELETE SET NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    used_by {user_id} REFERENCES users (id) ON DELETE CASCADE,
    revoked_at timestamptz
);

-- What deleting a user asks for: by the foreign keys, and by the e-mail that was invited.
CREATE INDEX IF NOT EXISTS auth_links_created_by_idx ON auth_links (created_by) WHERE created_by IS NOT NULL;

CREATE INDEX IF NOT EXISTS auth_links_used_by_idx ON auth_links (used_by) WHERE used_by IS NOT NULL;

CREATE INDEX IF NOT EXISTS auth_links_email_idx ON auth_links (email) WHERE email IS NOT NULL;

COMMENT ON TABLE auth_links IS 'Links for one use: invitations and the setup link. Rows go with the history.';
COMMENT ON COLUMN auth_links.purpose IS 'invitation: may register. setup: makes the first administrator.';
COMMENT ON COLUMN auth_links.digest IS 'HMAC-SHA256 of the link''s token; the key is not in the database.';
COMMENT ON COLUMN auth_links.email IS 'Where set, the only e-mail that may use it; lower case.';
COMMENT ON COLUMN auth_links.created_by IS 'The administrator who made it; NULL for a command.';
COMMENT ON COLUMN auth_links.expires_at IS 'Refused from then on.';
COMMENT ON COLUMN auth_links.used_at IS 'When it was used; NULL until then.';
COMMENT ON COLUMN auth_links.used_by IS 'The user who was made by it.';
COMMENT ON COLUMN auth_links.revoked_at IS 'When it was taken back, or replaced by a newer one.';
