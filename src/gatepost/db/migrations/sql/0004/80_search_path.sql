-- Every function works from any search_path: it finds the tables where they were made. Behind them comes the
-- path in force now, which is the server's own, so that triggers of the application run as they always do.
-- Functions that have a path keep it; those of SQL alone are bound to what they name when they are made, so
-- that they can be inlined.
DO $$
DECLARE
    v_function regprocedure;
BEGIN
    FOR v_function IN
        SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace = quote_ident(current_schema())::regnamespace AND l.lanname = 'plpgsql' AND p.proconfig IS NULL
            AND (p.proname LIKE 'gatepost\_%' OR p.proname IN ('auth_events_append_only', 'auth_events_ring',
                'user_sessions_note_end', 'users_temporary_password', 'users_password_columns',
                'users_email_key'))
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', v_function, (
            SELECT string_agg(quote_ident(s.name), ', ' ORDER BY s.place)
            FROM unnest(current_schemas(false)) WITH ORDINALITY s (name, place)
        ));
    END LOOP;
END
$$;
