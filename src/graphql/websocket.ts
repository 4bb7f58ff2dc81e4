import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { handleProtocols } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { GatewayDeps } from '../deps.ts';
import { openProtocol, type Protocol } from './protocol.ts';
import { graphqlPath, type Yoga } from './yoga.ts';

export interface Sockets {
  /** Closes all with 1012 (the official client comes back), cuts off after two seconds who does not; takes no new ones. */
  stop(): Promise<void>;
}

const maxMessageBytes = 1_048_576;
/** What may wait in a socket for its reader before nothing more is taken from it. */
const maxUnreadBytes = 65_536;
const keepAliveMs = 12_000;
const stopMs = 2_000;
const restartCode = 1012;
const tryAgainCode = 1013;

/** Serves GraphQL over WebSocket at `/graphql`, subprotocol graphql-transport-ws; others are closed with 4406. */
export function openSockets(server: Server, options: { readonly deps: GatewayDeps; readonly yoga: Yoga }): Sockets {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    // It costs much memory for each socket, and progress is a few hundred bytes.
    perMessageDeflate: false,
    // Another subprotocol is accepted to be closed with 4406: a client that is offered none only sees a broken connection.
    handleProtocols: (offered) => handleProtocols(offered) || ([...offered][0] ?? false),
  });
  const protocol = openProtocol(options);
  let stopped: Promise<void> | undefined;
  // Without this, Node hands every `Upgrade` to the listener below, such as the h2c that Java's client asks REST for.
  Object.assign(server, { shouldUpgradeCallback: ({ headers }: IncomingMessage) => isWebSocket(headers.upgrade) });
  server.on('upgrade', (request, stream, head) => {
    const [path] = (request.url ?? '').split('?', 1);
    if (path !== graphqlPath) return refuse(stream, '404 Not Found');
    if (stopped !== undefined) return refuse(stream, '503 Service Unavailable');
    sockets.handleUpgrade(request, stream, head, (socket) => accept(socket, protocol, options.deps));
  });
  return { stop: () => (stopped ??= closeAll(sockets)) };
}

function accept(socket: WebSocket, protocol: Protocol, { log }: GatewayDeps): void {
  const beat = keepAlive(socket);
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      close: (code, reason) => socket.close(code, reason),
      // It resolves when the message is on its way, so that a slow reader slows down what is read for it. A socket that
      // fails is closed, which ends its operations.
      send: (data) => send(socket, data),
      onMessage: (handle) => {
        socket.on('message', (data) => {
          // Whoever sends and does not read is not listened to until it has read.
          if (socket.bufferedAmount > maxUnreadBytes) socket.pause();
          if (socket.readyState !== socket.OPEN) return;
          handle(String(data)).catch((error: unknown) => {
            if (socket.readyState === socket.OPEN) log.error('websocket.failed', { error });
            socket.close(tryAgainCode, 'Try again later');
          });
        });
      },
    },
    { socket, caller: null, contexts: new Map() },
  );
  socket.on('error', (error) => log.debug('websocket.broken', { error }));
  socket.once('close', (code, reason) => {
    clearInterval(beat);
    closed(code, String(reason)).catch((error: unknown) => log.error('websocket.failed', { error }));
  });
}

async function send(socket: WebSocket, data: string): Promise<void> {
  await new Promise((resolve) => socket.send(data, resolve));
  if (socket.isPaused && socket.bufferedAmount <= maxUnreadBytes) socket.resume();
}

/** Pings, and cuts off a socket that did not answer until the next ping is due. */
function keepAlive(socket: WebSocket): NodeJS.Timeout {
  let isAlive = true;
  socket.on('pong', () => {
    isAlive = true;
  });
  return setInterval(() => {
    if (!isAlive) return socket.terminate();
    isAlive = false;
    return socket.ping();
  }, keepAliveMs);
}

async function closeAll(sockets: WebSocketServer): Promise<void> {
  const left = [...sockets.clients];
  const closed = left.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
  for (const socket of left) socket.close(restartCode, 'Service restart');
  const cutOff = setTimeout(() => {
    for (const socket of left) socket.terminate();
  }, stopMs);
  await Promise.all(closed);
  clearTimeout(cutOff);
}

function refuse(stream: Duplex, status: string): void {
  stream.on('error', () => stream.destroy());
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function isWebSocket(upgrade: string | undefined): boolean {
  return upgrade?.toLowerCase() === 'websocket';
}
