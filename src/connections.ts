import type { Server, ServerOptions } from 'node:http';
import { isIPv6 } from 'node:net';
import { networkOf, readNetworks } from './address.ts';
import type { Config } from './config.ts';
import type { Metrics } from './metrics.ts';

type Bounds = Pick<
  Config,
  'BULKCAST_MAX_CONNECTIONS' | 'BULKCAST_MAX_ADDRESS_CONNECTIONS' | 'BULKCAST_TRUSTED_PROXIES'
>;

/** What Node itself bounds: the head of a request, in bytes and in time, the wait for a first one included. */
export function headBounds({ BULKCAST_HEAD_MS: headersTimeout }: Pick<Config, 'BULKCAST_HEAD_MS'>): ServerOptions {
  const connectionsCheckingInterval = Math.min(5_000, Math.ceil(headersTimeout / 4));
  return { maxHeaderSize: 16_384, headersTimeout, connectionsCheckingInterval };
}

/** Closes connections beyond the bounds as soon as they are opened. Those of WebSockets count as long as they last. */
export function boundConnections(server: Server, bounds: Bounds, metrics: Pick<Metrics, 'connectionsRefused'>): void {
  const { BULKCAST_MAX_CONNECTIONS: most, BULKCAST_MAX_ADDRESS_CONNECTIONS: mostOfOne } = bounds;
  if (most > 0) server.maxConnections = most;
  server.on('drop', () => metrics.connectionsRefused.inc({ bound: 'all' }));
  if (mostOfOne === 0) return;
  const proxies = readNetworks(bounds.BULKCAST_TRUSTED_PROXIES ?? []);
  const open = new Map<string, number>();
  server.on('connection', (socket) => {
    const { remoteAddress = '' } = socket;
    if (proxies.check(remoteAddress, isIPv6(remoteAddress) ? 'ipv6' : 'ipv4')) return;
    const network = networkOf(remoteAddress);
    const count = open.get(network) ?? 0;
    if (count >= mostOfOne) {
      metrics.connectionsRefused.inc({ bound: 'address' });
      socket.destroy();
      return;
    }
    open.set(network, count + 1);
    socket.once('close', () => {
      const left = (open.get(network) ?? 0) - 1;
      if (left > 0) open.set(network, left);
      else open.delete(network);
    });
  });
}
