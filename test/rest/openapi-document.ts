import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { type OpenApi, printedOpenApi } from '../../src/rest/openapi.ts';
import type { Answer, JsonSchema, Operation, Reference } from '../../src/rest/openapi-parts.ts';

export const document: OpenApi = JSON.parse(printedOpenApi());

export interface Documented extends Operation {
  /** In capitals. */
  readonly method: string;
  readonly path: string;
}

/** Every operation of the document. */
export const documented: readonly Documented[] = Object.entries(document.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, ...operation })),
);

export function answerOf(operation: Operation, status: number): Answer | undefined {
  const answer: Answer | Reference | undefined = operation.responses[status];
  return answer && resolve<Answer>(answer);
}

/** The part itself, or what it refers to. */
export function resolve<Part extends object>(part: Part | Reference): Part {
  if (!('$ref' in part)) return part;
  const keys = String(part.$ref).slice(2).split('/');
  const found = keys.reduce<unknown>((value, key) => Reflect.get(Object(value), key), document);
  if (found === undefined) throw new Error(`${part.$ref} leads nowhere`);
  return found as Part;
}

const ajv = new Ajv2020({ strict: false, allErrors: true, coerceTypes: false });
addFormats.default(ajv);
ajv.addFormat('binary', true).addFormat('password', true).addSchema(document, 'document');

const compiled = new Map<string, ValidateFunction>();

/** What is wrong with a value by a schema of the document; nothing when it fits. */
export function misfits(schema: object, value: unknown): unknown[] {
  const text = JSON.stringify(schema).replaceAll('"#/components/', '"document#/components/');
  const validate = compiled.get(text) ?? ajv.compile(JSON.parse(text));
  compiled.set(text, validate);
  return validate(value) ? [] : (validate.errors ?? []);
}

/** Every property that the schemas of answers have, such as `Voucher.gift.amount`; with a value only those that it has. */
export function propertiesOf(schema: JsonSchema, name: string, value?: { readonly of: unknown }): string[] {
  const { $ref } = schema;
  if ($ref !== undefined) return propertiesOf(resolve<JsonSchema>({ $ref }), $ref.split('/').at(-1) ?? '', value);
  const choices = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  const { items } = schema;
  const found = choices.flatMap((choice) => propertiesOf(choice as JsonSchema, name, value));
  if (items !== undefined && !Array.isArray(items)) {
    const values = value === undefined ? [undefined] : [value.of].flat().map((of) => ({ of }));
    found.push(...values.flatMap((item) => propertiesOf(items as JsonSchema, name, item)));
  }
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    const isThere = value === undefined || Object.hasOwn(Object(value.of), key);
    if (!isThere) continue;
    const inside = value && { of: Reflect.get(Object(value.of), key) };
    found.push(`${name}.${key}`, ...propertiesOf(property as JsonSchema, `${name}.${key}`, inside));
  }
  return found;
}
