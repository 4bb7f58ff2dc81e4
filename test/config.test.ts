import { expect, test } from 'vitest';
import { ConfigError, readConfig, readMigrationConfig } from '../src/config.ts';

const read = (environment: Record<string, string>) => readConfig({ environment });

test('needs no setting at all', () => {
  expect(read({})).toMatchObject({
    PORT: 4000,
    HOST: '127.0.0.1',
    BULKCAST_ROLE: 'all',
    BULKCAST_DATA_DIR: '.bulkcast',
  });
});

test('an empty variable counts as unset', () => {
  expect(read({ PORT: '', DATABASE_URL: '', REDIS_URL: '' })).toMatchObject({ PORT: 4000 });
});

test('tells every problem at once, each with its variable', () => {
  const problems = () =>
    read({ PORT: 'many', BULKCAST_ROLE: 'worker', BULKCAST_LOG: 'loud', BULKCAST_SECRET: 'short', BULKCAST_LGO: '1' });
  expect(problems).toThrow(ConfigError);
  for (const name of ['PORT', 'BULKCAST_LOG', 'REDIS_URL', 'DATABASE_URL', 'BULKCAST_SECRET', 'BULKCAST_LGO: there']) {
    expect(problems).toThrow(name);
  }
});

test('takes one Redis or the nodes of a cluster, and refuses what is neither', () => {
  const urls = [
    'redis://redis:6379',
    'rediss://user:p%40ss@redis',
    'redis-cluster://one:7000,two:7000',
    'rediss-cluster://one',
  ];
  for (const url of urls) expect(read({ REDIS_URL: url })).toMatchObject({ REDIS_URL: url });
  for (const url of ['redis:6379', 'http://redis', 'redis-cluster://one,', 'redis://user:%zz@redis']) {
    expect(() => read({ REDIS_URL: url })).toThrow('REDIS_URL: expected a URL redis://');
  }
});

test('a migration needs its database and nothing else', () => {
  expect(readMigrationConfig({ DATABASE_URL: 'postgres://h/d', BULKCAST_ROLE: 'worker' })).toEqual({
    DATABASE_URL: 'postgres://h/d',
    BULKCAST_LOG: 'info',
  });
  expect(() => readMigrationConfig({})).toThrow('DATABASE_URL');
  expect(() => readMigrationConfig({ DATABASE_URL: 'mysql://x', BULKCAST_LOG: 'loud' })).toThrow(/DATABASE_URL.*LOG/s);
});

test('refuses one of several processes without a Redis, and a database without a secret', () => {
  const secret = 'a secret of the tests, long enough for HMAC';
  expect(() => read({ BULKCAST_ROLE: 'gateway', DATABASE_URL: 'postgres://h/d', BULKCAST_SECRET: secret })).toThrow(
    'REDIS_URL',
  );
  expect(() => read({ BULKCAST_ROLE: 'worker', REDIS_URL: 'redis://h' })).toThrow('DATABASE_URL');
  expect(() => read({ DATABASE_URL: 'postgres://h/d' })).toThrow('BULKCAST_SECRET');
});

test('refuses half a first project', () => {
  const settings = {
    DATABASE_URL: 'postgres://h/d',
    BULKCAST_SECRET: 'a secret of the tests, long enough for HMAC',
    BULKCAST_BOOTSTRAP_APP_ID: 'app',
  };
  expect(() => read(settings)).toThrow('BULKCAST_BOOTSTRAP_APP_TOKEN');
});

test('takes a list of web origins, and no address that is none', () => {
  expect(read({}).BULKCAST_CORS_ORIGINS).toBe('*');
  const origins = ['https://shop.example', 'http://localhost:3000'];
  expect(read({ BULKCAST_CORS_ORIGINS: origins.join(', ') }).BULKCAST_CORS_ORIGINS).toEqual(origins);
  for (const wrong of ['shop.example', 'https://shop.example/', '*,https://shop.example']) {
    expect(() => read({ BULKCAST_CORS_ORIGINS: wrong })).toThrow('BULKCAST_CORS_ORIGINS: expected * or a list');
  }
});
