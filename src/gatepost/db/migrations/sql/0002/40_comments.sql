COMMENT ON TABLE auth_throttles IS 'Buckets of attempts that were charged lately. Rows go when they have drained.';
COMMENT ON COLUMN auth_throttles.bucket IS 'What is limited, such as login_address.';
COMMENT ON COLUMN auth_throttles.key IS 'Whose bucket it is: an address, a network, an id, or an HMAC of an e-mail.';
COMMENT ON COLUMN auth_throttles.tat IS 'Theoretical arrival time of GCRA: when the bucket would be empty again.';
COMMENT ON TABLE auth_failures IS 'Failed passwords in a row, by user and the place they came from.';
COMMENT ON COLUMN auth_failures.place IS 'IPv4 address or IPv6 /64, empty where unknown.';
COMMENT ON COLUMN user_sessions.place IS 'Where the sign-in came from: IPv4 address or IPv6 /64. NULL after a refresh.';
COMMENT ON COLUMN user_sessions.remembered IS 'Its cookie outlives the browser ("keep me signed in").';
INSERT INTO auth_events (action, detail) VALUES ('schema.migrated', '{"version": "0002"}');
