-- Refusals that have no row on the trail, because too many of their kind came from one place: their number, until
-- housekeeping puts that on the trail.
CREATE TABLE IF NOT EXISTS auth_refusals (
    action varchar NOT NULL,
    place varchar NOT NULL,
    user_id {user_id} NOT NULL DEFAULT {nobody},
    refusals bigint NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (action, place, user_id)
) WITH (fillfactor = 70);

COMMENT ON TABLE auth_refusals IS
    'Refusals without a row on the trail, counted by kind and place until housekeeping puts their number there.';
COMMENT ON COLUMN auth_refusals.action IS 'What they would be in auth_events, such as session.refused.';
COMMENT ON COLUMN auth_refusals.place IS 'IPv4 address, IPv6 /64 or /48, empty where unknown.';
COMMENT ON COLUMN auth_refusals.user_id IS 'Id of the user that they name; 0 for nobody.';
COMMENT ON COLUMN auth_refusals.refusals IS 'How many there were.';
COMMENT ON COLUMN auth_refusals.since IS 'When the first of them was.';
