import type { DoorAnswers } from '../openapi-doors.ts';
import { answers, type Printer, requestIdHeader } from '../openapi-parts.ts';
import { error, tooLarge } from './shapes.ts';

const whole = { type: 'integer' } as const;

/** The refusals and headers of the async-action contract, sections 3.1 and 3.2. */
export function asyncActionAnswers(printer: Printer): DoorAnswers {
  const told = (description: string) => answers(description, printer.answer('Error', error));
  return {
    name: 'v1',
    headers: {
      ...requestIdHeader,
      'X-Rate-Limit-Limit': { description: 'Calls of the project in a minute.', schema: whole },
      'X-Rate-Limit-Remaining': { description: 'How many of them are left.', schema: whole },
      'X-Rate-Limit-Retry': { description: 'When the next call may be made, in Unix seconds.', schema: whole },
    },
    refusals: [
      {
        status: 400,
        answer: told('The path, a query parameter or the body is not valid.'),
        when: ({ takesBody, hasPathParameter, hasQueryParameter }) =>
          takesBody || hasPathParameter || hasQueryParameter,
      },
      { status: 401, answer: told('Unauthorized.'), when: ({ isPublic }) => !isPublic },
      {
        status: 403,
        answer: told('The token is confined to other scopes, or to watch one task; or a link is not valid any more.'),
        when: () => true,
      },
      { status: 404, answer: told('Nothing has this id.'), when: ({ hasPathParameter }) => hasPathParameter },
      { status: 408, answer: told('The body came too slowly.'), when: ({ takesBody }) => takesBody },
      {
        status: 409,
        answer: told('The first request with this Idempotency-Key is still running.'),
        when: ({ hasIdempotencyKey }) => hasIdempotencyKey,
      },
      {
        status: 413,
        answer: answers('The body is too large.', printer.answer('TooLarge', tooLarge)),
        when: ({ takesBody }) => takesBody,
      },
      { status: 415, answer: told('The body is of another kind.'), when: ({ takesBody }) => takesBody },
      {
        status: 422,
        answer: told('The Idempotency-Key was used with another request.'),
        when: ({ hasIdempotencyKey }) => hasIdempotencyKey,
      },
      {
        status: 429,
        answer: told('Too many calls; Retry-After says for how long.'),
        when: ({ isPublic }) => !isPublic,
      },
      { status: 500, answer: told('Our fault; quote the request_id.'), when: () => true },
      { status: 503, answer: told('Not now; Retry-After says when to try again.'), when: () => true },
    ],
  };
}
