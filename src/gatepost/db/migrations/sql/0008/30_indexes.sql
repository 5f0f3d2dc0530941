-- The network that one looks at around an address: an IPv4 /24 or, of one customer, an IPv6 /64. NULL for what is
-- no address. The indexes ask it for whoever writes to the table; it reads nothing but what it is given.
CREATE OR REPLACE FUNCTION gatepost.network_of(p_address varchar) RETURNS inet LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN network(set_masklen(gatepost.to_inet(p_address), CASE WHEN strpos(p_address, ':') > 0 THEN 64 ELSE 24 END))::inet;

COMMENT ON FUNCTION gatepost.network_of IS 'The IPv4 /24 or IPv6 /64 that an address is in; NULL for what is none.';

GRANT EXECUTE ON FUNCTION gatepost.network_of TO PUBLIC;

-- Who signed in at an address, and what else happened there or around it, the newest first: each event stands in the
-- one or in the others, so that a flood of failures does not hide a sign-in. Renewals, half of all, stand in none.
CREATE INDEX IF NOT EXISTS auth_events_sign_ins_idx ON auth_events (gatepost.to_inet(ip_address), at)
    WHERE action = 'session.started' AND ip_address IS NOT NULL;

CREATE INDEX IF NOT EXISTS auth_events_address_at_idx ON auth_events (gatepost.to_inet(ip_address), at)
    WHERE action NOT IN ('session.refreshed', 'session.confirmed', 'session.started') AND ip_address IS NOT NULL;

CREATE INDEX IF NOT EXISTS auth_events_network_at_idx ON auth_events (gatepost.network_of(ip_address), at)
    WHERE action NOT IN ('session.refreshed', 'session.confirmed', 'session.started') AND ip_address IS NOT NULL;

DROP INDEX IF EXISTS auth_events_address_idx;

-- What a user did but for renewals: whoever has been signed in for months has thousands of those.
CREATE INDEX IF NOT EXISTS auth_events_notable_idx ON auth_events (user_id, id)
    WHERE action NOT IN ('session.refreshed', 'session.confirmed');

-- What happens seldom is found by what it is; of what happens often the newest ones are never far.
CREATE INDEX IF NOT EXISTS auth_events_seldom_idx ON auth_events (action, id)
    WHERE action NOT IN ('session.refreshed', 'session.confirmed', 'session.started', 'login.failed', 'throttled');

-- As before, in the order of the list.
CREATE INDEX IF NOT EXISTS user_sessions_address_id_idx ON user_sessions (gatepost.to_inet(ip_address), id)
    WHERE is_active;

DROP INDEX IF EXISTS user_sessions_address_idx;
