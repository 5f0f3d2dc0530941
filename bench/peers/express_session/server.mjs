// express-session with connect-pg-simple, as their READMEs have it; the user is read by the id in the session.
import connectPgSimple from "connect-pg-simple";
import express from "express";
import session from "express-session";
import pg from "pg";

const pool = new pg.Pool();
const app = express();
app.use(
  session({
    store: new (connectPgSimple(session))({ pool }),
    secret: process.env.SECRET_KEY,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 30 * 24 * 60 * 60 * 1000 },
  }),
);
app.get("/me", async (request, response) => {
  const id = request.session.userId;
  const { rows } = id ? await pool.query("SELECT id, email, name FROM users WHERE id = $1", [id]) : { rows: [] };
  if (rows[0]) {
    response.json(rows[0]);
  } else {
    response.status(401).json({ message: "Not signed in" });
  }
});
app.listen(Number(process.env.PORT), "127.0.0.1");
