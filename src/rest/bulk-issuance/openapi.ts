import { cardsCsvPath } from '../../domain/gift-cards.ts';
import { issueGiftCards } from '../../operations/issue-gift-cards.ts';
import {
  answers,
  eventAnswers,
  eventParameters,
  type JsonSchema,
  type Paths,
  type Printer,
  parameter,
  pollAnswers,
  pollLocation,
  pollParameters,
  startHeaders,
  withHeaders,
} from '../openapi-parts.ts';
import { objectId } from './requests.ts';
import * as shapes from './shapes.ts';

const id = { type: 'string', pattern: objectId };
const programId = parameter('path', 'programId', id, 'The gift-card program.');
const taskId = parameter('path', 'taskId', { type: 'string' }, 'As the start answered it.');
const cardId = parameter('query', 'cardId', id, 'Narrows the cards to this one.');

/** The paths below /v2. */
export function bulkIssuancePaths(printer: Printer): Paths {
  const detail = printer.answer('Detail', shapes.detail);
  const refusals = {
    401: answers('Not authenticated.', detail),
    403: answers("Not the caller's program.", detail),
    422: answers(
      'Not valid; every wrong part is told.',
      printer.answer('HTTPValidationError', shapes.validationErrors),
    ),
  };
  return {
    '/v2/token': { post: signIn(printer, refusals) },
    '/v2/giftcards/programs/{programId}/cards/bulk': { post: start(printer, refusals) },
    '/v2/giftcards/programs/{programId}/cards/bulk/{taskId}': { get: poll(printer, refusals) },
    '/v2/giftcards/programs/{programId}/cards/bulk/{taskId}/events': { get: events(printer, refusals) },
    [cardsCsvPath('{programId}', '{taskId}')]: { get: download(detail) },
  };
}

function signIn(printer: Printer, { 401: unauthenticated, 422: invalid }: Record<number, object>): object {
  const text = { type: 'string' };
  const properties = { username: text, password: { ...text, format: 'password' }, grant_type: { const: 'password' } };
  const schema = { type: 'object', required: ['username', 'password'], properties };
  return {
    operationId: 'token',
    summary: "A token for a merchant's name and password.",
    security: [],
    requestBody: { required: true, content: { 'application/x-www-form-urlencoded': { schema } } },
    responses: {
      200: answers('A token.', printer.answer('Token', shapes.token)),
      401: unauthenticated,
      422: invalid,
    },
  };
}

function start(printer: Printer, refusals: object): object {
  return {
    operationId: 'bulkIssue',
    summary: issueGiftCards.mutation.description,
    parameters: [programId, cardId, ...startHeaders],
    requestBody: { required: true, content: { 'application/json': { schema: withoutProgram(printer) } } },
    responses: {
      201: withHeaders(
        answers('Few cards: issued at once.', printer.answer('BulkIssuanceSyncResponse', shapes.syncResponse)),
        pollLocation,
      ),
      202: withHeaders(
        answers('Accepted; poll the task.', printer.answer('BulkIssuanceAsyncResponse', shapes.asyncResponse)),
        pollLocation,
      ),
      409: answers('The first request with this key is still running.', printer.answer('Detail', shapes.detail)),
      ...refusals,
    },
  };
}

function poll(printer: Printer, refusals: object): object {
  return {
    operationId: 'pollBulkIssuance',
    summary: 'How a task is getting on. ETag is its version; Retry-After says when to ask again.',
    parameters: [programId, taskId, cardId, ...pollParameters],
    responses: {
      ...pollAnswers(answers('The status.', printer.answer('BulkIssuanceTaskStatus', shapes.taskStatus))),
      404: answers('No such task of the program.', printer.answer('Detail', shapes.detail)),
      ...refusals,
    },
  };
}

function events(printer: Printer, refusals: object): object {
  return {
    operationId: 'watchBulkIssuance',
    summary:
      'How a task is getting on, as server-sent events. Of more than 1,000 cards they tell none: the poll and the CSV do.',
    parameters: [programId, taskId, ...eventParameters],
    responses: {
      ...eventAnswers(printer.answer('BulkIssuanceTaskStatus', shapes.taskStatus)),
      404: answers('No such task of the program.', printer.answer('Detail', shapes.detail)),
      ...refusals,
    },
  };
}

function download(detail: JsonSchema): object {
  return {
    operationId: 'downloadCards',
    summary: 'The CSV of the cards, by the link of a poll; the link is all that it takes.',
    security: [],
    parameters: [programId, taskId, queryText('expires'), queryText('signature')],
    responses: {
      200: answers('The cards.', { type: 'string' }, 'text/csv'),
      403: answers('The link is not valid or has expired.', detail),
      404: answers('No such task.', detail),
    },
  };
}

function queryText(name: string): object {
  return parameter('query', name, { type: 'string' }, 'A part of the signed link.');
}

/** The program stands in the path. */
function withoutProgram(printer: Printer): JsonSchema {
  const { properties = {}, required = [], ...rest } = printer.input(issueGiftCards.input);
  const { programId: _, ...others } = properties;
  return { ...rest, properties: others, required: required.filter((name) => name !== 'programId') };
}
