-- As 0003: the strongest lock first that is needed of a table later, in the order in which requests take them.
LOCK TABLE users, user_sessions, auth_events IN SHARE ROW EXCLUSIVE MODE;
