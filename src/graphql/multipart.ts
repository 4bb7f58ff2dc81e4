import { z } from 'zod';
import { badInput, type ClientError } from '../errors.ts';
import { checkJson } from '../json-text.ts';
import type { FormFile, UploadForm } from '../uploads.ts';

const operationsSchema = z.looseObject({ query: z.string(), variables: z.record(z.string(), z.unknown()).nullish() });
const mapSchema = z.record(z.string(), z.array(z.string()));

/**
 * The parameters of a GraphQL multipart request (graphql-multipart-request-spec, version 2), its file put where `map` says.
 * One file a request, at one place: it is read once, while it arrives. Throws BAD_USER_INPUT.
 */
export function readMultipartParams(form: UploadForm): { readonly query: string } {
  const operations = parseField(
    form,
    'operations',
    operationsSchema,
    'an object with a query; batching is not supported',
  );
  const map = parseField(form, 'map', mapSchema, 'an object of lists of paths');
  const places = Object.entries(map);
  if (places.length === 0 && form.file === null) return operations;
  const [name, paths = []] = places[0] ?? [];
  if (places.length !== 1 || paths.length !== 1) throw invalid('Expected a map of one file to one variable');
  if (form.file === null) throw invalid(`The map names the file "${name}", but no file came`);
  if (form.file.field !== name) throw invalid(`The map names the file "${name}", but "${form.file.field}" came`);
  putFile(operations, paths[0] ?? '', form.file);
  return operations;
}

function parseField<Value>(form: UploadForm, name: string, schema: z.ZodType<Value>, expected: string): Value {
  const text = form.fields.get(name);
  if (text === undefined) throw invalid(`Expected the field "${name}" before the file`);
  checkJson(text);
  const result = schema.safeParse(parseJson(text));
  if (!result.success) throw invalid(`The field "${name}": expected JSON, ${expected}`);
  return result.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Puts the file in the place of a null in the variables. */
function putFile(operations: object, path: string, file: FormFile): void {
  const steps = path.split('.');
  const last = steps.pop() ?? '';
  let parent: unknown = operations;
  for (const step of steps) parent = ownValue(parent, step);
  if (steps[0] !== 'variables' || ownValue(parent, last) !== null) {
    throw invalid(`The map's path "${path}": expected a variable that is null in the operations`);
  }
  Object.assign(Object(parent), { [last]: file });
}

function ownValue(parent: unknown, key: string): unknown {
  return typeof parent === 'object' && parent !== null && Object.hasOwn(parent, key)
    ? Reflect.get(parent, key)
    : undefined;
}

function invalid(message: string): ClientError {
  return badInput([], 'INVALID_MULTIPART', message);
}
