-- `gatepost migrate` asks before this; whoever runs the printed SQL is told here.
DO $$
BEGIN
    IF current_setting('server_encoding') <> 'UTF8' THEN
        RAISE EXCEPTION 'The database has the encoding %, which can''t hold every name and e-mail: create one'
            ' with ENCODING ''UTF8'' TEMPLATE template0', current_setting('server_encoding');
    END IF;
END
$$;
