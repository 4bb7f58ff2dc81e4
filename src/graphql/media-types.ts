/** What a GraphQL response can be told as. */
export type MediaType = 'application/graphql-response+json' | 'application/json';

const byRange = new Map<string, MediaType>([
  ['application/graphql-response+json', 'application/graphql-response+json'],
  ['application/json', 'application/json'],
  ['application/*', 'application/json'],
  ['*/*', 'application/json'],
]);

/**
 * The kind of GraphQL response that an `Accept` header asks for, by quality, then by order (RFC 9110, section 12.5.1). Without the
 * header, and for wildcards, it is `application/json`, which every client can read; undefined when it takes neither.
 */
export function negotiate(accept: string | undefined): MediaType | undefined {
  if (accept === undefined || accept === '') return 'application/json';
  const known = byRange.get(accept);
  if (known !== undefined) return known;
  let best: { readonly type: MediaType; readonly quality: number } | undefined;
  for (const range of accept.split(',')) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const type = byRange.get(name);
    const quality = qualityOf(parameters);
    if (type !== undefined && quality > (best?.quality ?? 0)) best = { type, quality };
  }
  return best?.type;
}

function qualityOf(parameters: readonly string[]): number {
  const given = parameters.find((parameter) => parameter.startsWith('q='));
  const quality = given === undefined ? 1 : Number(given.slice(2));
  return Number.isNaN(quality) ? 0 : quality;
}
