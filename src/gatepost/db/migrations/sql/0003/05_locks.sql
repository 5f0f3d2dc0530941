-- The strongest lock first that is needed of a table later, and tables in the order in which requests take
-- them: a lock that is made stronger would wait in a ring with whoever has the weaker one too.
LOCK TABLE users IN ACCESS EXCLUSIVE MODE;

LOCK TABLE auth_events IN SHARE ROW EXCLUSIVE MODE;
