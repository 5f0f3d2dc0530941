-- The least rights that a role needs to run Gatepost: it reads and writes rows, and changes no table.
-- The owner of the tables runs this in their database, with their schema first in search_path, and runs
-- it again after each migration; a second run does no harm. The role is made beforehand:
-- CREATE ROLE :"role" LOGIN PASSWORD '...' NOSUPERUSER NOCREATEDB NOCREATEROLE;
BEGIN;

SET LOCAL gatepost.app_role = :'role';

-- What is named otherwise in each database: the database, the schema, the sequences behind the ids.
DO $$
DECLARE
    app constant text := current_setting('gatepost.app_role');
    own constant text := current_schema();
    counter regclass;
BEGIN
    IF EXISTS (
        SELECT FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
        WHERE c.relnamespace = quote_ident(own)::regnamespace AND r.rolname = app
            AND c.relname IN ('users', 'user_sessions', 'auth_events', 'auth_throttles', 'auth_failures',
                'auth_links', 'auth_event_hours', 'auth_housekeeping', 'auth_refusals', 'auth_erased',
                'auth_challenges', 'auth_blocks', 'auth_last_sign_ins')
    ) THEN
        RAISE EXCEPTION 'The role % owns the tables: make another one for the server', app;
    END IF;

    IF NOT has_database_privilege(app, current_database(), 'CONNECT') THEN
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), app);
    END IF;
    IF NOT has_schema_privilege(app, own, 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', own, app);
    END IF;
    FOR counter IN
        SELECT DISTINCT s.oid::regclass FROM pg_attrdef d
        JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
            AND p.refclassid = 'pg_class'::regclass
        JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'
        WHERE d.adrelid IN ('users'::regclass, 'user_sessions'::regclass, 'auth_events'::regclass,
            'auth_links'::regclass, 'auth_blocks'::regclass)
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', counter, app);
    END LOOP;

    -- Before PostgreSQL 15 everybody may create tables in the schema public.
    IF has_schema_privilege(app, own, 'CREATE')
        AND pg_has_role((SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = own), 'USAGE')
    THEN
        EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %I', own, app);
    END IF;
    IF has_schema_privilege(app, own, 'CREATE') THEN
        RAISE WARNING '%', format('The role %1$I may create tables in the schema %2$I. '
            'Let its owner run: REVOKE CREATE ON SCHEMA %2$I FROM PUBLIC, %1$I;', app, own);
    END IF;
END
$$;

-- Gatepost's own tables start from nothing, so that what was granted too much is taken back. From
-- users nothing is taken, because the application may work with the same role: its owner is told.
DO $$
DECLARE
    app constant text := current_setting('gatepost.app_role');
BEGIN
    IF has_table_privilege(app, 'users', 'INSERT') OR has_table_privilege(app, 'users', 'UPDATE') THEN
        RAISE WARNING '%', format('The role %1$I may write every column of users. If nothing but Gatepost needs that, '
            'let its owner run: REVOKE INSERT, UPDATE ON users FROM PUBLIC, %1$I; and run these grants again.', app);
    END IF;
END
$$;

REVOKE ALL ON user_sessions, auth_events, auth_throttles, auth_failures, auth_links, auth_event_hours,
    auth_housekeeping, auth_refusals, auth_erased, auth_challenges, auth_blocks, auth_last_sign_ins,
    gatepost_version, gatepost_features
    FROM PUBLIC, :"role";

REVOKE ALL ON FUNCTION gatepost_end_sessions, gatepost_purge_events, gatepost_erase_user, gatepost_redact_events,
    gatepost_emails_of, gatepost_count_events FROM PUBLIC, :"role";

-- The rules that its statements share, in a schema of their own: triggers of users call some of them, whoever writes.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gatepost FROM PUBLIC, :"role";

GRANT USAGE ON SCHEMA gatepost TO PUBLIC;

GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA gatepost TO :"role";

-- Column by column where there is an id: ids come from their sequences. One that the server chose could be one that
-- was given out before, or the last that there is. A refresh takes the next id of sessions itself.
GRANT SELECT, DELETE ON users, user_sessions, auth_links, auth_blocks TO :"role";

GRANT INSERT (email, email_key, name, hashed_password, is_admin, is_active, created_at, updated_at),
    UPDATE (email, email_key, name, hashed_password, is_admin, is_active, updated_at, temporary_password_expires_at,
        credentials_stamp, email_verified_at, language)
    ON users TO :"role";

GRANT INSERT (id, session_token, user_id, is_active, expires_at, created_at, last_used_at, ip_address, user_agent,
        authenticated_at, absolute_expires_at, family_id, place, remembered, handed_by,
        methods, methods_at, aal, impersonator_id, impersonator_session),
    UPDATE (session_token, is_active, expires_at, absolute_expires_at, impersonator_id, impersonator_session, last_used_at, ended_at, end_reason, replaced_by, successor_nonce,
        place, handed_by)
    ON user_sessions TO :"role";

GRANT INSERT (purpose, digest, email, created_at, created_by, expires_at),
    UPDATE (created_by, used_at, used_by, revoked_at)
    ON auth_links TO :"role";

GRANT INSERT (network, until, reason, created_at, created_by),
    UPDATE (lifted_at, lifted_by)
    ON auth_blocks TO :"role";

GRANT SELECT, INSERT, DELETE, UPDATE (stamp, methods, by_cookie, state, tries, created_at, expires_at)
    ON auth_challenges TO :"role";

GRANT SELECT, INSERT, UPDATE, DELETE ON auth_throttles, auth_failures, auth_refusals TO :"role";

-- The trail is added to and read. Removing what is old is its owner's, by gatepost_purge_events.
GRANT SELECT, INSERT (at, action, user_id, session_id, ip_address, user_agent, detail) ON auth_events TO :"role";

GRANT SELECT ON gatepost_version, gatepost_features TO :"role";

GRANT EXECUTE ON FUNCTION gatepost_end_sessions TO :"role";

-- Erasing a user takes out of the trail who that was. The second of these, which the first one calls, has its
-- owner's rights for it and works for users who are deleted alone.
GRANT EXECUTE ON FUNCTION gatepost_erase_user, gatepost_redact_events, gatepost_emails_of TO :"role";

-- The figures are read. Adding to them has its owner's rights as well and counts events, nothing else.
GRANT SELECT ON auth_event_hours, auth_housekeeping TO :"role";

-- Of what housekeeping did, the counts are the server's own; what is counted up to is not.
GRANT UPDATE (worked_at, ended, deleted) ON auth_housekeeping TO :"role";

-- A trigger writes its rows, with its owner's rights.
GRANT SELECT, UPDATE (language) ON auth_last_sign_ins TO :"role";

GRANT EXECUTE ON FUNCTION gatepost_count_events TO :"role";

-- The indexes ask these whoever writes to the tables, the application too; they read nothing but what they are given.
GRANT EXECUTE ON FUNCTION gatepost.email_key, gatepost.email_is_plain, gatepost.to_inet, gatepost.network_of, gatepost.parts
    TO PUBLIC;

COMMIT;
