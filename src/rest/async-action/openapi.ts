import type { AnyOperation, RestStart } from '../../tasks/operation.ts';
import {
  answers,
  eventAnswers,
  eventParameters,
  type JsonSchema,
  jsonBody,
  linkParameters,
  type Operation,
  type Parameter,
  type Paths,
  type Printer,
  parameter,
  pollAnswers,
  pollLocation,
  pollParameters,
  startHeaders,
  text,
  withHeaders,
} from '../openapi-parts.ts';
import { campaignPaths } from './campaign-openapi.ts';
import { customerPaths } from './customer-openapi.ts';
import { oauthPaths } from './oauth-paths.ts';
import { orderPaths } from './order-paths.ts';
import { limitParameter } from './paging.ts';
import { productPaths } from './product-paths.ts';
import * as shapes from './shapes.ts';
import { voucherPaths } from './voucher-openapi.ts';

const asyncActionId = parameter('path', 'asyncActionId', text, 'As the start answered it.');

/** The paths below /v1: the reads, and the start of every operation that has one. */
export function asyncActionPaths(printer: Printer, operations: Iterable<AnyOperation>): Paths {
  const paths: Paths = {
    '/v1/async-actions': { get: list(printer) },
    '/v1/async-actions/{asyncActionId}': { get: poll(printer) },
    '/v1/async-actions/{asyncActionId}/events': { get: events(printer) },
    '/v1/async-actions/{asyncActionId}/report.csv': { get: report },
    ...voucherPaths(printer),
    ...campaignPaths(printer),
    ...customerPaths(printer),
    ...orderPaths(printer),
    ...oauthPaths(printer),
    ...productPaths(printer),
  };
  for (const operation of operations) {
    const { rest } = operation;
    if (rest === null) continue;
    const path = rest.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [rest.method.toLowerCase()]: start(printer, operation, rest) };
  }
  return paths;
}

function list(printer: Printer): Operation {
  return {
    operationId: 'list-async-actions',
    summary: 'The newest async actions, without results.',
    parameters: [
      limitParameter,
      parameter('query', 'end_date', { ...text, format: 'date-time' }, 'Only those created before it.'),
    ],
    responses: { 200: answers('A page.', printer.answer('AsyncActionList', shapes.actionList)) },
  };
}

function poll(printer: Printer): Operation {
  return {
    operationId: 'get-async-action',
    summary: 'How an async action is getting on. ETag is its version; Retry-After says when to ask again.',
    parameters: [asyncActionId, ...pollParameters],
    responses: pollAnswers(answers('The action.', printer.answer('AsyncAction', shapes.actionWithResult))),
  };
}

function events(printer: Printer): Operation {
  return {
    operationId: 'watch-async-action',
    summary: 'How an async action is getting on, as server-sent events.',
    parameters: [asyncActionId, ...eventParameters],
    responses: eventAnswers(printer.answer('AsyncAction', shapes.actionWithResult)),
  };
}

const report: Operation = {
  operationId: 'download-async-action-report',
  summary: "A bulk update's report, by a signed link of its result: the key of each item, found and updated.",
  security: [],
  parameters: [asyncActionId, ...linkParameters],
  responses: { 200: answers('The report.', text, 'text/csv') },
};

function start(printer: Printer, operation: AnyOperation, rest: RestStart): Operation {
  const pathParameters = inPath(rest).map((name) => parameter('path', name, text, 'Its id or name.'));
  const started = answers(`Started: ${operation.actionType}.`, printer.answer('Started', shapes.started));
  return {
    operationId: operation.name,
    summary: operation.mutation.description,
    parameters: [...pathParameters, ...inQuery(printer, operation, rest), ...startHeaders],
    ...(rest.body !== 'none' && { requestBody: requestBody(printer, operation, rest) }),
    responses: { [rest.status]: withHeaders(started, pollLocation) },
  };
}

function requestBody(
  printer: Printer,
  operation: AnyOperation,
  rest: RestStart,
): NonNullable<Operation['requestBody']> {
  const schema = bodyOf(printer, operation, rest);
  if (rest.body === 'csv') return { required: true, content: { 'multipart/form-data': { schema } } };
  const params = Object.fromEntries(inPath(rest).map((name) => [name, 'any']));
  const withoutBody = operation.input.safeParse(rest.toInput({ body: undefined, params, query: {} }));
  return jsonBody(schema, withoutBody.success ? 'optional' : 'required');
}

/** The part of the operation's input that the body is: all of it, or one property. */
function bodyOf(printer: Printer, operation: AnyOperation, rest: RestStart): JsonSchema {
  const schema = printer.input(operation.input);
  const body = {};
  const input = rest.toInput({ body, params: {}, query: {} });
  const [property] = Object.entries(Object(input)).find(([, value]) => value === body) ?? [];
  const part = property === undefined ? undefined : schema.properties?.[property];
  return typeof part === 'object' ? part : without(schema, inPath(rest));
}

/** What a start without a body is told in the query: all of its input that the path does not tell. */
function inQuery(printer: Printer, operation: AnyOperation, rest: RestStart): Parameter[] {
  if (rest.body !== 'none') return [];
  const { properties = {} } = without(printer.input(operation.input), inPath(rest));
  return Object.entries(properties).map(([name, schema]) => {
    const { description = '', ...type } = Object(schema);
    return parameter('query', name, type, description);
  });
}

/** The names of the parameters in a start's path. */
function inPath({ path }: RestStart): string[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
}

/** A body's schema without what the path tells: `campaign_id` for the parameter `campaignId`. */
function without(schema: JsonSchema, parameters: readonly string[]): JsonSchema {
  const told = parameters.map((name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
  const { properties = {}, required = [] } = schema;
  return {
    ...schema,
    properties: Object.fromEntries(Object.entries(properties).filter(([name]) => !told.includes(name))),
    required: required.filter((name) => !told.includes(name)),
  };
}
