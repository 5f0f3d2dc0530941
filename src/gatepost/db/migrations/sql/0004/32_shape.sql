-- What no server of ours writes, and what would stop whoever reads: numbers and times past what clients can hold,
-- texts without an end. Rows that exist stay as they are.
ALTER TABLE auth_events ADD CONSTRAINT auth_events_shape CHECK (
    id > 0 AND id < 4611686018427387904
    AND at >= '2000-01-01Z'::timestamptz AND at < '3000-01-01Z'::timestamptz
    AND length(action) BETWEEN 1 AND 64
    AND {user_id_in_bounds} AND abs(session_id) < 4611686018427387904
    AND length(ip_address) <= 64 AND length(user_agent) <= 10000
    AND jsonb_typeof(detail) = 'object' AND length(detail::text) <= 100000
) NOT VALID;

ALTER TABLE auth_links ADD CONSTRAINT auth_links_shape CHECK (
    id > 0 AND id < 4611686018427387904
    AND length(digest) <= 200 AND length(email) <= 320
    AND created_at >= '2000-01-01Z'::timestamptz AND created_at < '3000-01-01Z'::timestamptz
    AND (expires_at >= '2000-01-01Z'::timestamptz AND expires_at < '3000-01-01Z'::timestamptz)
    AND (used_at >= '2000-01-01Z'::timestamptz AND used_at < '3000-01-01Z'::timestamptz)
        IS NOT FALSE
    AND (revoked_at >= '2000-01-01Z'::timestamptz AND revoked_at < '3000-01-01Z'::timestamptz)
        IS NOT FALSE
) NOT VALID;

ALTER TABLE auth_throttles ADD CONSTRAINT auth_throttles_shape CHECK (
    length(bucket) <= 64 AND length(key) <= 400
    AND tat >= '2000-01-01Z'::timestamptz AND tat < '3000-01-01Z'::timestamptz
) NOT VALID;

ALTER TABLE auth_failures ADD CONSTRAINT auth_failures_shape CHECK (
    length(place) <= 200 AND failures >= 0
    AND last_at >= '2000-01-01Z'::timestamptz AND last_at < '3000-01-01Z'::timestamptz
) NOT VALID;

ALTER TABLE auth_refusals ADD CONSTRAINT auth_refusals_shape CHECK (
    length(action) BETWEEN 1 AND 64 AND length(place) <= 64 AND user_id >= {nobody}
    AND refusals BETWEEN 1 AND 4611686018427387903
    AND since >= '2000-01-01Z'::timestamptz AND since < '3000-01-01Z'::timestamptz
) NOT VALID;

ALTER TABLE auth_housekeeping ADD CONSTRAINT auth_housekeeping_shape CHECK (
    ran_at >= '2000-01-01Z'::timestamptz AND ran_at < '3000-01-01Z'::timestamptz
) NOT VALID;

-- Of sessions, which adopted tables and SQL of the owner's may fill, what a client can hold alone.
ALTER TABLE user_sessions ADD CONSTRAINT user_sessions_shape CHECK (
    id > 0 AND id < 4611686018427387904
    AND (expires_at = 'infinity' OR expires_at >= '0001-01-02Z'::timestamptz AND expires_at < '9999-12-31Z'::timestamptz)
    AND (created_at >= '0001-01-02Z'::timestamptz AND created_at < '9999-12-31Z'::timestamptz) IS NOT FALSE
    AND (last_used_at >= '0001-01-02Z'::timestamptz AND last_used_at < '9999-12-31Z'::timestamptz) IS NOT FALSE
    AND (ended_at >= '0001-01-02Z'::timestamptz AND ended_at < '9999-12-31Z'::timestamptz) IS NOT FALSE
) NOT VALID;
