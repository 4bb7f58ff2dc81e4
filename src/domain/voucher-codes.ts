import { randomFillSync } from 'node:crypto';
import { z } from 'zod';
import { badInput } from '../errors.ts';
import { isStorable, unstorable } from '../tasks/input.ts';

/** How the codes of generated vouchers are made (contract of the async actions, section 4.5). */

const defaultCharset = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const defaultLength = 8;
const maxCodeCharacters = 255;
/** Up to so many possible codes are listed one by one when chance no longer finds those that are free. */
const listableCodes = 2 ** 17;
const words = 2 ** 16;

const part = z.string().max(maxCodeCharacters);

/** As a client writes it. `initial_count` is accepted without effect. */
export const codeConfigInput = z
  .object({
    length: z.int().min(1).max(maxCodeCharacters).optional().describe('Random characters; default 8.'),
    charset: z
      .string()
      .min(1)
      .max(1000)
      .optional()
      .describe('What the random characters are taken from; default 0-9a-zA-Z.'),
    prefix: part.optional().describe('Stands before each code.'),
    postfix: part.optional().describe('Stands after each code.'),
    pattern: part.optional().describe('Each `#` becomes one random character; overrides the length.'),
    initial_count: z.number().optional().describe('Without effect.'),
  })
  .refine(isStorable, unstorable)
  .meta({ id: 'CodeConfigInput', description: 'How codes are made.' });
export type CodeConfigInput = z.infer<typeof codeConfigInput>;

/** With all defaults, as it is stored and told: `length` is the number of `#` in the pattern. */
export const codeConfig = z.object({
  length: z.int(),
  charset: z.string(),
  pattern: z.string(),
  prefix: z.string().optional(),
  postfix: z.string().optional(),
});
export type CodeConfig = z.infer<typeof codeConfig>;

/** Fills in the defaults. Throws BAD_USER_INPUT with INVALID_CODE_CONFIG when its codes would be too long. */
export function toCodeConfig(input: CodeConfigInput = {}): CodeConfig {
  const pattern = input.pattern || '#'.repeat(input.length ?? defaultLength);
  const config = {
    length: pattern.split('#').length - 1,
    charset: [...new Set(input.charset ?? defaultCharset)].join(''),
    pattern,
    ...(input.prefix && { prefix: input.prefix }),
    ...(input.postfix && { postfix: input.postfix }),
  };
  const longest = Math.max(...[...config.charset].map((character) => character.length));
  if (partsOf(config).join('').length + config.length * longest > maxCodeCharacters) {
    throw invalidCodeConfig(`The codes would have more than ${maxCodeCharacters} characters`);
  }
  return config;
}

/** How many different codes there can be; Infinity when more than a number tells. */
export function possibleCodes(config: CodeConfig): number {
  return [...config.charset].length ** config.length;
}

/** Throws BAD_USER_INPUT with INVALID_CODE_CONFIG unless there can be `count` different codes. */
export function requirePossible(config: CodeConfig, count: number): void {
  if (possibleCodes(config) >= count) return;
  throw invalidCodeConfig(
    `Not possible to generate requested number of codes: ${count} of ${possibleCodes(config)} possible`,
  );
}

/** The refusal of a code config: BAD_USER_INPUT with INVALID_CODE_CONFIG. */
export function invalidCodeConfig(message: string) {
  return badInput(['code_config'], 'INVALID_CODE_CONFIG', message);
}

/** `count` codes of a cryptographically secure generator, every possible one as likely; now and then two are equal. */
export function makeCodes(config: CodeConfig, count: number): string[] {
  const next = pickFrom([...config.charset], count * config.length);
  const [first = '', ...rest] = partsOf(config);
  return Array.from({ length: count }, () => rest.reduce((code, fixed) => code + next() + fixed, first));
}

/** Every possible code; undefined when there are too many to list. */
export function listCodes(config: CodeConfig): string[] | undefined {
  if (possibleCodes(config) > listableCodes) return undefined;
  const [first = '', ...rest] = partsOf(config);
  const characters = [...config.charset];
  return rest.reduce(
    (codes, fixed) => codes.flatMap((code) => characters.map((character) => code + character + fixed)),
    [first],
  );
}

/** What is fixed in each code: a random character stands between each two parts. */
function partsOf({ prefix = '', pattern, postfix = '' }: CodeConfig): string[] {
  const parts = pattern.split('#');
  parts[0] = prefix + (parts[0] ?? '');
  parts[parts.length - 1] += postfix;
  return parts;
}

/** A source of characters, each as likely: random words at the uneven end of their range are thrown away. */
function pickFrom(characters: readonly string[], expected: number): () => string {
  const random = new Uint16Array(Math.min(Math.max(expected, 1), words));
  const accepted = words - (words % characters.length);
  let position = random.length;
  return () => {
    for (;;) {
      if (position === random.length) {
        randomFillSync(random);
        position = 0;
      }
      const word = random[position] ?? words;
      position += 1;
      if (word < accepted) return characters[word % characters.length] ?? '';
    }
  };
}
