import { expect, it } from 'vitest';
import { hostOf, nameOf, parseRedisUrl, urlOfNode } from '../../src/progress/redis-address.ts';

it('takes the URL of one Redis as it is', () => {
  for (const url of ['redis://redis', 'rediss://user:p%40ss@redis.example:6380/2?family=6']) {
    expect(parseRedisUrl(url)).toStrictEqual({ isCluster: false, urls: [url] });
  }
});

it('names each node of a cluster, with the credentials of all', () => {
  expect(parseRedisUrl('redis-cluster://one:7000,two,[::1]:7002')).toStrictEqual({
    isCluster: true,
    urls: ['redis://one:7000', 'redis://two', 'redis://[::1]:7002'],
  });
  expect(parseRedisUrl('rediss-cluster://user:p%40s,s@one.example:6379,two.example/?family=6')).toStrictEqual({
    isCluster: true,
    urls: ['rediss://user:p%40s,s@one.example:6379/?family=6', 'rediss://user:p%40s,s@two.example/?family=6'],
  });
});

it.each([
  'localhost:6379',
  'redis:6379',
  'http://redis',
  'redis-cluster://',
  'redis-cluster://user:password@',
  'redis-cluster://one,',
  'redis-cluster://one:port',
  'redis-cluster://one,redis://two',
  'redis://user:%zz@redis',
])('refuses %s', (url) => {
  expect(() => parseRedisUrl(url)).toThrow();
});

it('leads from one node to another', () => {
  const seed = 'rediss://user:p%40ss@one.example/?family=6';
  expect(nameOf(seed)).toBe('one.example:6379');
  expect(nameOf('redis://[::1]:7002')).toBe('::1:7002');
  expect(hostOf('::1:7002')).toBe('::1');
  expect(urlOfNode('10.0.0.1:7000', seed)).toBe('rediss://user:p%40ss@10.0.0.1:7000/?family=6');
  expect(urlOfNode('::1:7002', seed)).toBe('rediss://user:p%40ss@[::1]:7002/?family=6');
});
