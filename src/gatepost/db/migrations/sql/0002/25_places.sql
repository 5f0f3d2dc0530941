-- Where a user signed in from lately: a login asks, and a user may have thousands of rows. A refresh leaves
-- no place behind, so that only sign-ins stand in it.
CREATE INDEX IF NOT EXISTS user_sessions_user_id_place_idx
    ON user_sessions (user_id, place, created_at) WHERE place IS NOT NULL;
