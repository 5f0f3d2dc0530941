-- Buckets of the throttle (GCRA): `tat` is the time by which one would be empty again. No index holds it,
-- so that a charge touches none; what has drained is removed by housekeeping, which reads the whole table.
CREATE TABLE IF NOT EXISTS auth_throttles (
    bucket varchar NOT NULL,
    key varchar COLLATE "C" NOT NULL,
    tat timestamptz NOT NULL,
    PRIMARY KEY (bucket, key)
) WITH (fillfactor = 70);

-- Failures in a row, by the place they came from: a success clears those of its own place only.
CREATE TABLE IF NOT EXISTS auth_failures (
    user_id {user_id} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    place varchar NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    last_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, place)
) WITH (fillfactor = 70);
