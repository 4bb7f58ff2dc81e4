import { expect, test } from 'vitest';
import { contracts } from '../support/contracts.ts';
import { compareAnswers, compareRequests } from './openapi-compare.ts';
import { reasons } from './openapi-contract-reasons.ts';
import { document, resolve } from './openapi-document.ts';

const methods = ['get', 'post', 'put', 'delete', 'patch'];

// biome-ignore lint/suspicious/noExplicitAny: a document of a contract
type Document = any;

function differences(contract: Document): string[] {
  return Object.entries<Document>(contract.paths).flatMap(([path, item]) =>
    methods
      .filter((method) => item[method] !== undefined)
      .flatMap((method) => {
        const at = `${method.toUpperCase()} ${path}`;
        const ours: Document = document.paths[path]?.[method];
        if (ours === undefined) return [`${at}: is not there`];
        const theirs = item[method];
        const parameters = [...(item.parameters ?? []), ...(theirs.parameters ?? [])].map((one) =>
          follow(one, contract),
        );
        return [
          ...parameters.flatMap((one) => compareParameter(ours, one, contract, at)),
          ...compareBody(ours, theirs, contract, at),
          ...Object.entries<Document>(theirs.responses).flatMap(([status, answer]) =>
            compareStatus(ours, status, follow(answer, contract), contract, at),
          ),
        ];
      }),
  );
}

function compareParameter(ours: Document, theirs: Document, contract: object, at: string): string[] {
  const own = ours.parameters?.find((one: Document) => one.name === theirs.name && one.in === theirs.in);
  if (own === undefined) return [`${at} ${theirs.in} ${theirs.name}: is not there`];
  const [mine, other] = [
    { schema: own.schema, document },
    { schema: theirs.schema, document: contract },
  ];
  return sent(compareRequests(mine, other, `${at} ${theirs.name}`));
}

/** Parameters and forms are texts: none can be null. */
function sent(told: string[]): string[] {
  return told.filter((line) => !line.endsWith('cannot be null'));
}

function compareBody(ours: Document, theirs: Document, contract: object, at: string): string[] {
  return Object.entries<Document>(theirs.requestBody?.content ?? {}).flatMap(([type, { schema }]) => {
    const own = ours.requestBody?.content[type]?.schema;
    if (own === undefined) return [`${at} body ${type}: is not taken`];
    const told = compareRequests({ schema: own, document }, { schema, document: contract }, `${at} body`);
    return type === 'application/json' ? told : sent(told);
  });
}

function compareStatus(ours: Document, status: string, theirs: Document, contract: object, at: string): string[] {
  const own = ours.responses[status] && resolve<Document>(ours.responses[status]);
  if (own === undefined) return [`${at} ${status}: is not there`];
  return Object.entries<Document>(theirs.content ?? {}).flatMap(([type, { schema }]) => {
    const answered = own.content?.[type]?.schema;
    if (answered === undefined) return [`${at} ${status} ${type}: is not answered`];
    return compareAnswers({ schema: answered, document }, { schema, document: contract }, `${at} ${status}`);
  });
}

function follow(part: Document, contract: Document): Document {
  if (part.$ref === undefined) return part;
  return part.$ref
    .slice(2)
    .split('/')
    .reduce((value: Document, key: string) => value[key], contract);
}

test.each(['loyaltydog', 'voucherify-async'] as const)('differs from %s as told, and in nothing else', (name) => {
  const told = Object.values(reasons[name]).flat();
  expect(new Set(told).size).toBe(told.length);
  expect([...new Set(differences(contracts[name]))].sort()).toEqual([...told].sort());
});
