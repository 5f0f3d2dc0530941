-- As 0003: the strongest lock first that is needed of a table later, in the order in which requests take them.
LOCK TABLE user_sessions, auth_last_sign_ins IN ACCESS EXCLUSIVE MODE;
