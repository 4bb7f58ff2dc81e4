import { expect, test } from 'vitest';
import { networkOf } from '../../src/address.ts';
import { readConfig } from '../../src/config.ts';
import { startTestApp, type TestApp } from '../support/gateway.ts';

const off = { BULKCAST_ADDRESS_FAILED_SIGN_INS: '0', BULKCAST_USER_FAILED_SIGN_INS: '0' };

async function signIn(app: TestApp, form: { username?: string; password?: string }, forwarded?: string) {
  const { username, password } = { ...app.project, ...form };
  return fetch(`${app.url}/v2/token`, {
    method: 'POST',
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
    body: new URLSearchParams({ username, password }),
  });
}

async function statuses(calls: readonly (() => Promise<Response>)[]): Promise<number[]> {
  const found = [];
  for (const call of calls) found.push((await call()).status);
  return found;
}

test('too many that fail for one username are answered 429, right ones too, and others go on', async () => {
  const app = await startTestApp({ settings: { ...off, BULKCAST_USER_FAILED_SIGN_INS: '2' } });
  const other = await app.createProject();
  const right = () => signIn(app, {});
  const wrong = () => signIn(app, { password: 'wrong password' });
  expect(await statuses([right, right, wrong, right, wrong, right])).toEqual([200, 200, 401, 200, 401, 429]);
  const refused = await wrong();
  expect([refused.status, await refused.json()]).toEqual([429, { detail: expect.stringContaining('try again in') }]);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(590);
  expect((await signIn(app, other)).status).toBe(200);
});

test('too many that fail from one address are answered 429; whoever says to come from elsewhere is not believed', async () => {
  const app = await startTestApp({ settings: { ...off, BULKCAST_ADDRESS_FAILED_SIGN_INS: '2' } });
  const wrong = (name: string) => () => signIn(app, { username: name }, `203.0.113.${name}`);
  expect(await statuses([wrong('1'), wrong('2'), wrong('3'), () => signIn(app, {})])).toEqual([401, 401, 429, 429]);
});

test('behind a trusted proxy the address is the last one that no trusted proxy has', async () => {
  const settings = { ...off, BULKCAST_ADDRESS_FAILED_SIGN_INS: '1', BULKCAST_TRUSTED_PROXIES: '127.0.0.1,10.1.0.0/16' };
  const app = await startTestApp({ settings });
  const wrong = (forwarded: string) => () => signIn(app, { username: 'nobody' }, forwarded);
  expect(await statuses([wrong('203.0.113.1'), wrong('203.0.113.1'), wrong('203.0.113.2')])).toEqual([401, 429, 401]);
  // What stands before it was said by the client itself, and by nobody who is trusted.
  const forged = ['198.51.100.1, 203.0.113.1', '198.51.100.2, 203.0.113.1, 10.1.2.3'];
  expect(await statuses(forged.map(wrong))).toEqual([429, 429]);
  expect(await statuses([wrong('198.51.100.1, 203.0.113.3'), wrong('198.51.100.1')])).toEqual([401, 401]);
});

test('a proxy that is none is refused at the start', () => {
  for (const BULKCAST_TRUSTED_PROXIES of ['proxy.example', '10.0.0.0/33', '10.0.0.1,', '10.0.0.0/8/8']) {
    expect(() => readConfig({ environment: { BULKCAST_TRUSTED_PROXIES } })).toThrow(
      'BULKCAST_TRUSTED_PROXIES: expected',
    );
  }
});

test('IPv6 addresses of one network are one', () => {
  expect(networkOf('::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(networkOf('192.0.2.1')).toBe('192.0.2.1');
  expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2');
  expect(networkOf('2001:0DB8::1')).toBe('2001:db8:0:0');
  expect(networkOf('fe80::1%eth0')).toBe('fe80:0:0:0');
  expect(networkOf('::1')).toBe('0:0:0:0');
});
