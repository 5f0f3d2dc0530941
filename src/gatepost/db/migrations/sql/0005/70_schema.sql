-- The rules that statements share, and that the owner's own may share too, stand in a schema of their own: what a live
-- session is, how a bucket is charged, who has an e-mail. They move as they are, so that indexes keep what they call.
DO $$
DECLARE
    v_owner text;
BEGIN
    SELECT c.relnamespace::regnamespace INTO v_owner
    FROM pg_proc p JOIN pg_class c ON c.reltype = p.proargtypes[0]
    WHERE p.pronamespace = to_regnamespace('gatepost') AND p.proname = 'is_live';
    IF v_owner <> quote_ident(current_schema()) THEN
        RAISE EXCEPTION 'The schema gatepost belongs to the Gatepost whose tables are in the schema %. '
            'A database holds one Gatepost: give this one a database of its own.', v_owner USING ERRCODE = 'GP001';
    ELSIF to_regnamespace('gatepost') IS NOT NULL THEN
        IF NOT has_schema_privilege('gatepost', 'USAGE, CREATE') THEN
            RAISE EXCEPTION '%', format('The role %1$I may not add functions to the schema gatepost. Let its owner '
                'run: GRANT USAGE, CREATE ON SCHEMA gatepost TO %1$I;', current_user) USING ERRCODE = 'GP001';
        END IF;
    ELSIF NOT has_database_privilege(current_database(), 'CREATE') THEN
        RAISE EXCEPTION '%', format('The role %1$I may not create the schema gatepost in the database %2$I. Let its '
            'owner run: CREATE SCHEMA gatepost AUTHORIZATION %1$I;', current_user, current_database())
            USING ERRCODE = 'GP001';
    ELSE
        CREATE SCHEMA gatepost;
    END IF;
END
$$;

-- Triggers of users call them with the rights of whoever writes there.
GRANT USAGE ON SCHEMA gatepost TO PUBLIC;

COMMENT ON SCHEMA gatepost IS 'What Gatepost''s statements agree on. The tables are where search_path had them made.';

DO $$
DECLARE
    v_rule record;
    v_caller regprocedure;
BEGIN
    -- What calls them by name, first: its text says where they are from now on.
    FOR v_caller IN
        SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace = quote_ident(current_schema())::regnamespace AND l.lanname = 'plpgsql'
            AND p.prosrc ~ '\mgatepost_(charge|credentials_stamp|email_is_plain|email_key|has_expired|is_live|refusal)\('
    LOOP
        EXECUTE regexp_replace(pg_get_functiondef(v_caller),
            '\mgatepost_(charge|credentials_stamp|email_is_plain|email_key|has_expired|is_live|refusal)\(',
            'gatepost.\1(', 'g');
    END LOOP;

    FOR v_rule IN
        SELECT p.oid::regprocedure AS name, substr(p.proname, 10) AS short,
            pg_get_function_identity_arguments(p.oid) AS arguments
        FROM pg_proc p
        WHERE p.pronamespace = quote_ident(current_schema())::regnamespace
            AND p.proname IN ('gatepost_charge', 'gatepost_credentials_stamp', 'gatepost_email_is_plain',
                'gatepost_email_key', 'gatepost_has_expired', 'gatepost_inet', 'gatepost_is_live', 'gatepost_refusal')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET SCHEMA gatepost', v_rule.name);
        EXECUTE format('ALTER FUNCTION gatepost.gatepost_%1$s(%2$s) RENAME TO %1$s', v_rule.short, v_rule.arguments);
    END LOOP;

    ALTER FUNCTION gatepost.inet(varchar) RENAME TO to_inet;
END
$$;

-- Bound to what they name, now that they are made; they can still be inlined, which a function with a path of its own
-- can't.
CREATE OR REPLACE FUNCTION gatepost.email_key(p_email text, p_key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(p_key, lower(p_email COLLATE "C"));

CREATE OR REPLACE FUNCTION gatepost.email_is_plain(p_email text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN p_email COLLATE "C" ~ '^[!-~]*$' AND strpos(lower(p_email COLLATE "C"), 'xn--') = 0;

-- For lists of the owner's own. A function and no view, which would keep columns of the tables from being widened; the
-- statement that asks has it inlined.
DO $$
BEGIN
    EXECUTE format($create$
        CREATE FUNCTION gatepost.live_sessions(
            p_now timestamptz DEFAULT statement_timestamp(),
            p_idle interval DEFAULT NULL
        ) RETURNS SETOF %1$I.user_sessions LANGUAGE sql STABLE PARALLEL SAFE AS $body$
            SELECT s.* FROM %1$I.user_sessions s JOIN %1$I.users u ON u.id = s.user_id
            WHERE gatepost.is_live(s, u, p_now, p_idle)
        $body$
    $create$, current_schema());
END
$$;

COMMENT ON FUNCTION gatepost.live_sessions IS
    'The sessions that can be used: p_idle is SESSION_IDLE_MINUTES, NULL for none.';

-- A role called gatepost would look in here for its tables, and make those of the application here. Its path is the
-- one that it has, without "$user".
DO $$
DECLARE
    v_path text;
BEGIN
    SELECT coalesce(min(found.path) FILTER (WHERE found.place = 1), '"$user", public') INTO v_path
    FROM (
        SELECT substr(c.setting, length('search_path=') + 1) AS path,
            row_number() OVER (ORDER BY s.setrole = 0, s.setdatabase = 0) AS place
        FROM pg_db_role_setting s
        CROSS JOIN unnest(s.setconfig) AS c (setting)
        WHERE c.setting LIKE 'search\_path=%'
            AND s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
            AND s.setrole IN (0, (SELECT r.oid FROM pg_roles r WHERE r.rolname = 'gatepost'))
    ) found;
    IF current_schema() = 'gatepost' OR v_path !~ '\$user'
        OR NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gatepost') THEN
        RETURN;
    END IF;
    v_path := coalesce(nullif(regexp_replace(v_path, '"?\$user"?(\s*,\s*)?', ''), ''), 'public');
    EXECUTE format('ALTER ROLE gatepost IN DATABASE %I SET search_path = %s', current_database(), v_path);
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE WARNING '%', format('The role gatepost would look for its tables in the schema gatepost. Let it, or an '
            'administrator of the server, run: ALTER ROLE gatepost IN DATABASE %I SET search_path = %s;',
            current_database(), v_path) USING ERRCODE = 'GP002';
END
$$;
