import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { atEndOfFile } from './at-end.ts';
import type { Certificate } from './certificate.ts';
import { waitFor } from './wait.ts';

export interface Received {
  /** The `webhook-id`. */
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: { readonly type: string; readonly timestamp: string; readonly data: Record<string, unknown> };
}

type Answer = (response: ServerResponse, received: Received) => void;

export interface Receiver {
  readonly url: string;
  readonly port: number;
  /** Everything that came, in order. */
  readonly received: readonly Received[];
  /** What it answers from now on; without it 204. */
  answer(answer: Answer): void;
  /** What came, once so many fit (15 s). */
  waitFor(count: number, fits?: (received: Received) => boolean): Promise<Received[]>;
}

/** A server on a free port of 127.0.0.1 that takes webhooks; with a certificate, as `https://localhost`. */
export async function startReceiver(certificate?: Certificate): Promise<Receiver> {
  const received: Received[] = [];
  let answer: Answer = (response) => response.writeHead(204).end();
  const server = certificate === undefined ? createServer() : createTlsServer(certificate);
  server.on('request', async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const one = { id: String(request.headers['webhook-id']), headers: request.headers, text, body: JSON.parse(text) };
    received.push(one);
    answer(response, one);
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEndOfFile(async () => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: certificate === undefined ? `http://127.0.0.1:${port}/hooks` : `https://localhost:${port}/hooks`,
    port,
    received,
    answer: (next) => {
      answer = next;
    },
    async waitFor(count, fits = () => true) {
      const those = () => received.filter(fits);
      const message = () => `${count} webhooks came: ${received.map(({ body }) => body.type).join(', ')}`;
      await waitFor(() => those().length >= count, { timeoutMs: 15_000, message });
      return those();
    },
  };
}

/** Throws unless one of the signatures of a message is of this secret. */
export function verify(secret: string, { text, headers }: Received): unknown {
  const given = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
  return new Webhook(secret).verify(text, given);
}
