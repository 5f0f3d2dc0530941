// Two ways to ask who calls: `auth.api.getSession` in a route of one's own, and better-auth's own endpoint.
import { createServer } from "node:http";
import { fromNodeHeaders, toNodeHandler } from "better-auth/node";
import { auth } from "./auth.mjs";

const handler = toNodeHandler(auth);

async function me(request, response) {
  const session = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) });
  const body = JSON.stringify(session?.user ?? null);
  response.writeHead(session ? 200 : 401, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}

createServer((request, response) => {
  if (request.url.startsWith("/api/auth/")) {
    handler(request, response);
  } else {
    me(request, response).catch(() => response.writeHead(500).end());
  }
}).listen(Number(process.env.PORT), "127.0.0.1");
