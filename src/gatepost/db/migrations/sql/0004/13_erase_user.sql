-- As before, by the canonical e-mail, which is what events and links hold.
-- Takes out of the trail who a user was that is gone: addresses, user agents, e-mails. The events stay, with
-- their time, action and the user's number. Answers how many there were.
-- It has its owner's rights, because the trail is append-only for a server: so it does this one thing, for
-- users who are deleted and for nobody else, and leaves an event each time.
CREATE OR REPLACE FUNCTION gatepost_redact_events(
    p_user_id bigint,
    p_email varchar DEFAULT NULL,
    p_session_id bigint DEFAULT NULL,
    p_at timestamptz DEFAULT NULL
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    v_email text := lower(p_email::text);
    v_id text := p_user_id::text;
    v_about_them constant text[] := ARRAY['email', 'user', 'address', 'successor_ip'];
    v_own integer;
    v_named integer;
BEGIN
    IF p_user_id IS NULL OR EXISTS (SELECT FROM users u WHERE u.id = p_user_id)
        OR EXISTS (
            SELECT FROM users u
            WHERE gatepost_email_key(u.email, u.email_key) COLLATE "C" = lower(p_email::text COLLATE "C")
        )
    THEN
        RAISE EXCEPTION 'Events are redacted once their user is deleted' USING ERRCODE = 'object_in_use';
    END IF;

    PERFORM set_config('gatepost.redacting', 'on', true);
    UPDATE auth_events e
    SET ip_address = NULL, user_agent = NULL, detail = e.detail - v_about_them
    WHERE e.user_id = p_user_id;
    GET DIAGNOSTICS v_own = ROW_COUNT;

    -- What others tried with this e-mail before it had an account, what commands were asked about it, and
    -- what an administrator did: those requests were the administrator's own.
    UPDATE auth_events e
    SET detail = e.detail - v_about_them,
        ip_address = CASE WHEN e.detail ->> 'admin_id' = v_id THEN NULL ELSE e.ip_address END,
        user_agent = CASE WHEN e.detail ->> 'admin_id' = v_id THEN NULL ELSE e.user_agent END
    WHERE lower(coalesce(e.detail ->> 'email', e.detail ->> 'user', e.detail ->> 'admin_id'))
        = ANY (ARRAY[v_email, v_id]);
    GET DIAGNOSTICS v_named = ROW_COUNT;
    PERFORM set_config('gatepost.redacting', 'off', true);

    INSERT INTO auth_events (at, action, user_id, session_id, detail)
    VALUES (coalesce(p_at, statement_timestamp()), 'user.erased', p_user_id, p_session_id,
        jsonb_build_object('events', v_own + v_named));
    RETURN v_own + v_named;
END
$$;

-- Whatever search_path its caller has: nobody puts a table or an operator of theirs in the place of one of
-- these. pg_temp comes last, or it would come first.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION gatepost_redact_events(bigint, varchar, bigint, timestamptz) '
        'SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;

-- Deletes a user with every session, what the trail tells of the person, and the links that were made for their
-- e-mail. Answers 'erased', 'last_admin' where nobody would be left who may administer, or 'unknown'. With its
-- caller's rights, so that the application's own triggers on users run as they always do.
CREATE OR REPLACE FUNCTION gatepost_erase_user(
    p_user_id bigint,
    p_session_id bigint DEFAULT NULL,
    p_at timestamptz DEFAULT NULL
) RETURNS varchar LANGUAGE plpgsql AS $$
DECLARE
    v_email varchar;
    v_is_admin boolean;
BEGIN
    SELECT gatepost_email_key(u.email, u.email_key), u.is_admin AND u.is_active INTO v_email, v_is_admin
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
    DELETE FROM auth_links l WHERE l.email = v_email OR l.used_by = p_user_id;
    DELETE FROM user_sessions s WHERE s.user_id = p_user_id;
    DELETE FROM users u WHERE u.id = p_user_id;
    SET CONSTRAINTS ALL IMMEDIATE; -- those too that would be asked at the commit
    PERFORM gatepost_redact_events(p_user_id, v_email, p_session_id, p_at);
    RETURN 'erased';
END
$$;
