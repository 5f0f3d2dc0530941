-- Sign-ins that are not complete: something is proven, and one more step is due. There is no session before the last.
CREATE TABLE IF NOT EXISTS auth_challenges (
    digest varchar COLLATE "C" PRIMARY KEY,
    purpose varchar NOT NULL,
    user_id {user_id} REFERENCES users (id) ON DELETE CASCADE,
    stamp uuid,
    methods varchar[] NOT NULL DEFAULT '{}',
    by_cookie boolean NOT NULL,
    remembered boolean NOT NULL DEFAULT false,
    is_known boolean NOT NULL DEFAULT false,
    hashed_password varchar,
    state jsonb NOT NULL DEFAULT '{}',
    tries smallint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT auth_challenges_shape CHECK (
        length(digest) <= 200 AND length(purpose) BETWEEN 1 AND 64 AND tries BETWEEN 0 AND 100
        AND cardinality(methods) <= 20 AND length(state::text) <= 10000
        AND created_at >= '2000-01-01Z'::timestamptz AND created_at < '3000-01-01Z'::timestamptz
        AND expires_at >= '2000-01-01Z'::timestamptz AND expires_at < '3000-01-01Z'::timestamptz
    )
);

-- What deleting a user asks for, and housekeeping.
CREATE INDEX IF NOT EXISTS auth_challenges_user_id_idx ON auth_challenges (user_id);

CREATE INDEX IF NOT EXISTS auth_challenges_expires_at_idx ON auth_challenges (expires_at);

COMMENT ON TABLE auth_challenges IS 'Sign-ins that wait for one more step. Rows live for five minutes.';
COMMENT ON COLUMN auth_challenges.digest IS 'HMAC-SHA256 of the challenge; the key is not in the database.';
COMMENT ON COLUMN auth_challenges.purpose IS 'sign_in: finishing it starts a session.';
COMMENT ON COLUMN auth_challenges.user_id IS 'Whose sign-in it is.';
COMMENT ON COLUMN auth_challenges.stamp IS 'The user''s credentials_stamp when the first step was proven; with another one the challenge is worthless.';
COMMENT ON COLUMN auth_challenges.methods IS 'What is proven so far, by the names of RFC 8176.';
COMMENT ON COLUMN auth_challenges.by_cookie IS 'A cookie holds it, and nothing but that cookie answers it.';
COMMENT ON COLUMN auth_challenges.remembered IS 'The session is to outlive the browser.';
COMMENT ON COLUMN auth_challenges.is_known IS 'It began where the user has signed in before: too many failures do not lock it.';
COMMENT ON COLUMN auth_challenges.hashed_password IS 'What the password becomes once the sign-in is complete. NULL: it stays.';
COMMENT ON COLUMN auth_challenges.state IS 'What the step that is due keeps between its options and the answer.';
COMMENT ON COLUMN auth_challenges.tries IS 'Wrong answers so far.';
COMMENT ON COLUMN auth_challenges.expires_at IS 'Refused from then on.';
