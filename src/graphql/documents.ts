import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
  validate,
} from 'graphql';
import { _createLRUCache as createLruCache } from 'graphql-yoga';
import { checkLength, parseLimited } from './limits.ts';

/** The documents that clients send, over whichever transport: each is parsed and validated once as long as it is in use. */
export interface Documents {
  /** Throws GRAPHQL_PARSE_FAILED, or QUERY_TOO_COMPLEX when it is too long. */
  parse(text: string): DocumentNode;
  /** What is wrong with it, if anything is: GRAPHQL_VALIDATION_FAILED. */
  validate(document: DocumentNode): readonly GraphQLError[];
}

/** Only documents that are valid are kept: anybody can send others. */
const kept = { max: 200, ttl: 3_600_000 };
const validatedAlready: readonly GraphQLError[] = [];

export function createDocuments(schema: GraphQLSchema): Documents {
  const byText = createLruCache<DocumentNode>(kept);
  const texts = new WeakMap<DocumentNode, string>();
  const valid = new WeakSet<DocumentNode>();
  return {
    parse: (text) => {
      const known = byText.get(text);
      if (known !== undefined) return known;
      checkLength(text);
      const document = parse(text);
      texts.set(document, text);
      return document;
    },
    validate: (document) => {
      if (valid.has(document)) return validatedAlready;
      const errors = validate(schema, document);
      if (errors.length > 0) return errors.map((error) => withCode(error, 'GRAPHQL_VALIDATION_FAILED'));
      valid.add(document);
      const text = texts.get(document);
      if (text !== undefined) byText.set(text, document);
      return errors;
    },
  };
}

/** The operation that is to run. Throws OPERATION_RESOLUTION_FAILURE when it cannot be told which. */
export function selectOperation(document: DocumentNode, name: string | null | undefined): OperationDefinitionNode {
  const operation = getOperationAST(document, name);
  if (operation) return operation;
  const expected = name ? `an operation named "${name}"` : 'one operation, or an operationName that says which';
  throw withCode(new GraphQLError(`Expected ${expected}`), 'OPERATION_RESOLUTION_FAILURE');
}

function parse(text: string): DocumentNode {
  try {
    return parseLimited(text);
  } catch (error) {
    throw error instanceof GraphQLError ? withCode(error, 'GRAPHQL_PARSE_FAILED') : error;
  }
}

function withCode({ message, nodes, source, positions }: GraphQLError, code: string): GraphQLError {
  return new GraphQLError(message, {
    nodes,
    source,
    positions,
    extensions: { code, http: { spec: true, status: 400 } },
  });
}
