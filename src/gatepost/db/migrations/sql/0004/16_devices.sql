-- What a device cookie is bound to: another one with another password, and with another user of the same e-mail.
-- It tells nothing of either; the salt within the hash is known to nobody who has the cookie.
CREATE OR REPLACE FUNCTION gatepost_credentials_stamp(p_user users)
RETURNS varchar LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT left(encode(sha256(convert_to(p_user.id || ':' || p_user.hashed_password, 'UTF8')), 'hex'), 32)
$$;

COMMENT ON FUNCTION gatepost_credentials_stamp IS 'Moves with the user and the password: what device cookies are bound to.';
