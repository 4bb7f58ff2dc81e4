import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayDeps } from '../../deps.ts';
import type { AnyOperation, RestStart } from '../../tasks/operation.ts';
import { startTask } from '../../tasks/start.ts';
import { takeStart } from '../door.ts';
import { tellPoll } from '../polls.ts';
import { readStarter } from '../starter.ts';
import { checkInput } from './payload.ts';
import { type Started, voucherifyPrefix } from './shapes.ts';
import { spoolFile } from './spool.ts';

/** The start of every operation that has one with a JSON body, or with none. */
export function registerJsonStarts(server: FastifyInstance, deps: GatewayDeps): void {
  for (const kind of ['json', 'none'] as const) {
    registerStarts(server, deps, kind, (operation, rest, request, reply) =>
      start(deps, operation, rest, { request, reply }, request.body),
    );
  }
}

/** The start of every operation that has one with a CSV file in a multipart form. The scope takes no other bodies. */
export function registerCsvStarts(server: FastifyInstance, deps: GatewayDeps): void {
  server.removeAllContentTypeParsers();
  // The form is read where it is needed, not parsed before.
  server.addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null));
  const maxBytes = deps.config.BULKCAST_MAX_BODY_BYTES;
  registerStarts(server, deps, 'csv', async (operation, rest, request, reply) => {
    using form = await deps.uploads.read(request.raw, { maxBytes });
    await using spooled = await spoolFile(form);
    const fields = [...spooled.fields].map(([name, text]) => [name, toValue(text)]);
    return await start(
      deps,
      operation,
      rest,
      { request, reply },
      { ...Object.fromEntries(fields), file: spooled.file },
    );
  });
}

function registerStarts(
  server: FastifyInstance,
  deps: GatewayDeps,
  kind: RestStart['body'],
  answer: (operation: AnyOperation, rest: RestStart, request: FastifyRequest, reply: FastifyReply) => Promise<Started>,
): void {
  for (const operation of deps.engine.operations.values()) {
    const { rest } = operation;
    if (rest?.body !== kind) continue;
    if (!rest.path.startsWith(`${voucherifyPrefix}/`)) throw new Error(`${rest.path} is not below ${voucherifyPrefix}`);
    server.route({
      method: rest.method,
      url: rest.path.slice(voucherifyPrefix.length),
      handler: async (request, reply) => {
        const started = await answer(operation, rest, request, reply);
        tellPoll(reply, deps, `${voucherifyPrefix}/async-actions/${started.async_action_id}`);
        return reply.code(rest.status).send(started);
      },
    });
  }
}

async function start(
  deps: GatewayDeps,
  operation: AnyOperation,
  rest: RestStart,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  body: unknown,
): Promise<Started> {
  const input = rest.toInput({ body, params: request.params, query: request.query });
  const checked = checkInput(operation, input, body);
  await takeStart(request);
  const task = await startTask(deps.engine, {
    operation,
    input: checked,
    ...readStarter(request, reply),
  });
  return { async_action_id: task.id };
}

/** A form holds texts; `true` and `false` are what a client writes for a boolean. */
function toValue(text: string): string | boolean {
  if (text === 'true') return true;
  return text === 'false' ? false : text;
}
