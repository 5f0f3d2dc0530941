-- Whom an event names in its detail: few do, mostly failed logins. Erasing a user asks for it.
CREATE INDEX IF NOT EXISTS auth_events_named_idx
    ON auth_events (lower(coalesce(detail ->> 'email', detail ->> 'user', detail ->> 'admin_id')))
    WHERE lower(coalesce(detail ->> 'email', detail ->> 'user', detail ->> 'admin_id')) IS NOT NULL;

-- Takes out of the trail who a user was that is gone: addresses, user agents, e-mails. The events stay, with
-- their time, action and the user's number. Answers how many there were.
-- It has its owner's rights, because the trail is append-only for a server: so it does this one thing, for
-- users who are deleted and for nobody else, and leaves an event each time.
CREATE OR REPLACE FUNCTION gatepost_redact_events(
    p_user_id {user_id},
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
        OR EXISTS (SELECT FROM users u WHERE lower(u.email::text) = v_email)
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

REVOKE ALL ON FUNCTION gatepost_redact_events({user_id}, varchar, bigint, timestamptz) FROM PUBLIC;

-- Whatever search_path its caller has: nobody puts a table or an operator of theirs in the place of one of
-- these. pg_temp comes last, or it would come first.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION gatepost_redact_events({user_id}, varchar, bigint, timestamptz) '
        'SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;

-- Deletes a user with every session, and what the trail tells of the person. Answers 'erased', 'last_admin'
-- where nobody would be left who may administer, or 'unknown'. With its caller's rights, so that the
-- application's own triggers on users run as they always do.
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
        IF NOT EXISTS (SELECT FROM users u WHERE u.is_admin AND u.is_active AND u.id <> p_user_id) THEN
            RETURN 'last_admin';
        END IF;
    END IF;

    DELETE FROM user_sessions s WHERE s.user_id = p_user_id;
    DELETE FROM users u WHERE u.id = p_user_id;
    SET CONSTRAINTS ALL IMMEDIATE; -- those too that would be asked at the commit
    PERFORM gatepost_redact_events(p_user_id, v_email, p_session_id, p_at);
    RETURN 'erased';
END
$$;

CREATE OR REPLACE FUNCTION auth_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('gatepost.purging', true) = 'on'
        OR TG_OP = 'UPDATE' AND current_setting('gatepost.redacting', true) = 'on'
    THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'auth_events is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
