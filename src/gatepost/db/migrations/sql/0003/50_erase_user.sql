-- Deletes a user with every session, what the trail tells of the person, and the links that were made for their
-- e-mail. Answers 'erased', 'last_admin' where nobody would be left who may administer, or 'unknown'. With its
-- caller's rights, so that the application's own triggers on users run as they always do.
CREATE OR REPLACE FUNCTION gatepost_erase_user(
    p_user_id {user_id},
    p_session_id bigint DEFAULT NULL,
    p_at timestamptz DEFAULT NULL
) RETURNS varchar LANGUAGE plpgsql AS $$
DECLARE
    v_email varchar;
    v_is_admin boolean;
BEGIN
    SELECT u.email, u.is_admin AND u.is_active INTO v_email, v_is_admin
    FROM users u WHERE u.id = p_user_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;

    IF v_is_admin THEN
        -- One at a time, or two who leave at once would each see the other.
        PERFORM pg_advisory_xact_lock(7238150043211874562);
        IF NOT EXISTS (
            SELECT FROM users u
            WHERE coalesce(u.is_admin, false) AND coalesce(u.is_active, false) AND u.id <> p_user_id
        ) THEN
            RETURN 'last_admin';
        END IF;
    END IF;

    -- Before the user: who registers by one of these links has it locked, and may wait for the e-mail.
    UPDATE auth_links l SET created_by = NULL WHERE l.created_by = p_user_id;
    DELETE FROM auth_links l WHERE l.email = lower(v_email) OR l.used_by = p_user_id;
    DELETE FROM user_sessions s WHERE s.user_id = p_user_id;
    DELETE FROM users u WHERE u.id = p_user_id;
    SET CONSTRAINTS ALL IMMEDIATE; -- those too that would be asked at the commit
    PERFORM gatepost_redact_events(p_user_id, v_email, p_session_id, p_at);
    RETURN 'erased';
END
$$;
