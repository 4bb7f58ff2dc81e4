import { createServer } from 'node:http';
import { buildSchema } from 'graphql';
import { createYoga } from 'graphql-yoga';
import { listenAndAnnounce } from '../fanout/peer.ts';
import { openResolver, typeDefs } from './peer.ts';

/** GraphQL Yoga as its manual has it, without its log. */
const schema = buildSchema(typeDefs);
Object.assign(schema.getQueryType()?.getFields().bulkTask ?? {}, { resolve: openResolver() });
listenAndAnnounce(createServer(createYoga({ schema, logging: false })));
