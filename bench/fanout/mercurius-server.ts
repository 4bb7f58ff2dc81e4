import { readFile } from 'node:fs/promises';
import { loadPeer } from '../support/peers.ts';
import { announce, followProject, type View } from './peer.ts';

/** Mercurius with the committed schema and its own subscriptions, as its manual has them. */

interface Queue {
  push(payload: { readonly bulkTask: View | undefined }): void;
}

interface App {
  register(plugin: unknown, options: object): Promise<void>;
  ready(): Promise<void>;
  listen(options: { readonly port: number; readonly host: string }): Promise<string>;
  readonly graphql: { readonly pubsub: PubSub };
}

interface PubSub {
  subscribe(topic: string): Promise<Queue>;
  publish(event: { readonly topic: string; readonly payload: { readonly bulkTask: View } }): void;
}

const { fastify } = loadPeer<{ fastify(): App }>('fastify');
const { mercurius } = loadPeer<{ mercurius: unknown }>('mercurius');

const { latest, changes } = await followProject();
const app = fastify();
await app.register(mercurius, {
  schema: await readFile(new URL('../../schema/schema.graphql', import.meta.url), 'utf8'),
  resolvers: {
    Subscription: {
      bulkTask: {
        subscribe: (_root: unknown, { id }: { readonly id: string }, { pubsub }: { readonly pubsub: PubSub }) =>
          subscribe(pubsub, id),
      },
    },
  },
  subscription: true,
});
await app.ready();
const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
announce(Number(port));

async function subscribe(pubsub: PubSub, id: string): Promise<Queue> {
  follow(id);
  const queue = await pubsub.subscribe(id);
  queue.push({ bulkTask: latest.get(id) });
  return queue;
}

/** Hands the changes of a task on to Mercurius, once. */
function follow(id: string): void {
  if (changes.listenerCount(id) > 0) return;
  changes.on(id, (bulkTask) => app.graphql.pubsub.publish({ topic: id, payload: { bulkTask } }));
}
