import { answers, type JsonSchema, type Paths, type Printer, text } from '../openapi-parts.ts';
import { scopes } from './oauth.ts';
import { error, oauthToken } from './shapes.ts';

/** The path of the OAuth token, for the OpenAPI document. */
export function oauthPaths(printer: Printer): Paths {
  const schema: JsonSchema = {
    type: 'object',
    properties: { grant_type: { const: 'client_credentials' }, scope: text },
    required: ['grant_type', 'scope'],
  };
  return {
    '/v1/oauth/token': {
      post: {
        operationId: 'generate-oauth-token',
        summary: `A token for a key pair (not for a token), confined to scopes separated by spaces: ${scopes.join(', ')}.`,
        requestBody: { required: true, content: { 'application/x-www-form-urlencoded': { schema } } },
        responses: {
          200: answers('The token.', printer.answer('OauthToken', oauthToken)),
          429: answers(
            'Too many calls, or the project has as many living tokens as it may have; Retry-After says for how long.',
            printer.answer('Error', error),
          ),
        },
      },
    },
  };
}
