import { createSocket } from 'node:dgram';
import dns from 'node:dns';
import { once } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import { atEndOfFile } from './at-end.ts';

export interface NameServer {
  /** How often it was asked for this name. */
  asked(name: string): number;
}

/** The IPv4 addresses of a name, when it is asked for the nth time, from 1. */
export type Answers = (name: string, nth: number) => readonly string[];

/** A name server on 127.0.0.1 that tells the addresses of names below `.test`. Until the end of the file Node's own `lookup`, which asks the
 *  system, asks it instead for these: each time anew, as for a name whose answers may not be kept. */
export async function startNameServer(answers: Answers): Promise<NameServer> {
  const counts = new Map<string, number>();
  const server = createSocket('udp4');
  server.on('message', (query, { port, address }) => {
    const { name, type, end } = readQuestion(query);
    const nth = (counts.get(name) ?? 0) + (type === typeA ? 1 : 0);
    counts.set(name, nth);
    server.send(answer(query, end, type === typeA ? answers(name, nth) : []), port, address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const resolver = new dns.promises.Resolver();
  resolver.setServers([`127.0.0.1:${server.address().port}`]);
  const restore = divertLookups((name) => resolver.resolve4(name));
  atEndOfFile(async () => {
    restore();
    resolver.cancel();
    server.close();
  });
  return { asked: (name) => counts.get(name) ?? 0 };
}

type Found = readonly dns.LookupAddress[];
type Callback = (error: unknown, found?: Found | string, family?: number) => void;

/** Both doors of Node's `lookup`: the promise that a program awaits, and the callback that a socket uses by itself. */
function divertLookups(resolve: (name: string) => Promise<string[]>): () => void {
  const own = { lookup: dns.lookup, promise: dns.promises.lookup };
  const find = async (name: string): Promise<Found> =>
    name.endsWith('.test')
      ? (await resolve(name)).map((address) => ({ address, family: 4 }))
      : own.promise(name, { all: true });
  const lookup = (name: string, options: dns.LookupOptions, callback: Callback) => {
    find(name).then(
      (found) => (options.all ? callback(null, found) : callback(null, found[0]?.address, found[0]?.family)),
      (error: unknown) => callback(error),
    );
  };
  const promise = async (name: string, options: dns.LookupOptions = {}) =>
    options.all ? find(name) : (await find(name))[0];
  const install = (both: { readonly lookup: unknown; readonly promise: unknown }) => {
    Object.assign(dns, { lookup: both.lookup });
    Object.assign(dns.promises, { lookup: both.promise });
    syncBuiltinESMExports();
  };
  install({ lookup, promise });
  return () => install(own);
}

const typeA = 1;
const headerBytes = 12;

/** The question of a query (RFC 1035, section 4.1.2), and where it ends. */
function readQuestion(query: Buffer) {
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** The answer to it: these addresses, not to be kept for a second. */
function answer(query: Buffer, end: number, addresses: readonly string[]): Buffer {
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(addresses.length, 6);
  // What a resolver asks besides, such as for larger answers, is left out.
  head.writeUInt32BE(0, 8);
  const records = addresses.map((address) =>
    Buffer.from([0xc0, headerBytes, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]),
  );
  return Buffer.concat([head, ...records]);
}
