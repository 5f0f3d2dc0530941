-- The schema gatepost comes into being in this version, and "$user" in search_path would lead a role of that name
-- there at once. The path that is in force now holds to the end.
SELECT set_config('search_path', string_agg(quote_ident(s.name), ', ' ORDER BY s.place), true)
FROM unnest(current_schemas(false)) WITH ORDINALITY s (name, place);
