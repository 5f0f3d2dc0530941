// The limit of node:http: the same bytes for everybody.
import { createServer } from "node:http";

const body = Buffer.alloc(Number(process.env.BODY_BYTES ?? 284), "x");
const headers = { "content-type": "application/json", "content-length": body.length };

createServer((request, response) => {
  response.writeHead(200, headers);
  response.end(body);
}).listen(Number(process.env.PORT), "127.0.0.1");
