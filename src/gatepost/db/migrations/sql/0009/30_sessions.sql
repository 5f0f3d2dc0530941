-- As before, with what the order of a network's sessions is read from: the table is asked for those that are shown.
CREATE INDEX IF NOT EXISTS user_sessions_open_idx ON user_sessions (gatepost.to_inet(ip_address), id) INCLUDE (ip_address)
    WHERE is_active;

DROP INDEX IF EXISTS user_sessions_address_id_idx;
