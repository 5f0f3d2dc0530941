-- An address as one that can be compared with a network; NULL for what is none. Columns of addresses are
-- text, as the guide has them, and an adopted table may hold anything: nothing gets to the cast, which
-- would raise, but what it takes.
CREATE OR REPLACE FUNCTION gatepost_inet(p_address varchar) RETURNS inet LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        -- Most are of this kind, which no pattern is asked about: of a million rows that takes five seconds.
        WHEN translate(p_address, '0123456789', '') = '...' THEN CASE
            WHEN length(p_address) <= 15 AND strpos('.' || p_address || '.', '..') = 0 THEN CASE
                WHEN greatest(split_part(p_address, '.', 1)::bigint, split_part(p_address, '.', 2)::bigint,
                    split_part(p_address, '.', 3)::bigint, split_part(p_address, '.', 4)::bigint) <= 255
                THEN p_address::inet
            END
        END
        WHEN p_address ~* '^([0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}|([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?::([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?)$'
            AND length(p_address) - length(replace(p_address, ':', '')) <= 7
        THEN p_address::inet
    END
$$;

COMMENT ON FUNCTION gatepost_inet IS 'The address that a text is; NULL for what is none.';
