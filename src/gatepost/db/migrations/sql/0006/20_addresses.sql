-- What happened at an address or in a network, without renewals: half of all there is, and nothing by themselves.
CREATE INDEX IF NOT EXISTS auth_events_address_idx ON auth_events (gatepost.to_inet(ip_address), at)
    WHERE action NOT IN ('session.refreshed', 'session.confirmed') AND ip_address IS NOT NULL;

-- Which sessions are open there.
CREATE INDEX IF NOT EXISTS user_sessions_address_idx ON user_sessions (gatepost.to_inet(ip_address)) WHERE is_active;

-- Whoever writes to these tables asks it, the application too; it reads nothing but what it is given.
GRANT EXECUTE ON FUNCTION gatepost.to_inet TO PUBLIC;
