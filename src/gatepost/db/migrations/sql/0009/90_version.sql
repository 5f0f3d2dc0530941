INSERT INTO auth_events (action, detail) VALUES ('schema.migrated', '{"version": "0009"}');
