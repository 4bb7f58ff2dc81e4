import { CloseCode, MessageType, stringifyMessage } from 'graphql-ws';
import { authenticate } from '../auth/authenticate.ts';
import { readCredentials } from '../auth/caller.ts';
import type { GatewayDeps } from '../deps.ts';
import { isStorable } from '../tasks/input.ts';
import type { Context } from './context.ts';
import { errorBody } from './errors.ts';
import type { Session } from './socket-operation.ts';

type Payload = Record<string, unknown> | undefined;

/** Closes the socket with 4403 when its caller loses its standing; 30 s before a token ends, pings with its `expiresAt`. */
export function followCaller({ auth }: GatewayDeps, session: Session): void {
  const { socket, caller } = session;
  if (caller === null || socket.readyState !== socket.OPEN) return;
  const following = auth.standings.follow(caller, {
    expiring: (expiresAt) => {
      const payload = { expiresAt: expiresAt.toISOString() };
      socket.send(stringifyMessage<MessageType.Ping>({ type: MessageType.Ping, payload }));
    },
    lost: () => socket.close(CloseCode.Forbidden, 'Forbidden'),
  });
  session.following = following;
  socket.once('close', following.stop);
}

/** The pong to a client's ping. Credentials in its payload, named as in `connectionParams`, take the place of the socket's when
 *  they allow all that those did: the pong tells until when they last, or why they were not taken. */
export async function answerPing(session: Session, payload: Payload, context: Context): Promise<string> {
  const { caller, following } = session;
  const credentials = readCredentials(payload);
  const isRenewal = Object.values(credentials).some((value) => value !== undefined) && isStorable(credentials);
  if (!isRenewal || caller === null || following === undefined) return pong(payload);
  try {
    const next = await authenticate(context.deps.auth, credentials);
    if (next === null) return pong(payload);
    following.renew(next);
    session.caller = next;
    return pong({ expiresAt: next.expiresAt?.toISOString() ?? null });
  } catch (error) {
    return pong({ ...errorBody(error, context) });
  }
}

function pong(payload: Payload): string {
  return stringifyMessage<MessageType.Pong>({
    type: MessageType.Pong,
    ...(payload === undefined ? {} : { payload }),
  });
}
