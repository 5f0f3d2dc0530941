-- Charges one attempt to each of these buckets in turn (GCRA, ITU-T I.371), and answers the first one that has
-- no room, with the whole seconds until it has; NULL where all had. Those before a full one stay charged, those
-- behind it are not looked at. A bucket whose key is NULL is passed over, and without emissions nothing is
-- limited.
-- An attempt passes where `tat` lies no further ahead than the tolerance, and moves it on by the emission:
-- checked and charged by one statement, by whoever locks the row first, so that attempts at the same moment
-- pass as often as the burst and no oftener. A bucket that is seen to be full is neither locked nor written.
-- Each statement in here looks at the table anew, so that the seconds count what others charged meanwhile.
CREATE OR REPLACE FUNCTION gatepost_charge(
    p_buckets varchar[],
    p_keys varchar[],
    p_emissions interval[],
    p_tolerances interval[],
    p_at timestamptz DEFAULT NULL,
    OUT full_bucket varchar,
    OUT full_key varchar,
    OUT retry_after integer
) LANGUAGE plpgsql AS $$
DECLARE
    v_now constant timestamptz := coalesce(p_at, clock_timestamp());
BEGIN
    FOR i IN 1 .. coalesce(cardinality(p_emissions), 0) LOOP
        CONTINUE WHEN p_keys[i] IS NULL;
        INSERT INTO auth_throttles AS b (bucket, key, tat)
        SELECT p_buckets[i], p_keys[i], v_now + p_emissions[i]
        WHERE NOT EXISTS (
            SELECT FROM auth_throttles f
            WHERE f.bucket = p_buckets[i] AND f.key = p_keys[i] AND f.tat > v_now + p_tolerances[i]
        )
        ON CONFLICT (bucket, key) DO UPDATE SET tat = greatest(b.tat, v_now) + p_emissions[i]
        WHERE b.tat <= v_now + p_tolerances[i];
        CONTINUE WHEN FOUND;

        full_bucket := p_buckets[i];
        full_key := p_keys[i];
        retry_after := coalesce((
            SELECT greatest(1, ceil(extract(epoch FROM b.tat - p_tolerances[i] - v_now)))
            FROM auth_throttles b
            WHERE b.bucket = full_bucket AND b.key = full_key
        ), 1);
        RETURN;
    END LOOP;
END
$$;

-- As gatepost_redact_events: found from any search_path, and nothing of the caller's in the place of a table.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION gatepost_charge(varchar[], varchar[], interval[], interval[], timestamptz) '
        'SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;

COMMENT ON FUNCTION gatepost_charge IS 'Charges an attempt to buckets, and answers the first that is full; NULL for none.';
