-- Ends the live sessions of a user, or with p_session_id the one sign-in that this session belongs to,
-- whatever it was refreshed to since. Answers how many were live. The user's row is locked first, and
-- whoever starts or refreshes a session holds that lock as well: each statement in here then sees every
-- session that was begun before, which one statement alone, with its one look at the table, would not.
CREATE OR REPLACE FUNCTION gatepost_end_sessions(
    p_user_id {user_id},
    p_reason varchar DEFAULT 'revoked',
    p_session_id bigint DEFAULT NULL,
    p_at timestamptz DEFAULT NULL,
    p_action varchar DEFAULT 'session.revoked_all',
    p_ip_address varchar DEFAULT NULL,
    p_user_agent varchar DEFAULT NULL,
    p_detail jsonb DEFAULT '{}'
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := coalesce(p_at, statement_timestamp());
    v_ended integer;
BEGIN
    PERFORM FROM users u WHERE u.id = p_user_id FOR NO KEY UPDATE;

    WITH ended AS (
        UPDATE user_sessions s
        SET is_active = false,
            ended_at = least(s.expires_at, v_now),
            end_reason = CASE WHEN s.expires_at <= v_now THEN 'expired' ELSE p_reason END
        WHERE s.user_id = p_user_id AND s.is_active
            AND (p_session_id IS NULL OR coalesce(s.family_id, s.id) = (
                SELECT coalesce(named.family_id, named.id) FROM user_sessions named
                WHERE named.id = p_session_id AND named.user_id = p_user_id
            ))
        RETURNING s.expires_at > v_now AS was_live
    )
    SELECT count(*) INTO v_ended FROM ended WHERE was_live;

    IF v_ended > 0 OR p_session_id IS NULL THEN
        INSERT INTO auth_events (at, action, user_id, session_id, ip_address, user_agent, detail)
        VALUES (v_now, p_action, p_user_id, p_session_id, p_ip_address, p_user_agent,
            p_detail || jsonb_build_object('reason', p_reason, 'sessions', v_ended));
    END IF;
    RETURN v_ended;
END
$$;

-- Whoever ends a session by SQL alone (SET is_active = false) gets the time and the reason written as well.
CREATE OR REPLACE FUNCTION user_sessions_note_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.ended_at := coalesce(NEW.ended_at, statement_timestamp());
    NEW.end_reason := coalesce(NEW.end_reason, 'sql');
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER user_sessions_note_end BEFORE UPDATE OF is_active ON user_sessions
    FOR EACH ROW WHEN (OLD.is_active AND NEW.is_active IS NOT TRUE AND (NEW.ended_at IS NULL OR NEW.end_reason IS NULL))
    EXECUTE FUNCTION user_sessions_note_end();
