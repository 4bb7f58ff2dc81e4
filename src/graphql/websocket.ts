import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { CloseCode, handleProtocols } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { GatewayDeps } from '../deps.ts';
import { ClientError } from '../errors.ts';
import { checkJson } from '../json-text.ts';
import { type Lifetimes, openLifetimes, type StreamLimits } from '../lifetimes.ts';
import { createProblem, toHttp } from '../problems.ts';
import { type Outlets, openOutlets } from '../progress/outlet.ts';
import type { Rounds } from '../rounds.ts';
import { newRequestId } from '../tasks/ids.ts';
import { startKeepAlive } from './keep-alive.ts';
import { openProtocol, type Protocol, type ProtocolDeps } from './protocol.ts';
import { endSession, type Session } from './socket-operation.ts';
import { answerPing } from './standing.ts';
import { graphqlPath } from './yoga.ts';

export interface Sockets {
  /** Takes no new ones and closes all with 1012 (the official client comes back), in slices over a while; who does not answer
   *  within two seconds is cut off. */
  stop(): Promise<void>;
}

/** A reader that is too slow is closed with 1013. */
interface SocketsDeps extends Omit<ProtocolDeps, 'outlets'>, StreamLimits {}

interface Accepting {
  readonly deps: GatewayDeps;
  readonly protocol: Protocol;
  readonly outlets: Outlets<Session>;
  readonly keepAlive: Rounds<Session>;
  readonly lifetimes: Lifetimes<WebSocket>;
  readonly broken: (error: Error) => void;
}

const maxMessageBytes = 1_048_576;
/** What may wait in a socket for its reader before it is closed: answers to what was asked before it was not listened to. */
const maxWaitingBytes = 8 * 1_048_576;
const stopMs = 2_000;
const restartCode = 1012;
const tryAgainCode = 1013;

/** Serves GraphQL over WebSocket at `/graphql`, subprotocol graphql-transport-ws; others are closed with 4406. */
export function openSockets(server: Server, { slowReaderMs, maxAgeMs, drainMs, ...given }: SocketsDeps): Sockets {
  const sockets = createServer();
  const outlets = openOutlets<Session>({
    slowReaderMs,
    giveUp: ({ socket, caller }) => {
      given.deps.log.info('websocket.too_slow', { project: caller?.projectId });
      socket.close(tryAgainCode, 'Too slow');
    },
  });
  const keepAlive = startKeepAlive();
  const { deps } = given;
  const lifetimes = openLifetimes<WebSocket>({
    maxAgeMs,
    drainMs,
    close: (socket) => socket.close(restartCode, 'Service restart'),
  });
  const accepting: Accepting = {
    deps,
    outlets,
    keepAlive,
    lifetimes,
    protocol: openProtocol({ ...given, outlets }),
    broken: (error) => deps.log.debug('websocket.broken', { error }),
  };
  let stopped: Promise<void> | undefined;
  // Without this, Node hands every `Upgrade` to the listener below, such as the h2c that Java's client asks REST for.
  Object.assign(server, { shouldUpgradeCallback: ({ headers }: IncomingMessage) => isWebSocket(headers.upgrade) });
  server.on('upgrade', (request, stream, head) => {
    const [path] = (request.url ?? '').split('?', 1);
    if (path !== graphqlPath) return refuse(stream, 404, 'There is no WebSocket at this path');
    if (stopped !== undefined) return refuse(stream, 503, 'This gateway stops; come back to another one');
    sockets.handleUpgrade(request, stream, head, (socket) => accept(socket, stream, accepting));
  });
  const stop = async () => {
    await lifetimes.drain();
    await seeOff(sockets);
    outlets.stop();
    keepAlive.stop();
  };
  return { stop: () => (stopped ??= stop()) };
}

function createServer(): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    // It costs much memory for each socket, and progress is a few hundred bytes. And ready frames are written beside it.
    perMessageDeflate: false,
    // Another subprotocol is accepted to be closed with 4406: a client that is offered none only sees a broken connection.
    handleProtocols: (offered) => handleProtocols(offered) || ([...offered][0] ?? false),
  });
}

function accept(socket: WebSocket, stream: Duplex, accepting: Accepting): void {
  const { deps, protocol, outlets, keepAlive, lifetimes, broken } = accepting;
  // An extension could hold a message back or send it in parts, between which a ready frame would do harm.
  if (socket.extensions !== '') {
    socket.terminate();
    return;
  }
  const session: Session = {
    socket,
    stream,
    caller: null,
    following: undefined,
    operations: new Map(),
    blockedMs: undefined,
    waiting: undefined,
  };
  keepAlive.add(session);
  lifetimes.add(socket);
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      close: (code, reason) => socket.close(code, reason),
      // A socket that fails is closed, which ends its operations.
      send: (data) => send(socket, data),
      onPing: async (payload) => {
        const context = { deps, caller: session.caller, requestId: newRequestId(), transport: 'websocket' } as const;
        await send(socket, await answerPing(session, payload, context));
      },
      onMessage: (handle) => {
        socket.on('message', (data) => {
          pauseIfUnread(session);
          if (socket.readyState !== socket.OPEN) return;
          receive(String(data), handle).catch((error: unknown) => fail(socket, deps, error));
        });
      },
    },
    session,
  );
  socket.on('error', broken);
  socket.once('close', (code, reason) => {
    endSession(session);
    outlets.forget(session);
    keepAlive.delete(session);
    lifetimes.delete(socket);
    closed(code, String(reason)).catch((error: unknown) => deps.log.error('websocket.failed', { error }));
  });
}

async function receive(text: string, handle: (text: string) => Promise<void>): Promise<void> {
  checkJson(text);
  await handle(text);
}

function fail(socket: WebSocket, { log }: GatewayDeps, error: unknown): void {
  if (socket.readyState !== socket.OPEN) return;
  if (error instanceof ClientError) {
    socket.close(CloseCode.BadRequest, error.message);
    // What the library throws for a message that only a server sends.
  } else if (error instanceof Error && error.message.startsWith('Unexpected message of type ')) {
    socket.close(CloseCode.BadRequest, 'Invalid message received');
  } else {
    log.error('websocket.failed', { error });
    socket.close(tryAgainCode, 'Try again later');
  }
}

async function send(socket: WebSocket, data: string): Promise<void> {
  if (socket.bufferedAmount > maxWaitingBytes) return socket.close(tryAgainCode, 'Too slow');
  await new Promise((resolve) => socket.send(data, resolve));
}

/** Whoever sends and does not read is not listened to until it has read. */
function pauseIfUnread({ socket, stream }: Session): void {
  if (socket.isPaused || !stream.writableNeedDrain) return;
  socket.pause();
  stream.once('drain', () => socket.resume());
}

/** Waits for those that were told to go, and cuts off who has not gone in time. */
async function seeOff(sockets: WebSocketServer): Promise<void> {
  const left = [...sockets.clients];
  const closed = left.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
  const cutOff = setTimeout(() => {
    for (const socket of left) socket.terminate();
  }, stopMs);
  await Promise.all(closed);
  clearTimeout(cutOff);
}

function refuse(stream: Duplex, status: number, detail: string): void {
  stream.on('error', () => stream.destroy());
  stream.end(toHttp(createProblem(status, detail, newRequestId())));
}

function isWebSocket(upgrade: string | undefined): boolean {
  return upgrade?.toLowerCase() === 'websocket';
}
