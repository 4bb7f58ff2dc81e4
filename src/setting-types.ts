import { isIP } from 'node:net';
import { z } from 'zod';
import { parseRedisUrl } from './progress/redis-address.ts';

/** `*`, or web origins separated by commas. */
export const origins = z
  .string()
  .transform(
    (text, context) =>
      readOrigins(text) ?? context.addIssue('expected * or a list of origins, such as https://shop.example'),
  )
  .pipe(z.custom<'*' | readonly string[]>());

/** Addresses and networks, separated by commas. */
export const networks = z
  .string()
  .transform(
    (text, context) =>
      readProxies(text) ?? context.addIssue('expected a list of addresses and networks, such as 10.0.0.7,10.1.0.0/16'),
  )
  .pipe(z.custom<readonly string[]>());

/** What `parseRedisUrl` takes. */
export const redisUrl = z
  .string()
  .refine(isRedisUrl, 'expected a URL redis://user:password@host:port, or redis-cluster://host:port,host:port');

/** Undefined when one is no origin. */
function readOrigins(text: string): '*' | readonly string[] | undefined {
  if (text.trim() === '*') return '*';
  const origins = text.split(',').map((origin) => origin.trim());
  return origins.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin) ? origins : undefined;
}

/** Undefined when one is neither an address nor a network. */
function readProxies(text: string): readonly string[] | undefined {
  const proxies = text.split(',').map((proxy) => proxy.trim());
  return proxies.every(isNetwork) ? proxies : undefined;
}

function isNetwork(text: string): boolean {
  const [address = '', prefix = '0', ...rest] = text.split('/');
  const bits = isIP(address) === 6 ? 128 : 32;
  return isIP(address) !== 0 && rest.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits;
}

function isRedisUrl(text: string): boolean {
  try {
    return parseRedisUrl(text).urls.length > 0;
  } catch {
    return false;
  }
}
