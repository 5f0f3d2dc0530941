-- How many events of each action an hour had, so that a chart of a month need not read the trail of a month.
CREATE TABLE IF NOT EXISTS auth_event_hours (
    hour timestamptz NOT NULL,
    action varchar NOT NULL,
    events bigint NOT NULL,
    PRIMARY KEY (hour, action)
) WITH (fillfactor = 70);

-- One row: up to which event they are counted, and when housekeeping last ran.
CREATE TABLE IF NOT EXISTS auth_housekeeping (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    counted_id bigint NOT NULL DEFAULT 0,
    marked_id bigint NOT NULL DEFAULT 0,
    marked_xid xid8,
    ran_at timestamptz
) WITH (fillfactor = 70);

INSERT INTO auth_housekeeping (id) VALUES (1) ON CONFLICT (id) DO NOTHING;

-- Failed logins alone, which are few: nothing that succeeds pays for it.
CREATE INDEX IF NOT EXISTS auth_events_failed_idx
    ON auth_events (at) INCLUDE (ip_address, user_id) WHERE action = 'login.failed';

-- Counts at most p_limit events into their hours and answers how many those were. By id and not by time, so
-- that an event is counted once, whenever it says that it happened. Ids are given out before they are
-- committed: first a mark is set, the newest id that is a minute old and this transaction's own number, and
-- what lies below it is counted once every transaction has ended that may have been under way by then.
-- It has its owner's rights, because figures that a server can write can be made up by whoever took it over.
CREATE OR REPLACE FUNCTION gatepost_count_events(p_limit integer DEFAULT 20000, p_at timestamptz DEFAULT NULL)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    v_now timestamptz := coalesce(p_at, clock_timestamp());
    v_to bigint;
    v_counted integer := 0;
    v_state record;
BEGIN
    SELECT h.counted_id, h.marked_id, h.marked_xid INTO v_state
    FROM auth_housekeeping h WHERE h.id = 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0; -- another one counts
    END IF;

    v_to := v_state.counted_id;
    IF v_state.marked_id > v_state.counted_id
        AND v_state.marked_xid < pg_snapshot_xmin(pg_current_snapshot())
    THEN
        WITH batch AS MATERIALIZED (
            SELECT e.id, e.at, e.action FROM auth_events e
            WHERE e.id > v_state.counted_id AND e.id <= v_state.marked_id
            ORDER BY e.id
            LIMIT p_limit
        ), added AS (
            INSERT INTO auth_event_hours AS h (hour, action, events)
            SELECT date_trunc('hour', b.at, 'UTC'), b.action, count(*) FROM batch b GROUP BY 1, 2
            ON CONFLICT (hour, action) DO UPDATE SET events = h.events + excluded.events
        )
        SELECT count(*), max(b.id) INTO v_counted, v_to FROM batch b;
        IF v_counted < p_limit THEN
            v_to := v_state.marked_id;
        END IF;
    END IF;

    -- A number that is not given out yet is another server's, from which the tables were restored.
    IF v_to >= v_state.marked_id OR v_state.marked_xid > pg_current_xact_id() THEN
        SELECT max(marked.id) INTO v_state.marked_id
        FROM (
            SELECT e.id FROM auth_events e
            WHERE e.id > v_to AND e.at < v_now - interval '1 minute'
            ORDER BY e.id DESC
            LIMIT 1
        ) marked;
        v_state.marked_xid := pg_current_xact_id();
    END IF;

    UPDATE auth_housekeeping h
    SET counted_id = v_to, marked_id = coalesce(v_state.marked_id, v_to), marked_xid = v_state.marked_xid,
        ran_at = v_now
    WHERE h.id = 1;
    RETURN v_counted;
END
$$;

REVOKE ALL ON FUNCTION gatepost_count_events(integer, timestamptz) FROM PUBLIC;

-- As gatepost_redact_events: no table or operator of the caller's gets in the place of one of these.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION gatepost_count_events(integer, timestamptz) '
        'SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;

COMMENT ON TABLE auth_event_hours IS 'Events by hour (UTC) and action, those up to auth_housekeeping.counted_id. Stays when old events are purged.';
COMMENT ON COLUMN auth_event_hours.hour IS 'When the hour begins.';
COMMENT ON COLUMN auth_event_hours.action IS 'Name of what happened, as in auth_events.';
COMMENT ON COLUMN auth_event_hours.events IS 'How often it did.';
COMMENT ON TABLE auth_housekeeping IS 'How far housekeeping has come: one row.';
COMMENT ON COLUMN auth_housekeeping.counted_id IS 'Events up to this id stand in auth_event_hours, later ones do not.';
COMMENT ON COLUMN auth_housekeeping.marked_id IS 'Up to this id is counted next.';
COMMENT ON COLUMN auth_housekeeping.marked_xid IS 'Once every transaction up to this number has ended.';
COMMENT ON COLUMN auth_housekeeping.ran_at IS 'When housekeeping last ran.';
COMMENT ON INDEX auth_events_failed_idx IS 'Failed logins of the last day, for the overview.';
COMMENT ON FUNCTION gatepost_count_events(integer, timestamptz) IS 'Counts events into auth_event_hours, a batch a call.';
