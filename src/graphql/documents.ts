import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
  validate,
} from 'graphql';
import { createLru } from '../lru.ts';
import { checkLength, parseLimited } from './limits.ts';
import type { TrustedDocuments } from './trusted-documents.ts';

/** The documents that clients send, over whichever transport: each is parsed and validated once as long as it is in use. */
export interface Documents {
  /** The text of a request's document, which it names or brings; empty for a name that is not known, which does not parse. */
  textOf(request: DocumentReference): string;
  /** Throws GRAPHQL_PARSE_FAILED, QUERY_TOO_COMPLEX when it is too long, or DOCUMENT_NOT_TRUSTED. */
  parse(text: string): DocumentNode;
  /** The document of a text that was parsed and found valid lately. */
  known(text: string): DocumentNode | undefined;
  /** What is wrong with it, if anything is: GRAPHQL_VALIDATION_FAILED. */
  validate(document: DocumentNode): readonly GraphQLError[];
}

/** How a request says which document it means: its text, `documentId` (`sha256:…` or the bare digits), or the hash of
 *  Apollo's persisted queries. */
export interface DocumentReference {
  readonly query?: string;
  readonly documentId?: string | undefined;
  readonly extensions?: Readonly<Record<string, unknown>> | null | undefined;
}

/** Only documents that are valid are kept: anybody can send others. */
const maxKept = 200;
const validatedAlready: readonly GraphQLError[] = [];

/** With trusted documents, no others parse. */
export function createDocuments(schema: GraphQLSchema, trusted?: TrustedDocuments): Documents {
  const byText = createLru<DocumentNode>(maxKept);
  const texts = new WeakMap<DocumentNode, string>();
  const valid = new WeakSet<DocumentNode>();
  return {
    textOf: (request) => request.query || (trusted?.find(hashOf(request)) ?? ''),
    known: (text) => byText.get(text),
    parse: (text) => {
      const known = byText.get(text);
      if (known !== undefined) return known;
      if (trusted !== undefined && !trusted.has(text)) throw notTrusted();
      if (text === '') throw notPersisted();
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

function hashOf({ documentId = '', extensions }: DocumentReference): string {
  if (documentId !== '') return documentId.replace(/^sha256:/, '');
  const persisted = extensions?.persistedQuery;
  const isGiven = typeof persisted === 'object' && persisted !== null && 'sha256Hash' in persisted;
  return isGiven ? String(persisted.sha256Hash) : '';
}

function notTrusted(): GraphQLError {
  return withCode(new GraphQLError('Only documents that this server knows are run'), 'DOCUMENT_NOT_TRUSTED');
}

/** What makes Apollo's clients send the text. */
function notPersisted(): GraphQLError {
  const message = 'No document is known by a name here: send its text as the query';
  return withCode(new GraphQLError(message), 'PERSISTED_QUERY_NOT_SUPPORTED');
}

function parse(text: string): DocumentNode {
  try {
    return parseLimited(text);
  } catch (error) {
    throw error instanceof GraphQLError && error.extensions.code === undefined
      ? withCode(error, 'GRAPHQL_PARSE_FAILED')
      : error;
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
