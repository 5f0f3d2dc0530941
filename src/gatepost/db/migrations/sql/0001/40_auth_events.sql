-- No foreign keys: an event outlives the user and the session that it tells of.
CREATE TABLE IF NOT EXISTS auth_events (
    id bigserial PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    action varchar NOT NULL,
    user_id {user_id},
    session_id bigint,
    ip_address varchar,
    user_agent text,
    detail jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX IF NOT EXISTS auth_events_user_id_id_idx ON auth_events (user_id, id);

CREATE INDEX IF NOT EXISTS auth_events_at_idx ON auth_events USING brin (at);

CREATE OR REPLACE FUNCTION auth_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'auth_events is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Once a statement, so that one that would touch no row is refused as well.
CREATE OR REPLACE TRIGGER auth_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON auth_events
    FOR EACH STATEMENT EXECUTE FUNCTION auth_events_append_only();

INSERT INTO auth_events (action, detail) VALUES ('schema.migrated', '{"version": "0001"}');
