import { randomBytes, scrypt as scryptCallback, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const scrypt = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(
  scryptCallback,
);

/** Cost after OWASP's recommendation for scrypt: N = 2^15, r = 8, p = 3. */
const cost = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 1024 * 1024 };
const keyBytes = 32;

/** A salted scrypt hash as text: `scrypt$<salt>$<key>`, both in base64. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await scrypt(password, salt, keyBytes, cost);
  return `scrypt$${salt.toString('base64')}$${key.toString('base64')}`;
}

export async function isPassword(password: string, hash: string): Promise<boolean> {
  const [scheme, salt, key] = hash.split('$');
  if (scheme !== 'scrypt' || salt === undefined || key === undefined) throw new Error('not a stored password hash');
  const given = await scrypt(password, Buffer.from(salt, 'base64'), keyBytes, cost);
  return timingSafeEqual(given, Buffer.from(key, 'base64'));
}
