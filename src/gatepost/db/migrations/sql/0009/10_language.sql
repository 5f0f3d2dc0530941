-- What users read who chose no language: mails to them are written in it, whoever asks for those. No page goes by it:
-- the browser knows better, and only a choice follows its user to others. Without a default no row is written.
ALTER TABLE auth_last_sign_ins ADD COLUMN IF NOT EXISTS language varchar;

COMMENT ON COLUMN auth_last_sign_ins.language IS
    'What was last read on signing in (RFC 5646), for mails to users who chose no language. NULL: not known.';
COMMENT ON COLUMN users.language IS
    'The language that the user chose (RFC 5646), such as de or pt-BR. NULL: none; auth_last_sign_ins has what they read.';
