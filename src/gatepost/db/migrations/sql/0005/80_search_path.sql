-- As 0004: every function works from any search_path. Those that have a path keep it.
DO $$
DECLARE
    v_function regprocedure;
BEGIN
    FOR v_function IN
        SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace = quote_ident(current_schema())::regnamespace AND l.lanname = 'plpgsql' AND p.proconfig IS NULL
            AND (p.proname LIKE 'gatepost\_%' OR p.proname IN ('users_stamp_credentials'))
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %s, pg_temp', v_function, (
            SELECT string_agg(quote_ident(s.name), ', ' ORDER BY s.place)
            FROM unnest(current_schemas(false)) WITH ORDINALITY s (name, place)
        ));
    END LOOP;
END
$$;
