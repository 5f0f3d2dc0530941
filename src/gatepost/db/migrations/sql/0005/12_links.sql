-- Which purposes there are, features say.
ALTER TABLE auth_links DROP CONSTRAINT IF EXISTS auth_links_purpose_check;
COMMENT ON TABLE auth_links IS 'Links for one use. Rows go with the history.';
COMMENT ON COLUMN auth_links.purpose IS 'What it is for, such as invitation or setup: the feature that makes it.';
