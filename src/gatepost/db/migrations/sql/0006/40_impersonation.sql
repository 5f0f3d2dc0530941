-- A session that somebody else has of a user's account: by whom, and by which sign-in of theirs.
ALTER TABLE user_sessions
    ADD COLUMN IF NOT EXISTS impersonator_id {user_id},
    ADD COLUMN IF NOT EXISTS impersonator_session bigint;

CREATE INDEX IF NOT EXISTS user_sessions_impersonator_idx ON user_sessions (impersonator_session)
    WHERE is_active AND impersonator_session IS NOT NULL;

COMMENT ON COLUMN user_sessions.impersonator_id IS 'The user who has this session in the place of its user; NULL: its user.';
COMMENT ON COLUMN user_sessions.impersonator_session IS 'family_id of the session of theirs with which it ends.';

-- It ends with the sign-in that began it, whatever ends that. Under the lock of its user, so that no refresh slips
-- through.
CREATE OR REPLACE FUNCTION user_sessions_end_impersonations() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_family constant bigint := coalesce(NEW.family_id, NEW.id);
BEGIN
    IF NOT EXISTS (SELECT FROM user_sessions s WHERE s.impersonator_session = v_family AND s.is_active) THEN
        RETURN NULL;
    END IF;
    PERFORM FROM users u
    WHERE u.id IN (SELECT s.user_id FROM user_sessions s WHERE s.impersonator_session = v_family AND s.is_active)
    ORDER BY u.id FOR NO KEY UPDATE;
    WITH ended AS (
        UPDATE user_sessions s SET is_active = false, ended_at = NEW.ended_at, end_reason = 'impersonator'
        WHERE s.impersonator_session = v_family AND s.is_active
        RETURNING s.id, s.user_id
    )
    INSERT INTO auth_events (at, action, user_id, session_id, detail)
    SELECT NEW.ended_at, 'session.revoked', e.user_id, e.id, '{"reason": "impersonator"}' FROM ended e;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER user_sessions_end_impersonations AFTER UPDATE OF is_active ON user_sessions
    FOR EACH ROW WHEN (OLD.is_active AND NOT NEW.is_active AND NEW.end_reason IS DISTINCT FROM 'refreshed')
    EXECUTE FUNCTION user_sessions_end_impersonations();

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION user_sessions_end_impersonations SET search_path = %s, pg_temp', (
        SELECT string_agg(quote_ident(s.name), ', ' ORDER BY s.place)
        FROM unnest(current_schemas(false)) WITH ORDINALITY s (name, place)
    ));
END
$$;
