-- What a proof of identity is bound to. The stamp moves with anything that the user signs in with, so that what was
-- proven before counts no more. It is random: a stamp never comes back, not even with a restored backup. Users who
-- are there keep NULL, which stands for the stamp that their devices have, so that no row is written now.
ALTER TABLE users
    ADD COLUMN IF NOT EXISTS credentials_stamp uuid,
    ADD COLUMN IF NOT EXISTS email_verified_at timestamptz;

ALTER TABLE users ALTER COLUMN credentials_stamp SET DEFAULT gen_random_uuid();

COMMENT ON COLUMN users.credentials_stamp IS
    'Another one whenever what the user signs in with changes: password, e-mail, or a disabled account. NULL: it has not changed since the column was added.';
COMMENT ON COLUMN users.email_verified_at IS
    'When the user proved that the e-mail is theirs. NULL: not yet, or not since it changed.';

-- Not bound to the columns: the type of hashed_password is the application's.
DROP FUNCTION gatepost_credentials_stamp(users);

CREATE FUNCTION gatepost_credentials_stamp(p_user users) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(p_user.credentials_stamp,
        left(encode(sha256(convert_to(p_user.id || ':' || coalesce(p_user.hashed_password, ''), 'UTF8')), 'hex'), 32)::uuid)
$$;

COMMENT ON FUNCTION gatepost_credentials_stamp IS
    'What sessions to be started, device cookies and links are bound to: it moves when a user''s credentials change.';

-- Asked in the function, not by the trigger: the type of a column that a trigger names can't be changed. Its name comes
-- after users_password_columns and users_email_key, which settle the hash and the key. A stamp that the statement
-- brings stands: so a hash that is made again of the same password keeps it (store/users.py).
CREATE OR REPLACE FUNCTION users_stamp_credentials() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_has_another_email constant boolean := NEW.email IS DISTINCT FROM OLD.email
        AND gatepost_email_key(NEW.email, NEW.email_key) IS DISTINCT FROM gatepost_email_key(OLD.email, OLD.email_key);
BEGIN
    IF v_has_another_email AND NEW.email_verified_at IS NOT DISTINCT FROM OLD.email_verified_at THEN
        NEW.email_verified_at := NULL;
    END IF;
    IF NEW.credentials_stamp IS NOT DISTINCT FROM OLD.credentials_stamp
        AND (v_has_another_email
            OR NEW.hashed_password IS DISTINCT FROM OLD.hashed_password
            OR OLD.is_active AND NEW.is_active IS NOT TRUE)
    THEN
        NEW.credentials_stamp := gen_random_uuid();
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER users_stamp_credentials BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION users_stamp_credentials();

-- How a session's user proved who they are. Those that are there were started by a password; of one that an INSERT
-- adds without saying so, nothing is known.
ALTER TABLE user_sessions
    ADD COLUMN IF NOT EXISTS methods varchar[] NOT NULL DEFAULT '{pwd}',
    ADD COLUMN IF NOT EXISTS aal smallint NOT NULL DEFAULT 1;

ALTER TABLE user_sessions ALTER COLUMN methods SET DEFAULT '{}';

COMMENT ON COLUMN user_sessions.methods IS
    'What the user proved their identity with, by the names of RFC 8176: pwd, otp, mfa and others.';
COMMENT ON COLUMN user_sessions.aal IS
    'Authenticator assurance level (NIST SP 800-63B-4): 2 where more than one factor was proven, else 1.';
