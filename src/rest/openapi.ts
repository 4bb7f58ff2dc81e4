import { operations } from '../operations/index.ts';
import { asyncActionPaths } from './async-action/openapi.ts';
import { bulkIssuancePaths } from './bulk-issuance/openapi.ts';
import { createPrinter } from './openapi-parts.ts';

/** The OpenAPI 3.1 document of the REST paths that exist, as it is committed in schema/. */
export function printedOpenApi(): string {
  const printer = createPrinter();
  const paths = { ...asyncActionPaths(printer, operations.values()), ...bulkIssuancePaths(printer) };
  const document = {
    openapi: '3.1.0',
    info: {
      title: 'bulkcast REST',
      version: '1',
      description: 'Starts bulk tasks and tells how they are getting on, for clients of the two published task models.',
    },
    security: [{ appId: [], appToken: [] }, { bearer: [] }],
    paths,
    components: {
      schemas: printer.components,
      securitySchemes: {
        appId: { type: 'apiKey', in: 'header', name: 'X-App-Id' },
        appToken: { type: 'apiKey', in: 'header', name: 'X-App-Token' },
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
      },
    },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
