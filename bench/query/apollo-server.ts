import { announce } from '../fanout/peer.ts';
import { loadPeer } from '../support/peers.ts';
import { openResolver, typeDefs } from './peer.ts';

/** Apollo Server in its standalone form. */

type ApolloServer = object;

const { ApolloServer } = loadPeer<{ ApolloServer: new (options: object) => ApolloServer }>('@apollo/server');
const { startStandaloneServer } = loadPeer<{
  startStandaloneServer(server: ApolloServer, options: object): Promise<{ readonly url: string }>;
}>('@apollo/server/standalone');

const server = new ApolloServer({ typeDefs, resolvers: { Query: { bulkTask: openResolver() } } });
const { url } = await startStandaloneServer(server, { listen: { port: 0, host: '127.0.0.1' } });
announce(Number(new URL(url).port));
