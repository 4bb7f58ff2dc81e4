import { type Rounds, startRounds } from '../rounds.ts';
import type { Session } from './socket-operation.ts';

/** A socket is pinged once in this time, and cut off when it has not answered by the next ping. */
const intervalMs = 12_000;

/** Finds half-open sockets. One that waits for its reader is left to those who watch that: its ping would wait too. */
export function startKeepAlive(): Rounds<Session> {
  const silent = new WeakSet<object>();
  const answered = function (this: object) {
    silent.delete(this);
  };
  const rounds = startRounds<Session>(intervalMs, ({ socket, blockedMs }) => {
    if (blockedMs !== undefined) return;
    if (silent.has(socket)) return socket.terminate();
    silent.add(socket);
    socket.ping();
  });
  return {
    ...rounds,
    add: (session) => {
      rounds.add(session);
      session.socket.on('pong', answered);
    },
  };
}
