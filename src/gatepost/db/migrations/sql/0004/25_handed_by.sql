ALTER TABLE user_sessions ADD COLUMN IF NOT EXISTS handed_by varchar;

COMMENT ON COLUMN user_sessions.handed_by IS
    'What handed its token out in the place of another, refresh or confirm, until that token first comes; then NULL.';
COMMENT ON COLUMN user_sessions.replaced_by IS
    'Id of the session that took the place of this one: by a refresh, a confirmation or a change of credentials.';
