import { isIP } from 'node:net';

/** What a REDIS_URL names: one Redis, or some nodes of a Redis Cluster by which the others are found. */
export interface RedisAddress {
  readonly isCluster: boolean;
  /** Each `redis://…` or `rediss://…`, with the user and the password of all. */
  readonly urls: readonly string[];
}

/**
 * Reads `redis[s]://[user:password@]host[:port]`, or the same with `redis[s]-cluster:` and any number of `host[:port]`,
 * separated by commas. Throws when it is neither.
 */
export function parseRedisUrl(text: string): RedisAddress {
  const [, tls = '', credentials = '', hosts = '', rest = ''] = clusterUrl.exec(text) ?? [];
  const isCluster = hosts !== '';
  const urls = isCluster ? hosts.split(',').map((host) => `redis${tls}://${credentials}${host}${rest}`) : [text];
  for (const url of urls) check(url);
  return { isCluster, urls };
}

const clusterUrl = /^redis(s?)-cluster:\/\/(.*@)?([^@/?#]+)(\/?(?:\?.*)?)$/;

function check(text: string): void {
  const { protocol, hostname, username, password } = new URL(text);
  if (!/^rediss?:$/.test(protocol)) throw new Error(`expected redis: or rediss:, not ${protocol}`);
  if (hostname === '') throw new Error('expected a host');
  // The client decodes them later, where a mistake would be a crash.
  decodeURIComponent(username);
  decodeURIComponent(password);
}

/** `host:port`, as messages and logs name a node. */
export function nameOf(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname.replace(/^\[|\]$/g, '')}:${port || defaultPort}`;
}

export function hostOf(name: string): string {
  return name.slice(0, name.lastIndexOf(':'));
}

/** The URL of the node of this name, all else as in `url`. */
export function urlOfNode(name: string, url: string): string {
  const changed = new URL(url);
  const host = hostOf(name);
  changed.hostname = isIP(host) === 6 ? `[${host}]` : host;
  changed.port = name.slice(host.length + 1);
  return changed.href;
}

const defaultPort = 6379;
