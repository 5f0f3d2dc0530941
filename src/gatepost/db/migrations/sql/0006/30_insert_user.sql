-- For an application whose users have columns of its own that must be filled: a row with these besides Gatepost's. Their
-- names are looked up, so that nothing but columns of the table is ever put into the statement.
DO $$
BEGIN
    EXECUTE format($create$
        CREATE OR REPLACE FUNCTION gatepost.insert_user(
            p_email text, p_name text, p_hashed_password text, p_is_admin boolean, p_at timestamptz, p_email_key text,
            p_own jsonb
        ) RETURNS SETOF %1$I.users LANGUAGE plpgsql SET search_path = %2$s, pg_temp AS $body$
        DECLARE
            v_names text;
            v_values text;
        BEGIN
            SELECT string_agg(', ' || quote_ident(a.attname), '' ORDER BY a.attnum),
                string_agg(', o.' || quote_ident(a.attname), '' ORDER BY a.attnum)
            INTO v_names, v_values
            FROM pg_attribute a
            WHERE a.attrelid = '%1$I.users'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND p_own ? a.attname;
            RETURN QUERY EXECUTE format('INSERT INTO %1$I.users (email, name, hashed_password, is_admin, is_active, '
                'created_at, updated_at, email_key%%s) SELECT $1, $2, $3, $4, true, $5, $5, $6%%s '
                'FROM jsonb_populate_record(NULL::%1$I.users, $7) o RETURNING *', v_names, v_values)
                USING p_email, p_name, p_hashed_password, p_is_admin, coalesce(p_at, statement_timestamp()),
                    p_email_key, p_own;
        END
        $body$
    $create$, current_schema(), (
        SELECT string_agg(quote_ident(s.name), ', ' ORDER BY s.place)
        FROM unnest(current_schemas(false)) WITH ORDINALITY s (name, place)
    ));
END
$$;

COMMENT ON FUNCTION gatepost.insert_user IS
    'Adds a user; p_own holds the columns that the application fills (auth.on_insert), by name.';
