import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { readCsv } from '../../src/domain/csv.ts';

async function readAll(content: string | Buffer, maxLineBytes = 1_000_000) {
  const bytes = Buffer.from(content);
  const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(i * 7, i * 7 + 7));
  const { header, rows } = await readCsv(Readable.from(pieces, { objectMode: false }), { maxLineBytes });
  return { header, rows: await Array.fromAsync(rows) };
}

test('reads quotes, line ends of both kinds, a byte order mark and empty lines', async () => {
  const { header, rows } = await readAll('\ufeffCode, Info\r\nA,"x, ""y""\nz"\r\n\r\nB,ü€🎁\n');
  expect(header).toEqual(['Code', 'Info']);
  expect(rows).toEqual([
    ['A', 'x, "y"\nz'],
    ['B', 'ü€🎁'],
  ]);
});

test('passes rows on as they are, too short and too long ones too', async () => {
  expect((await readAll('a,b\n1\n1,2,3\n')).rows).toEqual([['1'], ['1', '2', '3']]);
});

test.each([
  ['an empty file', '', 'empty'],
  ['a quote that never ends', 'a,b\n1,"2\n3,4\n', 'never closed'],
  ['a quote in the middle of a cell', 'a,b\n1,2"3"\n', 'quote'],
  ['another encoding', Buffer.from('a,b\n1,caf\xe9\n', 'latin1'), 'UTF-8'],
  ['UTF-16', Buffer.from('\ufeffa,b\n', 'utf16le'), 'UTF-8'],
  ['a line that is too long', `a,b\n1,${'x'.repeat(2000)}\n`, 'too long'],
  ['a quoted cell that is too long', `a,b\n1,"${'x\n'.repeat(2000)}"\n`, 'too long'],
])('refuses %s with the reason', async (_what, content, text) => {
  await expect(readAll(content, 1000)).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
    message: expect.stringContaining(text),
    issues: [{ path: ['file'] }],
  });
});

test('passes the error of the transport on', async () => {
  const broken = new Readable({
    read() {
      this.push('a,b\n');
      this.destroy(new Error('connection lost'));
    },
  });
  await expect(readCsv(broken, { maxLineBytes: 100 }).then(({ rows }) => Array.fromAsync(rows))).rejects.toThrow(
    'connection lost',
  );
});
