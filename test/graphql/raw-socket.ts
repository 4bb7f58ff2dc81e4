import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { Headers } from './client.ts';

export interface Message {
  readonly type: string;
  readonly id: string;
  readonly payload: { readonly data?: Record<string, unknown>; readonly errors?: readonly { extensions: object }[] };
}

export interface RawSocket {
  readonly socket: WebSocket;
  /** All that came after the acknowledgement. */
  readonly messages: Message[];
  subscribe(id: string, query: string, variables?: object): void;
  send(message: object): void;
}

/** A socket without the official client, acknowledged; cut off when the test ends. */
export async function openRawSocket(url: string, headers: Headers): Promise<RawSocket> {
  const socket = new WebSocket(url, 'graphql-transport-ws');
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  const send = (message: object) => socket.send(JSON.stringify(message));
  send({ type: 'connection_init', payload: headers });
  await once(socket, 'message');
  const messages: Message[] = [];
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  return {
    socket,
    messages,
    send,
    subscribe: (id, query, variables = {}) => send({ type: 'subscribe', id, payload: { query, variables } }),
  };
}
