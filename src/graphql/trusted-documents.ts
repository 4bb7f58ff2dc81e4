import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { ConfigError } from '../config.ts';

/** The only documents that run, where they are configured. */
export interface TrustedDocuments {
  has(text: string): boolean;
  /** The document whose SHA-256 this is, in hex. */
  find(sha256: string): string | undefined;
}

const fileSchema = z.record(z.string().regex(/^[0-9a-f]{64}$/), z.string());

/** Reads a JSON file that maps the SHA-256 of each document (lower-case hex) to it. Throws a ConfigError. */
export async function readTrustedDocuments(path: string): Promise<TrustedDocuments> {
  const result = fileSchema.safeParse(await readJson(path));
  if (!result.success) throw refusal(path, 'expected a JSON object of SHA-256 (64 lower-case hex digits) → document');
  const byHash = new Map(Object.entries(result.data));
  for (const [sha256, text] of byHash) {
    if (hash('sha256', text, 'hex') !== sha256) throw refusal(path, `the document under ${sha256} has another SHA-256`);
  }
  const texts = new Set(byHash.values());
  return { has: (text) => texts.has(text), find: (sha256) => byHash.get(sha256) };
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new ConfigError(`BULKCAST_TRUSTED_DOCUMENTS: cannot read JSON from ${path}`, { cause });
  }
}

function refusal(path: string, problem: string): ConfigError {
  return new ConfigError(`BULKCAST_TRUSTED_DOCUMENTS: ${path}: ${problem}`);
}
