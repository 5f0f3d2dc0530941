-- What the list of users is sorted by, and the domain of their e-mails: ranges of an index for each kind of user, as
-- those of 0003.
CREATE INDEX IF NOT EXISTS users_created_idx ON users (
    coalesce(is_admin, false),
    coalesce(is_active, false),
    (coalesce(created_at, '-infinity')),
    id
);

CREATE INDEX IF NOT EXISTS users_domain_idx ON users (
    coalesce(is_admin, false),
    coalesce(is_active, false),
    (lower(split_part(left(coalesce(email, '')::text COLLATE "default", 320), '@', -1)) COLLATE "C"),
    id
);
