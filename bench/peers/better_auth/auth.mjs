// better-auth as its installation page has it, on PostgreSQL, with e-mail and password.
// Its rate limiter, on by default in production, is off: it would refuse the load.
import { betterAuth } from "better-auth";
import pg from "pg";

export const pool = new pg.Pool();
export const options = {
  baseURL: "http://127.0.0.1",
  secret: process.env.SECRET_KEY,
  database: pool,
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
};
export const auth = betterAuth(options);
