import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { atEndOfFile } from './at-end.ts';

/** A network on 127.0.0.1 between a client and a server, that can be cut and slowed down. */
export interface TcpProxy {
  readonly port: number;
  /** Nothing gets through any more, neither bytes nor the end of a connection. */
  partition(): void;
  /** What was held back gets through, as retransmitted packets do. */
  heal(): void;
  /** Holds back each packet this long, in both directions. */
  slowDown(ms: number): void;
  /** Leads new connections to another port and cuts those that there are. */
  redirect(port: number): void;
}

interface Network {
  target: number;
  delayMs: number;
  /** Resolved while packets get through. */
  gate: PromiseWithResolvers<void>;
  readonly sockets: Set<Socket>;
}

/** Listens on a free port and forwards to this one; ends with the test file. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const network: Network = { target, delayMs: 0, gate: Promise.withResolvers(), sockets: new Set() };
  network.gate.resolve();
  const server = createServer((client) => void join(network, client));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEndOfFile(async () => {
    server.close();
    for (const socket of network.sockets) socket.destroy();
  });
  return {
    port: (server.address() as AddressInfo).port,
    partition: () => {
      network.gate = Promise.withResolvers();
    },
    heal: () => network.gate.resolve(),
    slowDown: (ms) => {
      network.delayMs = ms;
    },
    redirect: (port) => {
      network.target = port;
      for (const socket of network.sockets) socket.destroy();
    },
  };
}

async function join(network: Network, client: Socket): Promise<void> {
  track(network, client);
  await network.gate.promise;
  const server = connect(network.target, '127.0.0.1');
  track(network, server);
  forward(network, client, server);
  forward(network, server, client);
}

function track({ sockets }: Network, socket: Socket): void {
  sockets.add(socket.setNoDelay(true));
  // How a connection ends is told to the other side by its `close`.
  socket.on('error', () => undefined);
  socket.once('close', () => sockets.delete(socket));
}

/** Passes on bytes and the end, each after its delay and in order. */
function forward(network: Network, from: Socket, to: Socket): void {
  let last = Promise.resolve();
  const pass = (act: () => void) => {
    const dueMs = performance.now() + network.delayMs;
    last = last.then(async () => {
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await delay(waitMs, undefined, { ref: false });
      await network.gate.promise;
      act();
    });
  };
  from.on('data', (bytes) => pass(() => to.write(bytes)));
  from.once('close', () => pass(() => to.destroy()));
  if (from.closed) pass(() => to.destroy());
}
