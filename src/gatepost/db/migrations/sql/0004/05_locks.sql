-- As 0003: the strongest lock first that is needed of a table later, in the order in which requests take them.
LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE;

LOCK TABLE user_sessions, auth_links, auth_events IN ACCESS EXCLUSIVE MODE;
