import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what systems give to outgoing connections, which would take a port while its server is down. */
const first = 16_000;
const last = 32_000;
let next = first + Math.floor(Math.random() * (last - first));

/** A TCP port of 127.0.0.1 that is free, for a server that may be stopped and started again on it. */
export async function findServerPort(): Promise<number> {
  for (;;) {
    const port = next;
    next = port === last ? first : port + 1;
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
