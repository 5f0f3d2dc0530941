// Makes the table of connect-pg-simple, fills it, and prints credentials: one a line, as JSON.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import pg from "pg";

const [users, sessions, tokens] = ["BENCH_USERS", "BENCH_SESSIONS", "BENCH_TOKENS"].map((name) => Number(process.env[name]));
const pool = new pg.Pool();
const table = createRequire(import.meta.url).resolve("connect-pg-simple/table.sql");
await pool.query(readFileSync(table, "utf8"));
await pool.query("CREATE TABLE users (id serial PRIMARY KEY, email varchar UNIQUE NOT NULL, name varchar NOT NULL)");
await pool.query(
  "INSERT INTO users (email, name) SELECT 'user' || i || '@example.com', 'User ' || i FROM generate_series(1, $1::integer) i",
  [users],
);
await pool.query(
  `INSERT INTO session (sid, sess, expire)
   SELECT md5(gen_random_uuid()::text), json_build_object(
       'cookie', json_build_object('originalMaxAge', 2592000000, 'expires', to_char(now() + interval '10 years', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'httpOnly', true, 'path', '/'),
       'userId', (i - 1) % $2::integer + 1), now() + interval '10 years'
   FROM generate_series(1, $1::integer) i`,
  [sessions, users],
);
const { rows } = await pool.query(
  `SELECT s.sid, u.email FROM session s JOIN users u ON u.id = (s.sess->>'userId')::integer ORDER BY random() LIMIT $1`,
  [tokens],
);
for (const { sid, email } of rows) {
  const signature = createHmac("sha256", process.env.SECRET_KEY).update(sid).digest("base64").replace(/=+$/, "");
  console.log(JSON.stringify({ header: `Cookie: connect.sid=${encodeURIComponent(`s:${sid}.${signature}`)}`, email }));
}
await pool.end();
