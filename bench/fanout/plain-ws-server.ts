import { createServer } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { chooseSelections, pick, type Selection, toDocument } from './documents.ts';
import { followProject, listenAndAnnounce, type View } from './peer.ts';

/**
 * The least that a `ws` server can do: for each document of a task it makes the message once, without GraphQL, and sends the
 * same bytes to every socket. The operation's id is as long as everybody's, and nobody's.
 */

interface Audience {
  readonly selection: Selection;
  readonly sockets: Set<WebSocket>;
}

const operationId = '00000000-0000-4000-8000-000000000000';
const { latest, changes } = await followProject();
const selections = chooseSelections(Number(process.env.DOCUMENTS));
const byDocument = new Map(selections.map((selection) => [toDocument(selection), selection]));
/** By task, then by document. */
const audiences = new Map<string, Map<string, Audience>>();

const server = createServer();
const sockets = new WebSocketServer({ server, path: '/graphql' });
sockets.on('connection', (socket) => {
  socket.on('message', (data) => {
    const message = JSON.parse(String(data));
    if (message.type === 'connection_init') socket.send('{"type":"connection_ack"}');
    else if (message.type === 'subscribe') join(socket, message.payload.variables.id, message.payload.query);
  });
});
listenAndAnnounce(server);

function join(socket: WebSocket, taskId: string, document: string): void {
  const selection = byDocument.get(document);
  const view = latest.get(taskId);
  if (selection === undefined || view === undefined) throw new Error(`nobody feeds ${taskId} for ${document}`);
  const { sockets } = audienceOf(taskId, document, selection);
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
  socket.send(toMessage(view, selection), { binary: false });
}

function audienceOf(taskId: string, document: string, selection: Selection): Audience {
  const known = audiences.get(taskId);
  const ofTask = known ?? new Map<string, Audience>();
  const audience = ofTask.get(document) ?? { selection, sockets: new Set() };
  ofTask.set(document, audience);
  if (known === undefined) {
    audiences.set(taskId, ofTask);
    changes.on(taskId, (view) => broadcast(ofTask, view));
  }
  return audience;
}

function broadcast(ofTask: ReadonlyMap<string, Audience>, view: View): void {
  for (const { selection, sockets } of ofTask.values()) {
    const message = toMessage(view, selection);
    for (const socket of sockets) socket.send(message, { binary: false });
  }
}

function toMessage(view: View, selection: Selection): Buffer {
  const payload = { data: { bulkTask: pick(view, selection) } };
  return Buffer.from(JSON.stringify({ id: operationId, type: 'next', payload }));
}
