// What teams write today: an HTTP push to a WebSocket, and a WebSocket message out to a webhook. Nothing is kept, ordered
// or signed. node server.js WEBHOOK_URL; prints its port.
import Fastify from "fastify";
import { Agent } from "undici";
import { WebSocketServer } from "ws";

const webhook = new URL(process.argv[2]);
const agent = new Agent({ connections: 64 });
const sockets = new Map();

const app = Fastify();

app.post("/push/:id", (request, reply) => {
  const socket = sockets.get(request.params.id);
  if (!socket) {
    reply.code(404).send({ message: "nobody is there" });
    return;
  }
  socket.send(JSON.stringify({ type: "message", content: request.body.content }));
  reply.code(201).send({ ok: true });
});

const websockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });

app.server.on("upgrade", (request, tcp, head) => {
  websockets.handleUpgrade(request, tcp, head, (socket) => {
    const id = request.url.split("/").pop();
    sockets.set(id, socket);
    socket.on("close", () => sockets.delete(id));
    socket.on("message", (data) => onMessage(id, socket, data));
  });
});

async function onMessage(id, socket, data) {
  const message = JSON.parse(data);
  const { statusCode, body } = await agent.request({
    origin: webhook.origin,
    path: webhook.pathname,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ client: id, content: message.content }),
  });
  await body.dump();
  socket.send(JSON.stringify({ type: statusCode < 300 ? "ack" : "error", id: message.id }));
}

await app.listen({ host: "127.0.0.1", port: 0 });
console.log(app.server.address().port);
