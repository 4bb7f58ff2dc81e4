import { on } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { followProject, listenAndAnnounce } from './peer.ts';

/**
 * The straightforward server: graphql-ws over ws as its manual has it, graphql-js with the committed schema, and an async
 * iterator for each subscriber, so that each executes and serializes every change for itself.
 */

const { latest, changes } = await followProject();
const schema = buildSchema(await readFile(new URL('../../schema/schema.graphql', import.meta.url), 'utf8'));
const server = createServer();
useServer(
  { schema, roots: { subscription: { bulkTask: ({ id }: { readonly id: string }) => follow(id) } } },
  new WebSocketServer({ server, path: '/graphql' }),
);
listenAndAnnounce(server);

async function* follow(id: string) {
  const views = on(changes, id);
  yield { bulkTask: latest.get(id) };
  for await (const [view] of views) yield { bulkTask: view };
}
