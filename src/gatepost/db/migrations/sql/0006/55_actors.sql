-- What an administrator did, newest first: a small part of all there is.
CREATE INDEX IF NOT EXISTS auth_events_admin_id_idx ON auth_events ((detail ->> 'admin_id'), id)
    WHERE detail ->> 'admin_id' IS NOT NULL;
