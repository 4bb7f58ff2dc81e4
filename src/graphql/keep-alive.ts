import type { WebSocket } from 'ws';
import { type Rounds, startRounds } from '../rounds.ts';

/** A socket is pinged once in this time, and cut off when it has not answered by the next ping. */
const intervalMs = 12_000;

/** Finds half-open sockets among those that are added. One that `isExcused` cannot answer yet and is left alone. */
export function startKeepAlive(isExcused: (socket: WebSocket) => boolean): Rounds<WebSocket> {
  const silent = new WeakSet<WebSocket>();
  const answered = function (this: WebSocket) {
    silent.delete(this);
  };
  const rounds = startRounds<WebSocket>(intervalMs, (socket) => {
    if (isExcused(socket)) return;
    if (silent.has(socket)) return socket.terminate();
    silent.add(socket);
    socket.ping();
  });
  return {
    ...rounds,
    add: (socket) => {
      rounds.add(socket);
      socket.on('pong', answered);
    },
  };
}
