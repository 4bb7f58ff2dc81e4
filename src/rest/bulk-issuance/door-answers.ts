import type { DoorAnswers } from '../openapi-doors.ts';
import { answers, type Printer, requestIdHeader } from '../openapi-parts.ts';
import { detail, validationErrors } from './shapes.ts';

/** The refusals of the bulk-issuance contract. */
export function bulkIssuanceAnswers(printer: Printer): DoorAnswers {
  const told = (description: string) => answers(description, printer.answer('Detail', detail));
  return {
    name: 'v2',
    headers: requestIdHeader,
    refusals: [
      {
        status: 400,
        answer: told('The path cannot be decoded.'),
        when: ({ hasPathParameter }) => hasPathParameter,
      },
      { status: 401, answer: told('Not authenticated.'), when: ({ isPublic }) => !isPublic },
      {
        status: 403,
        answer: told("Not the caller's program, a token that is confined, or a link that is not valid any more."),
        when: ({ isPublic, hasPathParameter }) => !isPublic || hasPathParameter,
      },
      {
        status: 404,
        answer: told('No such task of the program.'),
        when: ({ hasPathParameter }) => hasPathParameter,
      },
      { status: 408, answer: told('The body came too slowly.'), when: ({ takesBody }) => takesBody },
      {
        status: 409,
        answer: told('The first request with this Idempotency-Key is still running.'),
        when: ({ hasIdempotencyKey }) => hasIdempotencyKey,
      },
      { status: 413, answer: told('The body is too large.'), when: ({ takesBody }) => takesBody },
      { status: 415, answer: told('The body is of another kind.'), when: ({ takesBody }) => takesBody },
      {
        status: 422,
        answer: answers(
          'Not valid, or the Idempotency-Key was used with another request; every wrong part is told.',
          printer.answer('HTTPValidationError', validationErrors),
        ),
        when: ({ isPublic, takesBody }) => !isPublic || takesBody,
      },
      {
        status: 429,
        answer: told('Too many calls, starts or failed sign-ins; Retry-After says for how long.'),
        when: ({ isPublic, takesBody }) => !isPublic || takesBody,
      },
      {
        status: 500,
        answer: told('Our fault; quote the id of the request.'),
        when: () => true,
      },
      { status: 503, answer: told('Not now; Retry-After says when to try again.'), when: () => true },
    ],
  };
}
