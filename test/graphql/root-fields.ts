import {
  buildSchema,
  type GraphQLField,
  type GraphQLInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
  isUnionType,
} from 'graphql';
import { printedSchema } from '../../src/graphql/print.ts';
import type { TestApp } from '../support/gateway.ts';
import { type Answer, codes, type Headers, post, readAnswer } from './client.ts';

/** What a root field answered. */
export interface FieldAnswer {
  readonly codes: readonly string[];
  readonly data: unknown;
}

interface RootField {
  readonly name: string;
  readonly operation: 'query' | 'mutation' | 'subscription';
  readonly field: GraphQLField<unknown, unknown>;
}

const schema = buildSchema(printedSchema());

/** Every root field of the printed schema, as `Query.bulkTask`, in alphabetical order. */
export function rootFields(): string[] {
  return listFields()
    .map(({ name }) => name)
    .sort();
}

/** The names of all fields of tasks and of their results. */
export function taskFields(): string[] {
  const unions = ['BulkTask', 'AsyncActionResult'].map((name) => schema.getType(name));
  const types = unions.flatMap((union) => (isUnionType(union) ? union.getTypes() : []));
  return types.flatMap((type) => Object.keys(type.getFields()));
}

/** Asks every root field of the printed schema with the least input that is valid GraphQL. */
export async function askEveryField(app: TestApp, headers: Headers): Promise<Map<string, FieldAnswer>> {
  const answers = new Map<string, FieldAnswer>();
  for (const one of listFields()) {
    const answer = await askField(app, one, headers);
    answers.set(one.name, { codes: codes(answer) ?? [], data: answer.data });
  }
  return answers;
}

function listFields(): RootField[] {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  return roots.flatMap((type) => {
    const operation = type?.name.toLowerCase();
    if (operation !== 'query' && operation !== 'mutation' && operation !== 'subscription') throw new Error('no root');
    return Object.values(type?.getFields() ?? {}).map((field) => ({ name: `${type}.${field.name}`, operation, field }));
  });
}

async function askField(app: TestApp, { operation, field }: RootField, headers: Headers): Promise<Answer<unknown>> {
  const args = field.args.filter(isRequiredArgument).map((arg) => `${arg.name}: ${leastOf(arg.type)}`);
  const call = `${field.name}${args.length > 0 ? `(${args.join(', ')})` : ''}`;
  const selection = isLeafType(getNamedType(field.type)) ? '' : '{ __typename }';
  const hasFile = call.includes('$file');
  const query = `${operation} ${hasFile ? '($file: File!)' : ''} { ${call} ${selection} }`;
  if (hasFile) return post(app, formOf(query), headers);
  const json = { 'content-type': 'application/json', ...headers };
  if (operation !== 'subscription') return post(app, JSON.stringify({ query }), json);
  return askOnce(app, query, json);
}

/** The first event of a subscription over server-sent events. */
async function askOnce(app: TestApp, query: string, headers: Headers): Promise<Answer<unknown>> {
  const abort = new AbortController();
  const init = {
    method: 'POST',
    headers: { ...headers, accept: 'text/event-stream' },
    body: JSON.stringify({ query }),
  };
  const response = await fetch(`${app.url}/graphql`, { ...init, signal: abort.signal });
  let text = '';
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    if (/^data: .+\n/m.test(text)) break;
  }
  abort.abort();
  return readAnswer(new Response(/^data: (.+)$/m.exec(text)?.[1] ?? '{}', { headers: response.headers }));
}

function formOf(query: string): FormData {
  const form = new FormData();
  form.set('operations', JSON.stringify({ query, variables: { file: null } }));
  form.set('map', '{"0":["variables.file"]}');
  form.set('0', new Blob(['Code\n']), 'a.csv');
  return form;
}

/** A literal of this type. */
function leastOf(type: GraphQLInputType): string {
  if (isNonNullType(type)) return leastOf(type.ofType);
  if (isListType(type)) return '[]';
  if (isEnumType(type)) return type.getValues()[0]?.name ?? '';
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).filter(isRequiredInputField);
    return `{ ${fields.map((field) => `${field.name}: ${leastOf(field.type)}`).join(', ')} }`;
  }
  return literals[type.name] ?? '"x"';
}

const literals: Readonly<Record<string, string>> = {
  Int: '1',
  Float: '1',
  Boolean: 'true',
  DateTime: '"2026-01-01T00:00:00Z"',
  Decimal: '"1"',
  JSON: '{}',
  File: '$file',
};
