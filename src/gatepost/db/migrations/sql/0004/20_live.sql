-- What a live session is, and why another one is refused: the rules stand here, once. They are inlined into the
-- statement that calls them, so that its plan is the one it would have if it spelled them out. They take the
-- rows as they are: FROM user_sessions s JOIN users u ON u.id = s.user_id WHERE gatepost_is_live(s, u).
CREATE OR REPLACE FUNCTION gatepost_has_expired(
    p_session user_sessions,
    p_now timestamptz DEFAULT statement_timestamp(),
    p_idle interval DEFAULT NULL
) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (p_session.expires_at <= p_now
        OR coalesce(p_session.last_used_at, '-infinity') <= p_now - p_idle) IS TRUE;

CREATE OR REPLACE FUNCTION gatepost_is_live(
    p_session user_sessions,
    p_user users,
    p_now timestamptz DEFAULT statement_timestamp(),
    p_idle interval DEFAULT NULL
) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    RETURN p_session.is_active AND p_user.is_active AND NOT gatepost_has_expired(p_session, p_now, p_idle);

CREATE OR REPLACE FUNCTION gatepost_refusal(
    p_session user_sessions,
    p_user users,
    p_now timestamptz DEFAULT statement_timestamp(),
    p_idle interval DEFAULT NULL
) RETURNS varchar LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE
        WHEN gatepost_is_live(p_session, p_user, p_now, p_idle) THEN NULL
        WHEN p_session.is_active THEN CASE
            WHEN gatepost_has_expired(p_session, p_now, p_idle) THEN 'session_expired'
            ELSE 'session_revoked' -- the user is disabled
        END
        WHEN p_session.end_reason = 'refreshed' THEN 'session_replaced'
        WHEN p_session.end_reason = 'expired' THEN 'session_expired'
        ELSE 'session_revoked'
    END;

COMMENT ON FUNCTION gatepost_has_expired IS
    'Whether the time of a session is over: its end has passed, or it was not used within p_idle.';
COMMENT ON FUNCTION gatepost_is_live IS
    'Whether a session can be used: it has neither ended nor expired, and its user is active.';
COMMENT ON FUNCTION gatepost_refusal IS
    'Why a session is refused: session_replaced, session_expired, session_revoked; NULL where it is live.';
