-- Which domain a passkey was made for: under another one nobody can use it, which `gatepost doctor` tells.
ALTER TABLE auth_passkeys ADD COLUMN rp_id varchar CHECK (length(rp_id) BETWEEN 1 AND 253);

COMMENT ON COLUMN auth_passkeys.rp_id IS 'The domain that it was made for (the RP ID). NULL: it is not known.';
