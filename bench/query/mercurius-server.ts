import { announce } from '../fanout/peer.ts';
import { loadPeer } from '../support/peers.ts';
import { openResolver, typeDefs } from './peer.ts';

/** Mercurius as its manual has it; with `JIT=1` it compiles an operation the second time it comes. */

interface App {
  register(plugin: unknown, options: object): Promise<void>;
  listen(options: { readonly port: number; readonly host: string }): Promise<string>;
}

const { fastify } = loadPeer<{ fastify(): App }>('fastify');
const { mercurius } = loadPeer<{ mercurius: unknown }>('mercurius');

const app = fastify();
await app.register(mercurius, {
  schema: typeDefs,
  resolvers: { Query: { bulkTask: openResolver() } },
  jit: process.env.JIT === '1' ? 1 : 0,
});
const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
announce(Number(port));
