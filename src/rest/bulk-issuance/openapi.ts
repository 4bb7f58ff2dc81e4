import { cardsCsvPath } from '../../domain/gift-cards.ts';
import { issueGiftCards } from '../../operations/issue-gift-cards.ts';
import {
  answers,
  eventAnswers,
  eventParameters,
  type JsonSchema,
  jsonBody,
  linkParameters,
  type Operation,
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
import { objectId } from './requests.ts';
import * as shapes from './shapes.ts';

const id = { ...text, pattern: objectId };
const programId = parameter('path', 'programId', id, 'The gift-card program.');
const taskId = parameter('path', 'taskId', text, 'As the start answered it.');
const cardId = parameter('query', 'cardId', id, 'Narrows the cards to this one.');

const ignored = ['X-Eposn-Customer-Token', 'X-Eposn-Merchant-Token'].map((name) =>
  parameter('header', name, text, 'Accepted, and ignored.'),
);

/** The paths below /v2. */
export function bulkIssuancePaths(printer: Printer): Paths {
  printer.answer('CardSummary', shapes.cardSummary);
  return {
    '/v2/token': { post: signIn(printer) },
    '/v2/giftcards/programs/{programId}/cards/bulk': { post: start(printer) },
    '/v2/giftcards/programs/{programId}/cards/bulk/{taskId}': { get: poll(printer) },
    '/v2/giftcards/programs/{programId}/cards/bulk/{taskId}/events': { get: events(printer) },
    [cardsCsvPath('{programId}', '{taskId}')]: { get: download },
  };
}

function signIn(printer: Printer): Operation {
  const properties = { username: text, password: { ...text, format: 'password' }, grant_type: { const: 'password' } };
  const schema: JsonSchema = { type: 'object', required: ['username', 'password'], properties };
  return {
    operationId: 'token',
    summary: "A token for a merchant's name and password.",
    security: [],
    requestBody: { required: true, content: { 'application/x-www-form-urlencoded': { schema } } },
    responses: {
      200: answers('A token.', printer.answer('Token', shapes.token)),
      401: answers('The name or the password is not right.', printer.answer('Detail', shapes.detail)),
    },
  };
}

function start(printer: Printer): Operation {
  return {
    operationId: 'bulkIssue',
    summary: issueGiftCards.mutation.description,
    parameters: [programId, cardId, ...startHeaders, ...ignored],
    requestBody: jsonBody(withoutProgram(printer), 'required'),
    responses: {
      201: withHeaders(
        answers('Few cards: issued at once.', printer.answer('BulkIssuanceSyncResponse', shapes.syncResponse)),
        pollLocation,
      ),
      202: withHeaders(
        answers('Accepted; poll the task.', printer.answer('BulkIssuanceAsyncResponse', shapes.asyncResponse)),
        pollLocation,
      ),
    },
  };
}

function poll(printer: Printer): Operation {
  return {
    operationId: 'pollBulkIssuance',
    summary: 'How a task is getting on. ETag is its version; Retry-After says when to ask again.',
    parameters: [programId, taskId, cardId, ...pollParameters, ...ignored],
    responses: pollAnswers(answers('The status.', printer.answer('BulkIssuanceTaskStatus', shapes.taskStatus))),
  };
}

function events(printer: Printer): Operation {
  return {
    operationId: 'watchBulkIssuance',
    summary:
      'How a task is getting on, as server-sent events. Of more than 1,000 cards they tell none: the poll and the CSV do.',
    parameters: [programId, taskId, ...eventParameters],
    responses: eventAnswers(printer.answer('BulkIssuanceTaskStatus', shapes.taskStatus)),
  };
}

const download: Operation = {
  operationId: 'downloadCards',
  summary: 'The CSV of the cards, by the link of a poll; the link is all that it takes.',
  security: [],
  parameters: [programId, taskId, ...linkParameters],
  responses: { 200: answers('The cards.', text, 'text/csv') },
};

/** The program stands in the path. */
function withoutProgram(printer: Printer): JsonSchema {
  const { properties = {}, required = [], ...rest } = printer.input(issueGiftCards.input);
  const { programId: _, ...others } = properties;
  return { ...rest, properties: others, required: required.filter((name) => name !== 'programId') };
}
