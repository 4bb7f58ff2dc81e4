import { expect, test } from 'vitest';
import type { TaskStatus } from '../../src/rest/bulk-issuance/shapes.ts';
import { startTestApp } from '../support/gateway.ts';
import { createClient, present } from './client.ts';

test('the cards of a large issuance are streamed, the same as the CSV has', async () => {
  const app = await startTestApp();
  const client = createClient(app);
  const done = await client.issue(2_500);
  expect(done.cards).toHaveLength(2_500);
  const path = `${client.bulk}/${done.taskId}`;
  const answer = await client.get<TaskStatus>(path);
  expect(answer.body).toEqual(done);
  expect([answer.headers.get('content-length'), answer.headers.get('transfer-encoding')]).toEqual([null, 'chunked']);
  const csv = await (await fetch(present(done.csvDownloadUrl))).text();
  const ids = csv
    .split('\r\n')
    .slice(1, -1)
    .map((line) => line.split(',')[0]);
  expect(done.cards?.map(({ id }) => id)).toEqual(ids);
  const tag = present(answer.headers.get('etag'));
  const again = await client.get(path, { headers: { ...app.project.headers, 'if-none-match': tag } });
  expect([again.status, again.text]).toEqual([304, '']);
  const head = await client.call('HEAD', path);
  expect([head.status, head.text, head.headers.get('etag')]).toEqual([200, '', tag]);
});
