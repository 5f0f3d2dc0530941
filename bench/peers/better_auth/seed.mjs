// Makes the tables with better-auth's own migrations, fills them, and prints credentials: one a line, as JSON.
import { createHmac } from "node:crypto";
import { getMigrations } from "better-auth/db/migration";
import { options, pool } from "./auth.mjs";

const [users, sessions, tokens] = ["BENCH_USERS", "BENCH_SESSIONS", "BENCH_TOKENS"].map((name) => Number(process.env[name]));
const { runMigrations } = await getMigrations(options);
await runMigrations();
await pool.query(
  `INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
   SELECT md5('user' || i), 'User ' || i, 'user' || i || '@example.com', true, now(), now()
   FROM generate_series(1, $1::integer) i`,
  [users],
);
await pool.query(
  `INSERT INTO session (id, token, "expiresAt", "createdAt", "updatedAt", "ipAddress", "userAgent", "userId")
   SELECT md5('session' || i), md5(gen_random_uuid()::text), now() + interval '10 years', now(), now(), '192.0.2.1',
          'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', md5('user' || (i - 1) % $2::integer + 1)
   FROM generate_series(1, $1::integer) i`,
  [sessions, users],
);
const { rows } = await pool.query(
  `SELECT s.token, u.email FROM session s JOIN "user" u ON u.id = s."userId" ORDER BY random() LIMIT $1`,
  [tokens],
);
for (const { token, email } of rows) {
  const signature = createHmac("sha256", options.secret).update(token).digest("base64");
  const value = encodeURIComponent(`${token}.${signature}`);
  console.log(JSON.stringify({ header: `Cookie: better-auth.session_token=${value}`, email }));
}
await pool.end();
