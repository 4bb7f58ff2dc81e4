import type { FastifyInstance } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import { ClientError, notFound } from '../../errors.ts';
import { streamReport } from '../../tasks/chunks.ts';
import { operationOf } from '../../tasks/engine.ts';
import type { ReportRow } from '../../tasks/operation.ts';
import { reportPath } from '../../tasks/results.ts';
import { readTask } from '../../tasks/store.ts';
import { sendCsv } from '../csv-download.ts';

interface Link {
  readonly Params: { readonly asyncActionId: string };
  readonly Querystring: { readonly expires?: unknown; readonly signature?: unknown };
}

/** The download of a bulk update's report, for whoever holds a signed link that has not expired. */
export function registerReports(server: FastifyInstance, deps: GatewayDeps): void {
  server.route<Link>({
    method: ['GET', 'HEAD'],
    url: '/async-actions/:asyncActionId/report.csv',
    config: { isPublic: true },
    handler: async (request, reply) => {
      const { asyncActionId: id } = request.params;
      if (!deps.links.isValid(reportPath(id), request.query)) {
        throw new ClientError('FORBIDDEN', 'The link is not valid or has expired; poll the action for a new one');
      }
      const task = await readTask(deps.db, id);
      const shape = task && operationOf(deps.engine.operations, task.operation).result;
      if (shape?.family !== 'UPDATE') throw notFound('async_action', id);
      return sendCsv(request, reply, deps, {
        name: `report-${id}.csv`,
        columns: [shape.key, 'found', 'updated'],
        batches: toRows(streamReport(deps.db, id, request.signal)),
      });
    },
  });
}

async function* toRows(batches: AsyncIterable<readonly ReportRow[]>): AsyncGenerator<string[][]> {
  for await (const batch of batches) yield batch.map(([key, found, updated]) => [key, String(found), String(updated)]);
}
