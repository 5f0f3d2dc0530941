-- Rings where somebody listens: whoever follows the trail holds the first of these locks (db/listener.py).
-- While nobody does, the trigger takes a share of it, waits for nobody and calls no function. NOTIFY makes
-- those who commit take turns, so that of the transactions under way at one time one rings, which holds the
-- second lock; who listens looks once more a moment later.
CREATE OR REPLACE FUNCTION auth_events_ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_try_advisory_xact_lock(7238150043211874582) THEN
        PERFORM pg_notify('gatepost_events', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER auth_events_ring AFTER INSERT ON auth_events
    FOR EACH STATEMENT WHEN (NOT pg_try_advisory_xact_lock_shared(7238150043211874581))
    EXECUTE FUNCTION auth_events_ring();

COMMENT ON FUNCTION auth_events_ring IS 'Says by NOTIFY gatepost_events that there are events, to whoever listens.';
