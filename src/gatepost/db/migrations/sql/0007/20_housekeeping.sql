-- What housekeeping did when it last found something to do; most runs find nothing.
ALTER TABLE auth_housekeeping
    ADD COLUMN IF NOT EXISTS worked_at timestamptz,
    ADD COLUMN IF NOT EXISTS ended bigint,
    ADD COLUMN IF NOT EXISTS deleted bigint;

COMMENT ON COLUMN auth_housekeeping.worked_at IS 'When a run last ended sessions or deleted rows; NULL for never.';
COMMENT ON COLUMN auth_housekeeping.ended IS 'Expired sessions that this run ended.';
COMMENT ON COLUMN auth_housekeeping.deleted IS 'Rows of ended sessions that it deleted.';
