import { type DocumentNode, type GraphQLError, type GraphQLSchema, validate } from 'graphql';
import { _createLRUCache as createLruCache } from 'graphql-yoga';
import { checkLength, parseLimited } from './limits.ts';

/** The documents that clients send, each parsed and validated once as long as it is in use. */
export interface Documents {
  /** By their text. */
  readonly parsed: ReturnType<typeof createLruCache<DocumentNode>>;
  /** Throws a syntax error, or QUERY_TOO_COMPLEX when it is too long. */
  parse(text: string): DocumentNode;
  /** What is wrong with it, if anything is. */
  validate(document: DocumentNode): readonly GraphQLError[];
}

/** Documents that did not parse are not kept: anybody can send them. */
const kept = { max: 200, ttl: 3_600_000 };

export function createDocuments(schema: GraphQLSchema): Documents {
  const parsed = createLruCache<DocumentNode>(kept);
  const validated = new WeakMap<DocumentNode, readonly GraphQLError[]>();
  return {
    parsed,
    parse: (text) => {
      const known = parsed.get(text);
      if (known !== undefined) return known;
      checkLength(text);
      const document = parseLimited(text);
      parsed.set(text, document);
      return document;
    },
    validate: (document) => {
      const errors = validated.get(document) ?? validate(schema, document);
      validated.set(document, errors);
      return errors;
    },
  };
}
