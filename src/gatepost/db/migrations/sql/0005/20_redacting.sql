-- As before, but that of ids which are texts two may differ in case alone.
-- Takes out of the trail who a user was that is gone: addresses, user agents, e-mails, the former ones too. The
-- events stay, with their time, action and the user's id. Answers how many there were.
-- It has its owner's rights, because the trail is append-only for a server: so it does this one thing, for users
-- who are deleted and for nobody else, and leaves an event each time.
CREATE OR REPLACE FUNCTION gatepost_redact_events(
    p_user_id {user_id},
    p_email varchar DEFAULT NULL,
    p_session_id bigint DEFAULT NULL,
    p_at timestamptz DEFAULT NULL
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    v_id text := p_user_id::text;
    v_emails text[];
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
    v_emails := gatepost_emails_of(p_user_id, p_email);

    DELETE FROM auth_erased e WHERE e.xid <> pg_current_xact_id();
    INSERT INTO auth_erased (user_id, email_digest)
    SELECT p_user_id, sha256(convert_to(pg_current_xact_id()::text || ' ' || m.email, 'UTF8'))
    FROM (VALUES (NULL)) AS one LEFT JOIN unnest(v_emails) AS m (email) ON true;

    PERFORM set_config('gatepost.redacting', 'on', true);
    UPDATE auth_events e
    SET ip_address = NULL, user_agent = NULL, detail = e.detail - v_about_them
    WHERE e.user_id = p_user_id;
    GET DIAGNOSTICS v_own = ROW_COUNT;

    -- What others tried with these e-mails before they had an account, what commands were asked about them, and
    -- what an administrator did: those requests were the administrator's own.
    UPDATE auth_events e
    SET detail = e.detail - v_about_them,
        ip_address = CASE WHEN e.detail ->> 'admin_id' = v_id THEN NULL ELSE e.ip_address END,
        user_agent = CASE WHEN e.detail ->> 'admin_id' = v_id THEN NULL ELSE e.user_agent END
    WHERE lower(coalesce(e.detail ->> 'email', e.detail ->> 'user', e.detail ->> 'admin_id'))
            = ANY (v_emails || lower(v_id))
        AND (coalesce(e.detail ->> 'email', e.detail ->> 'user', e.detail ->> 'admin_id') = v_id
            OR lower(coalesce(e.detail ->> 'email', e.detail ->> 'user', e.detail ->> 'admin_id'))
                = ANY (v_emails));
    GET DIAGNOSTICS v_named = ROW_COUNT;
    PERFORM set_config('gatepost.redacting', 'off', true);

    INSERT INTO auth_events (at, action, user_id, session_id, detail)
    VALUES (coalesce(p_at, statement_timestamp()), 'user.erased', p_user_id, p_session_id,
        jsonb_build_object('events', v_own + v_named));
    RETURN v_own + v_named;
END
$$;

-- As before: nobody puts a table or an operator of theirs in the place of one of these.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION gatepost_redact_events({user_id}, varchar, bigint, timestamptz) '
        'SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;
