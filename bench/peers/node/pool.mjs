// The least that asks the database: node:http, a pool of pg's, one joined SELECT, prepared, on Gatepost's tables.
// It does less than Gatepost: the token is looked up as it comes, without a digest, and no refusal is told apart.
import { createServer } from "node:http";
import pg from "pg";

const pool = new pg.Pool();
const lookup = {
  name: "lookup",
  text: `SELECT s.id AS session_id, s.created_at, s.expires_at, u.id, u.email, u.name, u.created_at AS user_created_at
         FROM user_sessions s JOIN users u ON u.id = s.user_id
         WHERE s.session_token = $1 AND s.is_active AND s.expires_at > now() AND u.is_active`,
};

async function answer(request, response) {
  const { rows } = await pool.query({ ...lookup, values: [request.headers.authorization?.slice("Bearer ".length)] });
  const row = rows[0];
  const body = JSON.stringify(
    row
      ? {
          data: {
            user: { id: row.id, email: row.email, name: row.name, created_at: row.user_created_at },
            session_info: { expires_at: row.expires_at, created_at: row.created_at },
          },
          message: "Current user",
          success: true,
        }
      : { data: null, message: "Not signed in", success: false },
  );
  response.writeHead(row ? 200 : 401, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}

createServer((request, response) => {
  answer(request, response).catch(() => response.writeHead(500).end());
}).listen(Number(process.env.PORT), "127.0.0.1");
