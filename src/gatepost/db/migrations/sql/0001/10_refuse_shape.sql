-- Tables of these names may exist: the application's users, sessions made from the same CREATE TABLE.
-- Columns that can't be worked with are refused, all of them at once, before anything is changed.
DO $$
DECLARE
    existing record;
    problems text;
BEGIN
    FOR existing IN
        SELECT c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relname IN ('users', 'user_sessions', 'auth_events')
        ORDER BY c.relname DESC
    LOOP
        IF existing.relkind <> 'r' THEN
            RAISE EXCEPTION '% exists and is not an ordinary table', existing.relname USING ERRCODE = 'GP001';
        END IF;
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', existing.relname);
    END LOOP;

    SELECT string_agg(CASE
        WHEN a.attnum IS NULL THEN format('%s.%s is missing.', rule.tab, rule.col)
        WHEN rule.accepted = '{boolean}' THEN format(
            '%1$s.%2$s is %3$s, it must be boolean. Run: ALTER TABLE %1$s ALTER COLUMN %2$s DROP DEFAULT, '
            'ALTER COLUMN %2$s TYPE boolean USING %2$s::text::boolean;',
            rule.tab, rule.col, format_type(a.atttypid, a.atttypmod))
        ELSE format('%s.%s is %s, it must be %s.',
            rule.tab, rule.col, format_type(a.atttypid, a.atttypmod), array_to_string(rule.accepted, ' or '))
        END, E'\n' ORDER BY rule.tab DESC, a.attnum) INTO problems
    FROM (VALUES
        ('users', 'id', 'required', '{integer,bigint,uuid,text,character varying,smallint}'::text[]),
        ('users', 'email', 'required', '{character varying,text,citext}'),
        ('users', 'name', 'may be missing', '{character varying,text,citext}'),
        ('users', 'is_admin', 'may be missing', '{boolean}'),
        ('users', 'is_active', 'may be missing', '{boolean}'),
        ('users', 'created_at', 'may be missing', '{timestamp with time zone,timestamp without time zone}'),
        ('users', 'updated_at', 'may be missing', '{timestamp with time zone,timestamp without time zone}'),
        ('user_sessions', 'id', 'required', '{integer,bigint}'),
        ('user_sessions', 'session_token', 'required', '{character varying,text}'),
        ('user_sessions', 'user_id', 'required', '{{fitting_types}}'),
        ('user_sessions', 'is_active', 'required', '{boolean}'),
        ('user_sessions', 'expires_at', 'required', '{timestamp with time zone}'),
        ('user_sessions', 'created_at', 'required', '{timestamp with time zone}'),
        ('user_sessions', 'last_used_at', 'required', '{timestamp with time zone}'),
        ('user_sessions', 'ip_address', 'required', '{character varying,text}'),
        ('user_sessions', 'user_agent', 'required', '{character varying,text}'),
        ('user_sessions', 'ended_at', 'may be missing', '{timestamp with time zone}'),
        ('user_sessions', 'end_reason', 'may be missing', '{character varying,text}'),
        ('user_sessions', 'authenticated_at', 'may be missing', '{timestamp with time zone}'),
        ('user_sessions', 'absolute_expires_at', 'may be missing', '{timestamp with time zone}'),
        ('user_sessions', 'family_id', 'may be missing', '{integer,bigint}'),
        ('user_sessions', 'replaced_by', 'may be missing', '{integer,bigint}'),
        ('user_sessions', 'successor_nonce', 'may be missing', '{bytea}'),
        ('auth_events', 'id', 'required', '{bigint}'),
        ('auth_events', 'at', 'required', '{timestamp with time zone}'),
        ('auth_events', 'action', 'required', '{character varying,text}'),
        ('auth_events', 'user_id', 'required', '{{user_id}}'),
        ('auth_events', 'session_id', 'required', '{bigint}'),
        ('auth_events', 'ip_address', 'required', '{character varying,text}'),
        ('auth_events', 'user_agent', 'required', '{character varying,text}'),
        ('auth_events', 'detail', 'required', '{jsonb}')
    ) AS rule (tab, col, presence, accepted)
    JOIN pg_class c ON c.oid = to_regclass(format('%I.%I', current_schema(), rule.tab))
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = rule.col AND NOT a.attisdropped
    LEFT JOIN pg_type t ON t.oid = a.atttypid
    WHERE CASE
        WHEN a.attnum IS NULL THEN rule.presence = 'required'
        WHEN t.typname = 'citext' THEN 'citext' <> ALL (rule.accepted)
        ELSE format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL) <> ALL (rule.accepted)
        END;

    IF problems IS NOT NULL THEN
        RAISE EXCEPTION E'Tables exist that can''t be taken over as they are:\n%', problems
            USING ERRCODE = 'GP001';
    END IF;
END
$$;
