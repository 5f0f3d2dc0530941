-- Removes what the trail holds from before a time, in batches' worth of one call; answers how many events.
-- The owner's alone: a role that serves requests neither may call it nor has the right to delete.
CREATE OR REPLACE FUNCTION gatepost_purge_events(p_before timestamptz, p_limit integer DEFAULT 100000)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_purged integer;
BEGIN
    PERFORM set_config('gatepost.purging', 'on', true);
    WITH due AS (
        SELECT e.id FROM auth_events e WHERE e.at < p_before ORDER BY e.id LIMIT p_limit
    )
    DELETE FROM auth_events e WHERE e.id = ANY(ARRAY(SELECT due.id FROM due));
    GET DIAGNOSTICS v_purged = ROW_COUNT;
    PERFORM set_config('gatepost.purging', 'off', true);
    INSERT INTO auth_events (action, detail)
    VALUES ('events.purged', jsonb_build_object('before', p_before, 'events', v_purged));
    RETURN v_purged;
END
$$;

REVOKE ALL ON FUNCTION gatepost_purge_events(timestamptz, integer) FROM PUBLIC;

CREATE OR REPLACE FUNCTION auth_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('gatepost.purging', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'auth_events is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
