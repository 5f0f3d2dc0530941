-- A code works in the browser that asked for it: a code that somebody was talked out of, or that was read over a
-- shoulder, is of no use elsewhere, and nobody else takes its tries.
ALTER TABLE auth_email_links ADD COLUMN browser varchar COLLATE "C",
    ADD CONSTRAINT auth_email_links_browser CHECK (length(browser) <= 200);

COMMENT ON COLUMN auth_email_links.browser IS 'HMAC-SHA256 of what the browser keeps that asked; its code works there alone. NULL: anywhere.';
