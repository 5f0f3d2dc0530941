-- Who was erased, while the transaction lasts that did it. Nobody reads it but the trigger below, and nobody may.
CREATE TABLE IF NOT EXISTS auth_erased (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    user_id {user_id} NOT NULL,
    email_digest bytea
);

COMMENT ON TABLE auth_erased IS
    'Who was taken out of the trail by the transaction under way, so that it does not put them back.';
COMMENT ON COLUMN auth_erased.xid IS 'The transaction; rows of earlier ones mean nothing and go.';
COMMENT ON COLUMN auth_erased.user_id IS 'Id of the user.';
COMMENT ON COLUMN auth_erased.email_digest IS 'SHA-256 of the transaction and the e-mail.';

-- Redacting is for users who are gone. One who was deleted, taken out of the trail and put back by the same
-- transaction never was, and nobody else would have seen it.
CREATE OR REPLACE FUNCTION users_not_erased() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    v_email text := gatepost_email_key(NEW.email, NEW.email_key);
BEGIN
    -- Asked here, not by the trigger: the type of a column that a trigger names can't be changed.
    IF TG_OP = 'UPDATE' AND NEW.id = OLD.id AND v_email = gatepost_email_key(OLD.email, OLD.email_key) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (
        SELECT FROM auth_erased e
        WHERE e.xid = pg_current_xact_id_if_assigned() AND (e.user_id = NEW.id
            OR e.email_digest = sha256(convert_to(e.xid::text || ' ' || v_email, 'UTF8')))
    ) THEN
        RAISE EXCEPTION 'This transaction took the user out of the trail' USING ERRCODE = 'object_in_use';
    END IF;
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION users_not_erased() FROM PUBLIC;

CREATE OR REPLACE TRIGGER users_not_erased AFTER INSERT OR UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION users_not_erased();

-- The e-mails that a user had: the one now, and those that a change of e-mail left on the trail, as far as they are
-- nobody's.
CREATE OR REPLACE FUNCTION gatepost_emails_of(p_user_id {user_id}, p_email varchar) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(array_agg(f.email), '{}')
    FROM (
        SELECT lower(p_email::text COLLATE "C") AS email WHERE p_email IS NOT NULL
        UNION
        SELECT lower((e.detail ->> 'email') COLLATE "C") FROM auth_events e
        WHERE e.user_id = p_user_id AND e.action = 'user.email_changed' AND e.detail ->> 'email' IS NOT NULL
    ) f
    WHERE NOT EXISTS (
        SELECT FROM users u
        WHERE gatepost_email_key(u.email, u.email_key) COLLATE "C" = f.email AND u.id <> p_user_id
    ));
END
$$;

-- Takes out of the trail who a user was that is gone: addresses, user agents, e-mails, the former ones too. The
-- events stay, with their time, action and the user's number. Answers how many there were.
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
        = ANY (v_emails || v_id);
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
    EXECUTE format('ALTER FUNCTION users_not_erased() SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;

-- Deletes a user with every session, what the trail tells of the person, and the links that were made for their
-- e-mails. Answers 'erased', 'last_admin' where nobody would be left who may administer, or 'unknown'. With its
-- caller's rights, so that the application's own triggers on users run as they always do.
CREATE OR REPLACE FUNCTION gatepost_erase_user(
    p_user_id {user_id},
    p_session_id bigint DEFAULT NULL,
    p_at timestamptz DEFAULT NULL
) RETURNS varchar LANGUAGE plpgsql AS $$
DECLARE
    v_email varchar;
    v_emails text[];
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
    v_emails := gatepost_emails_of(p_user_id, v_email);
    UPDATE auth_links l SET created_by = NULL WHERE l.created_by = p_user_id;
    DELETE FROM auth_links l WHERE l.email = ANY (v_emails) OR l.used_by = p_user_id;
    DELETE FROM auth_refusals r WHERE r.user_id = p_user_id;
    DELETE FROM user_sessions s WHERE s.user_id = p_user_id;
    DELETE FROM users u WHERE u.id = p_user_id;
    SET CONSTRAINTS ALL IMMEDIATE; -- those too that would be asked at the commit
    PERFORM gatepost_redact_events(p_user_id, v_email, p_session_id, p_at);
    RETURN 'erased';
END
$$;

COMMENT ON FUNCTION gatepost_emails_of IS 'The e-mails that a user has and had, lower case, as far as they are nobody else''s.';
