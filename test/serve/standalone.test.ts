import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServe } from '../support/processes.ts';

const root = join(import.meta.dirname, '../..');
let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'bulkcast-standalone-'));
});

afterAll(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

test('starts with nothing but a data directory, keeps its secrets to itself, and its data over a kill', async () => {
  const environment = { BULKCAST_DATA_DIR: dataDir };
  const first = await startServe(environment);
  const file = join(dataDir, 'secrets.json');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const { project } = JSON.parse(await readFile(file, 'utf8'));
  const headers = { 'x-app-id': project.appId, 'x-app-token': project.appToken, 'content-type': 'application/json' };
  const body = JSON.stringify([{ code: 'KEPT', gift: { amount: 100 } }]);
  const started = await fetch(`${first.url}/v1/vouchers/import`, { method: 'POST', headers, body });
  expect(started.status).toBe(202);
  await first.waitForLog('task.ended');
  await first.kill();

  const second = await startServe(environment);
  const voucher = await fetch(`${second.url}/v1/vouchers/KEPT`, { headers });
  expect(await voucher.json()).toMatchObject({ code: 'KEPT', gift: { amount: 100 } });
  expect(await second.stop()).toBe(0);
});

test('the demo does the main job and ends', { timeout: 120_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'bulkcast-demo-'));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['src/main.ts', 'demo', '--exit'], {
      cwd: root,
      env: { PATH: process.env.PATH, PORT: '0', BULKCAST_DATA_DIR: directory },
      timeout: 100_000,
    });
    expect(stdout).toMatch(/gift cards.*100%.*100000\/100000.*SUCCEEDED/);
    expect(stdout).toMatch(/vouchers.*100%.*5000\/5000 \| 55 failed.*SUCCEEDED/);
    expect(stdout).toContain('"status": "completed"');
    expect(stdout).toContain('"message": "4945 voucher(s) imported successfully, 55 failed."');
    expect(stdout).toMatch(/The cards as CSV: http:.*cards\.csv\?expires=\d+&signature=/);
    expect(stdout).toMatch(/row 90 \S+: Voucher Type is required/);
    expect(stdout).toContain('row 180 (no code): Code is required');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
