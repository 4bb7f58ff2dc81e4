import { beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../support/gateway.ts';
import { ask, codes, post } from './client.ts';
import { form, header, fileMap as map, operations, rows, stored, type Uploaded } from './upload-client.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({ role: 'gateway' });
});

describe('a multipart request', () => {
  const file = new Blob([`${header}${rows(1, 'K')}`]);
  it.each<[string, Readonly<Record<string, string | Blob>>, string]>([
    ['without operations', { map, '#0': file }, '"operations"'],
    ['without a map', { operations: operations(), '#0': file }, '"map"'],
    ['whose file comes first', { '#0': file, operations: operations(), map }, '"operations"'],
    ['whose operations are no JSON', { operations: '{', map, '#0': file }, '"operations"'],
    ['of a batch', { operations: `[${operations()}]`, map, '#0': file }, 'batching'],
    ['whose map is no JSON', { operations: operations(), map: 'x', '#0': file }, '"map"'],
    ['of another file than the map says', { operations: operations(), map, '#1': file }, '"1" came'],
    ['without the file', { operations: operations(), map }, 'no file came'],
    [
      'of a map of two files',
      { operations: operations(), map: '{"0":["variables.file"],"1":["variables.b"]}', '#0': file },
      'one file',
    ],
    [
      'of a file in two places',
      { operations: operations(), map: '{"0":["variables.file","variables.file"]}', '#0': file },
      'one file',
    ],
    [
      'of a path that leads nowhere',
      { operations: operations(), map: '{"0":["variables.input.file"]}', '#0': file },
      'variables.input.file',
    ],
    ['of a path to the query', { operations: operations(), map: '{"0":["query"]}', '#0': file }, '"query"'],
    [
      'of a path to a prototype',
      { operations: operations(), map: '{"0":["variables.__proto__.file"]}', '#0': file },
      '__proto__',
    ],
  ])('%s is refused', async (_name, parts, message) => {
    const answer = await post(app, form(parts), app.project.headers);
    expect(answer.status).toBe(400);
    expect(answer.errors).toMatchObject([
      { message: expect.stringContaining(message), extensions: { code: 'BAD_USER_INPUT' } },
    ]);
  });

  it('without a file is an ordinary request', async () => {
    const parts = { operations: JSON.stringify({ query: '{ __typename }' }), map: '{}' };
    expect((await post(app, form(parts), app.project.headers)).data).toEqual({ __typename: 'Query' });
  });

  it('of a second file is refused, the first one included', async () => {
    const before = await stored(app);
    const parts = { operations: operations(), map, '#0': file, '#1': file };
    const { data } = await post<Uploaded>(app, form(parts), app.project.headers);
    expect(data.importVouchersCsv.userErrors).toMatchObject([{ code: 'TOO_MANY_FILES' }]);
    expect(await stored(app)).toEqual(before);
  });

  it('cannot put a text where a file belongs', async () => {
    const answer = await ask(app, JSON.parse(operations()).query, { file: 'Code\nA\n' });
    expect(codes(answer)).toEqual(['BAD_USER_INPUT']);
    expect(answer.errors?.[0]?.message).toContain('multipart/form-data');
  });
});
