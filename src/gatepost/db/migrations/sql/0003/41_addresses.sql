-- An address as one that can be compared with a network; NULL for what is none. Columns of addresses are
-- text, as the guide has them, and an adopted table may hold anything: nothing gets to the cast, which
-- would raise, but what it takes.
CREATE OR REPLACE FUNCTION gatepost_inet(p_address varchar) RETURNS inet LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN p_address ~ '^((25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(\.(?!$)|$)){4}$'
            OR (p_address ~* '^([0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}|([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?::([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?)$'
                AND length(p_address) - length(replace(p_address, ':', '')) <= 7)
        THEN p_address::inet
    END
$$;

COMMENT ON FUNCTION gatepost_inet IS 'The address that a text is; NULL for what is none.';
