-- As 0006, with the table that came since.
DO $$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW gatepost.tables_belong_to_gatepost AS ' || (
        SELECT string_agg(format('SELECT %L::text AS name FROM %I.%I WHERE false', t.name, current_schema(), t.name),
            ' UNION ALL ' ORDER BY t.name)
        FROM unnest(ARRAY['users', 'user_sessions', 'auth_events', 'auth_throttles', 'auth_failures', 'auth_links',
            'auth_challenges', 'auth_event_hours', 'auth_housekeeping', 'auth_refusals', 'auth_erased', 'auth_blocks',
            'auth_last_sign_ins',
            'gatepost_features', 'gatepost_version']) AS t (name)
    );
END
$$;
