-- When each user last signed in: it stays when old sessions are purged, and can be sorted by.
CREATE TABLE IF NOT EXISTS auth_last_sign_ins (
    user_id {user_id} PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    at timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS auth_last_sign_ins_at_idx ON auth_last_sign_ins (at, user_id);

INSERT INTO auth_last_sign_ins (user_id, at)
SELECT s.user_id, max(s.created_at) FROM user_sessions s
WHERE s.family_id IS NULL AND s.impersonator_id IS NULL AND s.created_at IS NOT NULL
GROUP BY s.user_id
ON CONFLICT (user_id) DO NOTHING;

-- It has its owner's rights: whoever may add a session, as an application may, need not know of this table.
CREATE OR REPLACE FUNCTION user_sessions_note_sign_in() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NEW.family_id IS NULL AND NEW.created_at IS NOT NULL THEN
        INSERT INTO auth_last_sign_ins AS l (user_id, at) VALUES (NEW.user_id, NEW.created_at)
        ON CONFLICT (user_id) DO UPDATE SET at = excluded.at WHERE l.at < excluded.at;
    END IF;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION user_sessions_note_sign_in() FROM PUBLIC;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION user_sessions_note_sign_in() SET search_path = pg_catalog, %I, pg_temp',
        current_schema());
END
$$;

-- A refresh goes on with a sign-in, and an administrator who acts for a user is not that user. family_id is no part
-- of the condition: its type could not be widened any more.
CREATE OR REPLACE TRIGGER user_sessions_note_sign_in AFTER INSERT ON user_sessions
    FOR EACH ROW WHEN (NEW.handed_by IS NULL AND NEW.impersonator_id IS NULL)
    EXECUTE FUNCTION user_sessions_note_sign_in();

COMMENT ON TABLE auth_last_sign_ins IS 'When each user last signed in. A trigger of user_sessions keeps it.';
COMMENT ON COLUMN auth_last_sign_ins.at IS 'When their newest sign-in began.';
