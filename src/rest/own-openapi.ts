import { z } from 'zod';
import { problemType } from '../problems.ts';
import type { DoorAnswers } from './openapi-doors.ts';
import {
  answers,
  type JsonSchema,
  type Operation,
  type Paths,
  type Printer,
  parameter,
  text,
  withHeaders,
} from './openapi-parts.ts';

const problem = z.object({
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  requestId: z.string().describe('As in the header x-request-id and in the log.'),
});

const liveness = z.object({ status: z.literal('ok') });

const readiness = z.object({
  status: z.enum(['ok', 'stopping', 'unavailable']),
  database: z.enum(['up', 'down']).optional(),
  bus: z.enum(['up', 'down']).optional().describe('Down, it only slows pushes.'),
});

/** The paths that belong to neither wire model. */
export function ownPaths(printer: Printer): Paths {
  const refused = (description: string) => answers(description, printer.answer('Problem', problem), problemType);
  const ready = printer.answer('Readiness', readiness);
  return {
    '/healthz': {
      get: {
        operationId: 'healthz',
        summary: 'The process lives.',
        security: [],
        responses: { 200: answers('It does.', printer.answer('Liveness', liveness)) },
      },
    },
    '/readyz': {
      get: {
        operationId: 'readyz',
        summary: 'The process can serve.',
        security: [],
        responses: {
          200: answers('It can.', ready),
          503: answers('It stops, or cannot reach the database.', ready),
        },
      },
    },
    '/metrics': {
      get: {
        operationId: 'metrics',
        summary: 'What Prometheus scrapes.',
        security: [],
        responses: {
          200: answers('The metrics.', text, 'text/plain'),
          403: refused('Asked for from another machine, or through a proxy.'),
        },
      },
    },
    '/openapi.json': { get: page('openapi', 'This description.', { type: 'object' }, 'application/json') },
    '/docs': { get: page('docs', 'This description, to be read in a browser.', text, 'text/html') },
  };
}

/** They have no refusals in common. */
export const ownAnswers: DoorAnswers = { name: 'own', headers: {}, refusals: [] };

function page(operationId: string, summary: string, schema: JsonSchema, type: string): Operation {
  const headers = {
    ETag: { description: 'Changes with the text.', schema: text },
    'Cache-Control': { description: 'For how long it may be kept.', schema: text },
  };
  return {
    operationId,
    summary,
    security: [],
    parameters: [parameter('header', 'If-None-Match', text, 'The ETag of an answer before: 304 while it is the same.')],
    responses: {
      200: withHeaders(answers(summary, schema, type), headers),
      304: { description: 'It is the same.', headers },
    },
  };
}
