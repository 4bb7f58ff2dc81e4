import { operations } from '../operations/index.ts';
import { asyncActionAnswers } from './async-action/door-answers.ts';
import { asyncActionPaths } from './async-action/openapi.ts';
import { bulkIssuanceAnswers } from './bulk-issuance/door-answers.ts';
import { bulkIssuancePaths } from './bulk-issuance/openapi.ts';
import { completePaths } from './openapi-doors.ts';
import { bodyExamples } from './openapi-examples.ts';
import {
  type Answer,
  createPrinter,
  type Headers,
  type JsonSchema,
  type Operation,
  type Paths,
} from './openapi-parts.ts';
import { ownAnswers, ownPaths } from './own-openapi.ts';

/** The OpenAPI 3.1 document of the HTTP paths, GraphQL's aside. */
export interface OpenApi {
  readonly openapi: '3.1.0';
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly security: readonly object[];
  readonly paths: Paths;
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly responses: Readonly<Record<string, Answer>>;
    readonly headers: Headers;
    readonly securitySchemes: Readonly<Record<string, object>>;
  };
}

const description = `Starts bulk tasks and tells how they are getting on, for clients of the two published task models.

Below /v1 is the model of async actions, below /v2 that of bulk issuance; each refuses in the shape of its contract. A path or method \
that there is not is answered 404 or 405 (with \`Allow\`) in the same shape, and elsewhere as problem details (RFC 9457), as is what \
is no valid HTTP request. Query parameters that are not told here are ignored, but where they would narrow a list: those are refused.

GraphQL, subscriptions and uploads of any size are at /graphql, whose contract is its schema.`;

/** By what a path begins with after its version. */
const tags = {
  giftcards: ['Gift cards', 'Bulk issuance: start, poll, follow, download.'],
  token: ['Tokens', 'For callers that keep no key.'],
  oauth: ['Tokens', ''],
  'async-actions': ['Async actions', 'How bulk work is getting on.'],
  vouchers: ['Vouchers', 'Bulk work on vouchers, and their reads.'],
  campaigns: ['Campaigns', 'Campaigns and bulk work on their vouchers.'],
  customers: ['Customers', 'Customers and bulk work on them.'],
  products: ['Products', 'Products, SKUs and bulk work on them.'],
  skus: ['Products', ''],
  orders: ['Orders', 'Orders and bulk work on them.'],
  'metadata-schemas': ['Metadata schemas', 'What metadata must hold.'],
  own: ['Operation', 'Probes, metrics, and this description.'],
} as const;

/** Builds the document from the routes' schemas. */
export function describeRest(): OpenApi {
  const printer = createPrinter();
  const responses: Record<string, Answer> = {};
  const headers: Record<string, Headers[string]> = {};
  const shared = { responses, headers };
  const paths = {
    ...completePaths(bulkIssuancePaths(printer), bulkIssuanceAnswers(printer), shared),
    ...completePaths(asyncActionPaths(printer, operations.values()), asyncActionAnswers(printer), shared),
    ...completePaths(ownPaths(printer), ownAnswers, shared),
  };
  const named = new Map(Object.values(tags).flatMap(([name, text]) => (text === '' ? [] : [[name, text] as const])));
  return {
    openapi: '3.1.0',
    info: { title: 'bulkcast REST', version: '1', description },
    tags: [...named].map(([name, text]) => ({ name, description: text })),
    security: [{ appId: [], appToken: [] }, { bearer: [] }],
    paths: Object.fromEntries(Object.entries(paths).map(([path, told]) => [path, withTagAndExample(path, told)])),
    components: {
      schemas: printer.components,
      responses,
      headers,
      securitySchemes: {
        appId: { type: 'apiKey', in: 'header', name: 'X-App-Id' },
        appToken: { type: 'apiKey', in: 'header', name: 'X-App-Token' },
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
      },
    },
  };
}

/** The document as it is committed in schema/. */
export function printedOpenApi(): string {
  return `${JSON.stringify(describeRest(), null, 2)}\n`;
}

function withTagAndExample(path: string, operations: Paths[string]): Paths[string] {
  const tagged = Object.entries(operations).map(([method, { operationId, summary, ...operation }]) => {
    const told: Operation = {
      operationId,
      summary,
      tags: [tagOf(path)],
      ...operation,
      ...exampleOf(operationId, operation),
    };
    return [method, told] as const;
  });
  return Object.fromEntries(tagged);
}

function exampleOf(
  operationId: string,
  { requestBody }: Pick<Operation, 'requestBody'>,
): Pick<Operation, 'requestBody'> {
  if (requestBody === undefined) return {};
  const entries = Object.entries(requestBody.content).map(([type, content]) => {
    return [type, { ...content, example: bodyExamples[operationId] }] as const;
  });
  return { requestBody: { ...requestBody, content: Object.fromEntries(entries) } };
}

function tagOf(path: string): string {
  const [, version = '', first = ''] = path.split('/');
  const group = /^v\d$/.test(version) ? first : 'own';
  const found = Object.entries(tags).find(([name]) => name === group);
  if (found === undefined) throw new Error(`${path} belongs to no tag`);
  return found[1][0];
}
