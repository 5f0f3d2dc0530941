-- As before, but that deleting the session that began it ends it as well, as erasing its user does.
CREATE OR REPLACE FUNCTION user_sessions_end_impersonations() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_family constant bigint := coalesce(OLD.family_id, OLD.id);
    v_at constant timestamptz := CASE WHEN TG_OP = 'UPDATE' THEN NEW.ended_at ELSE statement_timestamp() END;
BEGIN
    IF NOT EXISTS (SELECT FROM user_sessions s WHERE s.impersonator_session = v_family AND s.is_active) THEN
        RETURN NULL;
    END IF;
    PERFORM FROM users u
    WHERE u.id IN (SELECT s.user_id FROM user_sessions s WHERE s.impersonator_session = v_family AND s.is_active)
    ORDER BY u.id FOR NO KEY UPDATE;
    WITH ended AS (
        UPDATE user_sessions s SET is_active = false, ended_at = v_at, end_reason = 'impersonator'
        WHERE s.impersonator_session = v_family AND s.is_active
        RETURNING s.id, s.user_id
    )
    INSERT INTO auth_events (at, action, user_id, session_id, detail)
    SELECT v_at, 'session.revoked', e.user_id, e.id, '{"reason": "impersonator"}' FROM ended e;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER user_sessions_end_impersonations_deleted AFTER DELETE ON user_sessions
    FOR EACH ROW WHEN (OLD.is_active) EXECUTE FUNCTION user_sessions_end_impersonations();

-- It ends with the right to it, by SQL too: whoever has it is disabled or is no administrator any more, or the user in
-- whose place they are has become one. With its owner's rights, because whoever writes to users need not be allowed to
-- see sessions.
CREATE OR REPLACE FUNCTION users_end_impersonations() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    v_theirs boolean;
    v_of_theirs boolean;
BEGIN
    -- Asked here, not by the trigger: the type of a column that a trigger names can't be changed.
    v_theirs := (OLD.is_active AND NEW.is_active IS NOT TRUE OR OLD.is_admin AND NEW.is_admin IS NOT TRUE) IS TRUE;
    v_of_theirs := (NEW.is_admin AND OLD.is_admin IS NOT TRUE) IS TRUE;
    IF NOT v_theirs AND NOT v_of_theirs THEN
        RETURN NULL;
    END IF;
    IF v_theirs THEN
        PERFORM FROM users u
        WHERE u.id IN (SELECT s.user_id FROM user_sessions s WHERE s.is_active AND s.impersonator_session IN (
            SELECT coalesce(o.family_id, o.id) FROM user_sessions o WHERE o.user_id = NEW.id AND o.is_active
        ))
        ORDER BY u.id FOR NO KEY UPDATE;
    END IF;
    WITH ended AS (
        UPDATE user_sessions s SET is_active = false, end_reason = 'impersonator'
        WHERE s.is_active AND (
            (v_of_theirs AND s.user_id = NEW.id AND s.impersonator_id IS NOT NULL)
            OR (v_theirs AND s.impersonator_session IN (
                SELECT coalesce(o.family_id, o.id) FROM user_sessions o WHERE o.user_id = NEW.id AND o.is_active
            ))
        )
        RETURNING s.id, s.user_id, s.ended_at
    )
    INSERT INTO auth_events (at, action, user_id, session_id, detail)
    SELECT e.ended_at, 'session.revoked', e.user_id, e.id, '{"reason": "impersonator"}' FROM ended e;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION users_end_impersonations() FROM PUBLIC;

CREATE OR REPLACE TRIGGER users_end_impersonations AFTER UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION users_end_impersonations();

-- As before: found from any search_path, and nothing of the caller's in the place of a table.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION users_end_impersonations() SET search_path = pg_catalog, %I, pg_temp',
        current_schema());
    EXECUTE format('ALTER FUNCTION user_sessions_end_impersonations() SET search_path = %s, pg_temp', (
        SELECT string_agg(quote_ident(s.name), ', ' ORDER BY s.place)
        FROM unnest(current_schemas(false)) WITH ORDINALITY s (name, place)
    ));
END
$$;
