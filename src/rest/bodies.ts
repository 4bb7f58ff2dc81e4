import type { FastifyInstance } from 'fastify';
import { ClientError } from '../errors.ts';
import { checkJson } from '../json-text.ts';

/**
 * Takes JSON bodies and no others. An empty one is `undefined`, for clients announce JSON and send nothing. A broken one is
 * BAD_USER_INPUT with the code INVALID_JSON and, where it is known, the `position` of the first wrong character.
 */
export function takeJson(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'string' }, async (_request: unknown, body: string) => {
    if (body.trim() === '') return undefined;
    checkJson(body);
    try {
      return JSON.parse(body);
    } catch (error) {
      throw error instanceof SyntaxError ? invalidJson(error) : error;
    }
  });
}

/** Takes HTML form bodies and no others, as URLSearchParams. */
export function takeForm(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  const type = 'application/x-www-form-urlencoded';
  server.addContentTypeParser(type, { parseAs: 'string' }, async (_request: unknown, body: string) => {
    return new URLSearchParams(body);
  });
}

function invalidJson(cause: SyntaxError): ClientError {
  const { message } = cause;
  const position = /at position (\d+)/.exec(message)?.[1];
  const limits = position === undefined ? {} : { position: Number(position) };
  const issue = { path: [], code: 'INVALID_JSON', message, limits };
  return new ClientError('BAD_USER_INPUT', `The body is not valid JSON: ${message}`, { issues: [issue], cause });
}
