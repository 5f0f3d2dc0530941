-- A DROP TABLE that nobody meant, such as one that another tool's migration has for tables it does not know, fails:
-- this view depends on every table, and its name is what the error says. It names no column, so that each of them can
-- still be changed.
DO $$
BEGIN
    IF to_regclass('gatepost.tables_belong_to_gatepost') IS NULL THEN
        EXECUTE 'CREATE VIEW gatepost.tables_belong_to_gatepost AS ' || (
            SELECT string_agg(format('SELECT %L::text AS name FROM %I.%I WHERE false', t.name, current_schema(), t.name),
                ' UNION ALL ' ORDER BY t.name)
            FROM unnest(ARRAY['users', 'user_sessions', 'auth_events', 'auth_throttles', 'auth_failures', 'auth_links',
                'auth_challenges', 'auth_event_hours', 'auth_housekeeping', 'auth_refusals', 'auth_erased',
                'gatepost_features', 'gatepost_version']) AS t (name)
        );
    END IF;
END
$$;

COMMENT ON VIEW gatepost.tables_belong_to_gatepost IS
    'Keeps Gatepost''s tables from being dropped by mistake. Whoever means it drops the schema gatepost first.';
