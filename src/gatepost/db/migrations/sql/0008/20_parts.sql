-- What a search for a part of an e-mail or name reads, see store/parts.py: all of three characters that stand next to
-- each other. Of Gatepost's own, because not everybody may create the extension pg_trgm, and there is one search then.
CREATE OR REPLACE FUNCTION gatepost.parts(p_text text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY(SELECT substr(p_text, i, 3) FROM generate_series(1, length(p_text) - 2) AS i);

COMMENT ON FUNCTION gatepost.parts IS 'All of three characters that stand next to each other in a text.';

-- Whoever adds a user runs it, the application with its own role too.
GRANT EXECUTE ON FUNCTION gatepost.parts TO PUBLIC;

-- Without a list of what is still to be added, which each search would read.
CREATE INDEX IF NOT EXISTS users_parts_idx ON users USING gin ((gatepost.parts(
    lower(left(coalesce(email, '')::text COLLATE "default", 320)
        || E'\n' || left(coalesce(name, '')::text COLLATE "default", 100))
) COLLATE "C")) WITH (fastupdate = off);
