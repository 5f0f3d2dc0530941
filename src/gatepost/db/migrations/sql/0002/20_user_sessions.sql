ALTER TABLE user_sessions
    ADD COLUMN IF NOT EXISTS place varchar,
    ADD COLUMN IF NOT EXISTS remembered boolean NOT NULL DEFAULT false;
