-- First the columns that the guide names, with its types and defaults, then Gatepost's own: an INSERT
-- that knows the former only works. fillfactor leaves room on each page and no index holds last_used_at,
-- so that writing it touches no index (a HOT update).
CREATE TABLE IF NOT EXISTS user_sessions (
    id serial PRIMARY KEY,
    session_token varchar COLLATE "C" UNIQUE NOT NULL,
    user_id {session_user_id} REFERENCES users (id) ON DELETE CASCADE,
    is_active boolean DEFAULT true,
    expires_at timestamptz NOT NULL,
    created_at timestamptz DEFAULT now(),
    last_used_at timestamptz DEFAULT now(),
    ip_address varchar,
    user_agent text,
    ended_at timestamptz,
    end_reason varchar,
    authenticated_at timestamptz DEFAULT now(),
    absolute_expires_at timestamptz,
    family_id integer,
    replaced_by integer,
    successor_nonce bytea
) WITH (fillfactor = 80);

-- What a table lacks that was made from the guide's CREATE TABLE. When its sessions were authenticated
-- isn't known, so that the default comes after the column.
ALTER TABLE user_sessions
    ADD COLUMN IF NOT EXISTS ended_at timestamptz,
    ADD COLUMN IF NOT EXISTS end_reason varchar,
    ADD COLUMN IF NOT EXISTS authenticated_at timestamptz,
    ADD COLUMN IF NOT EXISTS absolute_expires_at timestamptz,
    ADD COLUMN IF NOT EXISTS family_id integer,
    ADD COLUMN IF NOT EXISTS replaced_by integer,
    ADD COLUMN IF NOT EXISTS successor_nonce bytea;

ALTER TABLE user_sessions
    ALTER COLUMN is_active SET DEFAULT true,
    ALTER COLUMN created_at SET DEFAULT now(),
    ALTER COLUMN last_used_at SET DEFAULT now(),
    ALTER COLUMN authenticated_at SET DEFAULT now(),
    ALTER COLUMN session_token SET NOT NULL,
    ALTER COLUMN expires_at SET NOT NULL,
    SET (fillfactor = 80);

-- Tokens are compared byte by byte, and an id is as wide as the one that it refers to.
DO $$
DECLARE
    narrow record;
BEGIN
    IF EXISTS (
        SELECT FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation
        WHERE a.attrelid = 'user_sessions'::regclass AND a.attname = 'session_token'
            AND (c.collname <> 'C' OR a.atttypid <> 'varchar'::regtype OR a.atttypmod <> -1)
    ) THEN
        ALTER TABLE user_sessions ALTER COLUMN session_token TYPE varchar COLLATE "C";
    END IF;

    FOR narrow IN
        SELECT own.attname, format_type(other.atttypid, NULL) AS wide
        FROM (VALUES
            ('user_id', 'users'::regclass), ('family_id', 'user_sessions'), ('replaced_by', 'user_sessions')
        ) AS reference (col, target)
        JOIN pg_attribute own ON own.attrelid = 'user_sessions'::regclass AND own.attname = reference.col
        JOIN pg_attribute other ON other.attrelid = reference.target AND other.attname = 'id'
        WHERE own.attlen < other.attlen
    LOOP
        EXECUTE format('ALTER TABLE user_sessions ALTER COLUMN %I TYPE %s', narrow.attname, narrow.wide);
    END LOOP;
END
$$;

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = 'user_sessions'::regclass AND a.attname = 'session_token' AND i.indnkeyatts = 1
            AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
    ) THEN
        ALTER TABLE user_sessions ADD CONSTRAINT user_sessions_session_token_key UNIQUE (session_token);
    END IF;
    -- A foreign key that exists stays as it is. One that is added lets the rows be that it would refuse.
    IF NOT EXISTS (
        SELECT FROM pg_constraint c
        WHERE c.conrelid = 'user_sessions'::regclass AND c.confrelid = 'users'::regclass AND c.contype = 'f'
    ) THEN
        ALTER TABLE user_sessions ADD CONSTRAINT user_sessions_user_id_fkey
            FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE NOT VALID;
    END IF;
END
$$;

CREATE INDEX IF NOT EXISTS user_sessions_user_id_is_active_idx ON user_sessions (user_id, is_active);

CREATE INDEX IF NOT EXISTS user_sessions_expires_at_idx ON user_sessions (expires_at) WHERE is_active;

CREATE INDEX IF NOT EXISTS user_sessions_ended_at_idx ON user_sessions (ended_at) WHERE NOT is_active;
