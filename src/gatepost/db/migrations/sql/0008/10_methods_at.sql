-- When each method was proven: a confirmation may prove fewer than the sign-in did. Without a default no row is written.
ALTER TABLE user_sessions ADD COLUMN IF NOT EXISTS methods_at timestamptz[];

COMMENT ON COLUMN user_sessions.methods_at IS
    'When each of methods was proven, in their order. NULL: all of them at authenticated_at.';
