-- Networks from which nobody gets at a password, a link or a new token, whoever it is.
CREATE TABLE IF NOT EXISTS auth_blocks (
    id bigserial PRIMARY KEY,
    network cidr NOT NULL,
    until timestamptz,
    reason varchar,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by {user_id} REFERENCES users (id) ON DELETE SET NULL,
    lifted_at timestamptz,
    lifted_by {user_id} REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT auth_blocks_shape CHECK (
        (family(network) = 4 OR masklen(network) <= 64) AND length(reason) <= 200
        AND created_at >= '2000-01-01Z'::timestamptz AND created_at < '3000-01-01Z'::timestamptz
        AND until >= '2000-01-01Z'::timestamptz AND until < '3000-01-01Z'::timestamptz
        AND lifted_at >= '2000-01-01Z'::timestamptz AND lifted_at < '3000-01-01Z'::timestamptz
    )
);

-- What every sign-in asks: is this address in a network that is blocked? However many there are.
CREATE INDEX IF NOT EXISTS auth_blocks_network_idx ON auth_blocks USING gist (network inet_ops)
    WHERE lifted_at IS NULL;

-- What deleting a user asks for.
CREATE INDEX IF NOT EXISTS auth_blocks_created_by_idx ON auth_blocks (created_by) WHERE created_by IS NOT NULL;

CREATE INDEX IF NOT EXISTS auth_blocks_lifted_by_idx ON auth_blocks (lifted_by) WHERE lifted_by IS NOT NULL;

COMMENT ON TABLE auth_blocks IS 'Networks that are blocked, and were. Rows go with the history, once they have ended.';
COMMENT ON COLUMN auth_blocks.network IS 'An address or a network; of IPv6 a /64 at the least, which one customer has.';
COMMENT ON COLUMN auth_blocks.until IS 'Blocked until then; NULL: until it is lifted.';
COMMENT ON COLUMN auth_blocks.reason IS 'What an administrator noted.';
COMMENT ON COLUMN auth_blocks.created_by IS 'The administrator who blocked it; NULL for a command.';
COMMENT ON COLUMN auth_blocks.lifted_at IS 'When it was lifted early; NULL until then.';
COMMENT ON COLUMN auth_blocks.lifted_by IS 'The administrator who lifted it; NULL for a command.';

-- As before, but that an address which is blocked is refused first, as if a bucket called block were full: whether
-- or not anything is limited, without a lock and without writing. NULL is blocked nowhere.
DROP FUNCTION IF EXISTS gatepost.charge(varchar[], varchar[], interval[], interval[], timestamptz);

CREATE OR REPLACE FUNCTION gatepost.charge(
    p_buckets varchar[],
    p_keys varchar[],
    p_emissions interval[],
    p_tolerances interval[],
    p_at timestamptz DEFAULT NULL,
    p_address inet DEFAULT NULL,
    OUT full_bucket varchar,
    OUT full_key varchar,
    OUT retry_after integer
) LANGUAGE plpgsql AS $$
DECLARE
    v_now constant timestamptz := coalesce(p_at, clock_timestamp());
BEGIN
    IF p_address IS NOT NULL THEN
        -- The one that lasts longest. Whoever waits asks again after an hour: it may be lifted by then.
        SELECT 'block', b.network::text,
            ceil(extract(epoch FROM least(b.until, v_now + interval '1 hour') - v_now))
        INTO full_bucket, full_key, retry_after
        FROM auth_blocks b
        WHERE b.network >>= p_address AND b.lifted_at IS NULL AND coalesce(b.until > v_now, true)
        ORDER BY b.until DESC NULLS FIRST
        LIMIT 1;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;

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

-- As before: found from any search_path, and nothing of the caller's in the place of a table.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION gatepost.charge(varchar[], varchar[], interval[], interval[], timestamptz, inet) '
        'SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;

COMMENT ON FUNCTION gatepost.charge IS
    'Charges an attempt to buckets, and answers the first that is full, or the block that the address is in; NULL for none.';
