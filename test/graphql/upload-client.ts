import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { TestApp } from '../support/gateway.ts';
import { fieldPart, filePart, multipartType, textOf } from '../support/multipart.ts';
import { type Answer, type Headers, post, type ShownError } from './client.ts';

const query = `mutation ($file: File!, $key: String, $dryRun: Boolean) {
  importVouchersCsv(input: { file: $file }, idempotencyKey: $key, dryRun: $dryRun) { task { id counts { total } } userErrors { field message code } }
}`;

export interface Uploaded {
  readonly importVouchersCsv: {
    readonly task: { readonly id: string; readonly counts: { readonly total: number } } | null;
    readonly userErrors: readonly { field: string[]; message: string; code: string }[];
  };
}

/** The field `operations` of an import whose file is still to come. */
export function operations(variables: object = {}): string {
  return JSON.stringify({ query, variables: { file: null, ...variables } });
}

export const fileMap = '{"0":["variables.file"]}';

/** The first line of a voucher file. */
export const header = 'Code,Voucher Type,Value\n';

/** Lines of a voucher file; their codes begin with `prefix`. */
export function rows(count: number, prefix: string): string {
  return Array.from({ length: count }, (_, index) => `${prefix}${index},GIFT_VOUCHER,10\n`).join('');
}

/** The parts in their order; a file may be called by its digit with a `#` before, for JavaScript would put that first. */
export function form(parts: Readonly<Record<string, string | Blob>>): FormData {
  const data = new FormData();
  for (const [key, value] of Object.entries(parts)) {
    const name = key.replace('#', '');
    if (typeof value === 'string') data.append(name, value);
    else data.append(name, value, 'vouchers.csv');
  }
  return data;
}

/** Uploads a voucher file as a browser does. */
export function uploadCsv(app: TestApp, csv: string | Blob, variables: object = {}): Promise<Answer<Uploaded>> {
  const parts = { operations: operations(variables), map: fileMap, '#0': new Blob([csv]) };
  return post(app, form(parts), app.project.headers);
}

/** Begins an upload that the test goes on writing: `beginning()` first, then the file. */
export function beginUpload(to: { readonly url: string }, headers: Headers): ClientRequest {
  return request(`${to.url}/graphql`, { method: 'POST', headers: { ...headers, 'content-type': multipartType } });
}

/** Everything of an upload that comes before the file's content. */
export function beginning(variables: object = {}): string {
  return fieldPart('operations', operations(variables)) + fieldPart('map', fileMap) + filePart('0');
}

export async function answerTo<Data = Uploaded>(
  outgoing: ClientRequest,
): Promise<{ readonly data: Data; readonly errors: readonly ShownError[] | undefined }> {
  const [response]: IncomingMessage[] = await once(outgoing, 'response');
  // The gateway may close the connection before it has read everything.
  outgoing.on('error', () => undefined);
  return JSON.parse(await textOf(response ?? []));
}

/** How many tasks, chunks and keys there are: what an upload may leave behind. */
export async function stored({ app }: TestApp): Promise<readonly number[]> {
  const tables = ['tasks', 'chunks', 'idempotency_keys'] as const;
  const counts = tables.map((table) =>
    app.db
      .selectFrom(table)
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow(),
  );
  return (await Promise.all(counts)).map(({ count }) => count);
}
